// Package scan finds secrets in bytes of any kind: keys, tokens, addresses with passwords. A table of states stops at
// the literals that every such secret has, over all bytes and in one pass; a regular expression then looks at the few
// bytes around. It never keeps or prints what it finds: a finding has a redacted sample.
package scan

import (
	"bytes"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"

	"oneclick-agent/agent/pattern"
)

// Finding is one secret: what it is, and where in the file.
type Finding struct {
	Rule       *Rule
	Offset     int64 // of the secret, in bytes
	Line       int   // counted from 1; 0 in a file that is not text
	Sample     string
	Contextual bool
}

// Scanner looks for secrets. It may be used by several goroutines at once, each with a Buffer of its own.
type Scanner struct {
	rules         []Rule
	strict, broad search
}

// search is a matcher and the rules behind its literals.
type search struct {
	*matcher
	rules [][]int // by literal
}

// New makes a scanner. Known values, by name, are found wherever they stand: the secrets that a build has just used.
func New(known map[string]string) *Scanner {
	s := &Scanner{rules: append([]Rule{}, rules()...)}
	for name, value := range known {
		if len(value) >= shortestKnown {
			s.rules = append(s.rules, Rule{ID: "own_value", Group: "own_value", What: "value of " + name, Literals: []string{value},
				regex: pattern.New("(" + regexp.QuoteMeta(value) + ")"), after: 1})
		}
	}
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
			low := strings.ToLower(literal)
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

// window is one look at a file: what was read, and where in the file it begins.
type window struct {
	data   []byte
	offset int64
	line   int // at its begin
	text   bool
	seen   map[string]bool
}

// Scan reads r to its end and calls report with each finding. With contextual, the rules that need the context of a
// configuration file are tried too; they are left out where the bytes are not text. It returns how many bytes it read.
func (s *Scanner) Scan(r io.Reader, buffer *Buffer, contextual bool, report func(Finding)) (int64, error) {
	w := window{line: 1, seen: map[string]bool{}}
	m := &s.strict
	kept, first := 0, true
	for {
		n, err := io.ReadFull(r, buffer.data[kept:])
		end := err != nil
		if end && err != io.EOF && err != io.ErrUnexpectedEOF {
			return w.offset + int64(kept), err
		}
		w.data = buffer.data[:kept+n]
		if first {
			first = false
			w.text = isText(w.data)
			if contextual && w.text {
				m = &s.broad
			}
		}
		// What begins before `from` was looked at; what begins behind `to` waits until more is read.
		from, to := min(kept, before), len(w.data)
		if !end {
			to -= afterMost
		}
		m.run(w.data, from, to, func(literal, begin int) { s.try(m, literal, begin, &w, report) })
		if end {
			return w.offset + int64(len(w.data)), nil
		}
		drop := max(0, to-before)
		if w.text {
			w.line += bytes.Count(w.data[:drop], []byte{'\n'})
		}
		kept = copy(buffer.data, w.data[drop:])
		w.offset += int64(drop)
	}
}

// try looks at what stands around a literal.
func (s *Scanner) try(m *search, literal, begin int, w *window, report func(Finding)) {
	end := begin + len(m.literals[literal])
	for _, number := range m.rules[literal] {
		rule := &s.rules[number]
		low := max(0, begin-before)
		around := w.data[low:min(len(w.data), end+rule.after)]
		for _, match := range rule.regex().FindAllSubmatchIndex(around, -1) {
			if match[0] >= end-low || match[1] <= begin-low {
				continue // another one nearby, which has its own literal
			}
			from, to := secretOf(match)
			secret := string(around[from:to])
			key := rule.Group + secret
			if entropy(secret) < rule.entropy || rule.accept != nil && !rule.accept(secret) || w.seen[key] {
				continue
			}
			w.seen[key] = true
			finding := Finding{Rule: rule, Offset: w.offset + int64(low+from), Sample: redact(rule, secret), Contextual: rule.Contextual}
			if w.text {
				finding.Line = w.line + bytes.Count(w.data[:low+from], []byte{'\n'})
			}
			report(finding)
		}
	}
}

// secretOf is where the secret itself stands in a match: its last group, or all of it.
func secretOf(match []int) (from, to int) {
	for i := len(match) - 2; i >= 2; i -= 2 {
		if match[i] >= 0 && match[i+1] > match[i] {
			return match[i], match[i+1]
		}
	}
	return match[0], match[1]
}

// redact shows as much of a secret as tells which one it is, and no more than a tenth of it.
func redact(rule *Rule, secret string) string {
	if rule.Group == "private_key" {
		kind, _, _ := strings.Cut(secret, "\n")
		kind, _, _ = strings.Cut(kind, "-----")
		return fmt.Sprintf("%.40s, %d characters", strings.TrimSpace(kind), len(secret))
	}
	if rule.Group != "token" {
		return fmt.Sprintf("%d characters", len(secret))
	}
	return fmt.Sprintf("%s..., %d characters", secret[:min(4, len(secret)/10)], len(secret))
}

// isText tells text from other bytes by its begin.
func isText(data []byte) bool {
	head := data[:min(len(data), 8000)]
	if bytes.IndexByte(head, 0) >= 0 {
		return false
	}
	for len(head) > 0 && !utf8.FullRune(head[max(0, len(head)-3):]) {
		head = head[:len(head)-1]
	}
	return true
}
