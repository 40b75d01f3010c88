package edit

import (
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v4"

	"oneclick-agent/agent/pattern"
)

type yamlEditor struct{}

var yamlLine = pattern.New(`\b(?:line |L)(\d+)`)

// decodeYAML is the document, a mapping where the file is empty, and its node, nil then.
func decodeYAML(data []byte) (any, *yaml.Node, error) {
	if emptyYAML(data) {
		return map[string]any{}, nil, nil
	}
	var node yaml.Node
	if err := yaml.Load(data, &node); err != nil || len(node.Content) != 1 {
		if err != nil && strings.Contains(err.Error(), "found multiple") {
			return nil, nil, errors.New("the file holds several documents; write the whole file with file: and a template")
		}
		where := ""
		if match := yamlLine().FindStringSubmatch(fmt.Sprint(err)); match != nil {
			where = ": line " + match[1] + " cannot be read"
		}
		return nil, nil, notThis("the file is no YAML%s", where)
	}
	var document any
	if err := node.Decode(&document); err != nil {
		if match := yamlLine().FindStringSubmatch(err.Error()); match != nil && strings.Contains(err.Error(), "already defined") {
			return nil, nil, fmt.Errorf("the file has a key twice, the second time in line %s", match[1])
		}
		return nil, nil, notThis("the file is no YAML whose values can be told")
	}
	switch document.(type) {
	case map[string]any, map[any]any, []any:
		return textKeys(document), node.Content[0], nil
	}
	return nil, nil, notThis("the file is no YAML with keys")
}

func emptyYAML(data []byte) bool {
	for _, line := range lines(data) {
		if text := strings.TrimSpace(line); text != "" && text[0] != '#' && text != "---" && text != "..." {
			return false
		}
	}
	return true
}

// textKeys gives mappings whose keys are numbers or truth values the same as texts.
func textKeys(value any) any {
	switch v := value.(type) {
	case map[any]any:
		out := map[string]any{}
		for key, item := range v {
			out[fmt.Sprint(key)] = textKeys(item)
		}
		return out
	case map[string]any:
		for key := range v {
			v[key] = textKeys(v[key])
		}
	case []any:
		for i := range v {
			v[i] = textKeys(v[i])
		}
	}
	return value
}

func (yamlEditor) set(data []byte, key Key, value any) ([]byte, error) {
	return changeYAML(data, key, value, false)
}

func (yamlEditor) unset(data []byte, key Key) ([]byte, error) {
	return changeYAML(data, key, nil, true)
}

// changeYAML works on the bytes that the parser's positions point at, and proves with the parser that the result is
// the old document with this one change.
func changeYAML(data []byte, key Key, value any, remove bool) ([]byte, error) {
	before, root, err := decodeYAML(data)
	if err != nil {
		return nil, err
	}
	path, err := key.in(before)
	if err != nil {
		return nil, err
	}
	have, there := at(before, path)
	if remove && !there || !remove && there && equal(have, value) {
		return data, nil
	}
	f := newYAMLFile(data, root)
	var out []byte
	switch {
	case remove:
		if err = removable(before, path); err == nil {
			out, err = f.remove(nil, root, path, -1)
		}
	case root == nil || root.Kind == yaml.MappingNode && len(root.Content) == 0:
		out, err = f.begin(path, value)
	default:
		out, err = f.set(root, path, value, -1, false)
	}
	if err != nil {
		return nil, err
	}
	after, _, err := decodeYAML(out)
	if err != nil {
		return nil, errLayout
	}
	return out, verify(before, after, path, value, remove)
}

// begin writes the first key of a file.
func (f *yamlFile) begin(path []string, value any) ([]byte, error) {
	text, err := yamlNested(path, value, "", f.step, f.lineEnding)
	if err != nil {
		return nil, err
	}
	if f.root != nil { // an empty mapping: {}
		return splice(f.data, f.start(f.root), f.end(f.root, -1), text), nil
	}
	parts := finished(lines(f.data), f.lineEnding)
	place := len(parts)
	for i := len(parts) - 1; i >= 0 && strings.TrimSpace(parts[i]) != "---"; i-- {
		if strings.TrimSpace(parts[i]) == "..." {
			place = i
		}
	}
	return unlines(append(append(append([]string{}, parts[:place]...), text+f.lineEnding), parts[place:]...)), nil
}

// shared refuses a node whose value other places take over.
func (f *yamlFile) shared(n *yaml.Node) error {
	if n.Kind == yaml.AliasNode {
		return fmt.Errorf("the file takes its value from &%s, and so do other places; change it where it is", n.Value)
	}
	if n.Anchor != "" && aliased(f.root, n) {
		return fmt.Errorf("other places of the file take their value from it by &%s; write the whole file with file: and a template", n.Anchor)
	}
	return nil
}

func aliased(n, target *yaml.Node) bool {
	if n.Alias == target {
		return true
	}
	for _, below := range n.Content {
		if aliased(below, target) {
			return true
		}
	}
	return false
}

// set puts value at path below a mapping or list, whose own indentation is column.
func (f *yamlFile) set(n *yaml.Node, path []string, value any, column int, flow bool) ([]byte, error) {
	if err := f.shared(n); err != nil {
		return nil, err
	}
	flow = flow || n.Style&yaml.FlowStyle != 0 || len(n.Content) == 0
	if !flow {
		column = f.column(n)
	}
	key, child := childOf(n, path[0])
	switch {
	case child == nil:
		return f.add(n, path, value, column, flow)
	case len(path) == 1:
		return f.replace(key, child, value, column, flow)
	case child.Kind == yaml.ScalarNode && child.Tag == "!!null":
		if flow || child.Value != "" || n.Kind != yaml.MappingNode || child.Anchor != "" {
			return f.replace(key, child, nested(path[1:], value), column, flow)
		}
		text, err := yamlNested(path[1:], value, strings.Repeat(" ", column)+f.step, f.step, f.lineEnding)
		place := f.lineEnd(f.start(child))
		return splice(f.data, place, place, f.lineEnding+text), err
	case child.Kind == yaml.MappingNode && len(child.Content) == 0:
		return f.replace(key, child, nested(path[1:], value), column, flow)
	}
	return f.set(child, path[1:], value, column, flow)
}

// childOf is the key and the value of a mapping at name, or a list's item; nil where there is none.
func childOf(n *yaml.Node, name string) (key, value *yaml.Node) {
	if n.Kind == yaml.SequenceNode {
		if i, err := index(name, len(n.Content)); err == nil && i < len(n.Content) {
			return nil, n.Content[i]
		}
		return nil, nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return n.Content[i], n.Content[i+1]
		}
	}
	return nil, nil
}

// replace writes a value in place of a node; key is nil for the item of a list.
func (f *yamlFile) replace(key, n *yaml.Node, value any, column int, flow bool) ([]byte, error) {
	if n.Kind != yaml.AliasNode {
		if err := f.shared(n); err != nil {
			return nil, err
		}
	}
	text, err := yamlInline(value, n, flow)
	if err != nil {
		return nil, err
	}
	end := f.end(n, column)
	content, anchored := f.content(n)
	if n.Style&yaml.TaggedStyle == 0 {
		anchored = content
	}
	block := n.Style&yaml.FlowStyle == 0 && len(n.Content) > 0
	switch {
	case block:
		start := f.start(n.Content[0])
		if n.Kind == yaml.SequenceNode {
			start = f.lineStart(start) + f.column(n)
		}
		text, asBlock, err := yamlBlock(value, n, strings.Repeat(" ", f.column(n)), f.lineEnding)
		if err != nil || asBlock {
			return splice(f.data, start, end, text), err
		}
		return f.inline(key, start, end, value)
	case n.Kind == yaml.ScalarNode && n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		header := strings.TrimLeft(string(f.data[content:f.lineEnd(content)]), "|>+-0123456789")
		return splice(f.data, anchored, end, text+header), nil
	case end == content && f.data[max(content, 1)-1] != ' ': // no value yet
		text = " " + text
	}
	return splice(f.data, anchored, end, text), nil
}

// inline writes a value in one line in place of a list or a mapping over several, behind its key or its hyphen. A
// comment behind the key stays.
func (f *yamlFile) inline(key *yaml.Node, start, end int, value any) ([]byte, error) {
	text, err := yamlInline(value, nil, false)
	if err != nil {
		return nil, err
	}
	line := f.lineStart(start)
	if line == 0 || strings.TrimSpace(string(f.data[line:start])) != "" {
		return splice(f.data, start, end, text), nil // in the line of a hyphen
	}
	above := f.lineEnd(line - 1) // the last line before the value
	head := f.lineStart(above)
	place := head + len(indentation(string(f.data[head:]))) + 1 // behind a hyphen
	if key != nil {
		place = f.end(key, -1)
		place += strings.IndexByte(string(f.data[place:])+":", ':') + 1
		above = f.lineEnd(min(place, len(f.data)))
	}
	return splice(splice(f.data, above, end, ""), place, place, " "+text), nil
}

// add puts a new key into a mapping, or a new item into a list.
func (f *yamlFile) add(n *yaml.Node, path []string, value any, column int, flow bool) ([]byte, error) {
	if flow {
		entry, err := yamlInline(nested(path, value), nil, true)
		if n.Kind == yaml.SequenceNode {
			entry, err = yamlInline(nested(path[1:], value), nil, true)
		} else {
			entry = strings.TrimSuffix(strings.TrimPrefix(entry, "{"), "}")
		}
		if err != nil || len(n.Content) == 0 {
			end := f.end(n, column)
			return splice(f.data, end-1, end-1, entry), err
		}
		place := f.end(n.Content[len(n.Content)-1], column)
		return splice(f.data, place, place, ", "+entry), nil
	}
	indent := strings.Repeat(" ", column)
	var text string
	var err error
	if n.Kind == yaml.SequenceNode {
		if len(path) == 1 {
			text, err = yamlInline(value, nil, false)
		} else {
			text, err = yamlNested(path[1:], value, indent+"  ", f.step, f.lineEnding)
		}
		text = indent + "- " + strings.TrimLeft(text, " ")
	} else {
		text, err = yamlNested(path, value, indent, f.step, f.lineEnding)
	}
	place := f.lineEnd(f.end(n, column))
	return splice(f.data, place, place, f.lineEnding+text), err
}

// remove takes out the key that path ends with; above is the key of n.
func (f *yamlFile) remove(above, n *yaml.Node, path []string, column int) ([]byte, error) {
	if err := f.shared(n); err != nil {
		return nil, err
	}
	flow := n.Style&yaml.FlowStyle != 0
	if !flow {
		column = f.column(n)
	}
	key, child := childOf(n, path[0])
	switch {
	case child == nil:
		return nil, errors.New("the file takes it over with << from another place")
	case len(path) > 1:
		return f.remove(key, child, path[1:], column)
	}
	start, end := f.start(key), f.end(child, column)
	i := 0
	for n.Content[i] != key {
		i += 2
	}
	alone := strings.TrimSpace(string(f.data[f.lineStart(start):start])) == ""
	switch {
	case flow && i > 0:
		return splice(f.data, f.end(n.Content[i-1], column), end, ""), nil
	case (flow || !alone) && i+2 < len(n.Content):
		return splice(f.data, start, f.start(n.Content[i+2]), ""), nil
	case flow:
		return splice(f.data, start, end, ""), nil
	case len(n.Content) == 2 && n != f.root:
		return f.inline(above, start, end, map[string]any{})
	}
	return splice(f.data, f.lineStart(start), f.nextLine(end), ""), nil
}
