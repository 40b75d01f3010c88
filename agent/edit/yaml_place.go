package edit

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// yamlFile is a file and its nodes, and finds the bytes of a node.
type yamlFile struct {
	data       []byte
	starts     []int // where each line begins, as YAML counts lines
	root       *yaml.Node
	step       string // the indentation of one level
	lineEnding string
}

func newYAMLFile(data []byte, root *yaml.Node) *yamlFile {
	f := &yamlFile{data: data, starts: []int{0}, root: root, step: "  ", lineEnding: lineEnding(data)}
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		i += size
		if r == '\n' || r == '\r' && !bytes.HasPrefix(data[i:], []byte("\n")) || r == 0x85 || r == 0x2028 || r == 0x2029 {
			f.starts = append(f.starts, i)
		}
	}
	if step := yamlStep(root); step > 0 {
		f.step = strings.Repeat(" ", step)
	}
	return f
}

// yamlStep is by how much the first mapping inside of another one is indented, or 0.
func yamlStep(n *yaml.Node) int {
	if n == nil || n.Kind != yaml.MappingNode || n.Style&yaml.FlowStyle != 0 {
		return 0
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		value := n.Content[i+1]
		if value.Kind == yaml.MappingNode && value.Style&yaml.FlowStyle == 0 && len(value.Content) > 0 {
			return value.Content[0].Column - n.Content[0].Column
		}
	}
	return 0
}

// start is the place of a node's first byte, that of its anchor or tag where it has one.
func (f *yamlFile) start(n *yaml.Node) int {
	at := f.starts[min(n.Line, len(f.starts))-1]
	for i := 1; i < n.Column && at < len(f.data); i++ {
		_, size := utf8.DecodeRune(f.data[at:])
		at += size
	}
	return at
}

// content is the place behind a node's anchor and tag; anchored is that behind its anchor alone.
func (f *yamlFile) content(n *yaml.Node) (content, anchored int) {
	at := f.start(n)
	anchored = at
	marked := n.Kind != yaml.AliasNode && (n.Anchor != "" || n.Style&yaml.TaggedStyle != 0)
	for marked && at < len(f.data) && strings.IndexByte("&!", f.data[at]) >= 0 {
		isAnchor := f.data[at] == '&'
		behind := at
		for behind < len(f.data) && strings.IndexByte(" \t\r\n,", f.data[behind]) < 0 {
			behind++
		}
		at = skip(f.data, behind, " \t")
		if isAnchor {
			anchored = at
		}
		if at == len(f.data) || strings.IndexByte("\r\n", f.data[at]) >= 0 { // nothing of the value in this line
			at = behind
			if isAnchor {
				anchored = at
			}
			break
		}
	}
	return at, anchored
}

// end is the place behind a node. Column is the indentation of the mapping or list that it is in, -1 for the top.
func (f *yamlFile) end(n *yaml.Node, column int) int {
	at, _ := f.content(n)
	switch {
	case n.Kind == yaml.AliasNode:
		return at + 1 + len(n.Value)
	case n.Kind == yaml.ScalarNode && n.Style&yaml.DoubleQuotedStyle != 0:
		return at + max(closingQuote(string(f.data[at:])), 0)
	case n.Kind == yaml.ScalarNode && n.Style&yaml.SingleQuotedStyle != 0:
		return f.singleQuotedEnd(at)
	case n.Kind == yaml.ScalarNode && n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		return f.blockEnd(at, column)
	case n.Kind == yaml.ScalarNode:
		return f.plainEnd(at, n.Value)
	case n.Style&yaml.FlowStyle != 0 || len(n.Content) == 0:
		return f.flowEnd(at)
	}
	last := n.Content[len(n.Content)-1]
	return f.end(last, f.column(n))
}

// column is the indentation of a block mapping or list.
func (f *yamlFile) column(n *yaml.Node) int {
	first := n.Content[0]
	if n.Kind == yaml.MappingNode {
		return first.Column - 1
	}
	if n.Anchor == "" && n.Style&yaml.TaggedStyle == 0 {
		return n.Column - 1
	}
	return len(indentation(string(f.data[f.starts[first.Line-1]:])))
}

// plainEnd is behind the letters of a value without quotes; between them may be white space and line breaks.
func (f *yamlFile) plainEnd(at int, value string) int {
	end := at
	for _, want := range value {
		if unicode.IsSpace(want) {
			continue
		}
		for at < len(f.data) {
			r, size := utf8.DecodeRune(f.data[at:])
			at += size
			if r == want {
				end = at
				break
			}
		}
	}
	return end
}

func (f *yamlFile) singleQuotedEnd(at int) int {
	for i := at + 1; i < len(f.data); i++ {
		if f.data[i] != '\'' {
			continue
		}
		if i+1 == len(f.data) || f.data[i+1] != '\'' {
			return i + 1
		}
		i++
	}
	return at
}

// blockEnd is behind the last line of a text that begins with | or >.
func (f *yamlFile) blockEnd(at, column int) int {
	end := f.lineEnd(at)
	header, _, _ := strings.Cut(string(f.data[at:end]), "#")
	depth := -1
	for _, r := range header {
		if r >= '1' && r <= '9' {
			depth = max(column, 0) + int(r-'0')
		}
	}
	for next := end; next < len(f.data); {
		next = f.nextLine(next)
		if next >= len(f.data) {
			break
		}
		stop := f.lineEnd(next)
		line := string(f.data[next:stop])
		blank := strings.TrimSpace(line) == ""
		if depth < 0 && !blank {
			depth = max(len(line)-len(strings.TrimLeft(line, " ")), column+1)
		}
		if !blank && len(line)-len(strings.TrimLeft(line, " ")) < depth {
			break
		}
		if !blank || strings.Contains(header, "+") {
			end = stop
		}
		next = stop
	}
	return end
}

// lineEnd is where the line that place is in ends, before its line break.
func (f *yamlFile) lineEnd(place int) int {
	if i := bytes.IndexByte(f.data[place:], '\n'); i >= 0 {
		if place+i > place && f.data[place+i-1] == '\r' {
			return place + i - 1
		}
		return place + i
	}
	return len(f.data)
}

// nextLine is behind the line break at place.
func (f *yamlFile) nextLine(place int) int {
	if i := bytes.IndexByte(f.data[place:], '\n'); i >= 0 {
		return place + i + 1
	}
	return len(f.data)
}

// lineStart is where the line that place is in begins.
func (f *yamlFile) lineStart(place int) int { return bytes.LastIndexByte(f.data[:place], '\n') + 1 }

// flowEnd is behind the bracket that closes the one at place.
func (f *yamlFile) flowEnd(place int) int {
	depth := 0
	for i := place; i < len(f.data); i++ {
		before := byte(' ')
		if i > 0 {
			before = f.data[i-1]
		}
		switch c := f.data[i]; {
		case c == '[' || c == '{':
			depth++
		case c == ']' || c == '}':
			if depth--; depth == 0 {
				return i + 1
			}
		case c == '#' && strings.IndexByte(" \t\n", before) >= 0:
			i = f.lineEnd(i) - 1
		case c == '"' && strings.IndexByte(" \t\n[{,:", before) >= 0:
			i += max(closingQuote(string(f.data[i:])), 1) - 1
		case c == '\'' && strings.IndexByte(" \t\n[{,:", before) >= 0:
			i = max(f.singleQuotedEnd(i), i+1) - 1
		}
	}
	return place
}
