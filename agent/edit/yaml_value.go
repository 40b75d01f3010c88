package edit

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v4"

	"oneclick-agent/agent/pattern"
	"oneclick-agent/agent/render"
)

var (
	// yamlWords are what YAML 1.1 or 1.2 reads as null, a truth value or a special key.
	yamlWords = pattern.New(`^(?i:null|true|false|yes|no|on|off|~|=|<<)$`)
	// yamlNumber is what either reads as a number, a date or a time.
	yamlNumber = pattern.New(`^[-+]?(?:0[bB][01_]+|0[xX][0-9a-fA-F_]+|0[oO][0-7_]+` +
		`|[0-9][0-9_]*(?::[0-9]+)*(?:\.[0-9_]*)?(?:[eE][-+]?[0-9]+)?` +
		`|\.[0-9_]+(?:[eE][-+]?[0-9]+)?|\.(?i:inf|nan))$|^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}`)
	yamlFlowPlain = pattern.New(`^[A-Za-z_/][A-Za-z0-9_./@+-]*(?: [A-Za-z0-9_./@+-]+)*$`)
	yamlFirst     = pattern.New(`^(?:-[A-Za-z]|[^-?:,\[\]{}#&*!|>'"%@` + "`" + `\s])`)
)

// yamlPlain reports whether a text may stand without quotes and is a string then for readers of YAML 1.1 and of 1.2.
func yamlPlain(text string, flow bool) bool {
	if yamlWords().MatchString(text) || yamlNumber().MatchString(text) {
		return false
	}
	if flow {
		return yamlFlowPlain().MatchString(text)
	}
	return yamlFirst().MatchString(text) && !strings.HasPrefix(text, "...") && strings.TrimSpace(text) == text &&
		!strings.Contains(text, ": ") && !strings.Contains(text, " #") && !strings.HasSuffix(text, ":") &&
		!strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) })
}

// yamlText writes a string; old is the node that stands there, whose quotes stay, or nil.
func yamlText(text string, old *yaml.Node, flow bool) (string, error) {
	style := yaml.Style(0)
	if old != nil && old.Kind == yaml.ScalarNode {
		style = old.Style
	}
	switch {
	case style&yaml.SingleQuotedStyle != 0 && !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }):
		return "'" + strings.ReplaceAll(text, "'", "''") + "'", nil
	case style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) == 0 && yamlPlain(text, flow):
		return text, nil
	}
	return render.YAML(text)
}

// yamlInline writes a value in one line, lists and mappings in the flow style.
func yamlInline(value any, old *yaml.Node, flow bool) (string, error) {
	switch v := value.(type) {
	case nil:
		return "null", nil
	case json.Number:
		return yamlExponent(v.String()), nil
	case string:
		return yamlText(v, old, flow)
	case []any:
		items := make([]string, len(v))
		for i := range v {
			var err error
			if items[i], err = yamlInline(v[i], nil, true); err != nil {
				return "", err
			}
		}
		return "[" + strings.Join(items, ", ") + "]", nil
	case map[string]any:
		var items []string
		for _, name := range slices.Sorted(maps.Keys(v)) {
			key, err := yamlText(name, nil, true)
			if err != nil {
				return "", err
			}
			item, err := yamlInline(v[name], nil, true)
			if err != nil {
				return "", err
			}
			items = append(items, key+": "+item)
		}
		return "{" + strings.Join(items, ", ") + "}", nil
	}
	return fmt.Sprint(value), nil
}

// yamlExponent writes a number with an exponent so that YAML 1.1 reads a number, too: with a point and a sign.
func yamlExponent(number string) string {
	mantissa, exponent, found := strings.Cut(strings.ToLower(number), "e")
	if !found {
		return number
	}
	if !strings.Contains(mantissa, ".") {
		mantissa += ".0"
	}
	if exponent[:1] != "-" && exponent[:1] != "+" {
		exponent = "+" + exponent
	}
	return mantissa + "e" + exponent
}

// yamlNested writes path and value as lines without the line break at the end, one level a line.
func yamlNested(path []string, value any, indent, step, lineEnd string) (string, error) {
	var out []string
	for i, name := range path {
		line, err := yamlText(name, nil, true)
		if err != nil {
			return "", err
		}
		line = indent + strings.Repeat(step, i) + line + ":"
		if i == len(path)-1 {
			text, err := yamlInline(value, nil, false)
			if err != nil {
				return "", err
			}
			line += " " + text
		}
		out = append(out, line)
	}
	return strings.Join(out, lineEnd), nil
}

// yamlBlock writes a list or a mapping over several lines, in place of one that did; ok is false for other values.
func yamlBlock(value any, old *yaml.Node, indent, lineEnd string) (text string, ok bool, err error) {
	if old.Style&yaml.FlowStyle != 0 {
		return "", false, nil
	}
	var out []string
	switch v := value.(type) {
	case []any:
		if old.Kind != yaml.SequenceNode || len(v) == 0 {
			return "", false, nil
		}
		for _, item := range v {
			text, err := yamlInline(item, nil, false)
			if err != nil {
				return "", true, err
			}
			out = append(out, "- "+text)
		}
	case map[string]any:
		if old.Kind != yaml.MappingNode || len(v) == 0 {
			return "", false, nil
		}
		for _, name := range slices.Sorted(maps.Keys(v)) {
			text, err := yamlNested([]string{name}, v[name], "", "", lineEnd)
			if err != nil {
				return "", true, err
			}
			out = append(out, text)
		}
	default:
		return "", false, nil
	}
	return strings.Join(out, lineEnd+indent), true, nil
}
