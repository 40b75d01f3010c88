package step

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"oneclick-agent/agent/facts"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/manifest"
)

// User is the kind that makes an account.
func (kinds) User() Kind { return as(Traits{Within: QuickWithin, Tries: 3}, newUser) }

func newUser(spec *manifest.User, f *facts.Filling) (Step, error) {
	name, err := f.Text(spec.Name)
	if err != nil {
		return nil, err
	}
	home, err := f.Text(spec.Home)
	if err != nil {
		return nil, err
	}
	user := &User{Name: name, Home: home, Shell: spec.Shell, Groups: spec.Groups}
	f.Mix("shell", spec.Shell)
	f.Mix("groups", strings.Join(spec.Groups, ","))
	if spec.Password != "" {
		fields, ok := f.Facts().Store.Get(spec.Password)
		if !ok {
			return nil, fmt.Errorf("cannot make the account %s: the secret %s is not made yet", name, spec.Password)
		}
		user.Password = fields[""].Reveal()
		f.Mix("password", user.Password)
	}
	return user, nil
}

// User makes an account, or brings one that is there into line.
type User struct {
	Name, Home, Shell string
	Groups            []string
	// Password goes to chpasswd(8) by its standard input, so that the system chooses how it is kept; "" leaves it alone.
	Password string
}

// Check compares the account with what it should be. Whether it has the password cannot be seen, which Apply sets again.
func (u *User) Check(_ context.Context, h *host.Host) (State, error) {
	change, err := u.changes(h)
	switch {
	case err != nil:
		return Unmet, err
	case change != nil:
		return Unmet, nil
	case u.Password != "":
		return Unknowable, nil
	}
	return Met, nil
}

// changes is the command that makes the account, or brings it into line; nil where nothing is to do.
func (u *User) changes(h *host.Host) ([]string, error) {
	have, err := u.find(h)
	if err != nil {
		return nil, err
	}
	if have == nil {
		command := []string{"useradd", "--create-home", "--home-dir", cmp.Or(u.Home, "/home/"+u.Name)}
		if u.Shell != "" {
			command = append(command, "--shell", u.Shell)
		}
		if len(u.Groups) > 0 {
			command = append(command, "--groups", strings.Join(u.Groups, ","))
		}
		return append(command, u.Name), nil
	}
	var options []string
	if u.Home != "" && have.Home != u.Home {
		options = append(options, "--home", u.Home)
	}
	if u.Shell != "" && have.Shell != u.Shell {
		options = append(options, "--shell", u.Shell)
	}
	if missing := u.missingGroups(have); len(missing) > 0 {
		options = append(options, "--append", "--groups", strings.Join(missing, ","))
	}
	if options == nil {
		return nil, nil
	}
	return append(append([]string{"usermod"}, options...), u.Name), nil
}

// account is what the account files say of one.
type account struct {
	Home, Shell string
	Groups      []string
}

// find reads the account, nil where it is not there.
func (u *User) find(h *host.Host) (*account, error) {
	const most = 4 << 20
	users, err := h.Files.ReadFile("/etc/passwd", most)
	if err != nil {
		return nil, err
	}
	groups, err := h.Files.ReadFile("/etc/group", most)
	if err != nil {
		return nil, err
	}
	var have *account
	for line := range strings.Lines(string(users)) {
		if fields := strings.Split(strings.TrimSuffix(line, "\n"), ":"); len(fields) == 7 && fields[0] == u.Name {
			have = &account{Home: fields[5], Shell: fields[6]}
		}
	}
	if have == nil {
		return nil, nil
	}
	for line := range strings.Lines(string(groups)) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), ":")
		if len(fields) == 4 && slices.Contains(strings.Split(fields[3], ","), u.Name) {
			have.Groups = append(have.Groups, fields[0])
		}
	}
	return have, nil
}

func (u *User) missingGroups(have *account) []string {
	return slices.DeleteFunc(slices.Clone(u.Groups), func(group string) bool {
		return slices.Contains(have.Groups, group) || group == u.Name
	})
}

// Apply makes the account with the system's own programs, and sets its password.
func (u *User) Apply(ctx context.Context, h *host.Host) error {
	change, err := u.changes(h)
	if err == nil && change != nil {
		err = u.run(ctx, h, change, "")
	}
	if err == nil && u.Password != "" {
		if strings.ContainsAny(u.Password, "\n\r") {
			return lasting("cannot set the password of %s: it holds a line break, which no login can type", u.Name)
		}
		err = u.run(ctx, h, []string{"chpasswd"}, u.Name+":"+u.Password+"\n")
	}
	return err
}

func (u *User) run(ctx context.Context, h *host.Host, command []string, stdin string) error {
	_, err := h.Run(ctx, host.Command{Argv: command, Stdin: []byte(stdin)})
	switch {
	case err == nil:
		return nil
	case errors.Is(err, host.ErrNoChroot), errors.Is(err, fs.ErrNotExist) && !h.Live():
		return &Skip{err.Error()}
	case errors.Is(err, fs.ErrNotExist):
		return &Lasting{fmt.Errorf("cannot make the account %s: %w; install the package passwd (shadow-utils) into the image", u.Name, err)}
	}
	return fmt.Errorf("cannot make the account %s: %w", u.Name, err)
}
