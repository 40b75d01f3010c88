package snapshot

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"syscall"

	"oneclick-agent/agent/host"
)

// accountFile is a file or directory whose mode matters: which bits others, and a group, must not have.
type accountFile struct {
	path   string
	others fs.FileMode
	what   string
}

var accountFiles = []accountFile{
	{"/etc/shadow", 0o006, "every account can read or change the hashes of all passwords"},
	{"/etc/gshadow", 0o006, "every account can read or change the hashes of groups' passwords"},
	{"/etc/passwd", 0o022, "others than root can add accounts"},
	{"/etc/group", 0o022, "others than root can make themselves members of any group"},
	{"/etc/sudoers", 0o004, "every account can read who becomes root"},
	{"/etc/sudoers.d", 0o022, "others than root can add rules that make them root"},
	{"/etc/ssh/sshd_config", 0o022, "others than root can change who is let in"},
	{"/etc/pam.d", 0o022, "others than root can change who is let in"},
	{"/etc/ld.so.preload", 0o022, "others than root can have every program load a library of theirs"},
	{"/etc/crontab", 0o022, "others than root can have commands run as root"},
	{"/etc/cron.d", 0o022, "others than root can have commands run as root"},
	{"/root", 0o022, "others than root can put keys and commands into root's home"},
	{"/root/.ssh", 0o022, "others than root can put keys into root's home"},
}

// isAccountFile reports whether the mode of a file is judged here.
func isAccountFile(file string) bool {
	return slices.ContainsFunc(accountFiles, func(f accountFile) bool { return f.path == file })
}

func findAccountFileModes(_ context.Context, i *Image) (subjects []Subject, _ error) {
	root := ownerOf(i, "/etc")
	files := slices.Clone(accountFiles)
	for _, home := range i.expand("/home/*") {
		files = append(files, accountFile{home, 0o002, "every account can put keys and commands into this home"})
	}
	for _, f := range files {
		info, err := i.Files.Stat(f.path)
		if err != nil {
			continue
		}
		switch owner := ownerOf(i, f.path); {
		case info.Mode().Perm()&f.others != 0:
			s := Subject{Name: f.path, Message: fmt.Sprintf("its mode is %04o: %s", info.Mode().Perm(), f.what)}
			if f.path == "/etc/sudoers" { // who can change it is told with the rules in it
				if info.Mode().Perm()&0o022 != 0 {
					continue
				}
				s.Status = Warn
			}
			subjects = append(subjects, s)
		case owner != root && !strings.HasPrefix(f.path, "/home/"):
			subjects = append(
				subjects,
				Subject{Name: f.path, Message: fmt.Sprintf("it belongs to the account with id %d: %s", owner, f.what)},
			)
		}
	}
	return subjects, nil
}

// mendMode takes the bits away that others must not have. Who owns a file is for the vendor to find out.
func mendMode(_ context.Context, i *Image, file string) error {
	info, err := i.Files.Stat(file)
	if err != nil {
		return err
	}
	if owner := ownerOf(i, file); owner != ownerOf(i, "/etc") && !strings.HasPrefix(file, "/home/") {
		return fmt.Errorf("it belongs to the account with id %d; find out why, and give it back to root", owner)
	}
	at := slices.IndexFunc(accountFiles, func(f accountFile) bool { return f.path == file })
	mode := info.Mode() &^ 0o002
	if at >= 0 {
		mode = info.Mode() &^ accountFiles[at].others
	}
	return i.Files.SetAttributes(file, host.Mode(mode))
}

func ownerOf(i *Image, file string) int {
	if info, err := i.Files.Stat(file); err == nil {
		if stat, ok := info.Sys().(*syscall.Stat_t); ok {
			return int(stat.Uid)
		}
	}
	return 0
}

// privilegedGroups are the groups whose members become root, and how.
var privilegedGroups = map[string]string{
	"sudo":        "by sudo",
	"wheel":       "by sudo",
	"admin":       "by sudo",
	"root":        "by files of the group root",
	"docker":      "by starting a container",
	"lxd":         "by starting a container",
	"incus-admin": "by starting a container",
	"libvirt":     "by starting a machine",
	"disk":        "by writing to the disk", "shadow": "by reading the passwords' hashes", "kmem": "by reading memory",
}

func findPrivilegedMembers(_ context.Context, i *Image) (subjects []Subject, _ error) {
	primary := map[string]string{} // a group's number to the accounts that have it as their own
	for _, a := range i.accounts {
		if a.uid != 0 {
			primary[a.group] += "," + a.name
		}
	}
	for _, line := range i.textLines("/etc/group") {
		fields := strings.Split(line, ":")
		if len(fields) < 4 || privilegedGroups[fields[0]] == "" {
			continue
		}
		members := fields[3]
		if fields[0] != "root" { // many daemons have root's group as their own
			members += primary[fields[2]]
		}
		for member := range strings.SplitSeq(members, ",") {
			if member != "" && member != "root" {
				subjects = append(
					subjects,
					Subject{
						Name:    member,
						Message: "it is in the group " + fields[0] + ", whose members become root " + privilegedGroups[fields[0]],
					},
				)
			}
		}
	}
	return subjects, nil
}
