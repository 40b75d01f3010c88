package edit

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"oneclick-agent/agent/pattern"
	"oneclick-agent/agent/render"
)

// dialect is how one family of programs reads a file of sections and keys.
type dialect struct {
	separators string // what may stand between a key and its value
	separator  string // what stands there in a new file
	comments   string // how a comment line begins
	strict     bool   // a section twice is an error of the reader
	top        bool   // keys may stand before the first section
	repeats    bool   // a key may stand several times, and each counts
	flags      bool   // a key may have no value; lines with ! include files
	loose      bool   // sections are there for people
	fold       func(key string) string
	// extent reads the value that begins with rest, and how many lines it takes.
	extent func(parts []string, e *iniEntry, rest string) error
	// write quotes a value; have is what stands there, so that its quotes can stay.
	write       func(text, have string) (string, error)
	read        func(have string) (string, bool) // undoes write; false where that depends on more than the text
	sectionName func() *regexp.Regexp
	name        func() *regexp.Regexp // that a new key may have
}

var (
	anySection    = pattern.New(`^[^\[\]\s](?:[^\[\]]*[^\[\]\s])?$`)
	simpleSection = pattern.New(`^\w[\w.:/@-]*$`)
	unitSection   = pattern.New(`^[A-Za-z0-9_-]+$`)
	iniName       = pattern.New(`^[^\[\]#;!<=:\s](?:[^\[\]=:]*[^\[\]=:\s])?$`)
	mysqlName     = pattern.New(`^\w[\w.-]*$`)
	unitName      = pattern.New(`^[\w-]+$`)
	phpName       = pattern.New(`^\w[\w.-]*(?:\[[\w.-]*\])?$`)
	phpWord       = pattern.New(`^(?i:null|yes|no|true|false|on|off|none)$`)
)

func same(key string) string { return key }

// plainINI is what Python's configparser and most small programs read: no quotes, and all that stands behind the
// separator is the value, with what looks like a comment.
func plainINI() dialect {
	return dialect{
		separators: "=:", separator: " = ", comments: "#;", strict: true, top: true, fold: strings.ToLower,
		extent: indentedExtent, write: func(text, _ string) (string, error) { return oneLine(text) }, read: asItStands,
		sectionName: anySection, name: iniName,
	}
}

// python is configparser with its interpolation, where a percent sign is written twice.
func python() dialect {
	d := plainINI()
	d.top = false
	d.write = func(text, _ string) (string, error) { return oneLine(strings.ReplaceAll(text, "%", "%%")) }
	return d
}

// systemd is unit files, drop-ins and the files in /etc/systemd: the value is written as systemd's manual says for
// the key, and a key that stands several times adds up.
func systemd() dialect {
	return dialect{
		separators: "=", separator: "=", comments: "#;", repeats: true, fold: same,
		extent: backslashExtent, read: asItStands, sectionName: unitSection, name: unitName,
		write: func(text, _ string) (string, error) {
			if oddBackslashes(text) {
				return "", errors.New("the value ends in a backslash, behind which systemd would take the next line as a part of the value")
			}
			return oneLine(text)
		},
	}
}

// mysql is option files of MySQL and MariaDB: quotes and backslashes as in C, a comment sign inside of quotes is a
// part of the value, and a hyphen in a name is the same as an underscore.
func mysql() dialect {
	return dialect{
		separators: "=", separator: " = ", comments: "#;", repeats: true, flags: true,
		fold:   func(key string) string { return strings.ReplaceAll(key, "-", "_") },
		extent: mysqlExtent, write: writeMySQL, read: readMySQL, sectionName: simpleSection, name: mysqlName,
	}
}

// phpSettings is php.ini and the pools of PHP-FPM.
func phpSettings() dialect {
	return dialect{
		separators: "=", separator: " = ", comments: ";#", top: true, repeats: true, loose: true, fold: same,
		extent: phpSettingExtent, write: render.PHPSetting, read: readPHPSetting, sectionName: simpleSection, name: phpName,
	}
}

func (d dialect) checkName(name string) error {
	if _, err := oneLine(name); err != nil || !d.name().MatchString(name) || d.loose && phpWord().MatchString(name) {
		return fmt.Errorf("%q cannot be the name of a new key", name)
	}
	return nil
}

// same reports whether an entry has the value that a written text means.
func (d dialect) same(e iniEntry, text string) bool {
	if e.separator == "" {
		return false
	}
	have, known := d.read(e.value)
	want, _ := d.read(text)
	return known && have == want
}

func asItStands(have string) (string, bool) { return have, true }

// oneLine refuses what a value without quotes cannot hold.
func oneLine(text string) (string, error) {
	switch {
	case strings.ContainsFunc(text, func(r rune) bool { return r != '\t' && (r < ' ' || r == 0x7f) }):
		return "", errors.New("the value holds a line break or another control character, which the format cannot carry")
	case strings.TrimFunc(text, unicode.IsSpace) != text:
		return "", errors.New("the value begins or ends with white space, which the format, having no quotes, cannot carry")
	}
	return text, nil
}

// mysqlExtent reads a value up to a # that stands outside of quotes.
func mysqlExtent(_ []string, e *iniEntry, rest string) error {
	end, quote := len(rest), byte(0)
	for i := 0; i < len(rest) && end == len(rest); i++ {
		switch c := rest[i]; {
		case quote != 0 && c == '\\':
			i++
		case c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case quote == 0 && c == '#':
			end = i
		}
	}
	e.value = strings.TrimRight(rest[:end], " \t")
	e.comment = rest[len(e.value):]
	return nil
}

func writeMySQL(text, have string) (string, error) {
	quoted, err := render.INI(text)
	if err != nil {
		return "", err
	}
	if len(quoted) > 3000 {
		return "", errors.New("the value is longer than MySQL reads a line")
	}
	stood := byte(0)
	if have != "" {
		stood = have[0]
	}
	switch {
	case stood == '\'' && !strings.ContainsAny(text, `'\`):
		return "'" + text + "'", nil
	case stood == '"' && !strings.HasPrefix(quoted, `"`):
		return `"` + quoted + `"`, nil
	}
	return quoted, nil
}

func readMySQL(have string) (string, bool) {
	if n := len(have); n > 1 && (have[0] == '"' || have[0] == '\'') && have[n-1] == have[0] {
		have = have[1 : n-1]
	}
	var b strings.Builder
	for i := 0; i < len(have); i++ {
		if have[i] == '\\' && i+1 < len(have) {
			i++
			if strings.IndexByte(`\"'`, have[i]) < 0 {
				return "", false
			}
		}
		b.WriteByte(have[i])
	}
	return b.String(), true
}

// phpSettingExtent reads a value up to a semicolon or a line break that stands outside of quotes.
func phpSettingExtent(parts []string, e *iniEntry, rest string) error {
	text := rest
	for i := 0; ; i++ {
		end, closed := phpSettingEnd(text)
		if closed {
			e.value = strings.TrimRight(text[:end], " \t")
			e.comment = text[len(e.value):]
			return nil
		}
		if e.to == len(parts) {
			return notThis("line %d has a quote that is not closed", e.from+1)
		}
		if i == 0 {
			text += ending(parts[e.from])
		}
		text += parts[e.to]
		e.to++
		if _, closed := phpSettingEnd(text); closed {
			text = body(text)
		}
	}
}

// phpSettingEnd is where a value ends; closed is false where a quote is still open.
func phpSettingEnd(text string) (end int, closed bool) {
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case ';':
			return i, true
		case '"', '\'':
			end := closingQuote(text[i:])
			if end < 0 {
				return 0, false
			}
			i += end - 1
		}
	}
	return len(text), true
}

// readPHPSetting reads what PHPSetting writes, and other text in quotes.
func readPHPSetting(have string) (string, bool) {
	if plain, err := render.PHPSetting(have, ""); have == "" || err == nil && plain == have {
		return have, true
	}
	var b strings.Builder
	for rest := have; rest != ""; {
		end := closingQuote(rest)
		if rest[0] != '"' && rest[0] != '\'' || end < 0 || rest[0] == '"' && strings.Contains(rest[:end], "${") {
			return "", false
		}
		inner := rest[1 : end-1]
		if rest[0] == '"' {
			inner = strings.NewReplacer(`\\`, `\`, `\"`, `"`).Replace(inner)
		}
		b.WriteString(inner)
		rest = rest[end:]
	}
	// A word of PHP's own means something else in quotes.
	again, err := render.PHPSetting(b.String(), `"`)
	return b.String(), err == nil && (again == "" || strings.ContainsAny(again[:1], `"'`))
}
