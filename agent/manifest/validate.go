package manifest

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"oneclick-agent/agent/pattern"
	"oneclick-agent/agent/problem"
	"oneclick-agent/agent/render"
)

var (
	namePattern = pattern.New(`^[a-z][a-z0-9_]*$`)
	// unitPattern is systemd.unit(5): a name, perhaps an instance, and a type that can be started.
	unitPattern     = pattern.New(`^[A-Za-z0-9:_.\\-]+(@[A-Za-z0-9:_.\\-]*)?\.(service|socket|timer|path|target|mount|slice)$`)
	identifierName  = pattern.New(`^[A-Za-z_][A-Za-z0-9_-]*$`)
	environmentName = pattern.New(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// longestName is the most characters of a name; PostgreSQL cuts longer ones off.
const longestName = 63

const nameHint = "write it in small letters, digits and _, beginning with a letter"

// validate finds what is wrong beyond types: everything that can be known without the machine.
func (m *Manifest) validate(d *decoder) {
	if m.Version != 1 && d.present["version"] {
		d.report("version", "write version: 1", "must be 1")
	}
	if d.present["app.name"] && strings.TrimSpace(m.App.Name) == "" {
		d.report("app.name", "", "must not be empty")
	}
	if url := m.App.URL; !url.IsZero() && url.Text != NoURL && !url.isDynamic() && !render.IsWebAddress(url.Text) {
		d.report(urlPath, "write https://{{ .droplet.ipv4 }}/ or none", "is no address of the web: %q", url.Text)
	}
	cycles := m.link()
	m.validateCycles(d, cycles)
	for _, name := range sortedKeys(m.Secrets) {
		m.validateSecret(d, name)
	}
	m.validateDatabase(d)
	for step := range m.Steps() {
		m.validateStep(d, step)
	}
	if m.FirstLogin != nil {
		m.validateQuestions(d)
	}
	m.validateGate(d)
	m.validatePreSnapshot(d)
	m.validateConflicts(d)
	d.problems = append(d.problems, m.Check(m.Templates()...)...)
}

func (m *Manifest) validateDatabase(d *decoder) {
	db := m.Database
	if db == nil {
		return
	}
	if d.present["database.engine"] && len(db.Engine) == 0 {
		d.report("database.engine", "", "must name at least one engine")
	}
	if db.Managed == "never" && db.Role != nil {
		d.report("database.role", "a local database's account is database.local", "has no effect with managed: never")
	}
	if db.Managed == "required" && db.Local != nil {
		d.report("database.local", "write managed: optional, or take local out", "has no effect with managed: required")
	}
	if db.Managed == "never" && db.Local == nil {
		d.report("database", "describe the image's own database with local:", "managed: never leaves no database")
	}
	for _, account := range []struct {
		at     string
		spec   *Account
		cannot []string
		why    string
	}{
		{"database.local", db.Local, []string{"kafka", "opensearch"}, "is only used as a managed one; take local out"},
		{"database.role", db.Role, []string{"kafka", "opensearch", "valkey"}, "gives out its users in the control panel; take role out"},
	} {
		if account.spec != nil && len(db.Engine) > 0 && slices.Contains(account.cannot, db.Main()[0]) {
			d.report(account.at, "", "has no effect: %s %s", db.Main()[0], account.why)
		}
	}
	m.validateAccount(d, db.Local, "database.local")
	m.validateAccount(d, db.Role, "database.role")
	d.units(db.DisableLocal, "database.disable_local")
	d.units(db.Services, "database.services")
	if db.CA != "" {
		d.path(db.CA, "database.ca")
	}
}

func (m *Manifest) validateAccount(d *decoder, account *Account, at string) {
	if account == nil {
		return
	}
	for key, value := range map[string]string{"name": account.Name, "user": account.User, "database": account.Database} {
		if value != "" && (!identifierName().MatchString(value) || len(value) > longestName) {
			d.report(join(at, key), "use letters, digits, _ and -, at most 63", "cannot be a database name: %q", value)
		}
	}
	m.validateAccountPassword(d, account.Password, join(at, "password"))
	m.validateAdmins(d, account, at)
}

// validateAccountPassword wants the name of a secret that is one value.
func (m *Manifest) validateAccountPassword(d *decoder, name, at string) {
	if name == "" {
		return // that it is missing was told
	}
	if secret, ok := m.Secrets[name]; !ok {
		d.report(at, problem.DidYouMean(name, sortedKeys(m.Secrets)), "there is no secret %q", name)
	} else if secret.Fields() != nil {
		d.report(at, "", "the secret %q is not a single value", name)
	}
}

// validateAdmins wants administrators that differ, of a server that has accounts for them.
func (m *Manifest) validateAdmins(d *decoder, account *Account, at string) {
	if len(account.Admins) == 0 {
		return
	}
	engine := m.Engine()
	switch {
	case account != m.Database.Local:
		d.report(join(at, "admins"), "move it to database.local", "has no effect: a cluster's administrator is DigitalOcean's")
		return
	case !slices.Contains([]string{"mysql", "postgresql", "mongodb"}, engine):
		d.report(join(at, "admins"), "", "has no effect: %s has no administrators beside the app's account", engine)
		return
	}
	taken := []string{cmp.Or(account.User, account.Name)}
	for i, admin := range account.Admins {
		here := index(join(at, "admins"), i)
		if admin.User != "" && (!identifierName().MatchString(admin.User) || len(admin.User) > longestName) {
			d.report(here+".user", "use letters, digits, _ and -, at most 63", "cannot be a database name: %q", admin.User)
		}
		if slices.Contains(taken, admin.User) {
			d.report(here+".user", "", "%s is an account of the server already", admin.User)
		}
		taken = append(taken, admin.User)
		m.validateAccountPassword(d, admin.Password, here+".password")
	}
}

func (m *Manifest) validateGate(d *decoder) {
	if m.Gate == nil {
		return
	}
	d.units(m.Gate.Services, "gate.services")
	if d.present["gate.services"] && len(m.Gate.Services) == 0 {
		d.report("gate.services", "", "must name at least one unit")
	}
	if m.Gate.Until == untilFirstLogin && m.FirstLogin == nil {
		d.report("gate.until", "write until: first_boot, or describe first_login", "first_login never comes: the manifest has none")
	}
}

func (m *Manifest) validateQuestions(d *decoder) {
	seen := map[string]bool{}
	for _, q := range m.FirstLogin.Questions {
		at := q.Path
		if _, both := m.Secrets[q.Name]; both {
			d.report(
				at+".name",
				"give one of them another name",
				"there is a secret of the name %q too, and both stand in /root/.digitalocean_passwords by it",
				q.Name,
			)
		}
		if q.Name != "" && (!namePattern().MatchString(q.Name) || len(q.Name) > longestName) {
			d.report(at+".name", nameHint, "cannot be a name: %q", q.Name)
		}
		if seen[q.Name] {
			d.report(at+".name", "", "the question %q is here twice", q.Name)
		}
		seen[q.Name] = true
		if q.Type == "choice" && len(q.Options) == 0 && len(q.OptionsFrom) == 0 {
			d.report(at, "add options: [one, other]", "a choice needs options or options_from")
		}
		if q.Type != "choice" && (d.present[at+".options"] || d.present[at+".options_from"]) {
			d.report(at, "write type: choice", "options belong to a choice")
		}
		m.validateOptionsInput(d, q)
		if q.MustBeYes && q.Type != "confirm" {
			d.report(at+".must_be_yes", "", "belongs to a confirm")
		} else if q.MustBeYes && q.Default != nil {
			d.report(at+".default", "take it out", "a yes that is wanted must be somebody's own")
		}
		if q.Generate && q.Type != "password" {
			d.report(at+".generate", "", "only a password can be generated")
		}
		validateWhen(d, q.When)
		m.validateDefault(d, q, at+".default")
		if q.Max > 0 && q.Min > q.Max {
			d.report(at+".min", "", "is greater than max")
		}
		if q.FromEnv != "" && !environmentName().MatchString(q.FromEnv) {
			d.report(at+".from_env", "", "is not the name of an environment variable: %q", q.FromEnv)
		}
		d.validatePattern(q)
	}
}

// validateOptionsInput wants a command for what is passed to it.
func (m *Manifest) validateOptionsInput(d *decoder, q Question) {
	for _, key := range []string{"options_stdin", "options_env"} {
		if d.present[join(q.Path, key)] && len(q.OptionsFrom) == 0 {
			d.report(join(q.Path, key), "", "belongs to options_from")
		}
	}
	for _, name := range sortedKeys(q.OptionsEnv) {
		if !environmentName().MatchString(name) {
			d.report(join(q.Path+".options_env", name), "", "is not the name of an environment variable: %q", name)
		}
	}
}

// validateDefault wants an answer that the question itself would take.
func (m *Manifest) validateDefault(d *decoder, q Question, at string) {
	if q.Default == nil || q.Default.Any == nil {
		return
	}
	text := q.Default.Text()
	switch q.Default.Any.(type) {
	case []any, map[string]any:
		d.report(at, "", "must be a single value")
		return
	}
	length := utf8.RuneCountInString(text)
	switch {
	case strings.Contains(text, "{{"):
	case q.hasLength() && (length < q.Min || q.Max > 0 && length > q.Max):
		d.report(at, "", "has %d characters, which is not between min and max", length)
	case q.Type == "choice" && len(q.Options) > 0 && !slices.Contains(q.Options, text):
		d.report(at, problem.DidYouMean(text, q.Options), "is not one of the options: %q", text)
	case q.Type == "number":
		if number, err := strconv.Atoi(text); err != nil {
			d.report(at, "", "is not a whole number: %q", text)
		} else if number < q.Min || q.Max > 0 && number > q.Max {
			d.report(at, "", "is not between min and max: %d", number)
		}
	case q.Type == "confirm" && text != "true" && text != "false":
		d.report(at, "write true or false", "is neither true nor false: %q", text)
	}
}

// hasLength reports whether min and max of a question count characters.
func (q Question) hasLength() bool {
	return slices.Contains([]string{"", "text", "password", "secret"}, q.Type)
}

// validatePattern wants a regular expression that the question's own default matches.
func (d *decoder) validatePattern(q Question) {
	compiled := d.regexp(q.Pattern, q.Path+".pattern")
	if compiled == nil || q.Pattern == "" || q.Default == nil || q.Default.Any == nil || strings.Contains(q.Default.Text(), "{{") {
		return
	}
	if whole := d.regexp("^(?:"+q.Pattern+")$", q.Path+".pattern"); whole != nil && !whole.MatchString(q.Default.Text()) {
		d.report(q.Path+".default", "", "does not match the question's own pattern: %q", q.Default.Text())
	}
}

func (m *Manifest) validatePreSnapshot(d *decoder) {
	if m.PreSnapshot == nil {
		return
	}
	for i, remove := range m.PreSnapshot.Remove {
		at := index("pre_snapshot.remove", i)
		d.path(remove, at)
		if fixed, _, _ := strings.Cut(remove, "*"); strings.Count(strings.TrimSuffix(fixed, "/"), "/") < 2 {
			d.report(
				at,
				"name what the build left, like /opt/app/build-cache or /var/lib/app/*.tmp",
				"would remove a whole directory of the system: %q",
				remove,
			)
		}
	}
	for i, accept := range m.PreSnapshot.Accept {
		if accept.Reason != "" && len(strings.TrimSpace(accept.Reason)) < 4 {
			d.report(index("pre_snapshot.accept", i)+".reason", "", "must say why")
		}
	}
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// Duration is the span as Go counts it.
func (d Duration) Duration() time.Duration { return time.Duration(d) }
