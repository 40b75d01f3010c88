package importer

import (
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

var colours = regexp.MustCompile("\x1b\\[[0-9;]*m")

// takeLogin takes the commands over that a line of .bashrc runs at the first login; whether all of them could be.
func (t *translator) takeLogin(text string) bool {
	var programs []string
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") || fields[0] == "chmod" {
			continue
		}
		if fields[0] == "bash" || fields[0] == "sh" || fields[0] == "source" || fields[0] == "." {
			fields = fields[1:]
		}
		if len(fields) == 0 {
			continue
		}
		if _, ours := t.source.files[fields[0]]; !ours {
			if strings.HasPrefix(line, "cp ") && strings.Contains(line, "skel") {
				continue
			}
			return false
		}
		programs = append(programs, fields[0])
	}
	t.terminal = append(t.terminal, programs...)
	return true
}

// login makes the steps of the first login: the vendor's own programs, which get the terminal. Scripts of the build may add the
// line to .bashrc, too.
func (t *translator) login() {
	for _, script := range t.source.build {
		t.script = script
		syntax.Walk(script.file, func(node syntax.Node) bool {
			statement, ok := node.(*syntax.Stmt)
			if !ok {
				return true
			}
			if target, _, ok := t.written(statement.Redirs); ok && (target == "/root/.bashrc") {
				if text, ok := t.output(statement); ok {
					t.takeLogin(text.text)
				}
			}
			return true
		})
	}
	var left []string
	for _, name := range slices.Compact(t.terminal) {
		script := parse(path.Join("files", name), t.source.files[name])
		if script == nil {
			left = append(left, name)
			continue
		}
		t.source.logins = append(t.source.logins, script)
		if !t.ask(script) {
			left = append(left, name)
			t.lines.Left += script.count(script.file.Pos(), end(script.file))
		}
	}
	t.terminal = left
}

// mostLeft is which part of a script of the first login may stay shell, in percent: above that it stays as it is.
const mostLeft = 60

// ask reads a script of the first login as questions and steps; whether that says enough of it.
func (t *translator) ask(s *script) bool {
	before := *t
	restore := t.snapshot()
	t.templates, t.functions, t.setters = maps.Clone(t.templates), maps.Clone(t.functions), maps.Clone(t.setters)
	t.steps, t.asks, t.directory = nil, true, ""
	t.run(s)
	reads := slices.ContainsFunc(t.pending, func(f fragment) bool { return calls(f.text, "read") })
	t.flush()
	steps, total := t.steps, s.count(s.file.Pos(), end(s.file))
	for _, made := range steps {
		reads = reads || slices.ContainsFunc(made.from, func(f fragment) bool { return made.shell && calls(f.text, "read") })
	}
	left := t.lines.Left - before.lines.Left
	t.steps, t.asks = before.steps, false
	if reads || len(t.questions) == len(before.questions) || left*100 > total*mostLeft {
		after := *t
		*t = before
		t.source = after.source
		restore()
		return false
	}
	t.asked = append(t.asked, steps...)
	return true
}

// confirmation matches what asks whether the answers are right, which the wizard does by itself.
var confirmation = regexp.MustCompile(`(?i)correct|continue|proceed|are you sure|press (any|enter)`)

// question is what read asks, with its prompt.
func (t *translator) question(c *syntax.CallExpr) bool {
	prompt, variable, hidden := "", "", false
	for i := 1; i < len(c.Args); i++ {
		word := c.Args[i].Lit()
		switch {
		case strings.HasPrefix(word, "-"):
			hidden = hidden || strings.Contains(word, "s")
			if strings.HasSuffix(word, "p") && i+1 < len(c.Args) {
				i++
				v, ok := t.word(c.Args[i], "")
				if !ok {
					return false
				}
				prompt = strings.TrimRight(strings.TrimSpace(colours.ReplaceAllString(v.text, "")), ": ")
			}
		case word != "":
			variable = word
		}
	}
	if variable == "" || !t.asks {
		return false
	}
	if confirmation.MatchString(prompt) || confirmation.MatchString(variable) {
		return true
	}
	name := secretName(variable)
	for _, asked := range t.questions {
		if asked.get("name") == name {
			return true // asked again, because the first answer was not good enough
		}
	}
	if prompt == "" {
		prompt = strings.ReplaceAll(name, "_", " ")
	}
	asked := makeStep("name", name, "ask", strings.ReplaceAll(prompt, "{{", ""))
	v := value{text: "{{ .answers." + name + " }}"}
	switch {
	case hidden || regexp.MustCompile(`pass`).MatchString(name):
		asked.set("type", "password")
		v.secret = name
	case regexp.MustCompile(`token|key|secret`).MatchString(name):
		asked.set("type", "secret")
		v.secret = name
	case strings.Contains(name, "mail"):
		asked.set("type", "email")
	case strings.Contains(name, "domain"):
		asked.set("type", "domain")
	}
	t.questions = append(t.questions, asked)
	t.variables[variable] = v
	return true
}

// asksOnly reports whether statements do nothing but ask, say and check what was answered, and takes the questions.
func (t *translator) asksOnly(statements []*syntax.Stmt) (found, ok bool) {
	for _, statement := range statements {
		switch command := statement.Cmd.(type) {
		case *syntax.CallExpr:
			name := ""
			if len(command.Args) > 0 {
				name = command.Args[0].Lit()
			}
			switch _, none := nothing[name]; {
			case name == "read":
				if !t.question(command) {
					return false, false
				}
				found = true
			case name == "break" || name == "continue" || none:
			case len(command.Args) == 0:
			default:
				f, known := t.functions[name]
				if !known || t.depth > 3 {
					return false, false
				}
				t.depth++
				inner, ok := t.asksOnly([]*syntax.Stmt{f.node.(*syntax.Stmt).Cmd.(*syntax.FuncDecl).Body})
				t.depth--
				if !ok {
					return false, false
				}
				found = found || inner
			}
		case *syntax.IfClause:
			for clause := command; clause != nil; clause = clause.Else {
				inner, ok := t.asksOnly(clause.Then)
				if !ok {
					return false, false
				}
				found = found || inner
			}
		case *syntax.WhileClause:
			inner, ok := t.asksOnly(command.Do)
			if !ok {
				return false, false
			}
			found = found || inner
		case *syntax.Block:
			inner, ok := t.asksOnly(command.Stmts)
			if !ok {
				return false, false
			}
			found = found || inner
		case *syntax.TestClause, *syntax.ArithmCmd:
		default:
			return false, false
		}
	}
	return found, true
}

// message takes the message of the day out of a script that prints it. What is no text is left out, and told.
func (t *translator) message(s *script) {
	t.script = s
	outer := t.variables
	t.variables, t.speaks = known(), true
	defer func() { t.speaks = false }()
	for name, v := range outer {
		t.variables[name] = v
	}
	for _, statement := range s.file.Stmts {
		t.say(statement)
	}
	t.variables = outer
}

// say takes one statement of such a script.
func (t *translator) say(s *syntax.Stmt) {
	f := t.fragment(s)
	if text, ok := t.output(s); ok && (len(s.Redirs) == 0 || isDocument(s.Redirs) || quiet(s.Redirs)) {
		t.lines.Typed += f.lines
		t.text = append(t.text, withoutSecrets.ReplaceAllString(colours.ReplaceAllString(unescape(text.text), ""), whereSecretsAre))
		return
	}
	if call, ok := s.Cmd.(*syntax.CallExpr); ok && len(call.Args) == 0 && t.assignAll(call.Assigns) {
		t.lines.Typed += f.lines
		return
	}
	restore := t.snapshot()
	if _, condition := s.Cmd.(*syntax.CallExpr); !condition || reads(s) {
		t.lines.Typed += f.lines // as statement does
		if steps, ok := t.translate(s); ok && len(steps) == 0 {
			return
		}
		t.lines.Typed -= f.lines
		restore()
	}
	why := "the message of the day is a text; how the setup stands is added to it by itself"
	if call, ok := s.Cmd.(*syntax.CallExpr); ok && len(call.Args) > 0 {
		if reason, none := nothing[call.Args[0].Lit()]; none {
			why = reason
		}
	}
	t.note(s)
	if why == "" {
		t.lines.Dropped += f.lines
		return
	}
	t.lines.Typed += f.lines // which drop takes away again
	t.drop(s, why)
}

// reads reports whether a statement reads a file for its variables.
func reads(s *syntax.Stmt) bool {
	call, ok := s.Cmd.(*syntax.CallExpr)
	return ok && len(call.Args) > 1 && (call.Args[0].Lit() == "." || call.Args[0].Lit() == "source")
}

// whereSecretsAre takes the place of a secret in a message.
const whereSecretsAre = "in /root/.digitalocean_passwords"

// withoutSecrets finds what everybody who logs in would see.
var withoutSecrets = regexp.MustCompile(`\{\{ \.(secrets\.[a-z0-9_]+|database\.password) \}\}`)
