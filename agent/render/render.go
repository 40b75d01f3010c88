// Package render turns the templates of a manifest into text, and quotes values for the formats they land in.
// It is pure: it reads no file and knows no machine.
package render

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"text/template/parse"

	"oneclick-agent/agent/pattern"
)

const (
	// maxRendered is the most text that one template, or one of its functions, may produce, in bytes.
	maxRendered = 16 << 20
	// MaxActions is how many turns of loops and calls of templates one filling in may take. A template of a
	// configuration file takes a handful; one that takes more than this does not end.
	MaxActions = 1_000_000
	// maxDepth is how deep templates may call one another.
	maxDepth = 1000
	// actionsPerLook is how many actions pass between two looks at the context.
	actionsPerLook = 1024
)

// Template is a parsed template of the manifest, or of a file that it names. It is filled in by one goroutine at a time.
type Template struct {
	text     string
	template *template.Template
	meter    *meter
}

// meter bounds what one filling in may do.
type meter struct {
	ctx         context.Context
	left, depth int
}

// ErrEndless says that a template takes more actions than it may.
var ErrEndless = errors.New("it does not end: a loop or a call of itself goes on for too long")

func (m *meter) tick() (string, error) {
	if m.left--; m.left < 0 {
		return "", ErrEndless
	}
	if m.left%actionsPerLook == 0 {
		return "", m.ctx.Err()
	}
	return "", nil
}

// enter begins a template's text: one that calls itself would take all memory before it has taken all its actions.
func (m *meter) enter() (string, error) {
	if m.depth++; m.depth > maxDepth {
		return "", ErrEndless
	}
	return m.tick()
}

func (m *meter) leave() string {
	m.depth--
	return ""
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
	t := &Template{text: text, meter: &meter{}}
	if t.Static() {
		return t, nil
	}
	functions := functions(engine)
	functions[tickName], functions[enterName], functions[leaveName] = t.meter.tick, t.meter.enter, t.meter.leave
	parsed, err := template.New("template").Option("missingkey=error").Funcs(functions).Parse(text)
	if err != nil {
		return nil, syntaxError(err)
	}
	if err := undefined(parsed, text); err != nil {
		return nil, err
	}
	if err := count(parsed); err != nil {
		return nil, syntaxError(err)
	}
	t.template = parsed
	return t, nil
}

// undefined finds a call of a template that nothing defines, which text/template itself tells only when it gets there.
// The first one in the text is told.
func undefined(parsed *template.Template, text string) error {
	var first *parse.TemplateNode
	for _, defined := range parsed.Templates() {
		visit(defined.Root, func(node parse.Node) {
			call, ok := node.(*parse.TemplateNode)
			if !ok || first != nil && first.Pos < call.Pos {
				return
			}
			if target := parsed.Lookup(call.Name); target == nil || target.Tree == nil {
				first = call
			}
		})
	}
	if first == nil {
		return nil
	}
	return &SyntaxError{Line: 1 + strings.Count(text[:first.Pos], "\n"), Message: fmt.Sprintf("template %q is not defined", first.Name)}
}

const tickName, enterName, leaveName = "oneclick_tick", "oneclick_enter", "oneclick_leave"

// count puts an action that counts at the beginning of each loop's text and around each template's, so that a filling in that
// does not end can be ended: text/template itself knows no bound.
func count(parsed *template.Template) error {
	nothing := func() string { return "" }
	calls, err := template.New("").Funcs(template.FuncMap{tickName: nothing, enterName: nothing, leaveName: nothing}).
		Parse("{{" + tickName + "}}{{" + enterName + "}}{{" + leaveName + "}}")
	if err != nil {
		return err
	}
	tick, enter, leave := calls.Root.Nodes[0], calls.Root.Nodes[1], calls.Root.Nodes[2]
	for _, defined := range parsed.Templates() {
		if defined.Tree == nil || defined.Root == nil {
			continue
		}
		visit(defined.Root, func(node parse.Node) {
			if loop, ok := node.(*parse.RangeNode); ok && loop.List != nil {
				loop.List.Nodes = append([]parse.Node{tick.Copy()}, loop.List.Nodes...)
			}
		})
		defined.Root.Nodes = append(append([]parse.Node{enter.Copy()}, defined.Root.Nodes...), leave.Copy())
	}
	return nil
}

// visit calls see for each node below list that has text of its own below it, or calls another template.
func visit(list *parse.ListNode, see func(parse.Node)) {
	if list == nil {
		return
	}
	for _, node := range list.Nodes {
		see(node)
		switch n := node.(type) {
		case *parse.IfNode:
			visit(n.List, see)
			visit(n.ElseList, see)
		case *parse.RangeNode:
			visit(n.List, see)
			visit(n.ElseList, see)
		case *parse.WithNode:
			visit(n.List, see)
			visit(n.ElseList, see)
		}
	}
}

// located matches the place that text/template puts before its messages.
var located = pattern.New(`^template: template:(\d+)(?::(\d+))?: (?:executing "template" at )?(.*)$`)

// iterated matches what text/template says of a value that range cannot take. It prints the value, which may be a secret.
var iterated = pattern.New(`(?s)(range can't iterate over|can't use) .*?( (?:to )?iterate over more than one variable)?$`)

func syntaxError(err error) error {
	message := iterated().ReplaceAllString(err.Error(), "${1} this value${2}")
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

// Execute fills the template in, within so many actions. It ends with the context. An error names the place and the
// reference, never a value.
func (t *Template) Execute(ctx context.Context, data map[string]any, actions int) (string, error) {
	if t.Static() {
		return t.text, nil
	}
	t.meter.ctx, t.meter.left, t.meter.depth = ctx, actions, 0
	var out limitedBuffer
	if err := t.template.Execute(&out, data); err != nil {
		switch {
		case errors.Is(err, ErrEndless):
			return "", ErrEndless
		case ctx.Err() != nil:
			return "", ctx.Err()
		}
		return "", syntaxError(err)
	}
	return out.String(), nil
}

// Actions is how many actions the last filling in left of those it was given.
func (t *Template) Actions() int { return t.meter.left }

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
	templates := t.template.Templates()
	slices.SortFunc(templates, func(a, b *template.Template) int { return strings.Compare(a.Name(), b.Name()) })
	for _, defined := range templates {
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
