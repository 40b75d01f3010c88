package firstboot

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// made is a tree on which first boot of a manifest was complete.
func made(t *testing.T, manifest string, files map[string]string) (root string) {
	t.Helper()
	root = newTree(t, accounts, appYAML(manifest), files)
	withTool(t, root)
	if phase, err := boot(t, root, nil); !phase.Complete() {
		t.Fatalf("first boot is %s: %v", phase, err)
	}
	return root
}

// A step that asks how another one ended is done again like any other, wherever it asks.
func TestAStepThatAsksForAnotherFollowsARotation(t *testing.T) {
	t.Parallel()
	for name, step := range map[string]string{
		"in its condition": `{file: /etc/b, content: "{{ .secrets.one }}", when: '{{ eq .steps.a "done" }}'}`,
		"in its content":   `{file: /etc/b, content: "{{ .secrets.one }} {{ .steps.a }}"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := made(t, "secrets: {one: {}}\nfirst_boot:\n  - {file: /etc/a, content: x, name: a}\n  - "+step+"\n", nil)
			old := stored(root)
			do(t, root, rotating("one"))
			nowhere(t, root, old)
			if now := stored(root)["one"]; !strings.HasPrefix(file(t, root, "etc/b"), now) {
				t.Errorf("/etc/b is %q", file(t, root, "etc/b"))
			}
		})
	}
}

// However a template spells the question how another step ended, that step has ended.
func TestTheEndOfAnotherStepIsKnownHoweverItIsAskedFor(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ step, source string }{
		"in a file":             {"{file: /etc/b, template: b.tmpl}", "{{ .steps.first }}"},
		"by index":              {`{file: /etc/b, content: '{{ index $ "steps" "first" }}'}`, ""},
		"by index, in the file": {"{file: /etc/b, template: b.tmpl}", `{{ index . "steps" "first" }}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := made(t, "first_boot:\n  - {file: /etc/a, content: x, name: first}\n  - "+test.step+"\n",
				map[string]string{"/etc/oneclick/b.tmpl": test.source})
			if got := file(t, root, "etc/b"); got != "done" {
				t.Errorf("/etc/b is %q", got)
			}
		})
	}
}

// A copy of a file that holds a secret is as private as that file.
func TestACopyIsNoMorePublicThanItsSource(t *testing.T) {
	t.Parallel()
	root := made(t, `
secrets: {one: {}}
first_boot:
  - {file: /etc/a, content: "{{ .secrets.one }}"}
  - {file: /etc/b, copy: /etc/a}
  - {file: /etc/open, content: x}
  - {file: /etc/c, copy: /etc/open}
  - {file: /etc/d, copy: /etc/a, mode: "0640"}
`, nil)
	for name, want := range map[string]os.FileMode{"etc/a": 0o600, "etc/b": 0o600, "etc/c": 0o644, "etc/d": 0o640} {
		info, err := os.Stat(filepath.Join(root, name))
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s has %v, want %v: %v", name, info.Mode(), want, err)
		}
	}
}

// What a command writes anew is copied anew, and what edits it edits it again.
func TestWhatReadsTheFileOfACommandFollowsTheCommand(t *testing.T) {
	t.Parallel()
	root := made(t, `
secrets: {one: {}}
first_boot:
  - {run: [/usr/bin/tool, stdin], stdin: "token={{ .secrets.one }}\n"}
  - {file: /etc/b, copy: /stdin, mode: "0600"}
  - {edit: /stdin, format: dotenv, set: {name: sample}}
  - {file: /etc/c, copy: /stdin, mode: "0600"}
`, nil)
	old := stored(root)
	do(t, root, rotating("one"))
	nowhere(t, root, old)
	line := "token=" + stored(root)["one"] + "\n"
	for name, want := range map[string]string{"etc/b": line, "stdin": line + "name=sample\n", "etc/c": line + "name=sample\n"} {
		if got := file(t, root, name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

// A command with creates and unless is run only where neither says that it was done.
func TestBothCreatesAndUnlessAreAsked(t *testing.T) {
	t.Parallel()
	root := made(t, `
first_boot:
  - {file: /marks/done, content: x}
  - {run: [/usr/bin/tool, append, /t/a, x], creates: /never, unless: [/usr/bin/tool, forever, /marks/done]}
  - {run: [/usr/bin/tool, append, /t/b, x], creates: /marks/done, unless: [/usr/bin/tool, fail]}
  - {run: [/usr/bin/tool, append, /t/c, x], creates: /t/c, unless: [/usr/bin/tool, fail]}
`, nil)
	entries, err := os.ReadDir(filepath.Join(root, "t"))
	if err != nil || len(entries) != 1 || entries[0].Name() != "c" {
		t.Errorf("%v, %v", entries, err)
	}
}

// A secret and a step that are new in the manifest of a living Droplet hold no change up: the secret is made, and the step is
// named, because nobody said that it is to be carried out here.
func TestWhatIsNewInTheManifestHoldsNoChangeUp(t *testing.T) {
	t.Parallel()
	root := made(t, "secrets: {one: {}}\nfirst_boot:\n  - {file: /etc/a, content: \"{{ .secrets.one }}\"}\n", nil)
	for name, text := range appYAML(`
secrets: {one: {}, two: {}}
first_boot:
  - {file: /etc/a, content: "{{ .secrets.one }} {{ .secrets.two }}"}
  - {run: [/usr/bin/tool, append, /t/ran, x]}
`) {
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	do(t, root, rotating("one"))
	now := stored(root)
	if got := file(t, root, "etc/a"); got != now["one"]+" "+now["two"] {
		t.Errorf("/etc/a is %q", got)
	}
	if _, err := os.Stat(filepath.Join(root, "t/ran")); err == nil {
		t.Error("a command that is new in the manifest ran")
	}
	var text bytes.Buffer
	statusOf(t, root).WriteText(&text)
	want := "run /usr/bin/tool append /t/ran x: it is new in the manifest, and was never carried out here\n"
	if !strings.Contains(text.String(), want) {
		t.Errorf("status does not name it:\n%s", text.String())
	}
}

// A condition on how another step ended is asked again once that step ended otherwise.
func TestAConditionOnAnotherStepIsAskedAgainWhenThatEndsOtherwise(t *testing.T) {
	t.Parallel()
	root := made(t, `
secrets: {one: {}}
first_boot:
  - {run: [/usr/bin/tool, require, /ok], env: {ONE: "{{ .secrets.one }}"}, optional: true, name: a, tries: 1}
  - {file: /etc/good, content: x, when: '{{ eq .steps.a "done" }}', name: good}
  - {file: /etc/better, content: x, when: '{{ eq .steps.good "done" }}'}
  - {file: /etc/bad, content: x, when: '{{ eq .steps.a "degraded" }}'}
`, nil)
	there := func() (names string) {
		for _, name := range []string{"good", "better", "bad"} {
			if _, err := os.Stat(filepath.Join(root, "etc", name)); err == nil {
				names += name + " "
			}
		}
		return names
	}
	if got := there(); got != "bad " {
		t.Fatalf("first boot made %s", got)
	}
	if err := os.WriteFile(filepath.Join(root, "ok"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	do(t, root, rotating("one"))
	if got := there(); got != "good better " {
		t.Errorf("after the rotation there are %s", got)
	}
}
