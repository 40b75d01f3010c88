package snapshot

import (
	"regexp"
	"strconv"
	"strings"
)

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
