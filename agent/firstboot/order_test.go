package firstboot

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"sync/atomic"
	"testing"

	"oneclick-agent/agent/host"
	"oneclick-agent/agent/journal"
	"oneclick-agent/agent/state"
)

var (
	firstSeed = flag.Uint64("seed", 1, "the seed that the random tests begin with; 0 takes a random one")
	seeds     = flag.Int("seeds", 200, "how many manifests the oracles try")
)

// sequential is an interpreter of the steps that the oracle of order generates: it carries them out one after the other,
// with nothing but package os, on a tree of its own.
type sequential struct {
	root     string
	commands []string
	states   []journal.StepState
}

// generated is one step of a random manifest: as the manifest says it, and as the interpreter does it.
type generated struct {
	yaml     string
	do       func(*sequential) error
	optional bool
	applies  bool
}

func (s *sequential) path(name string) string { return filepath.Join(s.root, name) }

// follow is where a name leads. Only the last part of a name is ever a link here, and its text is a name of the tree.
func (s *sequential) follow(name string) (string, error) {
	for range 40 {
		to, err := os.Readlink(s.path(name))
		if err != nil {
			return s.path(name), nil
		}
		name = to
	}
	return "", errors.New("the links go round in a circle")
}

// put writes a file: missing directories are made, and a link at its place is followed.
func (s *sequential) put(name, content string) error {
	target, err := s.follow(name)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	return os.WriteFile(target, []byte(content), 0o644)
}

func (s *sequential) get(name string) (string, error) {
	target, err := s.follow(name)
	if err != nil {
		return "", err
	}
	data, err := os.ReadFile(target)
	return string(data), err
}

// run carries out all steps, and returns the phase that the setup ends in.
func (s *sequential) run(steps []generated) journal.Phase {
	phase := journal.Done
	for _, step := range steps {
		if !step.applies {
			s.states = append(s.states, journal.StepSkipped)
			continue
		}
		switch err := step.do(s); {
		case err == nil:
			s.states = append(s.states, journal.StepDone)
		case step.optional:
			s.states = append(s.states, journal.StepDegraded)
			phase = journal.Degraded
		default:
			s.states = append(s.states, journal.StepFailed)
			return journal.Failed
		}
	}
	return phase
}

// names are few, so that the steps get into each other's way.
var names = []string{"/a", "/b", "/d/a", "/d/b", "/d/e/a", "/d/e/f/b", "/g/h/a", "/g/h/b", "/g/c", "/g/i/j/a", "/g/i/j/b", "/g/i/j/c"}

// randomStep is one step of any file kind, or a command, with its target and with a file that is there or that an earlier
// step may have made.
func randomStep(r *rand.Rand, number int, target, other string) generated {
	text := fmt.Sprintf("TEXT=%d\n", number)
	var g generated
	switch r.IntN(8) {
	case 0, 1:
		g = generated{fmt.Sprintf("file: %s, content: %q", target, text), func(s *sequential) error { return s.put(target, text) }, false, true}
	case 2:
		g = generated{fmt.Sprintf("file: %s, copy: %s", target, other), func(s *sequential) error {
			content, err := s.get(other)
			if err != nil {
				return err
			}
			return s.put(target, content)
		}, false, true}
	case 3:
		key := fmt.Sprintf("K%d", r.IntN(3))
		g = generated{fmt.Sprintf("edit: %s, format: dotenv, set: {%s: v%d}", target, key, number), func(s *sequential) error {
			content, err := s.get(target)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			var out []string
			line, found := fmt.Sprintf("%s=v%d\n", key, number), false
			for old := range strings.Lines(content) {
				if strings.HasPrefix(old, key+"=") {
					old, found = line, true
				}
				out = append(out, old)
			}
			if !found {
				out = append(out, line)
			}
			return s.put(target, strings.Join(out, ""))
		}, false, true}
	case 4:
		g = generated{"directory: " + target, func(s *sequential) error {
			directory, err := s.follow(target)
			if err != nil {
				return err
			}
			return os.MkdirAll(directory, 0o755)
		}, false, true}
	case 5:
		g = generated{fmt.Sprintf("link: %s, to: %s", target, other), func(s *sequential) error {
			if info, err := os.Lstat(s.path(target)); err == nil && info.IsDir() {
				return errors.New("a directory is in its place")
			}
			os.Remove(s.path(target))
			if err := os.MkdirAll(filepath.Dir(s.path(target)), 0o755); err != nil {
				return err
			}
			return os.Symlink(other, s.path(target))
		}, false, true}
	case 6:
		g = generated{"remove: " + target, func(s *sequential) error { return os.RemoveAll(s.path(target)) }, false, true}
	default:
		g = generated{fmt.Sprintf("run: [/usr/bin/tool, append, %s, L%d=1]", target, number), func(s *sequential) error {
			s.commands = append(s.commands, fmt.Sprintf("append %s L%d=1", target, number))
			content, err := s.get(target)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			return s.put(target, content+fmt.Sprintf("L%d=1\n", number))
		}, false, true}
	}
	return g
}

// beginning is the seed that a random test begins with, and tells how the test is repeated. Without a flag it is always the
// same, so that what is true of a commit stays true of it.
func beginning(t *testing.T, arguments string) uint64 {
	t.Helper()
	seed := *firstSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("go test ./agent/firstboot -run %s -args -seed %d %s", t.Name(), seed, arguments)
	return seed
}

// TestAFirstBootIsWhatASequentialOneWouldBe is the oracle of order: whatever runs side by side, the tree, the outcome of
// every step and the order of the commands are those of the interpreter above.
func TestAFirstBootIsWhatASequentialOneWouldBe(t *testing.T) {
	t.Parallel()
	needRoot(t)
	seed := beginning(t, fmt.Sprintf("-seeds %d", *seeds))
	tool := filepath.Join(t.TempDir(), "tool")
	buildTool(t, tool)
	var compared atomic.Int64
	workers := make(chan struct{}, 4)
	for n := range *seeds {
		workers <- struct{}{}
		t.Run(fmt.Sprint(seed+uint64(n)), func(t *testing.T) {
			defer func() { <-workers }()
			compareOrders(t, tool, seed+uint64(n), &compared)
		})
	}
	if least := int64(*seeds / 5); compared.Load() < least {
		t.Errorf("only %d of %d manifests could be compared", compared.Load(), *seeds)
	}
}

func compareOrders(t *testing.T, tool string, seed uint64, compared *atomic.Int64) {
	r := rand.New(rand.NewPCG(seed, 0))
	var steps []generated
	var manifest strings.Builder
	manifest.WriteString("version: 1\napp: {name: Sample}\nfirst_boot:\n")
	made := []string{"/a", "/d/a", "/g/h/b"} // what is there, or may have been made
	taken := map[string]bool{}
	for n := range 3 + r.IntN(12) {
		target, other := names[r.IntN(len(names))], made[len(made)-1-r.IntN(min(len(made), 4))]
		g := randomStep(r, n, target, other)
		made = append(made, target)
		// Two steps for one path are refused unless their conditions differ, so a second one has a condition of its own.
		when := ""
		if r.IntN(8) == 0 || taken[target] {
			g.applies = r.IntN(3) > 0
			when = fmt.Sprintf(", when: '{{ eq %d %d }}'", n, map[bool]int{true: n, false: -1}[g.applies])
		}
		taken[target] = true
		g.optional = r.IntN(3) == 0
		fmt.Fprintf(&manifest, "  - {%s, optional: %v%s, tries: 1}\n", g.yaml, g.optional, when)
		steps = append(steps, g)
	}
	base := map[string]string{"/a": "K0=base\n", "/d/a": "BASE=1\n", "/g/h/b": "K1=base\n"}
	root := newTree(t, accounts, base, map[string]string{state.Manifest: manifest.String()})
	if !readable(t, root) {
		return // two steps for one path, which lint refuses
	}
	compared.Add(1)
	want := &sequential{root: newTree(t, accounts, base)}
	for _, tree := range []string{root, want.root} {
		os.MkdirAll(filepath.Join(tree, "usr/bin"), 0o755)
		if err := os.Link(tool, filepath.Join(tree, "usr/bin/tool")); err != nil {
			t.Fatal(err)
		}
	}
	phase := want.run(steps)
	got, err := boot(t, root, nil)
	record := recorded(t, root)
	var states []journal.StepState
	for _, step := range record.Steps {
		states = append(states, step.State)
	}
	fail := func(format string, arguments ...any) {
		t.Errorf("%s\n%s\nit ended as %s: %v", fmt.Sprintf(format, arguments...), manifest.String(), got, err)
	}
	if got != phase {
		fail("the phase is %s, and %s in order", got, phase)
		return
	}
	if commands := readLines(filepath.Join(root, "commands")); !slices.Equal(commands, want.commands) {
		fail("the commands are %q, and %q in order", commands, want.commands)
	}
	if phase == journal.Failed { // what ran beside the step that failed may be done as well
		return
	}
	sort.Slice(states, func(i, j int) bool { return states[i] < states[j] })
	sort.Slice(want.states, func(i, j int) bool { return want.states[i] < want.states[j] })
	if !slices.Equal(states, want.states) {
		fail("the steps are %v, and %v in order", states, want.states)
	}
	if have, other := listing(t, root), listing(t, want.root); have != other {
		fail("the tree is\n%s\nand in order\n%s", have, other)
	}
}

// readable reports whether the manifest of a tree has no problems.
func readable(t *testing.T, root string) bool {
	t.Helper()
	h, err := host.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	_, err = read(h)
	return err == nil
}

func recorded(t *testing.T, root string) journal.State {
	t.Helper()
	h, err := host.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	record, err := journal.Read(h.Files, state.Journal)
	if err != nil {
		t.Fatal(err)
	}
	return record
}

func readLines(file string) (lines []string) {
	data, _ := os.ReadFile(file)
	for line := range strings.Lines(string(data)) {
		lines = append(lines, strings.TrimSuffix(line, "\n"))
	}
	return lines
}

// listing is what the steps may have changed of a tree.
func listing(t *testing.T, root string) string {
	t.Helper()
	var lines []string
	for _, top := range []string{"a", "b", "d", "g"} {
		filepath.WalkDir(filepath.Join(root, top), func(file string, entry fs.DirEntry, err error) error {
			if err != nil {
				return nil
			}
			line := strings.TrimPrefix(file, root)
			if target, err := os.Readlink(file); err == nil {
				line += " -> " + target
			} else if data, err := os.ReadFile(file); err == nil {
				line += fmt.Sprintf(" %q", data)
			}
			lines = append(lines, line)
			return nil
		})
	}
	return strings.Join(lines, "\n")
}
