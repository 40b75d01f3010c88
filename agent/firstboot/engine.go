package firstboot

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"oneclick-agent/agent/host"
	"oneclick-agent/agent/journal"
	"oneclick-agent/agent/step"
)

const (
	firstPause   = time.Second
	longestPause = 30 * time.Second
	// sideBySide is how many file steps run at once. More than processors, because they wait for the disk.
	sideBySide = 8
)

// engine carries out a plan.
type engine struct {
	*Setup
	journal *journal.Journal
	items   []Item
	mu      sync.Mutex // guards Store and Redact, and the numbering of progress lines
	data    map[string]any
	current string // the step that runs alone at the moment
	retries bool   // whether a pending run is tried again by the timer
	// terminalOnly ends the run before the first step that needs no terminal.
	terminalOnly bool
}

// held records that the current step's unit waits for another one, for the hook to see.
func (e *engine) held(string) {
	e.journal.Append(journal.Event{Event: journal.Note, Step: e.current, Message: heldMessage}, false)
}

// errOthersTurn ends a run at a step that is the unit's to carry out.
var errOthersTurn = errors.New("the next step goes on without a terminal")

// errPending ends a run that waits for the outside.
type errPending struct {
	step string
	wait *step.Wait
}

func (e *errPending) Error() string { return e.step + ": " + e.wait.Error() }

// run carries the items out in order; those that cannot affect each other side by side. It returns nil, an
// errPending or the failure that ended it.
func (e *engine) run(ctx context.Context) error {
	if !e.terminalOnly { // a person takes the time that they need
		bound, cancel := context.WithTimeout(ctx, RunWithin)
		defer cancel()
		ctx = bound
	}
	state := e.journal.State()
	for i := 0; i < len(e.items); {
		if item := e.items[i]; e.terminalOnly && !item.Terminal {
			if state.IsOver(item.ID, item.Digest) {
				i++
				continue
			}
			return errOthersTurn
		}
		batch := e.batch(i)
		if err := e.runBatch(ctx, &state, i, batch); err != nil {
			return err
		}
		i += batch
	}
	return nil
}

// batch is how many items from i on can run side by side: file steps none of whose paths lies within another's.
func (e *engine) batch(i int) int {
	if e.items[i].Paths == nil || e.items[i].When != "" {
		return 1
	}
	var taken []string
	for n, item := range e.items[i:] {
		if item.Paths == nil || item.When != "" {
			return n
		}
		for _, path := range item.Paths {
			if slices.ContainsFunc(taken, func(other string) bool { return overlaps(path, other) }) {
				return n
			}
			taken = append(taken, path)
		}
	}
	return len(e.items) - i
}

func (e *engine) runBatch(ctx context.Context, state *journal.State, first, count int) error {
	if count == 1 {
		e.current = e.items[first].ID
		return e.runItem(ctx, state, first)
	}
	workers := make(chan struct{}, max(sideBySide, runtime.NumCPU()))
	failures := make([]error, count)
	var group sync.WaitGroup
	for n := range count {
		workers <- struct{}{}
		group.Go(func() {
			defer func() { <-workers }()
			failures[n] = e.runItem(ctx, state, first+n)
		})
	}
	group.Wait()
	return errors.Join(failures...)
}

// runItem brings one item to its end and records it.
func (e *engine) runItem(ctx context.Context, state *journal.State, number int) error {
	item := e.items[number]
	if !item.Always && state.IsDone(item.ID, item.Digest) {
		return nil
	}
	began := time.Now()
	outcome, err := e.attempt(ctx, item)
	event := journal.Event{Step: item.ID, Digest: item.Digest, Seconds: time.Since(began).Seconds()}
	var wait *step.Wait
	var skip *step.Skip
	switch {
	case err == nil:
		event.Event, event.Message = journal.Done, outcome
	case errors.As(err, &skip):
		event.Event, event.Message, err = journal.Skipped, skip.Reason, nil
	case errors.As(err, &wait):
		event.Event, event.Message = journal.StepFail, wait.Error()
		err = &errPending{item.ID, wait}
	case item.Optional && !errors.Is(err, host.ErrPower):
		event.Event, event.Message, err = journal.Degraded, e.explain(err), nil
	default:
		event.Event, event.Message = journal.StepFail, e.explain(err)
		err = fmt.Errorf("%s: %s", item.ID, event.Message)
	}
	if recordErr := e.journal.Append(event, item.Durable); recordErr != nil && err == nil {
		err = recordErr
	}
	e.progress(number, event)
	return err
}

// progress tells one line about the end of a step.
func (e *engine) progress(number int, event journal.Event) {
	word := map[string]string{journal.Done: "done", journal.Skipped: "skipped", journal.Degraded: "degraded", journal.StepFail: "failed"}[event.Event]
	line := fmt.Sprintf("%d/%d %-8s %5.1fs  %s", number+1, len(e.items), word, event.Seconds, event.Step)
	if event.Message != "" {
		line += ": " + event.Message
	}
	e.Host.ReportStep(line, event.Step)
}

// attempt checks, applies and checks again, as often as the item allows.
func (e *engine) attempt(ctx context.Context, item Item) (message string, err error) {
	// Each step sees the secrets captured by those before it.
	e.mu.Lock()
	data := e.data
	e.mu.Unlock()
	if applies, err := e.applies(item, data); err != nil {
		return "", err
	} else if !applies {
		return "", &step.Skip{Reason: "it does not apply here"}
	}
	built, err := item.Build(data)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, item.Within)
	defer cancel()
	if met, err := built.Check(ctx, e.Host); err != nil || met == step.Met {
		return "", err
	}
	if err := e.journal.Append(journal.Event{Event: journal.Begin, Step: item.ID, Digest: item.Digest}, false); err != nil {
		return "", err
	}
	if err := e.persist(ctx, item, built); err != nil {
		return "", err
	}
	e.refreshData()
	met, err := built.Check(ctx, e.Host)
	if err == nil && met == step.Unmet {
		err = errors.New("it was done, but is not in effect; something else changed it back")
	}
	if teller, ok := built.(step.Teller); ok && err == nil {
		message = teller.Told()
	}
	return message, err
}

// persist applies a step until it succeeds or there is no use in trying again.
func (e *engine) persist(ctx context.Context, item Item, built step.Step) error {
	patience := time.Now().Add(item.Patience)
	for try, pause := 1, firstPause; ; try, pause = try+1, min(2*pause, longestPause) {
		err := built.Apply(ctx, e.Host)
		var wait *step.Wait
		var lasting *step.Lasting
		var skip *step.Skip
		pause := pause + time.Duration(rand.Int64N(int64(pause)/2))
		switch {
		case err == nil, errors.As(err, &lasting), errors.As(err, &skip), errors.Is(err, host.ErrPower):
			return err
		case errors.As(err, &wait):
			if time.Now().Add(pause).After(patience) {
				return err
			}
		case try >= item.Tries || ctx.Err() != nil:
			return err
		}
		e.Host.ReportStep(fmt.Sprintf("%s: %s; trying again", item.ID, e.explain(err)), item.ID)
		if host.Sleep(ctx, pause) != nil {
			return err
		}
	}
}

// refreshData takes up what a step captured, and makes the secrets that waited for it.
func (e *engine) refreshData() {
	e.mu.Lock()
	defer e.mu.Unlock()
	data := e.Data()
	if len(e.Store.Names()) == len(e.data["secrets"].(map[string]any)) {
		e.data = data
		return
	}
	if _, err := e.Store.Ensure(e.Manifest, data, false, e.Host.Now()); err != nil {
		e.Host.Report("warning: " + e.explain(err))
	}
	e.data = e.Data()
	e.Redact.AddStore(e.Store)
}

// explain is an error for people and for the journal: with the end of what a command printed, and no secret.
func (e *engine) explain(err error) string {
	text := err.Error()
	var failed *host.CommandError
	if errors.As(err, &failed) {
		if lines := strings.Split(strings.TrimSpace(string(failed.Stderr)), "\n"); lines[len(lines)-1] != "" {
			text += ": " + shortenTo(lines[len(lines)-1], 200)
		}
		text += "; its whole output is in /var/lib/oneclick/output"
	}
	return e.Redact.Redact(text)
}

func shortenTo(text string, length int) string {
	if runes := []rune(text); len(runes) > length {
		return string(runes[:length]) + "..."
	}
	return text
}
