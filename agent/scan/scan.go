// Package scan finds secrets in bytes of any kind: keys, tokens, addresses with passwords, the values of settings. A
// table stops at the literals that every such secret has, over all bytes and in one pass; what stands around is then
// looked at. Files that hold others are looked into. It never keeps or prints what it finds: a finding has a redacted
// sample.
package scan

import (
	"context"
	"io"
	"regexp"
	"runtime"

	"oneclick-agent/agent/pattern"
	"oneclick-agent/agent/scan/archive"
)

// Finding is one secret: what it is, and where in the file.
type Finding struct {
	Rule      *Rule
	Certainty Certainty
	Inside    string // what in the file has it, where the file holds others: backup.sql, or layer.tar: etc/app.env
	Offset    int64  // of the secret, in bytes
	Length    int    // of the secret, in bytes
	Line      int    // counted from 1; 0 in what is not text
	Sample    string
}

// File is what is to be looked at.
type File struct {
	Path string
	io.Reader
	// At and Size are set where the bytes can be read in any order.
	At   io.ReaderAt
	Size int64
	// Trusted reports whether somebody vouches for all bytes of the file; what is in it is nobody's secret then. It is
	// asked when there is a finding, or before the file is taken apart. Nil trusts nothing.
	Trusted func() bool
	// Report is told each finding.
	Report func(Finding)
	// Unread is told what is in the file and cannot be looked at, "" for the file itself.
	Unread func(inside, why string)
}

// Scanner looks for secrets. It may be used by several goroutines at once, each with a Buffer of its own.
type Scanner struct {
	rules    []Rule
	byFile   fileRules
	language *language
	formats  *archive.Formats
	limits   archive.Limits
	// strict has the rules for all bytes, broad those for what people write, too.
	strict, broad search
	// slots bound how many files are taken apart at once, and with that the memory for it.
	slots chan struct{}
}

// search is a matcher and the rules behind its literals.
type search struct {
	*matcher
	rules [][]int // by literal
}

// New makes a scanner. Known values, by name, are found wherever they stand: the secrets that a build has just used.
func New(values map[string]string) *Scanner {
	k := known()
	s := &Scanner{rules: append([]Rule{}, k.rules...), language: k.language, formats: archive.NewFormats(), limits: archive.DefaultLimits(),
		slots: make(chan struct{}, min(2, runtime.GOMAXPROCS(0)))}
	for name, value := range values {
		if len(value) >= shortestKnown {
			s.rules = append(s.rules, Rule{ID: "own_value", Group: "own_value", What: "value of " + name, Literals: []string{value}, Certainty: Live,
				regex: pattern.New("(" + regexp.QuoteMeta(value) + ")"), before: before, after: 1})
		}
	}
	s.byFile = newFileRules(s.rules)
	s.strict = s.search(func(r Rule) bool { return !r.Contextual })
	s.broad = s.search(func(Rule) bool { return true })
	return s
}

// shortestKnown is the shortest value that is looked for, in bytes: a shorter one stands anywhere by chance.
const shortestKnown = 8

// search looks for the literals of the rules that are wanted.
func (s *Scanner) search(wanted func(Rule) bool) search {
	var literals []string
	var rules [][]int
	number := map[string]int{}
	for i, rule := range s.rules {
		if !wanted(rule) {
			continue
		}
		for _, literal := range rule.Literals {
			low := small(literal)
			n, ok := number[low]
			if !ok {
				n = len(literals)
				number[low] = n
				literals, rules = append(literals, low), append(rules, nil)
			}
			rules[n] = append(rules[n], i)
		}
	}
	return search{newMatcher(literals), rules}
}

const chunk = 256 << 10

// Buffer is what one goroutine reads files into.
type Buffer struct{ data []byte }

// NewBuffer makes a buffer.
func NewBuffer() *Buffer { return &Buffer{make([]byte, before+chunk+afterMost)} }

// Scan reads a file to its end, and what is in it.
func (s *Scanner) Scan(ctx context.Context, file File, buffer *Buffer) error {
	l := &lookInto{scanner: s, ctx: ctx, file: &file, buffer: buffer, seen: map[string]bool{}}
	defer l.end()
	return l.content(archive.Input{Reader: file.Reader, At: file.At, Size: file.Size}, file.Path, "")
}
