// Package examples holds the images to start from, and the tests that each of them does what its golden text says.
package examples

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"oneclick-agent/agent/facts"
	"oneclick-agent/agent/firstboot"
	"oneclick-agent/agent/firstlogin"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/journal"
	"oneclick-agent/agent/lint"
	"oneclick-agent/agent/manifest"
	"oneclick-agent/agent/plan"
	"oneclick-agent/agent/secret"
	"oneclick-agent/agent/state"
)

// all are the folders of the examples.
func all(t testing.TB) (folders []string) {
	t.Helper()
	manifests, err := filepath.Glob("*/app.yaml")
	if err != nil || len(manifests) == 0 {
		t.Fatalf("there are no examples: %v", err)
	}
	for _, file := range manifests {
		folders = append(folders, filepath.Dir(file))
	}
	return folders
}

// each does something with each example, side by side.
func each(t *testing.T, do func(t *testing.T, i *image)) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: files are given to other users, and commands run in the tree")
	}
	for _, example := range all(t) {
		t.Run(example, func(t *testing.T) {
			t.Parallel()
			do(t, newImage(t, example, read(t, example)))
		})
	}
}

// read lints the example where it stands.
func read(t testing.TB, example string) *manifest.Manifest {
	t.Helper()
	h, err := host.Open(example)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	m, err := lint.Read(h, "/app.yaml")
	if err != nil {
		t.Fatalf("lint says of %s:\n%s", example, err)
	}
	return m
}

// on prepares a run of the agent on a tree, whose host calls before ahead of each change, and uses it.
func (i *image) on(t testing.TB, root string, before func(host.Operation) error, use func(*facts.Facts) error) error {
	t.Helper()
	h, err := host.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	h.Files.Before = before
	h.Units = &systemd{Units: h.Units, host: h, active: map[string]bool{}}
	if h.Terminal, err = os.OpenFile(os.DevNull, os.O_RDWR, 0); err != nil {
		t.Fatal(err)
	}
	defer h.Terminal.Close()
	m, err := lint.Read(h, state.Manifest)
	if err != nil {
		t.Fatalf("lint says of %s on its image:\n%s", i.example, err)
	}
	setup, err := facts.Gather(t.Context(), h, m, state.Manifest, "none")
	if err != nil {
		return err
	}
	return use(setup)
}

func done(phase journal.Phase, err error) error {
	if err == nil && phase != journal.Done {
		err = fmt.Errorf("it ended as %s", phase)
	}
	return err
}

func boot(ctx context.Context) func(*facts.Facts) error {
	return func(f *facts.Facts) error { return done(firstboot.Run(ctx, f, false)) }
}

// login answers the questions as the example's file of answers does, and applies the answers.
func login(ctx context.Context) func(*facts.Facts) error {
	return func(f *facts.Facts) error {
		if err := firstlogin.TakeAnswers(ctx, f, given); err != nil {
			return err
		}
		return done(firstboot.ApplyAnswers(ctx, f))
	}
}

// setUp does the first boot and the first login, and returns what puts names in the place of everything that was generated.
func (i *image) setUp(t testing.TB, root string, before func(host.Operation) error) (named func(string) string, err error) {
	t.Helper()
	parts := []func(*facts.Facts) error{boot(t.Context())}
	if i.manifest.FirstLogin != nil {
		parts = append(parts, login(t.Context()))
	}
	for _, part := range parts {
		err = i.on(t, root, before, func(f *facts.Facts) error {
			err := part(f)
			named = withNames(f.Store, f.Redact)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return named, nil
}

// naming puts names in the place of everything that was generated on a tree.
func (i *image) naming(t testing.TB, root string) (named func(string) string) {
	t.Helper()
	err := i.on(t, root, nil, func(f *facts.Facts) error {
		named = withNames(f.Store, f.Redact)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return named
}

func withNames(store *secret.Store, redact *secret.Redactor) func(string) string {
	var pairs []string
	for _, name := range store.Names() {
		fields, _ := store.Get(name)
		for _, field := range slices.Sorted(maps.Keys(fields)) {
			pairs = append(pairs, fields[field].Reveal(), "["+strings.TrimSuffix("secret "+name+" "+field, " ")+"]")
		}
	}
	exact := strings.NewReplacer(pairs...)
	return func(text string) string { return redact.Redact(exact.Replace(text)) }
}

func TestEachExampleDoesWhatItsGoldenTextSays(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, i *image) {
		root := i.newTree(t)
		got := i.golden(t, root)
		file := filepath.Join(i.example, "test/golden.txt")
		if os.Getenv("UPDATE") != "" {
			write(t, file, []byte(got), 0o644)
			return
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("it does:\n%s\nIf that is right, write it with: UPDATE=1 go test ./packaging/examples\n%s", got,
				firstDifference(got, string(want)))
		}
	})
}

func firstDifference(got, want string) string {
	these, those := strings.Split(got, "\n"), strings.Split(want, "\n")
	for n := range min(len(these), len(those)) {
		if these[n] != those[n] {
			return fmt.Sprintf("The first difference is in line %d:\n got %q\nwant %q", n+1, these[n], those[n])
		}
	}
	return fmt.Sprintf("It has %d lines, and the golden text %d.", len(these), len(those))
}

// golden does the first boot and the first login, and writes what was planned, what was done, and what there is then.
func (i *image) golden(t testing.TB, root string) string {
	t.Helper()
	var b strings.Builder
	section := func(title, text string) {
		if text != "" {
			fmt.Fprintf(&b, "# %s\n\n%s\n", title, text)
		}
	}
	var planned strings.Builder
	if err := i.on(t, root, nil, func(f *facts.Facts) error { return plan.Show(f.Filling(t.Context()), false).Write(&planned) }); err != nil {
		t.Fatal(err)
	}
	section("The plan", planned.String())
	if err := i.on(t, root, nil, boot(t.Context())); err != nil {
		t.Fatalf("first boot: %v\n%s", err, calls(t, root))
	}
	booted := calls(t, root)
	named := i.naming(t, root)
	section("What first boot runs and starts", named(booted))
	message := i.message(t, root)
	if i.manifest.FirstLogin != nil {
		section("The message of the day before the first login", message)
		if err := i.on(t, root, nil, login(t.Context())); err != nil {
			t.Fatalf("first login: %v\n%s", err, calls(t, root))
		}
		named = i.naming(t, root)
		section("What first login runs and starts", named(strings.TrimPrefix(calls(t, root), booted)))
		message = i.message(t, root)
	}
	section("The message of the day", message)
	section("The files", difference(i.look(t, i.base, named), i.look(t, root, named)))
	return b.String()
}

func calls(t testing.TB, root string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, logPath))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// message is the message of the day, which must hold the vendor's text to its end.
func (i *image) message(t testing.TB, root string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, state.Message))
	if err != nil {
		t.Fatal(err)
	}
	shown := string(data)
	err = i.on(t, root, nil, func(f *facts.Facts) error {
		text, err := f.Filling(t.Context()).Text(f.Manifest.MOTD)
		if whole := strings.Join(strings.Fields(text), " "); !strings.HasSuffix(strings.Join(strings.Fields(shown), " "), whole) {
			t.Errorf("the message of the day is cut:\n%s\nIt should end with:\n%s", shown, text)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return shown
}

// difference lists what was made, changed or removed.
func difference(before, after map[string]string) string {
	var b strings.Builder
	everything := maps.Clone(before)
	maps.Copy(everything, after)
	for _, name := range slices.Sorted(maps.Keys(everything)) {
		text, still := after[name]
		switch {
		case !still:
			fmt.Fprintf(&b, "%s removed\n", name)
		case text == before[name] || name == state.Message || isParent(name, text, before, after):
		default:
			attributes, content, _ := strings.Cut(text, "\n")
			fmt.Fprintf(&b, "%s %s\n", name, attributes)
			for line := range strings.Lines(content) {
				b.WriteString(strings.TrimRight("  | "+line, " \n") + "\n")
			}
		}
	}
	return b.String()
}

// isParent reports whether a directory is a new one of root's that only is there for what is below it.
func isParent(name, text string, before, after map[string]string) bool {
	if _, was := before[name]; was || !strings.HasSuffix(name, "/") || text != "0755 root:root" {
		return false
	}
	for other := range after {
		if other != name && strings.HasPrefix(other, name) {
			return true
		}
	}
	return false
}

// unseen are the parts of writing a file before it has its name and after: a cut there leaves at most a temporary file.
var unseen = []string{"create", "write", "fsync", "fsync directory"}

// counting calls cut ahead of each change, with the number of those so far that count: changes to the Droplet itself, and
// what is kept of each until it is recorded. Cuts within the agent's other files, and within the writing of a file, are those of
// agent/firstboot's tests; EVERY=1 has them here.
func counting(cut func(n int64, o host.Operation) error) func(host.Operation) error {
	var count atomic.Int64
	var unrecorded atomic.Bool
	every := os.Getenv("EVERY") != ""
	return func(o host.Operation) error {
		counts := every
		switch {
		case o.Name == "append":
			counts = unrecorded.Swap(false) || every
		case slices.Contains(unseen, o.Name):
		case isOurs("/" + strings.TrimPrefix(o.Object, "/")):
			counts = unrecorded.Load() || every // what a command printed is kept before the step is recorded
		default:
			counts = true
			unrecorded.Store(true)
		}
		if counts {
			return cut(count.Add(1), o)
		}
		return cut(count.Load(), o)
	}
}

// A Droplet that loses power ahead of change n, for every n: the next boot and the next login make of it what an
// undisturbed Droplet is.
func TestEachExampleSurvivesAPowerCutAheadOfEveryChange(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, i *image) {
		undisturbed := i.newTree(t)
		var changes atomic.Int64
		named, err := i.setUp(t, undisturbed, counting(func(n int64, _ host.Operation) error { changes.Store(n); return nil }))
		if err != nil {
			t.Fatal(err)
		}
		want := i.look(t, undisturbed, named)
		for n := int64(1); n <= changes.Load(); n++ {
			i.cut(t, n, want)
		}
		t.Logf("%d power cuts", changes.Load())
	})
}

// cut has the power go ahead of change n, sets the Droplet up again, and compares.
func (i *image) cut(t testing.TB, n int64, want map[string]string) {
	t.Helper()
	root := i.newTree(t)
	defer os.RemoveAll(root)
	var at atomic.Value
	_, err := i.setUp(t, root, counting(func(now int64, o host.Operation) error {
		if now < n {
			return nil
		}
		at.CompareAndSwap(nil, o)
		return host.ErrPower
	}))
	if err != nil && at.Load() == nil {
		t.Fatalf("before the power cut at %d: %v", n, err)
	}
	named, err := i.setUp(t, root, nil)
	if err != nil {
		t.Fatalf("after a power cut ahead of %v: %v", at.Load(), err)
	}
	if got := i.look(t, root, named); !maps.Equal(got, want) {
		t.Fatalf("after a power cut ahead of %v there is, beside an undisturbed one:\n%s", at.Load(), difference(want, got))
	}
}
