package snapshot

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"oneclick-agent/agent/host"
	"oneclick-agent/agent/state"
)

// tree is a directory tree to be made an image of.
type tree struct {
	t   *testing.T
	dir string
}

const passwd = `root:x:0:0:root:/root:/bin/bash
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
deploy:x:1000:1000::/home/deploy:/bin/bash
app:x:1001:1001::/srv/app:/usr/sbin/nologin
`

// newTree makes a small Debian: accounts, sshd, cloud-init and a shell, as far as checks look at them.
func newTree(t *testing.T) *tree {
	t.Helper()
	tr := &tree{t, t.TempDir()}
	for name, content := range map[string]string{
		"/etc/passwd":     passwd,
		"/etc/shadow":     "root:*:19000:0:99999:7:::\ndaemon:*:19000::::::\ndeploy:!:19000::::::\napp:!*:19000::::::\n",
		"/etc/group":      "root:x:0:\n",
		"/etc/os-release": "NAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\n", "/etc/ssh/sshd_config": "PermitRootLogin " +
			"prohibit-password\nPasswordAuthentication no\nSubsystem sftp internal-sftp\n",
		"/etc/cloud/cloud.cfg": "cloud_init_modules:\n - growpart\n - resizefs\n - ssh\n",
		"/etc/hosts":           "127.0.0.1 localhost\n",
		"/etc/ufw/ufw.conf":    "ENABLED=yes\n",
		"/var/lib/dpkg/status": "Package: unattended-upgrades\nStatus: install ok installed\n",
		"/var/lib/cloud/scripts/per-instance/001_onboot": "#!/bin/sh\nexit 0\n",
	} {
		tr.write(name, content)
	}
	for _, program := range []string{
		"/usr/bin/cloud-init", "/bin/sh", "/usr/sbin/sshd",
		"/var/lib/cloud/scripts/per-instance/001_onboot",
	} {
		if !tr.exists(program) {
			tr.write(program, "#!/bin/true\n")
		}
		os.Chmod(tr.path(program), 0o755)
	}
	os.Chmod(tr.path("/etc/shadow"), 0o640)
	for _, home := range []string{"/root", "/home/deploy", "/srv/app", "/tmp", "/var/tmp"} {
		os.MkdirAll(tr.path(home), 0o755)
	}
	os.Chmod(tr.path("/tmp"), 0o1777|os.ModeSticky)
	os.Chmod(tr.path("/var/tmp"), 0o1777|os.ModeSticky)
	return tr
}

func (tr *tree) path(name string) string { return filepath.Join(tr.dir, name) }

func (tr *tree) write(name, content string) {
	tr.t.Helper()
	err := os.MkdirAll(filepath.Dir(tr.path(name)), 0o755)
	if err == nil {
		err = os.WriteFile(tr.path(name), []byte(content), 0o644)
	}
	if err != nil {
		tr.t.Fatal(err)
	}
}

func (tr *tree) read(name string) string {
	tr.t.Helper()
	data, err := os.ReadFile(tr.path(name))
	if err != nil {
		tr.t.Fatal(err)
	}
	return string(data)
}

func (tr *tree) exists(name string) bool {
	_, err := os.Lstat(tr.path(name))
	return err == nil
}

// look opens the tree as an image.
func (tr *tree) look() *Image {
	tr.t.Helper()
	h, err := host.Open(tr.dir)
	if err != nil {
		tr.t.Fatal(err)
	}
	tr.t.Cleanup(func() { h.Close() })
	image, err := Look(h)
	if err != nil {
		tr.t.Fatal(err)
	}
	return image
}

func (tr *tree) run(o Options) Report {
	tr.t.Helper()
	report, err := Run(context.Background(), tr.look(), o)
	if err != nil {
		tr.t.Fatal(err)
	}
	return report
}

// verdict is the worst status of a check, and the subjects that have it.
func (r *Report) verdict(id string) (worst Status, subjects []string) {
	for _, check := range r.Checks { // the worst come first
		if check.ID == id && (worst == "" || check.Status == worst) {
			worst = check.Status
			subjects = append(subjects, check.Subject)
		}
	}
	return worst, subjects
}

// plant writes the files of a list and returns their names.
func (tr *tree) plant(list string) (names []string) {
	tr.t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", list))
	if err != nil {
		tr.t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		name, content, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		if strings.HasPrefix(line, "# ") || !ok {
			continue
		}
		if strings.HasSuffix(name, "/") {
			os.MkdirAll(tr.path(name), 0o755)
		} else {
			tr.write(name, strings.ReplaceAll(content, `\n`, "\n"))
		}
		names = append(names, name)
	}
	return names
}

// left lists the planted files that still have content.
func (tr *tree) left(names []string) (left []string) {
	for _, name := range names {
		info, err := os.Lstat(tr.path(name))
		if err == nil && (info.IsDir() || info.Size() > 0) {
			left = append(left, name)
		}
	}
	return left
}

func TestNoLeftoverOfTheFieldSurvives(t *testing.T) {
	t.Parallel()
	tr := newTree(t)
	kept := tr.plant("kept.txt")
	for _, script := range []string{
		"/var/lib/cloud/scripts/per-boot/tune", "/etc/update-motd.d/99-one-click",
		"/var/lib/cloud/scripts/per-instance/001_onboot",
	} {
		os.Chmod(tr.path(script), 0o755)
	}
	before := map[string]string{}
	for _, name := range kept {
		before[name] = tr.read(name)
	}
	planted := tr.plant("leftovers.txt")
	if len(planted) < 200 {
		t.Fatalf("only %d leftovers are planted", len(planted))
	}
	check := tr.run(Options{CheckOnly: true})
	if left := tr.left(planted); len(left) != len(planted) {
		t.Errorf("a check changed the image: only %d of %d leftovers are there after it", len(left), len(planted))
	}
	if check.Summary.Fail < 20 {
		t.Errorf("the check finds only %d failures", check.Summary.Fail)
	}
	plan := tr.run(Options{DryRun: true})
	report := tr.run(Options{})
	if left := tr.left(planted); len(left) > 0 {
		t.Errorf("%d of %d leftovers survive:\n%s", len(left), len(planted), strings.Join(left, "\n"))
	}
	for name, content := range before {
		if !tr.exists(name) || tr.read(name) != content {
			t.Errorf("%s was changed", name)
		}
	}
	if !slices.Equal(report.Cleaned, plan.Cleaned) {
		t.Errorf("cleaned\n%v\nand planned\n%v", report.Cleaned, plan.Cleaned)
	}
	// What it said of first boot stays true: secrets of this machine were made.
	if worst, subjects := report.verdict("first_boot.ran"); worst != Fail || len(subjects) != 1 {
		t.Errorf("first_boot.ran is %s", worst)
	}
	again := tr.run(Options{})
	if worst, _ := again.verdict("first_boot.ran"); len(again.Cleaned) > 0 || again.Summary.Fail != 1 || worst != Fail {
		t.Errorf("a second run cleans %v, fails %d, and says of first boot: %s", again.Cleaned, again.Summary.Fail, worst)
	}
	os.Remove(tr.path(state.RanOnImage))
	if last := tr.run(Options{}); last.Summary.Fail > 0 {
		t.Errorf("once the mark is removed, %d fail", last.Summary.Fail)
	}
}

// TestEveryPathOfTheCatalogueIsCleaned plants one file for each pattern of each default and guarded entry.
func TestEveryPathOfTheCatalogueIsCleaned(t *testing.T) {
	t.Parallel()
	fill := strings.NewReplacer(
		"~~/",
		"/root/",
		"~/",
		"/root/",
		"**/",
		"deep/er/",
		"[0-9]*",
		"7",
		"[0-9]",
		"7",
		"[a-p]",
		"p",
		"*",
		"x",
		"?",
		"x",
	)
	for _, entry := range Catalogue() {
		if entry.Mode != Default && entry.Mode != Guarded || entry.LiveOnly || entry.Action != Remove || entry.Find != nil {
			continue
		}
		tr := newTree(t)
		var planted []string
		for _, touch := range entry.Touches {
			name := fill.Replace(touch)
			if rest, ok := strings.CutPrefix(name, "/etc/sysconfig/network-scripts/"); ok {
				tr.write("/etc/sysconfig/network-scripts/"+rest, "# Created by cloud-init\n")
			} else if tr.exists(name) {
				continue
			} else {
				tr.write(name, "\x7fELF Password npmAuthToken _auth\n")
			}
			planted = append(planted, name)
		}
		image := tr.look()
		subjects, err := entry.find(t.Context(), image)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range planted {
			if base := filepath.Base(name); strings.HasSuffix(name, "/.x") || base == "x" && entry.ID == "logs.rotated" {
				continue // a pattern that takes anything, of which the entry holds some
			}
			if !slices.ContainsFunc(subjects, func(s Subject) bool { return s.Name == name || strings.HasPrefix(name, s.Name+"/") }) {
				t.Errorf("%s does not find %s", entry.ID, name)
			}
		}
		tr.run(Options{})
		for _, s := range subjects {
			if tr.exists(s.Name) {
				t.Errorf("%s: %s survives", entry.ID, s.Name)
			}
		}
	}
}

func TestTheCatalogueIsInOrder(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, e := range Catalogue() {
		if seen[e.ID] {
			t.Errorf("%s is there twice", e.ID)
		}
		seen[e.ID] = true
		if e.Reason == "" || len(e.Touches) == 0 || e.Severity == "" || e.Mode == "" {
			t.Errorf("%s lacks a reason, a severity, a mode or what it touches", e.ID)
		}
		if e.Cleans() && e.Action == "" {
			t.Errorf("%s cleans without an action", e.ID)
		}
		if !e.Cleans() && e.Action != "" {
			t.Errorf("%s has an action and never cleans", e.ID)
		}
		if (e.Action == Edit || e.Action == Purge || e.Action == RunCommand) && e.Clean == nil {
			t.Errorf("%s does not say how it cleans", e.ID)
		}
	}
	for _, r := range Requirements() {
		if r.Check != "" && !seen[r.Check] {
			t.Errorf("a requirement names the check %s, which there is not", r.Check)
		}
	}
	for _, d := range Differences() {
		if !seen[d.Check] {
			t.Errorf("a difference names the check %s, which there is not", d.Check)
		}
	}
}
