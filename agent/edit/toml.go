package edit

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"oneclick-agent/agent/pattern"
	"oneclick-agent/agent/render"
)

var (
	tomlHeader = pattern.New(`^\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?$`)
	tomlBare   = pattern.New(`^[A-Za-z0-9_-]+$`)
)

// tomlEntry is the lines of one "key = value", and the whole path of the key.
type tomlEntry struct {
	from, to int // lines, to is behind the last
	path     []string
	table    bool // a [table] header; path is the table's
}

// tomlEntries walks the file. Where an entry ends is found by the decoder: it is the fewest lines that it accepts.
func tomlEntries(parts []string) ([]tomlEntry, error) {
	var all []tomlEntry
	var table []string
	for i := 0; i < len(parts); {
		text := strings.TrimSpace(parts[i])
		if text == "" || strings.HasPrefix(text, "#") {
			i++
			continue
		}
		if match := tomlHeader().FindStringSubmatch(body(parts[i])); match != nil {
			path, err := tomlKey(match[2])
			if err != nil {
				return nil, err
			}
			table = path
			if match[1] == "[[" {
				table = append(slices.Clone(path), "[]") // entries of lists of tables have no path that a key can name
			}
			all = append(all, tomlEntry{i, i + 1, table, true})
			i++
			continue
		}
		to := i + 1
		var decoded map[string]any
		for ; to <= len(parts); to++ {
			decoded = nil
			if toml.Unmarshal([]byte(strings.Join(parts[i:to], "")), &decoded) == nil {
				break
			}
		}
		if to > len(parts) {
			return nil, errors.New("the file is not TOML")
		}
		key, err := tomlKey(strings.SplitN(parts[i], "=", 2)[0])
		if err != nil {
			return nil, err
		}
		all = append(all, tomlEntry{i, to, slices.Concat(table, key), false})
		i = to
	}
	return all, nil
}

// tomlKey splits a dotted key.
func tomlKey(text string) ([]string, error) {
	var decoded map[string]any
	if err := toml.Unmarshal([]byte(text+" = 0"), &decoded); err != nil {
		return nil, errors.New("the file is not TOML")
	}
	var path []string
	for {
		for key, below := range decoded {
			path = append(path, key)
			next, deeper := below.(map[string]any)
			if !deeper {
				return path, nil
			}
			decoded = next
		}
	}
}

func decodeTOML(data []byte) (any, error) {
	var document map[string]any
	if err := toml.Unmarshal(data, &document); err != nil {
		return nil, errors.New("the file is not TOML")
	}
	return any(document), nil
}

func tomlValue(value any) (string, error) {
	switch v := value.(type) {
	case nil:
		return "", errors.New("TOML has no empty value; use unset")
	case json.Number:
		return v.String(), nil
	case map[string]any:
		encoded, err := toml.Marshal(map[string]any{"x": v})
		if err != nil || encoded == nil {
			return "", errors.New("the value cannot be written as TOML")
		}
		return "", errors.New("set the keys of a table one by one: table.key")
	case []any:
		items := make([]string, len(v))
		for i := range v {
			var err error
			if items[i], err = tomlValue(v[i]); err != nil {
				return "", err
			}
		}
		return "[" + strings.Join(items, ", ") + "]", nil
	}
	return render.YAML(value) // a basic string of TOML has the escapes of JSON
}

func setTOML(data []byte, key string, value any) ([]byte, error) {
	before, err := decodeTOML(data)
	if err != nil {
		return nil, err
	}
	path := keyPath(before, key)
	if have, there := at(before, path); there && deepEqual(have, value) {
		return data, nil
	}
	text, err := tomlValue(value)
	if err != nil {
		return nil, err
	}
	parts, ending := lines(data), lineEnding(data)
	all, err := tomlEntries(parts)
	if err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(all, func(e tomlEntry) bool { return !e.table && slices.Equal(e.path, path) }); i >= 0 {
		e := all[i]
		name, _, _ := strings.Cut(parts[e.from], "=")
		comment := tomlComment(parts[e.from:e.to])
		parts = slices.Replace(parts, e.from, e.to, name+"= "+text+comment+ending)
	} else {
		parts = insertTOML(unfinished(parts, ending), all, path, text, ending)
	}
	out := unlines(parts, ending)
	after, err := decodeTOML(out)
	if err != nil {
		return nil, errors.New("the file is laid out in a way that cannot be edited safely; write it with file: and a template")
	}
	return out, verify(before, after, path, value, false)
}

// tomlComment is the comment behind a value of one line: the first # before which the decoder is content.
func tomlComment(entry []string) string {
	if len(entry) != 1 {
		return ""
	}
	line := body(entry[0])
	for i := range len(line) {
		var decoded map[string]any
		if line[i] == '#' && toml.Unmarshal([]byte(line[:i]), &decoded) == nil {
			return line[len(strings.TrimRight(line[:i], " \t")):]
		}
	}
	return ""
}

// insertTOML adds an entry to its table, behind the table's last one, or a new table at the end.
func insertTOML(parts []string, all []tomlEntry, path []string, text, ending string) []string {
	table, name := path[:len(path)-1], tomlName(path[len(path)-1])
	place := -1
	for i, e := range all {
		if e.table && slices.Equal(e.path, table) {
			place = e.to
			for _, below := range all[i+1:] {
				if below.table {
					break
				}
				place = below.to
			}
		}
	}
	if place < 0 && len(table) == 0 {
		place = 0
		for _, e := range all {
			if e.table {
				break
			}
			place = e.to
		}
	}
	if place >= 0 {
		return slices.Insert(parts, place, name+" = "+text+ending)
	}
	names := make([]string, len(table))
	for i := range table {
		names[i] = tomlName(table[i])
	}
	if len(parts) > 0 {
		parts = append(parts, ending)
	}
	return append(parts, "["+strings.Join(names, ".")+"]"+ending, name+" = "+text+ending)
}

func tomlName(key string) string {
	if tomlBare().MatchString(key) {
		return key
	}
	quoted, _ := render.YAML(key)
	return quoted
}

func unsetTOML(data []byte, key string) ([]byte, error) {
	before, err := decodeTOML(data)
	if err != nil {
		return nil, err
	}
	path := keyPath(before, key)
	if _, there := at(before, path); !there {
		return data, nil
	}
	parts := lines(data)
	all, err := tomlEntries(parts)
	if err != nil {
		return nil, err
	}
	for _, e := range slices.Backward(all) {
		if !e.table && slices.Equal(e.path, path) {
			parts = slices.Delete(parts, e.from, e.to)
		}
	}
	out := unlines(parts, lineEnding(data))
	after, err := decodeTOML(out)
	if err != nil {
		return nil, err
	}
	return out, verify(before, after, path, nil, true)
}
