// Package firstboot ties the parts together around cloud-init: when first boot is due, one run of it, what follows in a
// complete setup, the steps of first login, the gate, and the message of the day.
package firstboot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"oneclick-agent/agent/database"
	"oneclick-agent/agent/droplet"
	"oneclick-agent/agent/engine"
	"oneclick-agent/agent/facts"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/journal"
	"oneclick-agent/agent/plan"
	"oneclick-agent/agent/problem"
	"oneclick-agent/agent/state"
	"oneclick-agent/agent/step"
)

// NotDue is the outcome of a run that had nothing to do, because cloud-init did not hand this Droplet over yet. All other
// outcomes are the phase that the setup is in afterwards.
const NotDue journal.Phase = "not due"

const (
	// unknownDroplet is the id of a machine that neither cloud-init, nor its hardware, nor metadata knows.
	unknownDroplet = "unknown"
	// retryTimer and retryPath bring a pending first boot back: after a while, and when the credentials change.
	retryTimer, retryPath = "oneclick-retry.timer", "oneclick-retry.path"

	shortestRetry = 15 * time.Second
	longestRetry  = 10 * time.Minute
)

// busyWithin is how long a run waits for another one that is at work.
const busyWithin = 20 * time.Minute

// errBusy says that another process changes this Droplet for longer than anybody waits.
var errBusy = errors.New("another setup is at work; follow it with: oneclick-agent status --wait")

// Run begins, resumes or confirms the first boot of this Droplet, and takes up what changed since. With whenDue it does so
// only when cloud-init handed this Droplet over, and when a pending run may be tried again. The returned error is
// the reason behind Failed and Pending.
func Run(ctx context.Context, f *facts.Facts, whenDue bool) (journal.Phase, error) {
	record, err := journal.Read(f.Host.Files, state.Journal)
	if err != nil {
		return journal.Failed, err
	}
	if f.Droplet.ID == "" { // nothing tells, so it is taken for the one that it was
		f.Droplet.ID = cmp.Or(record.Droplet, unknownDroplet)
	}
	if record.Phase.Complete() && record.Droplet == f.Droplet.ID {
		if _, changed, err := f.Before(); err != nil {
			return journal.Failed, err
		} else if !changed && f.Host.Files.Missing(state.Changing) {
			showMessage(f)
			return record.Phase, nil
		}
	}
	if whenDue {
		if due, why := isDue(f, record); !due {
			showMessage(f)
			if record.Phase == journal.Pending {
				scheduleRetry(ctx, f, true) // after a reboot nobody else brings it back
				return journal.Pending, errors.New(why)
			}
			f.Host.Report(why)
			return NotDue, nil
		}
	}
	phase := journal.Failed
	err = exclusively(ctx, f, "first boot", func(j *journal.Journal) (err error) {
		phase, err = begin(ctx, f, j)
		return err
	})
	if errors.Is(err, errBusy) {
		return journal.Pending, err
	}
	return phase, err
}

// exclusively does what changes this Droplet while nobody else can, with the record of first boot. Who comes while
// another is at work waits for its turn; doing says for what, to those who wait in turn.
func exclusively(ctx context.Context, f *facts.Facts, doing string, do func(*journal.Journal) error) error {
	if err := state.MakeDirectory(f.Host.Files); err != nil {
		return err
	}
	defer func() { // once the lock is free again: whoever reads the message learns that nobody is at work any more
		if ctx.Err() != nil {
			showMessage(f)
		}
	}()
	lock, err := f.Host.Files.Acquire(ctx, state.Lock, host.Wish{Doing: doing, Within: busyWithin, Told: func(holder host.Holder) {
		f.Host.Report("waiting for " + holder.String())
	}})
	if errors.Is(err, host.ErrLocked) {
		return errBusy
	}
	if err != nil {
		return err
	}
	defer lock.Close()
	j, err := journal.Open(f.Host, state.Journal)
	if err != nil {
		return err
	}
	defer j.Close()
	if err := f.Refresh(); err != nil { // what another process changed until it let go
		return err
	}
	return do(j)
}

// AlreadyComplete reports whether first boot of this very Droplet is complete and shown, and nothing changed since, from
// small files and without reading the manifest: it is asked at every boot.
func AlreadyComplete(ctx context.Context, h *host.Host) (journal.Phase, bool) {
	record, err := journal.Read(h.Files, state.Journal)
	if err != nil || !record.Phase.Complete() || credentialsChanged(h, record) || !h.Files.Missing(state.Changing) ||
		facts.AnswersWait(h.Files) {
		return "", false
	}
	if record.Ended.After(h.Now()) { // by a clock that was wrong: what came since looks older
		return "", false
	}
	// A message older than the end of first boot was written by a run that could not write the last one.
	if shown, err := h.Files.Stat(state.Message); err != nil || shown.ModTime().Before(record.Ended) {
		return "", false
	}
	now, err := droplet.Identify(ctx, h, droplet.NoMetadata)
	if err != nil || now.ID != record.Droplet {
		return "", false
	}
	var then droplet.Droplet
	if found, err := state.Read(h.Files, state.Droplet, &then, ""); err != nil || !found || now.Moved(then) {
		return "", false
	}
	return record.Phase, true
}

// begin does the work of a run.
func begin(ctx context.Context, f *facts.Facts, j *journal.Journal) (journal.Phase, error) {
	if record := j.State(); record.Phase.Complete() {
		return follow(ctx, f, j)
	}
	if err := j.Append(journal.Event{Event: journal.Started, Droplet: f.Droplet.ID, Address: f.Droplet.Address()}, true); err != nil {
		return journal.Failed, err
	}
	showMessage(f)
	e := &engine.Engine{Facts: f, Journal: j}
	made, err := f.Ensure(ctx, j, false)
	if err == nil {
		if len(made) > 0 {
			f.Host.Report("made " + problem.Count(len(made), "secret"))
		}
		e.Items = plan.Boot(f)
		err = e.Run(ctx)
	}
	if err == nil {
		err = f.Remember()
	}
	if err == nil && f.Manifest.FirstLogin != nil {
		err = state.Mark(f.Host.Files, state.Preset)
	}
	phase, err := finish(ctx, e, err)
	if ctx.Err() == nil {
		scheduleRetry(ctx, f, phase == journal.Pending)
	}
	return phase, err
}

// finish records how a run of an engine ended.
func finish(ctx context.Context, e *engine.Engine, cause error) (journal.Phase, error) {
	if errors.Is(cause, host.ErrPower) {
		return journal.Failed, cause
	}
	if cause != nil && ctx.Err() != nil { // a shutdown, or a person; no fault of the step
		return journal.Pending, fmt.Errorf("it was interrupted; it resumes at the next boot, or now with: oneclick-agent %s",
			map[bool]string{false: "first-boot", true: "first-login"}[e.Answered])
	}
	event := journal.Event{Event: journal.Completed}
	var pending *engine.Pending
	switch {
	case errors.As(cause, &pending):
		event = journal.Event{Event: journal.Postponed, Step: pending.Step, Cause: engine.CauseOf(pending.Wait),
			Next: nextTry(e.Facts.Host, e.Journal.State().Attempts)}
		cause = errors.New(pending.Wait.Error())
	case cause != nil:
		event = journal.Event{Event: journal.GaveUp, Step: stepOf(cause), Cause: e.Explain(cause)}
		cause = errors.New(e.Facts.Redact.Redact(cause.Error()))
	default:
		for _, item := range e.Items {
			event.Names = append(event.Names, item.ID)
		}
	}
	if err := e.Journal.Append(event, true); err != nil {
		return journal.Failed, err
	}
	showMessage(e.Facts)
	return e.Journal.State().Phase, cause
}

// stepOf is the step that a failure is about, "" for none.
func stepOf(cause error) string {
	var failed *engine.Failure
	if errors.As(cause, &failed) {
		return failed.Step
	}
	return ""
}

// nextTry is when a run that waits is tried again: after 15 seconds, doubled each time up to 10 minutes, and spread so that
// many Droplets do not ask one server at once.
func nextTry(h *host.Host, attempts int) time.Time {
	pause := min(shortestRetry<<min(attempts, 10), longestRetry)
	return h.Now().Add(pause + time.Duration(rand.Int64N(int64(pause)/5))).UTC()
}

// scheduleRetry starts or stops the units that bring a pending run back. Without systemd, a person does.
func scheduleRetry(ctx context.Context, f *facts.Facts, wanted bool) {
	if !f.Host.Units.Running() {
		return
	}
	for _, unit := range []string{retryTimer, retryPath} {
		unitState, err := f.Host.Units.State(ctx, unit)
		if err != nil || unitState.Load != "loaded" {
			continue
		}
		verb := host.Start
		if !wanted && (unit != retryPath || !f.MayChooseDatabase()) {
			if unitState.Active != "active" {
				continue
			}
			verb = host.Stop
		}
		if err := f.Host.Units.Do(ctx, verb, unit); err != nil {
			f.Host.Report("warning: " + err.Error())
		}
	}
}

// isDue tells whether first boot may run unasked: when cloud-init's hook handed this Droplet over, when an earlier
// run of this Droplet did not end, or when a finished one woke up as another Droplet. On the machine that the
// image is built on none of these is true.
func isDue(f *facts.Facts, record journal.State) (bool, string) {
	switch {
	case record.Phase == journal.Pending && waits(f.Host, record) && !credentialsChanged(f.Host, record):
		return false, record.Message
	case record.Phase != journal.Fresh || marked(f) || handedOver(f):
		return true, ""
	}
	return false, "first boot waits for cloud-init to hand this Droplet over"
}

// waits reports whether the next try is still to come. A time further ahead than the longest pause was written by a clock
// that was wrong, and does not count.
func waits(h *host.Host, record journal.State) bool {
	now := h.Now()
	return now.Before(record.Next) && record.Next.Sub(now) <= longestRetry+longestRetry/5
}

func credentialsChanged(h *host.Host, record journal.State) bool {
	info, err := h.Files.Stat(database.CredentialsPath)
	return err == nil && info.ModTime().After(record.Ended)
}

// isWait finds the wait in an error.
func isWait(err error) (*step.Wait, bool) {
	var wait *step.Wait
	ok := errors.As(err, &wait)
	return wait, ok
}
