package firstlogin

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"oneclick-agent/agent/facts"
	"oneclick-agent/agent/firstboot"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/journal"
	"oneclick-agent/agent/problem"
	"oneclick-agent/agent/state"
	"oneclick-agent/agent/status"
)

// IdleAfter is how long nobody may touch the wizard before it saves and leaves, where nothing else is said.
const IdleAfter = 15 * time.Minute

const longestIdleLook = 10 * time.Second

// idleError is why a wizard ends that nobody answers.
type idleError time.Duration

func (e idleError) Error() string {
	d := time.Duration(e)
	if d >= time.Minute {
		return fmt.Sprintf("nobody answered for %d minutes", int(d.Minutes()))
	}
	return fmt.Sprintf("nobody answered for %s", d)
}

// Session is one person at one terminal.
type Session struct {
	Setup    *facts.Facts
	Terminal *Terminal
	In, Out  *os.File
	// Plain asks line by line.
	Plain bool
	// NoColour uses no colours.
	NoColour bool
	// Idle is how long nobody may touch the wizard before it leaves; 0 waits for ever.
	Idle time.Duration
	hold *Hold
	// applying is set once nobody has to answer any more.
	applying atomic.Bool
	lines    Front // made once: it owns the reader
}

// NewSession is a session at the terminal of this process.
func NewSession(s *facts.Facts, plain bool) (*Session, error) {
	terminal, err := OpenTerminal(os.Stdin)
	if err != nil {
		return nil, err
	}
	return &Session{
		Setup:    s,
		Terminal: terminal,
		In:       os.Stdin,
		Out:      os.Stdout,
		Plain:    plain || PlainTerminal() || !terminal.fits(),
		Idle:     IdleAfter,
	}, nil
}

// Watch shows a first boot at work until it ends, or until a key is pressed.
func (s *Session) Watch(ctx context.Context) (status.Status, bool, error) {
	s.began(problem.OneLine(s.Setup.Manifest.App.Name)+" is being set up on this Droplet.", nil)
	return s.follower(func(stands status.Status) bool {
		return stands.State != status.Running && (stands.State != status.Fresh || cloudInitIsDone(s.Setup.Host))
	}).Follow(ctx)
}

func (s *Session) follower(over func(status.Status) bool) *Follower {
	return &Follower{Host: s.Setup.Host, Setup: s.Setup, Terminal: s.Terminal, Screen: s.screen(), Over: over}
}

// Run asks, and applies the answers. It reports whether the setup is over; leaving for later is no error.
func (s *Session) Run(ctx context.Context, offer bool) (over bool, err error) {
	defer s.Terminal.Restore()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if s.hold, err = s.take(ctx, func() { cancel(ErrTakenOver) }); s.hold == nil {
		return false, err
	}
	defer s.hold.Release()
	go s.leaveWhenIdle(ctx, cancel)
	if err := s.Setup.Refresh(); err != nil {
		return false, err
	}
	record, err := journal.Read(s.Setup.Host.Files, state.LoginJournal)
	if err != nil {
		return false, err
	}
	if record.Phase == journal.Fresh || record.Phase == journal.Failed {
		wizard := &Wizard{Setup: s.Setup, Front: s.front(), Small: s.lineFront}
		if record.Phase == journal.Failed {
			stands, err := status.Read(s.Setup.Host, s.Setup)
			if err != nil {
				return false, err
			}
			wizard.Failed = stands.Says
		}
		apply, err := wizard.Ask(ctx, offer && record.Phase == journal.Fresh)
		if err != nil || !apply {
			return s.Setup.Answers.Choice == facts.Never, s.leave(err)
		}
	}
	return s.apply(ctx)
}

func (s *Session) front() Front {
	if s.Plain {
		return s.lineFront()
	}
	return &formFront{in: s.In, out: s.Out, terminal: s.Terminal, screen: s.screen(), active: s.active}
}

func (s *Session) lineFront() Front {
	if s.lines == nil {
		s.lines = newLineFront(s.Terminal, s.In, s.Out, s.active)
	}
	return s.lines
}

// active notes that somebody is there.
func (s *Session) active() {
	if s.hold != nil {
		s.hold.Active()
	}
}

// take takes the wizard's lock. Somebody else's can be taken over; without that the hold is nil.
func (s *Session) take(ctx context.Context, lost func()) (*Hold, error) {
	held, err := Take(s.Setup.Host, lost)
	if !errors.Is(err, host.ErrLocked) {
		return held, err
	}
	where := "at another terminal"
	if holder, err := WhoHolds(ctx, s.Setup.Host); err == nil {
		where = holder.String()
	}
	s.tell("The setup is open " + problem.OneLine(where) + ".")
	front := newLineFront(s.Terminal, s.In, s.Out, func() {})
	answer, err := front.Ask(
		ctx,
		Prompt{
			Title:   "Take it over here? Its answers are kept.",
			Kind:    Choose,
			Value:   "no",
			Options: []Option{{Value: "no", Label: "No"}, {Value: "yes", Label: "Yes, take it over"}},
		},
	)
	s.lines = nil
	if err != nil || answer != "yes" {
		return nil, s.leave(err)
	}
	return TakeOver(ctx, s.Setup.Host, lost)
}

func (s *Session) leaveWhenIdle(ctx context.Context, leave context.CancelCauseFunc) {
	for s.Idle > 0 && host.Sleep(ctx, min(longestIdleLook, s.Idle/4)) == nil {
		if !s.applying.Load() && s.hold.Idle() > s.Idle {
			leave(idleError(s.Idle))
		}
	}
}

// leave says how to come back. Every answer so far is on disk already.
func (s *Session) leave(err error) error {
	var idle idleError
	switch {
	case errors.As(err, &idle), errors.Is(err, ErrTakenOver):
		s.tell(capital(err.Error()) + ". Your answers are kept.")
		return nil
	case err == nil, errors.Is(err, ErrLeave), errors.Is(err, ErrBack), errors.Is(err, context.Canceled):
		if s.Setup.Answers.Choice != facts.Never {
			s.tell("Your answers are kept. Go on at the next login, or with: oneclick-agent first-login")
		}
		return nil
	}
	return err
}

func capital(text string) string { return string(text[0]-'a'+'A') + text[1:] }

// apply has the steps carried out by the unit, which outlives this terminal, and follows it. Steps that want the
// terminal run here, in between.
func (s *Session) apply(ctx context.Context) (over bool, err error) {
	s.applying.Store(true)
	h := s.Setup.Host
	answered, doing := (&Wizard{Setup: s.Setup}).answered(), "Your answers are being applied."
	if len(answered) == 0 {
		doing = "The setup is being finished."
	}
	s.began(doing+" It goes on by itself, even when this connection ends.", answered)
	for {
		if err := s.runUnit(ctx, loginUnit); err != nil {
			return false, s.leave(err)
		}
		record, err := journal.Read(h.Files, state.LoginJournal)
		if err != nil {
			return false, err
		}
		if record.Phase != journal.Pending || !firstboot.WantsTerminal(s.Setup, record) {
			return s.told()
		}
		h.Terminal = s.In
		s.Terminal.Restore()
		_, err = firstboot.ApplyTerminalStep(ctx, s.Setup)
		h.Terminal = nil
		if err != nil {
			s.tell(err.Error() + "\nTry again with: oneclick-agent first-login")
			return false, nil
		}
	}
}

// work is what a unit does, the record of it, and the same in a tree, where there is no systemd.
type work struct {
	unit, record string
	here         func(context.Context, *facts.Facts) (journal.Phase, error)
}

var (
	loginUnit = work{firstboot.LoginUnit, state.LoginJournal, firstboot.ApplyAnswers}
	bootUnit  = work{firstboot.Unit, state.Journal, func(ctx context.Context, f *facts.Facts) (journal.Phase, error) {
		return firstboot.Run(ctx, f, false)
	}}
)

// runUnit starts a unit and follows it to its end.
func (s *Session) runUnit(ctx context.Context, w work) error {
	if !s.Setup.Host.Live() {
		if phase, err := w.here(ctx, s.Setup); phase.Complete() {
			return err
		}
		return nil // its record says how it stands
	}
	started := make(chan error, 1)
	go func() { started <- s.Setup.Host.Units.Do(context.WithoutCancel(ctx), host.Start, w.unit) }()
	ended := false
	var startError error
	_, left, err := s.follower(func(status.Status) bool {
		select {
		case startError = <-started:
			ended = true
		default:
		}
		return ended
	}).Follow(ctx)
	if left && err == nil {
		return ErrLeave
	}
	if err != nil || startError == nil {
		return err
	}
	if record, err := journal.Read(s.Setup.Host.Files, w.record); err == nil && record.Phase == journal.Failed {
		return nil // its record says how it stands
	}
	return startError
}

// told says how it ended.
func (s *Session) told() (over bool, err error) {
	stands, err := status.Read(s.Setup.Host, s.Setup)
	if err != nil {
		return false, err
	}
	s.ending(stands)
	return stands.State.Complete(), nil
}
