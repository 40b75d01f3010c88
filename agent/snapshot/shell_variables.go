package snapshot

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
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
			if array, _, ok := strings.Cut(name, "["); ok && isVariable(array) {
				w.name, w.unsure = array, "it is an array"
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
		if strings.HasPrefix(r.text[r.at:], `$"`) {
			r.at++
			return r.doubleQuoted(out, w)
		}
		if strings.HasPrefix(r.text[r.at:], "$'") {
			return r.escapedText(out)
		}
		return r.expansion(out, w)
	default:
		out.WriteByte(c)
		r.at++
	}
	return true
}

// escapedText reads $'text', with its escapes as in C.
func (r *shellReader) escapedText(out *strings.Builder) bool {
	for r.at += 2; r.at < len(r.text); {
		rest := r.text[r.at:]
		if rest[0] == '\'' {
			r.at++
			return true
		}
		if rest[0] == '\\' && len(rest) > 1 && (rest[1] == '\'' || rest[1] == '"') {
			out.WriteByte(rest[1])
			r.at += 2
			continue
		}
		value, multibyte, tail, err := strconv.UnquoteChar(rest, 0)
		switch {
		case err != nil: // no escape of C
			out.WriteByte(rest[0])
			r.at++
			continue
		case multibyte:
			out.WriteRune(value)
		default:
			out.WriteByte(byte(value))
		}
		r.at += len(rest) - len(tail)
	}
	return false
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
		case length > 0 && operator != "" && strings.IndexByte("%#", operator[0]) >= 0:
			var ok bool
			if value, ok = cutShape(value, operator); !ok {
				w.unsure = "its value is worked out by ${" + inside + "}"
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

// cutShape takes off what has a shape: % and %% at the end, # and ## at the begin, the doubled ones as much as they can.
func cutShape(value, operator string) (string, bool) {
	shape, most := operator[1:], false
	if strings.HasPrefix(shape, operator[:1]) {
		shape, most = shape[1:], true
	}
	if strings.ContainsAny(shape, "[]\\$`\"'") {
		return value, false
	}
	expression := regexp.MustCompile("(?s)^" + strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(shape)) + "$")
	fits := value
	for cut := range len(value) + 1 { // the longer the piece, the later it is looked at
		piece, rest := value[:cut], value[cut:]
		if operator[0] == '%' {
			rest, piece = value[:len(value)-cut], value[len(value)-cut:]
		}
		if expression.MatchString(piece) {
			if fits = rest; !most {
				break
			}
		}
	}
	return fits, true
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
