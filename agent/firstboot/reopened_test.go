package firstboot

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"oneclick-agent/agent/facts"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/journal"
	"oneclick-agent/agent/state"
	"oneclick-agent/agent/status"
)

func rotating(names ...string) func(*facts.Facts) (journal.Phase, error) {
	return func(f *facts.Facts) (journal.Phase, error) { return Rotate(context.Background(), f, names) }
}

func forget(f *facts.Facts) (journal.Phase, error) {
	return journal.Done, ForgetLogin(context.Background(), f)
}

// answeringWith answers every question with one text, and applies the answers.
func answeringWith(text string) func(*facts.Facts) (journal.Phase, error) {
	return func(f *facts.Facts) (journal.Phase, error) {
		for _, q := range f.Manifest.FirstLogin.Questions {
			if err := f.SetAnswer(q, text); err != nil {
				return journal.Failed, err
			}
		}
		if err := Decide(f, facts.Ready); err != nil {
			return journal.Failed, err
		}
		return ApplyAnswers(context.Background(), f)
	}
}

// do carries something out on a tree that must come to its end.
func do(t *testing.T, root string, use func(*facts.Facts) (journal.Phase, error)) {
	t.Helper()
	if phase, err := on(t, root, nil, use); !phase.Complete() || err != nil {
		t.Fatalf("it is %s: %v", phase, err)
	}
}

// nowhere looks for old values on the whole tree.
func nowhere(t *testing.T, root string, old map[string]string) {
	t.Helper()
	now := stored(root)
	filepath.WalkDir(root, func(name string, _ os.DirEntry, _ error) error {
		data, _ := os.ReadFile(name)
		for secret, value := range old {
			if now[secret] != value && value != "" && strings.Contains(string(data), value) {
				t.Errorf("%s still has the old value of %s", strings.TrimPrefix(name, root), secret)
			}
		}
		return nil
	})
}

// While the questions of first login are asked anew, what it made before still stands: a rotation reaches it, with the answers
// that it was made from. The next answers take their place, and what was computed from the old ones is computed again.
func TestARotationReachesFirstLoginWhileItsQuestionsAreAskedAnew(t *testing.T) {
	t.Parallel()
	needRoot(t)
	root := newTree(t, accounts, appYAML(damagedSetup))
	if phase, err := boot(t, root, nil); phase != journal.Done {
		t.Fatalf("first boot is %s: %v", phase, err)
	}
	do(t, root, answeringWith("first-answer"))
	for range 2 { // asking anew twice loses nothing
		do(t, root, forget)
		old := stored(root)
		do(t, root, rotating("one", "two"))
		now := stored(root)
		if now["one"] == old["one"] || now["two"] == old["two"] || now["late"] == old["late"] {
			t.Error("a secret, or the token that is computed from one, is the old one")
		}
		nowhere(t, root, old)
		if want, got := "first-answer first-answer "+now["late"], contentOf(root, "etc/login.conf"); got != want {
			t.Errorf("/etc/login.conf is %q, want %q", got, want)
		}
		if phase, err := boot(t, root, nil); phase != journal.Done || err != nil {
			t.Errorf("the next boot is %s: %v", phase, err)
		}
	}
	old := stored(root)
	do(t, root, answeringWith("second-answer"))
	now := stored(root)
	if want, got := "second-answer second-answer "+now["late"], contentOf(root, "etc/login.conf"); got != want || now["late"] == old["late"] {
		t.Errorf("/etc/login.conf is %q, want %q, before %q", got, want, old["late"])
	}
	nowhere(t, root, old)
	if data := contentOf(root, state.Secrets); strings.Contains(data, "first-answer") || !strings.Contains(data, "second-answer") {
		t.Error("the store does not have the new answer alone")
	}
}

// A rotation reaches what an unfinished first login made, does nothing of what it did not, and leaves it to be finished.
func TestARotationReachesWhatAnUnfinishedFirstLoginMade(t *testing.T) {
	t.Parallel()
	root := newTree(t, accounts, appYAML(`
secrets: {one: {}}
first_login:
  questions: [{name: name, ask: Name}]
  steps:
    - {file: /etc/first.conf, content: "{{ .secrets.one }} {{ .answers.name }}"}
    - {run: [/usr/bin/tool, fail], creates: /etc/mended, tries: 1}
    - {file: /etc/last.conf, content: "{{ .secrets.one }}"}
`))
	withTool(t, root)
	if phase, err := boot(t, root, nil); phase != journal.Done {
		t.Fatalf("first boot is %s: %v", phase, err)
	}
	if phase, _ := on(t, root, nil, answeringWith("x")); phase != journal.Failed {
		t.Fatalf("first login is %s", phase)
	}
	old := stored(root)
	do(t, root, rotating("one"))
	nowhere(t, root, old)
	if got, want := contentOf(root, "etc/first.conf"), stored(root)["one"]+" x"; got != want {
		t.Errorf("/etc/first.conf is %q, want %q", got, want)
	}
	if _, err := os.Stat(filepath.Join(root, "etc/last.conf")); err == nil {
		t.Error("the rotation carried out a step whose turn had not come")
	}
	os.WriteFile(filepath.Join(root, "etc/mended"), nil, 0o600)
	do(t, root, func(f *facts.Facts) (journal.Phase, error) { return ApplyAnswers(context.Background(), f) })
	if got, want := contentOf(root, "etc/last.conf"), stored(root)["one"]; got != want {
		t.Errorf("/etc/last.conf is %q, want %q", got, want)
	}
}

// A copy is one no longer once every secret has a new value, in however many rotations, some of them cut off.
func TestACopyWhoseSecretsAreAllNewIsNoCopy(t *testing.T) {
	t.Parallel()
	const copied = `
secrets: {one: {}, two: {}, three: {}}
first_boot:
  - {file: /etc/app.conf, content: "{{ .secrets.one }} {{ .secrets.two }} {{ .secrets.three }}"}
`
	cut := func(t *testing.T, root string, use func(*facts.Facts) (journal.Phase, error)) {
		on(t, root, func(o host.Operation) error {
			if strings.HasSuffix(o.Object, "app.conf") {
				return host.ErrPower
			}
			return nil
		}, use)
	}
	for name, rotate := range map[string]func(t *testing.T, root string){
		"all at once":  func(t *testing.T, root string) { do(t, root, rotating("one", "two", "three")) },
		"one by one":   func(t *testing.T, root string) { do(t, root, rotating("two")); do(t, root, rotating("three", "one")) },
		"all, cut off": func(t *testing.T, root string) { cut(t, root, rotating("one", "two", "three")); boot(t, root, nil) },
		"one cut off, then all": func(t *testing.T, root string) {
			cut(t, root, rotating("two"))
			do(t, root, rotating("one", "two", "three"))
		},
		"one cut off, then the others": func(t *testing.T, root string) {
			cut(t, root, rotating("two"))
			boot(t, root, nil)
			do(t, root, rotating("one", "three"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := newTree(t, accounts, appYAML(copied))
			boot(t, root, nil)
			do(t, root, rotating("one")) // on the first Droplet: its copy has the same value
			world{id: "9", address: "203.0.113.99", name: "copy"}.tell(t, root)
			if phase, err := boot(t, root, nil); phase != journal.Done {
				t.Fatalf("the copy is %s: %v", phase, err)
			}
			do(t, root, rotating("two", "three"))
			if got := statusOf(t, root).State; got != status.Clone {
				t.Errorf("with one secret that both have, it is %s", got)
			}
			rotate(t, root)
			if got := statusOf(t, root).State; got != status.Done {
				t.Errorf("with new secrets it is %s", got)
			}
		})
	}
}

func statusOf(t *testing.T, root string) (s status.Status) {
	t.Helper()
	on(t, root, nil, func(f *facts.Facts) (_ journal.Phase, err error) {
		if s, err = status.Read(f.Host, f); err != nil {
			t.Error(err)
		}
		return "", nil
	})
	return s
}

// What a change left as it is, status tells for as long as it is so.
func TestStatusTellsWhatAChangeLeft(t *testing.T) {
	t.Parallel()
	needRoot(t)
	root := newTree(t, accounts, appYAML(`
secrets: {one: {}}
first_boot:
  - {file: /etc/app.conf, content: "{{ .secrets.one }}"}
`))
	boot(t, root, nil)
	mine := []byte("mine\n")
	os.WriteFile(filepath.Join(root, "etc/app.conf"), mine, 0o600)
	do(t, root, rotating("one"))
	boot(t, root, nil)
	var text bytes.Buffer
	statusOf(t, root).WriteText(&text)
	if want := "file /etc/app.conf: left as it is: somebody changed it since it was made\n"; !strings.Contains(text.String(), want) {
		t.Errorf("status says\n%s", text.String())
	}
	os.WriteFile(filepath.Join(root, "etc/app.conf"), []byte(stored(root)["one"]), 0o600)
	do(t, root, rotating("one"))
	if got, want := contentOf(root, "etc/app.conf"), stored(root)["one"]; got != want {
		t.Errorf("/etc/app.conf is %q, want %q", got, want)
	}
	text.Reset()
	statusOf(t, root).WriteText(&text)
	if strings.Contains(text.String(), "left as it is") {
		t.Errorf("status still says\n%s", text.String())
	}
}

// A file that an optional step failed to write, and that a person made then, is theirs, whatever is run afterwards. One that is
// still missing is tried again.
func TestAFileThatSomebodyMadeAfterItsStepFailedStays(t *testing.T) {
	t.Parallel()
	needRoot(t)
	root := newTree(t, accounts, appYAML(`
secrets: {one: {}}
first_boot:
  - {file: /etc/theirs.conf, content: "{{ .secrets.one }}", owner: "later:later", optional: true}
  - {file: /etc/missing.conf, content: "{{ .secrets.one }}", owner: "later:later", optional: true}
`))
	if phase, err := boot(t, root, nil); phase != journal.Degraded {
		t.Fatalf("first boot is %s: %v", phase, err)
	}
	os.WriteFile(filepath.Join(root, "etc/theirs.conf"), []byte("mine\n"), 0o644)
	os.WriteFile(filepath.Join(root, "etc/passwd"), []byte(accounts["/etc/passwd"]+"later:x:77:77::/:/bin/sh\n"), 0o644)
	os.WriteFile(filepath.Join(root, "etc/group"), []byte(accounts["/etc/group"]+"later:x:77:\n"), 0o644)
	for range 2 {
		do(t, root, rotating("one"))
		if got := contentOf(root, "etc/theirs.conf"); got != "mine\n" {
			t.Fatalf("/etc/theirs.conf is %q", got)
		}
		if got, want := contentOf(root, "etc/missing.conf"), stored(root)["one"]; got != want {
			t.Errorf("/etc/missing.conf is %q, want %q", got, want)
		}
	}
	want := "left as it is: somebody made it since this step failed; remove it to have it made"
	if step := statusOf(t, root).Steps[0]; step.State != journal.StepDegraded || step.Message != want {
		t.Errorf("status says %s: %s", step.State, step.Message)
	}
	os.Remove(filepath.Join(root, "etc/theirs.conf"))
	do(t, root, rotating("one"))
	if got, want := contentOf(root, "etc/theirs.conf"), stored(root)["one"]; got != want {
		t.Errorf("/etc/theirs.conf is %q, want %q", got, want)
	}
}
