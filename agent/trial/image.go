// Package trial sets the image of a manifest up on a throwaway tree of files, in a second or two and without a Droplet:
// first boot and first login are the real ones, and only what the tree cannot have is stood in for, which is commands,
// units and other people's accounts.
package trial

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"oneclick-agent/agent/database"
	"oneclick-agent/agent/facts"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/lint"
	"oneclick-agent/agent/manifest"
	"oneclick-agent/agent/problem"
	"oneclick-agent/agent/state"
)

const (
	// MaxFile is how large a file of the vendor's directory may be, in bytes.
	MaxFile = 64 << 20
	// Answers is where the customer's answers stand in a tree.
	Answers = "/root/answers.yaml"
	// callsFile has every call of a stand-in, in order.
	callsFile = "stand-in.log"
)

// The places of an image's directory, beside what the manifest names.
const (
	manifestName = "app.yaml"
	testImage    = "test/image"          // what the build leaves behind that the manifest changes
	testAnswers  = "test/answers.yaml"   // what a customer answers
	testStandIns = "test/stand-ins.yaml" // what commands print and make
)

// filesOfBuild are where the files stand that the build copies to the image's root.
var filesOfBuild = []string{"files", "packer/files"}

var errNoManifest = errors.New("there is no manifest")

// Image is an image on which nothing was done yet: the tree that every Droplet of it begins as.
type Image struct {
	Manifest *manifest.Manifest
	// Directory is the vendor's, as somebody typed it.
	Directory string
	answers   string // the file of the customer's answers, as somebody typed it
	scratch   string
	base      string
	vendor    *os.Root // Directory while it is read; no link leads out of it
	rules     []rule
}

// New lints the manifest in a vendor's directory and makes its image. Problems are told by the paths that were typed; they
// are a problem.List. Close removes the image, and all Droplets of it.
func New(directory string) (*Image, error) {
	scratch, err := scratchDirectory()
	if err != nil {
		return nil, err
	}
	i := &Image{Directory: directory, scratch: scratch, base: filepath.Join(scratch, "image")}
	i.vendor, err = os.OpenRoot(directory)
	if err == nil {
		defer i.vendor.Close()
		err = i.read()
	}
	if errors.Is(err, errNoManifest) || i.vendor == nil && errors.Is(err, fs.ErrNotExist) {
		err = problem.List{{Position: problem.Position{File: filepath.Join(directory, manifestName)}, Message: "there is no manifest",
			Hint: "name the directory that has it, or write one with: oneclick init"}}
	}
	if err != nil {
		i.Close()
		return nil, err
	}
	return i, nil
}

// scratchDirectory is in memory where there is such a directory: a setup syncs each file that it writes.
func scratchDirectory() (string, error) {
	if scratch, err := os.MkdirTemp("/dev/shm", "oneclick-"); err == nil {
		return scratch, nil
	}
	return os.MkdirTemp("", "oneclick-")
}

// Close removes the image, and all Droplets of it.
func (i *Image) Close() error { return os.RemoveAll(i.scratch) }

func (i *Image) read() error {
	data, err := i.readFile(manifestName)
	if errors.Is(err, fs.ErrNotExist) {
		return errNoManifest
	}
	if err != nil {
		return err
	}
	m, problems := lint.Parse(data, filepath.Join(i.Directory, manifestName))
	if len(problems) > 0 {
		return problems
	}
	i.Manifest = m
	if err := i.plant(); err != nil {
		return err
	}
	if err := i.lint(); err != nil {
		return err
	}
	rules, err := i.readFile(testStandIns)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		i.rules, err = parseRules(rules, filepath.Join(i.Directory, testStandIns))
	}
	return err
}

// lint reads the manifest on its image, and tells what is wrong by the vendor's own paths.
func (i *Image) lint() error {
	h, err := host.Open(i.base)
	if err != nil {
		return err
	}
	defer h.Close()
	_, err = lint.Whole(h, state.Manifest)
	return i.asTyped(err)
}

// asTyped gives problems the paths of this machine that somebody typed.
func (i *Image) asTyped(err error) error {
	var problems problem.List
	if !errors.As(err, &problems) {
		return err
	}
	home := path.Dir(state.Manifest) + "/"
	for n, p := range problems {
		problems[n].Message = strings.ReplaceAll(p.Message, home, i.Directory+"/")
		if below, ok := strings.CutPrefix(p.Position.File, home); ok {
			problems[n].Position.File = filepath.Join(i.Directory, below)
		} else if p.Position.File == Answers {
			problems[n].Position.File = i.answers
		}
	}
	return problems
}

// TakeAnswers takes the customer's answers from a file instead of test/answers.yaml.
func (i *Image) TakeAnswers(file string) error {
	info, err := os.Stat(file)
	if err == nil {
		err = readable(info, file)
	}
	if err != nil {
		return err
	}
	answers, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	return i.keepAnswers(file, answers)
}

func (i *Image) keepAnswers(file string, answers []byte) error {
	i.answers = file
	return write(filepath.Join(i.base, Answers), answers, 0o600)
}

// plant makes the tree: a Droplet that cloud-init has just described, what the build copies, and what the manifest names.
func (i *Image) plant() error {
	for _, folder := range append(slices.Clone(filesOfBuild), testImage) {
		if err := i.add(folder, "/"); err != nil {
			return err
		}
	}
	if err := i.addNamed(); err != nil {
		return err
	}
	files := map[string]string{
		"run/cloud-init/instance-data.json": droplet, callsFile: "", "root/.bashrc": "# root's own\n", "etc/update-motd.d/00-header": "",
	}
	files["etc/passwd"], files["etc/group"] = i.accounts()
	for _, unit := range i.units() {
		files["usr/lib/systemd/system/"+unit] = "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n"
	}
	for name, content := range files {
		if err := write(filepath.Join(i.base, name), []byte(content), 0o644); err != nil {
			return err
		}
	}
	answers, err := i.readFile(testAnswers)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		err = i.keepAnswers(filepath.Join(i.Directory, testAnswers), answers)
	}
	return cmp.Or(err, os.Chmod(filepath.Join(i.base, "root"), 0o700))
}

// droplet is what cloud-init wrote about this one, with addresses that are nobody's.
const droplet = `{"v1": {"instance_id": "2756294", "local_hostname": "sample", "region": "nyc3"}, "ds": {"meta_data":
{"interfaces": {"public": [{"ipv4": {"ip_address": "203.0.113.10"}}], "private": [{"ipv4": {"ip_address": "10.110.0.2"}}]}}}}`

// addNamed adds the manifest, and what stands beside it and is named in it.
func (i *Image) addNamed() error {
	home := path.Dir(state.Manifest)
	if err := i.add(manifestName, state.Manifest); err != nil {
		return err
	}
	for step := range i.Manifest.Steps() {
		for _, source := range step.Spec.Effects().Reads {
			below, ok := strings.CutPrefix(facts.Beside(home, source.Name), home+"/")
			if source.Key == "" || !ok {
				continue
			}
			if err := i.add(below, path.Join(home, below)); err != nil {
				return err
			}
		}
	}
	return nil
}

// add copies a file or a folder of the vendor's directory, where it is there, to a place of the image. What is no file stays
// behind: a link may lead anywhere on this machine.
func (i *Image) add(from, to string) error {
	return fs.WalkDir(i.vendor.FS(), from, func(name string, entry fs.DirEntry, err error) error {
		if name == from && errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(from, name)
		if err != nil {
			return err
		}
		target := filepath.Join(i.base, to, relative)
		switch {
		case entry.IsDir():
			return os.MkdirAll(target, 0o755)
		case !entry.Type().IsRegular():
			return nil
		}
		data, err := i.readFile(name)
		if err != nil {
			return err
		}
		return write(target, data, 0o644)
	})
}

// readFile reads a file of the vendor's directory. A link that leads out of that is an error.
func (i *Image) readFile(name string) ([]byte, error) {
	info, err := i.vendor.Stat(name)
	if err == nil {
		err = readable(info, filepath.Join(i.Directory, name))
	}
	if err != nil {
		return nil, err
	}
	return i.vendor.ReadFile(name)
}

// readable says why a file is not read whose path somebody typed.
func readable(info fs.FileInfo, typed string) error {
	switch {
	case !info.Mode().IsRegular():
		return fmt.Errorf("cannot read %s: it is no file", typed)
	case info.Size() > MaxFile:
		return fmt.Errorf("cannot read %s: it has %d bytes, and a trial takes %d at most", typed, info.Size(), MaxFile)
	}
	return nil
}

func write(file string, content []byte, mode fs.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, content, mode)
}

// units are those that the manifest names and no step of it writes.
func (i *Image) units() (units []string) {
	var named, written []string
	for step := range i.Manifest.Steps() {
		switch spec := step.Spec.(type) {
		case *manifest.Service:
			named = append(named, spec.Unit.Text)
		case *manifest.File:
			written = append(written, path.Base(spec.Path.Text))
		}
	}
	if db := i.Manifest.Database; db != nil {
		named = append(append(named, db.Services...), db.DisableLocal...)
		if db.Local != nil {
			named = append(named, database.LocalUnits(db.Engine[0])[0])
		}
	}
	if gate := i.Manifest.Gate; gate != nil {
		named = append(named, gate.Services...)
	}
	for _, unit := range named {
		if name, _, instance := strings.Cut(unit, "@"); instance {
			unit = name + "@.service"
		}
		if !slices.Contains(written, unit) && !strings.ContainsAny(unit, "/{") {
			units = append(units, unit)
		}
	}
	return units
}

var accountNames = regexp.MustCompile(`\b(?:owner|as): *["']?([a-z_][a-z0-9_-]*)(?::([a-z_][a-z0-9_-]*))?`)

// accounts are root and those that the manifest gives files to or runs commands as, and does not make itself. Whoever may not
// give files away keeps them, so there all accounts are the same one.
func (i *Image) accounts() (passwd, group string) {
	data, _ := os.ReadFile(filepath.Join(i.base, state.Manifest)) // it was written a moment ago
	text := string(data)
	names := map[string]bool{}
	for _, match := range accountNames.FindAllStringSubmatchIndex(text, -1) {
		for _, group := range [][2]int{{match[2], match[3]}, {match[4], match[5]}} {
			if group[0] >= 0 && !i.makesAccount(text[group[0]:group[1]], text[:group[0]]) {
				names[text[group[0]:group[1]]] = true
			}
		}
	}
	delete(names, "root")
	passwd, group = "root:x:0:0:root:/root:/bin/bash\n", "root:x:0:\n"
	for n, name := range slices.Sorted(maps.Keys(names)) {
		passwd += fmt.Sprintf("%s:x:%d:%d::/home/%s:/bin/sh\n", name, 500+n, 500+n, name)
		group += fmt.Sprintf("%s:x:%d:\n", name, 500+n)
	}
	return passwd, group
}

// makesAccount reports whether a step that stands in this text makes an account.
func (i *Image) makesAccount(name, text string) bool {
	for step := range i.Manifest.Steps() {
		if user, ok := step.Spec.(*manifest.User); ok && user.Name.Text == name {
			return regexp.MustCompile(`\buser: *["']?` + regexp.QuoteMeta(name) + `\b`).MatchString(text)
		}
	}
	return false
}
