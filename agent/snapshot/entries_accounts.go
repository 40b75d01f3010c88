package snapshot

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"oneclick-agent/agent/disk"
	"oneclick-agent/agent/host"
)

// password says what an account's password field amounts to (crypt(5), shadow(5)).
type password int

const (
	none       password = iota // no password is set, and none is accepted
	locked                     // a password is set, and locked
	usable                     // a password is set
	noPassword                 // the empty one is accepted
)

func (i *Image) passwordState(a account) password {
	field := a.field
	if hash, ok := i.shadow[a.name]; ok && (field == "x" || field == "*" || field == "!") {
		field = hash
	}
	bare := strings.TrimLeft(field, "!*")
	switch {
	case field == "":
		return noPassword
	case bare == "" || bare == "x" || bare == "LK*" || bare == "NP*":
		return none
	case field != bare:
		return locked
	}
	return usable
}

// firstPerson and firstNobody bound the ids of accounts that people have (login.defs(5)).
const firstPerson, firstNobody = 1000, 60000

func accountEntries() []Entry {
	return []Entry{
		{
			ID: "users.password", Severity: Critical, Mode: Guarded, Action: Edit,
			Reason:  "who knows the password could log in to every Droplet of the image",
			Touches: []string{"/etc/shadow"},
			Find: func(_ context.Context, i *Image) (subjects []Subject, _ error) {
				for _, a := range i.accounts {
					switch i.passwordState(a) {
					case noPassword:
						subjects = append(
							subjects,
							Subject{Name: a.name, Message: "it has an empty password: anybody can become this user"},
						)
					case usable:
						subjects = append(subjects, Subject{Name: a.name})
					case locked:
						subjects = append(
							subjects,
							Subject{Name: a.name, Status: Warn, Message: "a locked password is kept; usermod -U would bring it back"},
						)
					}
				}
				return subjects, nil
			},
			Clean: removePassword,
		},
		{
			ID:       "users.build_account",
			Severity: High,
			Mode:     Optional,
			Action:   Edit,
			Silent:   true,
			Reason:   "an account that only the build needed; the manifest names it: {id: users.build_account, subject: packer}",
			Touches: []string{
				"/etc/passwd",
				"/etc/shadow",
				"/etc/group",
				"/etc/gshadow",
				"/etc/subuid",
				"/etc/subgid",
				"its home",
			}, Clean: removeAccount,
			Find: forEachAccount(func(_ *Image, a account) (string, bool) { return "", a.uid >= firstPerson && a.uid < firstNobody }),
		},
		{
			ID: "users.backups", Severity: High, Mode: Default, Action: Remove,
			Reason: "a copy of the account files, with password hashes of before",
			Touches: []string{
				"/etc/passwd-", "/etc/shadow-", "/etc/group-", "/etc/gshadow-", "/etc/subuid-", "/etc/subgid-",
				"/var/backups/passwd.bak", "/var/backups/shadow.bak", "/var/backups/group.bak", "/var/backups/gshadow.bak",
			},
		},
		{
			ID:       "users.locks",
			Severity: Low,
			Mode:     Default,
			Action:   Remove,
			Silent:   true,
			Reason:   "locks that tools for accounts leave, and make again",
			Touches: []string{
				"/etc/.pwd.lock",
				"/etc/passwd.lock",
				"/etc/shadow.lock",
				"/etc/group.lock",
				"/etc/gshadow.lock",
				"/etc/subuid.lock",
				"/etc/subgid.lock",
			},
		},
		{
			ID:       "users.root_twin",
			Severity: Critical,
			Mode:     ReportOnly,
			Reason:   "another account with root's id 0",
			Touches:  []string{"/etc/passwd"},
			Remedy:   "take its line out with vipw and vipw -s; userdel would refuse",
			Find:     forEachAccount(func(i *Image, a account) (string, bool) { return "", a.uid == 0 && a.name != "root" }),
		},
		{
			ID:       "users.duplicate",
			Severity: Medium,
			Mode:     ReportOnly,
			Reason:   "two accounts with one name or one id",
			Touches:  []string{"/etc/passwd"},
			Remedy:   "give each account an id of its own", Find: findDuplicateAccounts,
		},
		{
			ID: "users.shell", Severity: Medium, Mode: ReportOnly, Touches: []string{"/etc/passwd"},
			Reason: "a system account that can log in", Remedy: "usermod -s /usr/sbin/nologin {subject}",
			Find: forEachAccount(func(i *Image, a account) (string, bool) {
				shell := path.Base(a.shell)
				return "its shell is " + a.shell, a.uid > 0 && a.uid < firstPerson && a.shell != "" && a.name != "postgres" &&
					shell != "nologin" && shell != "false" && shell != "sync" && shell != "halt" && shell != "shutdown" && shell != "true"
			}),
		},
	}
}

// forEachAccount makes a Find that looks at each account.
func forEachAccount(judge func(*Image, account) (message string, found bool)) func(context.Context, *Image) ([]Subject, error) {
	return func(_ context.Context, i *Image) (subjects []Subject, _ error) {
		for _, a := range i.accounts {
			if message, found := judge(i, a); found {
				subjects = append(subjects, Subject{Name: a.name, Message: message})
			}
		}
		return subjects, nil
	}
}

func findDuplicateAccounts(_ context.Context, i *Image) (subjects []Subject, _ error) {
	names, ids := map[string]bool{}, map[int]string{}
	for _, a := range i.accounts {
		if names[a.name] {
			subjects = append(subjects, Subject{Name: a.name, Message: "it is in /etc/passwd twice"})
		} else if other, taken := ids[a.uid]; taken && a.uid != 0 {
			subjects = append(subjects, Subject{Name: a.name, Message: fmt.Sprintf("it has the same id %d as %s", a.uid, other)})
		}
		names[a.name], ids[a.uid] = true, a.name
	}
	return subjects, nil
}

// removePassword leaves an account without a password, so that it is entered by key only. Accounts of daemons are left
// to the vendor: a package may have set it.
func removePassword(_ context.Context, i *Image, name string) error {
	for _, a := range i.accounts {
		if a.name == name && a.uid != 0 && (a.uid < firstPerson || a.uid >= firstNobody) {
			return errors.New("it is a system account; find out what set its password")
		}
	}
	changed := false
	for file, mark := range map[string]string{"/etc/shadow": "*", "/etc/passwd": "x"} {
		if !i.Files.Exists(file) {
			continue
		}
		err := i.editLines(file, func(line string) (string, bool) {
			fields := strings.SplitN(line, ":", 3)
			if len(fields) < 3 || fields[0] != name ||
				file == "/etc/passwd" && (fields[1] == "x" || fields[1] == "*" || fields[1] == "!") {
				return line, true
			}
			fields[1], changed = mark, true
			if _, shadowed := i.shadow[name]; file == "/etc/passwd" && !shadowed {
				fields[1] = "*"
			}
			return strings.Join(fields, ":"), true
		})
		if err != nil {
			return err
		}
	}
	if !changed {
		return fmt.Errorf("cannot find the account %s in /etc/shadow", name)
	}
	return i.readShadow()
}

// removeAccount takes an account out of the account files, and its home and mail with it.
func removeAccount(_ context.Context, i *Image, name string) error {
	at := slices.IndexFunc(i.accounts, func(a account) bool { return a.name == name })
	if at < 0 {
		return nil
	}
	for _, file := range []string{"/etc/passwd", "/etc/shadow", "/etc/group", "/etc/gshadow", "/etc/subuid", "/etc/subgid"} {
		if !i.Files.Exists(file) {
			continue
		}
		if err := i.editLines(file, func(line string) (string, bool) { return withoutAccount(file, line, name) }); err != nil {
			return err
		}
	}
	if home := i.accounts[at].home; strings.HasPrefix(home, "/home/") {
		if err := disk.Discard(i.Files, home, false); err != nil {
			return err
		}
	}
	return errors.Join(disk.Discard(i.Files, "/var/mail/"+name, false), i.readShadow())
}

// withoutAccount is a line of an account file without the account: its own line goes, and it is no member any more.
func withoutAccount(file, line, name string) (string, bool) {
	fields := strings.Split(line, ":")
	if fields[0] == name {
		return "", false
	}
	if last := len(fields) - 1; last > 0 && (file == "/etc/group" || file == "/etc/gshadow") {
		fields[last] = strings.Join(
			slices.DeleteFunc(strings.Split(fields[last], ","), func(member string) bool { return member == name }),
			",",
		)
	}
	return strings.Join(fields, ":"), true
}

// readShadow takes up the password fields as they are now.
func (i *Image) readShadow() error {
	again, err := Look(&host.Host{Files: i.Files})
	if err == nil {
		i.shadow, i.accounts = again.shadow, again.accounts
	}
	return err
}
