package facts

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"oneclick-agent/agent/database"
	"oneclick-agent/agent/droplet"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/journal"
	"oneclick-agent/agent/manifest"
	"oneclick-agent/agent/secret"
	"oneclick-agent/agent/state"
)

// readRecords takes up which secrets were made, and how the steps ended that have a name, by the records of this Droplet.
func (f *Facts) readRecords() error {
	f.made, f.Steps = nil, map[string]journal.StepState{}
	for _, path := range []string{state.Journal, state.LoginJournal} {
		record, err := journal.Read(f.Host.Files, path)
		if err != nil {
			return err
		}
		f.made = append(f.made, record.Made...)
		f.login = record.Phase // of the last one
		maps.Copy(f.Steps, record.StepStates())
	}
	return nil
}

// Hide keeps a value that is not in the store out of every text that leaves the program.
func (f *Facts) Hide(name, value string) { f.Redact.Add(name, secret.New(value)) }

// Secrets makes a redactor of every secret that is on a Droplet, without the manifest, for who looks at one that may be
// broken. Where not all of them can be told, that is an error, and the redactor knows the others.
func Secrets(files *host.Root) (*secret.Redactor, error) {
	redact := &secret.Redactor{}
	passwords, passwordsErr := database.Passwords(files)
	for _, password := range passwords {
		redact.Add("database password", password)
	}
	known, knownErr := readKnownDatabase(files)
	if known.Applied != nil {
		redact.Add("database password", secret.New(known.Applied.Password))
	}
	listedErr := redact.AddListed(files)
	store, err := secret.Open(files) // last: its names are those that count
	if err == nil {
		redact.AddStore(store)
		err = CheckStore(files, store)
	}
	return redact, errors.Join(err, listedErr, knownErr, passwordsErr)
}

// Outdated are the secrets whose description says something else with the facts of now than with those of before: a
// certificate for another address, a token with another claim.
func (f *Facts) Outdated(ctx context.Context, before *Facts) (names []string) {
	for _, name := range f.Store.Names() {
		spec := f.Manifest.Secrets[name]
		if spec == nil {
			continue
		}
		if outdated, known := f.Store.IsOutdated(f.Manifest, name, f.FillSecret(ctx)); known {
			if outdated {
				names = append(names, name)
			}
			continue
		}
		if slices.Contains(f.Store.Changing(), name) {
			continue
		}
		then, now := before.Filling(ctx), f.Filling(ctx)
		for _, template := range spec.Templates() {
			_, thenErr := then.Text(template)
			_, nowErr := now.Text(template)
			if thenErr != nil || nowErr != nil {
				continue // it could not have been made from that
			}
		}
		if then.Key() != now.Key() {
			names = append(names, name)
		}
	}
	return names
}

// lost are the secrets, and hidden answers, that were made and are not in the store any more.
func (f *Facts) lost() (names []string) {
	for _, name := range slices.Compact(slices.Sorted(slices.Values(f.made))) {
		if (f.Manifest.Secrets[name] != nil || f.isHiddenAnswer(name)) && !f.Store.Has(name) {
			names = append(names, strings.TrimPrefix(name, answers))
		}
	}
	return names
}

// answers begins the names under which the store has hidden answers.
const answers = "answers."

func (f *Facts) isHiddenAnswer(name string) bool { return slices.Contains(f.HiddenAnswers(), name) }

// IsLost reports whether a secret was made and is not in the store any more.
func (f *Facts) IsLost(name string) bool { return slices.Contains(f.lost(), name) }

// checkLost is an error where something is lost but these, which are to be made anew, and what is computed from others.
func (f *Facts) checkLost(anew ...string) error {
	lost := slices.DeleteFunc(f.lost(), func(name string) bool {
		spec := f.Manifest.Secrets[name]
		return slices.Contains(anew, name) || len(anew) > 0 && spec != nil && spec.Derive != ""
	})
	if len(lost) == 0 {
		return nil
	}
	return errLost(lost)
}

func errLost(names []string) error {
	return fmt.Errorf("cannot go on without the secrets %s: they were made before, and %s does not have them any more; "+
		"bring them back with: oneclick-agent secrets restore", strings.Join(names, ", "), state.Secrets)
}

// CheckStore reports what the records say was made and the store does not have, without the manifest.
func CheckStore(files *host.Root, store *secret.Store) error {
	var made []string
	for _, path := range []string{state.Journal, state.LoginJournal} {
		record, err := journal.Read(files, path)
		if err != nil {
			return err
		}
		made = append(made, record.Made...)
	}
	made = slices.DeleteFunc(made, store.Has)
	if len(made) == 0 {
		return nil
	}
	return errLost(made)
}

// Remake makes the secrets again that are computed from others, once all those are back in the store, and returns what is
// lost then. It is asked for by a person, after the store lost something.
func Remake(ctx context.Context, h *host.Host, m *manifest.Manifest, file string) (lost []string, err error) {
	f, err := gather(ctx, h, m, file, droplet.NoMetadata)
	if err != nil {
		return nil, err
	}
	lost = f.lost()
	if len(lost) == 0 || slices.ContainsFunc(lost, func(name string) bool { return m.Secrets[name] == nil || m.Secrets[name].Derive == "" }) {
		return lost, nil
	}
	login, err := journal.Read(h.Files, state.LoginJournal)
	if err != nil {
		return nil, err
	}
	_, err = f.Store.Ensure(m, login.Phase.Complete(), h.Now(), f.FillSecret(ctx))
	return f.lost(), err
}

// Ensure makes the secrets that can be made now and are not there. What was made once is never made again: where the
// store lost it, that is an error. Answered tells whether the answers of first login are complete.
func (f *Facts) Ensure(ctx context.Context, j *journal.Journal, answered bool) (made []string, err error) {
	if err := f.Store.Reload(); err != nil {
		return nil, err
	}
	f.made = append(f.made, j.State().Made...)
	if err := f.checkLost(); err != nil {
		return nil, err
	}
	if made, err = f.Store.Ensure(f.Manifest, answered, f.Host.Now(), f.FillSecret(ctx)); err != nil {
		return nil, err
	}
	f.Redact.AddStore(f.Store)
	if err := f.record(j); err != nil {
		return nil, err
	}
	return made, f.forgetCaptured()
}

// forgetCaptured removes what commands printed whose secrets are stored now.
func (f *Facts) forgetCaptured() error {
	for name, spec := range f.Manifest.Secrets {
		if !spec.Captured || !f.Store.Has(name) {
			continue
		}
		if err := f.Host.Files.Remove(path.Join(state.Captured, name)); err != nil {
			return err
		}
	}
	return nil
}

// HiddenAnswers are the names under which the records have the answers that nobody may see.
func (f *Facts) HiddenAnswers() (names []string) {
	if f.Manifest.FirstLogin == nil {
		return nil
	}
	for _, q := range f.Manifest.FirstLogin.Questions {
		if q.Hidden() {
			names = append(names, answers+q.Name)
		}
	}
	return names
}

// RecordAnswers notes the hidden answers as made, once they are applied.
func (f *Facts) RecordAnswers(j *journal.Journal) error {
	return f.recordNames(j, f.isHiddenAnswer)
}

// record notes the secrets that are there as made.
func (f *Facts) record(j *journal.Journal) error {
	return f.recordNames(j, func(name string) bool { return f.Manifest.Secrets[name] != nil })
}

func (f *Facts) recordNames(j *journal.Journal, wanted func(name string) bool) error {
	var fresh []string
	known := j.State().Made
	for _, name := range f.Store.Names() {
		if wanted(name) && !slices.Contains(known, name) && !slices.Contains(f.made, name) {
			fresh = append(fresh, name)
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	return j.Append(journal.Event{Event: journal.Made, Names: fresh}, true)
}

// Dependents are the names of secrets that were made, and of everything that is computed from one of them.
func (f *Facts) Dependents(names []string) []string {
	all := slices.Clone(names)
	for grown := true; grown; {
		grown = false
		for _, name := range f.Store.Names() {
			if slices.Contains(all, name) {
				continue
			}
			if slices.ContainsFunc(f.Manifest.SecretDependencies(name), func(need string) bool { return slices.Contains(all, need) }) {
				all, grown = append(all, name), true
			}
		}
	}
	return all
}
