package edit

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"oneclick-agent/agent/render"
)

func deepEqual(a, b any) bool { return reflect.DeepEqual(normal(a), normal(b)) }

func decodeYAML(data []byte) (any, *yaml.Node, error) {
	if len(strings.TrimSpace(stripYAMLComments(data))) == 0 {
		return nil, nil, nil
	}
	var node yaml.Node
	if err := yaml.Load(data, &node); err != nil || len(node.Content) != 1 {
		return nil, nil, errors.New("the file is not one YAML document")
	}
	var document any
	if err := node.Decode(&document); err != nil {
		return nil, nil, errors.New("the file is not one YAML document")
	}
	return document, node.Content[0], nil
}

func stripYAMLComments(data []byte) string {
	var kept []string
	for _, line := range lines(data) {
		if text := strings.TrimSpace(line); !strings.HasPrefix(text, "#") && text != "---" {
			kept = append(kept, text)
		}
	}
	return strings.Join(kept, "")
}

// yamlValue writes a value in one line, lists and mappings in the flow style.
func yamlValue(value any) (string, error) {
	switch v := value.(type) {
	case nil:
		return "null", nil
	case json.Number:
		return v.String(), nil
	case bool:
		if v {
			return "true", nil
		}
		return "false", nil
	}
	return render.YAML(value)
}

func setYAML(data []byte, key string, value any) ([]byte, error) {
	return changeYAML(data, key, value, false)
}

func unsetYAML(data []byte, key string) ([]byte, error) { return changeYAML(data, key, nil, true) }

// changeYAML works on the lines that the parser's positions point at, and proves with the parser that the result
// is the old document with this one change.
func changeYAML(data []byte, key string, value any, remove bool) ([]byte, error) {
	before, top, err := decodeYAML(data)
	if err != nil {
		return nil, err
	}
	path := keyPath(before, key)
	have, there := at(before, path)
	if remove && !there || !remove && there && deepEqual(have, value) {
		return data, nil
	}
	text, err := yamlValue(value)
	if err != nil {
		return nil, err
	}
	parts, ending := unfinished(lines(data), lineEnding(data)), lineEnding(data)
	if top == nil {
		parts = append(parts, yamlNested(path, text, "", ending)...)
	} else if parts, err = spliceYAML(parts, top, path, text, ending, remove); err != nil {
		return nil, err
	}
	out := unlines(parts, ending)
	after, _, err := decodeYAML(out)
	if err != nil {
		return nil, errors.New("the file is laid out in a way that cannot be edited safely; write it with file: and a template")
	}
	return out, verify(before, after, path, value, remove)
}

// spliceYAML walks down the block mappings of path and changes, adds or removes its last key.
func spliceYAML(parts []string, mapping *yaml.Node, path []string, text, ending string, remove bool) ([]string, error) {
	if mapping.Kind != yaml.MappingNode || mapping.Style&yaml.FlowStyle != 0 || len(mapping.Content) == 0 {
		return nil, errors.New("what stands above it is not a mapping over several lines")
	}
	column := mapping.Content[0].Column - 1
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		key, value := mapping.Content[i], mapping.Content[i+1]
		if key.Value != path[0] {
			continue
		}
		from := key.Line - 1
		to := yamlEntryEnd(parts, from, column)
		switch {
		case len(path) == 1 && remove:
			return slices.Delete(parts, from, to), nil
		case len(path) == 1:
			head, err := yamlHead(parts[from], key)
			if err != nil {
				return nil, err
			}
			return slices.Replace(parts, from, to, head+" "+text+yamlComment(parts[from], value, key.Line)+ending), nil
		case value.Kind == yaml.ScalarNode && value.Tag == "!!null" && value.Value == "":
			return slices.Insert(parts, from+1, yamlNested(path[1:], text, strings.Repeat(" ", column+2), ending)...), nil
		}
		return spliceYAML(parts, value, path[1:], text, ending, remove)
	}
	last := mapping.Content[len(mapping.Content)-2]
	place := yamlEntryEnd(parts, last.Line-1, column)
	return slices.Insert(parts, place, yamlNested(path, text, strings.Repeat(" ", column), ending)...), nil
}

// yamlEntryEnd is the line behind the entry whose key stands in line from at column: the entry goes on over deeper
// lines, and over the items of a list at the same depth.
func yamlEntryEnd(parts []string, from, column int) int {
	end := from + 1
	for i := from + 1; i < len(parts); i++ {
		text := strings.TrimSpace(parts[i])
		depth := len(indentation(parts[i]))
		if text == "" || strings.HasPrefix(text, "#") && depth <= column {
			continue // belongs to the entry only if more of it follows
		}
		item := depth == column && (text == "-" || strings.HasPrefix(text, "- "))
		if depth <= column && !item {
			break
		}
		end = i + 1
	}
	return end
}

// yamlHead is the part of an entry's first line up to the colon behind its key.
func yamlHead(line string, key *yaml.Node) (string, error) {
	runes := []rune(line)
	if key.Column-1 > len(runes) {
		return "", errors.New("its line cannot be found")
	}
	start := len(string(runes[:key.Column-1]))
	length := len(key.Value)
	if key.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 {
		if length = closingQuote(line[start:]); length < 0 {
			return "", errors.New("its key goes over several lines")
		}
	}
	colon := strings.IndexByte(line[min(start+length, len(line)):], ':')
	if colon < 0 {
		return "", errors.New("its key has no colon in the same line")
	}
	return line[:start+length+colon+1], nil
}

// yamlComment is the comment behind a value that stands in the key's line.
func yamlComment(line string, value *yaml.Node, keyLine int) string {
	if value.Line != keyLine || value.Kind != yaml.ScalarNode && value.Style&yaml.FlowStyle == 0 {
		return ""
	}
	runes := []rune(body(line))
	if value.Column-1 > len(runes) {
		return ""
	}
	rest := string(runes[value.Column-1:])
	if rest != "" && (rest[0] == '"' || rest[0] == '\'') {
		if end := closingQuote(rest); end > 0 {
			rest = "x" + rest[end:]
		}
	}
	return trailingComment(rest)
}

// yamlNested writes path and value as lines, one level a line.
func yamlNested(path []string, text, indent, ending string) []string {
	var out []string
	for i, key := range path {
		name := key
		if !tomlBare().MatchString(key) || slices.Contains([]string{"null", "true", "false", "yes", "no", "on", "off", "y", "n"}, strings.ToLower(key)) || key[0] >= '0' && key[0] <= '9' || key[0] == '-' {
			name, _ = render.YAML(key)
		}
		if i == len(path)-1 {
			name += ": " + text
		} else {
			name += ":"
		}
		out = append(out, indent+name+ending)
		indent += "  "
	}
	return out
}
