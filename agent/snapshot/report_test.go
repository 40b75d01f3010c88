package snapshot

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"oneclick-agent/agent/manifest"
)

// TestTheReportsForOthersHaveEveryFindingAndNoSecret looks at the page and at SARIF of an image with a token, a name
// that is markup, and an accepted finding.
func TestTheReportsForOthersHaveEveryFindingAndNoSecret(t *testing.T) {
	t.Parallel()
	tr := newTree(t)
	tr.write("/opt/app/a b<script>alert(1)</script>.yml", "token: "+doToken+"\n")
	tr.write("/etc/passwd", passwd+"<b>toor</b>:x:0:0::/root:/bin/bash\n")
	tr.write("/home/deploy/.ssh/authorized_keys", key)
	image := tr.look()
	image.Manifest = &manifest.Manifest{App: manifest.App{Name: "App & Co", Version: "1.0"}, PreSnapshot: &manifest.PreSnapshot{
		Accept: []manifest.Accept{
			{Check: "ssh.authorized_keys", Subject: "/home/deploy/.ssh/authorized_keys", Reason: "a <documented> key"},
		},
	}}
	report, err := Run(t.Context(), image, Options{CheckOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	var page, sarif bytes.Buffer
	if err := report.WriteHTML(&page, image.About("1.2.3")); err != nil {
		t.Fatal(err)
	}
	if err := report.WriteSARIF(&sarif, image.About("1.2.3")); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"<h1>App &amp; Co 1.0</h1>", "Debian GNU/Linux 12, checked on ", "&lt;b&gt;toor&lt;/b&gt;",
		"alert(1)&lt;/script&gt;.yml", "a &lt;documented&gt; key",
		"<td>packages are signed</td><td class=\"pass\">pass</td>",
	} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(page.String(), "<script>") || strings.Contains(page.String(), "<b>toor") {
		t.Error("a name of the image is markup in the page")
	}
	var log struct {
		Version string
		Runs    []struct {
			Tool struct {
				Driver struct{ Rules []struct{ ID string } }
			}
			Results []struct {
				RuleID, Level string
				RuleIndex     int
				Message       struct{ Text string }
				Suppressions  []struct{ Justification string }
			}
		}
	}
	if err := json.Unmarshal(sarif.Bytes(), &log); err != nil || log.Version != "2.1.0" || len(log.Runs) != 1 {
		t.Fatalf("it is no SARIF: %v", err)
	}
	results, told := log.Runs[0].Results, 0
	for _, check := range report.Checks {
		if check.Status != Pass || check.Accepted != "" {
			told++
		}
		if check.Why == "" {
			t.Errorf("%s does not say why it matters", check.ID)
		}
	}
	if len(results) != told || told < 4 {
		t.Errorf("SARIF has %d results, and there are %d findings", len(results), told)
	}
	accepted := 0
	for _, result := range results {
		if log.Runs[0].Tool.Driver.Rules[result.RuleIndex].ID != result.RuleID {
			t.Errorf("the rule of %+v is another", result)
		}
		accepted += len(result.Suppressions)
	}
	if accepted != 1 {
		t.Errorf("%d results are accepted", accepted)
	}
	if both := page.String() + sarif.String(); strings.Contains(both, doToken) || strings.Contains(both, "AAAAC3NzaC1lZDI1NTE5") {
		t.Error("a secret is in a report")
	}
}

// TestAnAcceptanceSilencesExactlyOneFinding: without a subject it is about a finding that is alone.
func TestAnAcceptanceSilencesExactlyOneFinding(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		subject string
		keys    []string
		failed  int
	}{
		{"", []string{"/root"}, 0},
		{"", []string{"/root", "/home/deploy"}, 2},
		{"/root/.ssh/authorized_keys", []string{"/root", "/home/deploy"}, 1},
	} {
		t.Run(fmt.Sprintf("%q of %d", test.subject, len(test.keys)), func(t *testing.T) {
			t.Parallel()
			tr := newTree(t)
			for _, home := range test.keys {
				tr.write(home+"/.ssh/authorized_keys", key)
			}
			image := tr.look()
			image.Manifest = &manifest.Manifest{
				PreSnapshot: &manifest.PreSnapshot{
					Accept: []manifest.Accept{{Check: "ssh.authorized_keys", Subject: test.subject, Reason: "intended"}},
				},
			}
			report, err := Run(t.Context(), image, Options{CheckOnly: true})
			if err != nil {
				t.Fatal(err)
			}
			failed := 0
			for _, check := range report.Checks {
				if check.ID == "ssh.authorized_keys" && check.Status == Fail {
					failed++
				}
			}
			if failed != test.failed {
				t.Errorf("%d fail, want %d", failed, test.failed)
			}
		})
	}
}
