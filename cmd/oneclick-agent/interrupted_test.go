package main

import (
	"bytes"
	"oneclick-agent/agent/commandline"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// interruptible fails once at first boot, and is interrupted there and while the answers are applied.
const interruptible = `version: 1
app: {name: Sample}
first_boot:
  - {file: /srv/site/a.conf, content: x}
  - {run: [/usr/bin/tool, forever, /boot-begun]}
first_login:
  questions: [{name: who, ask: Who}]
  steps:
    - {file: /etc/login.conf, content: "{{ .answers.who }}"}
    - {run: [/usr/bin/tool, forever, /login-begun]}
`

// Status, message and exit code tell one story of a setup that fails, is tried again, and is interrupted twice: nothing of
// an earlier try is told once a later one is at work.
func TestAnInterruptedSetupTellsWhereItStands(t *testing.T) {
	t.Parallel()
	program := buildProgram(t)
	root := t.TempDir()
	for file, content := range map[string]string{
		"etc/passwd": "root:x:0:0:root:/root:/bin/sh\n", "etc/group": "root:x:0:\n", "root/.bashrc": "",
		"etc/oneclick/answers.yaml":         "who: rose\n",
		"run/cloud-init/instance-data.json": instanceData, "etc/oneclick/app.yaml": interruptible, "srv/site": "in the way", "usr/bin/none": "",
	} {
		plantFile(t, root, file, content, 0o644)
	}
	buildTool(t, filepath.Join(root, "usr/bin/tool"))
	told := func(arguments ...string) string {
		out, _ := exec.Command(program, append(arguments, "--root", root)...).Output()
		return string(out)
	}
	tells := func(when, want string, never ...string) {
		t.Helper()
		for name, text := range map[string]string{"status": told("status"), "motd": told("motd")} {
			line := want
			if name == "motd" {
				_, line, _ = strings.Cut(want, "\n")
			} else {
				line, _, _ = strings.Cut(want, "\n")
			}
			if !strings.Contains(text, line) {
				t.Errorf("%s, %s does not say %q:\n%s", when, name, line, text)
			}
			for _, no := range never {
				if strings.Contains(text, no) {
					t.Errorf("%s, %s still says %q:\n%s", when, name, no, text)
				}
			}
		}
	}
	interrupt := func(mark, while, whileWant, wantOut string, never ...string) {
		t.Helper()
		command := exec.Command(program, "first-boot", "--root", root)
		var stdout bytes.Buffer
		command.Stdout = &stdout
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		began(t, filepath.Join(root, mark))
		tells(while, whileWant, never...)
		command.Process.Signal(syscall.SIGTERM)
		command.Wait()
		if code := command.ProcessState.ExitCode(); code != commandline.ExitPending || stdout.String() != wantOut {
			t.Errorf("it ends with %d and says %q", code, stdout.String())
		}
	}
	const failure = "a.conf: "
	if out := told("first-boot"); !strings.HasPrefix(out, "first boot: failed: file /srv/site/a.conf: ") {
		t.Errorf("the first run says %q", out)
	}
	tells("after the failure", "Reason:   cannot look at /srv/site/a.conf: \nSetup FAILED: cannot look at /srv/site/a.conf: ")
	if err := os.Remove(filepath.Join(root, "srv/site")); err != nil {
		t.Fatal(err)
	}
	interrupt(
		"boot-begun",
		"while it is tried again",
		"State:    running\nSetup is running.",
		"first boot: pending: it was interrupted; it resumes at the next boot, or now with: oneclick-agent first-boot\n",
		failure,
		"FAILED",
		"failed",
	)
	tells(
		"after an interruption",
		"Reason:   first boot was interrupted\nSetup is waiting: first boot was interrupted",
		failure,
		"is running",
		"failed",
	)
	interrupt("login-begun", "while answers are applied",
		"Reason:   the answers are being applied\nSetup is running: the answers are being applied",
		"first boot: pending: applying the answers was interrupted; it resumes at the next boot, or now with: oneclick-agent first-login\n",
		failure, "first boot was interrupted", "failed")
	tells(
		"after that",
		"Reason:   applying the answers was interrupted\nSetup is waiting: applying the answers was interrupted",
		failure,
		"being applied",
		"first boot was",
	)
	if out := told("first-login", "--apply"); out != "first login: done\n" {
		t.Errorf("the last run says %q", out)
	}
	tells("in the end", "Next:     nothing is left to do\nSample", failure, "interrupted", "failed", "waiting", "running")
}
