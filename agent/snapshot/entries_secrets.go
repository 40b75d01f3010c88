package snapshot

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"sync"

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
				if err := i.scanForSecrets(ctx); err != nil {
					return nil, err
				}
				return i.secrets.found[g.group], nil
			},
		})
	}
	return append(entries, Entry{
		ID: "secrets.unread", Severity: Medium, Mode: ReportOnly, Reason: "the file cannot be read, so that nobody knows what is in it",
		Remedy: "make it readable, or accept it", Touches: []string{"every file that goes into the snapshot"},
		Find: func(context.Context, *Image) ([]Subject, error) { return nil, nil },
	})
}

// secretScan is the outcome of the scan.
type secretScan struct {
	found map[string][]Subject // by group
}

// unscanned is what cleaning takes away, and what has a finding of its own where it is left.
var unscanned = []string{"/var/lib/apt/lists"}

// scanForSecrets reads every byte that goes into the snapshot once. What a package brought and nobody changed is
// passed over; only files with a finding, or with others in them, are compared with their package.
func (i *Image) scanForSecrets(ctx context.Context) error {
	if i.secrets != nil {
		return nil
	}
	result := &secretScan{found: map[string][]Subject{}}
	scanner := scan.New(i.Known)
	buffers := sync.Pool{New: func() any { return scan.NewBuffer() }}
	var mu sync.Mutex
	err := i.walkEverything(ctx, func(entry *host.Entry) {
		if !entry.IsRegular() || entry.Stat.Size == 0 || slices.Contains(unscanned, directoryOf(entry.Path, unscanned)) {
			return
		}
		buffer := buffers.Get().(*scan.Buffer)
		defer buffers.Put(buffer)
		findings := i.scanFile(ctx, scanner, buffer, entry)
		mu.Lock()
		defer mu.Unlock()
		for group, subject := range findings {
			result.found[group] = append(result.found[group], subject)
		}
	})
	if err != nil {
		return err
	}
	for _, subjects := range result.found {
		slices.SortFunc(subjects, func(a, b Subject) int { return cmp.Compare(a.Name, b.Name) })
	}
	i.secrets = result
	return nil
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

// scanFile finds the secrets of one file, in a Subject for each group; "unread" is what of it could not be looked at.
func (i *Image) scanFile(ctx context.Context, scanner *scan.Scanner, buffer *scan.Buffer, entry *host.Entry) map[string]Subject {
	found := secretsOf{file: entry.Path, subjects: map[string]Subject{}, more: map[string]int{}}
	file, err := entry.Open()
	if err != nil {
		found.unread("", err.Error())
		return found.subjects
	}
	defer file.Close()
	err = scanner.Scan(ctx, scan.File{
		Path: entry.Path, Reader: disk.NewSparseReader(file, int64(entry.Stat.Size)), At: file, Size: int64(entry.Stat.Size),
		Trusted: func() bool {
			vouched := i.packages.vouchesFor(entry.Path, io.NewSectionReader(file, 0, int64(entry.Stat.Size)))
			if !vouched && entry.Stat.Size > largeArchive {
				i.Report(fmt.Sprintf("looking into %s (%d MB)", entry.Path, entry.Stat.Size>>20))
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
	subjects map[string]Subject
	more     map[string]int
}

func (s *secretsOf) add(f scan.Finding) {
	group := f.Rule.Group
	first, there := s.subjects[group]
	status := statusOf(f, s.file)
	if there {
		s.more[group]++
		if rank(first.Status) <= rank(status) {
			return
		}
	}
	place := fmt.Sprintf("at byte %d", f.Offset)
	if f.Line > 0 {
		place = fmt.Sprintf("in line %d", f.Line)
	}
	if f.Inside != "" {
		place += " of " + f.Inside
	}
	s.subjects[group] = Subject{Name: s.file, Status: status, Message: fmt.Sprintf("%s %s: %s", f.Rule.What, place, f.Sample)}
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
	if _, there := s.subjects["unread"]; there {
		s.more["unread"]++
		return
	}
	if inside != "" {
		why = inside + " in it is not read: " + why
	}
	s.subjects["unread"] = Subject{Name: s.file, Status: Unknown, Message: why}
}

func (s *secretsOf) told() map[string]Subject {
	for group, n := range s.more {
		subject := s.subjects[group]
		subject.Message += fmt.Sprintf(", and %d more", n)
		s.subjects[group] = subject
	}
	return s.subjects
}
