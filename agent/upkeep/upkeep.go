// Package upkeep takes a change into a setup that is complete: given what was true when everything was made and what is
// true now, it does again exactly the steps whose inputs changed, restarts what runs with them, and leaves what a
// person changed.
package upkeep

import (
	"context"
	"fmt"
	"slices"

	"oneclick-agent/agent/engine"
	"oneclick-agent/agent/facts"
	"oneclick-agent/agent/journal"
	"oneclick-agent/agent/plan"
	"oneclick-agent/agent/step"
)

// Report says what was done.
type Report struct {
	// Renewed names the steps that were done again, or for the first time.
	Renewed []string
	// Left names the steps that were not, each with the reason.
	Left []string
	// Restarted are the units that run with something that changed.
	Restarted []string
}

// Upkeep is one change of a complete setup.
type Upkeep struct {
	Before, Now *facts.Facts
	// Boot and Login are the records that steps are noted in; Login is nil as long as nothing of first login was done.
	Boot, Login *journal.Journal
	// LoginBefore and LoginNow are the facts for the steps of first login, with the answers that these were made from. Where
	// first login is not complete, only what was done of it is done again.
	LoginBefore, LoginNow *facts.Facts
}

// Run carries the change out. It can be run again after an interruption, with the same facts of before.
func (u *Upkeep) Run(ctx context.Context) (report Report, err error) {
	e := &engine.Engine{Facts: u.Now, Journal: u.Boot, Again: true}
	if u.Now.DatabaseChanged() {
		e.Items = plan.Database(u.Now)
	} else if item, ok := plan.Environment(u.Now); ok && !u.isMet(ctx, item) { // of a change that was cut off and taken back
		e.Items = []plan.Item{item}
	}
	if err := e.Run(ctx); err != nil {
		return report, err
	}
	if len(e.Items) > 0 {
		report.Restarted = slices.Clone(u.Now.Manifest.Database.Services)
	}
	w := work{Upkeep: u}
	for more := true; more; {
		if more, err = w.round(ctx, &report); err != nil {
			return report, err
		}
	}
	report.Restarted = w.units(ctx, report.Restarted)
	ctx, cancel := context.WithTimeout(ctx, step.ServiceWithin)
	defer cancel()
	return report, (&step.Refresh{Units: report.Restarted}).Apply(ctx, u.Now.Host)
}

// isMet reports whether what an item makes is there.
func (u *Upkeep) isMet(ctx context.Context, item plan.Item) bool {
	built, err := item.Build(u.Now.Filling(ctx))
	if err != nil {
		return false
	}
	met, err := built.Check(ctx, u.Now.Host)
	return err == nil && met == step.Met
}

// version is a step with the facts of one time.
type version struct {
	applies bool
	step    step.Step
	key     string // identifies everything that it is made from, its condition included
	touched plan.Touched
}

// build makes the step of an item with the facts. A step that the facts do not suffice for does not apply.
func build(ctx context.Context, f *facts.Facts, item plan.Item) (b version, err error) {
	filling := f.Filling(ctx)
	if b.applies, err = filling.Applies(item.When); err != nil || !b.applies {
		return version{}, err
	}
	if b.step, err = item.Build(filling); err != nil {
		return version{}, err
	}
	b.key = filling.Key()
	b.touched, _, err = item.Touches(filling)
	return b, err
}

// piece is one step of the manifest, as it was and as it is now.
type piece struct {
	login    bool
	item     plan.Item
	wasID    string // what the journal calls it as it was
	was, is  version
	created  bool   // what the step made was not there before
	content  string // identifies the file that the step last wrote, "" where that is not known
	recorded bool   // it was carried out here, as this manifest or as an earlier one had it
	settled  bool   // it was decided on in an earlier round
	writing  string // identifies the file that it was about to write when a change was cut off
	here     string // identifies the file that it last wrote in the place where it writes now
	begun    bool   // a change that was cut off, or failed, began to do it again
	redo     bool
	redone   bool // in an earlier round
	left     bool
	affected bool // something that it is made from changed, whether or not that had to be written again
}

// pieces are all steps of the manifest that first boot, and first login where it is complete, carried out.
func (u *Upkeep) pieces(ctx context.Context) (pieces []*piece, err error) {
	add := func(j *journal.Journal, before, after *facts.Facts, then, now []plan.Item) error {
		record := j.State()
		for _, item := range now {
			if item.Path == "" || record.IsPassedOver(item.ID, item.Digest) {
				continue
			}
			i := slices.IndexFunc(then, func(old plan.Item) bool { return old.Path == item.Path })
			done, recorded := record.Step(then[i].ID)
			here, isHere := record.Step(item.ID)
			if here.Order > done.Order { // else it was done with facts from before those of before
				done, recorded = here, isHere
			}
			stands := done.Stands()
			if !record.Phase.Complete() && stands != journal.StepDone {
				continue // its turn is still to come
			}
			p := &piece{login: j == u.Login, item: item, wasID: then[i].ID}
			if p.is, err = build(ctx, after, item); err != nil {
				return fmt.Errorf("%s: %w", item.ID, err)
			}
			if p.was, err = build(ctx, before, then[i]); err != nil {
				p.was = version{} // the facts of before do not suffice, so it cannot have been done with them
			}
			succeed(p.is.step, p.was.step)
			p.recorded, p.created, p.content, p.writing, p.here = recorded, done.Created, done.Content, done.Writing, here.Content
			if (stands == journal.StepRunning || stands == journal.StepFailed) && !item.Acts() {
				p.begun = true // what it made before may still stand
			} else if stands != journal.StepDone && stands != journal.StepSkipped {
				p.was = version{} // it did not apply, or failed, and may succeed now
			} else if done.Key != "" && p.was.applies {
				if _, known := p.was.step.(step.Rewriter); !known && done.Left == "" && p.was.key != done.Key {
					p.begun = true // by a change that was cut off: what is there is not of before
				}
				p.was.key = done.Key // what it was really made from, where a change before this one was cut off
			}
			pieces = append(pieces, p)
		}
		return nil
	}
	if err := add(u.Boot, u.Before, u.Now, plan.Boot(u.Before), plan.Boot(u.Now)); err != nil {
		return nil, err
	}
	if u.Login == nil {
		return pieces, nil
	}
	return pieces, add(u.Login, u.LoginBefore, u.LoginNow, plan.Login(u.LoginBefore), plan.Login(u.LoginNow))
}
