// Package snapshot makes a machine fit to be snapshotted as a Marketplace image: it cleans it, erases what is left in
// free space, and checks it. What is cleaned and what is checked is one catalogue: each entry finds its subjects, and
// the same finding serves the plan, the cleaning, and the check that nothing is left.
package snapshot

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"oneclick-agent/agent/disk"
)

// Severity says what is at stake when a subject is left behind.
type Severity string

// The severities.
const (
	Critical Severity = "critical" // gives access, or ships a live secret
	High     Severity = "high"     // breaks what must differ between machines, or ships private data
	Medium   Severity = "medium"   // functional trouble, or tells about the build
	Low      Severity = "low"      // size and noise
)

// Mode says whether an entry's subjects are cleaned.
type Mode string

// The modes.
const (
	Default    Mode = "default"  // always cleaned
	Guarded    Mode = "guarded"  // cleaned unless its guard finds a reason not to
	Optional   Mode = "optional" // cleaned where the manifest's pre_snapshot.clean names it
	ReportOnly Mode = "report"   // never cleaned, only reported
)

// Action is what cleaning does with a subject.
type Action string

// The actions.
const (
	Remove     Action = "remove"
	Empty      Action = "empty" // keeps the file, its owner and mode
	Edit       Action = "edit"  // changes some lines and keeps the rest
	Purge      Action = "purge" // has the package manager take it away
	Zero       Action = "zero"  // overwrites, and keeps the place
	RunCommand Action = "run"
)

// Status is the verdict on one subject.
type Status string

// The verdicts, by one rule: a way in, a live secret, or what keeps the image's Droplets from working fails; what is
// likely one warns; what depends on what the vendor intends is a note. Unknown is for what could not be determined, and
// is never a pass.
const (
	Pass    Status = "pass"
	Note    Status = "note"
	Warn    Status = "warn"
	Fail    Status = "fail"
	Unknown Status = "unknown"
)

// Entry is one line of the catalogue.
type Entry struct {
	ID       string // ssh.host_keys: how the report, the docs and the manifest name it
	Severity Severity
	Mode     Mode
	Action   Action
	Reason   string // in one line, why this must not be in an image, or why it must be so
	// Touches are the paths that it is about: "~" stands for every account's home, "*" for part of a name, "**" for any
	// depth. Where Find is set they are only for people to read.
	Touches []string
	Remedy  string // what mends a finding that cleaning does not
	// Left is the verdict on a subject that is still there; Fail or Warn by severity where it is not set.
	Left Status

	// Find lists the subjects; where it is nil, the paths of Touches that exist are.
	Find func(context.Context, *Image) ([]Subject, error)
	// Holds tells a subject that counts from one that does not; nil takes all.
	Holds func(*Image, string) bool
	// Guard returns why the subjects had better stay, "" where they may go.
	Guard func(*Image) string
	// Clean cleans one subject where Action alone does not say how.
	Clean func(context.Context, *Image, string) error
	// Prepare comes before the subjects are cleaned on a running machine: it stops what would write them again.
	Prepare func(context.Context, *Image)
	// Returns marks what a machine writes again until it is off. It is cleaned once more at the very end of the shutdown.
	Returns bool
	// Silent entries are no findings when they are left: size and noise that an image may have.
	Silent bool
	// LiveOnly entries look at the running machine, and have nothing to say of a directory tree.
	LiveOnly bool
}

// Subject is what one finding is about.
type Subject struct {
	Name    string // a path, an account or a unit
	Message string // what is wrong with it; the entry's reason where it is empty
	Remedy  string
	Status  Status
}

// status is the verdict on a subject of the entry that is there.
func (e *Entry) status(s Subject) Status {
	switch {
	case s.Status != "":
		return s.Status
	case e.Left != "":
		return e.Left
	case e.Severity == Critical || e.Severity == High:
		return Fail
	}
	return Warn
}

// Cleans reports whether the entry's subjects are ever cleaned.
func (e *Entry) Cleans() bool { return e.Mode != ReportOnly }

// tellsSecret reports whether a finding of the entry says already that a file holds a secret, so that the secret scan
// need not say it again: what is removed whole, and what is a key by its place.
func (e *Entry) tellsSecret() bool {
	group, _, _ := strings.Cut(e.ID, ".")
	return e.Cleans() && e.Action == Remove || group == "keys" || group == "enrolment" || e.ID == "ssh.other_keys" ||
		e.ID == "secrets.of_packages"
}

// Catalogue is everything that is cleaned and checked, in the order in which it is done.
func Catalogue() []Entry {
	return slices.Concat(
		vendorEntries(),
		digitalOceanEntries(),
		packageEntries(),
		firstBootEntries(),
		sshKeyEntries(),
		sshdEntries(),
		sudoEntries(),
		accountEntries(),
		loginEntries(),
		bootEntries(),
		serviceEntries(),
		identityEntries(),
		storageAndProductEntries(),
		networkEntries(),
		cloudInitEntries(),
		homeEntries(),
		credentialEntries(),
		enrolmentEntries(),
		spoolEntries(),
		cleanHookEntries(),
		logEntries(),
		systemEntries(),
		firewallEntries(),
		listingEntries(),
		secretEntries(),
		diskEntries(),
	)
}

// IDs are the names of all entries, for the manifest to be checked against.
func IDs() []string {
	var ids []string
	for _, entry := range Catalogue() {
		ids = append(ids, entry.ID)
	}
	return ids
}

// find lists the entry's subjects that are there, each once.
func (e *Entry) find(ctx context.Context, image *Image) ([]Subject, error) {
	if e.LiveOnly && !image.Live() {
		return nil, nil
	}
	var subjects []Subject
	if e.Find != nil {
		found, err := e.Find(ctx, image)
		if err != nil {
			return nil, err
		}
		subjects = found
	} else {
		for _, touch := range e.Touches {
			for _, path := range image.expand(touch) {
				subjects = append(subjects, Subject{Name: path})
			}
		}
	}
	seen := map[string]bool{}
	return slices.DeleteFunc(subjects, func(s Subject) bool {
		key := s.Name
		if strings.HasPrefix(key, "/") {
			key = image.realPath(key)
		}
		drop := seen[key] || e.Holds != nil && !e.Holds(image, s.Name)
		seen[key] = true
		return drop
	}), nil
}

// clean deals with one subject.
func (e *Entry) clean(ctx context.Context, image *Image, subject string, wipe bool) error {
	if strings.HasPrefix(subject, "/") && e.Action != Zero && image.mounted(subject) {
		return fmt.Errorf(
			"cannot %s %s: something is mounted there that is no part of the image, or that cannot be told",
			e.Action,
			subject,
		)
	}
	if e.Clean == nil {
		if isProtected(subject) {
			return fmt.Errorf("cannot %s %s: the image is made for it, and it always stays", e.Action, subject)
		}
		if real := image.throughLink(subject); real != "" {
			return fmt.Errorf("cannot %s %s: a link leads to it, and it is %s; deal with that by hand", e.Action, subject, real)
		}
	}
	switch {
	case e.Clean != nil:
		return e.Clean(ctx, image, subject)
	case e.Action == Empty:
		return disk.Empty(image.Files, subject, wipe)
	default:
		return disk.Discard(image.Files, subject, wipe)
	}
}
