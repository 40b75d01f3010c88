package snapshot

import (
	"context"
	"path"
	"strings"

	"oneclick-agent/agent/host"
)

func packageEntries() []Entry {
	return []Entry{
		{
			ID:       "packages.upgrade",
			Severity: High,
			Mode:     Optional,
			Action:   RunCommand,
			Silent:   true,
			Reason:   "packages with newer versions",
			Touches:  []string{"apt-get full-upgrade, or dnf upgrade"},
			Find: packageCommand(
				"apt-get full-upgrade",
				"dnf upgrade",
			), Clean: runPackageManager([]string{"full-upgrade"}, []string{"upgrade"}),
		},
		{
			ID:       "packages.autoremove",
			Severity: Low,
			Mode:     Optional,
			Action:   RunCommand,
			Silent:   true,
			Reason:   "packages that nothing needs any more, old kernels among them",
			Touches:  []string{"apt-get autoremove, or dnf autoremove"},
			Find: packageCommand(
				"apt-get autoremove",
				"dnf autoremove",
			), Clean: runPackageManager([]string{"autoremove", "--purge"}, []string{"autoremove"}),
		},
		{
			ID:       "packages.cache",
			Severity: Low,
			Mode:     Default,
			Action:   Remove,
			Returns:  true,
			Reason:   "packages that were downloaded and are installed",
			Touches: []string{
				"/var/cache/apt/archives/*.deb",
				"/var/cache/apt/archives/partial/*",
				"/var/cache/apt/*.bin",
				"/var/cache/dnf/*",
				"/var/cache/yum/*",
				"/var/cache/zypp/*",
				"/var/cache/libdnf5/*",
			},
			Holds: butNot("lock", "metadata_lock.pid"),
		},
		{
			ID:       "packages.lists",
			Severity: Low,
			Mode:     Default,
			Action:   Remove,
			Returns:  true,
			Reason:   "lists of packages, which are fetched anew",
			Touches: []string{
				"/var/lib/apt/lists/*",
				"/var/lib/apt/lists/partial/*",
				"/var/lib/apt/lists/auxfiles/*",
			}, Holds: butNot("lock", "partial", "auxfiles"),
		},
		{
			ID:       "packages.locks",
			Severity: Low,
			Mode:     Default,
			Action:   Remove,
			Reason:   "locks of rpm's older database",
			Touches:  []string{"/var/lib/rpm/__db.*", "/var/lib/rpm/.rpm.lock"},
		},
		{
			ID:       "packages.leftovers",
			Severity: Low,
			Mode:     Optional,
			Action:   Remove,
			Silent:   true,
			Reason:   "older copies of the package manager's own records",
			Touches:  []string{"/var/lib/dpkg/*-old", "/var/backups/dpkg.*", "/var/backups/apt.*", "/var/backups/alternatives.*"},
		},
		{
			ID:       "packages.history",
			Severity: Low,
			Mode:     Optional,
			Action:   Remove,
			Silent:   true,
			Reason:   "the package manager's own history; without it dnf history undo does nothing",
			Touches:  []string{"/var/lib/dnf/history*", "/var/lib/yum/history*"},
		},
		{
			ID:       "packages.unsigned",
			Severity: Critical,
			Mode:     ReportOnly,
			Reason:   "packages are installed as root from it, and nobody signed them",
			Remedy:   "sign the repository, and take the exception out",
			Touches: []string{
				"/etc/apt/sources.list",
				"/etc/apt/sources.list.d/*",
				"/etc/apt/apt.conf",
				"/etc/apt/apt.conf.d/*",
				"/etc/yum.repos.d/*",
				"/etc/yum.conf",
				"/etc/dnf/dnf.conf",
			}, Find: findUnsigned,
		},
		{
			ID:       "packages.foreign_sources",
			Severity: Low,
			Mode:     ReportOnly,
			Left:     Note,
			Reason:   "packages come from it that are not the distribution's own",
			Remedy:   "take the distribution's package where it would do, or accept the source",
			Touches:  []string{"/etc/apt/sources.list", "/etc/apt/sources.list.d/*", "/etc/yum.repos.d/*"}, Find: findForeignSources,
		},
		{
			ID:       "packages.state",
			Severity: Medium,
			Mode:     ReportOnly,
			Reason:   "the package is not wholly installed",
			Remedy:   "run dpkg --configure -a and apt-get -f install",
			Touches:  []string{dpkgStatus},
			Find: func(_ context.Context, i *Image) (subjects []Subject, _ error) {
				if err := i.packages.unknown(); err != nil {
					return nil, err
				}
				for _, name := range i.packages.broken {
					subjects = append(subjects, Subject{Name: name})
				}
				return subjects, nil
			},
		},
		{
			ID:       "updates.security",
			Severity: High,
			Mode:     ReportOnly,
			Reason:   "a security update is not installed",
			Touches:  []string{"the package manager, with its lists in a private directory"},
			Remedy:   "run apt-get update && apt-get full-upgrade, or dnf upgrade --security", Find: findUpdates,
		},
		{
			ID:       "updates.reboot",
			Severity: Medium,
			Mode:     ReportOnly,
			Reason:   "an update waits for a reboot",
			Remedy:   "reboot, then run this again",
			LiveOnly: true,
			Touches:  []string{"/run/reboot-required", "/boot/vmlinuz-*"},
			Find:     findReboot,
		},
		{
			ID:       "updates.automatic",
			Severity: Medium,
			Mode:     ReportOnly,
			Reason:   "nothing installs security updates by itself",
			Touches:  []string{"/etc/apt/apt.conf.d", "/etc/dnf/automatic.conf"},
			Find: func(_ context.Context, i *Image) ([]Subject, error) {
				if i.updatesItself() {
					return nil, nil
				}
				if err := i.packages.unknown(); err != nil {
					return nil, err
				}
				if i.packages.rpm() && !i.packages.debian() {
					return []Subject{
						{Name: "dnf-automatic", Remedy: "install dnf-automatic, and enable dnf-automatic-install.timer"},
					}, nil
				}
				return []Subject{{Name: "unattended-upgrades", Remedy: "install unattended-upgrades"}}, nil
			},
		},
	}
}

// updatesItself reports whether a program that installs security updates is there and turned on.
func (i *Image) updatesItself() bool {
	if i.packages.usable("unattended-upgrades") {
		on := true
		for _, file := range i.expand("/etc/apt/apt.conf.d/*") { // the last one counts
			for _, line := range i.textLines(file) {
				if value, ok := strings.CutPrefix(line, "APT::Periodic::Unattended-Upgrade "); ok {
					on = strings.Trim(value, `"; `) != "0"
				}
			}
		}
		return on
	}
	for _, timer := range []string{"dnf-automatic.timer", "dnf-automatic-install.timer", "yum-cron.service"} {
		if len(i.expand("/etc/systemd/system/*.wants/"+timer)) > 0 {
			return true
		}
	}
	return false
}

// packageCommand names what would be run with the image's package manager.
func packageCommand(apt, dnf string) func(context.Context, *Image) ([]Subject, error) {
	return func(_ context.Context, i *Image) ([]Subject, error) {
		if i.packages.debian() {
			return []Subject{{Name: apt}}, nil
		}
		return []Subject{{Name: dnf}}, nil
	}
}

func runPackageManager(apt, dnf []string) func(context.Context, *Image, string) error {
	return func(ctx context.Context, i *Image, _ string) error {
		if !i.Live() {
			return errForeign
		}
		ctx, cancel := context.WithTimeout(ctx, packagesWithin)
		defer cancel()
		argv := append([]string{"dnf", "--assumeyes", "--quiet"}, dnf...)
		if i.packages.debian() {
			if _, err := i.Run(ctx, host.Command{Argv: []string{
				"apt-get", "--quiet", "-o", "DPkg::Lock::Timeout=120", "update",
			}}); err != nil {
				return err
			}
			argv = append(
				[]string{
					"apt-get",
					"--quiet",
					"--yes",
					"-o",
					"DPkg::Lock::Timeout=120",
					"-o",
					"Dpkg::Options::=--force-confdef",
					"-o",
					"Dpkg::Options::=--force-confold",
				},
				apt...)
		}
		_, err := i.Run(ctx, host.Command{Argv: argv})
		i.packages.forget()
		i.updates = nil
		i.lookForUpdates(ctx) // while the name servers are still there
		return err
	}
}

// findReboot compares the kernel that runs with the newest one that is installed.
func findReboot(_ context.Context, i *Image) (subjects []Subject, _ error) {
	for _, mark := range []string{"/run/reboot-required", "/var/run/reboot-required"} {
		if i.Files.Exists(mark) {
			return []Subject{{Name: mark}}, nil
		}
	}
	running := host.KernelRelease()
	newest := ""
	for _, kernel := range i.expand("/boot/vmlinuz-*") {
		if version := strings.TrimPrefix(path.Base(kernel), "vmlinuz-"); newest == "" || laterVersion(version, newest) {
			newest = version
		}
	}
	if newest != "" && newest != running && laterVersion(newest, running) {
		subjects = append(
			subjects,
			Subject{Name: "/boot/vmlinuz-" + newest, Message: "kernel " + running + " runs, and " + newest + " is installed"},
		)
	}
	return subjects, nil
}

// laterVersion compares versions number by number.
func laterVersion(a, b string) bool {
	split := func(r rune) bool { return strings.ContainsRune(".-+~_", r) }
	x, y := strings.FieldsFunc(a, split), strings.FieldsFunc(b, split)
	for n := 0; n < len(x) && n < len(y); n++ {
		if x[n] == y[n] {
			continue
		}
		if len(x[n]) != len(y[n]) && isNumber(x[n]) && isNumber(y[n]) {
			return len(x[n]) > len(y[n])
		}
		return x[n] > y[n]
	}
	return len(x) > len(y)
}

func isNumber(text string) bool {
	return text != "" && strings.Trim(text, "0123456789") == ""
}
