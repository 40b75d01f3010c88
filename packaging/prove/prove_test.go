package prove

import (
	"flag"
	"path/filepath"
	"strings"
	"testing"

	"oneclick-agent/packaging/lab"
)

var (
	inLab = flag.Bool("lab", false, "boot Droplets; needs root and the packages of packaging/install-test-tools")
	deb   = flag.String("deb", "../../build/packages/oneclick-agent_*_amd64.deb", "the package in the image, a pattern of its name")
)

// faulty has a mistake of each kind that a proof must find: a command that cannot run twice, one that writes a secret into a log,
// and a password in arguments; and no firewall.
const faulty = `
version: 1
app: {name: Faulty}
secrets: {key: {}, good: {}}
first_boot:
  - {file: /etc/good.conf, content: "good={{ .secrets.good }}\n"}
  - {run: [/usr/local/bin/once]}
  - {run: [/usr/local/bin/talk], env: {KEY: "{{ .secrets.key }}"}}
  - {run: [/usr/local/bin/tell], env: {KEY: "{{ .secrets.key }}"}}
`

var faultyFiles = map[string]lab.File{
	"/etc/oneclick/app.yaml": {Content: faulty, Mode: 0o644},
	"/usr/local/bin/once":    {Content: "#!/bin/sh\nmkdir /var/lib/once\n", Mode: 0o755},
	"/usr/local/bin/talk":    {Content: "#!/bin/sh\numask 022\necho \"the key is $KEY\" >>/var/log/talk.log\n", Mode: 0o755},
	"/usr/local/bin/tell":    {Content: "#!/bin/sh\n/usr/local/bin/take --password \"$KEY\"\n", Mode: 0o755},
	"/usr/local/bin/take":    {Content: "#!/bin/sh\nsleep 3\n", Mode: 0o755},
}

// TestPlantedFaultsAreRefuted proves an image with mistakes: each is named with its remedy, and what is right is proved.
func TestPlantedFaultsAreRefuted(t *testing.T) {
	if !*inLab {
		t.Skip("boots Droplets; run with -lab as root, as make test-lab does")
	}
	packages, err := filepath.Glob(*deb)
	if err != nil || len(packages) == 0 {
		t.Fatalf("there is no package: %v", err)
	}
	contents := lab.Contents{Agent: packages[len(packages)-1], Files: faultyFiles}
	report, err := Run(t.Context(), lab.Images()["plain"], contents, t.TempDir(), Options{Seed: 1, Cuts: 1,
		Progress: func(line string) { t.Log(line) }})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"no secret is where others can read it": "key is in arguments of commands\nkey is in a file that everybody can read: /var/log/talk.log",
		"every command can be run twice":        "run /usr/local/bin/once: ",
		"after a rotation no old value is left": "key is still in /var/log/talk.log",
		"the firewall is on":                    "the firewall is off, and these ports are open: 22",
	}
	for _, p := range report.Proofs {
		wrong, refuted := want[p.Claim]
		switch {
		case refuted && (p.Holds || !strings.Contains(p.Detail, wrong) || p.Remedy == ""):
			t.Errorf("%s: got %+v, want it refuted with %q", p.Claim, p, wrong)
		case !refuted && !p.Holds && !strings.HasPrefix(p.Claim, "power cut"):
			t.Errorf("%s: refuted with %s", p.Claim, p.Detail)
		}
		delete(want, p.Claim)
	}
	if len(want) > 0 {
		t.Errorf("nothing was said about %v", want)
	}
}

func TestAReportSaysWhatHoldsAndWhatToDoAboutTheRest(t *testing.T) {
	t.Parallel()
	report := Report{Image: "my|app", Seed: 7, Proofs: []Proof{
		{Claim: "a new Droplet sets itself up", Holds: true, Detail: "State: done", Seconds: 41.4},
		{Claim: "every command can be run twice", Detail: "run a: <b>\nrun b: |", Remedy: "say creates:", Seconds: 2},
	}}
	var markdown, html strings.Builder
	if err := report.WriteMarkdown(&markdown); err != nil {
		t.Fatal(err)
	}
	want := `# What is proved of my|app

1 of 2 claims do not hold; repeat it with --seed 7.

| | claim | seen | seconds |
| --- | --- | --- | --- |
| proved | a new Droplet sets itself up | State: done | 41 |
| **refuted** | every command can be run twice | run a: &lt;b><br>run b: \|<br>*say creates:* | 2 |

On Droplets of this image in QEMU, with real systemd, cloud-init and sshd; seed 7.
`
	if markdown.String() != want {
		t.Errorf("got\n%s\nwant\n%s", markdown.String(), want)
	}
	if err := report.WriteHTML(&html); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`<td class="refuted">refuted</td>`, "run a: &lt;b&gt;\nrun b: |",
		"<p>1 of 2 claims do not hold; repeat it with --seed 7.</p>"} {
		if !strings.Contains(html.String(), want) {
			t.Errorf("the page lacks %q:\n%s", want, html.String())
		}
	}
	if report.Holds() || (Report{}).Holds() {
		t.Error("a report holds that should not")
	}
}
