package firstboot

import (
	"context"
	"errors"

	"oneclick-agent/agent/engine"
	"oneclick-agent/agent/facts"
	"oneclick-agent/agent/journal"
	"oneclick-agent/agent/plan"
	"oneclick-agent/agent/problem"
	"oneclick-agent/agent/state"
)

// Skip has a step left out that stands in the way, and goes on behind it. The step is named as status shows it, or by its
// name in the manifest. What a person decided so is recorded.
func Skip(ctx context.Context, f *facts.Facts, step string) (journal.Phase, error) {
	return byHand(ctx, f, step, journal.PassedOver)
}

// Retry does a step again, whatever came of it before, and then what did not have its turn yet.
func Retry(ctx context.Context, f *facts.Facts, step string) (journal.Phase, error) {
	return byHand(ctx, f, step, journal.Retried)
}

// byHand records what a person decided about a step, and acts on it.
func byHand(ctx context.Context, f *facts.Facts, name string, decision journal.Kind) (journal.Phase, error) {
	item, ofLogin, err := find(f, name)
	if err != nil {
		return journal.Failed, err
	}
	phase, complete := journal.Failed, false
	err = exclusively(ctx, f, "first boot of one step", func(boot *journal.Journal) error {
		j := boot
		if ofLogin {
			if j, err = journal.Open(f.Host, state.LoginJournal); err != nil {
				return err
			}
			defer j.Close()
		}
		record := j.State()
		complete = record.Phase.Complete()
		if decision == journal.PassedOver && record.IsDone(item.ID, item.Digest) {
			return noStep(name, "is done already, so there is nothing to leave out", "see: oneclick-agent status")
		}
		event := journal.Event{Event: decision, Step: item.ID}
		if decision == journal.PassedOver {
			event.Digest, event.Cause.Message = item.Digest, "a person had it left out"
		}
		if err := j.Append(event, true); err != nil || !complete {
			return err
		}
		phase, err = actOn(ctx, f, boot, j, item, event)
		return err
	})
	switch {
	case errors.Is(err, errBusy):
		return journal.Pending, err
	case err != nil || complete:
		return phase, err
	case ofLogin:
		return ApplyAnswers(ctx, f)
	}
	return Run(ctx, f, false)
}

// actOn acts on a decision about a step of a complete setup. Only that step is done; a failure is told as the trouble of a
// change is, and a success ends that trouble.
func actOn(
	ctx context.Context, f *facts.Facts, boot, j *journal.Journal, item plan.Item, decision journal.Event,
) (journal.Phase, error) {
	if decision.Event == journal.Retried {
		e := &engine.Engine{Facts: f, Journal: j, Items: []plan.Item{item}, Answered: j != boot, Again: true}
		if err := e.Run(ctx); err != nil {
			return troubled(ctx, f, boot, err)
		}
	}
	records := []*journal.Journal{j}
	if j != boot {
		records = append(records, boot)
	}
	if f.Host.Files.Missing(state.Changing) { // otherwise a change is under way, and it alone ends its trouble
		for _, record := range records {
			if err := record.Append(journal.Event{Event: journal.Renewed, Droplet: f.Droplet.ID}, true); err != nil {
				return journal.Failed, err
			}
		}
	}
	showMessage(f)
	return j.State().Phase, nil
}

// find finds a step of the plan, and tells whether it is one of first login.
func find(f *facts.Facts, name string) (item plan.Item, ofLogin bool, err error) {
	var known []string
	boot := plan.Boot(f)
	for i, item := range append(boot, plan.Login(f)...) {
		if item.ID == name || item.Name == name {
			return item, i >= len(boot), nil
		}
		known = append(known, item.ID)
		if item.Name != "" {
			known = append(known, item.Name)
		}
	}
	return plan.Item{}, false, noStep(name, "is no step of this setup", problem.DidYouMean(name, known))
}

// noStep is the problem of a name that cannot be used.
func noStep(name, message, hint string) error {
	return problem.List{{Position: problem.Position{File: name}, Message: message, Hint: hint}}
}
