package firstboot

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"oneclick-agent/agent/facts"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/journal"
	"oneclick-agent/agent/secret"
	"oneclick-agent/agent/state"
	"oneclick-agent/agent/status"
)

var damages = flag.Int("damages", 1000, "how many damages of state files are tried")

// stateFiles are what may be damaged; the pair is the store with its copy.
var stateFiles = [][]string{
	{state.Secrets}, {state.Secrets + ".copy"}, {state.Secrets, state.Secrets + ".copy"}, {state.Journal}, {state.LoginJournal},
	{state.Answers}, {state.Droplet}, {state.Database}, {state.Due}, {state.Apply}, {state.Changing},
}

const damagedSetup = `
secrets: {one: {}, two: {format: base64}, key: {format: ed25519}, sum: {derive: sha256, from: one}, hash: {derive: sha512-crypt, from: one},
  late: {derive: jwt-hs256, from: two, claims: {for: "{{ .answers.name }}"}}}
database: {engine: postgresql, local: {name: app, password: two}}
first_boot:
  - {file: /etc/app.conf, content: "{{ .secrets.one }} {{ .secrets.sum }} {{ .secrets.key.private }} {{ .secrets.hash }}"}
first_login:
  questions: [{name: name, ask: Name}, {name: password, ask: Password, type: password}]
  steps: [{file: /etc/login.conf, content: "{{ .answers.name }} {{ .answers.password }} {{ .secrets.late }}"}]
`

// TestNoDamageOfTheStateMakesASecretTwice damages every state file in every stage of a setup, a thousand times, and lets
// everything that changes a Droplet run on what is left. No secret gets a second value, nothing panics, and what does not work
// any more says what to do.
func TestNoDamageOfTheStateMakesASecretTwice(t *testing.T) {
	t.Parallel()
	needRoot(t)
	seed := beginning(t, fmt.Sprintf("-damages %d", *damages))
	bases := []string{setUp(t, false), setUp(t, true)}
	var group sync.WaitGroup
	workers := make(chan struct{}, 4)
	for n := range *damages {
		workers <- struct{}{}
		group.Go(func() {
			defer func() { <-workers }()
			tryDamage(t, bases[n%2], rand.New(rand.NewPCG(seed, uint64(n))), fmt.Sprintf("-seed %d, case %d", seed, n))
		})
	}
	group.Wait()
}

// setUp makes a tree that is set up, or one whose setup was cut off behind the making of secrets.
func setUp(t *testing.T, cut bool) string {
	t.Helper()
	root := newTree(t, accounts, appYAML(damagedSetup))
	var before func(host.Operation) error
	if cut {
		before = func(o host.Operation) error {
			if strings.HasSuffix(o.Object, "app.conf") {
				return host.ErrPower
			}
			return nil
		}
	}
	phase, err := boot(t, root, before)
	if phase.Complete() == cut {
		t.Fatalf("first boot is %s: %v", phase, err)
	}
	if phase, err := on(t, root, nil, answerAll); !cut && !phase.Complete() {
		t.Fatalf("first login is %s: %v", phase, err)
	}
	for _, mark := range []string{state.Due, state.Apply, state.Changing} {
		if err := os.WriteFile(filepath.Join(root, mark), []byte("2756294\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func answerAll(f *facts.Facts) (journal.Phase, error) {
	for _, q := range f.Manifest.FirstLogin.Questions {
		if err := f.SetAnswer(q, "hunter2-hunter2"); err != nil {
			return journal.Failed, err
		}
	}
	if err := Decide(f, facts.Ready); err != nil {
		return journal.Failed, err
	}
	return ApplyAnswers(context.Background(), f)
}

// inMemory is a directory on a file system in memory: thousands of trees need not reach a disk.
const inMemory = "/dev/shm"

func tryDamage(t *testing.T, base string, random *rand.Rand, label string) {
	root, err := os.MkdirTemp(inMemory, "oneclick-tree")
	if err == nil {
		err = os.CopyFS(root, os.DirFS(base))
	}
	if err != nil {
		t.Error(err)
		return
	}
	defer os.RemoveAll(root)
	was := stored(root)
	chosen := stateFiles[random.IntN(len(stateFiles))]
	damagedAs := ""
	for _, file := range chosen {
		damagedAs += file + " " + damage(filepath.Join(root, file), random) + "; "
	}
	fail := func(format string, arguments ...any) {
		t.Errorf("%s: %s: %s", label, damagedAs, fmt.Sprintf(format, arguments...))
	}
	rotated := random.IntN(3) == 0
	for _, use := range []func(*facts.Facts) (journal.Phase, error){
		func(f *facts.Facts) (journal.Phase, error) { return Run(t.Context(), f, random.IntN(2) == 0) },
		func(f *facts.Facts) (journal.Phase, error) {
			if _, err := status.Read(f.Host, f); err != nil {
				return journal.Failed, err
			}
			return ApplyAnswers(t.Context(), f)
		},
		func(f *facts.Facts) (journal.Phase, error) {
			if !rotated || CheckRotation(f, []string{"two"}, false) != nil {
				return journal.Done, nil
			}
			return Rotate(t.Context(), f, []string{"two"})
		},
	} {
		phase, err := on(t, root, nil, use)
		if err != nil && !saysWhatToDo(err.Error()) {
			fail("it ends as %s and does not say what to do: %v", phase, err)
		}
	}
	for name, value := range stored(root) {
		if old, ok := was[name]; ok && old != value && !(rotated && (name == "two" || name == "late")) {
			fail("%s has another value", name)
		}
	}
	if conf := contentOf(root, "etc/app.conf"); len(was) > 0 && conf != "" && !strings.HasPrefix(conf, was["one"]+" ") {
		fail("a file has another value")
	}
}

// saysWhatToDo reports whether an error names something to do next.
func saysWhatToDo(text string) bool {
	remedies := []string{"oneclick-agent ", "remove it", "restore the file", "install that version again"}
	return slices.ContainsFunc(remedies, func(words string) bool { return strings.Contains(text, words) })
}

// stored are the plain values in a tree's store; none where it cannot be read.
func stored(root string) map[string]string {
	values := map[string]string{}
	h, err := host.Open(root)
	if err != nil {
		return values
	}
	defer h.Close()
	store, err := secret.Open(h.Files)
	if err != nil {
		return values
	}
	for _, name := range store.Names() {
		fields, _ := store.Get(name)
		values[name] = fields[""].Reveal() + fields["private"].Reveal()
	}
	return values
}

func contentOf(root, name string) string {
	data, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		return ""
	}
	return string(data)
}

// damage does one random thing to a file, and says which.
func damage(file string, random *rand.Rand) string {
	data, err := os.ReadFile(file)
	if err != nil {
		data = nil
	}
	at := random.IntN(len(data) + 1)
	what := ""
	switch random.IntN(9) {
	case 0:
		os.Remove(file)
		return "is gone"
	case 1:
		data, what = nil, "is empty"
	case 2:
		data, what = data[:at], fmt.Sprintf("ends at %d", at)
	case 3:
		what = fmt.Sprintf("has another bit at %d", at)
		if at < len(data) {
			data[at] ^= 1 << random.IntN(8)
		}
	case 4:
		what = fmt.Sprintf("has another letter at %d", at)
		if at < len(data) {
			data[at] = "abcXYZ019\"{}:, \n"[random.IntN(16)]
		}
	case 5:
		data, what = bytes.Repeat([]byte{0}, len(data)), "is zeros"
	case 6:
		document := []string{"null", "{}", "[]", `{"a":{}}`, `{"a":{"":""}}`, `{"version":9}`,
			`{"sha256":"","content":{}}`, "\x00", `"x"`, "[1,2"}
		what = document[random.IntN(len(document))]
		data = []byte(what)
	case 7: // a part is gone
		to := at + random.IntN(len(data)-at+1)
		data, what = slices.Delete(data, at, to), fmt.Sprintf("lost %d to %d", at, to)
	default:
		data, what = append(data, data[:at]...), fmt.Sprintf("has its first %d bytes twice", at)
	}
	os.WriteFile(file, data, 0o600)
	return what
}
