package manifest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"time"

	"go.yaml.in/yaml/v4"

	"oneclick-agent/agent/pattern"
)

func (d *decoder) words(node *yaml.Node, target *Words, path string, tag reflect.StructTag) {
	if node.Kind == yaml.SequenceNode {
		list := []string{}
		d.list(node, reflect.ValueOf(&list).Elem(), path, tag)
		*target = list
		return
	}
	if d.scalar(node, path, "a word or a list of words") {
		*target = Words{node.Value}
		d.enum(node, path, tag.Get("enum"))
	}
}

var durationUnits = map[byte]time.Duration{
	's': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'y': 365 * 24 * time.Hour,
}

func (d *decoder) duration(node *yaml.Node, target *Duration, path string) {
	text := node.Value
	if node.Kind == yaml.ScalarNode && len(text) > 1 {
		unit, known := durationUnits[text[len(text)-1]]
		number, err := strconv.Atoi(text[:len(text)-1])
		if known && err == nil && number > 0 && number < 1_000_000 && time.Duration(number) < (1<<63-1)/unit {
			*target = Duration(time.Duration(number) * unit)
			return
		}
	}
	d.reportAt(node, path, "", "must be a time span such as 30s, 15m, 2h, 90d or 10y, not %s", describe(node))
}

var octal = pattern.New(`^0?[0-7]{3,4}$`)

func (d *decoder) mode(node *yaml.Node, target *Mode, path string) {
	if node.Kind != yaml.ScalarNode || !octal().MatchString(node.Value) {
		d.reportAt(node, path, "", `must be permissions in octal such as "0640", not %s`, describe(node))
		return
	}
	bits, _ := strconv.ParseUint(node.Value, 8, 32)
	*target = Mode(FileMode(bits))
}

// any reads a value of another program's file: scalars keep their type, strings are templates.
func (d *decoder) any(node *yaml.Node, path string, tag reflect.StructTag) any {
	d.manifest.positions[path] = d.position(node)
	switch node.Kind {
	case yaml.MappingNode:
		out := map[string]any{}
		for i := 0; i+1 < len(node.Content); i += 2 {
			key := node.Content[i].Value
			if _, twice := out[key]; twice {
				d.reportAt(node.Content[i], path, "", "the key %q is here twice", key)
			}
			out[key] = d.any(node.Content[i+1], join(path, key), tag)
		}
		return out
	case yaml.SequenceNode:
		out := []any{}
		for i, item := range node.Content {
			out = append(out, d.any(item, index(path, i), tag))
		}
		return out
	case yaml.AliasNode:
		d.reportAt(node, path, "write the value out", "an alias cannot be used here")
		return nil
	}
	switch node.Tag {
	case "!!null":
		return nil
	case "!!bool":
		return node.Value == "true"
	case "!!int", "!!float":
		if number := json.Number(node.Value); json.Valid([]byte(number)) {
			return number
		}
	}
	return d.template(node, path, tag)
}

// Text is a single value as it was written.
func (v Value) Text() string {
	if template, ok := v.Any.(Template); ok {
		return template.Text
	}
	return fmt.Sprint(v.Any)
}

// Fill returns the value with its templates executed.
func (v Value) Fill(execute func(Template) (string, error)) (any, error) { return fill(v.Any, execute) }

func fill(value any, execute func(Template) (string, error)) (any, error) {
	var err error
	switch v := value.(type) {
	case Template:
		return execute(v)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			if out[i], err = fill(v[i], execute); err != nil {
				return nil, err
			}
		}
		return out, nil
	case map[string]any:
		out := map[string]any{}
		for key := range v {
			if out[key], err = fill(v[key], execute); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	return value, nil
}

// digest identifies a node's content, not its layout.
func digest(node *yaml.Node) string {
	sum := sha256.New()
	budget := 4 * maxEntries * maxDepth // nested aliases could otherwise grow without end
	var walk func(*yaml.Node, int)
	walk = func(n *yaml.Node, depth int) {
		if budget--; budget < 0 || depth > 2*maxDepth {
			return
		}
		if n.Kind == yaml.AliasNode {
			n = n.Alias
		}
		fmt.Fprintf(sum, "%d %s %q(", n.Kind, n.Tag, n.Value)
		for _, child := range n.Content {
			walk(child, depth+1)
		}
		sum.Write([]byte(")"))
	}
	walk(node, 0)
	return hex.EncodeToString(sum.Sum(nil)[:12])
}
