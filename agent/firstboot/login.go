package firstboot

import (
	"context"
	"errors"

	"oneclick-agent/agent/engine"
	"oneclick-agent/agent/facts"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/journal"
	"oneclick-agent/agent/plan"
	"oneclick-agent/agent/state"
	"oneclick-agent/agent/step"
)

// LoginUnit carries out the steps of first login, so that they survive the SSH session.
const LoginUnit = "oneclick-first-login.service"

// ApplyAnswers carries out the steps of first login with the answers that are there, or goes on where it was cut off.
// Steps that want a terminal leave it pending.
func ApplyAnswers(ctx context.Context, f *facts.Facts) (journal.Phase, error) {
	return applyAnswers(ctx, f, false)
}

// ApplyTerminalStep carries out the steps that want the terminal of the host and come next, and no other.
func ApplyTerminalStep(ctx context.Context, f *facts.Facts) (journal.Phase, error) {
	phase, err := applyAnswers(ctx, f, true)
	if errors.Is(err, engine.ErrOthersTurn) {
		err = nil
	}
	return phase, err
}

// WantsTerminal reports whether the step that a pending first login waits at is one for a terminal.
func WantsTerminal(f *facts.Facts, record journal.State) bool {
	for _, item := range plan.Login(f) {
		if step, ok := record.Step(item.ID); ok && step.State == journal.StepFailed { // a wait is recorded as one that is tried again
			return item.Terminal
		}
	}
	return false
}

func applyAnswers(ctx context.Context, f *facts.Facts, terminalOnly bool) (phase journal.Phase, err error) {
	phase = journal.Failed
	err = exclusively(ctx, f, "first login", func(boot *journal.Journal) error {
		if record := boot.State(); !record.Phase.Complete() {
			phase = journal.Pending
			return errors.New("the answers are applied once first boot is done; see: oneclick-agent status")
		}
		login, err := journal.Open(f.Host, state.LoginJournal)
		if err != nil {
			return err
		}
		defer login.Close()
		if record := login.State(); record.Phase.Complete() {
			if phase, err = follow(ctx, f, boot); err != nil {
				return err
			}
			return loginOver(f)
		}
		if f.Answers.Choice != facts.Ready {
			phase = journal.Pending
			return errors.New("the questions are not all answered; answer them with: oneclick-agent first-login")
		}
		phase, err = apply(ctx, f, login, terminalOnly)
		return err
	})
	if errors.Is(err, errBusy) {
		return journal.Pending, err
	}
	return phase, err
}

// apply carries the steps out.
func apply(ctx context.Context, f *facts.Facts, j *journal.Journal, terminalOnly bool) (journal.Phase, error) {
	if err := j.Append(journal.Event{Event: journal.Started, Droplet: f.Droplet.ID, Address: f.Droplet.Address()}, true); err != nil {
		return journal.Failed, err
	}
	showMessage(f)
	e := &engine.Engine{Facts: f, Journal: j, Answered: true, TerminalOnly: terminalOnly}
	settles := len(f.Store.Changing()) == 0 // else a rotation was cut off, which the next run of first boot ends
	if outdated := f.Outdated(ctx, f.AsApplied()); len(outdated) > 0 {
		if err := replace(ctx, f, f, outdated); err != nil {
			return finish(ctx, e, err)
		}
	}
	if _, err := f.Ensure(ctx, j, true); err != nil {
		return finish(ctx, e, err)
	}
	e.Items = plan.Login(f)
	if err := e.Run(ctx); errors.Is(err, engine.ErrOthersTurn) {
		return journal.Pending, err
	} else if err != nil {
		return finish(ctx, e, err)
	}
	if err := errors.Join(f.RememberAnswers(), f.RecordAnswers(j)); err != nil {
		return finish(ctx, e, err)
	}
	if settles {
		if err := f.Store.Settle(f.Manifest); err != nil {
			return finish(ctx, e, err)
		}
	}
	phase, err := finish(ctx, e, nil)
	return phase, errors.Join(err, loginOver(f))
}

// loginOver takes away what offers the questions and what applies the answers.
func loginOver(f *facts.Facts) error {
	if err := f.Host.Files.Remove(state.Apply); err != nil {
		return err
	}
	if err := step.RemoveLoginHook(f.Host); err != nil {
		f.Host.Report("warning: " + err.Error()) // the block does no harm: the program ends at once
	}
	return nil
}

// ForgetLogin begins first login anew: its answers are taken away, and it is offered again. What its steps made stands
// until they are carried out with other answers, and is kept up to date until then.
func ForgetLogin(ctx context.Context, f *facts.Facts) error {
	return exclusively(ctx, f, "first login", func(*journal.Journal) error {
		if err := f.Host.Files.Remove(state.Apply); err != nil {
			return err
		}
		login, err := journal.Open(f.Host, state.LoginJournal)
		if err != nil {
			return err
		}
		defer login.Close()
		begun := login.State().Phase != journal.Fresh
		if begun {
			if err := login.Append(journal.Event{Event: journal.Reopened, Names: f.HiddenAnswers()}, true); err != nil {
				return err
			}
		}
		if err := errors.Join(f.ForgetAnswers(begun), f.Refresh()); err != nil {
			return err
		}
		err = step.LoginHook{}.Apply(ctx, f.Host)
		showMessage(f)
		return err
	})
}

// Decide keeps the customer's choice, durably. Never takes the offer out of root's .bashrc.
func Decide(f *facts.Facts, choice facts.Choice) error {
	if choice == facts.Ready {
		if err := f.ForgetUnasked(context.Background()); err != nil {
			return err
		}
	}
	if choice != facts.Ready { // the mark first: without it nothing is applied by itself
		if err := f.Host.Files.Remove(state.Apply); err != nil {
			return err
		}
	}
	f.Answers.Choice, f.Answers.Given = choice, ""
	if err := f.SaveAnswers(); err != nil {
		return err
	}
	defer showMessage(f)
	switch choice {
	case facts.Never:
		return step.RemoveLoginHook(f.Host)
	case facts.Ready:
		return state.Mark(f.Host.Files, state.Apply)
	}
	return nil
}

// NoteGiven keeps why the answers that were given in advance are not applied, for everybody who asks how things stand.
func NoteGiven(f *facts.Facts, reason string) error {
	defer showMessage(f)
	return f.Answering(func() error {
		f.Answers.Given = reason
		return f.SaveAnswers()
	})
}

// LoginOpen reports, from small files and without the manifest, whether first login may still have something to ask.
func LoginOpen(files *host.Root) bool {
	record, err := journal.Read(files, state.LoginJournal)
	answers, answersErr := facts.ReadAnswers(files)
	return err == nil && answersErr == nil && !record.Phase.Complete() && answers.Choice != facts.Never
}
