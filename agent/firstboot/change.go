package firstboot

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"oneclick-agent/agent/database"
	"oneclick-agent/agent/engine"
	"oneclick-agent/agent/facts"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/journal"
	"oneclick-agent/agent/manifest"
	"oneclick-agent/agent/problem"
	"oneclick-agent/agent/state"
	"oneclick-agent/agent/upkeep"
)

// follow takes into a complete setup what changed since everything was made: another Droplet, another address, another
// database, new values of secrets, other answers. What was cut off is begun again by the next run, because the
// facts are noted last.
func follow(ctx context.Context, f *facts.Facts, j *journal.Journal) (journal.Phase, error) {
	before, changed, err := f.Before()
	if err != nil {
		return journal.Failed, err
	}
	record := j.State()
	event := journal.Event{Event: journal.Renewed, Droplet: f.Droplet.ID, Address: f.Droplet.Address()}
	if record.Droplet != f.Droplet.ID {
		event.Event, changed = journal.Cloned, true
	}
	if changed || !f.Host.Files.Missing(state.Changing) { // a change that was cut off may have been taken back since
		if event.Message, err = change(ctx, f, before, j, record); err != nil {
			return troubled(ctx, f, j, err)
		}
		event.Names = f.Store.Changing()
		all, replaced := Rotatable(f), append(record.Replaced, event.Names...)
		if event.Event == journal.Renewed && record.ClonedFrom != "" && len(all) > 0 && subset(all, replaced) {
			event.Event = journal.Rotated
		}
		f.Host.Report(event.Message)
		if err := j.Append(event, true); err != nil {
			return journal.Failed, err
		}
		if event.Event == journal.Cloned && len(all) == 0 { // a copy with nothing to part it from the other Droplet
			if err := j.Append(journal.Event{Event: journal.Rotated}, true); err != nil {
				return journal.Failed, err
			}
		}
		if err := f.Remember(); err != nil {
			return journal.Failed, err
		}
	} else if record.Troubled { // with a change that was taken back
		if err := j.Append(event, true); err != nil {
			return journal.Failed, err
		}
	}
	if err := f.Host.Files.Remove(state.Changing); err != nil {
		return journal.Failed, err
	}
	scheduleRetry(ctx, f, false)
	showMessage(f)
	return j.State().Phase, nil
}

// subset reports whether all of these are among those.
func subset(these, those []string) bool {
	return !slices.ContainsFunc(these, func(name string) bool { return !slices.Contains(those, name) })
}

// change carries one change out, and says what it was.
func change(ctx context.Context, f, before *facts.Facts, j *journal.Journal, record journal.State) (message string, err error) {
	if err := state.Mark(f.Host.Files, state.Changing); err != nil {
		return "", err
	}
	showMessage(f)
	work := &upkeep.Upkeep{Before: before, Now: f, Boot: j}
	login, err := journal.Read(f.Host.Files, state.LoginJournal)
	if err != nil {
		return "", err
	}
	if len(login.Steps) > 0 || login.Phase.Complete() {
		if work.Login, err = journal.Open(f.Host, state.LoginJournal); err != nil {
			return "", err
		}
		defer work.Login.Close()
	}
	if _, err := f.Ensure(ctx, j, login.Phase.Complete()); err != nil { // the manifest may name secrets that it did not before
		return "", err
	}
	if outdated := f.AsApplied().Outdated(ctx, before.AsApplied()); len(outdated) > 0 {
		if err := replace(ctx, f, f.AsApplied(), outdated); err != nil {
			return "", err
		}
	}
	before.Store = f.Store.Before()
	work.LoginBefore, work.LoginNow = before.AsApplied(), f.AsApplied()
	report, err := work.Run(ctx)
	if err != nil {
		return "", err
	}
	if login.Phase.Complete() {
		if err := f.RememberAnswers(); err != nil {
			return "", err
		}
		if err := work.Login.Append(journal.Event{Event: journal.Renewed}, true); err != nil {
			return "", err
		}
	}
	said := append(causes(f, before, record), fmt.Sprintf("%d steps were done again", len(report.Renewed)))
	if len(report.Left) > 0 {
		said = append(said, "left as they are: "+strings.Join(report.Left, ", "))
	}
	return strings.Join(said, "; "), nil
}

// replace gives secrets new values, and everything that is computed from them. They are filled in with what is known: where
// the questions are asked anew, what is made from the answers before still stands.
func replace(ctx context.Context, f, known *facts.Facts, names []string) error {
	login, err := journal.Read(f.Host.Files, state.LoginJournal)
	if err != nil {
		return err
	}
	answered := login.Phase != journal.Fresh || known != f
	if err := f.Store.Replace(f.Manifest, f.Dependents(names), answered, f.Host.Now(), known.FillSecret(ctx)); err != nil {
		return err
	}
	f.Redact.AddStore(f.Store)
	return nil
}

// causes say what changed.
func causes(f, before *facts.Facts, record journal.State) (causes []string) {
	if record.Droplet != f.Droplet.ID {
		causes = append(causes, "this Droplet is a copy of Droplet "+record.Droplet+": all secrets are kept")
	} else if f.Droplet.Moved(before.Droplet) {
		causes = append(causes, "this Droplet has another address, name or size")
	}
	if names := f.Store.Changing(); len(names) > 0 {
		causes = append(causes, "new values for "+strings.Join(names, ", "))
	}
	if now, ok := f.Database(); ok && f.DatabaseChanged() {
		causes = append(causes, "uses the database "+now.Name+" at "+now.Host)
	}
	if !maps.Equal(f.Answers.Values, before.Answers.Values) {
		causes = append(causes, "other answers")
	}
	return causes
}

// troubled notes that a change did not reach everything, for the next run, and for whoever asks.
func troubled(ctx context.Context, f *facts.Facts, j *journal.Journal, cause error) (journal.Phase, error) {
	if errors.Is(cause, host.ErrPower) || ctx.Err() != nil {
		return journal.Failed, cause
	}
	phase := journal.Failed
	event := journal.Event{Event: journal.Troubled, Step: stepOf(cause), Cause: (&engine.Engine{Facts: f}).Explain(cause)}
	reason := errors.New(f.Redact.Redact(cause.Error()))
	var pending *engine.Pending
	if wait, ok := isWait(cause); ok {
		phase, event.Cause, event.Next, reason = journal.Pending, engine.CauseOf(wait), nextTry(f.Host, 0), errors.New(wait.Error())
		if errors.As(cause, &pending) {
			event.Step = pending.Step
		}
	}
	if err := j.Append(event, true); err != nil {
		return journal.Failed, err
	}
	scheduleRetry(ctx, f, phase == journal.Pending)
	showMessage(f)
	return phase, reason
}

// CheckRotation finds all that is wrong with the names of secrets to rotate. With lost, they are such whose values are
// nowhere any more.
func CheckRotation(f *facts.Facts, names []string, lost bool) error {
	var problems problem.List
	for _, name := range names {
		if message, hint := cannotRotate(f, name, lost); message != "" {
			problems = append(problems, problem.Problem{Position: problem.Position{File: name}, Message: message, Hint: hint})
		}
	}
	return problems.Err()
}

// cannotRotate says why a secret's value cannot be replaced here and now.
func cannotRotate(f *facts.Facts, name string, lost bool) (message, hint string) {
	secret, ok := f.Manifest.Secrets[name]
	spec := f.Manifest.Database
	isAdmins := slices.ContainsFunc(f.LocalAdmins(), func(a manifest.Admin) bool {
		return a.Password == name && (a.User == "root" || spec.Main()[0] == "mongodb")
	})
	switch {
	case !ok:
		return "there is no such secret", problem.DidYouMean(name, slices.Sorted(maps.Keys(f.Manifest.Secrets)))
	case secret.Captured:
		return "was given out by a command of the image", "only the app itself can change it"
	case isAdmins:
		return "is the password of an administrator of this Droplet's own server, which only that one can change", "change it there"
	case secret.Derive != "":
		return "is computed from " + secret.From, "rotate " + secret.From
	case lost && !f.IsLost(name):
		return "is not lost", "rotate it without --lost"
	case !lost && !f.Store.Has(name):
		return "is not made yet", "finish the setup first; see: oneclick-agent status"
	case spec == nil:
	case (f.Unusable != nil || f.Awaited != "") && isAccount(f, name):
		return "is the password of the database, whose credentials cannot be used now", "see: oneclick-agent database test"
	case f.Managed == nil && spec.Local != nil && spec.Local.Password == name &&
		slices.Contains([]string{"valkey", "mongodb"}, spec.Main()[0]):
		return "is the password of this Droplet's own " + spec.Main()[0] + " server, which only its user can change", "change it there"
	case f.HasRole() && spec.Role.Password == name && f.Host.Files.Missing(database.CredentialsPath):
		return "is the password of an account on the managed cluster, whose administrator is not known here any more",
			"write the cluster's credentials into " + database.CredentialsPath
	}
	return "", ""
}

// isAccount reports whether a secret is the password of an account of the database.
func isAccount(f *facts.Facts, name string) bool {
	spec := f.Manifest.Database
	return spec.Local != nil && spec.Local.Password == name || spec.Role != nil && spec.Role.Password == name
}

// Rotate gives secrets new values, and everything computed from them, and does again every step that uses one of them.
// A rotation that was cut off goes on with the next call, or at the next boot.
func Rotate(ctx context.Context, f *facts.Facts, names []string) (journal.Phase, error) {
	phase := journal.Failed
	err := exclusively(ctx, f, "rotate", func(j *journal.Journal) (err error) {
		if record := j.State(); !record.Phase.Complete() {
			phase = journal.Pending
			return errors.New("cannot rotate secrets before first boot is done; see: oneclick-agent status")
		}
		phase, err = rotate(ctx, f, j, names)
		return err
	})
	if errors.Is(err, errBusy) {
		return journal.Pending, err
	}
	return phase, err
}

func rotate(ctx context.Context, f *facts.Facts, j *journal.Journal, names []string) (journal.Phase, error) {
	if record := j.State(); record.Droplet != f.Droplet.ID { // a copy is taken over first, so that this rotation can end it
		if phase, err := follow(ctx, f, j); err != nil {
			return phase, err
		}
	}
	if begun := f.Store.Changing(); len(begun) > 0 { // of a rotation that was cut off
		phase, err := follow(ctx, f, j)
		if err != nil {
			return phase, err
		}
		names = slices.DeleteFunc(slices.Clone(names), func(name string) bool { return slices.Contains(begun, name) })
		if len(names) == 0 {
			return phase, nil
		}
	}
	if err := state.Mark(f.Host.Files, state.Changing); err != nil {
		return journal.Failed, err
	}
	if err := replace(ctx, f, f.AsApplied(), names); err != nil {
		return journal.Failed, err
	}
	return follow(ctx, f, j)
}

// Rotatable are the secrets that a rotation of all takes.
func Rotatable(f *facts.Facts) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(f.Manifest.Secrets)) {
		if spec := f.Manifest.Secrets[name]; f.Store.Has(name) && !spec.Captured && spec.Derive == "" {
			names = append(names, name)
		}
	}
	return names
}
