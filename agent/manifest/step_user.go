package manifest

import (
	"slices"
	"strings"

	"oneclick-agent/agent/pattern"
	"oneclick-agent/agent/problem"
)

// User makes an account.
type User struct {
	Name     Template `yaml:"user" kind:"user" for:"name" doc:"Makes this account, or brings one that is there into line."`
	Password string   `yaml:"password" doc:"Name of the secret that is its password; none where nothing is said."`
	Home     Template `yaml:"home" for:"name" doc:"Home directory, which is made with a new account; /home/NAME where nothing is said."`
	Shell    string   `yaml:"shell" doc:"Login shell; what the account has, or the system's own, where nothing is said."`
	Groups   Words    `yaml:"groups" doc:"Groups that it is a member of beside its own; others that it is in stay."`
}

// accountName is what useradd(8) takes on every distribution.
var accountName = pattern.New(`^[a-z_][a-z0-9_-]{0,31}$`)

// Subject is the account's name.
func (u *User) Subject(p Preview) string { return p.Show(u.Name) }

// Summary says what the account will have.
func (u *User) Summary(p Preview) string {
	var with []string
	if !u.Home.IsZero() {
		with = append(with, "the home "+p.Show(u.Home))
	}
	if u.Shell != "" {
		with = append(with, "the shell "+u.Shell)
	}
	if len(u.Groups) > 0 {
		with = append(with, "the groups "+strings.Join(u.Groups, ", "))
	}
	if u.Password != "" {
		with = append(with, "[secret "+u.Password+"] as its password")
	}
	summary := "make the account " + p.Show(u.Name)
	if len(with) > 0 {
		summary += " with " + strings.Join(with, ", ")
	}
	return summary
}

// Effects are what the system's own programs for accounts do.
func (u *User) Effects() Effects { return Effects{Acts: true} }

// Validate checks names, and that the password is a secret.
func (u *User) Validate(v *Validation) {
	name := u.Name.Text
	switch {
	case strings.Contains(name, "{{"):
	case name == "root":
		v.Report("user", "name an account of the app's own", "root is there already, and is not changed")
	case !accountName().MatchString(name):
		v.Report("user", "use small letters, digits, _ and -, beginning with a letter, at most 32", "cannot be the name of an account: %q", name)
	}
	if !u.Home.IsZero() {
		v.Path("home", u.Home)
	}
	if u.Shell != "" {
		v.Path("shell", Template{Text: u.Shell})
	}
	for i, group := range u.Groups {
		if !accountName().MatchString(group) {
			v.Report("groups", "", "cannot be the name of a group: %q", group)
		} else if slices.Index(u.Groups, group) < i {
			v.Report("groups", "", "%s is here twice", group)
		}
	}
	if u.Password == "" {
		return
	}
	if secret, ok := v.Manifest.Secrets[u.Password]; !ok {
		v.Report("password", problem.DidYouMean(u.Password, sortedKeys(v.Manifest.Secrets)), "there is no secret %q", u.Password)
	} else if secret.Fields() != nil {
		v.Report("password", "", "the secret %q is not a single value", u.Password)
	}
}
