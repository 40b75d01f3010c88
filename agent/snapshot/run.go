package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"
	"unicode"

	"oneclick-agent/agent/host"
	"oneclick-agent/agent/manifest"
	"oneclick-agent/agent/problem"
	"oneclick-agent/agent/render"
	"oneclick-agent/agent/state"
)

// Options say what a run is to do.
type Options struct {
	CheckOnly bool // change nothing, only look
	DryRun    bool // say what cleaning would do, and change nothing
	NoErase   bool // leave free space as it is
}

// eraseEntry is the one that Options.NoErase leaves out.
const eraseEntry = "disk.free_space"

var errSkipped = errors.New("the secret scan was left out")

// Run cleans and checks, or does what the options say instead. An error means that it was interrupted; it can be
// started again at any time.
func Run(ctx context.Context, i *Image, o Options) (Report, error) {
	if i.Files.Locked(state.Lock) {
		return Report{}, errors.New("cannot judge the image: first boot is at work on it; follow it with: oneclick-agent status --wait")
	}
	if i.Live() && !o.CheckOnly && !o.DryRun {
		lock, err := i.lock()
		if err != nil {
			return Report{}, err
		}
		defer lock.Close()
	}
	report := Report{Cleaned: []Cleaned{}, Checks: []Check{}}
	if o.DryRun {
		i.updates = &updates{err: errors.New("a dry run asks nobody")}
	}
	i.lookForUpdates(ctx) // while the name servers are still there
	if err := i.markFirstBoot(o); err != nil {
		return report, err
	}
	var failed []Check
	if !o.CheckOnly {
		var err error
		if report.Cleaned, failed, err = i.clean(ctx, o); err != nil {
			return report, err
		}
		if o.DryRun {
			report.Marketplace = i.judgeAsScript(ctx)
			return report, nil
		}
	}
	if err := i.check(ctx, &report); err != nil {
		return report, err
	}
	for _, f := range failed { // why it is still there says more than that it is
		at := slices.IndexFunc(report.Checks, func(c Check) bool { return c.ID == f.ID && c.Subject == f.Subject })
		if at >= 0 {
			report.Checks[at] = f
		} else {
			report.Checks = append(report.Checks, f)
		}
	}
	report.Marketplace = i.judgeAsScript(ctx)
	report.sum()
	return report, nil
}

// markFirstBoot keeps the knowledge that first boot ran here, which the state that is about to be removed has: what it
// wrote elsewhere is still there when this is run again.
func (i *Image) markFirstBoot(o Options) error {
	if o.CheckOnly || o.DryRun || i.ranHere == "" || i.ranHere == state.RanOnImage {
		return nil
	}
	text := fmt.Sprintf(
		"First boot ran on this machine before the snapshot (%s, seen %s). Files that it wrote hold this machine's "+
			"secrets.\nBuild the image anew; or, when nothing of it is left, remove this file.\n",
		i.ranHere,
		i.Now().UTC().Format(time.DateOnly),
	)
	_, err := i.Files.WriteFile(state.RanOnImage, []byte(text), host.Mode(0o644))
	return err
}

// lock keeps a second run out. It is in memory, where no snapshot has it.
func (i *Image) lock() (io.Closer, error) {
	if err := i.Files.MakeDirectory(path.Dir(state.SnapshotLock), host.Mode(0o755)); err != nil {
		return nil, err
	}
	lock, err := i.Files.Lock(state.SnapshotLock)
	if errors.Is(err, host.ErrLocked) {
		return nil, errors.New("cannot clean the image: another pre-snapshot is at work on it")
	}
	return lock, err
}

// clean deals with the subjects of every entry that applies, in the catalogue's order.
func (i *Image) clean(ctx context.Context, o Options) (cleaned []Cleaned, failed []Check, _ error) {
	cleaned = []Cleaned{}
	for _, entry := range Catalogue() {
		if !entry.Cleans() || entry.ID == eraseEntry && o.NoErase {
			continue
		}
		subjects, err := entry.find(ctx, i)
		if err != nil {
			failed = append(failed, undetermined(&entry, err))
			continue
		}
		subjects = slices.DeleteFunc(subjects, func(s Subject) bool {
			return !i.chosen(&entry, s.Name) || i.accepted(entry.ID, s.Name) != nil || o.DryRun && goneBefore(cleaned, s.Name)
		})
		if len(subjects) == 0 {
			continue
		}
		if entry.Guard != nil {
			if why := entry.Guard(i); why != "" {
				for _, s := range subjects {
					failed = append(
						failed,
						told(&entry, s, "it was kept: "+why, "see to it that it may go, or accept it in the manifest"),
					)
				}
				continue
			}
		}
		done, wrong, err := i.cleanEntry(ctx, &entry, subjects, o)
		cleaned, failed = append(cleaned, done...), append(failed, wrong...)
		if err != nil {
			return cleaned, failed, err
		}
	}
	if o.DryRun {
		return cleaned, failed, nil
	}
	return cleaned, failed, i.Files.SyncAll()
}

// undetermined is the finding of an entry that could not look.
func undetermined(entry *Entry, err error) Check {
	return Check{
		ID:       entry.ID,
		Status:   Unknown,
		Message:  "it could not be determined: " + problem.OneLine(err.Error()),
		Severity: entry.Severity,
		Why:      entry.Reason,
	}
}

// told is a finding about a subject that cleaning could not or would not deal with.
func told(entry *Entry, s Subject, message, remedy string) Check {
	return Check{
		ID:       entry.ID,
		Status:   entry.status(s),
		Subject:  problem.OneLine(s.Name),
		Message:  problem.OneLine(message),
		Remedy:   remedy,
		Severity: entry.Severity,
		Why:      entry.Reason,
	}
}

// goneBefore reports whether an entry that comes earlier in a plan deals with the subject, or removes a directory that
// it is in.
func goneBefore(cleaned []Cleaned, subject string) bool {
	return slices.ContainsFunc(cleaned, func(c Cleaned) bool {
		return c.Subject == subject && c.Action != Edit || c.Action == Remove && strings.HasPrefix(subject, c.Subject+"/")
	})
}

func (i *Image) cleanEntry(
	ctx context.Context,
	entry *Entry,
	subjects []Subject,
	o Options,
) (cleaned []Cleaned, failed []Check, _ error) {
	if !o.DryRun {
		i.Report(fmt.Sprintf("cleaning %-28s %d", entry.ID, len(subjects)))
		if i.Live() && entry.Prepare != nil {
			entry.Prepare(ctx, i)
		}
	}
	for _, s := range subjects {
		if !o.DryRun {
			err := entry.clean(ctx, i, s.Name, false)
			if ctx.Err() != nil {
				return cleaned, failed, errors.New("interrupted; what was cleaned stays so, and the rest is done when you run this again")
			}
			if err != nil {
				failed = append(
					failed,
					told(entry, s, "it could not be cleaned: "+err.Error(), "deal with it by hand, then run this again"),
				)
				continue
			}
		}
		cleaned = append(cleaned, Cleaned{entry.ID, s.Name, entry.Action})
	}
	i.changed()
	return cleaned, failed, nil
}

// chosen reports whether a subject is to be cleaned by mode and manifest.
func (i *Image) chosen(entry *Entry, subject string) bool {
	if entry.Mode != Optional {
		return true
	}
	if i.Manifest == nil || i.Manifest.PreSnapshot == nil {
		return false
	}
	return slices.ContainsFunc(i.Manifest.PreSnapshot.Clean, func(c manifest.Choice) bool {
		// Accounts are named one by one: "all of them" is never meant.
		return c.ID == entry.ID && (c.Subject == subject || c.Subject == "" && entry.ID != "users.build_account")
	})
}

// accepted is the manifest's acceptance of a finding, nil without one. What is accepted is not cleaned either.
func (i *Image) accepted(id, subject string) *manifest.Accept {
	if i.Manifest == nil || i.Manifest.PreSnapshot == nil {
		return nil
	}
	for n, accept := range i.Manifest.PreSnapshot.Accept {
		if accept.Check == id && (accept.Subject == "" || accept.Subject == subject) {
			if i.used != nil {
				i.used[n] = true
			}
			return &accept
		}
	}
	return nil
}

// check asks every entry what it finds.
func (i *Image) check(ctx context.Context, report *Report) error {
	ctx, cancel := context.WithCancel(ctx)
	i.walk = i.startWalk(ctx)
	defer func() {
		cancel()
		<-i.walk.done
	}()
	reported := map[string]bool{}
	i.used = map[int]bool{}
	for _, entry := range Catalogue() {
		if entry.Silent {
			continue
		}
		subjects, err := entry.find(ctx, i)
		if ctx.Err() != nil {
			return errors.New("interrupted; nothing was changed by the check")
		}
		if err != nil {
			report.Checks = append(report.Checks, undetermined(&entry, err))
			continue
		}
		if strings.HasPrefix(entry.ID, "secrets.") { // what another check told already is told once
			subjects = slices.DeleteFunc(slices.Clone(subjects), func(s Subject) bool { return reported[s.Name] })
		}
		if len(subjects) == 0 {
			report.Checks = append(
				report.Checks,
				Check{ID: entry.ID, Status: Pass, Message: "nothing found: " + entry.Reason, Severity: entry.Severity, Why: entry.Reason},
			)
		}
		for _, s := range subjects {
			check := i.judge(&entry, s, len(subjects) == 1)
			reported[s.Name] = reported[s.Name] || entry.tellsSecret() && (check.Status == Fail || strings.HasPrefix(entry.ID, "keys."))
			report.Checks = append(report.Checks, check)
		}
	}
	report.Checks = append(report.Checks, i.unusedAcceptances()...)
	return nil
}

// unusedAcceptances are what the manifest accepts and nothing finds: a mistake in a name, or something that was mended.
func (i *Image) unusedAcceptances() (checks []Check) {
	if i.Manifest == nil || i.Manifest.PreSnapshot == nil {
		return nil
	}
	for n, accept := range i.Manifest.PreSnapshot.Accept {
		if !i.used[n] {
			checks = append(checks, Check{
				ID:       "vendor.accept",
				Status:   Warn,
				Subject:  problem.OneLine(strings.TrimSpace(accept.Check + " " + accept.Subject)),
				Severity: Low,
				Message:  "the manifest accepts it, and nothing was found that this is about", Remedy: "name the subject as " +
					"the report does, or take the line out",
				Why: "an acceptance silences exactly one finding; one that silences none is a mistake",
			})
		}
	}
	return checks
}

// judge turns one subject into a finding. An acceptance silences exactly one: without a subject only one that is alone.
func (i *Image) judge(entry *Entry, s Subject, alone bool) Check {
	check := Check{
		ID:       entry.ID,
		Status:   entry.status(s),
		Subject:  s.Name,
		Message:  s.Message,
		Remedy:   s.Remedy,
		Severity: entry.Severity,
		Why:      entry.Reason,
	}
	if check.Message == "" {
		check.Message = entry.Reason
	}
	if check.Remedy == "" {
		check.Remedy = entry.Remedy
	}
	if check.Remedy == "" && entry.Cleans() {
		check.Remedy = cleansIt
		if entry.Mode == Optional {
			check.Remedy = fmt.Sprintf("pre_snapshot: {clean: [{id: %s}]}", entry.ID)
		}
	}
	check.Remedy = strings.ReplaceAll(check.Remedy, subjectMark, quoted(s.Name))
	if accept := i.accepted(entry.ID, s.Name); accept != nil && (accept.Subject != "" || alone) {
		check.Accepted = problem.OneLine(strings.TrimSpace(accept.Reason))
		check.Status, check.Message, check.Remedy = Pass, "accepted: "+check.Accepted+" ("+check.Message+")", ""
	}
	check.Subject, check.Message, check.Remedy = problem.OneLine(
		check.Subject,
	), problem.OneLine(
		check.Message,
	), problem.OneLine(
		check.Remedy,
	)
	return check
}

const (
	// cleansIt is the remedy for what cleaning deals with.
	cleansIt = "oneclick-agent pre-snapshot"
	// subjectMark stands in remedies for the subject.
	subjectMark = "{subject}"
)

// quoted is a path or a name as it can be typed into a shell.
func quoted(name string) string {
	if strings.ContainsFunc(name, func(r rune) bool {
		return !strings.ContainsRune("/._-@+:", r) && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}) {
		if safe, err := render.Shell(name); err == nil {
			return safe
		}
	}
	return name
}
