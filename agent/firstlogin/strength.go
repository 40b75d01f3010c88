package firstlogin

import (
	"math"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bits of guessing work from which on a password is called fair, and strong.
const (
	fairBits   = 45
	strongBits = 70
)

// commonParts are what guessing programs try first.
var commonParts = [...]string{
	"password",
	"passwort",
	"qwerty",
	"qwertz",
	"letmein",
	"welcome",
	"admin",
	"root",
	"login",
	"secret",
	"changeme",
	"dragon",
	"monkey",
	"iloveyou",
	"digitalocean",
	"droplet",
}

// Strength is a word for how hard a password is to guess: weak, fair or strong. Parts of it that are well known, the
// names that belong to the app and its owner among them, count as one character, as do repetitions and sequences.
func Strength(password string, known ...string) string {
	lower := strings.ToLower(password)
	for _, part := range append(known, commonParts[:]...) {
		if part = strings.ToLower(strings.TrimSpace(part)); utf8.RuneCountInString(part) >= 4 {
			lower = strings.ReplaceAll(lower, part, "\x00")
		}
	}
	characters, before, step := 0, rune(-1), rune(0)
	for _, r := range lower {
		if next := r - before; before < 0 || next != step || next < -1 || next > 1 {
			characters++
			step = next
		}
		before = r
	}
	different := map[rune]bool{}
	for _, r := range lower {
		different[r] = true
	}
	characters = min(characters, 2*len(different))
	switch bits := float64(characters) * math.Log2(alphabet(password)); {
	case bits < fairBits:
		return "weak"
	case bits < strongBits:
		return "fair"
	}
	return "strong"
}

// alphabet is how many characters a guessing program would have to choose from.
func alphabet(password string) float64 {
	size := 1.0
	for _, class := range []struct {
		has  func(rune) bool
		size float64
	}{
		{unicode.IsLower, 26}, {unicode.IsUpper, 26}, {unicode.IsDigit, 10},
		{func(r rune) bool { return r < utf8.RuneSelf && !unicode.IsLetter(r) && !unicode.IsDigit(r) }, 33},
		{func(r rune) bool { return r >= utf8.RuneSelf }, 100},
	} {
		if strings.ContainsFunc(password, class.has) {
			size += class.size
		}
	}
	return size
}
