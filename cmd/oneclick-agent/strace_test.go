package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// faulted has each way of writing that first boot knows, small enough to be run hundreds of times.
var faulted = map[string]string{
	"/etc/passwd": "root:x:0:0:root:/root:/bin/sh\n",
	"/etc/group":  "root:x:0:\n",
	"/run/cloud-init/instance-data.json": `{"v1": {"instance_id": "1"}, "ds": {"meta_data": {"interfaces": {"public": [{"ipv4": ` +
		`{"ip_address": "203.0.113.10"}}]}}}}`,
	"/etc/app.env":                      "A=1\nDEBUG=1\n",
	"/etc/gone":                         "x",
	"/usr/lib/systemd/system/a.service": "[Install]\nWantedBy=multi-user.target\n",
	"/etc/oneclick/app.yaml": `
version: 1
app: {name: Sample}
secrets: {one: {}, sum: {derive: sha256, from: one}}
first_boot:
  - {file: /etc/app.conf, content: "one={{ .secrets.one }}\n"}
  - {edit: /etc/app.env, set: {A: "{{ .secrets.sum }}"}, unset: [DEBUG]}
  - {directory: /srv/data, mode: "0750"}
  - {link: /etc/link, to: app.conf}
  - {remove: /etc/gone}
  - {service: a.service, do: [enable]}
`,
}

func plant(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	os.MkdirAll(filepath.Join(root, "root"), 0o755)
	for name, content := range faulted {
		os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o755)
		if err := os.WriteFile(filepath.Join(root, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

var secretValue = regexp.MustCompile(`[A-Za-z0-9]{32,64}`)

// harvest describes what first boot made, with the secret's values replaced, and makes sure that each has one value.
func harvest(t *testing.T, root string) string {
	t.Helper()
	var b strings.Builder
	one := ""
	for _, file := range []string{"etc/app.conf", "etc/app.env", "root/.digitalocean_passwords", "var/lib/oneclick/secrets.json"} {
		data, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			t.Error(err)
			continue
		}
		if file == "etc/app.conf" {
			one = secretValue.FindString(string(data))
		}
		if file != "etc/app.env" && !strings.Contains(string(data), one) {
			t.Errorf("%s has another value of the secret", file)
		}
		info, _ := os.Stat(filepath.Join(root, file))
		fmt.Fprintf(&b, "%s %v %s\n", file, info.Mode(), secretValue.ReplaceAllString(string(data), "SECRET"))
	}
	out, err := exec.Command("find", root, "-not", "-name", "journal.jsonl", "-printf", "%P %y %m %l\n").Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(out), "\n")
	slices.Sort(lines)
	return b.String() + strings.Join(lines, "\n")
}

// The real binary under strace: it is killed, or a call fails, at each write, rename, fsync and open in turn. A
// second run completes the tree, the same as one that nothing disturbed.
func TestAFaultAtAnySystemCallLeavesWhatASecondRunCompletes(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root: first boot gives files to root")
	}
	program := filepath.Join(t.TempDir(), "oneclick-agent")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	boot := func(root string, injection ...string) ([]byte, error) {
		arguments := append([]string{"-f", "-qq", "-o", "/dev/null"}, injection...)
		return exec.Command("strace", append(arguments, program, "first-boot", "--root", root)...).CombinedOutput()
	}
	undisturbed := plant(t)
	log := filepath.Join(t.TempDir(), "calls")
	if out, err := exec.Command("strace", "-f", "-qq", "-o", log, "-e", "trace=write,fsync,renameat,renameat2,openat", program,
		"first-boot", "--root", undisturbed).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	calls, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	want := harvest(t, undisturbed)
	for _, call := range []string{"write", "fsync", "renameat", "openat"} {
		total := bytes.Count(calls, []byte(" "+call+"("))
		if total < 5 {
			t.Fatalf("only %d calls of %s were seen", total, call)
		}
		for _, fault := range []string{"signal=KILL", "error=ENOSPC", "error=EIO"} {
			t.Run(call+" "+fault, func(t *testing.T) {
				t.Parallel()
				// openat is also how files are read, far more often than anything is written.
				for n := 1; n <= total; n += 1 + total/40 {
					root := plant(t)
					boot(root, "-e", fmt.Sprintf("inject=%s:%s:when=%d", call, fault, n))
					if out, err := exec.Command(program, "first-boot", "--root", root).CombinedOutput(); err != nil {
						t.Fatalf("after call %d the second run: %v: %s", n, err, out)
					}
					if got := harvest(t, root); got != want {
						t.Fatalf("after call %d the tree is\n%s\nwant\n%s", n, got, want)
					}
					os.RemoveAll(root)
				}
			})
		}
	}
}
