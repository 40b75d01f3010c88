package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"oneclick-agent/agent/facts"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/journal"
	"oneclick-agent/agent/manifest"
	"oneclick-agent/agent/plan"
	"oneclick-agent/agent/state"
	"oneclick-agent/agent/step"
)

// work is a step of a test: it is met once it was applied without an error, unless it never takes effect.
type work struct {
	apply   func(context.Context) error
	applied atomic.Int32
	met     atomic.Bool
	idle    bool
}

func (w *work) Check(context.Context, *host.Host) (step.State, error) {
	if w.met.Load() {
		return step.Met, nil
	}
	return step.Unmet, nil
}

func (w *work) Apply(ctx context.Context, _ *host.Host) error {
	w.applied.Add(1)
	if w.apply != nil {
		if err := w.apply(ctx); err != nil {
			return err
		}
	}
	w.met.Store(!w.idle)
	return nil
}

// item is a step of a plan that acts on the machine.
func item(id string, w *work) plan.Item {
	return plan.Item{
		ID: id, Digest: id, Within: time.Minute, Tries: 1, Effects: manifest.Effects{Acts: true},
		Build: func(*facts.Filling) (step.Step, error) { return w, nil },
	}
}

// engineOn makes an engine for these items on a tree of its own.
func engineOn(t *testing.T, items ...plan.Item) *Engine {
	t.Helper()
	dir := t.TempDir()
	for _, directory := range []string{"var/lib/oneclick", "root", "run/cloud-init"} {
		if err := os.MkdirAll(filepath.Join(dir, directory), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	instance := filepath.Join(dir, "run/cloud-init/instance-data.json")
	if err := os.WriteFile(instance, []byte(`{"v1": {"instance_id": "7"}}`), 0o644); err != nil {
		t.Fatal(err)
	}
	h, err := host.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	m, problems := manifest.Parse([]byte("version: 1\napp: {name: x}\n"), state.Manifest, step.Kinds())
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	f, err := facts.Gather(t.Context(), h, m, state.Manifest, "none")
	if err != nil {
		t.Fatal(err)
	}
	record, err := journal.Open(h, state.Journal)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { record.Close() })
	return &Engine{Facts: f, Journal: record, Items: items}
}

// ends tells how each step ended, in the order of the plan.
func ends(e *Engine) string {
	var text []string
	kept := e.Journal.State()
	for _, item := range e.Items {
		record, _ := kept.Step(item.ID)
		text = append(text, strings.TrimSpace(fmt.Sprintf("%s %v %s", item.ID, record.State, record.Message)))
	}
	return strings.Join(text, "\n")
}

func TestARunGoesOnWhereAnEarlierOneEnded(t *testing.T) {
	t.Parallel()
	first, second := &work{}, &work{apply: func(context.Context) error { return errors.New("the disk is full") }}
	e := engineOn(t, item("first", first), item("second", second))
	if err := e.Run(t.Context()); err == nil || err.Error() != "second: the disk is full" {
		t.Fatalf("the run ended with %v", err)
	}
	second.apply = nil
	first.met.Store(false) // a later command may have changed what a step did: it is not looked at again
	if err := e.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if first.applied.Load() != 1 || second.applied.Load() != 2 || ends(e) != "first done\nsecond done" {
		t.Errorf("applied %d and %d times, and\n%s", first.applied.Load(), second.applied.Load(), ends(e))
	}
}

func TestAStepThatTheManifestSaysOtherwiseIsCarriedOutAgain(t *testing.T) {
	t.Parallel()
	w := &work{}
	e := engineOn(t, item("one", w))
	for _, digest := range []string{"old", "old", "new"} {
		e.Items[0].Digest = digest
		w.met.Store(false)
		if err := e.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if w.applied.Load() != 2 {
		t.Errorf("it was applied %d times", w.applied.Load())
	}
}

func TestAnOptionalStepGivesWay(t *testing.T) {
	t.Parallel()
	optional := item("certificate", &work{apply: func(context.Context) error { return errors.New("no such name") }})
	optional.Optional = true
	e := engineOn(t, optional, item("next", &work{}))
	if err := e.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := ends(e); got != "certificate degraded no such name\nnext done" {
		t.Errorf("they ended as\n%s", got)
	}
}

func TestAStepIsTriedAsOftenAsItsItemSaysUnlessTryingIsOfNoUse(t *testing.T) {
	t.Parallel()
	fails := errors.New("it does not answer")
	for name, test := range map[string]struct {
		err   error
		tries int
		want  int32
	}{
		"once":    {fails, 1, 1},
		"twice":   {fails, 2, 2},
		"lasting": {&step.Lasting{Err: fails}, 3, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := &work{apply: func(context.Context) error { return test.err }}
			tried := item("one", w)
			tried.Tries = test.tries
			if err := engineOn(t, tried).Run(t.Context()); err == nil || err.Error() != "one: it does not answer" {
				t.Errorf("it ended with %v", err)
			}
			if w.applied.Load() != test.want {
				t.Errorf("it was tried %d times", w.applied.Load())
			}
		})
	}
}

func TestWhatTheOutsideHasNotDoneYetLeavesTheRunPending(t *testing.T) {
	t.Parallel()
	waits := &work{apply: func(context.Context) error { return &step.Wait{Reason: "the name is unknown", Advice: "add it"} }}
	behind := &work{}
	e := engineOn(t, item("wait", waits), item("behind", behind))
	var pending *Pending
	if err := e.Run(t.Context()); !errors.As(err, &pending) || err.Error() != "wait: the name is unknown; add it" {
		t.Errorf("the run ended with %v", err)
	}
	if behind.applied.Load() != 0 {
		t.Error("the step behind was carried out")
	}
}

func TestAnInterruptedStepDidNotFailAndIsBegunAgain(t *testing.T) {
	t.Parallel()
	ctx, interrupt := context.WithCancel(t.Context())
	w := &work{apply: func(ctx context.Context) error { interrupt(); <-ctx.Done(); return ctx.Err() }}
	e := engineOn(t, item("one", w))
	if err := e.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("the run ended with %v", err)
	}
	if got := ends(e); got != "one running" {
		t.Errorf("the journal says %s", got)
	}
	w.apply = nil
	if err := e.Run(t.Context()); err != nil || ends(e) != "one done" {
		t.Errorf("the next run ended with %v, and\n%s", err, ends(e))
	}
}

func TestAStepThatIsDoneAndNotInEffectFails(t *testing.T) {
	t.Parallel()
	e := engineOn(t, item("one", &work{idle: true}))
	want := "one: it was done, but is not in effect; something else changed it back"
	if err := e.Run(t.Context()); err == nil || err.Error() != want {
		t.Errorf("the run ended with %v", err)
	}
}

// writing is a step of a test that only writes this file.
func writing(file string, w *work) plan.Item {
	i := item(file, w)
	i.Effects = manifest.Effects{Writes: []manifest.Template{{Text: file}}}
	return i
}

// meeting is the work of steps that end only once all of them have begun.
func meeting(count int) func(context.Context) error {
	var begun atomic.Int32
	all := make(chan struct{})
	return func(ctx context.Context) error {
		if begun.Add(1) == int32(count) {
			close(all)
		}
		select {
		case <-all:
			return nil
		case <-ctx.Done():
			return errors.New("the others did not begin")
		}
	}
}

func TestStepsThatTouchDifferentFilesRunSideBySide(t *testing.T) {
	t.Parallel()
	meet := meeting(3)
	e := engineOn(t, writing("/etc/a", &work{apply: meet}), writing("/etc/b", &work{apply: meet}), writing("/etc/c/d", &work{apply: meet}))
	if err := e.Run(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestStepsThatShareAFileAndStepsThatActRunOneBehindTheOther(t *testing.T) {
	t.Parallel()
	var at atomic.Int32
	order := func(place int32) *work {
		return &work{apply: func(context.Context) error {
			if got := at.Add(1); got != place {
				return fmt.Errorf("it was number %d", got)
			}
			time.Sleep(2 * time.Millisecond) // so that one beside it would be seen
			if got := at.Load(); got != place {
				return fmt.Errorf("number %d began meanwhile", got)
			}
			return nil
		}}
	}
	e := engineOn(t,
		writing("/etc/a", order(1)), writing("/etc/a/b", order(2)), item("command", order(3)),
		writing("/etc/a/b/c", order(4)), item("another command", order(5)), writing("/etc/a", order(6)))
	e.Items[5].ID, e.Items[5].Digest = "/etc/a again", "again"
	if err := e.Run(t.Context()); err != nil {
		t.Errorf("%v\n%s", err, ends(e))
	}
}

func TestATerminalCarriesOutOnlyTheStepsThatNeedIt(t *testing.T) {
	t.Parallel()
	asks, goesOn := item("asks", &work{}), &work{}
	asks.Terminal = true
	e := engineOn(t, asks, item("goes on", goesOn))
	e.TerminalOnly = true
	if err := e.Run(t.Context()); !errors.Is(err, ErrOthersTurn) || goesOn.applied.Load() != 0 {
		t.Errorf("the run ended with %v", err)
	}
	e.TerminalOnly = false
	if err := e.Run(t.Context()); err != nil || ends(e) != "asks done\ngoes on done" {
		t.Errorf("the unit's run ended with %v, and\n%s", err, ends(e))
	}
}
