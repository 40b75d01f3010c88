package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/charmbracelet/x/vt"
	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

const wordpress = `
version: 1
app: {name: WordPress, version: "6.9"}
first_boot: [{file: /etc/boot.conf, content: x}]
first_login:
  questions:
    - {name: domain, ask: Domain name, type: domain, optional: true, help: Leave empty to use the IP address}
    - {name: email, ask: Admin email, type: email}
    - {name: admin_password, ask: Admin password, type: password, min: 12, generate: true}
    - {name: edition, ask: Edition, type: choice, options: [community, pro]}
  steps:
    - {file: /etc/login.conf, content: "{{ .answers.email }}\n"}
motd: |
  Your site: https://{{ .answers.domain }}
`

// screen is what a person sees at the end of what was written to a terminal.
func screen(t *testing.T, written string, columns, rows int) string {
	t.Helper()
	emulator := vt.NewEmulator(columns, rows)
	defer emulator.Close()
	go func() { // the answers to questions, for nobody
		var nobody [256]byte
		for {
			if _, err := emulator.Read(nobody[:]); err != nil {
				return
			}
		}
	}()
	if _, err := emulator.WriteString(written); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(emulator.String()) {
		lines = append(lines, strings.TrimRight(line, " \n"))
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n") + "\n"
}

var changing = regexp.MustCompile(`\d+ s`)

// same compares a screen with its golden file, which UPDATE=1 writes.
func same(t *testing.T, name, got string) {
	t.Helper()
	got = changing.ReplaceAllString(got, "N s")
	file := filepath.Join("testdata/screens", name+".txt")
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil || got != string(want) {
		t.Errorf("%s: %v; it shows\n%s", file, err, got)
	}
}

// The screens that a customer sees.
func TestScreens(t *testing.T) {
	t.Parallel()
	program := buildProgram(t)
	size := pty.Winsize{Cols: 80, Rows: 24}
	environment := []string{"PATH=/usr/bin:/bin", "LANG=C.UTF-8", "TERM=xterm-256color"}
	t.Run("form", func(t *testing.T) {
		t.Parallel()
		s := startSession(t, program, finishedDroplet(t, program, wordpress), environment, size, false, "first-login")
		s.see("> ")
		same(t, "form", screen(t, s.text(), 80, 24))
		s.press("garden.example.org\r")
		s.see("Admin email (2 of 4)")
		s.press("rose\r")
		s.see("That is not an email address")
		same(t, "form-problem", screen(t, s.text(), 80, 24))
		s.press("\x15rose@example.org\r")
		s.see("Admin password (3 of 4)")
		s.press("\r")
		s.see("Edition (4 of 4)")
		s.press("\r")
		s.see("Later: ask again")
		same(t, "summary", screen(t, s.text(), 80, 24))
		s.press("\r")
		s.code()
		same(t, "done", screen(t, s.text(), 80, 24))
	})
	t.Run("line by line", func(t *testing.T) {
		t.Parallel()
		s := startSession(t, program, finishedDroplet(t, program, wordpress), append(environment, "ACCESSIBLE=1"), size, false, "first-login")
		for _, step := range []struct{ see, press string }{
			{"? for help] ", "http://x\r"}, {"a path: shop.example.org\r\n[press Enter to leave it empty, ? for help] ", "\r"}, {"Admin email (2 of 4)\r\n[? for help] ", "rose@example.org\r"},
			{"to generate one, ? for help] ", "\r"}, {"2  pro\r\n[? for help] ", "2\r"}, {"[press Enter for 1, ? for help] ", ""},
		} {
			s.see(step.see)
			s.press(step.press)
		}
		same(t, "lines", screen(t, s.text(), 80, 40))
	})
	t.Run("progress", func(t *testing.T) {
		t.Parallel()
		root := finishedDroplet(t, program, wordpress)
		os.WriteFile(filepath.Join(root, "var/lib/oneclick/journal.jsonl"), []byte(`{"v":1,"time":"2026-01-01T00:00:00Z","event":"started","droplet":"1"}
{"v":1,"time":"2026-01-01T00:00:00Z","event":"done","step":"file /etc/boot.conf"}
{"v":1,"time":"2026-01-01T00:00:00Z","event":"begin","step":"login hook"}
`), 0o600)
		lock, err := os.OpenFile(filepath.Join(root, "var/lib/oneclick/lock"), os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer lock.Close()
		if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
			t.Fatal(err)
		}
		s := startSession(t, program, root, environment, size, false, "first-login")
		s.see("2/2 login hook")
		same(t, "progress", screen(t, s.text(), 80, 24))
		s.press(" ")
		if code := s.code(); code != 0 {
			t.Errorf("the key to the shell ends with %d", code)
		}
	})
}

// Two logins at once: the second is told who has the wizard open, and can take it over; the first leaves by itself.
func TestTheWizardIsTakenOver(t *testing.T) {
	t.Parallel()
	program := buildProgram(t)
	root := finishedDroplet(t, program, wordpress)
	size := pty.Winsize{Cols: 80, Rows: 24}
	first := startSession(t, program, root, []string{"PATH=/usr/bin", "TERM=dumb", "SSH_CONNECTION=203.0.113.5 1 203.0.113.10 22"}, size, false, "first-login")
	first.see("Domain name (1 of 4)")
	first.press("garden.example.org\r")
	first.see("Admin email (2 of 4)")
	second := startSession(t, program, root, []string{"PATH=/usr/bin", "TERM=dumb"}, size, false, "first-login")
	second.see("The setup is open on pts/")
	second.see("from 203.0.113.5, since ")
	second.see("1  No")
	second.press("2\r")
	second.see("Admin email (2 of 4)")
	first.see("Somebody took this setup over at another terminal. Your answers are kept.")
	if code := first.code(); code != exitPending {
		t.Errorf("the first ends with %d", code)
	}
	third := startSession(t, program, root, []string{"PATH=/usr/bin", "TERM=dumb"}, size, false, "first-login")
	third.see("Take it over here?")
	second.process.Process.Kill()
	<-second.ended
	fourth := startSession(t, program, root, []string{"PATH=/usr/bin", "TERM=dumb"}, size, false, "first-login")
	fourth.see("Admin email (2 of 4)") // the kernel freed the lock
	fmt.Fprintln(fourth.terminal, "q")
	if code := fourth.code(); code != exitPending {
		t.Errorf("q ends with %d", code)
	}
}
