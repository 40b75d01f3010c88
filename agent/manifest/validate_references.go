package manifest

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"oneclick-agent/agent/problem"
	"oneclick-agent/agent/render"
)

// The names of a template's data; CONTRACT of the manifest.
var (
	roots          = []string{"app", "secrets", "answers", "database", "keystore", "droplet", "url"}
	appFields      = []string{"name", "version", "docs"}
	databaseFields = []string{"managed", "engine", "url", "host", "port", "user", "password", "name", "ca"}
	dropletFields  = []string{"id", "name", "region", "ipv4", "ipv6", "private_ipv4", "reserved_ipv4", "memory_mb", "cpus"}
)

// references lists what a template uses; a template that cannot be parsed uses nothing.
func references(text string) []render.Reference {
	parsed, err := render.Parse(text, "")
	if err != nil {
		return nil
	}
	return parsed.References()
}

// validateReferences checks every template of the manifest: its syntax, that what it names exists and is known
// when it is needed, and that no secret goes where others can read it.
func (m *Manifest) validateReferences(d *decoder) {
	captures := map[string]string{}
	m.eachStep(func(at string, s *Step, _ bool) {
		for _, capture := range s.Capture {
			if captures[capture.Secret] == "" {
				captures[capture.Secret] = at
			}
		}
	})
	for _, t := range d.templates {
		for _, p := range m.CheckTemplate(t.path, t.text, captures) {
			p.Position, p.Path = m.Position(t.path), t.path
			d.problems = append(d.problems, p)
		}
	}
}

// CheckTemplate checks one template of the step or value at path, which may come from a file of its own; the
// positions of the problems are then lines of that file. Captures says which step captures which secret; nil
// for none.
func (m *Manifest) CheckTemplate(path, text string, captures map[string]string) problem.List {
	var problems problem.List
	parsed, err := render.Parse(text, m.Engine())
	if err != nil {
		at := problem.Position{Line: 1, Column: 1}
		var syntax *render.SyntaxError
		if errors.As(err, &syntax) {
			at.Line, at.Column = syntax.Line, max(1, syntax.Column)
		}
		return problem.List{{Position: at, Message: "cannot read this template: " + err.Error()}}
	}
	for _, reference := range parsed.References() {
		if message, hint := m.checkReference(path, reference, captures); message != "" {
			problems = append(problems, problem.Problem{Position: problem.Position{Line: reference.Line, Column: 1}, Message: message, Hint: hint})
		}
	}
	return problems
}

func (m *Manifest) checkReference(path string, reference render.Reference, captures map[string]string) (message, hint string) {
	parts := reference.Path
	unknown := func(names []string) (string, string) {
		return fmt.Sprintf("there is no %s", reference), problem.DidYouMean(parts[len(parts)-1], names)
	}
	field := func(names []string) (string, string) {
		if len(parts) != 2 || !slices.Contains(names, parts[1]) {
			return unknown(names)
		}
		return "", ""
	}
	if message, hint := m.exposes(path, parts); message != "" {
		return message, hint
	}
	switch parts[0] {
	case "app":
		return field(appFields)
	case "droplet":
		return field(dropletFields)
	case "url":
		return "", ""
	case "value":
		if strings.Contains(path, ".check.") {
			return "", ""
		}
	case "database", "keystore":
		if m.Database == nil {
			return fmt.Sprintf("%s is used, but the manifest has no database", reference), ""
		}
		return field(databaseFields)
	case "secrets":
		return m.checkSecretReference(path, reference, captures)
	case "answers":
		return m.checkAnswerReference(path, parts)
	}
	return unknown(roots)
}

func (m *Manifest) checkSecretReference(path string, reference render.Reference, captures map[string]string) (message, hint string) {
	parts := reference.Path
	if len(parts) < 2 {
		return "secrets needs a name behind it", problem.DidYouMean("", sortedKeys(m.Secrets))
	}
	secret, ok := m.Secrets[parts[1]]
	if !ok {
		return fmt.Sprintf("there is no secret %q", parts[1]), problem.DidYouMean(parts[1], sortedKeys(m.Secrets))
	}
	fields := secret.Fields()
	switch {
	case fields == nil && len(parts) > 2:
		return fmt.Sprintf("the secret %q is a single value and has no field %q", parts[1], parts[2]), ""
	case fields != nil && len(parts) == 2:
		return fmt.Sprintf("the secret %q is not a single value", parts[1]), "name a field: " + strings.Join(fields, ", ")
	case fields != nil && !slices.Contains(fields, parts[2]):
		return fmt.Sprintf("the secret %q has no field %q", parts[1], parts[2]), problem.DidYouMean(parts[2], fields)
	}
	step, inStep := stepOf(path)
	if !inStep {
		return "", ""
	}
	if m.NeedsAnswers(parts[1]) && strings.HasPrefix(step, "first_boot[") {
		return fmt.Sprintf("the secret %q is made from answers, which come only at first login", parts[1]), "move this step to first_login.steps"
	}
	for _, name := range append([]string{parts[1]}, m.SecretDependencies(parts[1])...) {
		if by := captures[name]; by != "" && !before(by, step) {
			return fmt.Sprintf("the secret %q is captured only by %s, which comes later", name, by), "move this step behind that one"
		}
	}
	return "", ""
}

func (m *Manifest) checkAnswerReference(path string, parts []string) (message, hint string) {
	var names []string
	if m.FirstLogin != nil {
		for _, question := range m.FirstLogin.Questions {
			names = append(names, question.Name)
		}
	}
	if len(parts) != 2 || !slices.Contains(names, parts[1]) {
		return "there is no question ." + strings.Join(parts, "."), problem.DidYouMean(parts[len(parts)-1], names)
	}
	if this, ok := questionNumber(path); ok && slices.Index(names, parts[1]) >= this {
		return fmt.Sprintf("the answer %q is not known yet where this question is asked", parts[1]), "move the question behind it"
	}
	if strings.HasPrefix(path, "first_boot[") {
		return fmt.Sprintf("the answer %q is known only at first login", parts[1]), "move this step to first_login.steps"
	}
	return "", ""
}

// questionNumber is which question the value at path belongs to, for what is decided before it is asked.
func questionNumber(path string) (number int, ok bool) {
	if !strings.HasPrefix(path, "first_login.questions[") || !strings.HasSuffix(path, "].when") {
		return 0, false
	}
	return stepNumber(strings.TrimSuffix(path, ".when")), true
}

// stepOf is the path of the step that the value at path belongs to.
func stepOf(path string) (string, bool) {
	for _, list := range []string{"first_boot[", "first_login.steps["} {
		if strings.HasPrefix(path, list) {
			return path[:strings.IndexByte(path, ']')+1], true
		}
	}
	return "", false
}

// before reports whether the step at a runs ahead of the step at b.
func before(a, b string) bool {
	loginA, loginB := strings.HasPrefix(a, "first_login"), strings.HasPrefix(b, "first_login")
	if loginA != loginB {
		return loginB
	}
	return stepNumber(a) < stepNumber(b)
}

// exposes finds a secret that is about to be put where other users, or a log, can read it.
func (m *Manifest) exposes(path string, parts []string) (message, hint string) {
	if !m.isSecret(parts) {
		return "", ""
	}
	last := path[strings.LastIndexByte(path, '.')+1:]
	switch {
	case path == "motd":
		return "every local user can read the message of the day, so it must not hold a secret",
			"name the file instead: /root/.digitalocean_passwords"
	case strings.HasPrefix(last, "run[") || strings.HasPrefix(last, "tty[") || strings.HasPrefix(last, "unless[") || strings.HasPrefix(last, "command["):
		return "every local user can read a command's arguments, so they must not hold a secret", "pass it with stdin: or env:"
	case last == "file" || last == "edit" || last == "directory" || last == "link" || last == "remove" || last == "creates" ||
		last == "to" || last == "dir" || last == "http" && strings.Contains(path, ".wait.") || last == "tcp" || last == "unix" || last == "dns" || last == "is":
		return "names and addresses stand in logs, so they must not hold a secret", ""
	}
	return "", ""
}

func (m *Manifest) isSecret(parts []string) bool {
	if len(parts) < 2 {
		return false
	}
	switch parts[0] {
	case "secrets":
		public := len(parts) > 2 && slices.Contains([]string{"public", "ssh_public", "cert", "chain"}, parts[2])
		return !public
	case "database", "keystore":
		return parts[1] == "password" || parts[1] == "url"
	case "answers":
		if m.FirstLogin != nil {
			for _, question := range m.FirstLogin.Questions {
				if question.Name == parts[1] {
					return question.Type == "password" || question.Type == "secret"
				}
			}
		}
	}
	return false
}

// HoldsSecret reports whether a template uses a secret, so that the file it becomes must be private.
func (m *Manifest) HoldsSecret(text string) bool {
	return slices.ContainsFunc(references(text), func(r render.Reference) bool { return m.isSecret(r.Path) })
}

// Uses lists what templates depend on that may change on a Droplet: "droplet", "database", "secrets.NAME" and
// "answers.NAME".
func (m *Manifest) Uses(texts ...string) []string {
	var used []string
	for _, text := range texts {
		for _, r := range references(text) {
			name := r.Path[0]
			switch {
			case name == "url":
				name = "droplet"
			case name == "keystore":
				name = "database"
			case (name == "secrets" || name == "answers") && len(r.Path) > 1:
				name += "." + r.Path[1]
			}
			if !slices.Contains(used, name) {
				used = append(used, name)
			}
		}
	}
	return used
}
