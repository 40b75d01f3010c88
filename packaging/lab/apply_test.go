package lab

import (
	"strings"
	"testing"
	"time"
)

const applyManifest = `
version: 1
app: {name: Sample}
secrets: {token: {}}
gate: {until: first_login, services: [sample.service]}
first_boot:
  - file: /etc/boot.conf
    content: "booted\n"
first_login:
  questions:
    - {name: title, ask: Site title}
    - {name: admin_password, ask: Admin password, type: password, generate: true}
  steps:
    - file: /etc/first.conf
      content: "{{ .answers.title }} {{ .answers.admin_password }}\n"
    - run: [/bin/sh, -c, "echo again >>/srv/runs; sync; sleep 20"]
    - file: /etc/last.conf
      content: "{{ .answers.title }} {{ .secrets.token }}\n"
    - service: sample.service
      do: [start]
`

// TestAPowerCutWhileAnswersAreApplied: the wizard's steps are cut off by the loss of power, and the next boot carries
// them to their end with nobody at a terminal.
func TestAPowerCutWhileAnswersAreApplied(t *testing.T) {
	t.Parallel()
	files := map[string]File{"/etc/oneclick/app.yaml": {applyManifest, 0o644}, "/root/.bashrc": {"# mine\n", 0o644}}
	for _, name := range []string{"/etc/systemd/system/sample.service", "/etc/systemd/system/multi-user.target.wants/sample.service"} {
		files[name] = powerFiles[name]
	}
	l, build, disk := open(t, "plain", files)
	machine := boot(t, l, build, disk, firstDroplet)
	on(t, machine, "while ! systemctl is-active -q cloud-init.target; do sleep 1; done; sync")
	person := logIn(t, machine)
	person.see("Sample has 2 questions for you before it is ready.")
	person.press("\r")
	person.see("Site title (1 of 2)")
	person.press("A garden\r")
	person.see("Admin password (2 of 2)")
	person.press("\r")
	person.see("These are your answers.")
	person.press("\r")
	on(t, machine, "while ! test -e /srv/runs; do sleep 0.2; done")
	time.Sleep(3 * time.Second)
	machine.CutPower()

	again := boot(t, l, build, disk, firstDroplet)
	on(t, again, "for i in $(seq 180); do oneclick-agent status >/dev/null && break; sleep 1; done")
	expect(t, again, []expectation{
		{"status exits with 0", "oneclick-agent status >/dev/null; echo $?", "0\n"},
		{"the command that was cut off ran again", "wc -l </srv/runs", "2\n"},
		{
			"the answers are one value everywhere",
			". /root/.digitalocean_passwords; [ \"$(cat /etc/first.conf)\" = \"A garden $ADMIN_PASSWORD\" ] && echo same",
			"same\n",
		},
		{
			"what was still to come is done",
			"[ \"$(cat /etc/last.conf)\" = \"A garden $(oneclick-agent secrets show token)\" ] && echo same",
			"same\n",
		},
		{"the gate is open", "systemctl is-active sample.service", "active\n"},
		{"the .bashrc is as it was", "cat /root/.bashrc", "# mine\n"},
		{"nothing is half-written", "find / -xdev -name '.*.oneclick-new' | wc -l", "0\n"},
	})
	if t.Failed() {
		t.Log(
			strings.TrimSpace(
				on(
					t,
					again,
					"oneclick-agent status; cat /var/lib/oneclick/*.jsonl; ls -la /var/lib/oneclick; journalctl -b -u "+
						"oneclick-first-login.service --no-pager | tail -20",
				),
			),
		)
	}
}
