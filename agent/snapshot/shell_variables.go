package snapshot

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// shellVariables is what a file of assignments leaves in a shell that sources it. Nothing is run: a variable whose value
// depends on a command is unsure.
type shellVariables struct {
	values map[string]string
	unsure map[string]string // a variable, "" for all of them, to the reason
	exits  bool              // the shell itself ends there, with the status exit, "" for one that is not known
	exit   string
}

// sourced reads a file as bash does that sources it, where before are the variables that the shell has already.
func sourced(text string, before map[string]string) shellVariables {
	v := shellVariables{values: before, unsure: map[string]string{}}
	if first, _, _ := strings.Cut(text, "\n"); strings.Contains(first, "\x00") {
		return v // bash takes it for a program, and reads nothing
	}
	reader := shellReader{text: text, variables: &v, status: "0"}
	for reader.list() {
	}
	return v
}

// get is a variable's value; reason is why it is not known for sure, "" where it is.
func (v *shellVariables) get(name string) (value, reason string) {
	if reason := v.unsure[""]; reason != "" {
		return "", reason
	}
	return v.values[name], v.unsure[name]
}

func (v *shellVariables) set(w shellWord) {
	name, value := w.name, w.text
	if w.appends {
		value = v.values[name] + value
	}
	v.values[name] = value
	delete(v.unsure, name)
	if w.unsure != "" {
		v.unsure[name] = w.unsure
	}
}

// shellReader splits a text into commands and words as bash does.
type shellReader struct {
	text      string
	at        int
	variables *shellVariables
	status    string // how the command before ended: see outcome
}

// shellWord is one word after its expansion; name is set where it is an assignment that bash takes for one.
type shellWord struct {
	name, text string
	appends    bool
	unsure     string
}

// list reads one line of commands, or more where && or || joins them, and carries it out. Bash reads a whole line before
// it does anything, so that a mistake in it undoes what stands before the mistake. It is false where the reading ends.
func (r *shellReader) list() bool {
	before, beforeUnsure := maps.Clone(r.variables.values), maps.Clone(r.variables.unsure)
	mistake := func() bool {
		r.variables.values, r.variables.unsure = before, beforeUnsure
		return false
	}
	done := outcome{status: r.status}
	for {
		words, behind, ok := r.command()
		last := behind == "\n" || behind == ""
		switch {
		case behind == "(" || behind == ")" || behind == "<" || behind == "&>":
			r.variables.unsure[""] = fmt.Sprintf("it has %q in it, which is more than assignments", behind)
			return false
		case len(words) == 0 && done.joined && behind == "\n": // the command stands in the next line
			continue
		case !ok, behind == ";;", len(words) == 0 && (!last || done.joined):
			return mistake()
		}
		if len(words) > 0 {
			done = r.carryOut(words, behind, done)
			r.status = done.status
		}
		if done.ends {
			return false
		}
		if last {
			return behind != ""
		}
	}
}

// command reads the words of one simple command, and what stands behind it: a line break, an operator, "" at the end of
// the text. It is false where a quote is not closed: bash ends the reading there.
func (r *shellReader) command() (words []shellWord, behind string, ok bool) {
	for {
		r.skipBlanks()
		if r.at >= len(r.text) {
			return words, "", true
		}
		for _, operator := range []string{"\n", ";;", ";", "&&", "&>", "&", "||", "|", "(", ")", "<"} {
			if strings.HasPrefix(r.text[r.at:], operator) {
				r.at += len(operator)
				return words, operator, true
			}
		}
		redirects := r.text[r.at] == '>' // what goes elsewhere changes no variable
		if redirects {
			r.at += len(r.text[r.at:]) - len(strings.TrimLeft(r.text[r.at:], ">|"))
			r.skipBlanks()
		}
		word, ok := r.word()
		if !ok {
			return nil, "", false
		}
		if !redirects {
			words = append(words, word)
		}
	}
}

// skipBlanks passes over space, comments and joined lines.
func (r *shellReader) skipBlanks() {
	for r.at < len(r.text) {
		switch rest := r.text[r.at:]; {
		case rest[0] == ' ' || rest[0] == '\t':
			r.at++
		case strings.HasPrefix(rest, "\\\n"):
			r.at += 2
		case rest[0] == '#':
			for r.at < len(r.text) && r.text[r.at] != '\n' {
				r.at++
			}
		default:
			return
		}
	}
}

// outcome is how a command ended: its exit status, "" where nobody knows; whether the next one is joined to it, and is
// passed over; whether the reading ends with it.
type outcome struct {
	status             string
	joined, over, ends bool
	unsure             string // why it is not known whether the next command runs
}

// carryOut does what a command does to variables, by the outcome of the one before it.
func (r *shellReader) carryOut(words []shellWord, behind string, before outcome) (done outcome) {
	done = outcome{status: before.status}
	switch {
	case before.over:
	case behind == "|" || behind == "&": // a shell of its own, whose variables end with it
		done.status = ""
		if behind == "&" {
			done.status = "0"
		}
	default:
		if before.unsure != "" {
			for n := range words {
				words[n].unsure = before.unsure
			}
		}
		done.status, done.ends = r.run(words, before)
	}
	switch behind {
	case "&&", "||":
		done.joined = true
		done.over = done.status != "" && (done.status == "0") == (behind == "||")
		if done.status == "" {
			done.unsure = "whether it is set depends on a command"
		}
	case "|":
		done.joined, done.over = true, true
	}
	return done
}

// moreThanAssignments are commands after which nothing is known of the variables.
var moreThanAssignments = []string{
	".", "source", "eval", "if", "then", "else", "case", "for", "while", "until", "exec", "read", "mapfile", "printf",
	"set", "shopt", "trap", "function", "{", "}", "!", "[[", "let",
}

// run is what a simple command does to variables, and its exit status.
func (r *shellReader) run(words []shellWord, before outcome) (status string, ends bool) {
	at := 0
	for at < len(words) && words[at].name != "" {
		at++
	}
	if at == len(words) {
		for _, w := range words {
			r.variables.set(w)
		}
		return "0", false
	}
	command, arguments := words[at].text, words[at+1:] // in front of a command, assignments are the command's own
	switch {
	case slices.Contains([]string{"export", "declare", "typeset", "readonly", "local"}, command):
		for _, w := range arguments {
			if w.name != "" {
				r.variables.set(w)
			}
		}
		return "0", false
	case command == "unset":
		for _, w := range arguments {
			delete(r.variables.values, w.text)
		}
		return "0", false
	case command == "return":
		return "", true
	case command == "exit":
		r.variables.exit = before.status
		if len(arguments) > 0 {
			r.variables.exit = arguments[0].text
		}
		r.variables.exits = true
		return "", true
	case command == "true" || command == ":":
		return "0", false
	case command == "false":
		return "1", false
	case slices.Contains(moreThanAssignments, command):
		r.variables.unsure[""] = "it has the command " + command + " in it, which is more than assignments"
		return "", true
	}
	return "", false
}

func isVariable(name string) bool { return name != "" && nameLength(name) == len(name) }

// nameLength is how many bytes at the beginning of a text can be a variable's name.
func nameLength(text string) int {
	for at := range len(text) {
		c := text[at]
		letter := c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (at == 0 || c < '0' || c > '9') {
			return at
		}
	}
	return len(text)
}
