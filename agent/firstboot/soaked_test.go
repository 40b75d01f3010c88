package firstboot

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"oneclick-agent/agent/host"
	"oneclick-agent/agent/journal"
)

// What a year of a Droplet found, each by itself.
const soakedSetup = `
secrets: {one: {}, ca: {format: ca}, server: {format: certificate, signed_by: ca, hosts: ["{{ .droplet.ipv4 }}"]}}
first_boot:
  - {file: '/t/of-{{ .droplet.name }}', content: "{{ .secrets.one }}"}
  - {file: /t/whole, content: "{{ .droplet.ipv4 }}"}
  - {file: /t/certificate, content: "{{ .secrets.server.cert }}"}
`

// renamed sets a Droplet of this setup up, and gives it names and addresses one after the other, each with a run. The power
// goes in the run of a name that begins with "cut" when an operation is about cut.
func renamed(t *testing.T, setup, cut string, names ...string) (root string) {
	t.Helper()
	needRoot(t)
	root = newTree(t, accounts, appYAML(setup))
	for i, name := range names {
		world{id: "1", address: "203.0.113." + string(rune('1'+i)), name: strings.TrimPrefix(name, "cut")}.tell(t, root)
		gone := false
		var before func(host.Operation) error
		if strings.HasPrefix(name, "cut") {
			before = func(o host.Operation) error {
				if gone = gone || strings.Contains(o.Name+" "+o.Object, cut); gone {
					return host.ErrPower
				}
				return nil
			}
		}
		if phase, err := boot(t, root, before); phase != journal.Done && before == nil {
			t.Fatalf("as %s it is %s: %v", name, phase, err)
		}
	}
	return root
}

// A Droplet that gets back a name that it had before has its files made for it again, and those of the other name taken away.
func TestANameThatComesBackIsTakenUp(t *testing.T) {
	t.Parallel()
	root := renamed(t, soakedSetup, "", "one", "two", "one")
	if _, err := os.Stat(filepath.Join(root, "t/of-two")); err == nil || contentOf(root, "t/of-one") != stored(root)["one"] {
		t.Errorf("/t/of-one is %q; /t/of-two: %v", contentOf(root, "t/of-one"), err)
	}
}

// A file that a person changed stays theirs when the Droplet gets another name and then its old one back.
func TestAFileOfAPersonSurvivesANameThatComesBack(t *testing.T) {
	t.Parallel()
	root := renamed(t, soakedSetup, "", "one")
	theirs := filepath.Join(root, "t/of-one")
	if err := os.WriteFile(theirs, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"two", "one"} {
		world{id: "1", address: "203.0.113." + string(rune('2'+i)), name: name}.tell(t, root)
		if phase, err := boot(t, root, nil); phase != journal.Done {
			t.Fatalf("as %s it is %s: %v", name, phase, err)
		}
	}
	if got := contentOf(root, "t/of-one"); got != "mine" {
		t.Errorf("/t/of-one, which a person changed, is %q", got)
	}
}

// A change that was cut off is not taken for a person's, when the next one comes before it was ended.
func TestAFileThatACutOffChangeWroteIsOurs(t *testing.T) {
	t.Parallel()
	root := renamed(t, "first_boot: [{file: /t/whole, content: '{{ .droplet.ipv4 }}'}]\n", "fsync directory t", "one", "cutone", "one")
	if got := contentOf(root, "t/whole"); got != "203.0.113.3" {
		t.Errorf("/t/whole is %q", got)
	}
}

// A certificate of a change that was cut off is made anew for the address that the Droplet has in the end.
func TestACertificateIsOneOfTheLastAddress(t *testing.T) {
	t.Parallel()
	root := renamed(t, soakedSetup, "t/certificate", "one", "cutone", "one")
	m := model{now: truth{world: world{address: "203.0.113.3"}, secrets: map[string]string{"server": contentOf(root, "t/certificate")}}}
	m.checkMade(t.Errorf)
}

// What a change took away is there again when that was cut off, and the Droplet is what it was before.
func TestAChangeThatIsTakenBackMakesAgainWhatItTookAway(t *testing.T) {
	t.Parallel()
	root := renamed(t, soakedSetup, "create t/of-two", "one", "cuttwo", "one")
	if got := contentOf(root, "t/of-one"); got != stored(root)["one"] {
		t.Errorf("/t/of-one is %q", got)
	}
}

// A link that a change made before it was cut off is not taken for a person's.
func TestALinkThatACutOffChangeMadeIsOurs(t *testing.T) {
	t.Parallel()
	setup := "first_boot:\n  - {link: /t/link, to: '/x/{{ .droplet.name }}'}\n" +
		"  - {file: /t/last, content: '{{ .droplet.name }}', when: '{{ eq 1 1 }}'}\n"
	root := renamed(t, setup, "create t/last", "one", "cuttwo", "three")
	if got, _ := os.Readlink(filepath.Join(root, "t/link")); got != "/x/three" {
		t.Errorf("/t/link leads to %s", got)
	}
}
