package support

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"oneclick-agent/agent/host"
	"oneclick-agent/agent/manifest"
)

const (
	// commandWithin is how long one command may take.
	commandWithin = 20 * time.Second
	// journalDays and journalLines bound what is taken of a unit's journal; mostUnits how many units there are journals of.
	journalDays, journalLines = 14, 5000
	mostUnits                 = 60
)

// ourUnits are the units that come with this program.
var ourUnits = []string{"oneclick-first-boot.service", "oneclick-first-login.service", "oneclick-retry.path", "oneclick-retry.timer"}

// errTree says why nothing that runs can be asked.
var errTree = errors.New("this is a directory tree, and not a running machine")

// units are the units that the archive is about. Names are checked: a manifest may be broken, and journalctl takes patterns.
func (l *lookout) units() []string {
	units := slices.Clone(ourUnits)
	if l.manifest == nil {
		return units
	}
	for _, unit := range l.manifest.Units() {
		if l.facts != nil {
			unit = l.facts.Preview().Show(manifest.Template{Text: unit})
		}
		if isUnit(unit) && !slices.Contains(units, unit) {
			units = append(units, unit)
		}
	}
	return units[:min(len(units), mostUnits)]
}

// isUnit tells what may be the name of a unit, and is nothing else to journalctl, a path or a terminal.
func isUnit(name string) bool {
	strange := func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(`:_.\@-`, r))
	}
	return name != "" && len(name) < 256 && !strings.ContainsFunc(name, strange)
}

// systemd is how the units stand, and what they printed.
func (l *lookout) systemd() []source {
	units := l.units()
	sources := []source{{"units.txt", "how the units stand", func(ctx context.Context) (string, error) { return l.states(ctx, units) }}}
	for _, unit := range units {
		sources = append(sources, source{"journal/" + unit + ".txt", "what the unit printed", func(ctx context.Context) (string, error) {
			return l.journal(ctx, unit)
		}})
	}
	return sources
}

func (l *lookout) states(ctx context.Context, units []string) (string, error) {
	var text strings.Builder
	for _, unit := range units {
		ctx, cancel := context.WithTimeout(ctx, commandWithin)
		is, err := l.host.Units.State(ctx, unit)
		cancel()
		if err != nil {
			return text.String(), err
		}
		fmt.Fprintf(&text, "%-40s %s, %s (%s), %s, at boot: %s\n", unit, is.Load, is.Active, is.Sub, is.Result, is.AtBoot)
	}
	return text.String(), nil
}

// journal is the end of what a unit printed. The newest lines are asked for first, so that the bound cuts the oldest off.
func (l *lookout) journal(ctx context.Context, unit string) (string, error) {
	if l.hidden != nil {
		return "", fmt.Errorf("not all secrets are known, so that they cannot be taken out: %w", l.hidden)
	}
	printed, err := l.command(ctx, "journalctl", "--no-pager", "--quiet", "--utc", "--output=short-iso", "--reverse",
		fmt.Sprintf("--since=-%dd", journalDays), fmt.Sprintf("--lines=%d", journalLines), "--unit="+unit)
	if printed == "" && err == nil {
		return "", fmt.Errorf("the system's journal has nothing from the last %d days", journalDays)
	}
	return inOrder(printed), err
}

// inOrder puts the entries of a journal that was printed backwards into their order. An entry may have several lines; those
// after its first one are indented.
func inOrder(text string) string {
	var entries []string
	for line := range strings.Lines(text) {
		if !strings.HasSuffix(line, "\n") {
			break // cut off
		}
		if last := len(entries) - 1; last >= 0 && strings.HasPrefix(line, " ") {
			entries[last] += line
			continue
		}
		entries = append(entries, line)
	}
	slices.Reverse(entries)
	return strings.Join(entries, "")
}

// command is what a command printed. In a tree it is the tree's own, which only sees that tree.
func (l *lookout) command(ctx context.Context, argv ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, commandWithin)
	defer cancel()
	printed, err := l.host.Run(ctx, host.Command{Argv: argv, Env: map[string]string{"LC_ALL": "C.UTF-8"}})
	var failed *host.CommandError
	if complaints := ""; errors.As(err, &failed) {
		if complaints = strings.TrimSpace(string(failed.Printed[len(printed):])); complaints != "" {
			err = fmt.Errorf("%w: %s", err, complaints)
		}
	}
	return string(printed), err
}

// machine is what is true of the network and the disks.
func (l *lookout) machine() []source {
	asking := func(name, about string, argv ...string) source {
		return source{name, about, func(ctx context.Context) (string, error) {
			if !l.host.Live() {
				return "", errTree
			}
			return l.command(ctx, argv...)
		}}
	}
	return []source{
		{"network/summary.txt", "addresses, and ports that are open to everybody", func(context.Context) (string, error) {
			if !l.host.Live() {
				return "", errTree
			}
			return fmt.Sprintf("addresses: %s\nports: %v\n", strings.Join(l.host.Addresses(), ", "), l.host.Listening()), nil
		}},
		asking("network/addresses.txt", "interfaces", "ip", "address"),
		asking("network/routes.txt", "routes", "ip", "route"),
		asking("network/listening.txt", "what listens", "ss", "-lntup"),
		l.file("network/resolv.conf", "name servers", "/etc/resolv.conf"),
		{"disk/space.txt", "free space where / is", l.space},
		asking("disk/free.txt", "all file systems", "df", "-h"),
		asking("disk/inodes.txt", "their inodes", "df", "-i"),
		asking("disk/devices.txt", "disks", "lsblk"),
		asking("processes.txt", "programs that run, without their arguments", "ps", "-eo", "pid,user,rss,etime,comm"),
		l.file("memory.txt", "memory", "/proc/meminfo"),
	}
}

func (l *lookout) space(context.Context) (string, error) {
	total, free, err := l.host.Files.Space("/")
	return fmt.Sprintf("%d MB of %d MB are free\n", free>>20, total>>20), err
}
