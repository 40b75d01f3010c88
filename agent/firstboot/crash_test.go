package firstboot

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"oneclick-agent/agent/facts"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/journal"
)

// everyKind uses each kind of step that works on a tree.
var everyKind = map[string]string{
	"/etc/oneclick/app.yaml": `
version: 1
app: {name: Sample}
secrets:
  db_password: {}
  app_key: {format: base64}
  signing: {format: ed25519}
  sum: {derive: sha256, from: db_password}
first_boot:
  - directory: /srv/app/data
    owner: www-data:www-data
    mode: "0750"
  - file: /etc/app.conf
    template: app.conf.tmpl
    owner: root:www-data
    mode: "0640"
  - file: /etc/app/key.pem
    content: "{{ .secrets.signing.private }}"
  - edit: /etc/app.env
    set: {APP_KEY: "{{ .secrets.app_key }}", APP_SUM: "{{ .secrets.sum }}"}
    unset: [DEBUG]
  - edit: /etc/app.yaml
    set: {server.address: "{{ .droplet.ipv4 }}"}
  - edit: /etc/hosts
    line: {match: '^127\.0\.1\.1 ', set: "127.0.1.1 {{ .droplet.name }}"}
  - edit: /etc/motd.conf
    block: "kept by us"
  - link: /etc/app/current
    to: ../app.conf
  - remove: /etc/app/default
  - directory: /srv/app
    owner: www-data:www-data
    recursive: true
  - service: app.service
    do: [enable, restart]
gate: {until: first_boot, services: [app.service]}
`,
	"/etc/oneclick/app.conf.tmpl":         "password = {{ .secrets.db_password }}\naddress = {{ .droplet.ipv4 }}\n",
	"/etc/app.env":                        "# settings\nAPP_KEY=placeholder\nDEBUG=1\nOTHER=kept\n",
	"/etc/app.yaml":                       "# the server\nserver:\n  address: 0.0.0.0 # changed\n  port: 80\n",
	"/etc/hosts":                          "127.0.0.1 localhost\n127.0.1.1 debian\n",
	"/etc/app/default/file":               "goes\n",
	"/srv/app/old":                        "x",
	"/usr/lib/systemd/system/app.service": "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n",
}

// A host that loses power at call n, for every n: after a second run the tree is the one of an uninterrupted run.
func TestAPowerCutAtAnyCallLeavesWhatASecondRunCompletes(t *testing.T) {
	t.Parallel()
	needRoot(t)
	undisturbed := newTree(t, accounts, everyKind)
	var calls atomic.Int64
	if outcome, err := boot(t, undisturbed, func(host.Operation) error { calls.Add(1); return nil }); outcome != journal.Done {
		t.Fatalf("the undisturbed run ended as %s: %v", outcome, err)
	}
	want := dump(t, undisturbed)
	if calls.Load() < 80 {
		t.Fatalf("only %d calls were seen; the sweep would prove little", calls.Load())
	}
	for n := int64(1); n <= calls.Load(); n++ {
		t.Run(fmt.Sprintf("call %d", n), func(t *testing.T) {
			t.Parallel()
			root := newTree(t, accounts, everyKind)
			var count atomic.Int64
			var cut atomic.Value
			outcome, err := boot(t, root, func(o host.Operation) error {
				if count.Add(1) >= n {
					cut.CompareAndSwap(nil, o)
					return host.ErrPower
				}
				return nil
			})
			if outcome == journal.Done && n < calls.Load()-10 {
				t.Fatalf("the run was cut at %v, and ended as done", cut.Load())
			}
			if err != nil && !errors.Is(err, host.ErrPower) {
				t.Logf("the cut at %v was seen as: %v", cut.Load(), err)
			}
			if outcome, err := boot(t, root, nil); outcome != journal.Done {
				t.Fatalf("after a cut at %v the second run ended as %s: %v", cut.Load(), outcome, err)
			}
			if got := dump(t, root); got != want {
				t.Errorf("after a cut at %v the tree is\n%s\nwant\n%s", cut.Load(), got, want)
			}
		})
	}
}

func TestASecondRunChangesNothing(t *testing.T) {
	t.Parallel()
	needRoot(t)
	root := newTree(t, accounts, everyKind)
	if outcome, err := boot(t, root, nil); outcome != journal.Done {
		t.Fatalf("the first run ended as %s: %v", outcome, err)
	}
	before := dump(t, root)
	outcome, err := boot(t, root, func(o host.Operation) error {
		return fmt.Errorf("the second run wanted to %s %s", o.Name, o.Object)
	})
	if outcome != journal.Done || err != nil {
		t.Errorf("the second run ended as %s: %v", outcome, err)
	}
	if after := dump(t, root); after != before {
		t.Errorf("the second run changed the tree to\n%s", after)
	}
}

// A rotation that is cut off at any call goes on with the next run: the tree is as first boot left it, with one value
// for each secret everywhere, and the wanted ones are new.
func TestARotationThatIsCutOffGoesOn(t *testing.T) {
	t.Parallel()
	needRoot(t)
	passwords := func(root string) string { return file(t, root, "root/.digitalocean_passwords") }
	undisturbed := newTree(t, accounts, everyKind)
	if outcome, err := boot(t, undisturbed, nil); outcome != journal.Done {
		t.Fatalf("first boot ended as %s: %v", outcome, err)
	}
	want := dump(t, undisturbed)
	var calls atomic.Int64
	rotate := func(s *facts.Facts) (journal.Phase, error) { return Rotate(t.Context(), s, []string{"db_password"}) }
	old := passwords(undisturbed)
	if outcome, err := on(t, undisturbed, func(host.Operation) error { calls.Add(1); return nil }, rotate); outcome != journal.Done {
		t.Fatalf("the rotation ended as %s: %v", outcome, err)
	}
	if got := dump(t, undisturbed); got != want || passwords(undisturbed) == old {
		t.Fatalf("after a rotation the tree is\n%s\nwant\n%s", got, want)
	}
	for n := int64(1); n <= calls.Load(); n++ {
		t.Run(fmt.Sprintf("call %d", n), func(t *testing.T) {
			t.Parallel()
			root := newTree(t, accounts, everyKind)
			if outcome, err := boot(t, root, nil); outcome != journal.Done {
				t.Fatalf("first boot ended as %s: %v", outcome, err)
			}
			old := passwords(root)
			var count atomic.Int64
			on(t, root, func(host.Operation) error {
				if count.Add(1) >= n {
					return host.ErrPower
				}
				return nil
			}, rotate)
			if outcome, err := on(t, root, nil, rotate); outcome != journal.Done {
				t.Fatalf("the next rotation ended as %s: %v", outcome, err)
			}
			if got := dump(t, root); got != want || passwords(root) == old {
				t.Errorf("the tree is\n%s\nwant\n%s", got, want)
			}
		})
	}
}
