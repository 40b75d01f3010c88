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
    - {name: title, ask: Site title}
    - {name: admin_password, ask: Admin password, type: password, generate: true}
    - {name: news, ask: Do you want news?, type: confirm, default: false}
  steps:
    - file: /etc/token.conf
      content: "{{ .answers.title }} {{ .answers.news }} {{ .answers.admin_password }}\n"
    - run: [/bin/sleep, "5"]
`

// conversation is an interactive SSH session on a terminal.
type conversation struct {
	t       *testing.T
	client  *ssh.Client
	session *ssh.Session
	in      io.WriteCloser
	mu      sync.Mutex
	seen    bytes.Buffer
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

func (c *conversation) see(what string) {
	c.t.Helper()
	for deadline := time.Now().Add(10 * time.Minute); !strings.Contains(c.text(), what); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			text := c.text()
			c.t.Fatalf("%q does not come:\n%q", what, text[max(0, len(text)-2000):])
		}
	}
}

func (c *conversation) press(keys string) { io.WriteString(c.in, keys) }

// TestAFirstLogin is a customer's: in the shell while first boot runs, the wizard, a lost connection, the rest of it.
func TestAFirstLogin(t *testing.T) {
	t.Parallel()
	files := map[string]File{"/etc/oneclick/app.yaml": {loginManifest, 0o644}, "/root/.bashrc": {"# mine\nalias ll='ls -l'\n", 0o644}}
	for _, name := range []string{"/etc/systemd/system/sample.service", "/etc/systemd/system/multi-user.target.wants/sample.service"} {
		files[name] = powerFiles[name]
	}
	l, build, disk := open(t, "plain", files)
	machine := boot(t, l, build, disk, firstDroplet)

	early := logIn(t, machine)
	early.see("Sample is being set up on this Droplet.")
	early.see("Press a key for the shell")
	quiet(t, machine, l, "while first boot runs")
	early.see("The setup of this Droplet waits: questions of first login are not answered yet")
	early.see("Sample has 3 questions for you before it is ready.")
	quiet(t, machine, l, "while the wizard is open")
	if out := on(t, machine, "systemctl is-active sample.service; oneclick-agent status >/dev/null; echo $?; cat "+
		"/run/oneclick/motd"); !strings.HasPrefix(
		out,
		"inactive\n3\n",
	) ||
		!strings.Contains(out, "oneclick-agent first-login") {
		t.Errorf("while the questions are open: %s", out)
	}
	early.press("\r")
	early.see("Site title (1 of 3)")
	early.press("A garden\r")
	early.see("Admin password (2 of 3)")
	early.client.Close() // the network is lost

	again := logIn(t, machine)
	again.see("You stopped at question 2 of 3. Your answers so far are kept.")
	again.press("\r")
	again.see("Admin password (2 of 3)")
	again.press("\r")
	again.see("Do you want news? (3 of 3)")
	again.press("\r")
	again.see("These are your answers.")
	again.press("\r")
	again.see("The setup of this Droplet is done.")
	again.see("oneclick-agent status") // the next command, which ends the wizard; behind it comes the shell
	again.press("exit\r")
	again.see("logout")

	expect(t, machine, []expectation{
		{"the .bashrc is as it was", "cat /root/.bashrc", "# mine\nalias ll='ls -l'\n"},
		{"the answers are applied", "cut -d' ' -f1-3 /etc/token.conf", "A garden false\n"},
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
	last := logIn(t, machine)
	last.see("root@")
	if strings.Contains(last.text(), "question") || strings.Contains(last.text(), "oneclick-agent first-login") {
		t.Errorf("the next login shows %q", last.text())
	}
	quiet(t, machine, l, "afterwards")
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
