package edit

import (
	"errors"
	"slices"
	"strings"

	"oneclick-agent/agent/pattern"
	"oneclick-agent/agent/render"
)

var (
	dotenvEntryStart = pattern.New(`^(\s*(?:export\s+)?)([A-Za-z_][A-Za-z0-9_.-]*)(\s*=[ \t]*)`)
	dotenvName       = pattern.New(`^[A-Za-z_][A-Za-z0-9_.-]*$`)
	dotenvNew        = pattern.New(`^[A-Za-z_][A-Za-z0-9_]*$`)
	dotenvExport     = pattern.New(`^\s*export(?:\s+[A-Za-z_][A-Za-z0-9_]*)+\s*(?:#.*)?$`)
)

// dotenvEditor edits files of NAME=value lines. They differ in how their readers take quotes.
type dotenvEditor struct {
	quote func(value string, old byte) (string, error) // old is the quote that stood, or 0
	sh    bool                                         // a backslash is read as sh reads one
}

// shellQuoting is for what sh, systemd, docker compose and the dotenv libraries read.
func shellQuoting(value string, old byte) (string, error) {
	plain, err := render.Dotenv(value)
	switch {
	case err != nil:
		return "", err
	case old == '"':
		return render.DoubleQuoted(value), nil
	case old == '\'' && !strings.ContainsAny(value, `'\`):
		return "'" + value + "'", nil
	case value == "":
		return "", nil
	}
	return plain, nil
}

// loginQuoting is for /etc/environment: pam_env reads it at each login, and it takes off the quotes around a value
// and nothing else; people also read it with sh.
func loginQuoting(value string, old byte) (string, error) {
	plain, err := render.Dotenv(value)
	switch {
	case err != nil:
		return "", err
	case strings.ContainsAny(value, "'#\n\\"):
		return "", errors.New(`the value holds ', #, \ or a line break, which /etc/environment cannot carry; use an environment file of the unit`)
	case old == '"' && !strings.ContainsAny(value, "\"$`"):
		return `"` + value + `"`, nil
	case old == '\'':
		return "'" + value + "'", nil
	case value == "":
		return "", nil
	}
	return plain, nil
}

// dotenvEntry is the lines that one entry takes: a quoted value may go over several.
type dotenvEntry struct {
	from, to     int // lines, to is behind the last
	prefix, name string
	value        string // with its quotes
	comment      string // behind the value, with the white space before it
}

func scanDotenv(parts []string) ([]dotenvEntry, error) {
	var all []dotenvEntry
	text, at := strings.Join(parts, ""), 0 // at is where line i begins in text
	for i := 0; i < len(parts); {
		trimmed := strings.TrimSpace(parts[i])
		if trimmed == "" || trimmed[0] == '#' || dotenvExport().MatchString(trimmed) {
			at += len(parts[i])
			i++
			continue
		}
		match := dotenvEntryStart().FindStringSubmatch(body(parts[i]))
		if match == nil {
			return nil, notThis("line %d is not NAME=value", i+1)
		}
		e := dotenvEntry{from: i, prefix: match[0], name: match[2]}
		rest := text[at+len(e.prefix):]
		end, err := dotenvValue(rest, strings.TrimRight(e.prefix, " \t") != e.prefix)
		if err != nil {
			return nil, notThis("line %d has %s", i+1, err)
		}
		if e.value = strings.TrimRight(rest[:end], " \t\r\n"); e.value == "" {
			e.prefix = strings.TrimRight(e.prefix, " \t")
			rest = text[at+len(e.prefix):]
		}
		behind, _, _ := strings.Cut(rest[len(e.value):], "\n")
		e.comment = strings.TrimRight(behind, "\r")
		for e.to = i + 1 + strings.Count(e.value, "\n"); i < e.to; i++ {
			at += len(parts[i])
		}
		all = append(all, e)
	}
	return all, nil
}

// dotenvValue is the place behind a value: where its comment begins, or its last line ends. Text in quotes may go
// over lines, and so may a backslash at the end of one. Blank says that white space stands before the text.
func dotenvValue(text string, blank bool) (int, error) {
	for i := 0; i < len(text); {
		switch c := text[i]; {
		case c == '\n':
			return i, nil
		case c == '\'' || c == '"':
			end := closingQuote(text[i:])
			if end < 0 {
				return 0, errors.New("a quote that is not closed")
			}
			i += end
		case c == '\\' && strings.HasPrefix(text[i+1:], "\r\n"):
			i += 3
		case c == '\\':
			i += 2
		case c == '#' && (i == 0 && blank || i > 0 && strings.IndexByte(" \t", text[i-1]) >= 0):
			return i, nil
		default:
			i++
		}
	}
	return len(text), nil
}

// read is the value as sh gives it; ok is false where that depends on more than the text.
func (e dotenvEntry) read() (value string, ok bool) {
	var b strings.Builder
	quote := byte(0)
	for i := 0; i < len(e.value); i++ {
		c := e.value[i]
		switch {
		case c == quote:
			quote = 0
		case quote == 0 && (c == '\'' || c == '"'):
			quote = c
		case quote != '\'' && (c == '$' || c == '`'), quote == 0 && strings.IndexByte(" \t\r\n;&|()<>~*?[", c) >= 0:
			return "", false
		case c == '\\' && quote != '\'':
			if i++; i == len(e.value) || quote == '"' && strings.IndexByte("\"\\$`", e.value[i]) < 0 || strings.IndexByte("\r\n", e.value[i]) >= 0 {
				return "", false
			}
			b.WriteByte(e.value[i])
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), true
}

func (e dotenvEntry) quote() byte {
	if e.value != "" && (e.value[0] == '"' || e.value[0] == '\'') {
		return e.value[0]
	}
	return 0
}

func (d dotenvEditor) set(data []byte, key Key, value any) ([]byte, error) {
	text, err := scalar(value)
	if err != nil {
		return nil, err
	}
	parts := lines(data)
	all, err := scanDotenv(parts)
	if err != nil {
		return nil, err
	}
	name, found := strings.Join(key.Names(), "."), false
	// Every entry of the name gets the value: readers differ in whether the first or the last one counts.
	for _, e := range slices.Backward(all) {
		if e.name != name {
			continue
		}
		found = true
		if have, ok := e.read(); ok && have == text && (d.sh || !strings.Contains(e.value, `\`)) {
			continue
		}
		quoted, err := d.quote(text, e.quote())
		if err != nil {
			return nil, err
		}
		parts = slices.Replace(parts, e.from, e.to, e.prefix+quoted+e.comment+ending(parts[e.to-1]))
	}
	if found {
		return unlines(parts), nil
	}
	if !dotenvNew().MatchString(name) {
		return nil, errors.New("no entry has this name, and a new one with a dot or a hyphen could not be read by sh")
	}
	quoted, err := d.quote(text, 0)
	if err != nil {
		return nil, err
	}
	return unlines(append(finished(parts, lineEnding(data)), name+"="+quoted+lineEnding(data))), nil
}

func (d dotenvEditor) unset(data []byte, key Key) ([]byte, error) {
	parts := lines(data)
	all, err := scanDotenv(parts)
	if err != nil {
		return nil, err
	}
	for _, e := range slices.Backward(all) {
		if e.name == strings.Join(key.Names(), ".") {
			parts = slices.Delete(parts, e.from, e.to)
		}
	}
	return unlines(parts), nil
}
