package importer

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"

	"oneclick-agent/agent/problem"
)

// translator follows scripts from their beginning to their end.
type translator struct {
	source *source
	script *script // the one that is read
	// variables are those whose values are known, opaque those that only a shell can know.
	variables map[string]value
	opaque    map[string]bool
	secrets   map[string][]string
	// secretOrder are the secrets in the order in which they are made.
	secretOrder []string
	functions   map[string]fragment
	// setters are the assignments of opaque variables, by variable.
	setters map[string]fragment
	steps   []*step
	// pending are fragments that follow one another and stay shell.
	pending []fragment
	// speaks tells that a message of the day is read, which shows no secret.
	speaks bool
	// depth is how many functions deep a call is.
	depth int
	// directory is where cd led, "" for nowhere.
	directory string
	// templates are files of the image that commands change, as templates, by their path.
	templates map[string]string
	database  *database
	sqlStep   *step    // stands where the scripts make the database, until it is known whether the manifest can
	terminal  []string // scripts of the first login
	questions []*step  // each a question of the first login
	asked     []*step  // the steps of the first login
	asks      bool     // a script of the first login is read
	text      []string // the message of the day
	lines     Lines
	findings  problem.List
	dropped   problem.List
}

// fragment is a part of a script.
type fragment struct {
	script *script
	node   syntax.Node
	text   string
	lines  int
}

// step is one entry of the manifest, in the order of its keys.
type step struct {
	pairs []pair
	// comment stands above it.
	comment []string
	from    []fragment
	// shell tells that it hands a text to a shell, and command that it runs something by its arguments.
	shell, command bool
}

// pair is a key and its value: a text, a list of texts, or pairs.
type pair struct {
	key   string
	value any
}

func newTranslator(s *source) *translator {
	return &translator{
		source: s, variables: known(), opaque: map[string]bool{}, secrets: map[string][]string{}, functions: map[string]fragment{},
		setters: map[string]fragment{}, templates: map[string]string{},
	}
}

func (s *step) get(key string) any {
	for _, p := range s.pairs {
		if p.key == key {
			return p.value
		}
	}
	return nil
}

func (s *step) set(key string, value any) {
	for i, p := range s.pairs {
		if p.key == key {
			s.pairs[i].value = value
			return
		}
	}
	s.pairs = append(s.pairs, pair{key, value})
}

// makeStep begins a step of a kind. Its other keys follow one another, each with its value.
func makeStep(kind string, value any, more ...any) *step {
	s := &step{pairs: []pair{{kind, value}}}
	for i := 0; i+1 < len(more); i += 2 {
		if text, isText := more[i+1].(string); !isText || text != "" {
			s.pairs = append(s.pairs, pair{more[i].(string), more[i+1]})
		}
	}
	return s
}

// run reads a script that runs at first boot.
func (t *translator) run(s *script) {
	t.script = s
	for _, statement := range s.file.Stmts {
		t.statement(statement)
	}
}

func (t *translator) fragment(node syntax.Node) fragment {
	from, to := node.Pos(), end(node)
	return fragment{t.script, node, t.script.piece(from, to), t.script.count(from, to)}
}

// end is where a part of a script ends, its here-documents included.
func end(node syntax.Node) syntax.Pos {
	last := node.End()
	syntax.Walk(node, func(inner syntax.Node) bool {
		if r, ok := inner.(*syntax.Redirect); ok && r.Hdoc != nil && r.Hdoc.End().After(last) {
			last = r.Hdoc.End()
		}
		return true
	})
	return last
}

// statement translates one statement, or leaves it to a shell.
func (t *translator) statement(s *syntax.Stmt) {
	f := t.fragment(s)
	if isInstallation(s) {
		t.lines.Typed += f.lines // which drop takes away again
		t.drop(s, "its answers are given blindly; database: local: removes the anonymous users and the test database")
		t.note(s)
		return
	}
	restore := t.snapshot()
	steps, ok := t.translate(s)
	if !ok {
		restore()
		t.pending = append(t.pending, f)
		t.note(s)
		return
	}
	if len(steps) > 0 {
		t.flush()
	}
	t.count(f, steps)
	for _, made := range steps {
		made.from = append(made.from, f)
		t.add(made)
	}
}

// count counts the lines of a fragment once, by the step that is least a typed one.
func (t *translator) count(f fragment, steps []*step) {
	switch {
	case slices.ContainsFunc(steps, func(s *step) bool { return s.shell }):
		t.lines.Left += f.lines
	case slices.ContainsFunc(steps, func(s *step) bool { return s.command }):
		t.lines.Commands += f.lines
	default:
		t.lines.Typed += f.lines
	}
}

// note remembers what a statement does to variables that only a shell can follow.
func (t *translator) note(s *syntax.Stmt) {
	syntax.Walk(s, func(node syntax.Node) bool {
		switch node := node.(type) {
		case *syntax.Assign:
			if node.Name != nil {
				t.lose(node.Name.Value)
			}
		case *syntax.WordIter:
			t.lose(node.Name.Value)
		case *syntax.CallExpr:
			if len(node.Args) > 1 && node.Args[0].Lit() == "read" {
				for _, word := range node.Args[1:] {
					t.lose(word.Lit())
				}
			}
		}
		return true
	})
	if call, ok := s.Cmd.(*syntax.CallExpr); ok && len(call.Args) == 0 && len(call.Assigns) == 1 && call.Assigns[0].Name != nil {
		t.setters[call.Assigns[0].Name.Value] = t.fragment(s)
	}
}

func (t *translator) lose(name string) {
	delete(t.variables, name)
	t.opaque[name] = true
}

// drop says that a fragment is not in the manifest, and why.
func (t *translator) drop(node syntax.Node, why string) {
	f := t.fragment(node)
	t.dropped = append(t.dropped, problem.Problem{Position: f.place(), Message: firstLine(f.text), Hint: why})
	t.lines.Dropped += f.lines
	t.lines.Typed -= f.lines // it is counted with the statement that it is of
}

func (f fragment) place() problem.Position {
	return problem.Position{File: f.script.path, Line: int(f.node.Pos().Line()), Column: int(f.node.Pos().Col())}
}

func firstLine(text string) string {
	line, rest, more := strings.Cut(strings.TrimSpace(text), "\n")
	if runes := []rune(line); len(runes) > 80 {
		return string(runes[:77]) + "..."
	}
	if more && strings.TrimSpace(rest) != "" {
		return line + " ..."
	}
	return line
}

// flush makes one step of what stays shell.
func (t *translator) flush() {
	if len(t.pending) == 0 {
		return
	}
	fragments := t.pending
	t.pending = nil
	t.lines.Left += sum(fragments)
	t.steps = append(t.steps, t.shell(fragments))
}

func sum(fragments []fragment) (lines int) {
	for _, f := range fragments {
		lines += f.lines
	}
	return lines
}

// shell is a step that hands fragments to a shell. What they need of variables comes in its environment, and assignments and
// functions that only a shell understands stand before them.
func (t *translator) shell(fragments []fragment) *step {
	wants := map[string]bool{}
	var texts, before []string
	for _, f := range fragments {
		texts = append(texts, dedent(f))
		for name := range used(f.node) {
			wants[name] = true
		}
	}
	text := strings.Join(texts, "\n")
	for _, name := range sorted(t.functions) {
		if f := t.functions[name]; calls(text, name) && !slices.Contains(texts, dedent(f)) {
			before = append(before, dedent(f))
			for name := range used(f.node) {
				wants[name] = true
			}
		}
	}
	var environment []pair
	for _, name := range sorted(wants) {
		found, isKnown := t.variables[name]
		setter, isSet := t.setters[name]
		switch {
		case isKnown && name != "HOME" && name != "USER":
			environment = append(environment, pair{name, found.text})
		case isSet && !slices.Contains(texts, dedent(setter)):
			before = append([]string{dedent(setter)}, before...)
		}
	}
	if t.directory != "" {
		before = append([]string{"cd " + t.directory}, before...)
	}
	program := "/bin/sh"
	if fragments[0].script.bash {
		program = "/bin/bash"
	}
	whole := literal(strings.Join(append(before, text), "\n") + "\n")
	command := []string{program, "-c", whole}
	if endsEarly.MatchString(fragments[0].script.text) {
		command = slices.Insert(command, 1, "-e")
	}
	made := makeStep("run", command)
	if len(environment) > 0 {
		made.set("env", environment)
	}
	made.shell = true
	place := fragments[0].place()
	made.comment = []string{
		fmt.Sprintf("Still shell, from %s line %d: make it safe to run twice, or say creates: or unless:.", place.File, place.Line),
	}
	made.from = fragments
	return made
}

// endsEarly matches a script that ends with the first failure.
var endsEarly = regexp.MustCompile(`(?m)^\s*set -[a-z]*e`)

// calls reports whether a text has a word that is a function's name.
func calls(text, name string) bool {
	for word := range strings.FieldsFuncSeq(text, func(r rune) bool { return strings.ContainsRune(" \t\n;&|()`$\"'", r) }) {
		if word == name {
			return true
		}
	}
	return false
}

// dedent is the text of a fragment without what stands before each of its lines. Here-documents are left as they are.
func dedent(f fragment) string {
	indent := int(f.node.Pos().Col()) - 1
	if indent == 0 || strings.Contains(f.text, "<<") {
		return f.text
	}
	var b strings.Builder
	for line := range strings.Lines(f.text) {
		spaces := len(line) - len(strings.TrimLeft(line, " \t"))
		b.WriteString(line[min(indent, spaces):])
	}
	return b.String()
}
