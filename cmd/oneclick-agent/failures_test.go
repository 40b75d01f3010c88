package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"oneclick-agent/packaging/terminal"
)

// failures are ten ways in which a first boot fails, each as what stands in the manifest behind the app. PORT is one that is
// taken.
var failures = map[string]string{
	"command-not-found": "first_boot: [{run: [/usr/bin/not-here, install], title: Install the shop}]",
	"output-on-stdout": `first_boot: [{run: [/usr/bin/tool, say, out, "3", reading, "ERROR: the licence key is missing", "---", ` +
		`""], tries: 1}]`,
	"output-on-stderr": `first_boot: [{run: [/usr/bin/tool, say, err, "1", "warning: slow", "\e[31mwp: unknown option x\e[0m"], tries: 1}]`,
	"time-out":         `first_boot: [{run: [/usr/bin/tool, hang, waiting for the lock of apt], within: 1s}]`,
	"database-refused": "database: {engine: postgresql, managed: required, within: 2s}\nfirst_boot: [{file: /etc/a.conf, content: x}]",
	"dns":              "first_boot: [{wait: {dns: shop.example.com}, within: 1s}]",
	"disk-full":        "first_boot: [{file: /full/large, content: \"" + strings.Repeat("x", 20000) + "\"}]",
	"port-in-use":      `first_boot: [{run: [/usr/bin/tool, listen, "127.0.0.1:PORT"], tries: 1}]`,
	"unit-that-dies":   "first_boot: [{service: app.service, do: [restart], tries: 1}]",
	"broken-manifest":  "first_boot: [{file: /etc/a.conf, contents: x}, {run: tool}, {file: b}, {wait: {}}]",
}

// inTree runs the program on a tree as on a machine: with the tree as its root directory, this machine's devices and
// processes, and a disk of 16 KB at /full.
const inTree = `mount --rbind /dev "$1/dev" && mount --rbind /proc "$1/proc" && mount -t tmpfs -o size=16k none "$1/full" || exit 99
root=$1; shift; chroot "$root" /usr/bin/oneclick-agent "$@" --metadata none; exit $?`

// Whatever fails, everybody who asks is told the same: what it was, what to do about it, and where all of it is.
func TestTenKindsOfFailureInWords(t *testing.T) {
	t.Parallel()
	program := buildProgram(t)
	tool := filepath.Join(t.TempDir(), "tool")
	buildTool(t, tool)
	for name, manifest := range failures {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := &album{t: t, name: "failures/" + name}
			told := newFailing(t, program, tool, manifest, name)
			a.text.WriteString(told)
			a.same()
		})
	}
}

// failing is a machine on which something fails.
type failing struct {
	t    *testing.T
	root string
}

// newFailing makes one, boots it by cloud-init's hook, and returns what everybody is told.
func newFailing(t *testing.T, program, tool, manifest, name string) string {
	t.Helper()
	root, err := os.MkdirTemp("", "f") // short: a socket's path has a limit
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(root) })
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { taken.Close() })
	_, port, _ := net.SplitHostPort(taken.Addr().String())
	for file, content := range map[string]string{
		"etc/passwd": "root:x:0:0:root:/root:/bin/sh\n", "etc/group": "root:x:0:\n", "root/.bashrc": "", "dev/x": "", "proc/x": "", "full/x": "",
		"run/cloud-init/instance-data.json": instanceData, "etc/nsswitch.conf": "hosts: files\n",
		"etc/hosts": "127.0.0.1 localhost db.example.com\n", "run/cloud-init/result.json": "{}",
		"etc/oneclick/app.yaml": "version: 1\napp: {name: Shop, version: \"2\", docs: https://shop.example.com/help}\n" +
			strings.ReplaceAll(manifest, "PORT", port),
	} {
		plantFile(t, root, file, content, 0o644)
	}
	if name == "database-refused" {
		plantFile(t, root, "root/.digitalocean_dbaas_credentials", "db_protocol=postgresql\ndb_username=shop\ndb_password=secret-of-shop\n"+
			"db_host=db.example.com\ndb_port=1\ndb_database=shop\n", 0o600)
	}
	for from, to := range map[string]string{program: "usr/bin/oneclick-agent", tool: "usr/bin/tool"} {
		copyFile(t, from, filepath.Join(root, to))
	}
	copyFile(t, tool, filepath.Join(root, "usr/bin/journalctl"))
	m := failing{t, root}
	(&standInSystemd{start: map[string]func(){"oneclick-first-boot.service": func() { m.run("first-boot", "--when-due") }}}).serve(t, root)
	var told strings.Builder
	hook, _ := m.run("first-boot", "--kick")
	fmt.Fprintf(&told, "=== the hook's line\n%s", hook)
	text, code := m.run("motd")
	fmt.Fprintf(&told, "=== the message of the day, status %d\n%s", code, text)
	text, code = m.run("status", "--wait", "--timeout", "3s")
	fmt.Fprintf(&told, "=== status, which waits for nothing, status %d\n%s", code, text)
	text, code = m.run("status", "--json", "--detailed-exit-code")
	fmt.Fprintf(&told, "=== JSON, status %d\n%s", code, text)
	fmt.Fprintf(&told, "=== an early login\n%s", m.logIn())
	return unchanging(told.String(), port)
}

// run runs a command of the program there.
func (m failing) run(arguments ...string) (text string, code int) {
	command := exec.Command("unshare", append([]string{"--mount", "sh", "-c", inTree, "sh", m.root}, arguments...)...)
	command.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	out, _ := command.Output()
	return string(out), command.ProcessState.ExitCode()
}

// logIn is what a login shell shows before its first prompt. Where it offers to try again, that is left.
func (m failing) logIn() string {
	s := terminal.Start(m.t, terminal.Options{
		Environment: []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "TERM=dumb", "LANG=C.UTF-8"}, Columns: 80, Rows: 24,
	}, "unshare", "--mount", "bash", "-c", "echo 4294967295 2>/dev/null >/proc/self/loginuid; exec -a -bash bash --noprofile --norc "+
		"-c \"$0\" bash \"$@\"",
		inTree, m.root, "first-login", "--watch")
	const offered = "? for help] "
	for over := false; !over && !strings.Contains(s.Text(), offered); {
		select {
		case <-s.Ended:
			over = true
		case <-time.After(10 * time.Millisecond):
		}
	}
	if strings.Contains(s.Text(), offered) {
		s.Press("2\r")
	}
	if code := s.Code(); code != 0 {
		m.t.Errorf("an early login ends with %d:\n%s", code, s.Text())
	}
	return strings.TrimPrefix(strings.ReplaceAll(s.Text(), "\r\n", "\n"), "\n")
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	plantFile(t, filepath.Dir(to), filepath.Base(to), string(data), 0o755)
}

var (
	momentOfDay = regexp.MustCompile(`\d\d:\d\d:\d\d UTC`)
	after       = regexp.MustCompile(`after \d+\.\d s`)
	ofStep      = regexp.MustCompile(`(?m)^(  \w+ +)\d*\.?\d*s?  `)
	ofJSON      = regexp.MustCompile(`"seconds": [0-9.]+`)
)

func unchanging(text, port string) string {
	text = momentOfDay.ReplaceAllString(strings.NewReplacer(":"+port, ":PORT", "_"+port, "_PORT").Replace(text), "HH:MM:SS UTC")
	text = ofJSON.ReplaceAllString(after.ReplaceAllString(text, "after N s"), `"seconds": N`)
	return ofStep.ReplaceAllString(text, "${1}  ")
}
