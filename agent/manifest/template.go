package manifest

import (
	"strings"

	"oneclick-agent/agent/problem"
)

// Template is text in which {{ }} refers to the Droplet's data, with what is known of the place where it stands.
type Template struct {
	Text string
	// For is what the filled-in text is used for.
	For Purpose
	// Path names the value in the manifest ("first_boot[3].content"); Position is where it stands.
	Path     string
	Position problem.Position
	scope    scope
}

// IsZero reports whether nothing was written.
func (t Template) IsZero() bool { return t.Text == "" }

// String is the template's own text, not filled in.
func (t Template) String() string { return t.Text }

// IsPattern reports whether the text names all paths that match it, as in a shell. What is filled in never does.
func (t Template) IsPattern() bool {
	return strings.ContainsAny(t.Text, patternCharacters) && !t.isDynamic()
}

func (t Template) isDynamic() bool { return strings.Contains(t.Text, "{{") }

// patternCharacters make a pattern of a path.
const patternCharacters = "*?["

// Source is the template in a file that the step names by the value at this place; its positions are lines of the file.
func (s *Step) Source(file, at, text string) Template {
	return Template{text, Content, at, problem.Position{File: file}, s.scope}
}

// Purpose is what a template's text is used for. Every field that holds a template names it with the tag "for".
type Purpose string

// The purposes.
const (
	Name      Purpose = "name"      // a path, or the name of a unit or an account: it stands in logs
	Address   Purpose = "address"   // where something is asked: it stands in logs
	Argument  Purpose = "argument"  // of a command
	Condition Purpose = "condition" // true or false
	Content   Purpose = "content"   // of a file, which has a mode of its own
	Input     Purpose = "input"     // standard input or environment of a command that the vendor named
	Header    Purpose = "header"    // sent to an address that the vendor named
	Proposal  Purpose = "proposal"  // shown as the answer to a question before anybody typed one
	Message   Purpose = "message"   // shown to every user of the machine
	Material  Purpose = "material"  // what a secret is made from
)

// Refusal says why a secret may not stand in a text of this purpose, and what to do instead; "" where one may.
func (p Purpose) Refusal() (reason, hint string) {
	switch p {
	case Content, Input, Header, Condition, Material:
		return "", ""
	case Argument:
		return "every local user can read a command's arguments, so they must not hold a secret", "pass it with stdin: or env:"
	case Message:
		return "every local user can read the message of the day, so it must not hold a secret",
			"name the file instead: /root/.digitalocean_passwords"
	case Proposal:
		return "what is proposed as an answer is shown, so it must not hold a secret", "let the question generate: true instead"
	}
	return "names and addresses stand in logs, so they must not hold a secret", ""
}

// scope is which part of the manifest a template belongs to. It decides what is known when the template is filled in.
type scope struct {
	part   part
	number int // of the step, or of the question
}

type part int

const (
	anytime    part = iota // filled in again and again: the message of the day
	making                 // filled in when secrets are made
	firstBoot              // of a step of first boot
	asking                 // of a question
	firstLogin             // of a step of first login
)

// before reports whether the step at a runs ahead of the step at b.
func (a scope) before(b scope) bool {
	return a.part < b.part || a.part == b.part && a.number < b.number
}

// inStep reports whether it is a step's.
func (a scope) inStep() bool { return a.part == firstBoot || a.part == firstLogin }

// holder is a part of the manifest that knows all templates that were read into it.
type holder struct{ templates []Template }

func (h *holder) self() *holder { return h }

func (h *holder) hold(t Template) { h.templates = append(h.templates, t) }

// Templates are all templates within, in the order of the file.
func (h *holder) Templates() []Template { return h.templates }

// tries reports whether the template is of a check that tries an answer out, which sees the answer as .value.
func (t Template) tries() bool {
	return t.scope.part == asking && (t.For == Address || t.For == Header)
}
