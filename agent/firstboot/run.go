package firstboot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"time"

	"oneclick-agent/agent/database"
	"oneclick-agent/agent/droplet"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/journal"
	"oneclick-agent/agent/motd"
)

// Outcome is how a run ended.
type Outcome string

// The outcomes; each has an exit code of its own.
const (
	Finished Outcome = "done"
	Degraded Outcome = "degraded"
	Waiting  Outcome = "pending"
	Broken   Outcome = "failed"
	NotDue   Outcome = "not due"
)

const (
	lockPath = "/var/lib/oneclick/lock"
	// unknownDroplet is the id of a machine that neither cloud-init, nor its hardware, nor metadata knows.
	unknownDroplet = "unknown"
	// retryTimer and retryPath bring a pending first boot back: after a while, and when the credentials change.
	retryTimer, retryPath = "oneclick-retry.timer", "oneclick-retry.path"

	shortestRetry = 15 * time.Second
	longestRetry  = 10 * time.Minute
)

// Run begins, resumes or confirms the first boot of this Droplet. With whenDue it does so only when cloud-init
// handed this Droplet over, and when a pending run may be tried again. The returned error is the reason behind
// Broken and Waiting.
func Run(ctx context.Context, s *Setup, whenDue bool) (Outcome, error) {
	state, err := journal.Read(s.Host.Files, journal.Path)
	if err != nil {
		return Broken, err
	}
	if s.Droplet.ID == "" { // nothing tells, so it is taken for the one that it was
		s.Droplet.ID = cmp.Or(state.Droplet, unknownDroplet)
	}
	if state.Finished() && state.Droplet == s.Droplet.ID && !s.databaseChanged() && s.Host.Files.Missing(rotationPath) {
		s.showMessage()
		return finished(state), nil
	}
	if whenDue {
		if due, why := isDue(s, state); !due {
			s.showMessage()
			if state.Phase == "pending" {
				s.scheduleRetry(ctx, true) // after a reboot nobody else brings it back
				return Waiting, errors.New(why)
			}
			s.Host.Report(why)
			return NotDue, nil
		}
	}
	if err := s.Host.Files.MakeDirectory(journal.Directory, host.Attributes{Mode: new(fs.FileMode(0o700)), Owner: &host.Owner{}}); err != nil {
		return Broken, err
	}
	lock, err := s.Host.Files.Lock(lockPath)
	if errors.Is(err, host.ErrLocked) {
		return Waiting, errors.New("another first boot is at work; follow it with: oneclick-agent status --wait")
	}
	if err != nil {
		return Broken, err
	}
	defer lock.Close()
	return locked(ctx, s)
}

// AlreadyFinished reports whether first boot of this very Droplet is complete and shown, from two small files and
// without reading the manifest: it is asked at every boot.
func AlreadyFinished(ctx context.Context, h *host.Host) (Outcome, bool) {
	state, err := journal.Read(h.Files, journal.Path)
	if err != nil || !state.Finished() {
		return "", false
	}
	if credentialsChanged(h, state) || !h.Files.Missing(rotationPath) {
		return "", false
	}
	// A message older than the end of first boot was written by a run that could not write the last one.
	if shown, err := h.Files.Stat(motd.Path); err != nil || shown.ModTime().Before(state.Ended) {
		return "", false
	}
	d, err := droplet.Identify(ctx, h, droplet.NoMetadata)
	if err != nil || d.ID != state.Droplet {
		return "", false
	}
	return finished(state), true
}

// locked does the work while no other run can.
func locked(ctx context.Context, s *Setup) (Outcome, error) {
	j, err := journal.Open(s.Host, journal.Path)
	if err != nil {
		return Broken, err
	}
	defer j.Close()
	state := j.State()
	switch {
	case state.Finished() && state.Droplet == s.Droplet.ID && !s.Host.Files.Missing(rotationPath):
		return rotate(ctx, s, j)
	case state.Finished() && state.Droplet == s.Droplet.ID && s.databaseChanged():
		return followDatabase(ctx, s, j)
	case state.Finished() && state.Droplet == s.Droplet.ID:
		return finished(state), nil
	case state.Finished():
		return adopt(ctx, s, j)
	}
	if err := j.Append(journal.Event{Event: journal.Started, Droplet: s.Droplet.ID, Address: s.Droplet.Address()}, true); err != nil {
		return Broken, err
	}
	s.showMessage()
	e := &engine{Setup: s, journal: j, data: s.Data(), retries: true}
	s.Host.Held = e.held
	made, err := s.Store.Ensure(s.Manifest, e.data, false, s.Host.Now())
	if err != nil {
		return e.finish(ctx, err)
	}
	if len(made) > 0 {
		s.Host.Report(fmt.Sprintf("made %d secrets", len(made)))
	}
	s.Redact.AddStore(s.Store)
	e.data = s.Data()
	e.items = s.Plan()
	if err := e.run(ctx); err != nil {
		return e.finish(ctx, err)
	}
	if err := rememberDroplet(s); err != nil {
		return e.finish(ctx, err)
	}
	if now, ok := s.Database(); ok {
		s.known.Applied = applied(now)
		if err := s.rememberDatabase(); err != nil {
			return e.finish(ctx, err)
		}
	}
	return e.finish(ctx, nil)
}

// finish records how a run ended, and sees to it that a pending one comes back.
func (e *engine) finish(ctx context.Context, cause error) (Outcome, error) {
	if errors.Is(cause, host.ErrPower) {
		return Broken, cause
	}
	if cause != nil && ctx.Err() != nil { // a shutdown, or a person; no fault of the step
		return Broken, errors.New("first boot was interrupted; it resumes at the next boot, or now with: oneclick-agent first-boot")
	}
	event := journal.Event{Event: journal.Completed}
	var pending *errPending
	switch {
	case errors.As(cause, &pending):
		state := e.journal.State()
		event = journal.Event{Event: journal.Pending, Message: pending.wait.Error(), Next: e.Host.Now().Add(retryAfter(state.Attempts)).UTC()}
	case cause != nil:
		event = journal.Event{Event: journal.Failed, Message: e.Redact.Redact(cause.Error())}
		cause = errors.New(event.Message)
	}
	if err := e.journal.Append(event, true); err != nil {
		return Broken, err
	}
	if e.retries {
		e.Setup.scheduleRetry(ctx, pending != nil)
	}
	state := e.journal.State()
	e.showMessage()
	switch {
	case pending != nil:
		return Waiting, cause
	case cause != nil:
		return Broken, cause
	}
	return finished(state), nil
}

func finished(state journal.State) Outcome {
	if state.Phase == "degraded" {
		return Degraded
	}
	return Finished
}

// retryAfter doubles from 15 seconds to 10 minutes, spread so that many Droplets do not ask one server at once.
func retryAfter(attempts int) time.Duration {
	pause := min(shortestRetry<<min(attempts, 10), longestRetry)
	return pause + time.Duration(rand.Int64N(int64(pause)/5))
}

// scheduleRetry starts or stops the units that bring a pending first boot back. Without systemd, a person does.
func (s *Setup) scheduleRetry(ctx context.Context, wanted bool) {
	if !s.Host.Live() {
		return
	}
	for _, unit := range []string{retryTimer, retryPath} {
		state, err := s.Host.Units.State(ctx, unit)
		if err != nil || state.Load != "loaded" {
			continue
		}
		verb := host.Start
		if !wanted && (unit != retryPath || !s.mayChooseDatabase()) {
			if state.Active != "active" {
				continue
			}
			verb = host.Stop
		}
		if err := s.Host.Units.Do(ctx, verb, unit); err != nil {
			s.Host.Report("warning: " + err.Error())
		}
	}
}

// mayChooseDatabase reports whether credentials that come later would be used.
func (s *Setup) mayChooseDatabase() bool {
	return s.Manifest.Database != nil && s.Manifest.Database.Managed != "never"
}

// showMessage renders the message of the day from what is recorded. That it cannot be written never stops a setup.
func (s *Setup) showMessage() {
	boot, err := journal.Read(s.Host.Files, journal.Path)
	if err != nil {
		s.Host.Report("warning: " + err.Error())
		return
	}
	text, err := s.evaluate(s.Manifest.MOTD, s.Data())
	if err != nil {
		text = ""
	}
	message := motd.Message{Name: s.Manifest.App.Name, Version: s.Manifest.App.Version, URL: s.Droplet.URL(), Text: s.Redact.Redact(text), Boot: boot, Login: s.loginWords(boot)}
	if err := motd.Write(s.Host.Files, message.Render(), boot.Finished()); err != nil {
		s.Host.Report("warning: " + err.Error())
	}
}

// isDue tells whether first boot may run unasked: when cloud-init's hook handed this Droplet over, when an earlier
// run of this Droplet did not end, or when a finished one woke up as another Droplet. On the machine that the
// image is built on none of these is true.
func isDue(s *Setup, state journal.State) (bool, string) {
	switch {
	case state.Phase == "pending" && s.Host.Now().Before(state.Next) && !credentialsChanged(s.Host, state):
		return false, state.Message
	case state.Phase != "" || marked(s) || handedOver(s):
		return true, ""
	}
	return false, "first boot waits for cloud-init to hand this Droplet over"
}

func credentialsChanged(h *host.Host, state journal.State) bool {
	info, err := h.Files.Stat(database.CredentialsPath)
	return err == nil && info.ModTime().After(state.Ended)
}
