package edit

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// errLayout says that an editor would have changed more than it should.
var errLayout = errors.New("the file is laid out in a way that cannot be edited safely; write the whole file with file: and a template")

// in is the key's way through a decoded document. A key without quotes that stands in it as it is, dots and all, is
// that one. A key that would make a sibling of such a name further down is refused.
func (k Key) in(document any) ([]string, error) {
	if table, ok := document.(map[string]any); ok && k.plain() != "" {
		if _, literal := table[k.plain()]; literal {
			return []string{k.plain()}, nil
		}
	}
	for i, part := range k {
		switch have := document.(type) {
		case nil:
			return k.Names(), nil
		case map[string]any:
			below, there := have[part.Name]
			exact, dotted := k.dotted(i, func(name string) bool { _, there := have[name]; return there })
			if dotted && (!there || !reaches(below, k[i+1:])) {
				return nil, fmt.Errorf("the file has the key %s; write %s", exact[i].Name, exact)
			}
			document = below
		case []any:
			n, err := index(part.Name, len(have))
			if err != nil {
				return nil, err
			}
			if document = nil; n < len(have) {
				document = have[n]
			}
		default:
			return nil, fmt.Errorf("%s is a single value", k[:i])
		}
	}
	return k.Names(), nil
}

// reaches reports whether a document has a value at the key.
func reaches(document any, key Key) bool {
	_, there := at(document, key.Names())
	return there
}

// index is the place of a list that a part of a key names; that behind the last item is one, too.
func index(name string, length int) (int, error) {
	n, err := strconv.Atoi(name)
	if err != nil || n < 0 || strconv.Itoa(n) != name {
		return 0, fmt.Errorf("%s stands where the file has a list; its items are 0 to %d", name, length-1)
	}
	if n > length {
		return 0, fmt.Errorf("the list has %d items; the next one is %d", length, length)
	}
	return n, nil
}

// at returns the value at path in a decoded document.
func at(document any, path []string) (any, bool) {
	for _, name := range path {
		switch have := document.(type) {
		case map[string]any:
			below, there := have[name]
			if !there {
				return nil, false
			}
			document = below
		case []any:
			n, err := index(name, len(have))
			if err != nil || n == len(have) {
				return nil, false
			}
			document = have[n]
		default:
			return nil, false
		}
	}
	return document, true
}

// changed is a decoded document after the change that an editor makes, to prove that it made this one and no other.
func changed(document any, path []string, value any, remove bool) (any, error) {
	if list, ok := document.([]any); ok {
		n, err := index(path[0], len(list))
		if err != nil {
			return nil, err
		}
		list = slices.Clone(list)
		if n == len(list) {
			list = append(list, nil)
		}
		if list[n], err = changedBelow(list[n], path, value, remove); err != nil {
			return nil, err
		}
		return list, nil
	}
	table, ok := document.(map[string]any)
	if !ok && document != nil {
		return nil, errors.New("what stands above it is a single value")
	}
	table = maps.Clone(table)
	if table == nil {
		table = map[string]any{}
	}
	if remove && len(path) == 1 {
		delete(table, path[0])
		return table, nil
	}
	var err error
	table[path[0]], err = changedBelow(table[path[0]], path, value, remove)
	return table, err
}

func changedBelow(document any, path []string, value any, remove bool) (any, error) {
	if len(path) == 1 {
		return value, nil
	}
	return changed(document, path[1:], value, remove)
}

// removable refuses to take an item out of a list: done again, the next one would go.
func removable(document any, path []string) error {
	if above, _ := at(document, path[:len(path)-1]); above != nil {
		if _, list := above.([]any); list {
			return errors.New("the file has a list there, and done twice the next item would go, too; set the whole list")
		}
	}
	return nil
}

// verify proves that after is before with exactly one change. A file whose layout an editor misread is refused.
func verify(before, after any, path []string, value any, remove bool) error {
	want, err := changed(before, path, value, remove)
	if err != nil {
		return err
	}
	if !equal(want, after) {
		return errLayout
	}
	return nil
}
