package firstboot

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"oneclick-agent/agent/host"
	"oneclick-agent/agent/journal"
	"oneclick-agent/agent/step"
)

const (
	// LoginUnit carries out the steps of first login, so that they survive the SSH session.
	LoginUnit = "oneclick-first-login.service"
	loginLock = "/var/lib/oneclick/login.lock"
	// applyPath is there while answers are to be applied: the unit has it as a condition, and goes on at the next boot.
	applyPath = "/var/lib/oneclick/apply"
)

// LoginPlan lists what is done with the answers, in order.
func (s *Setup) LoginPlan() []Item {
	if s.Manifest.FirstLogin == nil {
		return nil
	}
	var items []Item
	for i := range s.Manifest.FirstLogin.Steps {
		items = append(items, s.manifestItem(&s.Manifest.FirstLogin.Steps[i], fmt.Sprintf("first_login.steps[%d]", i)))
	}
	if gate := s.Manifest.Gate; gate != nil && gate.Until == "first_login" {
		items = append(items, Item{
			ID: "gate", Digest: digestOf(append([]string{"gate"}, gate.Services...)...), Summary: "let " + strings.Join(gate.Services, ", ") + " start",
			Within: step.ServiceWithin, Tries: 3, Durable: true, Build: ready(&step.Gate{Units: gate.Services}),
		})
	}
	return named(items)
}

// ApplyLogin carries out the steps of first login with the answers that are there, or goes on where it was cut off.
// Steps that want a terminal leave it pending.
func ApplyLogin(ctx context.Context, s *Setup) (Outcome, error) { return applyLogin(ctx, s, false) }

// ApplyTerminalStep carries out the steps that want the terminal of the host and come next, and no other.
func ApplyTerminalStep(ctx context.Context, s *Setup) (Outcome, error) {
	outcome, err := applyLogin(ctx, s, true)
	if errors.Is(err, errOthersTurn) {
		err = nil
	}
	return outcome, err
}

// WantsTerminal reports whether the step that a pending first login waits at is one for a terminal.
func WantsTerminal(s *Setup, state journal.State) bool {
	for _, step := range state.Steps {
		if step.State == "failed" { // a wait is recorded as one that is tried again
			for _, item := range s.LoginPlan() {
				if item.ID == step.ID {
					return item.Terminal
				}
			}
		}
	}
	return false
}

func applyLogin(ctx context.Context, s *Setup, terminalOnly bool) (Outcome, error) {
	lock, err := s.Host.Files.Lock(loginLock)
	if errors.Is(err, host.ErrLocked) {
		return Waiting, errors.New("the answers are being applied; follow it with: oneclick-agent status --wait")
	}
	if err != nil {
		return Broken, err
	}
	defer lock.Close()
	j, err := journal.Open(s.Host, journal.LoginPath)
	if err != nil {
		return Broken, err
	}
	defer j.Close()
	if state := j.State(); state.Finished() {
		return finished(state), s.loginOver()
	}
	if !BootFinished(s.Host) {
		return Waiting, errors.New("the answers are applied once first boot is done; see: oneclick-agent status")
	}
	if s.Answers, err = readAnswers(s.Host.Files); err != nil {
		return Broken, err
	}
	if s.Answers.Choice != Ready {
		return Waiting, errors.New("the questions are not all answered; answer them with: oneclick-agent first-login")
	}
	if err := j.Append(journal.Event{Event: journal.Started, Droplet: s.Droplet.ID, Address: s.Droplet.Address()}, true); err != nil {
		return Broken, err
	}
	s.showMessage()
	e := &engine{Setup: s, journal: j, data: s.Data(), terminalOnly: terminalOnly}
	if _, err := s.Store.Ensure(s.Manifest, e.data, true, s.Host.Now()); err != nil {
		return e.finish(ctx, err)
	}
	s.Redact.AddStore(s.Store)
	e.data, e.items = s.Data(), s.LoginPlan()
	if err := e.run(ctx); errors.Is(err, errOthersTurn) {
		return Waiting, err
	} else if err != nil {
		return e.finish(ctx, err)
	}
	outcome, err := e.finish(ctx, nil)
	return outcome, errors.Join(err, s.loginOver())
}

// loginOver takes away what offers the questions and what applies the answers.
func (s *Setup) loginOver() error {
	if err := s.Host.Files.Remove(applyPath); err != nil {
		return err
	}
	if err := step.RemoveLoginHook(s.Host); err != nil {
		s.Host.Report("warning: " + err.Error()) // the block does no harm: the program ends at once
	}
	return nil
}

// LoginState is how first login stands, from its record.
func LoginState(files *host.Root) (journal.State, error) {
	return journal.Read(files, journal.LoginPath)
}

// ForgetLogin begins first login anew: its answers and its record are taken away, and it is offered again.
func ForgetLogin(ctx context.Context, s *Setup) error {
	lock, err := s.Host.Files.Lock(loginLock)
	if errors.Is(err, host.ErrLocked) {
		return errors.New("cannot begin anew: the answers are being applied; follow it with: oneclick-agent status --wait")
	}
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := s.Host.Files.Remove(applyPath); err != nil {
		return err
	}
	if err := s.ForgetAnswers(); err != nil {
		return err
	}
	if err := s.Host.Files.Remove(journal.LoginPath); err != nil {
		return err
	}
	err = step.LoginHook{}.Apply(ctx, s.Host)
	s.showMessage()
	return err
}

// Decide keeps the customer's choice, durably. Never takes the offer out of root's .bashrc.
func (s *Setup) Decide(choice Choice) error {
	if choice != Ready { // the mark first: without it nothing is applied by itself
		if err := s.Host.Files.Remove(applyPath); err != nil {
			return err
		}
	}
	s.Answers.Choice = choice
	if err := s.SaveAnswers(); err != nil {
		return err
	}
	defer s.showMessage()
	switch choice {
	case Never:
		return step.RemoveLoginHook(s.Host)
	case Ready:
		_, err := s.Host.Files.WriteFile(applyPath, nil, host.Mode(0o600))
		return err
	}
	return nil
}

// loginWords say how first login stands, for the message of the day.
func (s *Setup) loginWords(boot journal.State) []string {
	if s.Manifest.FirstLogin == nil || !boot.Finished() {
		return nil
	}
	state, err := LoginState(s.Host.Files)
	switch {
	case err != nil:
		return []string{"Setup cannot be read: " + err.Error()}
	case state.Phase == "failed":
		return []string{"Setup FAILED: " + state.Message, "Try again with: oneclick-agent first-login"}
	case state.Phase == "running":
		return []string{"Your answers are being applied. Follow it with: oneclick-agent status --wait"}
	case state.Phase == "pending":
		return []string{"Setup is waiting: " + state.Message}
	case state.Phase == "degraded":
		return []string{"Setup is done, but something optional failed. See: oneclick-agent status"}
	case state.Finished() || s.Answers.Choice == Never:
		return nil
	}
	return []string{"A few questions are left. Answer them with: oneclick-agent first-login"}
}

// BootFinished reports whether first boot is complete, so that first login may follow.
func BootFinished(h *host.Host) bool {
	state, err := journal.Read(h.Files, journal.Path)
	return err == nil && state.Finished()
}

// LoginOpen reports, from small files and without the manifest, whether first login may still have something to ask.
func LoginOpen(files *host.Root) bool {
	state, err := LoginState(files)
	answers, answersErr := readAnswers(files)
	return err == nil && answersErr == nil && !state.Finished() && answers.Choice != Never
}
