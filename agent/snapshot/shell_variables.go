package snapshot

import (
	"fmt"
	"strings"
)

// shellVariables is what a file of assignments leaves in a shell that sources it. Nothing is run: a variable whose value
// depends on a command is unsure.
type shellVariables struct {
	values map[string]string
	unsure map[string]string // a variable, "" for all of them, to the reason
}

// sourced reads a file as bash does that sources it, where before are the variables that the shell has already.
func sourced(text string, before map[string]string) shellVariables {
	v := shellVariables{values: before, unsure: map[string]string{}}
	if first, _, _ := strings.Cut(text, "\n"); strings.Contains(first, "\x00") {
		return v // bash takes it for a program, and reads nothing
	}
	reader := shellReader{text: text, variables: &v}
	for reader.command() {
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
}

// shellWord is one word after its expansion; name is set where it is an assignment that bash takes for one.
type shellWord struct {
	name, text string
	appends    bool
	unsure     string
}

// command reads one simple command and does what it does to variables. It is false at the end.
func (r *shellReader) command() bool {
	var words []shellWord
	for {
		r.skipBlanks()
		if r.at >= len(r.text) {
			r.carryOut(words)
			return false
		}
		switch c := r.text[r.at]; {
		case c == '\n' || c == ';':
			r.at++
			return r.carryOut(words)
		case c == '&' && strings.HasPrefix(r.text[r.at:], "&&"):
			r.at += 2
			return r.carryOut(words)
		case strings.IndexByte("|&()<>", c) >= 0:
			r.variables.unsure[""] = fmt.Sprintf("it has %q in it, which is more than assignments", c)
			return false
		}
		word, ok := r.word()
		if !ok {
			return false // a quote that is not closed: bash ends the reading, and leaves this command out
		}
		words = append(words, word)
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

// carryOut does what a command does to variables; false ends the reading.
func (r *shellReader) carryOut(words []shellWord) bool {
	at := 0
	for at < len(words) && words[at].name != "" {
		at++
	}
	if at == len(words) {
		for _, w := range words {
			r.variables.set(w)
		}
		return true
	}
	switch words[at].text { // in front of a command, assignments are the command's own
	case "export", "declare", "typeset", "readonly", "local":
		for _, w := range words[at+1:] {
			if w.name != "" {
				r.variables.set(w)
			}
		}
	case "unset":
		for _, w := range words[at+1:] {
			delete(r.variables.values, w.text)
		}
	case "return":
		return false
	case ".",
		"source",
		"eval",
		"if",
		"then",
		"else",
		"case",
		"for",
		"while",
		"until",
		"exit",
		"exec",
		"read",
		"mapfile",
		"printf",
		"set",
		"shopt",
		"trap",
		"function",
		"{",
		"}",
		"!",
		"[[",
		"alias",
		"let":
		r.variables.unsure[""] = "it has the command " + words[at].text + " in it, which is more than assignments"
		return false
	}
	return true
}

// word reads one word; ok is false where a quote is not closed.
func (r *shellReader) word() (w shellWord, ok bool) {
	begin := r.at
	var out strings.Builder
	assigned := false
	for r.at < len(r.text) {
		c := r.text[r.at]
		if strings.IndexByte(" \t\n;|&()<>", c) >= 0 {
			if c == '(' && assigned && out.Len() == 0 {
				w.unsure = "it is an array"
			}
			break
		}
		if c == '=' && !assigned {
			name, appends := strings.CutSuffix(r.text[begin:r.at], "+")
			assigned = true
			if isVariable(name) {
				w.name, w.appends = name, appends
				out.Reset()
				r.at++
				continue
			}
		}
		if !r.piece(&out, &w) {
			return w, false
		}
	}
	w.text = out.String()
	return w, true
}

// piece reads a character, or what is quoted, or an expansion.
func (r *shellReader) piece(out *strings.Builder, w *shellWord) bool {
	switch c := r.text[r.at]; c {
	case '\'':
		end := strings.IndexByte(r.text[r.at+1:], '\'')
		if end < 0 {
			return false
		}
		out.WriteString(r.text[r.at+1 : r.at+1+end])
		r.at += end + 2
	case '"':
		return r.doubleQuoted(out, w)
	case '\\':
		r.at++
		if r.at < len(r.text) {
			if r.text[r.at] != '\n' {
				out.WriteByte(r.text[r.at])
			}
			r.at++
		}
	case '$', '`':
		return r.expansion(out, w)
	default:
		out.WriteByte(c)
		r.at++
	}
	return true
}

func (r *shellReader) doubleQuoted(out *strings.Builder, w *shellWord) bool {
	for r.at++; r.at < len(r.text); {
		switch c := r.text[r.at]; {
		case c == '"':
			r.at++
			return true
		case c == '\\' && r.at+1 < len(r.text) && strings.IndexByte("$`\"\\\n", r.text[r.at+1]) >= 0:
			if r.text[r.at+1] != '\n' {
				out.WriteByte(r.text[r.at+1])
			}
			r.at += 2
		case c == '$' || c == '`':
			if !r.expansion(out, w) {
				return false
			}
		default:
			out.WriteByte(c)
			r.at++
		}
	}
	return false
}

// expansion reads $NAME, ${NAME}, ${NAME:-word}, and passes over what would run a command.
func (r *shellReader) expansion(out *strings.Builder, w *shellWord) bool {
	rest := r.text[r.at:]
	switch {
	case strings.HasPrefix(rest, "`"), strings.HasPrefix(rest, "$("):
		w.unsure = "its value is what a command prints"
		end := closing(rest)
		r.at += end
		return end > 0
	case strings.HasPrefix(rest, "${"):
		end := strings.IndexByte(rest, '}')
		if end < 0 {
			return false
		}
		r.at += end + 1
		inside := rest[2:end]
		length := nameLength(inside)
		value, set := r.variables.values[inside[:length]]
		switch operator := inside[length:]; {
		case operator == "" && length > 0:
		case strings.HasPrefix(operator, ":-") && length > 0:
			if value == "" {
				value = strings.Trim(operator[2:], `"'`)
			}
		case strings.HasPrefix(operator, "-") && length > 0:
			if !set {
				value = strings.Trim(operator[1:], `"'`)
			}
		default:
			w.unsure = "its value is worked out by ${" + inside + "}"
		}
		out.WriteString(value)
		if reason := r.variables.unsure[inside[:length]]; reason != "" {
			w.unsure = reason
		}
		return true
	}
	length := nameLength(rest[1:])
	if length == 0 {
		out.WriteByte('$')
		r.at++
		return true
	}
	name := rest[1 : 1+length]
	out.WriteString(r.variables.values[name])
	if reason := r.variables.unsure[name]; reason != "" {
		w.unsure = reason
	}
	r.at += 1 + length
	return true
}

// closing is the length of a command substitution that a text begins with, 0 where it does not end.
func closing(text string) int {
	if text[0] == '`' {
		if end := strings.IndexByte(text[1:], '`'); end >= 0 {
			return end + 2
		}
		return 0
	}
	depth := 0
	for at := 1; at < len(text); at++ {
		switch text[at] {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return at + 1
			}
		}
	}
	return 0
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
