package manifest

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"oneclick-agent/agent/pattern"
	"oneclick-agent/agent/problem"
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
	for _, name := range sortedKeys(m.Secrets) {
		m.validateSecret(d, name)
	}
	m.validateDatabase(d)
	for i := range m.FirstBoot {
		m.validateStep(d, &m.FirstBoot[i], index("first_boot", i), false)
	}
	if m.FirstLogin != nil {
		m.validateQuestions(d)
		for i := range m.FirstLogin.Steps {
			m.validateStep(d, &m.FirstLogin.Steps[i], index("first_login.steps", i), true)
		}
	}
	m.validateGate(d)
	m.validatePreSnapshot(d)
	m.validateConflicts(d)
	m.validateReferences(d)
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
		if account.spec != nil && len(db.Engine) > 0 && slices.Contains(account.cannot, db.Engine[0]) {
			d.report(account.at, "", "has no effect: %s %s", db.Engine[0], account.why)
		}
	}
	m.validateAccount(d, db.Local, "database.local")
	m.validateAccount(d, db.Role, "database.role")
	m.validateUnits(d, db.DisableLocal, "database.disable_local")
	m.validateUnits(d, db.Services, "database.services")
	if db.CA != "" {
		m.validatePath(d, db.CA, "database.ca")
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
	if account.Password != "" {
		if secret, ok := m.Secrets[account.Password]; !ok {
			d.report(join(at, "password"), problem.DidYouMean(account.Password, sortedKeys(m.Secrets)),
				"there is no secret %q", account.Password)
		} else if secret.Fields() != nil {
			d.report(join(at, "password"), "", "the secret %q is not a single value", account.Password)
		}
	}
}

func (m *Manifest) validateUnits(d *decoder, units []string, at string) {
	for i, unit := range units {
		m.validateUnit(d, unit, index(at, i))
		if slices.Index(units, unit) < i {
			d.report(index(at, i), "", "%s is here twice", unit)
		}
	}
}

func (m *Manifest) validateUnit(d *decoder, unit, at string) {
	if unitPattern().MatchString(unit) {
		return
	}
	hint := ""
	if !strings.Contains(unit, ".") {
		hint = "write its type too: " + unit + ".service"
	}
	d.report(at, hint, "is not the name of a systemd unit: %q", unit)
}

// validatePath wants a path of the image, absolute and with nothing to tidy. Templates are left to the run.
func (m *Manifest) validatePath(d *decoder, text, at string) {
	switch {
	case strings.Contains(text, "{{"):
	case !strings.HasPrefix(text, "/"):
		d.report(at, "", "must be an absolute path, not %q", text)
	case path.Clean(text) != text:
		d.report(at, "write "+path.Clean(text), "is not a plain path: %q", text)
	case text == "/":
		d.report(at, "", "must not be the root directory")
	}
}

// validateRelative wants a file beside the manifest, or an absolute path.
func (m *Manifest) validateRelative(d *decoder, text, at string) {
	if strings.HasPrefix(path.Clean(text), "..") {
		d.report(at, "put the file into the manifest's directory", "must not lead out of the manifest's directory: %q", text)
	}
}

func (m *Manifest) validateGate(d *decoder) {
	if m.Gate == nil {
		return
	}
	m.validateUnits(d, m.Gate.Services, "gate.services")
	if d.present["gate.services"] && len(m.Gate.Services) == 0 {
		d.report("gate.services", "", "must name at least one unit")
	}
	if m.Gate.Until != "first_login" {
		return
	}
	if m.FirstLogin == nil {
		d.report("gate.until", "write until: first_boot, or describe first_login", "first_login never comes: the manifest has none")
	}
	for i, step := range m.FirstBoot {
		starts := slices.Contains(step.Do, "start") || slices.Contains(step.Do, "restart")
		if starts && slices.Contains(m.Gate.Services, step.Service) {
			d.report(index("first_boot", i)+".do", "move this step to first_login.steps",
				"%s is held back by the gate until first login, so it cannot start here", step.Service)
		}
	}
}

func (m *Manifest) validateQuestions(d *decoder) {
	seen := map[string]bool{}
	for i, q := range m.FirstLogin.Questions {
		at := index("first_login.questions", i)
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
		if q.Generate && q.Type != "password" {
			d.report(at+".generate", "", "only a password can be generated")
		}
		m.validateWhen(d, q.When, at+".when")
		m.validateDefault(d, q, at+".default")
		if q.Max > 0 && q.Min > q.Max {
			d.report(at+".min", "", "is greater than max")
		}
		if q.FromEnv != "" && !environmentName().MatchString(q.FromEnv) {
			d.report(at+".from_env", "", "is not the name of an environment variable: %q", q.FromEnv)
		}
		m.validateRegexp(d, q.Pattern, at+".pattern")
	}
}

// validateDefault wants an answer that the question itself would take.
func (m *Manifest) validateDefault(d *decoder, q Question, at string) {
	if q.Default == nil {
		return
	}
	text := fmt.Sprint(q.Default.Any)
	switch {
	case strings.Contains(text, "{{"):
	case q.Type == "choice" && len(q.Options) > 0 && !slices.Contains(q.Options, text):
		d.report(at, problem.DidYouMean(text, q.Options), "is not one of the options: %q", text)
	case q.Type == "number":
		if _, err := strconv.ParseFloat(text, 64); err != nil {
			d.report(at, "", "is not a number: %q", text)
		}
	case q.Type == "confirm" && text != "true" && text != "false":
		d.report(at, "write true or false", "is neither true nor false: %q", text)
	}
}

func (m *Manifest) validateRegexp(d *decoder, pattern, at string) *regexp.Regexp {
	compiled, err := regexp.Compile(pattern)
	if err != nil {
		d.report(at, "", "is not a regular expression: %s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		return nil
	}
	return compiled
}

func (m *Manifest) validatePreSnapshot(d *decoder) {
	if m.PreSnapshot == nil {
		return
	}
	for i, remove := range m.PreSnapshot.Remove {
		at := index("pre_snapshot.remove", i)
		m.validatePath(d, remove, at)
		if fixed, _, _ := strings.Cut(remove, "*"); strings.Count(strings.TrimSuffix(fixed, "/"), "/") < 2 {
			d.report(at, "name what the build left, like /opt/app/build-cache or /var/lib/app/*.tmp", "would remove a whole directory of the system: %q", remove)
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
