// Package engine carries out a plan: in order, each step recorded, resumed where an earlier run ended.
package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"sync"
	"time"

	"oneclick-agent/agent/facts"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/journal"
	"oneclick-agent/agent/plan"
	"oneclick-agent/agent/step"
)

const (
	firstPause   = time.Second
	longestPause = 30 * time.Second
	// sideBySide is how many file steps run at once. More than processors, because they wait for the disk.
	sideBySide = 8
)

// Held is what the journal says of a step while the start of its unit waits for another unit, which may be cloud-init.
const Held = "its start waits for another unit"

// Engine carries out a plan.
type Engine struct {
	Facts   *facts.Facts
	Journal *journal.Journal
	Items   []plan.Item
	// Answered tells whether the answers of first login are complete.
	Answered bool
	// TerminalOnly ends the run before the first step that needs no terminal.
	TerminalOnly bool
	// Again carries the items out although an earlier run did.
	Again bool
}

// ErrOthersTurn ends a run at a step that is the unit's to carry out.
var ErrOthersTurn = errors.New("the next step goes on without a terminal")

// Pending ends a run that waits for the outside.
type Pending struct {
	Step string
	Wait *step.Wait
}

func (p *Pending) Error() string { return p.Step + ": " + p.Wait.Error() }

// CauseOf is a wait in words.
func CauseOf(wait *step.Wait) journal.Cause {
	return journal.Cause{Message: wait.Reason, Advice: wait.Advice, Waits: cmp.Or(wait.For, journal.ForOutside)}
}

// Run carries the items out in their order. Two steps overlap only if neither reads or writes what the other writes; what
// acts, or has a condition, runs alone. It returns nil, a Pending or the failure that ended it.
func (e *Engine) Run(ctx context.Context) error {
	e.Facts.Host.Held = func(string) {
		e.Journal.Append(journal.Event{Event: journal.Noted, Step: e.currentStep(), Cause: journal.Cause{Message: Held}}, false)
	}
	for i := 0; i < len(e.Items); {
		if item := e.Items[i]; e.TerminalOnly && !item.Terminal {
			if e.Journal.IsOver(item.ID, item.Digest) {
				i++
				continue
			}
			return ErrOthersTurn
		}
		maps.Copy(e.Facts.Steps, e.Journal.StepStates())
		count := e.batch(ctx, i)
		if err := e.runBatch(ctx, i, count); err != nil {
			return err
		}
		i += count
	}
	return nil
}

// currentStep is the step that runs alone at the moment.
func (e *Engine) currentStep() string {
	for _, step := range e.Journal.State().Steps {
		if step.State == journal.StepRunning {
			return step.ID
		}
	}
	return ""
}

// batch is how many items from i on run side by side.
func (e *Engine) batch(ctx context.Context, i int) int {
	var taken []plan.Touched
	for n, item := range e.Items[i:] {
		touched, alone, err := item.Touches(e.Facts.Filling(ctx))
		if alone || err != nil {
			return max(n, 1)
		}
		for _, other := range taken {
			if touched.Disturbs(other) {
				return n
			}
		}
		taken = append(taken, touched)
	}
	return len(e.Items) - i
}

// runBatch brings items side by side to their ends. The failure of the first of them in order is returned.
func (e *Engine) runBatch(ctx context.Context, first, count int) error {
	if count == 1 {
		return e.runItem(ctx, first)
	}
	workers := make(chan struct{}, max(sideBySide, runtime.NumCPU()))
	failures := make([]error, count)
	var group sync.WaitGroup
	for n := range count {
		workers <- struct{}{}
		group.Go(func() {
			defer func() { <-workers }()
			failures[n] = e.runItem(ctx, first+n)
		})
	}
	group.Wait()
	for _, failure := range failures {
		if failure != nil {
			return failure
		}
	}
	return nil
}

// runItem brings one item to its end and records it.
func (e *Engine) runItem(ctx context.Context, number int) error {
	item := e.Items[number]
	if e.Journal.IsPassedOver(item.ID, item.Digest) || e.isDone(ctx, item) {
		return nil
	}
	began := time.Now()
	event, err := e.attempt(ctx, item)
	if err != nil && ctx.Err() != nil {
		return err // a shutdown, or a person: the step did not fail, and is begun again by the next run
	}
	event.Step, event.Name, event.Digest, event.Seconds = item.ID, item.Name, item.Digest, time.Since(began).Seconds()
	var wait *step.Wait
	var skip *step.Skip
	var degraded *step.Degraded
	switch {
	case err == nil:
		event.Event = journal.Accomplished
	case errors.As(err, &skip):
		event.Event, event.Message, err = journal.Skipped, skip.Reason, nil
	case errors.As(err, &wait):
		event.Event, event.Cause = journal.Failure, CauseOf(wait)
		err = &Pending{item.ID, wait}
	case (item.Optional || errors.As(err, &degraded)) && !errors.Is(err, host.ErrPower) && ctx.Err() == nil:
		event.Event, event.Cause, err = journal.GaveWay, e.Explain(err), nil
	default:
		event.Event, event.Cause = journal.Failure, e.Explain(err)
		err = &Failure{item.ID, event.Cause, err}
	}
	if recordErr := e.Journal.Append(event, item.Acts()); recordErr != nil && err == nil {
		err = recordErr
	}
	e.progress(number, event)
	return err
}

// isDone reports whether an earlier run did the step, from just what it would be made from now: facts may have changed
// since a run that was cut off.
func (e *Engine) isDone(ctx context.Context, item plan.Item) bool {
	if item.Always || e.Again || !e.Journal.IsDone(item.ID, item.Digest) {
		return false
	}
	done, _ := e.Journal.Step(item.ID)
	if done.Key == "" {
		return true
	}
	filling := e.Facts.Filling(ctx)
	applies, err := filling.Applies(item.When)
	if err != nil || !applies {
		return err == nil // it applied when it was done, and what it did stays
	}
	_, err = item.Build(filling)
	return err == nil && filling.Key() == done.Key
}

// words are how the progress tells the end of a step.
var words = map[journal.Kind]journal.StepState{
	journal.Accomplished: journal.StepDone, journal.Skipped: journal.StepSkipped, journal.GaveWay: journal.StepDegraded,
	journal.Failure: journal.StepFailed,
}

// progress tells one line about the end of a step.
func (e *Engine) progress(number int, event journal.Event) {
	line := fmt.Sprintf("%d/%d %-8s %5.1fs  %s", number+1, len(e.Items), words[event.Event], event.Seconds, event.Step)
	if event.Message != "" {
		line += ": " + event.Message
	}
	e.Facts.Host.ReportStep(line, event.Step)
}

// attempt checks, applies and checks again, as often as the item allows.
func (e *Engine) attempt(ctx context.Context, item plan.Item) (event journal.Event, err error) {
	ctx, cancel := context.WithTimeout(ctx, item.Within)
	defer cancel()
	defer func() {
		if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
			err = &overdue{item.Within, err}
		}
	}()
	filling := e.Facts.Filling(ctx)
	if applies, err := filling.Applies(item.When); err != nil {
		return event, err
	} else if !applies {
		return event, &step.Skip{Reason: "it does not apply here"}
	}
	built, err := item.Build(filling)
	if err != nil {
		return event, err
	}
	h := e.Facts.Host
	event.Key, event.Content = filling.Key(), contentOf(h, built)
	if met, err := built.Check(ctx, h); err != nil || met == step.Met {
		return event, err
	}
	if before, ok := e.isMadeByHand(item, built, event.Content); ok {
		event.Content = before
		return event, &step.Degraded{Err: errors.New("left as it is: somebody made it since this step failed; remove it to have it made")}
	}
	begun := journal.Event{Event: journal.Begun, Step: item.ID, Digest: item.Digest}
	if e.Again { // what a later change finds must be told from what a person wrote, wherever this one is cut off
		begun.Content = contentAfter(h, built)
	}
	if err := e.Journal.Append(begun, e.Again); err != nil {
		return event, err
	}
	if err := e.persist(ctx, item, built); err != nil {
		return event, err
	}
	if err := e.takeUp(ctx, item); err != nil {
		return event, err
	}
	met, err := built.Check(ctx, h)
	if err == nil && met == step.Unmet {
		err = errors.New("it was done, but is not in effect; something else changed it back")
		if explainer, ok := built.(step.Explainer); ok {
			err = explainer.WhyUnmet()
		}
	}
	if teller, ok := built.(step.Teller); ok && err == nil {
		event.Message = teller.Told()
	}
	if creator, ok := built.(step.Creator); ok {
		event.Created = creator.Created()
	}
	event.Content = contentOf(h, built)
	return event, err
}

// isMadeByHand reports whether the whole file that a step failed to write holds something else by now than it did then.
// before is what that was.
func (e *Engine) isMadeByHand(item plan.Item, built step.Step, content string) (before string, ok bool) {
	failed, _ := e.Journal.Step(item.ID)
	_, whole := built.(*step.File)
	return failed.Content, whole && failed.Stands() == journal.StepDegraded && content != "" && content != failed.Content
}

// contentOf identifies what the file holds that a step wrote, "" where it wrote none.
func contentOf(h *host.Host, built step.Step) string {
	writer, ok := built.(step.Rewriter)
	if !ok {
		return ""
	}
	return step.ContentOf(h, writer.Target())
}

// contentAfter identifies what the file will hold that a step is about to write, "" where it writes none or cannot.
func contentAfter(h *host.Host, built step.Step) string {
	writer, ok := built.(step.Rewriter)
	if !ok {
		return ""
	}
	return step.ContentAfter(h, writer)
}

// takeUp takes up what a step captured, and makes the secrets that waited for it.
func (e *Engine) takeUp(ctx context.Context, item plan.Item) error {
	if len(item.Effects.Captures) == 0 {
		return nil
	}
	_, err := e.Facts.Ensure(ctx, e.Journal, e.Answered)
	return err
}

// persist applies a step until it succeeds or there is no use in trying again.
func (e *Engine) persist(ctx context.Context, item plan.Item, built step.Step) error {
	patience := time.Now().Add(item.Patience)
	for try, pause := 1, firstPause; ; try, pause = try+1, min(2*pause, longestPause) {
		err := built.Apply(ctx, e.Facts.Host)
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
		e.Facts.Host.ReportStep(fmt.Sprintf("%s: %s; trying again", item.ID, e.Explain(err).Message), item.ID)
		if host.Sleep(ctx, pause) != nil {
			return err
		}
	}
}
