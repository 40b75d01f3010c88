package snapshot

import (
	"context"
	"fmt"
	"io"
	"path"
	"strings"

	"oneclick-agent/agent/disk"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/scan"
)

// secretGroups are the checks of the secret scan, one for each group of its rules.
var secretGroups = []struct{ group, reason, remedy string }{
	{
		"private_key",
		"a private key that everybody with a Droplet of the image would have",
		"remove it, and make it at first boot: secrets: {NAME: {format: ed25519}}",
	},
	{"token", "a token that lets everybody with a Droplet of the image act as its owner", "revoke it, and remove it from the file"},
	{"url_password", "an address with a password in it", "take the password out; at first boot, {{ .database.url }} is the Droplet's own"},
	{"own_value", "a secret of this machine stands in a file", "remove the file, or have first boot write it"},
	{"password", "a password in a configuration, as no package brought it", "have first boot make it: secrets: {NAME: {}}"},
	{"default_password", "a password that everybody tries first", "have first boot make another one: secrets: {NAME: {}}"},
}

func secretEntries() (entries []Entry) {
	for _, g := range secretGroups {
		entries = append(entries, Entry{
			ID: "secrets." + g.group, Severity: Critical, Mode: ReportOnly, Reason: g.reason, Remedy: g.remedy,
			Touches: []string{"every file that goes into the snapshot"},
			Find: func(ctx context.Context, i *Image) ([]Subject, error) {
				if i.SkipSecrets {
					return nil, errSkipped
				}
				return i.treeFindings(ctx, g.group)
			},
		})
	}
	return append(entries, Entry{
		ID: "secrets.unread", Severity: Medium, Mode: ReportOnly, Reason: "the file cannot be read, so that nobody knows what is in it",
		Remedy: "make it readable, or accept it", Touches: []string{"every file that goes into the snapshot"},
		Find: func(ctx context.Context, i *Image) ([]Subject, error) { return i.treeFindings(ctx, walkUnread) },
	})
}

// unscanned is what cleaning takes away, and what has a finding of its own where it is left.
var unscanned = []string{"/var/lib/apt/lists"}

// isScanned reports whether secrets are looked for in the entry.
func isScanned(entry *host.Entry) bool {
	return entry.IsRegular() && entry.Stat.Size > 0 && directoryOf(entry.Path, unscanned) == ""
}

// directoryOf is the one of the directories that the file is in, "" for none.
func directoryOf(file string, directories []string) string {
	for _, directory := range directories {
		if strings.HasPrefix(file, directory+"/") {
			return directory
		}
	}
	return ""
}

// largeArchive is the size from which on a file that holds others is told while it is read, in bytes.
const largeArchive = 256 << 20

// scanFile finds the secrets of one file, in a Subject for each group. Every byte is read; whether a package brought the
// file, and nobody changed it, is asked only where something was found, or others are in it.
func (w *walk) scanFile(ctx context.Context, entry *host.Entry) map[string]Subject {
	found := secretsOf{file: entry.Path}
	content, err := entry.Content()
	if err != nil {
		found.unread("", err.Error())
		return found.subjects
	}
	buffer := w.buffers.Get().(*scan.Buffer)
	defer w.buffers.Put(buffer)
	size := int64(entry.Stat.Size)
	err = w.scanner.Scan(ctx, scan.File{
		Path: entry.Path, Reader: disk.NewSparseReader(content, size, int64(entry.Stat.Blocks)*512), At: content, Size: size,
		Trusted: func() bool {
			vouched := w.image.packages.vouchesFor(entry.Path, io.NewSectionReader(content, 0, size))
			if !vouched && size > largeArchive {
				w.image.Report(fmt.Sprintf("looking into %s (%d MB)", entry.Path, size>>20))
			}
			return vouched
		},
		Report: found.add, Unread: found.unread,
	}, buffer)
	if err != nil && ctx.Err() == nil {
		found.unread("", err.Error())
	}
	return found.told()
}

// secretsOf collects the findings of one file: the worst one of each group is told, and how many more there are.
type secretsOf struct {
	file     string
	subjects map[string]Subject // nil as long as there are none, as with nearly every file
	more     map[string]int
}

func (s *secretsOf) add(f scan.Finding) {
	place := fmt.Sprintf("at byte %d", f.Offset)
	if f.Line > 0 {
		place = fmt.Sprintf("in line %d", f.Line)
	}
	if f.Inside != "" {
		place += " of " + f.Inside
	}
	message := fmt.Sprintf("%s %s: %s", f.Rule.What, place, f.Sample)
	s.keep(f.Rule.Group, Subject{Name: s.file, Status: statusOf(f, s.file), Message: message})
}

// keep remembers the first of the worst of a kind.
func (s *secretsOf) keep(kind string, subject Subject) {
	if s.subjects == nil {
		s.subjects, s.more = map[string]Subject{}, map[string]int{}
	}
	first, there := s.subjects[kind]
	if there {
		s.more[kind]++
	}
	if !there || rank(first.Status) > rank(subject.Status) {
		s.subjects[kind] = subject
	}
}

// statusOf is the verdict on a finding: a live secret fails, a likely one warns, and what depends on what somebody meant by
// it is a note.
func statusOf(f scan.Finding, file string) Status {
	switch {
	case f.Certainty == scan.Possible:
		return Note
	case f.Certainty != scan.Live || path.Base(file) == snakeOil: // a layer of a container has its own
		return Warn
	}
	return Fail
}

func (s *secretsOf) unread(inside, why string) {
	if inside != "" {
		why = inside + " in it is not read: " + why
	}
	s.keep(walkUnread, Subject{Name: s.file, Status: Unknown, Message: why})
}

func (s *secretsOf) told() map[string]Subject {
	for group, n := range s.more {
		subject := s.subjects[group]
		subject.Message += fmt.Sprintf(", and %d more", n)
		s.subjects[group] = subject
	}
	return s.subjects
}
