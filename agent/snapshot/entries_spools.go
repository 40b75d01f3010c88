package snapshot

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"oneclick-agent/agent/disk"
	"oneclick-agent/agent/host"
)

func spoolEntries() []Entry {
	return []Entry{
		{
			ID:       "temporary.files",
			Severity: High,
			Mode:     Default,
			Action:   Remove,
			Returns:  true,
			Reason:   "what the build left in the temporary directories",
			Left:     Warn,
			Touches:  []string{"/tmp/*", "/var/tmp/*"}, Holds: isTemporary,
		},
		{
			ID:       "temporary.modes",
			Severity: High,
			Mode:     ReportOnly,
			Reason:   "it must be open to all and sticky, mode 1777",
			Remedy:   "chmod 1777 {subject}",
			Touches:  []string{"/tmp", "/var/tmp"},
			Holds: func(i *Image, file string) bool {
				info, err := i.Files.Stat(file)
				return err == nil && host.Bits(info.Mode()) != 0o1777
			},
		},
		{
			ID: "mail.boxes", Severity: High, Mode: Default, Action: Remove, Reason: "mail that the build machine got",
			Touches: []string{
				"/var/mail/*",
				"/var/spool/mail/*",
				"~/mbox",
				"~/dead.letter",
				"~/Maildir/new/*",
				"~/Maildir/cur/*",
			}, Holds: notDirectory,
		},
		{
			ID: "mail.queues", Severity: High, Mode: Optional, Action: Remove, Reason: "mail that is on its way", Left: Warn,
			Touches: []string{
				"/var/spool/postfix/deferred/*/*",
				"/var/spool/postfix/active/*",
				"/var/spool/postfix/incoming/*",
				"/var/spool/postfix/maildrop/*",
				"/var/spool/exim4/input/*",
				"/var/spool/exim4/msglog/*",
			}, Holds: regular,
		},
		{
			ID:       "mail.locks",
			Severity: Low,
			Mode:     Default,
			Action:   Remove,
			Reason:   "the number of a mail server's process that is no more",
			Touches:  []string{"/var/lib/postfix/master.lock", "/var/spool/postfix/pid/*.pid"},
			Find: func(ctx context.Context, i *Image) (subjects []Subject, _ error) {
				if i.isActive(ctx, "postfix.service") || i.isActive(ctx, "postfix@-.service") {
					return nil, nil
				}
				for _, file := range append(i.expand("/var/lib/postfix/master.lock"), i.expand("/var/spool/postfix/pid/*.pid")...) {
					subjects = append(subjects, Subject{Name: file})
				}
				return subjects, nil
			},
		},
		{
			ID: "jobs.at", Severity: Medium, Mode: Default, Action: Remove, Reason: "a job that would run on every Droplet",
			Touches: []string{"/var/spool/cron/atjobs/*", "/var/spool/cron/atspool/*", "/var/spool/at/*", "/var/spool/at/spool/*"},
			Holds:   func(i *Image, file string) bool { return notDirectory(i, file) && path.Base(file) != ".SEQ" },
		},
		{
			ID:       "jobs.cron",
			Severity: Medium,
			Mode:     ReportOnly,
			Reason:   "jobs of an account that is not root",
			Remedy:   "move them to /etc/cron.d, or accept them",
			Touches:  []string{"/var/spool/cron/crontabs/*", "/var/spool/cron/*"},
			Holds:    func(i *Image, file string) bool { return regular(i, file) && path.Base(file) != "root" },
		},
		{
			ID:       "crash.dumps",
			Severity: Critical,
			Mode:     Default,
			Action:   Remove,
			Returns:  true,
			Reason:   "the memory of a program that crashed, with every secret that it had",
			Touches: []string{
				"/var/crash/*",
				"/var/log/dump/*",
				"/var/spool/abrt/*",
				"/var/lib/systemd/coredump/*",
				"/var/lib/systemd/pstore/*",
				"/var/lib/apport/coredump/*",
				"/core",
				"/core.[0-9]*",
				"~/core",
				"~/core.[0-9]*",
			},
			Holds: func(i *Image, file string) bool {
				// Elsewhere a core dump is told by its content: core is also what programs call the best part of them.
				return directoryOf(file, dumpDirectories) != "" || containingBytes(i, file, "\x7fELF")
			},
		},
		{
			ID:       "swap.partition",
			Severity: High,
			Mode:     ReportOnly,
			Left:     Warn,
			Reason:   "a swap partition holds memory of the build machine's programs",
			Touches:  []string{"/etc/fstab"},
			Find:     findSwapPartitions,
			Remedy: "use a swap file instead, which cleaning overwrites; or swapoff {subject}, overwrite it with zeros, and " +
				"mkswap it with the same id",
		},
		{
			ID:       "swap.other_file",
			Severity: Medium,
			Mode:     ReportOnly,
			Reason:   "it has a swap file's name and is none, so that it is left as it is",
			Touches:  swapNames,
			Remedy:   "mkswap {subject}, or give the file another name", Holds: func(i *Image, file string) bool {
				return i.hasContent(file) && !slices.Contains(i.swapFiles(), file)
			},
		},
		{
			ID:       "swap.content",
			Severity: Critical,
			Mode:     Guarded,
			Action:   Zero,
			Reason:   "memory of the build machine's programs, with every secret that they had",
			Touches:  []string{"swap files of /etc/fstab", "/swapfile", "/swap.img", "/swap"},
			Find:     findSwap, Clean: zeroSwap, Guard: func(i *Image) string {
				if used, free := disk.Swap(i.Host); used > free {
					return "what is swapped out does not fit into memory; stop some programs first"
				}
				return ""
			},
		},
	}
}

// dumpDirectories hold nothing but what crashed programs left.
var dumpDirectories = []string{
	"/var/crash",
	"/var/log/dump",
	"/var/spool/abrt",
	"/var/lib/systemd/coredump",
	"/var/lib/systemd/pstore",
	"/var/lib/apport/coredump",
}

// findSwapPartitions lists partitions that hold memory of this machine and go into the snapshot.
func findSwapPartitions(_ context.Context, i *Image) (subjects []Subject, _ error) {
	for _, line := range i.textLines("/etc/fstab") {
		if fields := strings.Fields(line); len(fields) >= 3 && fields[2] == "swap" &&
			(strings.HasPrefix(fields[0], "/dev/") || strings.Contains(fields[0], "=")) {
			subjects = append(subjects, Subject{Name: fields[0]})
		}
	}
	return subjects, nil
}

// isTemporary leaves what running programs need: private directories of units, sockets, and X11's directories.
func isTemporary(i *Image, file string) bool {
	base := path.Base(file)
	if !i.Live() {
		return base != "lost+found"
	}
	info, err := i.Files.Lstat(file)
	if err != nil || info.Mode()&(fs.ModeSocket|fs.ModeNamedPipe) != 0 {
		return false
	}
	return !strings.HasPrefix(base, "systemd-private-") && !strings.HasPrefix(base, "snap-private-tmp") &&
		!(strings.HasPrefix(base, ".") && strings.HasSuffix(base, "-unix")) &&
		base != "lost+found"
}

func containingBytes(i *Image, file, magic string) bool {
	head, err := i.Files.ReadHead(file, int64(len(magic)))
	return err == nil && string(head) == magic
}

// isActive reports whether a unit runs on this machine; nothing runs in a tree.
func (i *Image) isActive(ctx context.Context, unit string) bool {
	state, err := i.Units.State(ctx, unit)
	return i.Live() && err == nil && state.Active == "active"
}

// swapNames are what every guide calls a swap file.
var swapNames = []string{"/swapfile", "/swap.img", "/swap"}

// swapFiles are the files that are swap: by /etc/fstab, by the kernel, or by their name and what mkswap(8) wrote.
func (i *Image) swapFiles() (files []string) {
	for _, file := range swapNames {
		if disk.IsSwap(i.Files, file) {
			files = append(files, file)
		}
	}
	for _, line := range i.textLines("/etc/fstab") {
		if fields := strings.Fields(line); len(fields) >= 3 && fields[2] == "swap" && strings.HasPrefix(fields[0], "/") &&
			!strings.HasPrefix(fields[0], "/dev/") {
			files = append(files, fields[0])
		}
	}
	return append(files, disk.SwapFiles(i.Host)...)
}

// findSwap lists the swap files that hold something.
func findSwap(_ context.Context, i *Image) (subjects []Subject, _ error) {
	for _, file := range i.swapFiles() {
		if !i.isFile(file) || i.mounted(file) { // what is mounted there is no part of the image
			continue
		}
		used, err := disk.SwapHoldsData(i.Files, file)
		if err != nil {
			return nil, err
		}
		if used {
			subjects = append(subjects, Subject{Name: file})
		}
	}
	return subjects, nil
}

// zeroSwap takes a swap file out of use and overwrites everything behind its header, which keeps its id and label.
func zeroSwap(_ context.Context, i *Image, file string) error {
	if i.Live() {
		if err := disk.SwapOff(file); err != nil && !errors.Is(err, disk.ErrNoSwap) {
			return err
		}
	}
	return disk.ZeroSwap(i.Files, file)
}
