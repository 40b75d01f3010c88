package facts

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"oneclick-agent/agent/host"
	"oneclick-agent/agent/journal"
	"oneclick-agent/agent/state"
)

// readMade are the names of the secrets that the records of this Droplet say were made.
func readMade(files *host.Root) (made []string, err error) {
	for _, path := range []string{state.Journal, state.LoginJournal} {
		record, err := journal.Read(files, path)
		if err != nil {
			return nil, err
		}
		made = append(made, record.Made...)
	}
	return made, nil
}

// Ensure makes the secrets that can be made now and are not there. What was made once is never made again: where the
// store lost it, that is an error. Answered tells whether the answers of first login are complete.
func (f *Facts) Ensure(ctx context.Context, j *journal.Journal, answered bool) (made []string, err error) {
	if err := f.Store.Reload(); err != nil {
		return nil, err
	}
	var lost []string
	for _, name := range slices.Compact(slices.Sorted(slices.Values(slices.Concat(f.made, j.State().Made)))) {
		if f.Manifest.Secrets[name] != nil && !f.Store.Has(name) {
			lost = append(lost, name)
		}
	}
	if len(lost) > 0 {
		return nil, fmt.Errorf("cannot go on without the secrets %s: they were made before, and %s does not have them any more; "+
			"bring them back with: oneclick-agent secrets restore", strings.Join(lost, ", "), state.Secrets)
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

// record notes the secrets that are there as made.
func (f *Facts) record(j *journal.Journal) error {
	var fresh []string
	known := j.State().Made
	for _, name := range f.Store.Names() {
		if f.Manifest.Secrets[name] != nil && !slices.Contains(known, name) && !slices.Contains(f.made, name) {
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
