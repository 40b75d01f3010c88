package firstboot

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"oneclick-agent/agent/facts"
	"oneclick-agent/agent/journal"
)

// What a step reads, an earlier step may have made: by writing it, by a command, through a link, or in a directory
// that is made first. Each is done again and again, because a race between two steps shows only now and then.
func TestAStepSeesWhatAnEarlierStepMade(t *testing.T) {
	t.Parallel()
	tool := filepath.Join(t.TempDir(), "tool")
	needRoot(t)
	buildTool(t, tool)
	for name, test := range map[string]struct{ steps, want string }{
		"a copy of a written file": {"- {file: /s, content: new}\n  - {file: /d, copy: /s}", "new"},
		"a copy of a copy":         {"- {file: /r, content: new}\n  - {file: /s, copy: /r}\n  - {file: /d, copy: /s}", "new"},
		"a copy of an edited file": {"- {edit: /e, format: dotenv, set: {A: new}}\n  - {file: /d, copy: /e}", "A=new\n"},
		"an edit of a copied file": {"- {file: /x, content: \"A=1\\nB=2\\n\"}\n  - {file: /d, copy: /x, when: '{{ eq 1 1 }}'}\n" +
			"  - {edit: /d, format: dotenv, set: {A: new}, when: '{{ eq 2 2 }}'}", "A=new\nB=2\n"},
		"a copy through a link": {"- {file: /r, content: new}\n  - {link: /s, to: /r}\n  - {file: /d, copy: /s}", "new"},
		"a copy of what a link leads to now": {
			"- {file: /r, content: old}\n  - {file: /n, content: new}\n  - {link: /l/s, to: /n}\n  - {file: /d, copy: /l/s}", "new"},
		"a template that was written": {"- {file: /etc/oneclick/t, content: 'on {{ \"{{\" }} .droplet.name }}'}\n  - {file: " +
			"/d, template: t}", "on sample"},
		"a template that was copied":    {"- {file: /etc/oneclick/t, copy: /etc/oneclick/u}\n  - {file: /d, template: t}", "from sample"},
		"a copy of what a command made": {"- {run: [/usr/bin/tool, append, /m/s, new]}\n  - {file: /d, copy: /m/s}", "new\n"},
		"a template that a command made": {"- {run: [/usr/bin/tool, append, /etc/oneclick/m, 'of {{ \"{{\" }} .droplet.name " +
			"}}']}\n  - {file: /d, template: m}", "of sample\n"},
		"a condition on an earlier step": {"- {file: /s, content: new, name: one}\n  - {file: /d, copy: /s, when: '{{ eq " +
			".steps.one \"done\" }}'}", "new"},
		"a condition on an earlier capture": {"- {run: [/usr/bin/tool, issue], capture: [{secret: c, pattern: 'token: (.).*'}]}\n  " +
			"- {file: /d, content: new, when: '{{ eq .secrets.c \"t\" }}'}", "new"},
		"a condition on a step that is skipped": {"- {file: /s, content: new, name: one, when: 'false'}\n  - {file: /d, content: new, " +
			"when: '{{ eq .steps.one \"skipped\" }}'}", "new"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for n := range 20 {
				root := newTree(
					t,
					accounts,
					map[string]string{"/s": "old", "/e": "A=old\n", "/n": "old", "/r": "old", "/etc/oneclick/u": "from {{ .droplet.name }}"},
					appYAML("secrets: {c: {captured: true}}\nfirst_boot:\n  "+test.steps+captureOtherwise(test.steps)),
				)
				os.MkdirAll(filepath.Join(root, "usr/bin"), 0o755)
				if err := os.Link(tool, filepath.Join(root, "usr/bin/tool")); err != nil {
					t.Fatal(err)
				}
				if phase, err := boot(t, root, nil); phase != journal.Done {
					t.Fatalf("it ended as %s: %v", phase, err)
				}
				if got := file(t, root, "d"); got != test.want {
					t.Fatalf("run %d of 20: it is %q, and not %q", n+1, got, test.want)
				}
			}
		})
	}
}

// captureOtherwise is a step that could fill the captured secret, where the test's own steps do not.
func captureOtherwise(steps string) string {
	if strings.Contains(steps, "capture") {
		return ""
	}
	return "\n  - {run: [/bin/never], when: 'false', capture: [{secret: c, pattern: '(x)'}]}"
}

// A template that cannot be read any more once the manifest was read is an error, and nothing is written: no empty file,
// and none that everybody can read.
func TestATemplateThatIsGoneWritesNothing(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		spoil func(template string) error
		want  string
	}{
		"it is removed": {os.Remove, "file /etc/app.conf: cannot read /etc/oneclick/t: no such file or directory"},
		"a directory is in its place": {func(template string) error {
			return errors.Join(os.Remove(template), os.Mkdir(template, 0o755))
		}, "file /etc/app.conf: cannot read /etc/oneclick/t: "},
		"it is broken": {func(template string) error { return os.WriteFile(template, []byte("{{ if }}"), 0o644) },
			"file /etc/app.conf: cannot write /etc/app.conf: cannot read the template of first_boot[0].file: missing value for if"},
		"it names what is not there": {func(template string) error { return os.WriteFile(template, []byte("{{ .secrets.two }}"), 0o644) },
			"file /etc/app.conf: cannot write /etc/app.conf: cannot fill in the template of first_boot[0].file: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := newTree(t, accounts, map[string]string{"/etc/oneclick/t": "password={{ .secrets.one }}\n"},
				appYAML("secrets: {one: {}}\nfirst_boot: [{file: /etc/app.conf, template: t}]\n"))
			phase, err := on(t, root, nil, func(f *facts.Facts) (journal.Phase, error) {
				if err := test.spoil(filepath.Join(root, "etc/oneclick/t")); err != nil {
					t.Fatal(err)
				}
				return Run(t.Context(), f, false)
			})
			if phase != journal.Failed || err == nil || !strings.HasPrefix(err.Error(), test.want) {
				t.Errorf("it ended as %s: %v", phase, err)
			}
			if _, err := os.Lstat(filepath.Join(root, "etc/app.conf")); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("something was written: %v", err)
			}
			if step, _ := recordedStep(t, root, "file /etc/app.conf"); step.State != journal.StepFailed {
				t.Errorf("the record says %q", step.State)
			}
		})
	}
}

func recordedStep(t *testing.T, root, id string) (journal.Step, bool) {
	t.Helper()
	record := recorded(t, root)
	return record.Step(id)
}

// memory is a directory whose files lie in memory, where a thousand first boots cost no disk a flush.
func memory(t testing.TB) string {
	t.Helper()
	directory, err := os.MkdirTemp("/dev/shm", "first-boots-")
	if err != nil {
		directory = t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(directory) })
	return directory
}

// Six files below one directory that is not there yet are written side by side, and whoever comes first makes it.
func TestAThousandFirstBootsBelowOneMissingDirectory(t *testing.T) {
	t.Parallel()
	needRoot(t)
	var text strings.Builder
	text.WriteString("version: 1\napp: {name: Sample}\nfirst_boot:\n")
	for n := range 6 {
		fmt.Fprintf(&text, "  - {file: /srv/app/config/parts/%d.conf, content: part %d}\n", n, n)
	}
	directory := memory(t)
	for n := range 1000 {
		root := filepath.Join(directory, fmt.Sprint(n))
		for name, content := range map[string]string{
			"etc/oneclick/app.yaml": text.String(), "run/cloud-init/instance-data.json": accounts["/run/cloud-init/instance-data.json"],
		} {
			target := filepath.Join(root, name)
			if err := errors.Join(os.MkdirAll(filepath.Dir(target), 0o755), os.WriteFile(target, []byte(content), 0o644)); err != nil {
				t.Fatal(err)
			}
		}
		if phase, err := boot(t, root, nil); phase != journal.Done {
			t.Fatalf("first boot %d ended as %s: %v", n, phase, err)
		}
		for n := range 6 {
			if got := file(t, root, fmt.Sprintf("srv/app/config/parts/%d.conf", n)); got != fmt.Sprintf("part %d", n) {
				t.Fatalf("part %d is %q", n, got)
			}
		}
		os.RemoveAll(root)
	}
}
