package scan

import (
	"bytes"
	"slices"
	"strings"

	"oneclick-agent/agent/pattern"
)

// The rules for values that are told by the name of their setting.
const (
	ruleSetting = iota
	ruleSettingToken
	ruleDefault
	ruleHash
)

func settingRules() []Rule {
	return []Rule{
		{ID: "setting", Group: "password", What: "password in a setting", Contextual: true, Certainty: Likely,
			Literals: words().SettingLiterals, before: 512, after: 1024, look: lookAtSetting},
		{ID: "setting_token", Group: "password", What: "key or token in a setting", Contextual: true, Certainty: Likely},
		{ID: "default_password", Group: "default_password", What: "default password", Contextual: true, Certainty: Likely},
		{ID: "password_hash", Group: "password", What: "hash of a password in a setting", Contextual: true, Certainty: Possible},
	}
}

// setting is a name and its value, as they stand in a file.
type setting struct {
	name     string
	kind     nameKind
	value    string
	from, to int
	form     byte // what stands between them: = : , > and a blank
	quoted   bool // the value
	flag     bool // --password
	comment  bool // the whole line is one
	whole    bool // nothing but the value follows in its line
	loose    bool // nothing but a blank stands between a name and a value, and no daemon is known to have it so
	rest     string
	place    place
}

// lookAtSetting reads the setting whose name a literal is part of, and judges its value.
func lookAtSetting(s *Scanner, around look) (found sighting, ok bool) {
	set, ok := readSetting(around)
	if !ok {
		return found, false
	}
	number, certainty, ok := s.judge(&set)
	return sighting{set.from, set.to, &s.rules[number], certainty}, ok
}

func isNameByte(c byte) bool { return isLetter(c) || isDigit(c) || c == '_' || c == '.' || c == '-' }

// readSetting finds the name around a literal, and the value behind it.
func readSetting(around look) (set setting, ok bool) {
	data := around.data
	low, high := around.begin, around.end
	for low > 0 && isNameByte(data[low-1]) && around.begin-low < 64 {
		low--
	}
	for high > low && !isNameByte(data[high-1]) {
		high-- // what a literal has behind the name
	}
	for high < len(data) && isNameByte(data[high]) && high-around.end < 48 {
		high++
	}
	for high > low && (data[high-1] == '.' || data[high-1] == '-') {
		high--
	}
	name := string(data[low:high])
	set = setting{name: strings.TrimLeft(name, "-"), place: around.place}
	set.flag = len(set.name) < len(name)
	if set.kind = kindOfName(set.name); set.kind == noSecret {
		return set, false
	}
	line := data[bytes.LastIndexByte(data[:low], '\n')+1 : low]
	r := reader{data: data, at: high, set: &set, line: line}
	if low > 0 && (data[low-1] == '"' || data[low-1] == '\'' || data[low-1] == '`') {
		r.quote = data[low-1]
		r.escaped = low > 1 && data[low-2] == '\\'
	}
	r.tag = low > 0 && data[low-1] == '<'
	set.comment = isComment(data[:low], line)
	return set, r.operator() && r.value() && set.value != ""
}

// isComment reports whether a line is a comment, by what it begins with.
func isComment(before, line []byte) bool {
	trimmed := bytes.TrimLeft(line, " \t")
	for _, mark := range []string{"#", ";", "//", "/*", "--", "*", "<!--", "!", "rem ", "dnl "} {
		if bytes.HasPrefix(trimmed, []byte(mark)) && !(mark == "--" && len(trimmed) == 2) {
			return true
		}
	}
	open := bytes.LastIndex(before, []byte("<!--"))
	return open >= 0 && open > bytes.LastIndex(before, []byte("-->"))
}

// reader reads what stands behind a name.
type reader struct {
	data    []byte
	at      int
	set     *setting
	line    []byte // what stands before the name in its line
	quote   byte   // right before the name
	escaped bool   // that quote
	closed  bool   // that quote, behind the name
	tag     bool   // the name is that of an XML element
	until   byte   // what ends the value, besides the line
}

func (r *reader) peek(offset int) byte {
	if r.at+offset < len(r.data) {
		return r.data[r.at+offset]
	}
	return '\n'
}

func (r *reader) blanks() int {
	begin := r.at
	for r.peek(0) == ' ' || r.peek(0) == '\t' {
		r.at++
	}
	return r.at - begin
}

var (
	// valueElsewhere is between a name that is itself a value and the value that belongs to it.
	valueElsewhere = pattern.New(`^[ \t]*(?:,?\s*(?:-\s+)?["']?(?i:value|default|content)["']?\s*[=:]\s*|` +
		`(?:\s[a-zA-Z-]+="[^"]*"){0,3}\s+(?i:value|default|content)\s*=\s*|\s*/?>\s*<(?:value|string)>)`)
	nameBefore = pattern.New(`(?i)(?:name|key|id|property|<key>|<name>)["']?\s*[=:>]?\s*["']?$`)
	typeBefore = pattern.New(`^[A-Za-z_][A-Za-z0-9_<>\[\]?. ]{0,30}\s=\s*["']`)
	commands   = pattern.New(`(?i)^\s*(?:ENV|ARG|setenv|set|set -\w+|export|SetEnv|fastcgi_param|env\[?|userpass|SecRule|user_pw|` +
		`config set|sentinel auth-pass \S+|.*\bCONFIG SET|proxy_set_header|add_header|(?:Request)?Header (?:set|add)|` +
		`more_set_(?:input_)?headers)\s*["']?\s*$`)
)

// operator goes behind what stands between name and value, and reports whether it is a setting at all.
func (r *reader) operator() bool {
	if r.quote != 0 {
		if r.escaped && r.peek(0) == '\\' && r.peek(1) == r.quote {
			r.at += 2
			r.closed = true
		} else if r.peek(0) == r.quote {
			r.at++
			r.closed = true
		} else {
			r.until = r.quote
		}
	}
	if r.peek(0) == ']' {
		r.at++
	}
	if r.closed || nameBefore().Match(r.line) {
		if match := valueElsewhere().FindIndex(r.data[r.at:min(len(r.data), r.at+160)]); match != nil && nameBefore().Match(r.line) {
			r.at += match[1]
			r.set.form = ':'
			r.until = 0
			if r.data[r.at-1] == '>' {
				r.until = '<'
			}
			return true
		}
	}
	blanks := r.blanks()
	switch c, next := r.peek(0), r.peek(1); {
	case c == '=' && next == '>' || c == ':' && next == '=' || c == '?' && next == '=':
		r.at += 2
		r.set.form = '='
	case c == ':' && next == '-' && bytes.HasSuffix(r.line, []byte("${")):
		r.at += 2
		r.set.form, r.until = '=', '}'
	case c == '=' && next != '=' && next != '~', c == ':' && next != ':', c == '=' && blanks == 0 && r.beginsWithSign():
		r.at++
		r.set.form = c
	case c == '>' && (r.tag || r.closed):
		r.at++
		r.set.form, r.until = '>', '<'
	case c == ',' && r.closed:
		r.at++
		r.blanks()
		r.set.form = ','
		return r.peek(0) == '"' || r.peek(0) == '\''
	case blanks > 0 && (r.set.flag || r.isDirective()):
		r.set.form = ' '
	default:
		return false
	}
	return true
}

// beginsWithSign reports whether the value itself begins with an equals sign, as only settings have one.
func (r *reader) beginsWithSign() bool {
	return r.set.place >= codeSettings && !strings.ContainsRune(" \t=", rune(r.peek(2)))
}

// isDirective reports whether the name begins its line, in the manner of many daemons, or follows a command that sets it.
func (r *reader) isDirective() bool {
	if commands().Match(r.line) {
		return true
	}
	begins := len(bytes.TrimLeft(r.line, " \t#")) == 0 && r.set.place >= codeSettings
	r.set.loose = !slices.Contains(words().Directives, strings.ToLower(r.set.name))
	return begins && (!r.set.loose || r.set.kind == passwordName) && isOneWord(r.restOfLine())
}

func isOneWord(rest string) bool {
	rest, _, _ = strings.Cut(rest, " #")
	return len(strings.Fields(rest)) == 1 || strings.HasPrefix(strings.TrimSpace(rest), `"`)
}

func (r *reader) restOfLine() string {
	end := bytes.IndexByte(r.data[r.at:], '\n')
	if end < 0 {
		end = len(r.data) - r.at
	}
	return strings.TrimRight(string(r.data[r.at:r.at+end]), "\r")
}

// value reads the value, without its quotes.
func (r *reader) value() bool {
	r.blanks()
	if match := blockBegin().FindIndex(r.data[r.at:min(len(r.data), r.at+80)]); r.set.form == ':' && match != nil {
		r.at += match[1]
	}
	if r.set.form == ':' {
		if match := typeBefore().FindIndex(r.data[r.at:min(len(r.data), r.at+64)]); match != nil {
			r.at += match[1] - 1
		}
	}
	for _, prefix := range []string{"b", "r", "u", "N", "@", "f"} { // of languages
		if r.peek(0) == prefix[0] && (r.peek(1) == '"' || r.peek(1) == '\'') && r.until == 0 {
			r.at++
		}
	}
	switch c := r.peek(0); {
	case c == '\\' && (r.peek(1) == '"' || r.peek(1) == '\''):
		r.at += 2
		return r.quotedValue(`\` + string(r.data[r.at-1]))
	case (c == '"' || c == '\'' || c == '`') && c != r.until:
		r.at++
		return r.quotedValue(string(c))
	case bytes.HasPrefix(r.data[r.at:], []byte("&quot;")):
		r.at += len("&quot;")
		return r.quotedValue("&quot;")
	}
	return r.bareValue()
}

var blockBegin = pattern.New(`^[|>][+-]?[ \t]*\r?\n[ \t]+`)

func (r *reader) quotedValue(closing string) bool {
	rest := r.data[r.at:]
	for at := 0; at < len(rest) && rest[at] != '\n' && rest[at] != 0; at++ {
		if bytes.HasPrefix(rest[at:], []byte(closing)) {
			r.set.from, r.set.to, r.set.quoted = r.at, r.at+at, true
			r.set.value = string(rest[:at])
			if len(closing) == 1 {
				r.set.value = unescaped(r.set.value, closing[0])
			}
			r.set.rest = strings.TrimSpace(firstLine(rest[at+len(closing):]))
			r.set.whole = r.set.rest == "" || strings.ContainsAny(r.set.rest[:1], ",;#)]}/>-")
			return true
		}
		if rest[at] == '\\' && closing[0] != '\\' {
			at++
		}
	}
	return false
}

func firstLine(data []byte) string {
	if end := bytes.IndexByte(data, '\n'); end >= 0 {
		data = data[:end]
	}
	return string(data)
}

func unescaped(value string, quote byte) string {
	return strings.NewReplacer(`\`+string(quote), string(quote), `\\`, `\`, `\/`, `/`).Replace(value)
}

// nextSetting is where another one begins in the same value: of a connection string, an address, options of a mount.
var nextSetting = pattern.New(`(?:[;&,]|&amp;)\s*[A-Za-z_][A-Za-z0-9_. -]{1,30}=`)

var escapedLineEnd = pattern.New(`(?:\\+r)?\\+n`)

// bareValue reads a value without quotes: to the end of its word, without what ends a list or a sentence.
func (r *reader) bareValue() bool {
	line := r.data[r.at:]
	if end := bytes.IndexAny(line, "\n\r\x00"); end >= 0 {
		line = line[:end]
	}
	if r.until != 0 {
		if end := bytes.IndexByte(line, r.until); end >= 0 {
			line = line[:end]
		}
	}
	value := line
	if end := bytes.IndexAny(value, " \t"); end >= 0 && r.until != '<' {
		value = value[:end]
	}
	if end := escapedLineEnd().FindIndex(value); end != nil { // of a text in a text
		value = value[:end[0]]
	}
	if match := nextSetting().FindIndex(value); match != nil {
		value = value[:match[0]]
	}
	value = bytes.TrimRight(value, `,;"'`)
	for _, pair := range []string{"()", "[]", "{}"} {
		for bytes.HasSuffix(value, []byte(pair[1:])) && bytes.Count(value, []byte(pair[:1])) < bytes.Count(value, []byte(pair[1:])) {
			value = bytes.TrimRight(value[:len(value)-1], `,;"'`)
		}
	}
	if whole := bytes.TrimSpace(line); r.set.form == '=' && r.until == 0 && len(r.line) == 0 && r.set.isPassphrase(string(whole)) {
		value = whole
	}
	r.set.value, r.set.from, r.set.to = string(value), r.at, r.at+len(value)
	rest := strings.TrimSpace(string(line[min(len(line), len(value)):]))
	r.set.rest = rest
	r.set.whole = rest == "" || strings.HasPrefix(rest, "#") || strings.HasPrefix(rest, "//") || strings.ContainsAny(rest[:1], `,;"'`)
	return true
}
