package firstboot

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"oneclick-agent/agent/host"
	"oneclick-agent/agent/journal"
	"oneclick-agent/agent/manifest"
	"oneclick-agent/agent/step"
)

// renew applies again the wanted items of a finished setup, because something that they are made from is not what it
// was before. A file that no longer stands as it was made then was changed by somebody, and is left to them. The
// names of the items that were applied are returned.
func (s *Setup) renew(ctx context.Context, before *Setup, wanted func(Item) bool) (renewed []string, err error) {
	items := s.Plan()
	if s.answered() {
		items = append(items, s.LoginPlan()...)
	}
	for _, item := range items {
		if item.Terminal || len(item.Uses) == 0 || !wanted(item) {
			continue
		}
		changed, err := s.renewItem(ctx, item, before.Data())
		if err != nil {
			return renewed, fmt.Errorf("%s: %w", item.ID, err)
		}
		if changed {
			renewed = append(renewed, item.ID)
		}
	}
	return renewed, nil
}

// uses reports whether any step that applies here is a wanted one.
func (s *Setup) uses(wanted func(Item) bool) bool {
	data := s.Data()
	return slices.ContainsFunc(s.Plan(), func(item Item) bool {
		applies, err := s.applies(item, data)
		return err == nil && applies && wanted(item)
	})
}

func usesDatabase(item Item) bool { return slices.Contains(item.Uses, "database") }

func (s *Setup) renewItem(ctx context.Context, item Item, before map[string]any) (changed bool, err error) {
	now := s.Data()
	if applies, err := s.applies(item, now); err != nil || !applies {
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, item.Within)
	defer cancel()
	built, err := item.Build(now)
	if err != nil {
		return false, err
	}
	if state, err := built.Check(ctx, s.Host); err != nil || state == step.Met {
		return false, err
	}
	if item.Paths != nil {
		old, err := item.Build(before)
		if err != nil {
			return false, err
		}
		if state, err := old.Check(ctx, s.Host); err != nil || state != step.Met {
			s.Host.Report("warning: left " + item.ID + " as it is: somebody changed it since it was made")
			return false, nil
		}
	}
	return true, built.Apply(ctx, s.Host)
}

// restartedUnits are the units that the manifest starts or restarts.
func (s *Setup) restartedUnits() []string {
	var units []string
	for _, m := range s.Manifest.FirstBoot {
		if restarts(m) && !slices.Contains(units, m.Service) {
			units = append(units, m.Service)
		}
	}
	return units
}

func restarts(m manifest.Step) bool {
	return slices.Contains(m.Do, "restart") || slices.Contains(m.Do, "reload") || slices.Contains(m.Do, "start")
}

// redacted is an error without secrets; a power cut stays one.
func (s *Setup) redacted(err error) error {
	if err == nil || errors.Is(err, host.ErrPower) {
		return err
	}
	return errors.New(s.Redact.Redact(err.Error()))
}

// followDatabase takes another database, or another password, into a finished setup. Nothing is changed before the
// database took a login. What was cut off is begun again by the next run, because the change is noted last.
func followDatabase(ctx context.Context, s *Setup, j *journal.Journal) (Outcome, error) {
	err := s.takeDatabase(ctx, j)
	var wait *step.Wait
	s.scheduleRetry(ctx, errors.As(err, &wait))
	if wait != nil {
		return Waiting, err
	}
	if err != nil {
		return Broken, s.redacted(err)
	}
	state := j.State()
	s.showMessage()
	return finished(state), nil
}

func (s *Setup) takeDatabase(ctx context.Context, j *journal.Journal) error {
	if s.Managed != nil {
		if err := (&step.DatabaseLogin{Connection: *s.Managed}).Apply(ctx, s.Host); err != nil && !isSkip(err) {
			return err
		}
	}
	for _, item := range s.databaseItems() {
		bound, cancel := context.WithTimeout(ctx, min(item.Within, step.WaitWithin))
		built, err := item.Build(s.Data())
		if err == nil {
			err = built.Apply(bound, s.Host)
		}
		cancel()
		if err != nil && !isSkip(err) {
			return fmt.Errorf("%s: %w", item.ID, err)
		}
	}
	before := *s
	before.Managed, before.Keystore = nil, nil
	if old := s.known.Applied; old != nil {
		connection := old.connection()
		before.override = &connection
	}
	renewed, err := s.renew(ctx, &before, usesDatabase)
	if err != nil {
		return err
	}
	units := slices.Clone(s.Manifest.Database.Services)
	if len(renewed) > 0 || s.uses(usesDatabase) { // also where an earlier run, cut off, did all but this
		units = append(units, s.restartedUnits()...)
	}
	slices.Sort(units)
	if err := (&step.Refresh{Units: slices.Compact(units)}).Apply(ctx, s.Host); err != nil {
		return err
	}
	now, _ := s.Database()
	s.known.Applied = applied(now)
	if err := s.rememberDatabase(); err != nil {
		return err
	}
	message := fmt.Sprintf("uses the database %s at %s; %d steps were done again", now.Name, now.Host, len(renewed))
	s.Host.Report(message)
	return j.Append(journal.Event{Event: journal.Renewed, Message: message}, true)
}

func isSkip(err error) bool {
	var skip *step.Skip
	return errors.As(err, &skip)
}
