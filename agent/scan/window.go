package scan

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// window is one look at some content: what was read of it, and where that begins.
type window struct {
	look   *lookInto
	search *search
	place  place
	inside string
	data   []byte
	offset int64
	line   int // at its begin
	text   bool
	// pending are findings that are told when all of the content was seen: one that is surer may be about the same bytes.
	pending []pending
}

// pending is a finding, and which bytes of the content it is about.
type pending struct {
	Finding
	from, to int64
}

// run looks for the literals that begin in a part of the window.
func (w *window) run(from, to int) {
	w.search.run(w.data, from, to, w.try)
}

// try looks at what stands around a literal.
func (w *window) try(literal, begin int) {
	end := begin + len(w.search.literals[literal])
	for _, number := range w.search.rules[literal] {
		rule := &w.look.scanner.rules[number]
		if rule.exact && !slices.Contains(rule.Literals, string(w.data[begin:end])) {
			continue
		}
		low := max(0, begin-rule.before)
		around := w.data[low:min(len(w.data), end+rule.after)]
		if rule.look != nil {
			found, ok := rule.look(w.look.scanner, look{around, begin - low, end - low, w.place})
			if ok {
				w.report(found.rule, found.certainty, low+found.from, low+found.to)
			}
			continue
		}
		for _, match := range rule.regex().FindAllSubmatchIndex(around, -1) {
			if match[0] >= end-low || match[1] <= begin-low {
				continue // another one nearby, which has its own literal
			}
			from, to := secretOf(match)
			w.judge(rule, low+from, low+to)
		}
	}
}

// judge reports what a regular expression found, unless the rule has something against it.
func (w *window) judge(rule *Rule, from, to int) {
	secret := string(w.data[from:to])
	s := w.look.scanner
	if entropy(secret) < rule.entropy || rule.accept != nil && !rule.accept(s.language, secret) {
		return
	}
	certainty := rule.Certainty
	if rule.Contextual && rule.Group == "password" && !s.language.isRandom(secret, leastPassword) {
		begin := bytes.LastIndexByte(w.data[:from], '\n') + 1
		if isComment(w.data[:begin], w.data[begin:from]) {
			return // an example
		}
	}
	if (rule.Group == "password" || rule.Group == "url_password") && isDefault(secret) {
		if w.place < codeSettings {
			return
		}
		rule, certainty = &s.rules[ruleDefault], Likely
	}
	w.report(rule, certainty, from, to)
}

// mostPending is how many findings of one content are told.
const mostPending = 1000

// report keeps a secret to be told, once for each file.
func (w *window) report(rule *Rule, certainty Certainty, from, to int) {
	secret := string(w.data[from:to])
	key := rule.Group + secret
	if w.look.seen[key] || len(w.pending) >= mostPending || w.look.isTrusted() {
		return
	}
	w.look.seen[key] = true
	finding := Finding{Rule: rule, Certainty: certainty, Inside: w.inside, Offset: w.offset + int64(from),
		Length: len(secret), Sample: redact(rule, secret)}
	if w.text {
		finding.Line = w.line + bytes.Count(w.data[:from], []byte{'\n'})
	}
	w.pending = append(w.pending, pending{finding, finding.Offset, w.offset + int64(to)})
}

// tell reports what was found. What is only likely is left out where something surer is about the same bytes, and what a
// setting's name tells where the value tells it by its own form.
func (w *window) tell() {
	for i, p := range w.pending {
		better := func(other pending) bool {
			overlap := other.from < p.to && p.from < other.to
			return overlap && (p.Certainty != Live && other.Certainty == Live || p.Rule.isSetting() && !other.Rule.isSetting())
		}
		if !slices.ContainsFunc(w.pending[:i], better) && !slices.ContainsFunc(w.pending[i+1:], better) {
			w.look.file.Report(p.Finding)
		}
	}
	w.pending = nil
}

// isSetting reports whether the rule tells a value by its setting's name.
func (r *Rule) isSetting() bool { return r.regex == nil && r.Contextual }

// byName tries the rules for whole files of one name.
func (w *window) byName(name string) {
	for _, rule := range w.look.scanner.byFile.of(name) {
		for _, match := range rule.regex().FindAllSubmatchIndex(w.data, -1) {
			from, to := secretOf(match)
			w.judge(rule, from, to)
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
	switch {
	case rule.Group == "private_key" && strings.Contains(secret, "PRIVATE KEY"):
		kind, _, _ := strings.Cut(secret, "\n")
		kind, _, _ = strings.Cut(kind, "-----")
		return fmt.Sprintf("%.40s, %d characters", strings.TrimSpace(kind), len(secret))
	case rule.Group == "default_password":
		return fmt.Sprintf("%d characters that everybody tries first", len(secret))
	case rule.Group == "token":
		return fmt.Sprintf("%s..., %d characters", secret[:min(4, len(secret)/10)], len(secret))
	}
	return fmt.Sprintf("%d characters", len(secret))
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
