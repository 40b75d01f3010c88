package firstboot

import (
	"context"
	"flag"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"oneclick-agent/agent/facts"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/journal"
	"oneclick-agent/agent/state"
)

var soakEvents = flag.Int("events", 250, "how many events the soak has")

// soak is a Droplet in its years, and its disk in a backup.
type soak struct {
	t      *testing.T
	random *rand.Rand
	root   string
	tool   string
	*model
	backup *model
	clock  time.Time
	count  int
	last   *trouble
	events []string // what happened lately
}

// TestAYearOfADroplet lets things happen to a tree in random order: boots, power cuts and full disks at any write, copies,
// moves, rotations, other databases, answers, another manifest, edits by hand, wrong clocks, restored backups. After each of
// them the tree is what a model of the promises says.
func TestAYearOfADroplet(t *testing.T) {
	t.Parallel()
	needRoot(t)
	seed := *firstSeed
	if seed == 0 {
		seed = 20
	}
	t.Logf("go test ./agent/firstboot -run %s -args -seed %d -events %d", t.Name(), seed, *soakEvents)
	directory, err := os.MkdirTemp(inMemory, "oneclick-soak")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(directory) })
	s := &soak{t: t, random: rand.New(rand.NewPCG(seed, 0)), root: filepath.Join(directory, "tree"), tool: filepath.Join(directory, "tool"),
		clock: time.Date(2026, 11, 25, 10, 0, 0, 0, time.UTC)}
	buildTool(t, s.tool)
	s.begin()
	happens := []struct {
		often int
		what  func()
	}{
		{30, s.boot}, {6, s.copied}, {6, s.moved}, {10, s.rotate}, {12, s.credentials}, {8, s.answers}, {3, s.askAgain}, {3, s.upgrade},
		{8, s.editByHand}, {3, s.clockJumps}, {2, s.back}, {2, s.restore},
	}
	total := 0
	for _, h := range happens {
		total += h.often
	}
	for s.count = range *soakEvents {
		chosen := s.random.IntN(total)
		for _, h := range happens {
			if chosen -= h.often; chosen < 0 {
				h.what()
				break
			}
		}
		s.observe(s.root, s.fail)
		s.checkFiles(s.root, s.fail)
		s.checkCommands(s.root, s.fail)
		s.clock = s.clock.Add(time.Duration(s.random.IntN(4*3600)) * time.Second)
		if t.Failed() {
			t.Fatalf("these were the last events:\n%s", strings.Join(s.events, "\n"))
		}
	}
}

func (s *soak) fail(format string, arguments ...any) {
	s.t.Errorf("event %d: %s", s.count, fmt.Sprintf(format, arguments...))
}

func (s *soak) note(format string, arguments ...any) {
	s.events = append(s.events[max(0, len(s.events)-20):], fmt.Sprintf("%d: ", s.count)+fmt.Sprintf(format, arguments...))
}

// begin makes the Droplet.
func (s *soak) begin() {
	first := world{id: "1", address: "203.0.113.1", name: "one"}
	s.model = &model{now: truth{world: first, secrets: map[string]string{}}, revisions: []int{0},
		renewable: map[string]bool{}, given: map[string][]string{},
		hands: map[string]string{}, added: map[string]string{}}
	for _, files := range []map[string]string{accounts, soakedBase, {state.Manifest: soakedManifest(0)}} {
		for name, content := range files {
			s.put(name, content)
		}
	}
	if err := os.MkdirAll(filepath.Join(s.root, "usr/bin"), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Link(s.tool, filepath.Join(s.root, "usr/bin/tool")); err != nil {
		s.t.Fatal(err)
	}
	s.tell()
}

func (s *soak) put(name, content string) {
	target := filepath.Join(s.root, name)
	err := os.MkdirAll(filepath.Dir(target), 0o755)
	if err == nil {
		err = os.WriteFile(target, []byte(content), 0o600)
	}
	if err == nil {
		err = os.Chtimes(target, s.clock, s.clock)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// tell has the Droplet be told who it is, and cloud-init hand it over.
func (s *soak) tell() {
	s.now.world.tell(s.t, s.root)
	s.put(state.Due, s.now.world.id+"\n")
}

// trouble is what goes wrong in a run: the power goes, or the disk has no room for some writes. Which call it hits depends on
// what that is about, so that the same seed hits the same one although steps run side by side.
type trouble struct {
	mu     sync.Mutex
	kind   error
	salt   uint64
	one    uint32 // one in so many calls is hit
	seen   map[host.Operation]int
	struck string
}

func (s *soak) trouble() *trouble {
	t := &trouble{salt: s.random.Uint64(), one: []uint32{10, 30, 100, 300}[s.random.IntN(4)], seen: map[host.Operation]int{}}
	switch s.random.IntN(5) {
	case 0, 1:
		t.kind = host.ErrPower
	case 2:
		t.kind = unix.ENOSPC
	}
	return t
}

// needsRoom are the operations that a full disk refuses.
var needsRoom = []string{"create", "write", "mkdir", "symlink", "append", "open"}

func (t *trouble) before(o host.Operation) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.kind == nil || t.struck != "" && t.kind == host.ErrPower {
		return t.kind
	}
	t.seen[o]++
	sum := fnv.New32a()
	fmt.Fprint(sum, t.salt, o, t.seen[o])
	if sum.Sum32()%t.one != 0 || t.kind == unix.ENOSPC && !slices.Contains(needsRoom, o.Name) {
		return nil
	}
	if t.struck == "" {
		t.struck = fmt.Sprint(o)
	}
	return t.kind
}

// use does something with the facts of the Droplet, and reports whether nothing disturbed it.
func (s *soak) use(name string, do func(*facts.Facts) (journal.Phase, error)) (phase journal.Phase, quiet bool, err error) {
	trouble := s.trouble()
	s.last = trouble
	h, err := host.Open(s.root)
	if err != nil {
		s.t.Fatal(err)
	}
	defer h.Close()
	h.Now, h.Files.Before, h.Units = func() time.Time { return s.clock }, trouble.before, &units{}
	s.allowCommands()
	s.calm = false
	s.ran = append(s.ran, s.now.revision)
	phase, err = s.gathered(h, do)
	quiet = trouble.struck == ""
	if quiet {
		s.note("%s: %s %v", name, phase, err)
	} else {
		s.note("%s, %v at %s: %s %v", name, trouble.kind, trouble.struck, phase, err)
	}
	return phase, quiet, err
}

func (s *soak) gathered(h *host.Host, do func(*facts.Facts) (journal.Phase, error)) (journal.Phase, error) {
	m, err := read(h)
	if err != nil {
		s.t.Fatal(err)
	}
	f, err := facts.Gather(context.Background(), h, m, state.Manifest, "none")
	if err != nil {
		return journal.Failed, err
	}
	return do(f)
}

// boot starts the Droplet: what is in memory is gone, and the unit runs as it does at each boot.
func (s *soak) boot() {
	if err := os.RemoveAll(filepath.Join(s.root, state.Runtime)); err != nil {
		s.t.Fatal(err)
	}
	for range 3 { // a pending run is tried again by the timer
		phase, quiet, err := s.use("boot", bootUnit)
		s.observe(s.root, s.fail)
		if err != nil && strings.Contains(err.Error(), "oneclick-agent secrets restore token") {
			s.restoreToken()
			continue
		}
		if !quiet {
			return
		}
		if phase == journal.Pending && !s.waits() {
			s.clock = s.clock.Add(longestRetry + longestRetry/5)
			continue
		}
		s.settle(s.root, phase, err, s.fail)
		for o := range s.last.seen { // who writes to a directory takes away what was left there
			left, _ := filepath.Glob(filepath.Join(s.root, filepath.Dir(o.Object), ".*.oneclick-new"))
			if o.Name == "create" && len(left) > 0 {
				s.fail("%v is left", left)
			}
		}
		return
	}
}

// bootUnit is what first-boot --when-due does.
func bootUnit(f *facts.Facts) (journal.Phase, error) {
	ctx := context.Background()
	if phase, already := AlreadyComplete(ctx, f.Host); already {
		return phase, nil
	}
	phase, err := Run(ctx, f, true)
	if !phase.Complete() {
		return phase, err
	}
	if login, readErr := journal.Read(f.Host.Files, state.LoginJournal); readErr == nil && (f.Host.Files.Exists(state.Apply) ||
		login.Phase == journal.Fresh && f.Answers.Choice == facts.Ready) {
		if applied, err := ApplyAnswers(ctx, f); err != nil {
			return applied, err
		}
	}
	return phase, err
}

// restoreToken is a person who looks a token up that a power cut lost.
func (s *soak) restoreToken() {
	s.note("a person restores the token")
	h, err := host.Open(s.root)
	if err != nil {
		s.t.Fatal(err)
	}
	defer h.Close()
	if _, err := s.gathered(h, func(f *facts.Facts) (journal.Phase, error) {
		return journal.Done, f.Store.RestoreOne(f.Manifest, "token", "t0-secret-token")
	}); err != nil {
		s.fail("the token cannot be restored: %v", err)
	}
}
