package scan

import (
	"math"
	"strings"
)

// language is how likely one character follows another in what people write, as a table of packaging/rules.
type language struct {
	// cost is by how much a pair is rarer than always, in nats.
	cost [symbols][symbols]float64
}

const (
	symbols  = 59
	boundary = 58 // before and behind a word
	digit    = 52
	steps    = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+/"
	step     = 1 / 6.0
)

func newLanguage(table string) *language {
	l := &language{}
	row := 0
	for line := range strings.Lines(table) {
		for column := range min(symbols, len(line)) {
			l.cost[row][column] = float64(max(0, strings.IndexByte(steps, line[column]))) * step
		}
		row++
	}
	return l
}

// symbol numbers the characters as packaging/rules does.
func symbol(c byte) int {
	switch {
	case c >= 'a' && c <= 'z':
		return int(c - 'a')
	case c >= 'A' && c <= 'Z':
		return int(c-'A') + 26
	case c >= '0' && c <= '9':
		return digit
	case strings.IndexByte("_-./", c) >= 0:
		return 53 + strings.IndexByte("_-./", c)
	}
	return 57
}

const otherCharacters = 28 // that a generator may choose besides letters, digits and the four of symbol

// strangeness is how much likelier a generator made the text than a person, in nats. Above zero it is the generator.
func (l *language) strangeness(text string) float64 {
	lower, upper, digits, other := charactersOf(text)
	alphabet := 0.0
	for _, kind := range []struct{ there, size int }{{lower, 26}, {upper, 26}, {digits, 10}, {other, otherCharacters + 4}} {
		if kind.there > 0 {
			alphabet += float64(kind.size)
		}
	}
	perCharacter := math.Log(alphabet)
	sum := 0.0
	last := boundary
	for i := range len(text) {
		now := symbol(text[i])
		sum += l.cost[last][now] - perCharacter
		switch now {
		case digit:
			sum += math.Log(10)
		case 57:
			sum += math.Log(otherCharacters)
		}
		last = now
	}
	return sum
}

func charactersOf(text string) (lower, upper, digits, other int) {
	for i := range len(text) {
		switch c := text[i]; {
		case c >= 'a' && c <= 'z':
			lower++
		case c >= 'A' && c <= 'Z':
			upper++
		case c >= '0' && c <= '9':
			digits++
		default:
			other++
		}
	}
	return lower, upper, digits, other
}

// isRandom reports whether a generator made the text, of some length at least.
func (l *language) isRandom(text string, least int) bool {
	if len(text) < least {
		return false
	}
	for i := range len(text) {
		if text[i] >= 0x80 {
			return false // a word of another language
		}
	}
	lower, upper, digits, other := charactersOf(text)
	if isHex(text) {
		return digits > 0 && lower+upper > 0 && distinct(text) > 5
	}
	if lower+upper == 0 || distinct(text) < min(6, len(text)/2+1) {
		return false // a number, a date, a line
	}
	bias := 0.0
	if digits > 0 && (lower > 0 && upper > 0) {
		bias = 2
	}
	if other > 0 && digits == 0 && (lower == 0 || upper == 0) {
		bias = -2 // words with something between them
	}
	return l.strangeness(text)+bias > 0
}

// isToken reports whether what a rule found is a token, and not an identifier that begins like one.
func (l *language) isToken(text string) bool {
	_, _, digits, _ := charactersOf(text)
	strange := l.strangeness(text)
	return entropy(text) >= 2.8 && (digits > 0 && (len(text) >= 32 && digits >= 3 || strange > -4) || strange > 4)
}

// isHex reports whether the text is hexadecimal digits of one case, an id in groups included.
func isHex(text string) bool {
	lower, upper := false, false
	for i := range len(text) {
		switch c := text[i]; {
		case c >= '0' && c <= '9':
		case c >= 'a' && c <= 'f':
			lower = true
		case c >= 'A' && c <= 'F':
			upper = true
		case c == '-' && len(text) == 36 && (i == 8 || i == 13 || i == 18 || i == 23):
		default:
			return false
		}
	}
	return !(lower && upper)
}

func distinct(text string) int {
	var seen [256]bool
	n := 0
	for i := range len(text) {
		if !seen[text[i]] {
			seen[text[i]] = true
			n++
		}
	}
	return n
}

// entropy is how many bits a character of the text carries (Shannon).
func entropy(text string) float64 {
	var counts [256]float64
	for i := range len(text) {
		counts[text[i]]++
	}
	bits := 0.0
	for _, n := range counts {
		if n > 0 {
			p := n / float64(len(text))
			bits -= p * math.Log2(p)
		}
	}
	return bits
}
