package snapshot

import (
	"context"
	"path"
	"slices"
	"strings"

	"oneclick-agent/agent/pattern"
)

// bootEntries are what gets somebody in, or runs somebody's commands, when a Droplet boots.
func bootEntries() []Entry {
	return []Entry{
		{
			ID:       "boot.preload",
			Severity: Critical,
			Mode:     ReportOnly,
			Reason:   "every program of a Droplet loads this library, so that whoever wrote it is root",
			Remedy:   "take the line out of /etc/ld.so.preload, or accept it",
			Touches:  []string{"/etc/ld.so.preload", "/etc/ld.so.conf.d/*.conf", "/etc/environment", "/etc/profile.d/*.sh"}, Find: findPreloaded,
		},
		{
			ID:       "boot.debug_shell",
			Severity: Critical,
			Mode:     ReportOnly,
			Reason:   "a shell of root waits on a console of every Droplet, without a password",
			Remedy:   "systemctl disable debug-shell.service, and take the autologin out",
			Touches: []string{
				"/etc/systemd/system/*.wants/debug-shell.service",
				"/etc/systemd/system/*getty@*.service.d/*.conf",
				"/etc/inittab",
			}, Find: findConsoleShells,
		},
		{
			ID:       "boot.kernel_command_line",
			Severity: Critical,
			Mode:     ReportOnly,
			Reason:   "the kernel's command line opens a shell of root at boot",
			Remedy:   "take it out, and run update-grub or grub2-mkconfig",
			Touches: []string{
				"/etc/default/grub",
				"/etc/default/grub.d/*.cfg",
				"/etc/kernel/cmdline",
				"/boot/grub/grub.cfg",
				"/boot/grub2/grub.cfg",
				"/boot/loader/entries/*.conf",
				"/proc/cmdline",
			}, Find: findKernelArguments,
		},
		{
			ID:       "boot.scripts",
			Severity: High,
			Mode:     ReportOnly,
			Left:     Warn,
			Reason:   "it runs as root on every Droplet, and no package brought it",
			Remedy:   "move it to the manifest's first_boot or a unit of the app, or accept it",
			Touches: []string{
				"/etc/rc.local",
				"/etc/rc.d/rc.local",
				"/etc/udev/rules.d/*.rules",
				"/etc/systemd/system-generators/*",
				"/etc/init.d/*",
				"/etc/systemd/system/*.service",
				"/etc/systemd/system/*.service.d/*.conf",
				"/etc/profile.d/*.sh",
				"~/.bashrc",
			}, Find: findBootScripts,
		},
		{
			ID:       "jobs.system",
			Severity: High,
			Mode:     ReportOnly,
			Left:     Warn,
			Reason:   "it runs as root on every Droplet again and again, and no package brought it",
			Remedy:   "see that it belongs to the app, and accept it; otherwise remove it",
			Touches: []string{
				"/etc/cron.d/*",
				"/etc/cron.hourly/*",
				"/etc/cron.daily/*",
				"/etc/cron.weekly/*",
				"/etc/cron.monthly/*",
				"/etc/crontab",
				"/etc/anacrontab",
				"/var/spool/cron/crontabs/root",
				"/var/spool/cron/root",
			}, Find: findJobs,
		},
	}
}

func findPreloaded(_ context.Context, i *Image) (subjects []Subject, _ error) {
	for _, line := range i.textLines("/etc/ld.so.preload") {
		for library := range strings.FieldsSeq(line) {
			s := Subject{
				Name:    "/etc/ld.so.preload",
				Message: "every program of a Droplet loads " + library + ", which no package brought",
			}
			if i.packages.vouches(library) {
				s.Status, s.Message = Warn, "every program of a Droplet loads "+library
			}
			subjects = append(subjects, s)
		}
	}
	return slices.Concat(subjects, i.preloadedByVariable(), i.librariesOfOthers()), nil
}

func findConsoleShells(_ context.Context, i *Image) (subjects []Subject, _ error) {
	for _, link := range i.expand("/etc/systemd/system/*.wants/debug-shell.service") {
		subjects = append(subjects, Subject{Name: link})
	}
	for _, pattern := range []string{
		"/etc/systemd/system/*getty@*.service.d/*.conf", "/etc/systemd/system/*getty*.service",
		"/etc/systemd/system/console-getty.service.d/*.conf",
	} {
		for _, file := range i.expand(pattern) {
			text := strings.Join(i.textLines(file), "\n")
			if logsInByItself(text) {
				subjects = append(
					subjects,
					Subject{Name: file, Message: "a console of every Droplet logs somebody in without a password"},
				)
			}
		}
	}
	return append(subjects, i.inittabLogins()...), nil
}

var (
	// openingArgument gives a shell to whoever has the console; weakeningArgument takes a protection away.
	openingArgument = pattern.New(
		`(?:^|[\s"'])(systemd\.debug[-_]shell(?:=(?:1|yes|on|tty[0-9]+))?|(?:rd)?init=\S*/(?:ba|da|z|k|a)?sh\b|rd\.break\S*|` +
			`(?:rd\.)?systemd\.unit=(?:rescue|emergency)\S*|systemd\.run=\S+|rd\.shell(?:=1)?|SYSTEMD_SULOGIN_FORCE=\S+)(?:$|[\s"'])`,
	)
	// singleUser stands for the same where the command line itself is set: the words are too usual elsewhere.
	singleUser = pattern.New(
		`(?m)^\s*(?:GRUB_CMDLINE_LINUX\w*\s*=|options\s|linux\w*\s)(?:[^\n]*[\s"'=])?(single|emergency|rescue|s|S|1)(?:$|[\s"'])`,
	)
	weakeningArgument = pattern.New(
		`(?:^|[\s"'])(mitigations=off|selinux=0|enforcing=0|apparmor=0|lsm=|nokaslr|nosmep|nosmap|nopti|ima_appraise=off|` +
			`module\.sig_enforce=0|security=none|nospectre_v[12]|spectre_v2=off|audit=0|lockdown=none)(?:$|[\s"'])`,
	)
)

// findKernelArguments reads where the command line is set, and the one that this machine was booted with.
func findKernelArguments(_ context.Context, i *Image) (subjects []Subject, _ error) {
	for _, place := range []string{
		"/etc/default/grub", "/etc/default/grub.d/*.cfg", "/etc/kernel/cmdline",
		"/boot/grub/grub.cfg", "/boot/grub2/grub.cfg", "/boot/loader/entries/*.conf",
	} {
		for _, file := range i.expand(place) {
			text := strings.Join(i.textLines(file), "\n")
			match := openingArgument().FindStringSubmatch(text)
			if match == nil && !strings.HasPrefix(file, "/boot/grub") { // its menu has a recovery mode, which nobody chooses
				match = singleUser().FindStringSubmatch(text)
			}
			if match != nil {
				subjects = append(
					subjects,
					Subject{Name: file, Message: "the kernel's command line has " + match[1] + ", which opens a shell of root at boot"},
				)
			} else if match := weakeningArgument().FindStringSubmatch(text); match != nil {
				subjects = append(subjects, Subject{
					Name:    file,
					Status:  Warn,
					Message: "the kernel's command line has " + match[1] + ", which takes a protection of every Droplet away",
				})
			}
		}
	}
	return subjects, nil
}

// backDoor is what only somebody writes who wants to come in: a shell on a connection, or a key for an account.
var backDoor = pattern.New(
	`/dev/(?:tcp|udp)/|\bn(?:et)?c(?:at)?\b[^\n|;]*\s-(?:[a-z]*e|[a-z]*c)\s|\b(?i:socat)\b[^\n]*(?i:exec|system):|(?:ba|z|k)?sh\s+-i\b|` +
		`>>?\s*\S*authorized_keys|\btee\s+-a\s+\S*authorized_keys|\bpty\.spawn\(|\bmk(?:fifo|nod)\b[^\n]*\|\s*(?:/bin/)?(?:ba)?sh|` +
		`\bdup2\(|(?i:socket)[^\n]{0,300}(?:subprocess|exec)[^\n]{0,40}/(?:ba|da)?sh|fsockopen\([^\n]*exec\(|` +
		`\b(?:useradd|adduser)\b[^\n]*\s-o?u\s*0\b|NOPASSWD[^\n]*>>?\s*/etc/sudoers|` +
		`\bchmod\s+(?:\+s|u\+s|[0-7]?4[0-7]{3})\s+\S*/(?:ba|da|z)?sh\b|` +
		`\btelnetd?\b[^\n]*-l\s*/bin/(?:ba)?sh`,
)

// fetchesAndRuns is a command that runs what somebody else's server sends today.
var fetchesAndRuns = pattern.New(`\b(?:curl|wget)\b[^\n|;]*\|\s*(?:sudo\s+)?(?:ba|da|z)?sh\b`)

// judgeScript is the finding about what runs as root and is nobody's.
func (i *Image) judgeScript(file string) Subject {
	text := strings.Join(i.textLines(file), "\n")
	info, err := i.Files.Stat(file)
	switch {
	case err == nil && info.Mode().Perm()&0o002 != 0:
		return Subject{
			Name:    file,
			Status:  Fail,
			Message: "it runs as root, and every account can change it",
			Remedy:  "chmod o-w {subject}",
		}
	case backDoor().MatchString(text):
		return Subject{
			Name:    file,
			Status:  Fail,
			Message: "it runs as root, and opens a shell or an account to somebody",
			Remedy:  "remove it",
		}
	case fetchesAndRuns().MatchString(text):
		return Subject{
			Name:    file,
			Status:  Warn,
			Message: "it runs as root whatever a server sends at that time",
			Remedy:  "install from a signed source instead",
		}
	}
	return Subject{Name: file}
}

func findBootScripts(_ context.Context, i *Image) (subjects []Subject, _ error) {
	for _, file := range []string{"/etc/rc.local", "/etc/rc.d/rc.local"} {
		does := slices.ContainsFunc(i.textLines(file), func(line string) bool {
			return line != "exit 0" && line != "touch /var/lock/subsys/local" && line != "set -e"
		})
		if does && executable(i, file) && !i.packages.vouches(file) && i.realPath(file) == file {
			subjects = append(subjects, i.judgeScript(file))
		}
	}
	for _, file := range i.expand("/etc/udev/rules.d/*.rules") {
		if strings.Contains(strings.Join(i.textLines(file), "\n"), "RUN") && !i.packages.owns(file) {
			subjects = append(subjects, i.judgeScript(file))
		}
	}
	for _, file := range i.expand("/etc/systemd/system-generators/*") {
		if executable(i, file) && !i.packages.owns(file) {
			subjects = append(subjects, i.judgeScript(file))
		}
	}
	subjects = append(subjects, i.initScripts()...)
	subjects = append(subjects, i.findUnits()...)
	// What everybody's shell reads is told only where it is bad.
	for _, file := range slices.Concat(i.expand("/etc/profile.d/*.sh"), []string{"/etc/profile", "/etc/bash.bashrc", "/etc/bashrc",
		"/etc/environment"}, i.expand("~/.bashrc"), i.expand("~/.profile"), i.expand("~/.bash_profile"), i.expand("/etc/update-motd.d/*")) {
		if s := i.judgeScript(file); s.Status != "" && !i.packages.vouches(file) {
			subjects = append(subjects, s)
		}
	}
	return subjects, nil
}

// findJobs lists jobs of the system that no package brought, and those of root that are bad.
func findJobs(_ context.Context, i *Image) (subjects []Subject, _ error) {
	for _, directory := range []string{"cron.d", "cron.hourly", "cron.daily", "cron.weekly", "cron.monthly"} {
		for _, file := range i.expand("/etc/" + directory + "/*") {
			if i.hasContent(file) && path.Base(file) != ".placeholder" && !i.packages.vouches(file) &&
				!(i.packages.owns(file) && i.packages.sum(file) == "") &&
				len(i.textLines(file)) > 0 {
				subjects = append(subjects, i.judgeScript(file))
			}
		}
	}
	if file := "/etc/anacrontab"; i.isFile(file) && !i.packages.vouches(file) && !i.packages.owns(file) {
		subjects = append(subjects, i.judgeScript(file))
	}
	for _, file := range []string{"/etc/crontab", "/var/spool/cron/crontabs/root", "/var/spool/cron/root"} {
		if s := i.judgeScript(file); s.Status != "" && i.isFile(file) && !i.packages.vouches(file) {
			subjects = append(subjects, s)
		}
	}
	return subjects, nil
}
