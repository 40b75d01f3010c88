package snapshot

import (
	"path"
	"slices"
	"strings"

	"oneclick-agent/agent/pattern"
)

// unitPlaces are where a vendor puts units of his own, and settings for those of packages.
var unitPlaces = []string{
	"/etc/systemd/system/*.service", "/etc/systemd/system/*.service.d/*.conf", "/usr/local/lib/systemd/system/*.service",
	"/usr/lib/systemd/system/*.service", "/lib/systemd/system/*.service", "/etc/systemd/system/*.socket",
}

// shellOnTerminal is a unit's command that is a shell, and where it reads from a terminal or a socket.
var (
	shellCommand = pattern.New(`(?m)^\s*ExecStart\s*=\s*[-@:+!|]*(?:/usr)?(?:/local)?/?s?bin/(?:ba|da|z|k|a)?sh(?:\s+-\w+)?\s*$`)
	fromTerminal = pattern.New(`(?m)^\s*StandardInput\s*=\s*(?:tty|socket)`)
)

// findUnits looks at what units of nobody run: an app's own are no finding, a back door in one is.
func (i *Image) findUnits() (subjects []Subject) {
	seen := map[string]bool{}
	for _, place := range unitPlaces {
		for _, file := range i.expand(place) {
			real := i.realPath(file)
			if seen[real] || !i.isFile(file) || i.packages.vouches(file) {
				continue
			}
			seen[real] = true
			text := strings.Join(i.textLines(file), "\n")
			s := i.judgeScript(file)
			if shellCommand().MatchString(text) && fromTerminal().MatchString(text) {
				s.Status, s.Message = Fail, "a shell of root waits on every Droplet, without a password"
			}
			if s.Status != "" && !strings.Contains(path.Base(file), "getty") { // those have an entry of their own
				subjects = append(subjects, s)
			}
		}
	}
	return subjects
}

// initScripts are the scripts of /etc/init.d that no package brought.
func (i *Image) initScripts() (subjects []Subject) {
	for _, file := range append(i.expand("/etc/init.d/*"), i.expand("/etc/rc.d/init.d/*")...) {
		if i.realPath(file) == file && executable(i, file) && !i.packages.owns(file) {
			subjects = append(subjects, i.judgeScript(file))
		}
	}
	return subjects
}

var (
	preloadVariable = pattern.New(`(?m)(?:^|[\s"';])LD_(?:PRELOAD|AUDIT)["']?\s*[=:]\s*["']?([^\s"';]+)`)
	preloadPlaces   = []string{
		"/etc/environment", "/etc/profile", "/etc/profile.d/*.sh", "/etc/bash.bashrc", "/etc/bashrc", "/etc/security/pam_env.conf",
		"/etc/systemd/system.conf", "/etc/systemd/system.conf.d/*.conf", "/root/.bashrc", "/root/.profile",
	}
)

// preloadedByVariable lists libraries that a variable of everybody's has every program load.
func (i *Image) preloadedByVariable() (subjects []Subject) {
	for _, place := range preloadPlaces {
		for _, file := range i.expand(place) {
			for _, match := range preloadVariable().FindAllStringSubmatch(strings.Join(i.textLines(file), "\n"), -1) {
				for library := range strings.SplitSeq(match[1], ":") {
					if i.packages.vouches(library) {
						continue
					}
					subjects = append(subjects, Subject{
						Name:    file,
						Message: "every program that reads this loads " + library + ", which no package brought",
						Remedy:  "take the line out, or accept it",
					})
				}
			}
		}
	}
	return subjects
}

// librariesOfOthers lists directories that programs load libraries from, and that others than root can write to.
func (i *Image) librariesOfOthers() (subjects []Subject) {
	for _, file := range append([]string{"/etc/ld.so.conf"}, i.expand("/etc/ld.so.conf.d/*.conf")...) {
		for _, line := range i.textLines(file) {
			info, err := i.Files.Stat(line)
			if !strings.HasPrefix(line, "/") || err != nil || !info.IsDir() {
				continue
			}
			if info.Mode().Perm()&0o022 != 0 || ownerOf(i, line) != ownerOf(i, "/etc") {
				subjects = append(subjects, Subject{
					Name:    line,
					Message: "programs of root load libraries from there by " + file + ", and others than root can put some there",
					Remedy:  "chown root:root {subject}, and chmod 0755 {subject}",
				})
			}
		}
	}
	return subjects
}

// inittabLogins are lines of an older init that log somebody in by themselves.
func (i *Image) inittabLogins() (subjects []Subject) {
	logsIn := slices.ContainsFunc(i.textLines("/etc/inittab"), func(line string) bool { return logsInByItself(line) })
	if logsIn {
		subjects = append(subjects, Subject{Name: "/etc/inittab", Message: "a console of every Droplet logs somebody in without a password"})
	}
	return subjects
}

// logsInByItself reports whether a line starts a console that asks nobody for a password.
func logsInByItself(text string) bool {
	return strings.Contains(text, "--autologin") || strings.Contains(text, "agetty -a ") || strings.Contains(text, "login -f") ||
		strings.Contains(text, "--skip-login") && strings.Contains(text, "--login-program")
}
