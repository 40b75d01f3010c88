package importer

import (
	"path"
	"regexp"
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
	for _, name := range t.terminal {
		if script := parse(path.Join("files", name), t.source.files[name]); script != nil {
			t.source.logins = append(t.source.logins, script)
			t.lines.Left += script.count(script.file.Pos(), end(script.file))
		}
	}
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
