package edit

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"oneclick-agent/agent/pattern"
)

var (
	guessXML     = pattern.New(`^<(?:\?xml|!DOCTYPE|[a-zA-Z][\w:.-]*[\s>/])`)
	guessApache  = pattern.New(`(?m)^\s*</?(?:VirtualHost|(?:Directory|Files|Location|Proxy)(?:Match)?|If(?:Module|Define|Version)|Macro)\b`)
	guessSection = pattern.New(`^\s*\[{1,2}[^\[\]]+\]{1,2}\s*(?:[;#].*)?$`)
	guessDotenv  = pattern.New(`^\s*(?:export\s+)?[A-Za-z_][A-Za-z0-9_]*=(?:\S.*)?$`)
	guessEntry   = pattern.New(`^\s*[^\s=:#;\[{<][^=:]*\s*=`)
	guessYAML    = pattern.New(`^\s*(?:- |-$)|^\s*(?:- )*["']?[^\s#:={}<;][^:={}<;]*:(?:\s|$)`)
	guessBlock   = pattern.New(`[;{}]\s*(?:#.*)?$`)
	guessMySQL   = pattern.New(`(?m)^\[(?:mysqld?|mysqld_safe|mysqldump|client|client-server|server|mariadbd?|galera|embedded)(?:-[\w.]+)?\]`)
	guessSystemd = pattern.New(`(?m)^\[(?:Unit|Service|Install|Socket|Timer|Mount|Path|Journal|Manager|Resolve|Login|Time)\]`)
	guessPHPINI  = pattern.New(`(?m)^\[PHP\]|^\s*(?:php_(?:admin_)?(?:value|flag)\[|pm\.max_children\s*=)`)
)

// Guess tells the format that a text most likely has: one of Formats, or "apache", "nginx" or "xml", which have no
// keys to edit; "" where nothing is likely. It is for hints alone.
func Guess(data []byte) string {
	text := strings.TrimSpace(strings.TrimPrefix(string(data), "\ufeff"))
	switch {
	case text == "":
		return ""
	case strings.HasPrefix(text, "<?php"):
		return "php"
	case guessApache().MatchString(text):
		return "apache"
	case guessXML().MatchString(text):
		return "xml"
	case text[0] == '{', text[0] == '[' && json.Valid(data):
		return "json"
	}
	return guessLines(text)
}

// guessLines tells by what the lines that are no comments look like.
func guessLines(text string) string {
	var meant []string
	for line := range strings.Lines(text) {
		if line = body(line); strings.TrimSpace(line) != "" && !strings.ContainsAny(strings.TrimSpace(line)[:1], "#;") {
			meant = append(meant, line)
		}
	}
	like := func(pattern interface{ MatchString(string) bool }) bool {
		return len(meant) > 0 && !slices.ContainsFunc(meant, func(line string) bool { return !pattern.MatchString(line) })
	}
	var decoded map[string]any
	tables := toml.Unmarshal([]byte(text), &decoded) == nil && len(decoded) > 0
	switch {
	case slices.ContainsFunc(meant, guessSection().MatchString):
		return guessSections(text, tables)
	case like(guessDotenv()):
		return "dotenv"
	case tables && strings.ContainsAny(text, `"'[`):
		return "toml"
	case like(guessBlock()) && strings.Contains(text, "{"):
		return "nginx"
	case like(guessEntry()):
		return "ini"
	case len(meant) > 0 && (meant[0] == "---" || guessYAML().MatchString(meant[0])):
		return "yaml"
	}
	return ""
}

func guessSections(text string, tables bool) string {
	switch {
	case guessSystemd().MatchString(text):
		return "systemd"
	case guessMySQL().MatchString(text):
		return "mysql"
	case guessPHPINI().MatchString(text):
		return "php.ini"
	case tables && strings.ContainsAny(text, `"'`):
		return "toml"
	}
	return "ini"
}

// hint says what a text looks like, and how it can be edited, behind an error about a file that should be of format.
func hint(data []byte, format string) string {
	kin := map[string]string{"python": "ini", "environment": "dotenv"}
	guess := Guess(bytes.TrimSpace(data))
	switch guess {
	case kin[format]:
		guess = format
	}
	switch guess {
	case format, "":
		return "; edit its lines with line: or block:, or write the whole file with file:"
	case "apache", "nginx":
		return "; it looks like a file of " + guess + ": edit its lines with line: or block:"
	case "xml":
		return "; it looks like XML: edit its lines with line:, or write the whole file with file:"
	}
	return "; it looks like format: " + guess
}
