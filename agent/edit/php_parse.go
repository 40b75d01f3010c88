package edit

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"oneclick-agent/agent/pattern"
)

// phpPlace is one value that can be edited: of a constant, a variable, an element of a variable, or an entry of an
// array that is written out.
type phpPlace struct {
	path       []string // "$cfg", "Servers", "1"; of a returned array from "return" on
	start, end int      // the value
	from, to   int      // the whole statement, or the entry with its key
	deep       bool     // in a condition, a loop, a function or a class
	entry      bool     // of an array
	array      *phpArray
}

// phpArray is an array that is written out.
type phpArray struct {
	open, close int // behind the bracket that opens it, and the one that closes it
	long        bool
	entries     []phpPlace
}

// phpReturned begins the path of what a file returns, phpConstant that of a constant.
const (
	phpReturned = "return"
	phpConstant = "define"
)

// phpParser walks the tokens that are no white space.
type phpParser struct {
	tokens []phpToken
	places []phpPlace
}

// parsePHP finds all places, entries of arrays too.
func parsePHP(data []byte) []phpPlace {
	p := phpParser{tokens: slices.DeleteFunc(scanPHP(data), func(t phpToken) bool { return t.kind == phpSpace })}
	depth, parens, statement := 0, 0, true
	for i := 0; i < len(p.tokens); i++ {
		t := p.tokens[i]
		place, next := p.statement(i)
		if next > i {
			place.deep = depth > 0 || parens > 0 || !statement && !p.guarded(i)
			p.add(place)
			i = next - 1
			t = p.tokens[i]
		}
		switch t.text {
		case "{":
			depth++
		case "}":
			depth--
		case "(":
			parens++
		case ")":
			parens--
		}
		statement = t.kind == phpOutside || t.kind == phpOther && strings.Contains(";{}", t.text)
	}
	return p.places
}

func (p *phpParser) add(place phpPlace) {
	p.places = append(p.places, place)
	if place.array == nil {
		return
	}
	for _, e := range place.array.entries {
		e.deep = place.deep
		p.add(e)
	}
}

// is reports whether the tokens from i on are these; "'" stands for any string, "N" for any name.
func (p *phpParser) is(i int, texts ...string) bool {
	if i < 0 || i+len(texts) > len(p.tokens) {
		return false
	}
	for k, want := range texts {
		t := p.tokens[i+k]
		if want == "'" && t.kind == phpString || want == "N" && t.kind == phpIdent {
			continue
		}
		if !strings.EqualFold(t.text, want) || t.kind == phpString {
			return false
		}
	}
	return true
}

// guarded reports whether defined('X') or stands before token i.
func (p *phpParser) guarded(i int) bool {
	return p.is(i-5, "defined", "(", "'", ")", "or") || p.is(i-6, "defined", "(", "'", ")", "|", "|")
}

// statement reads the definition, the assignment or the return that begins at token i; next is behind it, or i.
func (p *phpParser) statement(i int) (place phpPlace, next int) {
	value := 0
	switch {
	case p.is(i, "define", "(", "'", ","), p.is(i, `\define`, "(", "'", ","):
		name, ok := readPHPString(p.tokens[i+2].text)
		if !ok {
			return place, i
		}
		place.path, value = []string{phpConstant, name}, i+4
	case p.is(i, "const", "N", "="):
		place.path, value = []string{phpConstant, p.tokens[i+1].text}, i+3
	case p.is(i, "return"):
		place.path, value = []string{phpReturned}, i+1
	case p.tokens[i].kind == phpVariable:
		if place.path, value = p.variable(i); value == 0 {
			return place, i
		}
	default:
		return place, i
	}
	end := p.expression(value)
	if end == value || end >= len(p.tokens) && value >= len(p.tokens) {
		return place, i
	}
	p.fill(&place, value, end)
	place.from = p.tokens[i].start
	for next = end; next < len(p.tokens) && p.tokens[next].kind != phpOutside; next++ {
		if p.tokens[next].text == ";" {
			next++
			break
		}
	}
	place.to = p.tokens[next-1].end
	return place, next
}

// variable reads $name['index'] = at token i; value is the token behind the sign, or 0.
func (p *phpParser) variable(i int) (path []string, value int) {
	path = []string{p.tokens[i].text}
	for i++; p.is(i, "["); i++ {
		start := i + 1
		if i = p.expression(start); !p.is(i, "]") {
			return nil, 0
		}
		path = append(path, p.index(start, i))
	}
	if !p.is(i, "=") || p.is(i+1, "=") || p.is(i+1, "&") || p.is(i+1, ">") {
		return nil, 0
	}
	return path, i + 1
}

// index is what the tokens in brackets name: a text, a number, or the expression as it stands.
func (p *phpParser) index(from, to int) string {
	var b strings.Builder
	for _, t := range p.tokens[from:to] {
		if text, ok := readPHPString(t.text); ok && t.kind == phpString && to == from+1 {
			return text
		}
		b.WriteString(t.text)
	}
	return b.String()
}

// expression is the token behind the expression that begins at i: the sign that ends it.
func (p *phpParser) expression(i int) int {
	depth := 0
	for ; i < len(p.tokens); i++ {
		t := p.tokens[i]
		switch {
		case t.kind == phpOutside:
			return i
		case t.kind != phpOther:
		case strings.Contains("([{", t.text):
			depth++
		case depth > 0 && strings.Contains(")]}", t.text):
			depth--
		case depth == 0 && (strings.Contains(",;)]}", t.text) || t.text == "=>"):
			return i
		}
	}
	return i
}

// fill notes where the value from one token to before another stands, and its entries where it is an array.
func (p *phpParser) fill(place *phpPlace, from, to int) {
	place.start, place.end = p.tokens[from].start, p.tokens[to-1].end
	first := from + 1
	array := &phpArray{}
	switch {
	case p.is(from, "array", "("):
		array.long, first = true, from+2
	case !p.is(from, "["):
		return
	}
	at, next := first, 0
	for at < to-1 {
		e := phpPlace{entry: true, from: p.tokens[at].start}
		end := p.expression(at)
		name := strconv.Itoa(next)
		value := at
		if p.is(end, "=>") {
			name, value = p.index(at, end), end+1
			end = p.expression(value)
		}
		if end == value || end >= to || p.tokens[value].text == "." {
			return // an empty entry, or one that spreads another array: its keys are not known
		}
		if n, err := strconv.Atoi(name); err == nil && n >= next {
			next = n + 1
		}
		e.path = append(slices.Clone(place.path), name)
		p.fill(&e, value, end)
		e.to = e.end
		array.entries = append(array.entries, e)
		if at = end; p.is(at, ",") {
			at++
		}
	}
	if at != to-1 || !p.is(at, map[bool]string{true: ")", false: "]"}[array.long]) {
		return
	}
	array.open, array.close = p.tokens[first-1].end, p.tokens[at].start
	place.array = array
}

// value is what a place holds; ok is false where that is computed.
func (p phpPlace) value(data []byte) (value any, ok bool) {
	text := string(data[p.start:p.end])
	switch word := strings.ToLower(text); {
	case p.array != nil:
		return p.array.value(data)
	case word == "true" || word == "false":
		return word == "true", true
	case word == "null":
		return nil, true
	case phpPlainNumber().MatchString(text):
		return json.Number(text), true
	}
	if tokens := scanPHP([]byte("<?php " + text)); len(tokens) == 2 && tokens[1].kind == phpString {
		return readPHPString(text)
	}
	return nil, false
}

var phpPlainNumber = pattern.New(`^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$`)

func (a *phpArray) value(data []byte) (any, bool) {
	list, table := []any{}, map[string]any{}
	for i, e := range a.entries {
		value, ok := e.value(data)
		name := e.path[len(e.path)-1]
		if _, twice := table[name]; !ok || twice {
			return nil, false
		}
		if table[name] = value; name == strconv.Itoa(i) {
			list = append(list, value)
		}
	}
	if len(list) == len(a.entries) {
		return list, true
	}
	return table, true
}

// readPHPString is what a string in quotes says; ok is false where it holds variables, or signs that are rare.
func readPHPString(text string) (string, bool) {
	if len(text) < 2 || text[0] != text[len(text)-1] || text[0] != '\'' && text[0] != '"' {
		return "", false
	}
	inner := text[1 : len(text)-1]
	if text[0] == '\'' {
		return strings.NewReplacer(`\\`, `\`, `\'`, `'`).Replace(inner), true
	}
	plain := strings.NewReplacer(`\\`, "", `\"`, "", `\$`, "", `\n`, "", `\t`, "", `\r`, "").Replace(inner)
	if strings.ContainsAny(plain, `\$`) {
		return "", false
	}
	return strings.NewReplacer(`\\`, `\`, `\"`, `"`, `\$`, "$", `\n`, "\n", `\t`, "\t", `\r`, "\r").Replace(inner), true
}
