package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"oneclick-agent/agent/commandline"
	"oneclick-agent/packaging/terminal"
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
    - {name: statistics, ask: "Send usage statistics?", type: confirm, default: false}
  steps:
    - {file: /etc/login.conf, content: "{{ .answers.email }}\n"}
motd: |
  Your site: {{ if .answers.domain }}https://{{ .answers.domain }}{{ else }}{{ .url }}{{ end }}
`

// album is a golden file of screens, each with what is seen on it.
type album struct {
	t    *testing.T
	name string
	text strings.Builder
}

var changing = regexp.MustCompile(`\d+ s\b`)

// add adds what a person sees now. Where the look matters, it is in it.
func (a *album) add(title string, s *session) {
	a.text.WriteString("=== " + title + "\n" + changing.ReplaceAllString(s.Screen().Marked(), "N s"))
}

// same compares the album with its golden file, which UPDATE=1 writes.
func (a *album) same() {
	a.t.Helper()
	file, got := filepath.Join("testdata/screens", a.name+".txt"), a.text.String()
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			a.t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil || got != string(want) {
		a.t.Errorf("%s: %v; it shows\n%s", file, err, got)
	}
}

// A customer's password, which nothing may show.
const canary = "Canary-tulip-7391"

// The screens that a customer sees, on every kind of terminal: the same words, and colours only where they are wanted.
func TestScreens(t *testing.T) {
	t.Parallel()
	program := buildProgram(t)
	utf8, xterm := "LANG=C.UTF-8", "TERM=xterm-256color"
	for _, look := range []struct {
		name          string
		columns, rows int
		answers       bool
		light         bool
		environment   []string
	}{
		{"dark-80x24", 80, 24, true, false, []string{utf8, xterm}},
		{"light-80x24", 80, 24, true, true, []string{utf8, xterm}},
		{"silent-80x24", 80, 24, false, false, []string{utf8, xterm}},
		{"dark-40x12", 40, 12, true, false, []string{utf8, xterm}},
		{"dark-200x50", 200, 50, true, false, []string{utf8, xterm}},
		{"no-color-80x24", 80, 24, true, false, []string{utf8, xterm, "NO_COLOR=1"}},
		{"ascii-80x24", 80, 24, true, false, []string{"LANG=C", xterm}},
		{"console-80x24", 80, 24, false, false, []string{utf8, "TERM=linux"}},
	} {
		t.Run(look.name, func(t *testing.T) {
			t.Parallel()
			o := terminal.Options{
				Environment: append(look.environment, "PATH=/usr/bin:/bin"),
				Columns:     look.columns,
				Rows:        look.rows,
				Answers:     look.answers,
				Light:       look.light,
			}
			s := onTerminal(t, program, finishedDroplet(t, program, wordpress), o, "first-login")
			a := &album{t: t, name: look.name}
			a.walk(s, []move{
				{"", "Domain name (1 of 5)", "the first question"},
				{"garden.example.org\r", "Admin email (2 of 5)", ""},
				{"rose\r", "That is not an email address", "a wrong answer"},
				{"\x15rose@example.org\r", "Admin password (3 of 5)", "a password that can be generated"},
				{canary, "17 characters, strong", "a password while it is typed"},
				{"\r", "Edition (4 of 5)", "a choice"},
				{"\x1b[B", "", ""},
				{"\r", "usage statistics? (5 of 5)", "a yes or no"},
				{"n", "These are your answers.", "the summary"},
				{"\x1b[B\r", "Which answer do you want to change?", "the choice of what to change"},
				{"\x1b", "These are your answers.", ""},
				{"\r", "", ""},
			})
			if code := s.code(); code != 0 {
				t.Errorf("it ends with %d", code)
			}
			a.add("the end", s)
			a.same()
			if strings.Contains(s.text(), canary) {
				t.Error("the password stands on the terminal")
			}
			ascii := look.environment[0] == "LANG=C" || look.environment[1] == "TERM=linux"
			if ascii && strings.ContainsFunc(s.text(), func(r rune) bool { return r > '~' }) {
				t.Errorf("a terminal without Unicode got %q", s.text())
			}
		})
	}
}

// settled adds the screen once it does not change any more: a terminal that answers is drawn on twice.
func (a *album) settled(title string, s *session) {
	for before := ""; before != s.text(); time.Sleep(100 * time.Millisecond) {
		before = s.text()
	}
	a.add(title, s)
}

// Line by line, as for screen readers: the same words, no escape sequence, nothing drawn over.
func TestLinesInPlaceOfScreens(t *testing.T) {
	t.Parallel()
	program := buildProgram(t)
	for name, environment := range map[string][]string{"dumb": {"TERM=dumb"}, "accessible": {"TERM=xterm-256color", "ACCESSIBLE=1"},
		"small-20x5": {"TERM=xterm"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := terminal.Options{Environment: append(environment, "PATH=/usr/bin:/bin", "LANG=C.UTF-8"), Columns: 80, Rows: 24}
			if name == "small-20x5" {
				o.Columns, o.Rows = 20, 5
			}
			s := onTerminal(t, program, finishedDroplet(t, program, wordpress), o, "first-login")
			for _, step := range []struct{ see, press string }{
				{"IP address [press Enter to leave it empty, ? for help]", "http://x\r"}, {"shop.example.org [press Enter to leave it empty, " +
					"? for help]", "\r"},
				{"(2 of 5) [? for help]", "rose@example.org\r"}, {"to generate one, ? for help]", canary + "\r"}, {"2 pro [? for help]", "2\r"},
				{"2 No [y or n, press Enter for 2, ? for help]", "maybe\r"}, {"Enter y or n. [y or n, press Enter for 2, ? for help]", "n\r"},
				{"at the next login [press Enter for 1, ? for help]", "2\r"}, {"statistics? No [press Enter for 1, ? for help]", "b\r"},
				{"for help] b These are", "\r"},
			} {
				s.until(step.see)
				s.press(step.press)
			}
			if code := s.code(); code != 0 {
				t.Errorf("it ends with %d", code)
			}
			a := &album{t: t, name: "lines-" + name}
			text := strings.ReplaceAll(s.text(), "\r\n", "\n")
			a.text.WriteString(text)
			a.same()
			if strings.ContainsAny(text, "\x1b\r") || strings.Contains(text, canary) {
				t.Errorf("it draws, or shows the password: %q", text)
			}
		})
	}
}

// until waits for words at the end of what is written, however their lines are broken.
func (s *session) until(words string) {
	s.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !strings.Contains(strings.Join(strings.Fields(s.text()), " "),
		words); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("%q does not come:\n%q", words, s.text())
		}
	}
}

// A login while first boot is at work.
func TestScreensOfProgress(t *testing.T) {
	t.Parallel()
	program := buildProgram(t)
	for name, term := range map[string]string{"progress": "xterm-256color", "lines-progress": "dumb"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := finishedDroplet(t, program, wordpress)
			os.WriteFile(
				filepath.Join(root, "var/lib/oneclick/journal.jsonl"),
				[]byte(strings.ReplaceAll(`{"v":1,"time":"NOW","event":"started","droplet":"1"}
{"v":1,"time":"NOW","event":"done","step":"file /etc/boot.conf"}
{"v":1,"time":"NOW","event":"begin","step":"login hook"}
`, "NOW", time.Now().UTC().Format(time.RFC3339))),
				0o600,
			)
			lock, err := os.OpenFile(filepath.Join(root, "var/lib/oneclick/lock"), os.O_RDWR|os.O_CREATE, 0o600)
			if err != nil {
				t.Fatal(err)
			}
			defer lock.Close()
			if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
				t.Fatal(err)
			}
			s := onTerminal(
				t,
				program,
				root,
				terminal.Options{Environment: []string{"PATH=/usr/bin:/bin", "LANG=C.UTF-8", "TERM=" + term}, Columns: 80, Rows: 24},
				"first-login",
			)
			s.Shows("Prepare the first login")
			a := &album{t: t, name: name}
			a.add("first boot at work", s)
			got := regexp.MustCompile(`[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏]`).ReplaceAllString(a.text.String(), "⠋")
			a.text.Reset()
			a.text.WriteString(got)
			a.same()
			s.press("\x1b[A") // an arrow key, or an answer of the terminal, is no wish to leave
			time.Sleep(500 * time.Millisecond)
			select {
			case <-s.ended:
				t.Error("an arrow key ends it")
			default:
			}
			s.press(" ")
			if code := s.code(); code != 0 {
				t.Errorf("the key to the shell ends with %d", code)
			}
			if after := s.settings(); after != s.before {
				t.Errorf("the terminal is left as %+v, and was %+v", after, s.before)
			}
		})
	}
}

// Two logins at once: the second is told who has the wizard open, and can take it over; the first leaves by itself.
func TestTheWizardIsTakenOver(t *testing.T) {
	t.Parallel()
	program := buildProgram(t)
	root := finishedDroplet(t, program, wordpress)
	size := pty.Winsize{Cols: 80, Rows: 24}
	first := startSession(
		t,
		program,
		root,
		[]string{"PATH=/usr/bin", "TERM=dumb", "SSH_CONNECTION=203.0.113.5 1 203.0.113.10 22"},
		size,
		false,
		"first-login",
	)
	first.see("Domain name (1 of 5)")
	first.press("garden.example.org\r")
	first.see("Admin email (2 of 5)")
	second := startSession(t, program, root, []string{"PATH=/usr/bin", "TERM=dumb"}, size, false, "first-login")
	second.see("The setup is open on pts/")
	second.see("from 203.0.113.5, since ")
	second.see("1  No")
	second.press("2\r")
	second.see("Admin email (2 of 5)")
	first.see("Somebody took this setup over at another terminal. Your answers are kept.")
	if code := first.code(); code != commandline.ExitPending {
		t.Errorf("the first ends with %d", code)
	}
	third := startSession(t, program, root, []string{"PATH=/usr/bin", "TERM=dumb"}, size, false, "first-login")
	third.see("Take it over here?")
	second.process.Process.Kill()
	<-second.ended
	fourth := startSession(t, program, root, []string{"PATH=/usr/bin", "TERM=dumb"}, size, false, "first-login")
	fourth.see("Admin email (2 of 5)") // the kernel freed the lock
	fmt.Fprintln(fourth.terminal, "q")
	if code := fourth.code(); code != commandline.ExitPending {
		t.Errorf("q ends with %d", code)
	}
}
