package importer

import (
	"maps"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// translate says what a statement does as steps; none where it does nothing that a manifest has to say.
func (t *translator) translate(s *syntax.Stmt) ([]*step, bool) {
	if s.Negated || s.Coprocess {
		return nil, false
	}
	if t.asks {
		if found, ok := t.asksOnly([]*syntax.Stmt{s}); ok && found {
			return nil, true
		}
	}
	switch command := s.Cmd.(type) {
	case *syntax.CallExpr:
		return t.simple(s, command)
	case *syntax.DeclClause:
		return nil, t.assignAll(command.Args)
	case *syntax.FuncDecl:
		t.functions[command.Name.Value] = t.fragment(s)
		return nil, true
	case *syntax.BinaryCmd:
		return t.binary(s, command)
	case *syntax.Block:
		return t.several(command.Stmts, s.Redirs)
	case *syntax.Subshell:
		before := t.directory
		defer func() { t.directory = before }()
		return t.several(command.Stmts, s.Redirs)
	case *syntax.IfClause:
		return t.conditional(command)
	case *syntax.WhileClause:
		return t.loop(s, command)
	case *syntax.ForClause:
		return t.each(command)
	}
	return nil, false
}

// several translates statements that only make sense together.
func (t *translator) several(statements []*syntax.Stmt, redirections []*syntax.Redirect) (all []*step, ok bool) {
	if len(redirections) > 0 && !quiet(redirections) {
		return nil, false
	}
	for _, statement := range statements {
		steps, ok := t.translate(statement)
		if !ok {
			return nil, false
		}
		all = append(all, steps...)
	}
	return all, true
}

// quiet reports whether output goes nowhere, or into a log, which the agent keeps by itself.
func quiet(redirections []*syntax.Redirect) bool {
	for _, r := range redirections {
		target := ""
		if r.Word != nil {
			target = r.Word.Lit()
		}
		isLog := target == "/dev/null" || strings.HasPrefix(target, "/var/log/") || r.Op == syntax.DplOut || r.Op == syntax.DplIn
		if !isLog || r.Op == syntax.RdrIn || r.Hdoc != nil {
			return false
		}
	}
	return true
}

func (t *translator) binary(s *syntax.Stmt, command *syntax.BinaryCmd) ([]*step, bool) {
	if len(s.Redirs) > 0 && !quiet(s.Redirs) {
		return nil, false
	}
	switch command.Op {
	case syntax.AndStmt:
		return t.several([]*syntax.Stmt{command.X, command.Y}, nil)
	case syntax.OrStmt:
		// "|| true" and "|| echo warning" let a command fail.
		if call, ok := command.Y.Cmd.(*syntax.CallExpr); ok && len(call.Args) > 0 &&
			slices.Contains([]string{"true", ":", "echo"}, call.Args[0].Lit()) {
			steps, ok := t.translate(command.X)
			for _, made := range steps {
				made.set("optional", true)
			}
			return steps, ok
		}
	case syntax.Pipe, syntax.PipeAll:
		return t.pipe(command)
	}
	return nil, false
}

// pipe knows the pipes that hand a password to the program that sets it, or a text to tee.
func (t *translator) pipe(command *syntax.BinaryCmd) ([]*step, bool) {
	text, ok := t.output(command.X)
	call, isCall := command.Y.Cmd.(*syntax.CallExpr)
	if !ok || !isCall || len(call.Args) == 0 {
		return nil, false
	}
	arguments, ok := t.words(call.Args)
	if !ok {
		return nil, false
	}
	if arguments[0].text == "sudo" {
		arguments = arguments[1:]
	}
	if len(arguments) == 0 {
		return nil, false
	}
	switch arguments[0].text {
	case "tee":
		if len(arguments) == 2 && quiet(command.Y.Redirs) {
			return t.writeFile(arguments[1].text, text, false)
		}
		if len(arguments) == 3 && arguments[1].text == "-a" {
			return t.writeFile(arguments[2].text, text, true)
		}
	case "chpasswd":
		user, password, _ := strings.Cut(strings.TrimSpace(text.text), ":")
		if secret, is := asSecret(password); is && !strings.Contains(user, "{{") && !strings.Contains(user, "\n") {
			return []*step{makeStep("user", user, "password", secret)}, true
		}
	default:
		if text.secret == "" || len(command.Y.Redirs) == 0 || quiet(command.Y.Redirs) {
			return t.runWith(arguments, "", pair{"stdin", text.text})
		}
	}
	return nil, false
}

// asSecret is the name of the secret that a template is, and nothing else.
func asSecret(text string) (string, bool) {
	name, begins := strings.CutPrefix(strings.TrimSpace(text), "{{ .secrets.")
	name, ends := strings.CutSuffix(name, " }}")
	return name, begins && ends && !strings.ContainsAny(name, " {}.")
}

// output is the text that a command prints whose only work that is.
func (t *translator) output(s *syntax.Stmt) (value, bool) {
	call, ok := s.Cmd.(*syntax.CallExpr)
	if !ok || len(call.Args) == 0 {
		return value{}, false
	}
	switch call.Args[0].Lit() {
	case "cat":
		for _, r := range s.Redirs {
			if (r.Op == syntax.Hdoc || r.Op == syntax.DashHdoc) && len(call.Args) == 1 {
				return t.document(r)
			}
		}
	case "echo", "printf":
		return t.echo(call)
	}
	return value{}, false
}

// document is a here-document's text.
func (t *translator) document(r *syntax.Redirect) (value, bool) {
	if r.Hdoc == nil {
		return value{}, true
	}
	quoted := false
	for _, part := range r.Word.Parts {
		if _, lit := part.(*syntax.Lit); !lit {
			quoted = true
		}
	}
	var b strings.Builder
	var v value
	for _, part := range r.Hdoc.Parts {
		lit, isLit := part.(*syntax.Lit)
		switch {
		case quoted && isLit:
			b.WriteString(literal(lit.Value))
		case !t.part(&b, &v, part, "", true):
			return value{}, false
		}
	}
	v.text = b.String()
	if r.Op == syntax.DashHdoc {
		lines := strings.SplitAfter(v.text, "\n")
		for i := range lines {
			lines[i] = strings.TrimLeft(lines[i], "\t")
		}
		v.text = strings.Join(lines, "")
	}
	return v, true
}

// echo is what echo or a plain printf prints.
func (t *translator) echo(call *syntax.CallExpr) (value, bool) {
	arguments := call.Args[1:]
	newline, escapes := "\n", false
	name := call.Args[0].Lit()
	for name == "echo" && len(arguments) > 0 && slices.Contains([]string{"-n", "-e", "-ne", "-en", "-E"}, arguments[0].Lit()) {
		if strings.Contains(arguments[0].Lit(), "n") {
			newline = ""
		}
		escapes = escapes || strings.Contains(arguments[0].Lit(), "e")
		arguments = arguments[1:]
	}
	values, ok := t.words(arguments)
	if !ok {
		return value{}, false
	}
	var v value
	var texts []string
	for _, one := range values {
		texts = append(texts, one.text)
		if one.secret != "" {
			v.secret = one.secret
		}
	}
	if name == "printf" {
		return v.format(texts)
	}
	v.text = strings.Join(texts, " ") + newline
	if escapes {
		v.text = unescape(v.text)
	}
	return v, true
}

// format is what printf makes of a format that has only texts in it.
func (v value) format(texts []string) (value, bool) {
	if len(texts) == 0 {
		return v, false
	}
	out, rest := texts[0], texts[1:]
	if strings.Count(out, "%") != strings.Count(out, "%s") || strings.Count(out, "%s") != len(rest) {
		return v, false
	}
	for _, text := range rest {
		out = strings.Replace(out, "%s", strings.ReplaceAll(text, "%s", "%%s"), 1)
	}
	v.text = unescape(out)
	return v, true
}

// unescape reads the escapes of echo -e and printf, and takes colours away.
func unescape(text string) string {
	text = strings.NewReplacer(`\033`, "\x1b", `\e`, "\x1b", `\x1b`, "\x1b", `\n`, "\n", `\t`, "\t", `\\`, `\`).Replace(text)
	return colours.ReplaceAllString(text, "")
}

func (t *translator) words(words []*syntax.Word) (values []value, ok bool) {
	for _, word := range words {
		v, ok := t.word(word, "")
		if !ok {
			return nil, false
		}
		values = append(values, v)
	}
	return values, true
}

// assignAll takes assignments over whose values are known.
func (t *translator) assignAll(assigns []*syntax.Assign) bool {
	for _, assign := range assigns {
		if assign.Name == nil || assign.Naked {
			continue
		}
		if assign.Array != nil || assign.Index != nil {
			return false
		}
		name := assign.Name.Value
		v, ok := t.word(assign.Value, name)
		if !ok {
			return false
		}
		if assign.Append {
			v.text = t.variables[name].text + v.text
		}
		t.variables[name] = v
		delete(t.opaque, name)
		delete(t.setters, name)
	}
	return true
}
