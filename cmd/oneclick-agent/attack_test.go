package main

import (
	"bytes"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"oneclick-agent/agent/commandline"
)

var attackLasts = flag.Duration("attack", 3*time.Second, "how long an attacker races against the program")

const (
	// attacker is the account that tries: it owns /var/www and /var/log/app of the tree, and may write to its /tmp.
	attacker = 65534
	// attackCanary stands in every file that is none of the attacker's business.
	attackCanary = "the canary that only root can read"
)

// attacked is a setup that writes, edits, gives away, links and removes where the attacker may write.
const attacked = `
version: 1
app: {name: Sample}
secrets: {one: {}}
first_boot:
  - {directory: /var/www/app, owner: "www:www", recursive: true, optional: true}
  - {file: /var/www/app/config, content: "{{ .secrets.one }}", optional: true}
  - {file: /var/www/app/sub/config, content: "{{ .secrets.one }}", owner: "www:www", optional: true}
  - {edit: /var/www/app/env, format: dotenv, set: {KEY: "{{ .secrets.one }}"}, optional: true}
  - {link: /var/www/app/link, to: config, optional: true}
  - {remove: /var/www/app/cache, optional: true}
  - {file: /tmp/config, content: "{{ .secrets.one }}", optional: true}
first_login:
  questions: [{name: name, ask: Name}]
  steps:
    - {file: /var/www/app/login, content: "{{ .answers.name }} {{ .secrets.one }}", owner: "www:www", optional: true}
    - {edit: /tmp/env, format: dotenv, set: {NAME: "{{ .answers.name }}"}, optional: true}
    - {directory: /var/www/app/data, owner: "www:www", mode: "0777", optional: true}
`

// attackFiles are the tree that is fought over.
var attackFiles = map[string]string{
	"etc/passwd": "root:x:0:0::/root:/bin/sh\nwww:x:65534:65534::/var/www:/bin/sh\n", "etc/group": "root:x:0:\nwww:x:65534:\n",
	"etc/victim": attackCanary, "etc/profile.d/a.sh": attackCanary, "var/lib/victim/file": attackCanary, "root/private": attackCanary,
	"etc/oneclick/app.yaml": attacked, "given": "name: somebody\n", "var/www/app/sub/x": "", "var/log/app/app.log": "a line\n",
}

// attack is the attacker's process: it puts links, hard links, directories and files of its own in the place of the names that
// root uses, until it is killed, and says so.
func attack() {
	root := os.Args[1]
	victims := []string{"/etc/victim", "../../../etc/victim", "/etc", "../../etc", "/etc/profile.d", "/var/lib/victim",
		"/root/private", "/root"}
	names := []string{"app", "app/sub", "app/config", "app/sub/config", "app/env", "app/login", "app/data", "app/cache", "config", "env",
		"app.log", "app/app.log"}
	for _, ground := range []string{"var/www", "tmp", "var/log/app"} {
		for range 2 {
			go func() {
				for {
					name := filepath.Join(root, ground, names[rand.IntN(len(names))])
					switch other := name + ".other"; rand.IntN(6) {
					case 0, 1: // a name and a link exchange places, back and forth
						os.Symlink(victims[rand.IntN(len(victims))], other)
						for range 20 {
							unix.Renameat2(unix.AT_FDCWD, name, unix.AT_FDCWD, other, unix.RENAME_EXCHANGE)
						}
						os.RemoveAll(other)
					case 2:
						os.RemoveAll(name)
						os.Symlink(victims[rand.IntN(len(victims))], name)
					case 3:
						os.Remove(name)
						os.Link(filepath.Join(root, victims[0]), name)
					case 4:
						os.RemoveAll(name)
						os.MkdirAll(name, 0o777)
					default:
						os.RemoveAll(name)
						os.WriteFile(name, []byte("NAME=attacker\n"), 0o666)
					}
				}
			}()
		}
	}
	for round := 0; ; round++ {
		for _, ground := range []string{"var/www", "tmp", "var/log/app"} {
			filepath.WalkDir(filepath.Join(root, ground), func(name string, _ fs.DirEntry, _ error) error {
				if data, err := os.ReadFile(name); err == nil && bytes.Contains(data, []byte(attackCanary)) {
					fmt.Println("leaked", name)
				}
				return nil
			})
		}
		if round%100 == 0 {
			fmt.Println("exchanged")
		}
	}
}

// TestAnAttackerGetsNothingFromAnyCommand lets another account exchange links, directories and hard links while first boot,
// first login, a rotation, the cleaning of the image and a support archive work in its directories, again and again.
// Nothing outside of them is
// written, given away, or read into a file that it can read.
func TestAnAttackerGetsNothingFromAnyCommand(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: the attacker is another account")
	}
	t.Parallel()
	root, err := os.MkdirTemp("", "oneclick-attack-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(root) })
	for name, content := range attackFiles {
		os.MkdirAll(filepath.Join(root, filepath.Dir(name)), 0o755)
		if err := os.WriteFile(filepath.Join(root, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	os.Mkdir(filepath.Join(root, "tmp"), 0o755)
	os.Chmod(filepath.Join(root, "tmp"), 0o777|fs.ModeSticky)
	os.Chmod(root, 0o755)
	for _, name := range []string{"var/www", "var/www/app", "var/www/app/sub", "var/log/app", "var/log/app/app.log"} {
		os.Chown(filepath.Join(root, name), attacker, attacker)
	}
	before := victimsOf(t, root)
	enemy := &exec.Cmd{Path: "/proc/self/exe", Args: []string{"attacker", root}, Stderr: os.Stderr}
	enemy.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: attacker, Gid: attacker}}
	report := hears{began: make(chan struct{})}
	enemy.Stdout = &report
	if err := enemy.Start(); err != nil {
		t.Fatal(err)
	}
	<-report.began
	rounds, ended := 0, map[string]int{}
	for began := time.Now(); rounds == 0 || time.Since(began) < *attackLasts; rounds++ {
		os.MkdirAll(filepath.Join(root, "run/cloud-init"), 0o755)
		os.WriteFile(filepath.Join(root, "run/cloud-init/instance-data.json"), []byte(`{"v1": {"instance_id": "1"}}`), 0o600)
		for _, arguments := range [][]string{{"first-boot"}, {"first-login", "--answers", "/given"}, {"rotate", "one"},
			{"pre-snapshot"}, {"support"}} {
			command := exec.Cmd{Path: "/proc/self/exe", Args: append(append([]string{"oneclick-agent"}, arguments...), "--root", root)}
			out, _ := command.CombinedOutput()
			if code := command.ProcessState.ExitCode(); code == commandline.ExitDone || code == commandline.ExitDegraded {
				ended[arguments[0]]++
			}
			if bytes.Contains(out, []byte(attackCanary)) || bytes.Contains(out, []byte("panic")) {
				t.Errorf("%s says %s", arguments[0], out)
			}
		}
	}
	enemy.Process.Kill()
	enemy.Wait()
	t.Logf("%d rounds; came to their end: %v", rounds, ended)
	if after := victimsOf(t, root); after != before {
		t.Errorf("before\n%safter\n%s", before, after)
	}
	if text := report.said.String(); strings.Contains(text, "leaked") || !strings.Contains(text, "exchanged") {
		t.Errorf("the attacker reports %.2000s", text)
	}
	if ended["first-boot"] == 0 || ended["rotate"] == 0 {
		t.Errorf("no command came to its end, so that this shows nothing: %v", ended)
	}
}

// hears keeps what a process says, and tells that it began to.
type hears struct {
	said  bytes.Buffer
	once  sync.Once
	began chan struct{}
}

func (h *hears) Write(text []byte) (int, error) {
	h.once.Do(func() { close(h.began) })
	return h.said.Write(text)
}

// victimsOf describes what is none of the attacker's business, and is named by nobody.
func victimsOf(t *testing.T, root string) string {
	t.Helper()
	var text strings.Builder
	for _, name := range []string{"etc/victim", "etc/profile.d", "var/lib/victim", "root/private"} {
		err := filepath.WalkDir(filepath.Join(root, name), func(file string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := entry.Info()
			if err != nil {
				return err
			}
			data, _ := os.ReadFile(file)
			stat := info.Sys().(*syscall.Stat_t)
			fmt.Fprintf(&text, "%s %v %d:%d %q\n", strings.TrimPrefix(file, root), info.Mode(), stat.Uid, stat.Gid, data)
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	return text.String()
}
