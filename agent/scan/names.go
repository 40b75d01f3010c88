package scan

import (
	"slices"
	"strings"
)

// nameKind is what kind of secret the name of a setting promises.
type nameKind int

// The kinds.
const (
	noSecret nameKind = iota
	passwordName
	tokenName // a token, a secret, a key: made by a program, so never a word
)

// wordsOf splits a name at what stands between words, and at capital letters.
func wordsOf(name string) (parts []string) {
	begin := 0
	flush := func(end int) {
		if end > begin {
			parts = append(parts, strings.ToLower(name[begin:end]))
		}
		begin = end
	}
	for i := range len(name) {
		c := name[i]
		switch {
		case !isLetter(c) && !isDigit(c):
			flush(i)
			begin = i + 1
		case i > begin && isUpper(c) && (isLower(name[i-1]) || isDigit(name[i-1]) || i+1 < len(name) && isLower(name[i+1]) && isUpper(name[i-1])):
			flush(i)
		}
	}
	flush(len(name))
	return parts
}

func isUpper(c byte) bool  { return c >= 'A' && c <= 'Z' }
func isLower(c byte) bool  { return c >= 'a' && c <= 'z' }
func isLetter(c byte) bool { return isUpper(c) || isLower(c) }
func isDigit(c byte) bool  { return c >= '0' && c <= '9' }

// kindOfName tells what a setting of this name holds.
func kindOfName(name string) nameKind {
	parts := wordsOf(name)
	for len(parts) > 1 && (slices.Contains(words().Qualifiers, parts[len(parts)-1]) || strings.Trim(parts[len(parts)-1], "0123456789") == "") {
		parts = parts[:len(parts)-1]
	}
	if len(parts) == 0 || len(parts) > 12 {
		return noSecret
	}
	last := strings.TrimRight(parts[len(parts)-1], "0123456789")
	previous := ""
	if len(parts) > 1 {
		previous = parts[len(parts)-2]
	}
	if slices.Contains(words().Harmless, previous) {
		return noSecret
	}
	ends := func(suffixes []string) bool {
		return slices.ContainsFunc(suffixes, func(suffix string) bool { return strings.HasSuffix(last, suffix) })
	}
	switch {
	case ends(words().PasswordEnds) || slices.Contains(words().PasswordWords, last):
		return passwordName
	case last == "auth" && previous == "master", last == "auth" && previous == "smtp":
		return passwordName
	case last == "key":
		if slices.Contains(words().KeyOf, previous) || previous == "" && name == "KEY" {
			return tokenName
		}
	case last == "salt":
		if slices.Contains(words().SaltOf, previous) {
			return tokenName
		}
	case last == "cookie":
		if previous == "erlang" || previous == "magic" {
			return tokenName
		}
	case last == "id" && previous == "secret":
		return tokenName
	case ends(words().TokenEnds) || slices.Contains(words().TokenWords, last):
		return tokenName
	}
	return noSecret
}
