package manifest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"oneclick-agent/agent/problem"
	"oneclick-agent/agent/render"
)

// The names of a template's data; CONTRACT of the manifest.
var (
	roots          = []string{"app", "secrets", "answers", "database", "keystore", "spaces", "droplet", "url", "steps", "answered"}
	appFields      = []string{"name", "version", "docs"}
	databaseFields = []string{"managed", "engine", "url", "host", "port", "user", "password", "name", "ca"}
	spacesFields   = []string{"chosen", "host", "bucket", "region", "access_key", "secret_key"}
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

// names reports whether a template refers to something of this root.
func names(t Template, root string) bool {
	return slices.ContainsFunc(references(t.Text), func(r render.Reference) bool { return r.Path[0] == root })
}

// Check checks templates of this manifest, or of files that it names: their syntax, that what they name exists and is
// known when it is needed, and that no secret goes where others can read it. Each template is looked at, and filled in
// with samples in the place of values.
func (m *Manifest) Check(templates ...Template) (problems problem.List) {
	c := &checker{manifest: m, capturedBy: map[string]*Step{}, named: map[string]*Step{}, actions: maxSampleActions}
	for s := range m.Steps() {
		for _, secret := range s.Spec.Effects().Captures {
			if c.capturedBy[secret] == nil {
				c.capturedBy[secret] = s
			}
		}
		if s.Name != "" {
			c.named[s.Name] = s
		}
	}
	for _, t := range templates {
		problems = append(problems, c.check(t)...)
	}
	return problems
}

// checker checks templates.
type checker struct {
	manifest   *Manifest
	capturedBy map[string]*Step
	named      map[string]*Step
	actions    int  // how many actions all samples together may still take
	tired      bool // that they took too many was told
	// data is what templates are tried out with, by situation; held tells that the text of a secret was asked for.
	data        map[situation]map[string]any
	held        bool
	secretNames []string
}

// finding is a problem of a template, at a line of its own text.
func finding(t Template, line, column int, message, hint string) problem.Problem {
	if t.Position.Line == 0 { // a file of its own
		at := problem.Position{File: t.Position.File, Line: line, Column: max(1, column)}
		return problem.Problem{Position: at, Message: message, Hint: hint}
	}
	return problem.Problem{Position: t.Position, Path: t.Path, Message: message, Hint: hint}
}

func (c *checker) check(t Template) (problems problem.List) {
	parsed, err := render.Parse(t.Text, c.manifest.Engine())
	if err != nil {
		return problem.List{broken(t, err)}
	}
	if parsed.Static() {
		return nil
	}
	for _, reference := range parsed.References() {
		message, hint := c.reference(t, reference)
		if reason, instead := t.For.Refusal(); reason != "" && c.isSecret(t, reference.Path) {
			message, hint = reason, instead
		}
		if message != "" {
			problems = append(problems, finding(t, reference.Line, 1, message, hint))
		}
	}
	if len(problems) == 0 {
		problems = c.try(t, parsed)
	}
	return problems
}

func broken(t Template, err error) problem.Problem {
	line, column := 1, 1
	var syntax *render.SyntaxError
	if errors.As(err, &syntax) {
		line, column = syntax.Line, syntax.Column
	}
	return finding(t, line, column, "cannot read this template: "+err.Error(), "")
}

// try fills the template in with samples. What a look at the template does not find is found by that: names behind
// variables, loops without end, and secrets that come by another way.
func (c *checker) try(t Template, parsed *render.Template) problem.List {
	failures := 0
	var last error
	for _, sample := range samples {
		data := c.sample(sample, t)
		if c.actions <= 0 {
			if c.tired {
				return nil
			}
			c.tired = true
			return problem.List{finding(t, 1, 1, "cannot be tried out, because the templates before it take too long", "make their loops shorter")}
		}
		allowed := min(c.actions, render.MaxActions/100)
		text, err := parsed.Execute(context.Background(), data, allowed)
		c.actions -= allowed - max(0, parsed.Actions()) + len(text)/bytesPerAction
		if reason, hint := t.For.Refusal(); c.held && reason != "" {
			return problem.List{finding(t, 1, 1, reason, hint)}
		}
		var failed *render.SyntaxError
		switch {
		case errors.Is(err, render.ErrEndless):
			return problem.List{finding(t, 1, 1, "cannot be filled in: "+err.Error(), "")}
		case errors.As(err, &failed) && strings.Contains(err.Error(), "map has no entry for key"):
			return problem.List{finding(t, failed.Line, failed.Column, "cannot be filled in: "+err.Error(), "")}
		case err != nil:
			failures, last = failures+1, err
		case t.For == Condition && !c.held && !isTruth(text):
			message := fmt.Sprintf("is neither true nor false, but for example %q", strings.TrimSpace(text))
			return problem.List{finding(t, 1, 1, message, `compare it, as in {{ eq .answers.mode "simple" }}`)}
		}
	}
	if failures == len(samples) {
		return problem.List{finding(t, 1, 1, "cannot be filled in: "+last.Error(), "")}
	}
	return nil
}

// isTruth reports whether the text of a condition says whether it holds.
func isTruth(text string) bool {
	return slices.Contains([]string{"true", "false", "", "0"}, strings.TrimSpace(text))
}

// sample is what a template is tried out with in a situation.
func (c *checker) sample(s situation, t Template) map[string]any {
	if c.held = false; t.tries() {
		return c.manifest.sample(s, t, func() { c.held = true })
	}
	if c.data == nil {
		c.data = map[situation]map[string]any{}
	}
	if c.data[s] == nil {
		c.data[s] = c.manifest.sample(s, t, func() { c.held = true })
	}
	return c.data[s]
}

func (c *checker) reference(t Template, reference render.Reference) (message, hint string) {
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
	switch parts[0] {
	case "app":
		return field(appFields)
	case "droplet":
		return field(dropletFields)
	case "spaces":
		return field(spacesFields)
	case "url":
		return c.urlReference(t)
	case "answered":
		if t.For != Message {
			return "only the message of the day can ask whether the questions are answered", "ask for an answer: .answers.NAME"
		}
		return "", ""
	case "value":
		if t.tries() {
			return "", ""
		}
	case "database", "keystore":
		if c.manifest.Database == nil {
			return fmt.Sprintf("%s is used, but the manifest has no database", reference), ""
		}
		return field(databaseFields)
	case "secrets":
		return c.secretReference(t, parts)
	case "answers":
		return c.answerReference(t, parts)
	case "steps":
		return c.stepReference(t, parts)
	}
	return unknown(roots)
}

// urlReference wants the app's address only where all that it is made from is known.
func (c *checker) urlReference(t Template) (message, hint string) {
	switch early := t.scope.part == firstBoot || t.scope.part == asking; {
	case t.Path == urlPath:
		return "the address of the app cannot be made from itself", "write http:// or https:// and a host"
	case early && c.manifest.urlNeedsAnswers():
		return "the address of the app is made from answers, which come only at first login", "move this step to first_login.steps"
	}
	return "", ""
}

// urlPath is where the app's address stands.
const urlPath = "app.url"

func (c *checker) secretReference(t Template, parts []string) (message, hint string) {
	if c.secretNames == nil {
		c.secretNames = sortedKeys(c.manifest.Secrets)
	}
	names := c.secretNames
	if len(parts) < 2 {
		return "secrets needs a name behind it", problem.DidYouMean("", names)
	}
	secret, ok := c.manifest.Secrets[parts[1]]
	if !ok {
		return fmt.Sprintf("there is no secret %q", parts[1]), problem.DidYouMean(parts[1], names)
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
	if c.manifest.NeedsAnswers(parts[1]) && t.scope.part == firstBoot {
		return fmt.Sprintf("the secret %q is made from answers, which come only at first login", parts[1]), "move this step to first_login.steps"
	}
	if !t.scope.inStep() {
		return "", ""
	}
	for _, name := range append([]string{parts[1]}, sortedKeys(c.manifest.graph[parts[1]].captures)...) {
		if by := c.capturedBy[name]; by != nil && !by.scope.before(t.scope) {
			return fmt.Sprintf("the secret %q is captured only by %s, which comes later", name, by.Path), "move this step behind that one"
		}
	}
	return "", ""
}

func (c *checker) answerReference(t Template, parts []string) (message, hint string) {
	var names []string
	if c.manifest.FirstLogin != nil {
		for _, question := range c.manifest.FirstLogin.Questions {
			names = append(names, question.Name)
		}
	}
	if len(parts) != 2 || !slices.Contains(names, parts[1]) {
		return "there is no question ." + strings.Join(parts, "."), problem.DidYouMean(parts[len(parts)-1], names)
	}
	switch {
	case t.scope.part == asking && slices.Index(names, parts[1]) >= t.scope.number:
		return fmt.Sprintf("the answer %q is not known yet where this question is asked", parts[1]), "move the question behind it"
	case t.scope.part == firstBoot:
		return fmt.Sprintf("the answer %q is known only at first login", parts[1]), "move this step to first_login.steps"
	}
	return "", ""
}

func (c *checker) stepReference(t Template, parts []string) (message, hint string) {
	if len(parts) != 2 || c.named[parts[1]] == nil {
		return "there is no step of the name ." + strings.Join(parts, "."), problem.DidYouMean(parts[len(parts)-1], sortedKeys(c.named))
	}
	if by := c.named[parts[1]]; t.scope.inStep() && !by.scope.before(t.scope) {
		return fmt.Sprintf("the step %q comes later, so how it ended is not known yet", parts[1]), "move this step behind that one"
	}
	return "", ""
}

// isSecret reports whether what a reference names is kept from others.
func (c *checker) isSecret(t Template, parts []string) bool {
	if parts[0] == "value" {
		return c.manifest.valueIsSecret(t)
	}
	if len(parts) < 2 {
		return false
	}
	switch parts[0] {
	case "secrets":
		return len(parts) < 3 || !slices.Contains(PublicFields, parts[2])
	case "database", "keystore":
		return parts[1] == "password" || parts[1] == "url"
	case "spaces":
		return parts[1] == "secret_key"
	case "answers":
		question := c.manifest.question(parts[1])
		return question != nil && question.Hidden()
	}
	return false
}

// PublicFields are the fields of a key pair or a certificate that anybody may see.
var PublicFields = []string{"public", "ssh_public", "cert", "chain"}

// question finds a question by its name.
func (m *Manifest) question(name string) *Question {
	if m.FirstLogin == nil {
		return nil
	}
	for i := range m.FirstLogin.Questions {
		if q := &m.FirstLogin.Questions[i]; q.Name == name {
			return q
		}
	}
	return nil
}

// valueIsSecret reports whether .value, the answer that a check tries out, is kept from others.
func (m *Manifest) valueIsSecret(t Template) bool {
	return m.FirstLogin != nil && t.scope.part == asking && t.scope.number < len(m.FirstLogin.Questions) &&
		m.FirstLogin.Questions[t.scope.number].Hidden()
}

// Hidden reports whether the answer is kept from others.
func (q *Question) Hidden() bool { return q.Type == "password" || q.Type == "secret" }

// HoldsSecret reports whether a secret may stand in one of the templates, so that what they become must be private.
func (m *Manifest) HoldsSecret(templates ...Template) bool {
	c := &checker{manifest: m}
	for _, t := range templates {
		parsed, err := render.Parse(t.Text, m.Engine())
		if err != nil || parsed.Static() {
			continue
		}
		held := slices.ContainsFunc(parsed.References(), func(r render.Reference) bool { return c.isSecret(t, r.Path) })
		for _, sample := range samples {
			if held {
				return true
			}
			parsed.Execute(context.Background(), c.sample(sample, t), render.MaxActions/100)
			held = c.held
		}
		if held {
			return true
		}
	}
	return false
}
