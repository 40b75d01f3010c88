// Package edit changes values inside other programs' configuration files and leaves every other byte in them as it
// was: comments, order, spacing, unknown lines. It is pure: bytes in, bytes out. docs/edits.md says what each format
// can do.
package edit

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Change is what to change in a file that has keys. Keys are written as ParseKey reads them. Values are string,
// json.Number, bool, nil, []any or map[string]any.
type Change struct {
	Set   map[string]any
	Unset []string
}

// setting is one key of a change.
type setting struct {
	key    Key
	value  any
	remove bool
}

// Apply changes a file of the given format, one of Formats. Applying the same change again changes nothing. An error
// names the key, never a value.
func Apply(name string, data []byte, change Change) ([]byte, error) {
	settings, err := change.settings(name)
	if err != nil {
		return nil, err
	}
	f, ok := formatNamed(name)
	if !ok || f.editor == nil {
		return nil, fmt.Errorf("cannot set keys in a file of format %q%s", name, hint(data, name))
	}
	text, mark := bytes.CutPrefix(data, []byte("\ufeff"))
	if bytes.IndexByte(text, 0) >= 0 {
		return nil, errors.New("the file holds NUL bytes: it is no text, or UTF-16; convert it to UTF-8")
	}
	for _, s := range settings {
		if s.remove {
			text, err = f.editor.unset(text, s.key)
		} else {
			text, err = f.editor.set(text, s.key, s.value)
		}
		if misfit, ok := errors.AsType[*misfit](err); ok {
			return nil, fmt.Errorf("%w%s", misfit, hint(data, name))
		}
		if err != nil {
			return nil, fmt.Errorf("cannot %s %s: %w", s.verb(), s.key, err)
		}
	}
	if mark {
		text = slices.Concat([]byte("\ufeff"), text)
	}
	return text, nil
}

func (s setting) verb() string {
	if s.remove {
		return "take out"
	}
	return "set"
}

// settings are the keys of a change in the order in which they are made.
func (c Change) settings(format string) ([]setting, error) {
	var all []setting
	for text, value := range c.Set {
		key, err := CheckKey(format, text)
		if err == nil {
			err = checkValue(value)
		}
		if err != nil {
			return nil, fmt.Errorf("cannot set %s: %w", text, err)
		}
		all = append(all, setting{key: key, value: value})
	}
	slices.SortFunc(all, func(a, b setting) int { return compareKeys(a.key, b.key) })
	for _, text := range c.Unset {
		key, err := CheckKey(format, text)
		if err != nil {
			return nil, fmt.Errorf("cannot take out %s: %w", text, err)
		}
		all = append(all, setting{key: key, remove: true})
	}
	for i, a := range all {
		for _, b := range all[i+1:] {
			if a.key.Within(b.key) || b.key.Within(a.key) {
				return nil, fmt.Errorf("cannot %s %s and %s %s in one step: one is a part of the other", a.verb(), a.key, b.verb(), b.key)
			}
		}
	}
	return all, nil
}

// checkValue refuses text that no format can carry.
func checkValue(value any) error {
	switch v := value.(type) {
	case string:
		if !utf8.ValidString(v) {
			return errors.New("the value is not UTF-8")
		}
		if strings.Contains(v, "\x00") {
			return errors.New("the value holds a NUL byte")
		}
	case []any:
		for _, item := range v {
			if err := checkValue(item); err != nil {
				return err
			}
		}
	case map[string]any:
		for name, item := range v {
			if err := errors.Join(checkValue(name), checkValue(item)); err != nil {
				return err
			}
		}
	}
	return nil
}

// misfit says that a file is not of the format that it should be edited in.
type misfit struct{ what string }

func (m *misfit) Error() string { return m.what }

func notThis(format string, arguments ...any) error {
	return &misfit{fmt.Sprintf(format, arguments...)}
}
