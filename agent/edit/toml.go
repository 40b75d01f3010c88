package edit

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"oneclick-agent/agent/pattern"
	"oneclick-agent/agent/render"
)

type tomlEditor struct{}

var tomlBare = pattern.New(`^[A-Za-z0-9_-]+$`)

func decodeTOML(data []byte) (any, error) {
	document := map[string]any{}
	err := toml.Unmarshal(data, &document)
	if fault, ok := errors.AsType[*toml.DecodeError](err); ok {
		line, _ := fault.Position()
		return nil, notThis("the file is no TOML: line %d cannot be read", line)
	}
	if err != nil {
		return nil, notThis("the file is no TOML")
	}
	return document, nil
}

func tomlUnquote(text string) string {
	var decoded map[string]string
	if toml.Unmarshal([]byte("x = "+text), &decoded) != nil {
		return text
	}
	return decoded["x"]
}

func tomlName(key string) string {
	if tomlBare().MatchString(key) {
		return key
	}
	quoted, _ := render.YAML(key) // a basic string of TOML has the escapes of JSON
	return quoted
}

func tomlKey(path []string) string {
	names := make([]string, len(path))
	for i := range path {
		names[i] = tomlName(path[i])
	}
	return strings.Join(names, ".")
}

// tomlValue writes a value; old is what stands there, whose quotes stay where they can.
func tomlValue(value any, old string) (string, error) {
	switch v := value.(type) {
	case nil:
		return "", errors.New("TOML has no empty value; take the key out with unset:")
	case json.Number:
		if _, err := v.Int64(); err != nil && !strings.ContainsAny(v.String(), ".eE") {
			return "", errors.New("TOML has whole numbers of 64 bits only")
		}
		return v.String(), nil
	case string:
		control := func(r rune) bool { return r < ' ' || r == 0x7f }
		if strings.HasPrefix(old, "'") && !strings.Contains(v, "'") && !strings.ContainsFunc(v, control) {
			return "'" + v + "'", nil
		}
	case []any:
		items := make([]string, len(v))
		for i := range v {
			var err error
			if items[i], err = tomlValue(v[i], ""); err != nil {
				return "", err
			}
		}
		return "[" + strings.Join(items, ", ") + "]", nil
	case map[string]any:
		var items []string
		for _, name := range slices.Sorted(maps.Keys(v)) {
			item, err := tomlValue(v[name], "")
			if err != nil {
				return "", err
			}
			items = append(items, tomlName(name)+" = "+item)
		}
		if len(items) == 0 {
			return "{}", nil
		}
		return "{ " + strings.Join(items, ", ") + " }", nil
	}
	return render.YAML(value)
}

func (tomlEditor) set(data []byte, key Key, value any) ([]byte, error) {
	before, err := decodeTOML(data)
	if err != nil {
		return nil, err
	}
	path, err := key.in(before)
	if err != nil {
		return nil, err
	}
	have, there := at(before, path)
	if there && equal(have, value) {
		return data, nil
	}
	all := scanTOML(data)
	if n := findTOML(all, path); n != nil {
		text, err := tomlValue(value, string(data[n.start:n.end]))
		if err != nil {
			return nil, err
		}
		return proveTOML(splice(data, n.start, n.end, text), before, path, value, false)
	}
	if there {
		return nil, errors.New("the file has a table there; set its keys one by one")
	}
	text, err := tomlValue(value, "")
	if err != nil {
		return nil, err
	}
	f := tomlFile{data, all, lineEnding(data)}
	if out := f.inside(before, path, text); out != nil {
		return proveTOML(out, before, path, value, false)
	}
	// Where a new table cannot be opened, because dotted keys made it, the key is written with dots.
	for _, out := range [][]byte{f.beside(path, text), f.newTable(before, path, text), f.nearest(path, text)} {
		if out == nil {
			continue
		}
		if out, err = proveTOML(out, before, path, value, false); err == nil {
			return out, nil
		}
	}
	return nil, errLayout
}

func proveTOML(out []byte, before any, path []string, value any, remove bool) ([]byte, error) {
	after, err := decodeTOML(out)
	if err != nil {
		return nil, errLayout
	}
	err = verify(before, after, path, value, remove)
	for err != nil && remove && len(path) > 1 { // a table that dotted keys made goes with the last of them
		path = path[:len(path)-1]
		if above, _ := at(before, path); !alone(above) {
			break
		}
		err = verify(before, after, path, value, remove)
	}
	return out, err
}

// alone reports whether a table has one key.
func alone(table any) bool {
	keys, ok := table.(map[string]any)
	return ok && len(keys) == 1
}

// tomlFile adds keys to a file.
type tomlFile struct {
	data    []byte
	all     []tomlNode
	lineEnd string
}

// inside adds to the inline table or the list that is above the key; nil where none is.
func (f tomlFile) inside(before any, path []string, text string) []byte {
	for k := len(path) - 1; k > 0; k-- {
		n := findTOML(f.all, path[:k])
		if n == nil || n.open == 0 {
			continue
		}
		if n.open == '[' && k == len(path)-1 {
			return f.append(n, text)
		}
		if n.open == '[' {
			return f.append(n, "{ "+tomlKey(path[k+1:])+" = "+text+" }")
		}
		entry := tomlKey(path[k:]) + " = " + text
		if len(n.children) == 0 {
			return splice(f.data, n.start, n.end, "{ "+entry+" }")
		}
		last := n.children[len(n.children)-1].end
		return splice(f.data, last, last, ", "+entry)
	}
	return nil
}

// append adds an item to a list, laid out as the ones before it.
func (f tomlFile) append(n *tomlNode, text string) []byte {
	if len(n.children) == 0 {
		return splice(f.data, n.start, n.end, "["+text+"]")
	}
	first, last := n.children[0], n.children[len(n.children)-1]
	between := ", "
	if bytes.ContainsRune(f.data[n.start:first.start], '\n') {
		between = "," + f.lineEnd + lineIndentation(f.data, first.start)
	}
	return splice(f.data, last.end, last.end, between+text)
}

// beside adds an entry behind the last one of the same table, or behind the table's header; nil where neither is.
func (f tomlFile) beside(path []string, text string) []byte {
	parent := path[:len(path)-1]
	for _, n := range slices.Backward(f.all) {
		if !n.header && slices.Equal(n.path[:len(n.path)-1], parent) {
			entry := lineIndentation(f.data, n.keyStart) + tomlKey(path[len(n.table):]) + " = " + text
			return f.behind(n.end, entry)
		}
	}
	for _, n := range slices.Backward(f.all) {
		if n.header && slices.Equal(n.path, parent) {
			return f.behind(n.start, tomlName(path[len(path)-1])+" = "+text)
		}
	}
	if len(parent) == 0 {
		return f.top(tomlKey(path) + " = " + text)
	}
	return nil
}

// behind adds a line behind the one that place is in.
func (f tomlFile) behind(place int, line string) []byte {
	s := tomlScanner{text: string(f.data), at: place}
	s.line()
	return splice(f.data, s.at, s.at, f.lineEnd+line)
}

// top adds a line before the first table, with its comment, or at the end of a file without tables.
func (f tomlFile) top(line string) []byte {
	parts := lines(f.data)
	place := len(parts)
	if len(f.all) > 0 {
		place = lineOf(f.data, f.all[0].keyStart) - 1
	}
	for len(f.all) > 0 && place > 0 && strings.HasPrefix(strings.TrimSpace(parts[place-1]), "#") {
		place--
	}
	return unlines(slices.Insert(finished(parts, f.lineEnd), place, line+f.lineEnd))
}

// newTable opens a table at the end of the file.
func (f tomlFile) newTable(before any, path []string, text string) []byte {
	var names []string
	brackets := [2]string{"[", "]"}
	for k, name := range path[:len(path)-1] {
		above, _ := at(before, path[:k])
		list, inList := above.([]any)
		switch {
		case !inList:
			names = append(names, name)
		case name == strconv.Itoa(len(list)) && k == len(path)-2:
			brackets = [2]string{"[[", "]]"}
		case name != strconv.Itoa(len(list)-1):
			return nil // only the last table of a list can get a new one below
		}
	}
	parts := finished(lines(f.data), f.lineEnd)
	if len(parts) > 0 && strings.TrimSpace(parts[len(parts)-1]) != "" {
		parts = append(parts, f.lineEnd)
	}
	return unlines(append(parts, brackets[0]+tomlKey(names)+brackets[1]+f.lineEnd, tomlName(path[len(path)-1])+" = "+text+f.lineEnd))
}

// nearest adds an entry with dots to the nearest table above.
func (f tomlFile) nearest(path []string, text string) []byte {
	for k := len(path) - 1; k > 0; k-- {
		for _, n := range slices.Backward(f.all) {
			if n.header && slices.Equal(n.path, path[:k]) {
				return f.behind(n.start, tomlKey(path[k:])+" = "+text)
			}
		}
	}
	return f.top(tomlKey(path) + " = " + text)
}

func (tomlEditor) unset(data []byte, key Key) ([]byte, error) {
	before, err := decodeTOML(data)
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
	all := scanTOML(data)
	for k := len(path) - 1; k > 0; k-- {
		if parent := findTOML(all, path[:k]); parent != nil {
			return proveTOML(removeInline(data, parent, path), before, path, nil, true)
		}
	}
	out := data
	for _, n := range slices.Backward(all) {
		if len(n.path) >= len(path) && slices.Equal(n.path[:len(path)], path) {
			s := tomlScanner{text: string(data), at: n.end}
			s.line()
			out = splice(out, bytes.LastIndexByte(data[:n.keyStart], '\n')+1, behindBreak(data, s.at), "")
		}
	}
	return proveTOML(out, before, path, nil, true)
}

// removeInline takes a key out of an inline table with the comma that it needs no more.
func removeInline(data []byte, table *tomlNode, path []string) []byte {
	first, last := -1, -1 // a key with dots may stand several times
	for i, n := range table.children {
		if len(n.path) >= len(path) && slices.Equal(n.path[:len(path)], path) {
			if first < 0 {
				first = i
			}
			last = i
		}
	}
	all := table.children
	switch {
	case first < 0:
		return data
	case first > 0:
		return splice(data, all[first-1].end, all[last].end, "")
	case last+1 < len(all):
		return splice(data, all[0].keyStart, all[last+1].keyStart, "")
	}
	return splice(data, table.start, table.end, "{}")
}
