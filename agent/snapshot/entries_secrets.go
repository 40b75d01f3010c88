package snapshot

import (
	"cmp"
	"context"
	"fmt"
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
	{"private_key", "a private key that everybody with a Droplet of the image would have", "remove it, and make it at first boot: secrets: {NAME: {format: ed25519}}"},
	{"token", "a token that lets everybody with a Droplet of the image act as its owner", "revoke it, and remove it from the file"},
	{"url_password", "an address with a password in it", "take the password out; at first boot, {{ .database.url }} is the Droplet's own"},
	{"own_value", "a secret of this machine stands in a file", "remove the file, or have first boot write it"},
	{"password", "a password in a configuration that no package brought", "have first boot make it: secrets: {NAME: {}}"},
}

func secretEntries() (entries []Entry) {
	for _, g := range secretGroups {
		entries = append(entries, Entry{
			ID: "secrets." + g.group, Severity: Critical, Mode: ReportOnly, Reason: g.reason, Remedy: g.remedy, Touches: []string{"every file that goes into the snapshot"},
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
		ID: "secrets.unread", Severity: Medium, Mode: ReportOnly, Reason: "the file cannot be read, so that nobody knows what is in it", Remedy: "make it readable, or accept it", Touches: []string{"every file that goes into the snapshot"},
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
// passed over; only files with a finding are compared with their package, which costs nothing measurable.
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
		findings, err := i.scanFile(scanner, buffer, entry)
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			result.found["unread"] = append(result.found["unread"], Subject{Name: entry.Path, Status: Unknown, Message: err.Error()})
		}
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

// scanFile finds the secrets of one file: at most one of each group.
func (i *Image) scanFile(scanner *scan.Scanner, buffer *scan.Buffer, entry *host.Entry) (map[string]Subject, error) {
	file, err := entry.Open()
	if err != nil {
		return nil, err
	}
	defer file.Close()
	found := map[string]Subject{}
	counts := map[string]int{}
	report := func(f scan.Finding) {
		group := f.Rule.Group
		counts[group]++
		if first, there := found[group]; there && (first.Status == Fail || f.Contextual) {
			return // the worst one of a file is told
		}
		place := fmt.Sprintf("at byte %d", f.Offset)
		if f.Line > 0 {
			place = fmt.Sprintf("in line %d", f.Line)
		}
		status := Fail
		if f.Contextual || path.Base(entry.Path) == snakeOil { // a layer of a container has its own
			status = Warn
		}
		found[group] = Subject{Name: entry.Path, Status: status, Message: fmt.Sprintf("%s %s: %s", f.Rule.What, place, f.Sample)}
	}
	// What needs its context to be told is looked for where people write settings, not in programs and their data.
	contextual := isSettings(entry.Path) && !i.packages.owns(entry.Path)
	_, err = scanner.Scan(disk.NewSparseReader(file, int64(entry.Stat.Size)), buffer, contextual, report)
	if len(found) > 0 && i.packages.vouches(entry.Path) {
		return nil, err
	}
	for group, n := range counts {
		if n > 1 {
			subject := found[group]
			subject.Message += fmt.Sprintf(", and %d more", n-1)
			found[group] = subject
		}
	}
	return found, err
}

// settingsPlaces are where settings stand that somebody wrote on this machine.
var settingsPlaces = []string{"/etc", "/opt", "/srv", "/root", "/home", "/var/www", "/usr/local/etc"}

func isSettings(file string) bool { return directoryOf(file, settingsPlaces) != "" }
