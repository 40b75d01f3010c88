package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"oneclick-agent/agent/commandline"
	"oneclick-agent/packaging/terminal"
)

// session is the real program on a real terminal, and what somebody sees there.
type session struct {
	*terminal.Session
	t        *testing.T
	terminal *os.File // our end
	process  *exec.Cmd
	ended    <-chan struct{}
	before   unix.Termios // the terminal's settings before the program had it
}

// startSession starts the program on a terminal of this kind and size.
func startSession(t *testing.T, program, root string, environment []string, size pty.Winsize, answers bool, arguments ...string) *session {
	t.Helper()
	return onTerminal(
		t,
		program,
		root,
		terminal.Options{Environment: environment, Columns: int(size.Cols), Rows: int(size.Rows), Answers: answers},
		arguments...)
}

func onTerminal(t *testing.T, program, root string, o terminal.Options, arguments ...string) *session {
	t.Helper()
	s := terminal.Start(t, o, slices.Concat([]string{program}, arguments, []string{"--root", root})...)
	return &session{s, t, s.Terminal, s.Process, s.Ended, s.Before}
}

func (s *session) see(what string)        { s.See(what) }
func (s *session) press(keys string)      { s.Press(keys) }
func (s *session) code() int              { return s.Code() }
func (s *session) text() string           { return s.Text() }
func (s *session) close()                 { s.Close() }
func (s *session) settings() unix.Termios { return s.Settings() }

const twoQuestions = `
version: 1
app: {name: Sample}
first_boot: [{file: /etc/boot.conf, content: x}]
first_login:
  questions:
    - {name: name, ask: Your name}
    - {name: news, ask: Do you want news?, type: confirm, default: false}
  steps:
    - {file: /etc/login.conf, content: "{{ .answers.name }} {{ .answers.news }}\n"}
`

const instanceData = `{"v1": {"instance_id": "1", "local_hostname": "garden"},
 "ds": {"meta_data": {"hostname": "garden", "interfaces": {"public": [{"ipv4": {"ip_address": "203.0.113.10"}}]}}}}`

// finishedDroplet is a tree whose first boot is done and whose questions are open.
func finishedDroplet(t *testing.T, program, manifest string) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range map[string]string{
		"etc/passwd": "root:x:0:0:root:/root:/bin/sh\n", "etc/group": "root:x:0:\n", "root/.bashrc": "alias ll='ls -l'\n",
		"run/cloud-init/instance-data.json": instanceData, "etc/oneclick/app.yaml": manifest,
	} {
		os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o755)
		if err := os.WriteFile(filepath.Join(root, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command(program, "first-boot", "--root", root).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return root
}

func buildProgram(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: the wizard starts for nobody else")
	}
	program := filepath.Join(t.TempDir(), "oneclick-agent")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // static, as it is shipped: some tests run it in a chroot
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return program
}

// cell is one combination of the matrix of terminals.
type cell struct {
	term    string
	answers bool
	size    string // columns x rows, or "resized": made small between two questions
	locale  string
	ending  string
}

func (c cell) String() string {
	silent := map[bool]string{true: "answering", false: "silent"}[c.answers]
	return fmt.Sprintf("%s, %s, %s, %s, %s", c.term, silent, c.size, c.locale, c.ending)
}

// lineMode tells whether questions are asked line by line there.
func (c cell) lineMode() bool {
	return c.term == "dumb" || c.term == "unset" || c.term == "vt100" || c.size == "3x10" || c.size == "0x0"
}

// Every kind of terminal, size, locale and end of the conversation: the exit code is right, the answer given is kept,
// and the terminal is as it was.
func TestTheWizardOnEveryTerminal(t *testing.T) {
	t.Parallel()
	program := buildProgram(t)
	template := finishedDroplet(t, program, twoQuestions)
	for _, term := range []string{"xterm-256color", "linux", "vt100", "dumb", "unset", "tmux"} {
		for _, answers := range []bool{true, false} {
			for _, size := range []string{"80x24", "40x12", "3x10", "0x0", "resized"} {
				for _, locale := range []string{"C.UTF-8", "C"} {
					for _, ending := range []string{"complete", "Ctrl-C", "Ctrl-D", "SIGTERM", "SIGHUP", "closed", "killed"} {
						c := cell{term, answers, size, locale, ending}
						t.Run(c.String(), func(t *testing.T) {
							t.Parallel()
							root := t.TempDir()
							if out, err := exec.Command("cp", "-a", template+"/.", root).CombinedOutput(); err != nil {
								t.Fatalf("%v: %s", err, out)
							}
							checkCell(t, program, root, c)
						})
					}
				}
			}
		}
	}
}

func checkCell(t *testing.T, program, root string, c cell) {
	environment := []string{"PATH=/usr/bin:/bin", "LANG=" + c.locale}
	if c.term != "unset" {
		environment = append(environment, "TERM="+c.term)
	}
	size := pty.Winsize{Cols: 80, Rows: 24}
	if c.size != "resized" {
		fmt.Sscanf(c.size, "%dx%d", &size.Cols, &size.Rows)
	}
	s := startSession(t, program, root, environment, size, c.answers, "first-login")
	s.see("Your name (1 of 2)")
	s.press("ada\r")
	s.see("Do you want news? (2 of 2)")
	if c.size == "resized" && !c.lineMode() {
		pty.Setsize(s.terminal, &pty.Winsize{Cols: 10, Rows: 3})
		s.see("press Enter for 2")
	}
	want := map[string]int{"complete": 0, "killed": -1}
	code, known := want[c.ending]
	if !known {
		code = commandline.ExitPending
	}
	end(s, c.ending)
	if got := s.code(); got != code {
		t.Errorf("the exit code is %d, want %d; the terminal shows\n%q", got, code, s.text())
	}
	var kept struct {
		Content struct{ Values map[string]string }
	}
	data, err := os.ReadFile(filepath.Join(root, "var/lib/oneclick/answers.json"))
	if err == nil {
		err = json.Unmarshal(data, &kept)
	}
	if err != nil || kept.Content.Values["name"] != "ada" {
		t.Errorf("the answer is not kept: %s, %v", data, err)
	}
	applied, err := os.ReadFile(filepath.Join(root, "etc/login.conf"))
	if c.ending == "complete" && string(applied) != "ada false\n" || c.ending != "complete" && !errors.Is(err, os.ErrNotExist) {
		t.Errorf("applied was %q, %v", applied, err)
	}
	if c.ending != "killed" && c.ending != "closed" {
		if after := s.settings(); after != s.before {
			t.Errorf("the terminal is left as %+v, and was %+v", after, s.before)
		}
	}
	if text := s.text(); c.lineMode() && strings.Contains(text, "\x1b") {
		t.Errorf("a plain terminal got escape sequences: %q", text)
	}
	if c.locale == "C" && strings.ContainsFunc(s.text(), func(r rune) bool { return r > '~' }) {
		t.Errorf("a terminal without Unicode got %q", s.text())
	}
}

func end(s *session, how string) {
	switch how {
	case "complete":
		s.press("\r")
		s.see("These are your answers.")
		s.press("\r")
		s.see("Setup is done.")
	case "Ctrl-C":
		s.press("\x03")
	case "Ctrl-D":
		s.press("\x04")
	case "SIGTERM":
		s.process.Process.Signal(syscall.SIGTERM)
	case "SIGHUP":
		s.process.Process.Signal(syscall.SIGHUP)
	case "closed":
		s.close()
	case "killed":
		s.process.Process.Kill()
	}
}

// A program gets the terminal between steps that do not need it; a step that does not apply is no obstacle.
func TestAProgramGetsTheTerminal(t *testing.T) {
	t.Parallel()
	program := buildProgram(t)
	root := finishedDroplet(t, program, `
version: 1
app: {name: Sample}
first_boot: [{file: /etc/boot.conf, content: x}]
first_login:
  questions: [{name: name, ask: Your name}]
  steps:
    - {file: /etc/before.conf, content: "{{ .answers.name }}"}
    - {file: /etc/never.conf, content: x, when: "false"}
    - {tty: [/program, version]}
    - {file: /etc/after.conf, content: "{{ .answers.name }}"}
`)
	data, err := os.ReadFile(program)
	if err == nil {
		err = os.WriteFile(filepath.Join(root, "program"), data, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	s := startSession(t, program, root, []string{"PATH=/usr/bin", "TERM=dumb"}, pty.Winsize{Cols: 80, Rows: 24}, false, "first-login")
	s.see("Your name (1 of 1)")
	s.press("ada\r")
	s.see("These are your answers.")
	s.press("\r")
	s.see("oneclick-agent development, commit unknown")
	s.see("Setup is done.")
	if code := s.code(); code != 0 {
		t.Errorf("it ends with %d", code)
	}
	for _, name := range []string{"etc/before.conf", "etc/after.conf"} {
		if data, err := os.ReadFile(filepath.Join(root, name)); err != nil || string(data) != "ada" {
			t.Errorf("%s: %q, %v", name, data, err)
		}
	}
}

// A wizard that nobody answers keeps what it has and leaves, in the form and line by line.
func TestTheWizardLeavesWhenNobodyAnswers(t *testing.T) {
	t.Parallel()
	program := buildProgram(t)
	for _, term := range []string{"xterm-256color", "dumb"} {
		t.Run(term, func(t *testing.T) {
			t.Parallel()
			root := finishedDroplet(t, program, `
version: 1
app: {name: Sample}
first_boot: [{file: /etc/boot.conf, content: x}]
first_login: {questions: [{name: title, ask: Site title}, {name: email, ask: Admin email, type: email}]}
`)
			s := startSession(
				t,
				program,
				root,
				[]string{"PATH=/usr/bin", "TERM=" + term, "LANG=C.UTF-8"},
				pty.Winsize{Cols: 80, Rows: 24},
				true,
				"first-login",
				"--idle",
				"1500ms",
			)
			s.see("Site title (1 of 2)")
			s.press("A garden\r")
			s.see("Admin email (2 of 2)")
			s.see("Nobody answered for 1.5s. Your answers are kept.")
			if code := s.code(); code != 3 {
				t.Errorf("it ends with %d", code)
			}
			if after := s.settings(); after != s.before {
				t.Errorf("the terminal is left as %+v, and was %+v", after, s.before)
			}
			if data, err := os.ReadFile(filepath.Join(root, "var/lib/oneclick/answers.json")); err != nil ||
				!strings.Contains(string(data), "A garden") {
				t.Errorf("the first answer is not kept: %q, %v", data, err)
			}
		})
	}
}
