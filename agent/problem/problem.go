// Package problem carries what is wrong with the input of a run: every mistake at once, each with the
// place where it stands, so that a person mends a file in one go.
package problem

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// Position is a place in a file. Line and Column count from 1; Column counts characters, not bytes.
// A zero Line means the file as a whole.
type Position struct {
	File   string `json:"file"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
}

func (p Position) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Problem is one mistake in an input. Path names the value ("first_boot[3].mode"); Hint says what to do.
// Neither text ever holds a value of a secret.
type Problem struct {
	Position
	Path    string `json:"path,omitempty"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.Position.String())
	b.WriteString(": ")
	if p.Path != "" {
		b.WriteString(p.Path)
		b.WriteString(": ")
	}
	b.WriteString(p.Message)
	return Printable(b.String())
}

// List is all problems of one run. It is an error when it is not empty.
type List []Problem

// Err returns the list, sorted, as an error, or nil when it is empty.
func (l List) Err() error {
	if len(l) == 0 {
		return nil
	}
	l.Sort()
	return l
}

// Sort orders by file, line, column and text, so that the same input always gives the same report.
func (l List) Sort() {
	slices.SortStableFunc(l, func(a, b Problem) int {
		return cmp.Or(
			cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column),
			cmp.Compare(a.Path, b.Path), cmp.Compare(a.Message, b.Message),
		)
	})
}

func (l List) Error() string {
	var b strings.Builder
	l.WriteText(&b)
	return strings.TrimSuffix(b.String(), "\n")
}

// WriteText prints one line a problem, with its hint indented below.
func (l List) WriteText(w io.Writer) {
	for _, p := range l {
		fmt.Fprintln(w, p)
		if p.Hint != "" {
			fmt.Fprintln(w, "    "+Printable(p.Hint))
		}
	}
}

// WriteJSON prints {"problems": [...]}.
func (l List) WriteJSON(w io.Writer) error {
	if l == nil {
		l = List{}
	}
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(map[string]List{"problems": l})
}

// Printable makes text from outside safe to show on a terminal: control characters, and so escape
// sequences, become a visible \x1b form; line breaks and tabs stay.
func Printable(text string) string {
	clean := func(r rune) bool {
		return r == '\n' || r == '\t' || r >= ' ' && r != 0x7f && (r < 0x80 || r > 0x9f) && !isDirectionOverride(r)
	}
	if strings.IndexFunc(text, func(r rune) bool { return !clean(r) }) < 0 {
		return strings.ToValidUTF8(text, "\uFFFD")
	}
	var b strings.Builder
	for _, r := range text {
		if clean(r) {
			b.WriteRune(r)
		} else if r < 0x100 {
			fmt.Fprintf(&b, `\x%02x`, r)
		} else {
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// OneLine is Printable with line breaks folded, for messages that must stay on their line.
func OneLine(text string) string {
	return Printable(strings.Join(strings.Fields(text), " "))
}

// isDirectionOverride tells the characters that reorder what follows them on a terminal (CVE-2021-42574).
func isDirectionOverride(r rune) bool {
	return r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069
}

// Count is how many of something there are, in words: "1 secret", "2 secrets".
func Count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

// Nearest returns the candidate that was probably meant by word, or "" when none is near.
func Nearest(word string, candidates []string) string {
	if len(candidates) > mostCompared {
		return ""
	}
	best, bestDistance := "", len(word)/3+2
	for _, candidate := range candidates {
		if d := distance(strings.ToLower(word), strings.ToLower(candidate)); d < bestDistance {
			best, bestDistance = candidate, d
		}
	}
	return best
}

// mostCompared is how many candidates are looked at for a hint: among more, comparing takes longer than the hint is worth.
const mostCompared = 300

// DidYouMean is a hint that names the nearest candidate, or lists all of them when none is near.
func DidYouMean(word string, candidates []string) string {
	if near := Nearest(word, candidates); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	if len(candidates) == 0 || len(candidates) > mostCompared {
		return ""
	}
	return "known here: " + strings.Join(candidates, ", ")
}

// distance is the number of edits between two words; swapping two neighbours counts as one.
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	rows := make([][]int, len(x)+1)
	for i := range rows {
		rows[i] = make([]int, len(y)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(x); i++ {
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(x)][len(y)]
}
