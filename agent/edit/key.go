package edit

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Key is the way to one value of a file, a part for each level.
type Key []Part

// Part is one level of a key.
type Part struct {
	Name   string
	Quoted bool // written in quotes, so that a dot in the name is not the next level
}

// ParseKey reads a key as it is written in a manifest: a dot goes down a level (server.port), a part that has a dot
// itself stands in double quotes (a."m.homeserver".b), a quote and a backslash in such a part follow a backslash, and
// a number is an index where the file has a list.
func ParseKey(text string) (Key, error) {
	var key Key
	for rest := text; ; {
		part, behind, err := parsePart(rest)
		if err != nil {
			return nil, err
		}
		key = append(key, part)
		if behind == "" {
			return key, nil
		}
		rest = behind[1:]
	}
}

// IsBelow reports whether a key leads to a part of what another one, as it is written in a manifest, leads to.
func (k Key) IsBelow(other string) bool {
	above, err := ParseKey(other)
	return err == nil && len(above) < len(k) && slices.EqualFunc(above, k[:len(above)], func(a, b Part) bool { return a.Name == b.Name })
}

// parsePart reads the part that text begins with; behind is what follows, "" or with its dot.
func parsePart(text string) (part Part, behind string, err error) {
	if strings.HasPrefix(text, `"`) {
		end := closingQuote(text)
		if end < 0 {
			return part, "", errors.New("a quote in the key is not closed")
		}
		part = Part{unescape(text[1 : end-1]), true}
		if behind = text[end:]; behind != "" && behind[0] != '.' {
			return part, "", fmt.Errorf("a dot must follow %s in the key", text[:end])
		}
	} else {
		name, _, _ := strings.Cut(text, ".")
		part, behind = Part{Name: name}, text[len(name):]
		switch {
		case name == "":
			return part, "", errors.New("the key has an empty part; one dot stands between two parts, " +
				`and one with a dot is quoted: a."b.c"`)
		case strings.Contains(name, `"`):
			return part, "", fmt.Errorf("a quote stands inside of a part of the key; write the whole part in quotes: %s", Part{name, true})
		case strings.TrimSpace(name) != name:
			return part, "", fmt.Errorf("white space stands around a part of the key; "+
				"write it in quotes if it belongs to the name: %s", Part{name, true})
		}
	}
	if strings.ContainsFunc(part.Name, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return part, "", errors.New("the key holds a control character")
	}
	return part, behind, nil
}

// closingQuote is the place behind the quote that closes the one a text begins with, or -1. A backslash takes the
// next byte's meaning away, but in single quotes.
func closingQuote(text string) int {
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] == '\\' && text[0] == '"':
			i++
		case text[i] == text[0]:
			return i + 1
		}
	}
	return -1
}

// unescape takes off the backslashes of a quoted part.
func unescape(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' && i+1 < len(text) {
			i++
		}
		b.WriteByte(text[i])
	}
	return b.String()
}

// String writes the part so that ParseKey reads it as it is.
func (p Part) String() string {
	if p.Quoted || p.Name == "" || strings.ContainsAny(p.Name, `."`) || strings.TrimSpace(p.Name) != p.Name {
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(p.Name) + `"`
	}
	return p.Name
}

// String writes the key so that ParseKey reads it as it is.
func (k Key) String() string {
	parts := make([]string, len(k))
	for i := range k {
		parts[i] = k[i].String()
	}
	return strings.Join(parts, ".")
}

// Names are the key's parts without their quotes.
func (k Key) Names() []string {
	names := make([]string, len(k))
	for i := range k {
		names[i] = k[i].Name
	}
	return names
}

// Within reports whether the key names the same value as other, or one inside of it.
func (k Key) Within(other Key) bool {
	return len(k) >= len(other) && slices.Equal(k[:len(other)].Names(), other.Names())
}

// plain is the key with its dots, where no part of it is quoted; else "".
func (k Key) plain() string {
	if slices.ContainsFunc(k, func(p Part) bool { return p.Quoted }) {
		return ""
	}
	return strings.Join(k.Names(), ".")
}

// joined is the key with its parts from i to before j as one.
func (k Key) joined(i, j int) Key {
	return slices.Concat(k[:i], Key{{strings.Join(k[i:j].Names(), "."), true}}, k[j:])
}

// dotted looks for a name that the parts from i on have when their dots belong to it, and that has says is there. The
// key that names it is returned. A quoted part means what it says.
func (k Key) dotted(i int, has func(name string) bool) (Key, bool) {
	for j := i + 1; j <= len(k) && !k[j-1].Quoted; j++ {
		if j > i+1 && has(strings.Join(k[i:j].Names(), ".")) {
			return k.joined(i, j), true
		}
	}
	return nil, false
}

// compareKeys sorts keys, indexes by their number.
func compareKeys(a, b Key) int {
	return slices.CompareFunc(a, b, func(a, b Part) int {
		m, notM := strconv.Atoi(a.Name)
		n, notN := strconv.Atoi(b.Name)
		if notM == nil && notN == nil && m != n {
			return cmp.Compare(m, n)
		}
		return cmp.Compare(a.Name, b.Name)
	})
}
