package manifest

import (
	"reflect"
	"slices"
	"strings"
	"sync"

	"go.yaml.in/yaml/v4"
)

// namedKind is a kind with the key that makes a step one of it, and the other keys that it takes.
type namedKind struct {
	Kind
	key  string
	keys []string
}

// commonKeys are the keys that a step of any kind takes.
var commonKeys = sync.OnceValue(func() []string {
	_, names := fieldsOf(reflect.ValueOf(Step{}))
	return names
})

// kindsByKey finds the key of each kind.
func kindsByKey(kinds []Kind) []namedKind {
	var named []namedKind
	for _, kind := range kinds {
		n := namedKind{Kind: kind}
		fields, names := fieldsOf(reflect.ValueOf(kind.New()).Elem())
		for _, name := range names {
			if key := fields[name].tag.Get("kind"); key != "" {
				n.key = key
			} else {
				n.keys = append(n.keys, name)
			}
		}
		named = append(named, n)
	}
	return named
}

// step reads a step: the one key that says what it does decides which other keys there are.
func (d *decoder) step(node *yaml.Node, s *Step, path string) {
	s.Path, s.Digest, s.scope, s.Login = path, digest(node), d.scope, d.scope.part == firstLogin
	if node.Kind != yaml.MappingNode {
		d.reportAt(node, path, "", "must be a mapping of keys to values, not %s", describe(node))
		return
	}
	var kinds []namedKind
	var names []string
	for _, kind := range d.kinds {
		names = append(names, kind.key)
		if hasKey(node, kind.key) {
			kinds = append(kinds, kind)
		}
	}
	common := reflect.ValueOf(s).Elem()
	switch len(kinds) {
	case 1:
		s.Kind, s.Spec, s.Key = kinds[0].Kind, kinds[0].New(), kinds[0].key
		d.strangers(node, path, kinds[0])
		d.held(common, func() { d.mapping(node, path, common, reflect.ValueOf(s.Spec).Elem()) })
	case 0:
		if !d.misspelledKind(node, path, names) {
			d.reportAt(node, path, "", "says nothing to do; a step is one of %s", strings.Join(names, ", "))
		}
	default:
		var found []string
		for _, kind := range kinds {
			found = append(found, kind.key)
		}
		d.reportAt(node, path, "make two steps of it", "is more than one step: %s", strings.Join(found, " and "))
	}
}

func hasKey(node *yaml.Node, key string) bool {
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == key {
			return true
		}
	}
	return false
}

// misspelledKind reports the keys of a step that has no kind, where one of them is probably meant to be one.
func (d *decoder) misspelledKind(node *yaml.Node, path string, kinds []string) (found bool) {
	var all []string
	for _, kind := range d.kinds {
		all = append(all, kind.keys...)
	}
	known := slices.Concat(kinds, commonKeys(), all)
	for i := 0; i+1 < len(node.Content); i += 2 {
		if key := node.Content[i]; !slices.Contains(known, key.Value) {
			d.unknown(key, path, known)
			found = true
		}
	}
	return found
}

// strangers reports keys that belong to steps of other kinds, and takes them out so that they are told only once.
func (d *decoder) strangers(node *yaml.Node, path string, kind namedKind) {
	var kept []*yaml.Node
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		if key.Value == kind.key || slices.Contains(commonKeys(), key.Value) || slices.Contains(kind.keys, key.Value) ||
			!slices.ContainsFunc(d.kinds, func(k namedKind) bool { return slices.Contains(k.keys, key.Value) }) {
			kept = append(kept, key, value)
			continue
		}
		hint := ""
		if len(kind.keys) > 0 {
			hint = "it takes: " + strings.Join(kind.keys, ", ")
		}
		d.reportAt(value, join(path, key.Value), hint, "does not belong to a step of kind %s", kind.key)
	}
	node.Content = kept
}
