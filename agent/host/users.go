package host

import (
	"fmt"
	"strconv"
	"strings"

	"oneclick-agent/agent/problem"
)

// maxAccounts is the largest account file read, in bytes.
const maxAccounts = 4 << 20

// Account is a user of the tree, with its groups.
type Account struct {
	Name     string
	UID, GID int
	Home     string
	Groups   []uint32
}

// Account finds a user of the tree by name or number.
func (h *Host) Account(name string) (*Account, error) {
	users, err := h.accountFile("/etc/passwd")
	if err != nil {
		return nil, err
	}
	var names []string
	for _, fields := range users {
		if len(fields) < 6 {
			continue
		}
		names = append(names, fields[0])
		if fields[0] != name && fields[2] != name {
			continue
		}
		account := &Account{Name: fields[0], Home: fields[5]}
		if account.UID, err = strconv.Atoi(fields[2]); err == nil {
			account.GID, err = strconv.Atoi(fields[3])
		}
		if err != nil {
			return nil, fmt.Errorf("cannot use the user %s: its line in /etc/passwd is damaged", name)
		}
		account.Groups, err = h.groupsOf(account)
		return account, err
	}
	return nil, fmt.Errorf("cannot find the user %q in /etc/passwd%s", name, hint(name, names))
}

func (h *Host) groupsOf(account *Account) ([]uint32, error) {
	groups, err := h.accountFile("/etc/group")
	if err != nil {
		return nil, err
	}
	ids := []uint32{uint32(account.GID)}
	for _, fields := range groups {
		if len(fields) < 4 {
			continue
		}
		for member := range strings.SplitSeq(fields[3], ",") {
			if id, err := strconv.Atoi(fields[2]); err == nil && member == account.Name && id != account.GID {
				ids = append(ids, uint32(id))
			}
		}
	}
	return ids, nil
}

// Owner turns "user", "user:group" or ":group", by name or number, into numbers of the tree. A user alone
// brings its own group.
func (h *Host) Owner(text string) (*Owner, error) {
	user, group, hasGroup := strings.Cut(text, ":")
	owner := &Owner{UID: -1, GID: -1}
	if uid, err := strconv.Atoi(user); err == nil && hasGroup {
		owner.UID = uid
	} else if user != "" {
		account, err := h.Account(user)
		if err != nil {
			return nil, err
		}
		owner.UID, owner.GID = account.UID, account.GID
	}
	if hasGroup && group != "" {
		gid, err := h.groupID(group)
		if err != nil {
			return nil, err
		}
		owner.GID = gid
	}
	if owner.UID < 0 || owner.GID < 0 {
		return nil, fmt.Errorf("cannot use the owner %q: write it as user:group", text)
	}
	return owner, nil
}

func (h *Host) groupID(name string) (int, error) {
	if gid, err := strconv.Atoi(name); err == nil {
		return gid, nil
	}
	groups, err := h.accountFile("/etc/group")
	if err != nil {
		return 0, err
	}
	var names []string
	for _, fields := range groups {
		if len(fields) < 3 {
			continue
		}
		names = append(names, fields[0])
		if fields[0] == name {
			return strconv.Atoi(fields[2])
		}
	}
	return 0, fmt.Errorf("cannot find the group %q in /etc/group%s", name, hint(name, names))
}

// nameOf is the name of an account or group by its number, or the number itself where it has none. It is for messages:
// links are followed whoever made them.
func (r *Root) nameOf(file string, id int) string {
	number := strconv.Itoa(id)
	if id == 0 {
		return "root"
	}
	p, err := r.locate(file, asFound)
	if err != nil {
		return number
	}
	defer p.close()
	data, err := p.read(maxAccounts)
	if err != nil {
		return number
	}
	for line := range strings.Lines(string(data)) {
		if fields := strings.SplitN(line, ":", 4); len(fields) == 4 && fields[2] == number {
			return fields[0]
		}
	}
	return number
}

func (h *Host) accountFile(path string) ([][]string, error) {
	data, err := h.Files.ReadFile(path, maxAccounts)
	if err != nil {
		return nil, err
	}
	var lines [][]string
	for line := range strings.Lines(string(data)) {
		lines = append(lines, strings.Split(strings.TrimRight(line, "\n"), ":"))
	}
	return lines, nil
}

func hint(name string, names []string) string {
	if near := problem.Nearest(name, names); near != "" {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	return "; create it when the image is built"
}
