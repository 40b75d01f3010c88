package lab

import (
	"bytes"
	"encoding/pem"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

const loginManifest = `
version: 1
app: {name: Sample}
gate: {until: first_login, services: [sample.service]}
first_boot:
  - run: [/bin/sleep, "30"]
  - file: /etc/boot.conf
    content: "booted\n"
first_login:
  questions:
    - {name: email, ask: Admin email, type: email}
    - {name: admin_password, ask: Admin password, type: password, generate: true}
    - {name: news, ask: Do you want news?, type: confirm, default: false}
  steps:
    - file: /etc/token.conf
      content: "{{ .answers.email }} {{ .answers.news }} {{ .answers.admin_password }}\n"
    - run: [/usr/local/bin/publish]
      title: Publish the site
      tries: 1
`

// publish is a step that takes a while, and fails as long as something is in its way; it says so where programs often do.
const publish = `#!/bin/sh
sleep 15
test -e /etc/port-is-free || { echo "the port 8080 is in use"; exit 1; }
`

var loginFiles = map[string]File{
	"/etc/oneclick/app.yaml":             {loginManifest, 0o644},
	"/root/.bashrc":                      {"# mine\nalias ll='ls -l'\n", 0o644},
	"/usr/local/bin/publish":             {publish, 0o755},
	"/etc/systemd/system/sample.service": powerFiles["/etc/systemd/system/sample.service"],
	"/etc/systemd/system/multi-user.target.wants/sample.service": powerFiles["/etc/systemd/system/multi-user.target.wants/sample.service"],
}

// conversation is an interactive SSH session on a terminal.
type conversation struct {
	t       *testing.T
	client  *ssh.Client
	session *ssh.Session
	in      io.WriteCloser
	mu      sync.Mutex
	seen    bytes.Buffer
	behind  int // where in what was seen the last words end that were waited for
}

func (c *conversation) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen.Write(p)
}

func (c *conversation) text() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen.String()
}

// logIn opens a login shell on a terminal, as a customer does.
func logIn(t *testing.T, m *Machine) *conversation {
	t.Helper()
	client, err := m.dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c := &conversation{t: t, client: client}
	t.Cleanup(func() { client.Close() })
	if c.session, err = client.NewSession(); err != nil {
		t.Fatal(err)
	}
	c.session.Stdout, c.session.Stderr = c, c
	if c.in, err = c.session.StdinPipe(); err == nil {
		err = c.session.RequestPty("xterm-256color", 24, 80, ssh.TerminalModes{})
	}
	if err == nil {
		err = c.session.Shell()
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// see waits for words behind those that it waited for before.
func (c *conversation) see(what string) {
	c.t.Helper()
	for deadline := time.Now().Add(10 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		text := c.text()
		if at := strings.Index(text[c.behind:], what); at >= 0 {
			c.behind += at + len(what)
			return
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("%q does not come:\n%q", what, text[max(0, len(text)-2000):])
		}
	}
}

func (c *conversation) press(keys string) { io.WriteString(c.in, keys) }

// TestAFirstLogin is that of a customer who errs: in the shell while first boot runs, a wrong answer, the way back, Ctrl-C, an
// answer that is changed, a connection that is lost while one answers and again while the answers are applied, a step that
// fails, its cause mended, done.
func TestAFirstLogin(t *testing.T) {
	t.Parallel()
	for release, image := range map[string]string{"Debian 12": "plain", "Debian 13": "trixie"} {
		t.Run(release, func(t *testing.T) {
			t.Parallel()
			l, build, disk := open(t, image, loginFiles)
			machine := boot(t, l, build, disk, firstDroplet)
			conversations := []*conversation{watchesTheBoot(t, machine, l), answers(t, machine), changesHisMind(t, machine)}
			conversations = append(conversations, comesBackToAFailure(t, machine))
			checkLogin(t, machine)
			last := logIn(t, machine)
			last.see("root@")
			if text := last.text(); strings.Contains(text, "question") || strings.Contains(text, "oneclick-agent first-login") {
				t.Errorf("the next login shows %q", text)
			}
			quiet(t, machine, l, "afterwards")
			password := strings.TrimSpace(on(t, machine, ". /root/.digitalocean_passwords; echo \"$ADMIN_PASSWORD\""))
			for n, c := range append(conversations, last) {
				if password == "" || strings.Contains(c.text(), password) {
					t.Errorf("the password %q stands on the terminal of login %d", password, n+1)
				}
			}
		})
	}
}

// watchesTheBoot logs in while first boot is at work, sees the wizard open by itself, and loses the connection behind a first answer.
func watchesTheBoot(t *testing.T, machine *Machine, l *Lab) *conversation {
	t.Helper()
	c := logIn(t, machine)
	c.see("Sample is being set up on this Droplet.")
	c.see("Press a key for the shell")
	quiet(t, machine, l, "while first boot runs")
	c.see("Sample has 3 questions for you before it is ready.")
	quiet(t, machine, l, "while the wizard is open")
	out := on(t, machine, "systemctl is-active sample.service; oneclick-agent status >/dev/null; echo $?; cat /run/oneclick/motd")
	if !strings.HasPrefix(out, "inactive\n3\n") || !strings.Contains(out, "oneclick-agent first-login") {
		t.Errorf("while the questions are open: %s", out)
	}
	c.press("\r")
	c.see("Admin email (1 of 3)")
	c.press("rose\r")
	c.see("That is not an email address") // it is refused in words
	c.press("\x15rose@example.org\r")
	c.see("Admin password (2 of 3)")
	c.client.Close() // the network is lost
	return c
}

// answers goes on with the question that was open, goes back, and leaves with Ctrl-C.
func answers(t *testing.T, machine *Machine) *conversation {
	t.Helper()
	c := logIn(t, machine)
	c.see("You stopped at question 2 of 3. Your answers so far are kept.")
	c.press("\r")
	c.see("Admin password (2 of 3)")
	c.press("\x1b")
	c.see("Admin email (1 of 3)")
	c.press("\r")
	c.see("Admin password (2 of 3)")
	c.press("\r") // one is generated
	c.see("Do you want news? (3 of 3)")
	c.press("\x03")
	c.see("Your answers are kept.")
	c.press("exit\r")
	c.see("logout")
	return c
}

// changesHisMind changes one answer in the summary, and loses the connection while all of them are applied.
func changesHisMind(t *testing.T, machine *Machine) *conversation {
	t.Helper()
	c := logIn(t, machine)
	c.see("You stopped at question 3 of 3.")
	c.press("\r")
	c.see("Do you want news? (3 of 3)")
	c.press("y")
	c.see("These are your answers.")
	c.press("\x1b[B\r")
	c.see("Which answer do you want to change?")
	c.press("\r")
	c.see("Admin email (1 of 3)")
	c.press("\x15admin@example.org\r")
	c.see("These are your answers.")
	c.press("\r")
	c.see("Publish the site") // the step at work, by its title
	c.client.Close()
	return c
}

// comesBackToAFailure finds the step failed, in words, mends the cause and tries again with the same answers.
func comesBackToAFailure(t *testing.T, machine *Machine) *conversation {
	t.Helper()
	c := logIn(t, machine)
	c.see("the port 8080 is in use")
	on(t, machine, "touch /etc/port-is-free")
	c.see("Try again with them")
	c.press("\r")
	c.see("Setup is done.")
	c.see("oneclick-agent status") // the next command, which ends the wizard; behind it comes the shell
	c.press("exit\r")
	c.see("logout")
	return c
}

func checkLogin(t *testing.T, machine *Machine) {
	t.Helper()
	expect(t, machine, []expectation{
		{"the .bashrc is as it was", "cat /root/.bashrc", "# mine\nalias ll='ls -l'\n"},
		{"the answers are applied", "cut -d' ' -f1-2 /etc/token.conf", "admin@example.org true\n"},
		{"the generated password is found", ". /root/.digitalocean_passwords; grep -c \"$ADMIN_PASSWORD\" /etc/token.conf", "1\n"},
		{"the gate is open", "systemctl is-active sample.service", "active\n"},
		{"status exits with 0", "oneclick-agent status >/dev/null; echo $?", "0\n"},
		{"no unit failed", "systemctl --failed --no-legend | wc -l", "0\n"},
		{
			"the journal holds no answer that is a secret",
			". /root/.digitalocean_passwords; journalctl -b -o export | grep -c \"$ADMIN_PASSWORD\"",
			"0\n",
		},
	})
}

// quiet runs everything that comes in by SSH and is no person. One byte too much breaks it.
func quiet(t *testing.T, m *Machine, l *Lab, when string) {
	t.Helper()
	directory := t.TempDir()
	key := l.keyFile(t, directory)
	options := " -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o IdentitiesOnly=yes -i " + key +
		" -o ControlMaster=auto -o ControlPersist=60 -o ControlPath=" + directory + "/c "
	host := "root@" + DropletAddress
	if err := os.WriteFile(filepath.Join(directory, "sent"), []byte("sent\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, check := range []struct{ line, want string }{
		{"ssh" + options + host + " echo out", "out\n"},
		{"ssh -tt" + options + host + " echo out </dev/null | tr -d '\\r'", "out\n"},
		{"ssh" + options + host + " bash -ilc 'echo\\ out' </dev/null 2>/dev/null", "out\n"},
		{"scp -q" + options + directory + "/sent " + host + ":/tmp/scp && scp -q" + options + host + ":/tmp/scp " + directory +
			"/back && cat " + directory + "/back", "sent\n"},
		{"echo 'get /tmp/scp " + directory + "/sftp' | sftp -q" + options + "-b - " + host + " >/dev/null && cat " + directory + "/sftp",
			"sent\n"},
		{"rsync -e 'ssh" + options + "' " + host + ":/tmp/scp " + directory + "/rsync && cat " + directory + "/rsync", "sent\n"},
	} {
		out, err := l.Network.Command(t.Context(), "sh", "-c", check.line).CombinedOutput()
		if string(out) != check.want || err != nil {
			t.Errorf("%s, %s: got %q, %v; want %q", when, check.line, out, err, check.want)
		}
	}
}

// keyFile writes the key that opens the lab's Droplets, for the tools of OpenSSH.
func (l *Lab) keyFile(t *testing.T, directory string) string {
	t.Helper()
	block, err := ssh.MarshalPrivateKey(l.private, "")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(directory, "key")
	if err := os.WriteFile(file, pem.EncodeToMemory(block), fs.FileMode(0o600)); err != nil {
		t.Fatal(err)
	}
	return file
}
