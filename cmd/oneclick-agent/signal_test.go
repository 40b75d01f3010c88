package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"oneclick-agent/agent/host"
	"oneclick-agent/agent/state"
)

// slowTemplate takes as long as a template may, and each turn of it takes long.
const slowTemplate = `{{ $x := printf "%0900d" 1 }}{{ range 9000 }}{{ range 90 }}{{ $y := printf "%s%s%s" $x $x $x }}{{ end }}{{ end }}`

// began waits until a program is at work: until its command's mark is there, or for a moment where it makes none.
func began(t *testing.T, mark string) {
	t.Helper()
	if mark == "" {
		time.Sleep(150 * time.Millisecond)
		return
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(mark); err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s never came", mark)
		}
	}
}

// Both signals end every command within a second, whatever it is doing: filling a template in, running a command that
// ignores signals, waiting for the lock, following a status, or reading a manifest.
func TestASignalEndsEveryCommandWithinASecond(t *testing.T) {
	t.Parallel()
	program := buildProgram(t)
	tool := filepath.Join(t.TempDir(), "tool")
	buildTool(t, tool)
	const head = "version: 1\napp: {name: Sample}\n"
	for name, test := range map[string]struct {
		manifest  string
		arguments []string
		mark      string // what the command leaves once it is at work
		locked    bool
	}{
		"first boot while a template is filled in": {
			head + "first_boot:\n  - {file: /etc/begun, content: x}\n  - {file: /etc/a, content: '{{ if ne .droplet.region \"nyc3\" }}" +
				slowTemplate + "{{ end }}'}\n", []string{"first-boot"}, "etc/begun", false},
		"first boot while a command runs": {
			head + "first_boot:\n  - {file: /etc/begun, content: x}\n  - {run: [/usr/bin/tool, forever, " +
				"/begun]}\n", []string{"first-boot"}, "begun", false},
		"first boot while it waits for the lock": {head + "first_boot: [{file: /etc/a, content: x}]\n", []string{"first-boot"}, "", true},
		"rotate while it waits for the lock": {head + "secrets: {one: {}}\nfirst_boot: [{file: /etc/a, content: " +
			"x}]\n", []string{"rotate", "one"}, "", true},
		"first login while it waits for the lock": {
			head + "first_login: {questions: [{name: a, ask: A, default: b}]}\n", []string{"first-login", "--answers", "/answers.yaml"}, "", true},
		"a status that is followed": {head, []string{"status", "--wait"}, "", true},
		"lint of a template that takes long": {
			head + "motd: '" + slowTemplate + "'\nfirst_boot: [{file: /etc/a, content: '" + slowTemplate + "'}]\n", []string{"lint"}, "", false},
	} {
		for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
			t.Run(name+", "+signal.String(), func(t *testing.T) {
				t.Parallel()
				root := t.TempDir()
				for file, content := range map[string]string{
					"etc/passwd": "root:x:0:0:root:/root:/bin/sh\n", "etc/group": "root:x:0:\n", "root/.bashrc": "", "answers.yaml": "a: b\n",
					"run/cloud-init/instance-data.json": instanceData, "etc/oneclick/app.yaml": head + "secrets: {one: {}}\n",
				} {
					plantFile(t, root, file, content, 0o644)
				}
				plantFile(t, root, "usr/bin/placeholder", "", 0o644)
				if err := os.Link(tool, filepath.Join(root, "usr/bin/tool")); err != nil {
					t.Fatal(err)
				}
				if test.locked {
					if out, err := exec.Command(program, "first-boot", "--root", root).CombinedOutput(); err != nil && test.arguments[0] != "first-boot" {
						t.Fatalf("%v: %s", err, out)
					}
					h, err := host.Open(root)
					if err != nil {
						t.Fatal(err)
					}
					defer h.Close()
					lock, err := h.Files.Acquire(t.Context(), state.Lock, host.Wish{Doing: "test"})
					if err != nil {
						t.Fatal(err)
					}
					defer lock.Close()
					if test.arguments[0] == "first-boot" || test.arguments[0] == "status" {
						os.Remove(filepath.Join(root, state.Journal))
					}
				}
				plantFile(t, root, "etc/oneclick/app.yaml", test.manifest, 0o644)
				command := exec.Command(program, append(test.arguments, "--root", root)...)
				var told bytes.Buffer
				command.Stdout, command.Stderr = &told, &told
				if err := command.Start(); err != nil {
					t.Fatal(err)
				}
				mark := test.mark
				if mark != "" {
					mark = filepath.Join(root, mark)
				}
				began(t, mark)
				sent := time.Now()
				if err := command.Process.Signal(signal); err != nil {
					t.Fatal(err)
				}
				watchdog := time.AfterFunc(20*time.Second, func() { command.Process.Kill() })
				defer watchdog.Stop()
				command.Wait()
				if took := time.Since(sent); took > time.Second {
					t.Errorf("it went on for %v:\n%s", took, told.String())
				}
				if command.ProcessState.Success() {
					t.Errorf("it says that it succeeded:\n%s", told.String())
				}
			})
		}
	}
}

func plantFile(t *testing.T, root, file, content string, mode os.FileMode) {
	t.Helper()
	target := filepath.Join(root, file)
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(target, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}

// buildTool builds the static program that first boot's tests run inside their trees.
func buildTool(t *testing.T, file string) {
	t.Helper()
	build := exec.Command("go", "build", "-o", file, "../../agent/firstboot/testdata/tool")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// A step may take 12 hours, so no unit ends a run before.
func TestNoUnitEndsAStepThatMayTakeTwelveHours(t *testing.T) {
	t.Parallel()
	for _, unit := range []string{"oneclick-first-boot.service", "oneclick-first-login.service"} {
		text, err := os.ReadFile(filepath.Join("../../units", unit))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), "\nTimeoutStartSec=0\n") || strings.Contains(string(text), "RuntimeMaxSec") {
			t.Errorf("%s bounds a run", unit)
		}
	}
}
