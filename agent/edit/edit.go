// Package edit changes values inside other programs' configuration files and leaves everything else in them as it
// was: comments, order, spacing, unknown lines. It is pure: bytes in, bytes out.
package edit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Change is what to change in a file that has keys. Values are string, json.Number, bool, nil, []any or
// map[string]any.
type Change struct {
	Set   map[string]any
	Unset []string
}

// Apply changes a file of the given format: dotenv, ini, yaml, json, toml or php. Applying the same change again
// changes nothing. An error names the key, never a value.
func Apply(format string, data []byte, change Change) ([]byte, error) {
	editor, ok := editors[format]
	if !ok {
		return nil, fmt.Errorf("cannot edit a file of format %q", format)
	}
	for _, key := range slices.Sorted(maps.Keys(change.Set)) {
		changed, err := editor.set(data, key, change.Set[key])
		if err != nil {
			return nil, fmt.Errorf("cannot set %s: %w", key, err)
		}
		data = changed
	}
	for _, key := range change.Unset {
		changed, err := editor.unset(data, key)
		if err != nil {
			return nil, fmt.Errorf("cannot take out %s: %w", key, err)
		}
		data = changed
	}
	return data, nil
}

type editor struct {
	set   func(data []byte, key string, value any) ([]byte, error)
	unset func(data []byte, key string) ([]byte, error)
}

var editors = map[string]editor{
	"dotenv": {setDotenv, unsetDotenv},
	"ini":    {setINI, unsetINI},
	"json":   {setJSON, unsetJSON},
	"php":    {setPHP, unsetPHP},
	"toml":   {setTOML, unsetTOML},
	"yaml":   {setYAML, unsetYAML},
}

// lines splits data after each line break; each line keeps its own ending.
func lines(data []byte) []string {
	if len(data) == 0 {
		return nil
	}
	return strings.SplitAfter(strings.TrimSuffix(string(data), "\n"), "\n")
}

// text joins lines again. The last line gets the line break that lines took off, if the file had one or grew.
func unlines(parts []string, ending string) []byte {
	if len(parts) == 0 {
		return nil
	}
	for i := range parts {
		if !strings.HasSuffix(parts[i], "\n") {
			parts[i] = strings.TrimSuffix(parts[i], "\r") + ending
		}
	}
	return []byte(strings.Join(parts, ""))
}

// lineEnding is the line break that the file uses.
func lineEnding(data []byte) string {
	if i := bytes.IndexByte(data, '\n'); i > 0 && data[i-1] == '\r' {
		return "\r\n"
	}
	return "\n"
}

// body is a line without its line break.
func body(line string) string { return strings.TrimRight(line, "\r\n") }

// indentation is the white space that a line begins with.
func indentation(line string) string { return line[:len(line)-len(strings.TrimLeft(line, " \t"))] }

// scalar is a single value as text.
func scalar(value any) (string, error) {
	switch v := value.(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	case bool:
		return fmt.Sprint(v), nil
	case json.Number:
		return v.String(), nil
	}
	return "", fmt.Errorf("the format holds single values, not lists or mappings")
}

// changed is a decoded document after the change that an editor makes, to prove that it made this one and no other.
func changed(document any, path []string, value any, remove bool) (any, error) {
	table, ok := document.(map[string]any)
	if document == nil {
		table, ok = map[string]any{}, true
	}
	if !ok {
		return nil, fmt.Errorf("what stands above it is a single value or a list")
	}
	table = maps.Clone(table)
	if len(path) == 1 {
		if remove {
			delete(table, path[0])
		} else {
			table[path[0]] = value
		}
		return table, nil
	}
	if _, there := table[path[0]]; !there && remove {
		return table, nil
	}
	below, err := changed(table[path[0]], path[1:], value, remove)
	if err != nil {
		return nil, err
	}
	table[path[0]] = below
	return table, nil
}

// at returns the value at path in a decoded document.
func at(document any, path []string) (any, bool) {
	for _, key := range path {
		table, ok := document.(map[string]any)
		if !ok {
			return nil, false
		}
		if document, ok = table[key]; !ok {
			return nil, false
		}
	}
	return document, true
}

// keyPath splits a key at its dots. A key that stands in the document as it is, dots and all, stays whole.
func keyPath(document any, key string) []string {
	if _, literal := at(document, []string{key}); literal {
		return []string{key}
	}
	return strings.Split(key, ".")
}

// verify proves that after is before with exactly one change. A file whose layout an editor misread is refused.
func verify(before, after any, path []string, value any, remove bool) error {
	want, err := changed(before, path, value, remove)
	if err != nil {
		return err
	}
	if !reflect.DeepEqual(normal(want), normal(after)) {
		return fmt.Errorf("the file is laid out in a way that cannot be edited safely; write it with file: and a template")
	}
	return nil
}

// normal makes numbers and empty tables comparable across decoders.
func normal(value any) any {
	switch v := value.(type) {
	case map[string]any:
		out := map[string]any{}
		for key, item := range v {
			out[key] = normal(item)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = normal(item)
		}
		return out
	case json.Number:
		if whole, err := v.Int64(); err == nil {
			return float64(whole)
		}
		number, _ := v.Float64()
		return number
	case int:
		return float64(v)
	case int64:
		return float64(v)
	case uint64:
		return float64(v)
	}
	return value
}
