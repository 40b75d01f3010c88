package edit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"oneclick-agent/agent/pattern"
	"oneclick-agent/agent/render"
)

type phpEditor struct{}

var (
	phpVariableName = pattern.New(`^\$[A-Za-z_][A-Za-z0-9_]*$`)
	phpIndexNumber  = pattern.New(`^(?:0|-?[1-9][0-9]{0,17})$`)
)

// checkPHPKey refuses what cannot be the name of a constant, a variable or an element.
func checkPHPKey(key Key) error {
	name := key[0].Name
	switch {
	case strings.HasPrefix(name, "$") && !phpVariableName().MatchString(name):
		return errors.New("a variable is written $name, and an element of it $name.element")
	case strings.ContainsAny(key.plain(), "[]'()"):
		return errors.New("an element of an array is written with a dot: $name.element")
	}
	return nil
}

// phpPath is the path that a key has among the places of a file.
func phpPath(key Key, places []phpPlace) ([]string, error) {
	names := key.Names()
	if strings.HasPrefix(names[0], "$") {
		return phpDotted(key, names, 0, places)
	}
	returned := append([]string{phpReturned}, names...)
	if plain := key.plain(); len(key) > 1 && len(findPHP(places, []string{phpReturned, plain})) > 0 && plain != "" {
		return []string{phpReturned, plain}, nil
	}
	constants := slices.ContainsFunc(places, func(p phpPlace) bool { return p.path[0] == phpConstant })
	returns := len(findPHP(places, []string{phpReturned})) > 0
	if len(key) > 1 || returns && !constants || len(findPHP(places, returned)) > 0 {
		if len(key) == 1 && len(findPHP(places, []string{phpConstant, names[0]})) > 0 {
			return nil, errors.New("the file has it both as a constant and in what it returns; use line:")
		}
		return phpDotted(key, returned, 1, places)
	}
	return []string{phpConstant, names[0]}, nil
}

// phpDotted refuses a path that would make a sibling of an element that has a dot in its name.
func phpDotted(key Key, path []string, offset int, places []phpPlace) ([]string, error) {
	for i := range key {
		exact, dotted := key.dotted(i, func(name string) bool {
			return len(findPHP(places, append(slices.Clone(path[:i+offset]), name))) > 0
		})
		if dotted && len(findPHP(places, path)) == 0 {
			return nil, fmt.Errorf("the file has the key %s; write %s", exact[i].Name, exact)
		}
	}
	return path, nil
}

func findPHP(places []phpPlace, path []string) []phpPlace {
	return slices.DeleteFunc(slices.Clone(places), func(p phpPlace) bool { return !slices.Equal(p.path, path) })
}

// onePHP is the one place of a path, or nil where there is none.
func onePHP(data []byte, places []phpPlace, path []string) (*phpPlace, error) {
	found := findPHP(places, path)
	switch {
	case len(found) == 0:
		return nil, nil
	case len(found) > 1:
		return nil, fmt.Errorf("the file gives it a value %d times, in lines %d and %d; use line:",
			len(found), lineOf(data, found[0].from), lineOf(data, found[1].from))
	case found[0].deep:
		return nil, fmt.Errorf("line %d gives it a value inside of a condition, a function or a class; use line:", lineOf(data, found[0].from))
	}
	return &found[0], nil
}

func (phpEditor) set(data []byte, key Key, value any) ([]byte, error) {
	if phpOpenTag().FindIndex(data) == nil {
		return nil, notThis("the file has no <?php")
	}
	places := parsePHP(data)
	path, err := phpPath(key, places)
	if err != nil {
		return nil, err
	}
	place, err := onePHP(data, places, path)
	if err != nil {
		return nil, err
	}
	var out []byte
	if place != nil {
		if have, known := place.value(data); known && equal(have, value) {
			return data, nil
		}
		text, err := phpValue(value, string(data[place.start:place.end]), place.array != nil && place.array.long)
		if err != nil {
			return nil, err
		}
		out = splice(data, place.start, place.end, text)
	} else if out, err = addPHP(data, places, path, value); err != nil {
		return nil, err
	}
	return out, verifyPHP(data, out, path, value, false)
}

// addPHP adds an entry to an array that is written out, an element behind others of its variable, or a constant
// behind others.
func addPHP(data []byte, places []phpPlace, path []string, value any) ([]byte, error) {
	for k := len(path) - 1; k > 0; k-- {
		above, err := onePHP(data, places, path[:k])
		switch {
		case err != nil:
			return nil, err
		case above != nil && above.array == nil:
			return nil, fmt.Errorf("line %d gives what is above it a value that is no array written out; use line:", lineOf(data, above.start))
		case above != nil:
			return addPHPEntry(data, above, path[k:], value)
		}
	}
	var like *phpPlace
	for i, p := range places {
		if p.path[0] == path[0] && len(p.path) > 1 && !p.deep && !p.entry {
			like = &places[i]
		}
	}
	switch {
	case like == nil && path[0] == phpConstant:
		return nil, fmt.Errorf("the file defines no constants%s", phpHint(places, path[1]))
	case path[0] == phpReturned:
		return nil, errors.New("the file returns no array that is written out; a variable is written $name, and the rest is for line: or block:")
	case like == nil:
		return nil, fmt.Errorf("the file gives %s no value; use block:", path[0])
	case slices.ContainsFunc(path[1:], phpVariableName().MatchString):
		return nil, errors.New("the file has no such element, and a new one cannot be named by a variable; use block:")
	}
	text, err := phpValue(value, "", false)
	if err != nil {
		return nil, err
	}
	return addStatement(data, like, phpStatement(data, like, path, text)), nil
}

// phpHint tells that what was looked for as a constant is a variable.
func phpHint(places []phpPlace, name string) string {
	for _, p := range places {
		if p.path[0] == "$"+name {
			return "; it has the variable $" + name + ", which is written with its $"
		}
		if strings.HasPrefix(p.path[0], "$") && len(p.path) == 2 && p.path[1] == name {
			return "; it has " + p.path[0] + "." + name + ", an element of a variable"
		}
	}
	return "; a variable is written $name, an element of it $name.element, and the rest is for line: or block:"
}

// phpStatement writes a statement in the style of another one.
func phpStatement(data []byte, like *phpPlace, path []string, text string) string {
	if path[0] != phpConstant {
		names := path[0]
		for _, name := range path[1:] {
			names += "[" + phpIndex(name) + "]"
		}
		return names + " = " + text + ";"
	}
	space := ""
	if bytes.Contains(data[like.from:like.start], []byte("( ")) {
		space = " "
	}
	return "define(" + space + phpIndex(path[1]) + ", " + text + space + ");"
}

// addStatement puts a statement into the line behind another one, or, where PHP ends in its line, right behind it.
func addStatement(data []byte, like *phpPlace, statement string) []byte {
	lineEnd := len(data)
	if i := bytes.IndexByte(data[like.to:], '\n'); i >= 0 {
		lineEnd = like.to + i
	}
	for _, t := range scanPHP(data) {
		if t.kind == phpOutside && t.start >= like.to && t.start < lineEnd {
			return splice(data, like.to, like.to, " "+statement)
		}
	}
	if lineEnd > 0 && lineEnd < len(data) && data[lineEnd-1] == '\r' {
		lineEnd--
	}
	return splice(data, lineEnd, lineEnd, lineEnding(data)+lineIndentation(data, like.from)+statement)
}

// phpIndex writes the name of an element: a number or a text.
func phpIndex(name string) string {
	if phpIndexNumber().MatchString(name) {
		return name
	}
	quoted, _ := render.PHP(name)
	return quoted
}

// addPHPEntry adds an entry to an array, laid out as the ones before it.
func addPHPEntry(data []byte, above *phpPlace, path []string, value any) ([]byte, error) {
	a := above.array
	text, err := phpValue(nested(path[1:], value), "", a.long)
	if err != nil {
		return nil, err
	}
	entry := phpIndex(path[0]) + " => " + text
	if len(a.entries) == 0 {
		return splice(data, a.open, a.close, entry), nil
	}
	first, last := a.entries[0], a.entries[len(a.entries)-1]
	comma := bytes.IndexByte(phpCode(data[last.end:a.close]), ',')
	line := bytes.IndexByte(data[last.end:a.close], '\n')
	if line < 0 || !bytes.ContainsRune(data[a.open:first.from], '\n') {
		return splice(data, last.end, last.end, ", "+entry), nil
	}
	at := last.end + line
	if data[at-1] == '\r' {
		at--
	}
	entry = lineEnding(data) + lineIndentation(data, last.from) + entry
	if comma >= 0 {
		return splice(data, at, at, entry+","), nil
	}
	return splice(splice(data, at, at, entry), last.end, last.end, ","), nil
}

// phpCode is code with its comments blanked, so that places stay.
func phpCode(code []byte) []byte {
	out := []byte{}
	for at := 0; at < len(code); {
		kind, size := phpTokenAt(code[at:])
		if kind == phpSpace {
			out = append(out, bytes.Repeat([]byte(" "), size)...)
		} else {
			out = append(out, code[at:at+size]...)
		}
		at += size
	}
	return out
}

// phpValue writes a value; have is what stands there, whose quotes stay.
func phpValue(value any, have string, long bool) (string, error) {
	open, closing := "[", "]"
	if long {
		open, closing = "array(", ")"
	}
	var items []string
	switch v := value.(type) {
	case nil:
		return "null", nil
	case bool:
		return fmt.Sprint(v), nil
	case json.Number:
		return v.String(), nil
	case string:
		if _, simple := readPHPString(have); simple && have[0] == '"' {
			return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`).Replace(v) + `"`, nil
		}
		return render.PHP(v)
	case []any:
		for _, item := range v {
			text, err := phpValue(item, "", long)
			if err != nil {
				return "", err
			}
			items = append(items, text)
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			text, err := phpValue(v[name], "", long)
			if err != nil {
				return "", err
			}
			items = append(items, phpIndex(name)+" => "+text)
		}
	}
	return open + strings.Join(items, ", ") + closing, nil
}
