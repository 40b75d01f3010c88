package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"oneclick-agent/agent/commandline"
	"oneclick-agent/packaging/terminal"
)

func xterm(columns, rows int) terminal.Options {
	return terminal.Options{
		Environment: []string{"PATH=/usr/bin:/bin", "LANG=C.UTF-8", "TERM=xterm-256color"},
		Columns:     columns,
		Rows:        rows,
		Answers:     true,
	}
}

// A customer who errs: wrong answers, the way back, Ctrl-C, a second login, one answer changed, a step that fails, the
// cause mended, done. What was typed once is never asked for again, and the password is never seen.
func TestTheStoryOfACustomerWhoErrs(t *testing.T) {
	t.Parallel()
	program := buildProgram(t)
	root := finishedDroplet(
		t,
		program,
		strings.Replace(wordpress, "  steps:\n", "  steps:\n    - {file: /srv/site/site.conf, content: x}\n", 1),
	)
	blocked := filepath.Join(root, "srv/site")
	os.MkdirAll(filepath.Dir(blocked), 0o755)
	if err := os.WriteFile(blocked, []byte("in the way"), 0o644); err != nil {
		t.Fatal(err)
	}
	a := &album{t: t, name: "story"}
	var seen strings.Builder
	login := func(steps []move, code int) {
		t.Helper()
		s := onTerminal(t, program, root, xterm(80, 24), "first-login")
		a.walk(s, steps)
		if got := s.code(); got != code {
			t.Errorf("it ends with %d, want %d", got, code)
		}
		a.add("how that login ends", s)
		seen.WriteString(s.text())
	}
	login([]move{
		{"", "Domain name (1 of 5)", ""},
		{"http://garden.example.org\r", "Enter the name alone", "a wrong answer"},
		{"\x15garden.example.org\r", "Admin email (2 of 5)", ""},
		{"rose@exa", "rose@exa", ""},
		{"\x1b", "Domain name (1 of 5)", "back, with the answer that was given"},
		{"\r", "Admin email (2 of 5)", "forward again"},
		{"rose@example.org\r", "Admin password (3 of 5)", ""},
		{canary + "\r", "Edition (4 of 5)", ""},
		{"\x03", "", ""},
	}, commandline.ExitPending)
	login([]move{
		{"", "Edition (4 of 5)", "the second login"},
		{"\x1b", "Keep the one that is set", "back to a password: it is not replaced by an empty line"},
		{"\r", "Edition (4 of 5)", ""},
		{"\r", "usage statistics? (5 of 5)", ""},
		{"y", "These are your answers.", ""},
		{"\r", "❯ Set it up with them", "y and Enter, as many type it, answers yes and nothing more"},
		{"\x1b[B\r", "Which answer do you want to change?", ""},
		{"\x1b[B\r", "Admin email (2 of 5)", "one answer is changed"},
		{"\x15admin@example.org\r", "These are your answers.", "and the others stay"},
		{"\r", "FAILED", ""},
	}, commandline.ExitPending)
	if out, err := exec.Command(program, "secrets", "show", "admin_password", "--root", root).Output(); err != nil ||
		string(out) != canary+"\n" {
		t.Errorf("the password that was typed is now %q, %v", out, err)
	}
	if err := os.Remove(blocked); err != nil {
		t.Fatal(err)
	}
	login([]move{
		{"", "Setup FAILED", "the login after a step failed"},
		{"\r", "is done", ""},
	}, commandline.ExitDone)
	a.same()
	if strings.Contains(seen.String(), canary) {
		t.Error("the password stands on the terminal")
	}
}

// move is keys, what they have to bring to the screen, and the title under which that screen is kept.
type move struct{ press, shows, title string }

// walk goes through a conversation.
func (a *album) walk(s *session, steps []move) {
	a.t.Helper()
	for _, step := range steps {
		s.press(step.press)
		if step.shows != "" {
			s.Shows(step.shows)
		}
		if step.title != "" {
			a.settled(step.title, s)
		}
	}
}

// What people do with a keyboard: long and wide passwords, pasted line breaks, keys that mean to leave, a window that
// changes its size.
func TestTheKeyboard(t *testing.T) {
	t.Parallel()
	program := buildProgram(t)
	template := finishedDroplet(t, program, `
version: 1
app: {name: Sample}
first_boot: [{file: /etc/boot.conf, content: x}]
first_login:
  questions: [{name: password, ask: Admin password, type: password}, {name: title, ask: Site title}]
`)
	password := func(t *testing.T, root string) string {
		out, err := exec.Command(program, "secrets", "show", "password", "--root", root).Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSuffix(string(out), "\n")
	}
	long := strings.Repeat("0123456789abcdef ", 24) + "end"
	for name, check := range map[string]func(*testing.T, *session, string){
		"a password of 411 characters": func(t *testing.T, s *session, root string) {
			s.press(long)
			s.Shows("411 characters")
			s.press("\r")
			s.Shows("Site title")
			if got := password(t, root); got != long {
				t.Errorf("kept is %q", got)
			}
		},
		"a password of wide characters": func(t *testing.T, s *session, root string) {
			s.press("密码と暗号-パスワード")
			s.Shows("11 characters")
			s.press("\r")
			s.Shows("Site title")
			if got := password(t, root); got != "密码と暗号-パスワード" {
				t.Errorf("kept is %q", got)
			}
		},
		"a pasted line with its line break": func(t *testing.T, s *session, root string) {
			s.press("\x1b[200~correct horse battery\r\n\x1b[201~")
			s.Shows("21 characters")
			s.press("\r")
			s.Shows("Site title")
			if got := password(t, root); got != "correct horse battery" {
				t.Errorf("kept is %q", got)
			}
		},
		"pasted lines are not taken for one": func(t *testing.T, s *session, root string) {
			s.press("\x1b[200~correct horse\rbattery staple\x1b[201~")
			s.Shows("more than one line")
			s.press("correct horse")
			s.Shows("13 characters")
			s.press("\r")
			s.Shows("Site title")
			if got := password(t, root); got != "correct horse" {
				t.Errorf("kept is %q", got)
			}
		},
		"Escape at the first question changes nothing": func(t *testing.T, s *session, _ string) {
			s.press("correct horse\x1b")
			time.Sleep(200 * time.Millisecond)
			s.Shows("13 characters")
		},
		"Ctrl-Z leaves":          func(t *testing.T, s *session, _ string) { s.press("\x1a"); leaves(t, s) },
		"Ctrl-D leaves":          func(t *testing.T, s *session, _ string) { s.press("\x04"); leaves(t, s) },
		"Ctrl-backslash leaves":  func(t *testing.T, s *session, _ string) { s.press("\x1c"); leaves(t, s) },
		"SIGQUIT's key is heard": func(t *testing.T, s *session, _ string) { s.press("abc\x1c"); leaves(t, s) },
		"a window that changes while a form is open": func(t *testing.T, s *session, root string) {
			s.press("correct horse")
			s.Shows("13 characters")
			for _, size := range [][2]int{{200, 50}, {60, 14}, {40, 12}, {80, 24}} {
				s.Resize(size[0], size[1])
				time.Sleep(100 * time.Millisecond)
			}
			s.press(" battery\r")
			s.Shows("Site title")
			if got := password(t, root); got != "correct horse battery" {
				t.Errorf("kept is %q", got)
			}
			s.Resize(20, 5) // too small for a form: line by line until it is large again
			s.see("[? for help]")
			s.press("A garden\r")
			s.see("press Enter for 1")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			if out, err := exec.Command("cp", "-a", template+"/.", root).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			s := onTerminal(t, program, root, xterm(80, 24), "first-login")
			s.Shows("Admin password (1 of 2)")
			check(t, s, root)
		})
	}
}

func leaves(t *testing.T, s *session) {
	t.Helper()
	if code := s.code(); code != commandline.ExitPending {
		t.Errorf("it ends with %d", code)
	}
	s.Shows("Your answers are kept.")
	if shown := s.Screen().Text(); strings.Contains(shown, "Admin password") {
		t.Errorf("a form is left behind:\n%s", shown)
	}
	if after := s.settings(); after != s.before {
		t.Errorf("the terminal is left as %+v, and was %+v", after, s.before)
	}
}
