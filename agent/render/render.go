// Package render turns the templates of a manifest into text, and quotes values for the formats they land in.
// It is pure: it reads no file and knows no machine.
package render

import (
	"bytes"
	"errors"
	"fmt"
	"oneclick-agent/agent/pattern"
	"strconv"
	"strings"
	"text/template"
	"text/template/parse"
)

// maxRendered is the most text that one template may produce, in bytes.
const maxRendered = 16 << 20

// Template is a parsed template of the manifest, or of a file that it names.
type Template struct {
	text     string
	template *template.Template
}

// SyntaxError says where in a template a mistake stands; Line and Column count from 1 in the template's own
// text. Column is 0 where it is not known.
type SyntaxError struct {
	Line, Column int
	Message      string
}

func (e *SyntaxError) Error() string { return e.Message }

// Parse reads a template. Engine is the manifest's database engine, which decides how sql quotes.
func Parse(text, engine string) (*Template, error) {
	parsed, err := template.New("template").Option("missingkey=error").Funcs(functions(engine)).Parse(text)
	if err != nil {
		return nil, syntaxError(err)
	}
	return &Template{text: text, template: parsed}, nil
}

// located matches the place that text/template puts before its messages.
var located = pattern.New(`^template: template:(\d+)(?::(\d+))?: (?:executing "template" at )?(.*)$`)

func syntaxError(err error) error {
	message := err.Error()
	match := located().FindStringSubmatch(message)
	if match == nil {
		return &SyntaxError{Line: 1, Message: message}
	}
	line, _ := strconv.Atoi(match[1])
	column, _ := strconv.Atoi(match[2])
	if column > 0 {
		column++ // text/template counts columns from 0
	}
	return &SyntaxError{Line: line, Column: column, Message: match[3]}
}

// Static reports whether the template holds no action, so that its text is its result.
func (t *Template) Static() bool { return !strings.Contains(t.text, "{{") }

// Execute fills the template in. An error names the place and the reference, never a value.
func (t *Template) Execute(data map[string]any) (string, error) {
	if t.Static() {
		return t.text, nil
	}
	var out limitedBuffer
	if err := t.template.Execute(&out, data); err != nil {
		return "", syntaxError(err)
	}
	return out.String(), nil
}

type limitedBuffer struct{ bytes.Buffer }

func (b *limitedBuffer) Write(p []byte) (int, error) {
	if b.Len()+len(p) > maxRendered {
		return 0, fmt.Errorf("the text grows over %d bytes", maxRendered)
	}
	return b.Buffer.Write(p)
}

// Reference is one use of the template's data: {{ .secrets.db_password }} is ["secrets" "db_password"].
type Reference struct {
	Path []string
	Line int
}

func (r Reference) String() string { return "." + strings.Join(r.Path, ".") }

// References lists what the template uses of its data, in order, everything in its branches included.
func (t *Template) References() []Reference {
	if t.Static() {
		return nil
	}
	collector := collector{text: t.text}
	for _, defined := range t.template.Templates() {
		if defined.Tree != nil {
			collector.node(defined.Root, defined.Name() == "template")
		}
	}
	return collector.found
}

type collector struct {
	text  string
	found []Reference
}

func (c *collector) add(path []string, position parse.Pos) {
	c.found = append(c.found, Reference{path, 1 + strings.Count(c.text[:position], "\n")})
}

// node walks the tree. Top tells whether "." is still the whole data; within "range" and "with" it is not, and
// only references through "$" can be told.
func (c *collector) node(node parse.Node, top bool) {
	switch n := node.(type) {
	case *parse.ListNode:
		if n != nil {
			for _, child := range n.Nodes {
				c.node(child, top)
			}
		}
	case *parse.ActionNode:
		c.node(n.Pipe, top)
	case *parse.TemplateNode:
		c.node(n.Pipe, top)
	case *parse.PipeNode:
		if n != nil {
			for _, command := range n.Cmds {
				for _, argument := range command.Args {
					c.node(argument, top)
				}
			}
		}
	case *parse.FieldNode:
		if top {
			c.add(n.Ident, n.Pos)
		}
	case *parse.VariableNode:
		if n.Ident[0] == "$" && len(n.Ident) > 1 {
			c.add(n.Ident[1:], n.Pos)
		}
	case *parse.ChainNode:
		c.node(n.Node, top)
	case *parse.IfNode:
		c.branch(&n.BranchNode, top, top)
	case *parse.RangeNode:
		c.branch(&n.BranchNode, top, false)
	case *parse.WithNode:
		c.branch(&n.BranchNode, top, false)
	}
}

func (c *collector) branch(n *parse.BranchNode, top, body bool) {
	c.node(n.Pipe, top)
	c.node(n.List, body)
	c.node(n.ElseList, top)
}

// functions are what a template can call beside text/template's own.
func functions(engine string) template.FuncMap {
	return template.FuncMap{
		"sh": Shell, "dotenv": Dotenv, "json": JSON, "yaml": YAML, "ini": INI, "php": PHP, "nginx": Nginx, "xml": XML,
		"sql": func(value any) (string, error) { return SQL(value, engine) },
		"add": func(a, b any) (int64, error) {
			return count(a, b, func(x, y int64) (int64, error) { return x + y, nil })
		},
		"sub": func(a, b any) (int64, error) {
			return count(a, b, func(x, y int64) (int64, error) { return x - y, nil })
		},
		"mul": func(a, b any) (int64, error) {
			return count(a, b, func(x, y int64) (int64, error) { return x * y, nil })
		},
		"min": func(a, b any) (int64, error) {
			return count(a, b, func(x, y int64) (int64, error) { return min(x, y), nil })
		},
		"max": func(a, b any) (int64, error) {
			return count(a, b, func(x, y int64) (int64, error) { return max(x, y), nil })
		},
		"div": func(a, b any) (int64, error) {
			return count(a, b, func(x, y int64) (int64, error) {
				if y == 0 {
					return 0, errors.New("division by zero")
				}
				return x / y, nil
			})
		},
	}
}

func count(a, b any, operation func(x, y int64) (int64, error)) (int64, error) {
	x, err := strconv.ParseInt(fmt.Sprint(a), 10, 64)
	if err != nil {
		return 0, errors.New("the first value is not a whole number")
	}
	y, err := strconv.ParseInt(fmt.Sprint(b), 10, 64)
	if err != nil {
		return 0, errors.New("the second value is not a whole number")
	}
	return operation(x, y)
}
