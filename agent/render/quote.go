package render

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"strings"

	"oneclick-agent/agent/pattern"
)

// text is how a template value reads before it is quoted.
func text(value any) string { return fmt.Sprint(value) }

var (
	errControl = errors.New("the value holds a control character, which this format cannot carry")
	errNUL     = errors.New("the value holds a NUL byte")
)

// bare reports whether every byte is a letter, a digit or one of extra, so that no format needs quotes.
func bare(s, extra string) bool {
	for i := range len(s) {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte(extra, c) >= 0) {
			return false
		}
	}
	return s != ""
}

func hasControl(s string, allowed string) bool {
	return strings.ContainsFunc(s, func(r rune) bool {
		return (r < ' ' || r == 0x7f) && !strings.ContainsRune(allowed, r)
	})
}

// Shell quotes for POSIX sh.
func Shell(value any) (string, error) {
	s := text(value)
	if strings.Contains(s, "\x00") {
		return "", errNUL
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'", nil
}

// Dotenv quotes for .env files. Bare and single-quoted values read the same in sh, systemd, docker compose and
// the dotenv libraries; only a value with a single quote, a backslash or a line break needs double quotes.
func Dotenv(value any) (string, error) {
	s := text(value)
	switch {
	case bare(s, "_-./:@%+,="):
		return s, nil
	case hasControl(s, "\t\n"):
		return "", errControl
	case !strings.ContainsAny(s, "'\\\n"):
		return "'" + s + "'", nil
	}
	return DoubleQuoted(s), nil
}

// DoubleQuoted quotes so that sh and systemd's EnvironmentFile=, old and new, give the same value back.
func DoubleQuoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`, "`", "\\`").Replace(s) + `"`
}

// JSON encodes a value.
func JSON(value any) (string, error) {
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return "", errors.New("the value cannot be written as JSON")
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

// YAML quotes as a double-quoted scalar, which every YAML version reads the same.
func YAML(value any) (string, error) {
	encoded, err := JSON(value)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, r := range encoded {
		if r == 0x7f || r >= 0x80 && r <= 0x9f || r == 0xfeff || r == 0xfffe || r == 0xffff {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String(), nil
}

// INI quotes for the common dialect: bare where nothing is special, else double quotes with backslashes.
func INI(value any) (string, error) {
	s := text(value)
	if hasControl(s, "\t") {
		return "", errControl
	}
	if s == "" || bare(s, "_-./:@+,*") || bare(strings.ReplaceAll(s, " ", ""), "_-./:@+,*") && strings.TrimSpace(s) == s {
		return s, nil
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`, nil
}

// phpWord is what php.ini reads as a value of its own: switches, and sums of error levels.
var phpWord = pattern.New(`^(?:(?i:on|off|yes|no|true|false|none|null)|~?E_[A-Z_]+(?:\s*[&|^]\s*~?E_[A-Z_]+)*)$`)

// phpConstant is what could be the name of a constant, whose value php.ini would read.
var phpConstant = pattern.New(`\b[A-Z_][A-Z0-9_]*\b`)

// PHPSetting quotes for php.ini and the pools of PHP-FPM. Have is the quoted value that stands there, whose quotes
// stay where they can. PHP's own words (On, Off, E_ALL & ~E_NOTICE) are written as they are.
func PHPSetting(s, have string) (string, error) {
	have += " "
	switch {
	case hasControl(s, "\t\n"):
		return "", errControl
	case phpWord().MatchString(s), s == "" && have == " ":
		return s, nil
	case have[0] == '\'' && !strings.Contains(s, "'"):
		return "'" + s + "'", nil
	case have[0] != '"' && bare(s, "_-./:@+,*%<>?") && !phpConstant().MatchString(s):
		return s, nil
	}
	// ${ begins a variable in double quotes, and so its two characters are written apart; a quote before a line break
	// would end the value, its backslash notwithstanding, and so it is written in single quotes.
	return `"` + strings.NewReplacer(`\`, `\\`, "\"\n", `"'"'"`+"\n", `"`, `\"`, "${", `$"'{'"`).Replace(s) + `"`, nil
}

// PHP quotes as a single-quoted string.
func PHP(value any) (string, error) {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(text(value)) + "'", nil
}

// SQL quotes as a string of the engine: MySQL reads backslashes in it, the SQL standard does not.
func SQL(value any, engine string) (string, error) {
	s := text(value)
	if strings.Contains(s, "\x00") {
		return "", errNUL
	}
	if engine == "mysql" {
		s = strings.ReplaceAll(s, `\`, `\\`)
	}
	return "'" + strings.ReplaceAll(s, "'", "''") + "'", nil
}

// Nginx quotes a parameter of an nginx directive.
func Nginx(value any) (string, error) {
	s := text(value)
	if hasControl(s, "") {
		return "", errControl
	}
	if strings.Contains(s, "$") {
		return "", errors.New("the value holds a $, which nginx has no way to quote")
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`, nil
}

// XML escapes for text and attribute values.
func XML(value any) (string, error) {
	s := text(value)
	if hasControl(s, "\t\n\r") {
		return "", errControl
	}
	var b strings.Builder
	if err := xml.EscapeText(&b, []byte(s)); err != nil {
		return "", err
	}
	return b.String(), nil
}
