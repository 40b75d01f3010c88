package manifest

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
	"go.yaml.in/yaml/v4/plugin/loaderlimits"

	"oneclick-agent/agent/edit"
	"oneclick-agent/agent/pattern"
	"oneclick-agent/agent/problem"
)

// Limits of a manifest: it is written by hand, so what is larger is a mistake or an attack.
const (
	MaxSize    = 1 << 20 // bytes
	maxDepth   = 32
	maxAliases = 200
	maxEntries = 2000 // of one list or mapping
)

// Parse reads a manifest. File is the name that problems carry; kinds are the kinds of steps there are. The Manifest
// is returned even when there are problems, as far as it could be read; problems are complete and sorted.
func Parse(data []byte, file string, kinds []Kind) (*Manifest, problem.List) {
	m := &Manifest{file: file, positions: map[string]problem.Position{}}
	d := &decoder{manifest: m, kinds: kindsByKey(kinds), present: map[string]bool{}, misspelled: map[string]bool{}}
	if len(data) > MaxSize {
		d.problems = append(d.problems, problem.Problem{Position: problem.Position{File: file},
			Message: fmt.Sprintf("the file is larger than %d bytes", MaxSize)})
		return m, d.problems
	}
	var document yaml.Node
	limits := loaderlimits.New(loaderlimits.DepthValue(maxDepth), loaderlimits.AliasNone())
	if err := yaml.Load(data, &document, yaml.WithPlugin(limits)); err != nil {
		d.syntax(err)
		return m, d.problems
	}
	if len(document.Content) == 1 {
		d.value(document.Content[0], reflect.ValueOf(m).Elem(), "", "")
	}
	m.validate(d)
	d.problems.Sort()
	return m, d.problems
}

// decoder fills a Manifest from YAML nodes and collects what is wrong on the way.
type decoder struct {
	manifest *Manifest
	kinds    []namedKind
	problems problem.List
	aliases  int
	// patterns is how large the regular expressions so far are together.
	patterns int
	// scope is the part of the manifest that is being read, and holders are what its templates are added to.
	scope   scope
	holders []*holder
	// present holds the paths of the mappings' keys that were written, empty values included.
	present map[string]bool
	// misspelled holds the paths of keys that an unknown key probably stands for: that they are missing is not
	// a mistake of its own.
	misspelled map[string]bool
}

// template makes a template of a text, and lets everything know that is being read.
func (d *decoder) template(node *yaml.Node, path string, tag reflect.StructTag) Template {
	t := Template{node.Value, Purpose(tag.Get("for")), path, d.position(node), d.scope}
	for _, holder := range d.holders {
		holder.hold(t)
	}
	return t
}

func (d *decoder) position(node *yaml.Node) problem.Position {
	return problem.Position{File: d.manifest.file, Line: node.Line, Column: node.Column}
}

// loadErrorPlace matches how the library writes where an error stands.
var loadErrorPlace = pattern.New(`(?:at )?L(\d+)\.C(\d+)(?:-L(\d+)\.C(\d+))?: (.*)$`)

func (d *decoder) syntax(err error) {
	var many *yaml.LoadErrors
	list := []error{err}
	if errors.As(err, &many) {
		list = nil
		for _, one := range many.Errors {
			list = append(list, one)
		}
	}
	for _, one := range list {
		at := problem.Position{File: d.manifest.file}
		message := one.Error()
		if match := loadErrorPlace().FindStringSubmatch(message); match != nil {
			message = match[5]
			at.Line, _ = strconv.Atoi(match[1])
			at.Column, _ = strconv.Atoi(match[2])
			if match[3] != "" {
				at.Line, _ = strconv.Atoi(match[3])
				at.Column, _ = strconv.Atoi(match[4])
			}
		} else if _, after, ok := strings.Cut(message, "<unknown position>: "); ok {
			message = strings.TrimPrefix(after, "yaml: ")
		}
		d.problems = append(d.problems, problem.Problem{Position: at, Message: "cannot read this as YAML: " + message})
	}
}

// report adds a problem with the value at path.
func (d *decoder) report(path, hint, format string, arguments ...any) {
	d.problems = append(d.problems, problem.Problem{
		Position: d.manifest.Position(path), Path: path, Message: fmt.Sprintf(format, arguments...), Hint: hint,
	})
}

func (d *decoder) reportAt(node *yaml.Node, path, hint, format string, arguments ...any) {
	d.problems = append(d.problems, problem.Problem{
		Position: d.position(node), Path: path, Message: fmt.Sprintf(format, arguments...), Hint: hint,
	})
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func index(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }

// value fills v from node. Tag is that of the field that it belongs to.
func (d *decoder) value(node *yaml.Node, v reflect.Value, path string, tag reflect.StructTag) {
	d.manifest.positions[path] = d.position(node)
	if node.Kind == yaml.AliasNode {
		if d.aliases++; d.aliases > maxAliases {
			if d.aliases == maxAliases+1 {
				d.reportAt(node, path, "write the values out", "more than %d aliases are used", maxAliases)
			}
			return
		}
		node = node.Alias
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	switch target := v.Addr().Interface().(type) {
	case *Value:
		target.Any = d.any(node, path, tag)
		return
	case *Words:
		d.words(node, target, path, tag)
		return
	case *Duration:
		d.duration(node, target, path)
		return
	case *Mode:
		d.mode(node, target, path)
		return
	case *Template:
		if d.scalar(node, path, "text") {
			*target = d.template(node, path, tag)
		}
		return
	case *Step:
		d.step(node, target, path)
		return
	case *Question:
		target.Path = path
	}
	switch v.Kind() {
	case reflect.Struct:
		d.held(v, func() { d.mapping(node, path, v) })
	case reflect.Map:
		d.table(node, v, path, tag)
	case reflect.Slice:
		d.list(node, v, path, tag)
	case reflect.String:
		if d.scalar(node, path, "text") {
			v.SetString(node.Value)
			d.enum(node, path, tag.Get("enum"))
		}
	case reflect.Int:
		if number, err := strconv.Atoi(node.Value); err == nil && node.Tag == "!!int" {
			v.SetInt(int64(number))
		} else {
			d.reportAt(node, path, "", "must be a whole number, not %s", describe(node))
		}
	case reflect.Bool:
		switch {
		case node.Kind == yaml.ScalarNode && node.Value == "true":
			v.SetBool(true)
		case node.Kind == yaml.ScalarNode && node.Value == "false":
		default:
			d.reportAt(node, path, "", "must be true or false, not %s", describe(node))
		}
	}
}

func (d *decoder) scalar(node *yaml.Node, path, want string) bool {
	if node.Kind != yaml.ScalarNode || node.Tag == "!!null" {
		d.reportAt(node, path, "", "must be %s, not %s", want, describe(node))
		return false
	}
	if strings.Contains(node.Value, "\x00") {
		d.reportAt(node, path, "", "must not hold a NUL byte")
		return false
	}
	return true
}

// wordsOf are the words of an enum tag. "@formats" stands for the formats that edit knows.
func wordsOf(enum string) []string {
	if enum == "@formats" {
		return edit.Formats()
	}
	return strings.Split(enum, ",")
}

func (d *decoder) enum(node *yaml.Node, path, enum string) {
	if enum == "" {
		return
	}
	words := wordsOf(enum)
	for _, word := range words {
		if word == node.Value {
			return
		}
	}
	hint := ""
	if near := problem.Nearest(node.Value, words); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	d.reportAt(node, path, hint, "must be one of %s, not %q", strings.Join(words, ", "), node.Value)
}

// held reads with v among those who hold templates, where it is one.
func (d *decoder) held(v reflect.Value, read func()) {
	if field := v.FieldByName("holder"); field.IsValid() {
		d.holders = append(d.holders, v.Addr().Interface().(interface{ self() *holder }).self())
		defer func() { d.holders = d.holders[:len(d.holders)-1] }()
	}
	read()
}

// field is one key of a mapping and the value that it fills.
type field struct {
	value reflect.Value
	tag   reflect.StructTag
}

// fieldsOf lists the keys of structs, those of inlined ones included, in their order.
func fieldsOf(structs ...reflect.Value) (fields map[string]field, names []string) {
	fields = map[string]field{}
	for _, v := range structs {
		for i := range v.NumField() {
			tag := v.Type().Field(i).Tag
			switch name := tag.Get("yaml"); name {
			case "":
			case ",inline":
				inlined, more := fieldsOf(v.Field(i))
				maps.Copy(fields, inlined)
				names = append(names, more...)
			default:
				fields[name] = field{v.Field(i), tag}
				names = append(names, name)
			}
		}
	}
	return fields, names
}

// mapping fills structs from one mapping: unknown and repeated keys are problems, required ones must be there.
func (d *decoder) mapping(node *yaml.Node, path string, structs ...reflect.Value) {
	if node.Kind != yaml.MappingNode {
		d.reportAt(node, path, "", "must be a mapping of keys to values, not %s", describe(node))
		return
	}
	fields, names := fieldsOf(structs...)
	seen := map[string]bool{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		known, ok := fields[key.Value]
		if !ok {
			d.unknown(key, path, names)
			continue
		}
		if d.repeated(key, path, seen) {
			continue
		}
		here := join(path, key.Value)
		d.present[here] = true
		d.entering(here, func() { d.value(value, known.value, here, known.tag) })
	}
	for _, name := range names {
		if fields[name].tag.Get("required") != "" && !seen[name] && !d.misspelled[join(path, name)] {
			d.reportAt(node, path, "", "the key %q is missing", name)
		}
	}
}

func (d *decoder) unknown(key *yaml.Node, path string, names []string) {
	d.reportAt(key, path, problem.DidYouMean(key.Value, names), "unknown key %q", key.Value)
	d.misspelled[join(path, problem.Nearest(key.Value, names))] = true
}

// parts says which part of the manifest begins at a path.
var parts = map[string]part{"first_boot": firstBoot, "first_login.questions": asking, "first_login.steps": firstLogin, "secrets": making}

// entering reads what is at path as the part of the manifest that it is.
func (d *decoder) entering(path string, read func()) {
	if part, ok := parts[path]; ok {
		d.scope = scope{part: part}
		defer func() { d.scope = scope{} }()
	}
	read()
}

func (d *decoder) repeated(key *yaml.Node, path string, seen map[string]bool) bool {
	if seen[key.Value] {
		d.reportAt(key, path, "", "the key %q is here twice", key.Value)
		return true
	}
	seen[key.Value] = true
	return false
}

// table fills a map with names of the vendor's own.
func (d *decoder) table(node *yaml.Node, v reflect.Value, path string, tag reflect.StructTag) {
	if node.Kind != yaml.MappingNode {
		d.reportAt(node, path, "", "must be a mapping of names to values, not %s", describe(node))
		return
	}
	if d.tooMany(node, path) {
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	seen := map[string]bool{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		if key.Kind != yaml.ScalarNode || d.repeated(key, path, seen) {
			continue
		}
		entry := reflect.New(v.Type().Elem()).Elem()
		d.value(value, entry, join(path, key.Value), tag)
		v.SetMapIndex(reflect.ValueOf(key.Value), entry)
	}
}

func (d *decoder) list(node *yaml.Node, v reflect.Value, path string, tag reflect.StructTag) {
	if node.Kind != yaml.SequenceNode {
		d.reportAt(node, path, "", "must be a list, not %s", describe(node))
		return
	}
	if d.tooMany(node, path) {
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(node.Content), len(node.Content)))
	for i, item := range node.Content {
		if _, begins := parts[path]; begins {
			d.scope.number = i
		}
		d.value(item, v.Index(i), index(path, i), tag)
	}
}

func (d *decoder) tooMany(node *yaml.Node, path string) bool {
	if len(node.Content) <= maxEntries {
		return false
	}
	d.reportAt(node, path, "", "has more than %d entries", maxEntries)
	return true
}

func describe(node *yaml.Node) string {
	switch node.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	if node.Tag == "!!null" {
		return "nothing"
	}
	text := node.Value
	if len([]rune(text)) > 40 {
		text = string([]rune(text)[:40]) + "…"
	}
	return strconv.Quote(text)
}
