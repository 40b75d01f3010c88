package snapshot

import (
	"cmp"
	"context"
	"path"
	"slices"
	"strings"
)

func sudoEntries() []Entry {
	return []Entry{
		{
			ID: "sudo.cloud_init", Severity: High, Mode: Default, Action: Remove,
			Reason:  "cloud-init wrote it for the build machine's user, and writes it again where it is wanted",
			Touches: []string{"/etc/sudoers.d/90-cloud-init-users"},
		},
		{
			ID: "sudo.rules", Severity: High, Mode: ReportOnly, Touches: []string{"/etc/sudoers", "/etc/sudoers.d/*"},
			Reason: "it lets an account become root", Remedy: "remove the rule, or accept it with its reason", Find: findSudoRules,
		},
		{
			ID: "sudo.records", Severity: Low, Mode: Default, Action: Remove, Reason: "who used sudo on the build machine",
			Touches: []string{"/var/lib/sudo/ts/*", "/var/lib/sudo/lectured/*", "~/.sudo_as_admin_successful", "/var/db/sudo/lectured/*"},
		},
	}
}

// sudoersFiles are all files with rules: the two usual places, and what lines of /etc/sudoers name besides.
func (i *Image) sudoersFiles() []string {
	files := append([]string{"/etc/sudoers"}, i.expand("/etc/sudoers.d/*")...)
	for _, line := range lines([]byte(i.text("/etc/sudoers"))) {
		words := strings.Fields(line)
		if len(words) != 2 || !slices.Contains([]string{"@include", "#include", "@includedir", "#includedir"}, words[0]) {
			continue
		}
		name := path.Join("/etc", words[1])
		if path.IsAbs(words[1]) {
			name = path.Clean(words[1])
		}
		more := []string{name}
		if strings.HasSuffix(words[0], "dir") {
			more = i.expand(name + "/*")
		}
		for _, file := range more {
			if !slices.Contains(files, file) {
				files = append(files, file)
			}
		}
	}
	return files
}

// findSudoRules looks for rules about accounts that no package made. A file is told once, with the worst of its rules.
func findSudoRules(_ context.Context, i *Image) (subjects []Subject, _ error) {
	for _, file := range i.sudoersFiles() {
		info, err := i.Files.Stat(file)
		if err != nil || !info.Mode().IsRegular() || path.Base(file) == "90-cloud-init-users" { // which has its own entry
			continue
		}
		if info.Mode().Perm()&0o022 != 0 {
			subjects = append(subjects, Subject{Name: file, Message: "others than root can change it", Remedy: "chmod 0440 {subject}"})
			continue
		}
		var who, free []string // who becomes root at all, and who without a password
		for _, line := range i.joinedLines(file) {
			name, rule, _ := strings.Cut(strings.ReplaceAll(line, "\t", " "), " ")
			if name == "Defaults" || strings.HasPrefix(name, "Defaults") && strings.Contains(rule, "!authenticate") {
				if strings.Contains(rule, "!authenticate") {
					free = append(free, cmp.Or(strings.TrimLeft(strings.TrimPrefix(name, "Defaults"), ":@!>"), "whoever has a rule"))
				}
				continue
			}
			special := name == "root" || strings.HasPrefix(name, "Defaults") || strings.HasPrefix(name, "@") ||
				strings.HasSuffix(name, "_Alias")
			switch {
			case special || !strings.Contains(rule, "="):
			case strings.Contains(rule, "NOPASSWD"):
				free = append(free, name)
			case !strings.HasPrefix(name, "%"):
				who = append(who, name)
			}
		}
		if len(free) > 0 {
			subjects = append(
				subjects,
				Subject{Name: file, Message: "it lets " + strings.Join(free, ", ") + " become root without a password"},
			)
		} else if len(who) > 0 {
			subjects = append(subjects, Subject{Name: file, Status: Warn, Message: "it lets " + strings.Join(who, ", ") + " become root"})
		}
	}
	return subjects, nil
}
