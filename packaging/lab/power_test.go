package lab

import (
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// powerManifest has every kind of step that a power cut could tear, and no slow service.
const powerManifest = `
version: 1
app: {name: Power}
secrets:
  one: {}
  two: {format: base64}
  key: {format: ed25519}
  sum: {derive: sha256, from: one}
  token: {captured: true}
gate: {until: first_boot, services: [sample.service]}
first_boot:
  - file: /etc/one.conf
    content: "one={{ .secrets.one }}\ntwo={{ .secrets.two }}\n"
  - edit: /etc/two.env
    set: {ONE: "{{ .secrets.one }}", SUM: "{{ .secrets.sum }}"}
  - file: /etc/key.pem
    content: "{{ .secrets.key.private }}"
  - directory: /srv/app
    owner: www-data:www-data
  - run: [/usr/local/bin/issue-token]
    creates: /srv/token-issued
    capture: [{secret: token, pattern: 'token: (\S+)'}]
  - file: /etc/token.conf
    content: "{{ .secrets.token }}"
  - service: sample.service
    do: [enable, restart]
`

var powerFiles = map[string]File{
	"/etc/oneclick/app.yaml": {powerManifest, 0o644},
	"/usr/local/bin/issue-token": {
		"#!/bin/sh\nset -e\necho \"token: $(head -c 12 /dev/urandom | base64)\"\nsleep 1\n: >/srv/token-issued\nsync /srv/token-issued\n",
		0o755,
	},
	"/etc/systemd/system/sample.service": {
		"[Unit]\nDescription=Sample\n[Service]\nExecStart=/bin/sh -c 'cat /etc/token.conf >/run/sample-token; exec sleep infinity'\n" +
			"[Install]\nWantedBy=multi-user.target\n",
		0o644,
	},
	"/etc/systemd/system/multi-user.target.wants/sample.service": {"../sample.service", fs.ModeSymlink},
}

// consistent fails on the Droplet unless every secret has one value everywhere and nothing is half-written.
const consistent = `set -e
oneclick-agent status >/dev/null
show() { oneclick-agent secrets show "$1"; }
[ "$(cat /etc/one.conf)" = "$(printf 'one=%s\ntwo=%s' "$(show one)" "$(show two)")" ]
[ "$(cat /etc/two.env)" = "$(printf 'ONE=%s\nSUM=%s' "$(show one)" "$(show sum)")" ]
[ "$(cat /etc/key.pem)" = "$(show key.private)" ]
[ "$(cat /etc/token.conf)" = "$(show token)" ]
[ "$(printf %s "$(show one)" | sha256sum | cut -d' ' -f1)" = "$(show sum)" ]
. /root/.digitalocean_passwords
[ "$ONE" = "$(show one)" ]
[ "$TWO" = "$(show two)" ]
[ "$TOKEN" = "$(show token)" ]
systemctl is-active -q sample.service
[ "$(cat /run/sample-token)" = "$(show token)" ]
[ -z "$(find / -xdev -name '.*.oneclick-new')" ]
echo consistent`

// TestPowerCuts ends the Droplet at random moments of its first boot. Booted again, first boot completes by itself.
// The way to the hook is the same for all, so it is gone once and frozen there.
func TestPowerCuts(t *testing.T) {
	l, build, disk := open(t, "plain", powerFiles)
	machine := boot(t, l, build, disk, firstDroplet)
	waitForMetadata(t, l, machine) // of the unit's own start at boot, which finds that first boot is not due
	ctx, cancel := context.WithTimeout(t.Context(), bootWithin)
	defer cancel()
	if err := machine.Freeze(ctx); err != nil {
		t.Fatal(err)
	}
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	t.Logf("repeat with: -seed %d", *seed)
	moments := rand.New(rand.NewPCG(*seed, 0))
	for n := range *cuts {
		// From cloud-init's hook on, first boot takes some seconds; some cuts come right after it.
		moment := time.Duration(moments.Float64() * float64(9*time.Second))
		t.Run(fmt.Sprintf("cut %d", n+1), func(t *testing.T) {
			t.Parallel()
			l, disk, machine := cutAt(t, l, build, disk, moment)
			if n == 0 {
				checkClone(t, l, build, disk, machine)
			}
		})
	}
}

func cutAt(t *testing.T, first *Lab, build Build, disk string, moment time.Duration) (*Lab, string, *Machine) {
	directory := t.TempDir()
	l, err := Open(t.Context(), directory)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	l.signer = first.signer // the frozen Droplet knows only this key
	if err := command(t.Context(), "cp", "--sparse=always", disk, directory+"/disk.qcow2"); err != nil {
		t.Fatal(err)
	}
	disk = directory + "/disk.qcow2"
	machine, err := l.Resume(t.Context(), build, disk, Droplet{ID: firstDroplet, Name: "sample-droplet"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(machine.CutPower)
	waitForMetadata(t, l, machine) // of cloud-init's hook
	time.Sleep(moment)
	machine.CutPower()
	again := boot(t, l, build, disk, firstDroplet)
	out := on(
		t,
		again,
		"oneclick-agent status --wait --timeout 8m 2>&1; "+consistent+" || { oneclick-agent status; cat "+
			"/var/lib/oneclick/journal.jsonl; ls -la /etc/*.conf; exit 1; }",
	)
	if !strings.Contains(out, "\nconsistent\n") {
		t.Errorf("cut %.1f s after the hook: %s", moment.Seconds(), out)
	}
	before, _, _ := strings.Cut(out, "State:")
	t.Logf("cut %.1f s after the hook; after the second boot:\n%s", moment.Seconds(), before)
	return l, disk, again
}

// checkClone boots the disk of a finished Droplet as another one: it keeps every secret, says so, and is content.
func checkClone(t *testing.T, l *Lab, build Build, disk string, finished *Machine) {
	t.Helper()
	secrets := on(t, finished, "sync; cat /var/lib/oneclick/secrets.json")
	finished.CutPower()
	clone := boot(t, l, build, disk, secondDroplet)
	out := on(t, clone, "oneclick-agent status --wait --timeout 10m; echo exit $?; cat /run/oneclick/motd")
	for _, want := range []string{"State:    clone", "exit 0", "it has the same passwords as Droplet 2756294\n",
		"Setup is done, on a copy of another Droplet"} {
		if !strings.Contains(out, want) {
			t.Errorf("the copy's status lacks %q:\n%s", want, out)
		}
	}
	if after := on(t, clone, "cat /var/lib/oneclick/secrets.json"); after != secrets {
		t.Error("the copy has other secrets")
	}
}

// waitForMetadata waits until our program asks for metadata.
func waitForMetadata(t *testing.T, l *Lab, m *Machine) {
	t.Helper()
	deadline := time.After(bootWithin)
	for {
		select {
		case agent := <-l.Metadata.Asked:
			if strings.HasPrefix(agent, "Go-http-client") {
				return
			}
		case <-m.ended:
			t.Fatalf("the Droplet went off: %s", m.Console())
		case <-deadline:
			t.Fatal("our program did not ask for metadata")
		}
	}
}
