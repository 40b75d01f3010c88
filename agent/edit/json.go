package edit

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"

	"oneclick-agent/agent/render"
)

type jsonEditor struct{}

// jsonMember is where one member of an object, or one item of a list, stands.
type jsonMember struct {
	key                          string
	keyStart, keyEnd, start, end int
}

// jsonMembers finds the members of the object, or the items of the list, that begins at from.
func jsonMembers(data []byte, from int) ([]jsonMember, error) {
	decoder := json.NewDecoder(bytes.NewReader(data[from:]))
	open, err := decoder.Token()
	if err != nil {
		return nil, err
	}
	place := func(skipped string) int { return skip(data, from+int(decoder.InputOffset()), skipped) }
	var found []jsonMember
	for decoder.More() {
		m := jsonMember{keyStart: place(" \t\r\n,")}
		if open == json.Delim('{') {
			name, err := decoder.Token()
			if err != nil {
				return nil, err
			}
			m.key, _ = name.(string)
			m.keyEnd = from + int(decoder.InputOffset())
			if slices.ContainsFunc(found, func(other jsonMember) bool { return other.key == m.key }) {
				return nil, errors.New("an object on the way to it has a key twice")
			}
		}
		m.start = place(" \t\r\n:,")
		var raw json.RawMessage
		if err := decoder.Decode(&raw); err != nil {
			return nil, err
		}
		m.end = m.start + len(raw)
		found = append(found, m)
	}
	return found, nil
}

func skip(data []byte, from int, what string) int {
	for from < len(data) && strings.IndexByte(what, data[from]) >= 0 {
		from++
	}
	return from
}

func decodeJSON(data []byte) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var document any
	err := decoder.Decode(&document)
	if err == nil {
		if _, behind := decoder.Token(); behind == io.EOF {
			return document, nil
		}
	}
	if at := jsonComment(data); at >= 0 {
		return nil, notThis("the file is no JSON: line %d has a comment", lineOf(data, at))
	}
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok && syntax.Offset > 0 && int(syntax.Offset) <= len(data) {
		return nil, notThis("the file is no JSON: line %d cannot be read", lineOf(data, int(syntax.Offset)-1))
	}
	if err == nil {
		return nil, notThis("the file is no JSON: something stands behind its value")
	}
	return nil, notThis("the file is no JSON: it ends too early")
}

// jsonComment is where the first comment of C stands outside of the strings, or -1.
func jsonComment(data []byte) int {
	for i := 0; i < len(data); i++ {
		switch {
		case data[i] == '"':
			end := closingQuote(string(data[i:]))
			if end < 0 {
				return -1
			}
			i += end - 1
		case bytes.HasPrefix(data[i:], []byte("//")), bytes.HasPrefix(data[i:], []byte("/*")):
			return i
		}
	}
	return -1
}

func (jsonEditor) set(data []byte, key Key, value any) ([]byte, error) {
	if len(bytes.TrimSpace(data)) == 0 {
		data = []byte("{}\n")
	}
	before, err := decodeJSON(data)
	if err != nil {
		return nil, err
	}
	path, err := key.in(before)
	if err != nil {
		return nil, err
	}
	if have, there := at(before, path); there && equal(have, value) {
		return data, nil
	}
	layout := jsonLayoutOf(data)
	out, err := layout.set(data, skip(data, 0, " \t\r\n"), path, value, "")
	if err != nil {
		return nil, err
	}
	after, err := decodeJSON(out)
	if err != nil {
		return nil, errLayout
	}
	return out, verify(before, after, path, value, false)
}

// jsonLayout is how a file is laid out: in lines or in one, and how deep each level is indented.
type jsonLayout struct {
	lines       bool
	step, colon string
	lineEnd     string
}

func jsonLayoutOf(data []byte) jsonLayout {
	layout := jsonLayout{lines: true, step: "  ", colon: ": ", lineEnd: lineEnding(data)}
	from := skip(data, 0, " \t\r\n")
	all, err := jsonMembers(data, from)
	if err != nil || len(all) == 0 {
		return layout
	}
	layout.lines = bytes.ContainsRune(data[from:all[0].keyStart], '\n')
	if step := lineIndentation(data, all[0].keyStart); layout.lines && step != "" {
		layout.step = step
	}
	if all[0].keyEnd > 0 {
		layout.colon = string(data[all[0].keyEnd:all[0].start])
	}
	return layout
}

func lineIndentation(data []byte, place int) string {
	start := bytes.LastIndexByte(data[:place], '\n') + 1
	return indentation(string(data[start:place]) + "x")
}

// set puts value at path in the object or list that begins at from. Indent is that of its own line.
func (l jsonLayout) set(data []byte, from int, path []string, value any, indent string) ([]byte, error) {
	all, err := jsonMembers(data, from)
	if err != nil {
		return nil, err
	}
	list := data[from] == '['
	inner := indent + l.step
	if len(all) > 0 && bytes.ContainsRune(data[from:all[0].keyStart], '\n') {
		inner = lineIndentation(data, all[0].keyStart)
	}
	i := slices.IndexFunc(all, func(m jsonMember) bool { return m.key == path[0] })
	if list {
		if i, err = index(path[0], len(all)); err != nil {
			return nil, err
		}
	}
	if i >= 0 && i < len(all) {
		m := all[i]
		if len(path) > 1 && strings.IndexByte("{[", data[m.start]) >= 0 {
			return l.set(data, m.start, path[1:], value, inner)
		}
		encoded, err := l.encode(nested(path[1:], value), inner)
		return splice(data, m.start, m.end, encoded), err
	}
	entry, err := l.encode(nested(path[1:], value), inner)
	if err != nil {
		return nil, err
	}
	if !list {
		name, err := render.JSON(path[0])
		if err != nil {
			return nil, err
		}
		entry = name + l.colon + entry
	}
	if len(all) == 0 {
		end := skip(data, from+1, " \t\r\n")
		if l.lines {
			entry = l.lineEnd + inner + entry + l.lineEnd + indent
		}
		return splice(data, from+1, end, entry), nil
	}
	last := all[len(all)-1].end
	return splice(data, last, last, l.between(data, from, all, inner)+entry), nil
}

// between is what stands between two members of an object.
func (l jsonLayout) between(data []byte, from int, all []jsonMember, inner string) string {
	switch {
	case len(all) > 1:
		return string(data[all[len(all)-2].end:all[len(all)-1].keyStart])
	case bytes.ContainsRune(data[from:all[0].keyStart], '\n'):
		return "," + l.lineEnd + inner
	case l.colon == ":":
		return ","
	}
	return ", "
}

// nested is value below the names of path.
func nested(path []string, value any) any {
	for _, name := range slices.Backward(path) {
		value = map[string]any{name: value}
	}
	return value
}

func (l jsonLayout) encode(value any, indent string) (string, error) {
	if number, ok := value.(json.Number); ok && !json.Valid([]byte(number)) {
		return "", errors.New("JSON has no such number")
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if l.lines {
		encoder.SetIndent(indent, l.step)
	}
	if err := encoder.Encode(value); err != nil {
		return "", errors.New("the value cannot be written as JSON")
	}
	return strings.ReplaceAll(strings.TrimRight(out.String(), "\n"), "\n", l.lineEnd), nil
}

func (jsonEditor) unset(data []byte, key Key) ([]byte, error) {
	if len(bytes.TrimSpace(data)) == 0 {
		return data, nil
	}
	before, err := decodeJSON(data)
	if err != nil {
		return nil, err
	}
	path, err := key.in(before)
	if err != nil {
		return nil, err
	}
	if _, there := at(before, path); !there {
		return data, nil
	}
	if err := removable(before, path); err != nil {
		return nil, err
	}
	from := skip(data, 0, " \t\r\n")
	for depth, name := range path {
		all, err := jsonMembers(data, from)
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(all, func(m jsonMember) bool { return m.key == name })
		if data[from] == '[' {
			i, _ = index(name, len(all))
		}
		if depth < len(path)-1 {
			from = all[i].start
			continue
		}
		data = removeMember(data, from, all, i)
	}
	after, err := decodeJSON(data)
	if err != nil {
		return nil, errLayout
	}
	return data, verify(before, after, path, nil, true)
}

// removeMember takes the member out with the comma that it needs no more.
func removeMember(data []byte, from int, all []jsonMember, i int) []byte {
	switch {
	case len(all) == 1:
		return splice(data, from+1, skip(data, all[0].end, " \t\r\n"), "")
	case i == 0:
		return splice(data, all[0].keyStart, all[1].keyStart, "")
	}
	return splice(data, all[i-1].end, all[i].end, "")
}
