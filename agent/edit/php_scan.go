package edit

import (
	"bytes"
	"strings"

	"oneclick-agent/agent/pattern"
)

// phpKind is what a token of PHP is.
type phpKind int

const (
	phpOutside  phpKind = iota // text outside of <?php … ?>, with its tags
	phpSpace                   // white space and comments
	phpIdent                   // define, return, array, true
	phpVariable                // $name
	phpString                  // in single or double quotes
	phpNumber
	phpOther // a here document, or a single sign; => is one
)

// phpToken is one token and its place.
type phpToken struct {
	kind       phpKind
	start, end int
	text       string
}

var (
	phpIdentifier = pattern.New(`^\\?[A-Za-z_\x80-\xff][A-Za-z0-9_\x80-\xff\\]*`)
	phpNumberText = pattern.New(`^(?:0[xX][0-9a-fA-F_]+|0[bB][01_]+|(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9][0-9_]*)(?:[eE][+-]?[0-9]+)?)`)
	phpContinued  = pattern.New(`^[A-Za-z0-9_\x80-\xff]`)
	phpHeredoc    = pattern.New(`^<<<[ \t]*(["']?)([A-Za-z_][A-Za-z0-9_]*)["']?\r?\n`)
	phpOpenTag    = pattern.New(`<\?(?:php(?:\s|$)|=)`)
)

// scanPHP cuts a file into tokens; together they are the whole file.
func scanPHP(data []byte) []phpToken {
	var tokens []phpToken
	inside := false
	for at := 0; at < len(data); {
		kind, size := phpOther, 1
		if !inside {
			kind, size = phpOutside, len(data)-at
			if open := phpOpenTag().FindIndex(data[at:]); open != nil {
				size, inside = open[1], true
			}
		} else {
			kind, size = phpTokenAt(data[at:])
			inside = kind != phpOutside
		}
		tokens = append(tokens, phpToken{kind, at, at + size, string(data[at : at+size])})
		at += size
	}
	return tokens
}

// phpTokenAt is the token that PHP code begins with.
func phpTokenAt(data []byte) (phpKind, int) {
	has := func(prefix string) bool { return bytes.HasPrefix(data, []byte(prefix)) }
	switch c := data[0]; {
	case has("?>"):
		return phpOutside, 2 + behindBreak(data[2:], 0)
	case strings.IndexByte(" \t\r\n\v\f", c) >= 0:
		return phpSpace, 1
	case has("//"), c == '#' && !has("#["):
		end := bytes.IndexByte(data, '\n')
		if end < 0 {
			end = len(data)
		}
		if tag := bytes.Index(data[:end], []byte("?>")); tag >= 0 {
			end = tag
		}
		return phpSpace, end
	case has("/*"):
		if end := bytes.Index(data[2:], []byte("*/")); end >= 0 {
			return phpSpace, end + 4
		}
		return phpSpace, len(data)
	case c == '\'' || c == '"' || c == '`':
		return phpQuoted(data)
	case c == '$':
		if name := phpIdentifier().Find(data[1:]); name != nil && name[0] != '\\' {
			return phpVariable, 1 + bytes.IndexByte(append(name[:len(name):len(name)], '\\'), '\\')
		}
	case has("=>"):
		return phpOther, 2
	case has("<<<"):
		return phpHereDocument(data)
	}
	if name := phpIdentifier().Find(data); name != nil {
		return phpIdent, len(name)
	}
	if number := phpNumberText().Find(data); number != nil {
		return phpNumber, len(number)
	}
	return phpOther, 1
}

// phpQuoted reads a string; in both kinds of quotes a backslash takes the next byte's meaning away.
func phpQuoted(data []byte) (phpKind, int) {
	for i := 1; i < len(data); i++ {
		switch data[i] {
		case '\\':
			i++
		case data[0]:
			if data[0] == '`' {
				return phpOther, i + 1
			}
			return phpString, i + 1
		}
	}
	return phpOther, len(data)
}

// phpHereDocument reads <<<NAME up to its closing name at the beginning of a line.
func phpHereDocument(data []byte) (phpKind, int) {
	open := phpHeredoc().FindSubmatchIndex(data)
	if open == nil {
		return phpOther, 3
	}
	name := string(data[open[4]:open[5]])
	for at := open[1]; at < len(data); {
		line, _, _ := strings.Cut(string(data[at:]), "\n")
		text := strings.TrimLeft(line, " \t")
		if behind, found := strings.CutPrefix(text, name); found && !phpContinued().MatchString(behind) {
			return phpOther, at + len(line) - len(behind)
		}
		at += len(line) + 1
	}
	return phpOther, len(data)
}
