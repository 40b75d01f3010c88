package examples

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"go.yaml.in/yaml/v4"

	"oneclick-agent/agent/database"
	"oneclick-agent/agent/manifest"
	"oneclick-agent/agent/state"
)

const (
	logPath   = "stand-in.log"
	rulesPath = "stand-ins.json"
	// given is where the customer's answers stand in a tree.
	given = "/root/answers.yaml"
)

// droplet is what cloud-init wrote about the Droplet of these tests.
const droplet = `{"v1": {"instance_id": "2756294", "local_hostname": "sample", "region": "nyc3"}, "ds": {"meta_data":
{"interfaces": {"public": [{"ipv4": {"ip_address": "203.0.113.10"}}], "private": [{"ipv4": {"ip_address": "10.110.0.2"}}]}}}}`

// scratch is a directory in memory where there is one: each run of each example syncs hundreds of files.
func scratch(t testing.TB) string {
	t.Helper()
	directory, err := os.MkdirTemp("/dev/shm", "examples-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(directory) })
	return directory
}

// standIn is the program that takes the place of every command, built once.
var standIn = sync.OnceValues(func() (program []byte, err error) {
	directory, err := os.MkdirTemp("", "stand-in-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(directory)
	file := filepath.Join(directory, "stand-in")
	build := exec.Command("go", "build", "-ldflags=-s -w", "-o", file, "./testdata/stand-in")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("cannot build the stand-in: %w: %s", err, out)
	}
	return os.ReadFile(file)
})

// image is an example as an image: its files, and which of them are stand-ins.
type image struct {
	example  string
	manifest *manifest.Manifest
	base     string // a tree that all others of this image are copies of
	standIns map[string]bool
}

// newImage makes the tree of an image: what the example brings, and a stand-in for each account, unit and command that
// its manifest names and does not make itself.
func newImage(t testing.TB, example string, m *manifest.Manifest) *image {
	t.Helper()
	i := &image{example: example, manifest: m, base: filepath.Join(scratch(t), "base"), standIns: map[string]bool{}}
	files := map[string]string{
		"run/cloud-init/instance-data.json": droplet, logPath: "", "root/.bashrc": "# root's own\n", "etc/update-motd.d/00-header": "",
	}
	i.addFolder(t, files, example, "etc/oneclick")
	i.addFolder(t, files, filepath.Join(example, "test/image"), "")
	files["etc/passwd"], files["etc/group"] = i.accounts(t)
	files[strings.TrimPrefix(given, "/")] = answers(t, example)
	files[rulesPath] = rules(t, example)
	for _, unit := range i.units() {
		files["usr/lib/systemd/system/"+unit] = "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n"
	}
	for name, content := range files {
		write(t, filepath.Join(i.base, name), []byte(content), 0o644)
	}
	program, err := standIn()
	if err != nil {
		t.Fatal(err)
	}
	for _, command := range i.commands() {
		i.standIns["/"+command] = true
		write(t, filepath.Join(i.base, command), program, 0o755)
	}
	for file, mode := range map[string]fs.FileMode{logPath: 0o666, "root": 0o700} {
		if err := os.Chmod(filepath.Join(i.base, file), mode); err != nil {
			t.Fatal(err)
		}
	}
	return i
}

func write(t testing.TB, file string, content []byte, mode fs.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, content, mode); err != nil {
		t.Fatal(err)
	}
}

// addFolder adds the files of a folder, but for tests of the example and its documentation.
func (i *image) addFolder(t testing.TB, files map[string]string, folder, to string) {
	t.Helper()
	err := filepath.WalkDir(folder, func(name string, entry fs.DirEntry, err error) error {
		if entry == nil {
			return nil // the example has no such folder
		}
		relative, _ := filepath.Rel(folder, name)
		if err == nil && relative == "test" {
			return fs.SkipDir
		}
		if err != nil || entry.IsDir() || relative == "README.md" {
			return err
		}
		data, err := os.ReadFile(name)
		files[filepath.Join(to, relative)] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// units are those that the manifest names and no step of it writes.
func (i *image) units() (units []string) {
	var named, written []string
	for step := range i.manifest.Steps() {
		switch spec := step.Spec.(type) {
		case *manifest.Service:
			named = append(named, spec.Unit.Text)
		case *manifest.File:
			written = append(written, path.Base(spec.Path.Text))
		}
	}
	if db := i.manifest.Database; db != nil {
		named = append(append(named, db.Services...), db.DisableLocal...)
		if db.Local != nil {
			named = append(named, database.LocalUnits(db.Engine[0])[0])
		}
	}
	if gate := i.manifest.Gate; gate != nil {
		named = append(named, gate.Services...)
	}
	for _, unit := range named {
		if name, _, instance := strings.Cut(unit, "@"); instance {
			unit = name + "@.service"
		}
		if !slices.Contains(written, unit) {
			units = append(units, unit)
		}
	}
	return units
}

// commands are the paths of those that the manifest runs.
func (i *image) commands() []string {
	commands := map[string]bool{"usr/sbin/useradd": true, "usr/sbin/usermod": true, "usr/sbin/chpasswd": true}
	add := func(command manifest.Command) {
		if len(command) == 0 {
			return
		}
		name := command[0].Text
		if !strings.Contains(name, "/") {
			name = "usr/bin/" + name
		}
		commands[strings.TrimPrefix(name, "/")] = true
	}
	for step := range i.manifest.Steps() {
		switch spec := step.Spec.(type) {
		case *manifest.Run:
			add(spec.Command)
			add(spec.Unless)
		case *manifest.TTY:
			add(spec.Command)
			add(spec.Unless)
		}
	}
	return slices.Sorted(maps.Keys(commands))
}

var accountNames = regexp.MustCompile(`\b(?:owner|as): *"?([a-z_][a-z0-9_-]*)(?::([a-z_][a-z0-9_-]*))?`)

// accounts are root and those that the manifest gives files to or runs commands as, and does not make itself.
func (i *image) accounts(t testing.TB) (passwd, group string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(i.example, "app.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, match := range accountNames.FindAllStringSubmatch(string(data), -1) {
		names[match[1]] = true
		if match[2] != "" {
			names[match[2]] = true
		}
	}
	delete(names, "root")
	for step := range i.manifest.Steps() {
		if user, ok := step.Spec.(*manifest.User); ok {
			delete(names, user.Name.Text)
		}
	}
	passwd, group = "root:x:0:0:root:/root:/bin/bash\n", "root:x:0:\n"
	for n, name := range slices.Sorted(maps.Keys(names)) {
		passwd += fmt.Sprintf("%s:x:%d:%d::/home/%s:/bin/sh\n", name, 500+n, 500+n, name)
		group += fmt.Sprintf("%s:x:%d:\n", name, 500+n)
	}
	return passwd, group
}

func answers(t testing.TB, example string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(example, "test/answers.yaml"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return string(data)
}

// rules are what the example says of its commands, as the stand-in reads them.
func rules(t testing.TB, example string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(example, "test/stand-ins.yaml"))
	if os.IsNotExist(err) {
		return "[]"
	}
	var parsed []map[string]any
	if err == nil {
		err = yaml.Unmarshal(data, &parsed)
	}
	if err != nil {
		t.Fatalf("%s: %v", example, err)
	}
	text, err := json.Marshal(parsed)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// newTree is a tree of the image on which nothing was done yet. Stand-ins are the same file everywhere.
func (i *image) newTree(t testing.TB) string {
	t.Helper()
	root, err := os.MkdirTemp(filepath.Dir(i.base), "tree-")
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(i.base, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative := strings.TrimPrefix(name, i.base)
		info, err := entry.Info()
		if err != nil {
			return err
		}
		to := filepath.Join(root, relative)
		switch {
		case entry.IsDir():
			err = os.MkdirAll(to, 0o755)
		case i.standIns[relative]:
			return os.Link(name, to)
		default:
			var data []byte
			if data, err = os.ReadFile(name); err == nil {
				err = os.WriteFile(to, data, 0o600)
			}
		}
		if err == nil {
			err = os.Chmod(to, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// kept is what of the agent's own files belongs to the result.
var kept = []string{state.Gate, state.Message}

// look describes the files of a tree by path: mode, owner and content, with names in the place of secrets.
func (i *image) look(t testing.TB, root string, named func(string) string) map[string]string {
	t.Helper()
	owners := map[uint32]string{}
	users, err := os.ReadFile(filepath.Join(root, "etc/passwd"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(users)) {
		var id uint32
		fields := strings.Split(line, ":")
		fmt.Sscan(fields[2], &id)
		owners[id] = fields[0]
	}
	found := map[string]string{}
	err = filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		relative := strings.TrimPrefix(name, root)
		if err != nil || relative == "" || relative == "/"+logPath || i.standIns[relative] || isOurs(relative) {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		stat := info.Sys().(*syscall.Stat_t)
		text := fmt.Sprintf("%04o %s:%s", stat.Mode&0o7777, owners[stat.Uid], owners[stat.Gid])
		switch {
		case info.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(name)
			found[relative] = "-> " + target
			return err
		case entry.IsDir():
			found[relative+"/"] = text
			return nil
		}
		data, err := os.ReadFile(name)
		found[relative] = text + "\n" + named(string(data))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// isOurs reports whether a path is the agent's own record, which differs from run to run.
func isOurs(name string) bool {
	ours := strings.HasPrefix(name, state.Directory) || strings.HasPrefix(name, state.Runtime)
	return ours && !slices.ContainsFunc(kept, func(place string) bool { return strings.HasPrefix(name, place) })
}
