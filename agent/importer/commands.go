package importer

import (
	"path"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// command is a simple command whose words are known.
type command struct {
	statement *syntax.Stmt
	words     []value
}

func (c command) name() string { return path.Base(c.words[0].text) }

// arguments are those behind the options; a flag with a value of its own has to be known to the caller.
func (c command) arguments() (arguments []string) {
	for _, word := range c.words[1:] {
		if !strings.HasPrefix(word.text, "-") {
			arguments = append(arguments, word.text)
		}
	}
	return arguments
}

// has reports whether one of the options is given, alone or among others as in -rf.
func (c command) has(letter string) bool {
	return slices.ContainsFunc(c.words[1:], func(word value) bool {
		return strings.HasPrefix(word.text, "-") && !strings.HasPrefix(word.text, "--") && strings.Contains(word.text, letter)
	})
}

// handlers translate commands by their names. They are filled in below, because they ask for one another.
var handlers = map[string]func(*translator, command) ([]*step, bool){}

func init() {
	for names, handler := range map[string]func(*translator, command) ([]*step, bool){
		"systemctl service":                      (*translator).unit,
		"ufw":                                    (*translator).firewall,
		"mkdir":                                  (*translator).makeDirectory,
		"chown chgrp":                            (*translator).giveAway,
		"chmod":                                  (*translator).changeMode,
		"cp mv install":                          (*translator).copyFile,
		"rm":                                     (*translator).remove,
		"ln":                                     (*translator).link,
		"sed":                                    (*translator).sed,
		"mysql mariadb psql mysqladmin createdb": (*translator).sql,
		"cd pushd":                               (*translator).changeDirectory,
		"sleep":                                  (*translator).sleep,
		"source .":                               (*translator).read,
		"useradd adduser":                        (*translator).addUser,
		"sudo setuid runuser su":                 (*translator).asOther,
	} {
		for name := range strings.FieldsSeq(names) {
			handlers[name] = handler
		}
	}
}

// nothing are commands that do nothing which a manifest has to say, each with the reason.
var nothing = map[string]string{
	"echo": "the agent shows the progress of each step", "printf": "the agent shows the progress of each step",
	"set": "every step's failure counts", "shopt": "there is no shell", "trap": "every step can be resumed", "true": "", ":": "",
	"exec": "the agent keeps what each command prints", "unset": "no variables are left", "popd": "each step says its own directory",
	"sync": "every write is durable", "umask": "each file has its mode", "logger": "the agent logs each step",
	"wait":  "each step is waited for",
	"clear": "nothing is drawn at first boot", "reset": "nothing is drawn at first boot", "exit": "a step that is done is over", "return": "",
}

// simple translates a command with its arguments.
func (t *translator) simple(s *syntax.Stmt, call *syntax.CallExpr) ([]*step, bool) {
	if len(call.Args) == 0 {
		return nil, len(s.Redirs) == 0 && t.assignAll(call.Assigns)
	}
	name := call.Args[0].Lit()
	if target, appends, ok := t.written(s.Redirs); ok {
		text, known := t.output(s)
		if !known {
			return nil, false
		}
		return t.writeFile(target, text, appends)
	}
	if why, none := nothing[name]; none && (quiet(s.Redirs) || name == "exec") {
		if why != "" {
			t.drop(s, why)
		}
		return nil, name != "exec" || onlyRedirects(call)
	}
	if len(s.Redirs) > 0 && !quiet(s.Redirs) && !isDocument(s.Redirs) {
		return nil, false
	}
	words, ok := t.words(call.Args)
	if !ok {
		return nil, false
	}
	environment, ok := t.environment(call.Assigns)
	if !ok {
		return nil, false
	}
	c := command{statement: s, words: words}
	if handler, known := handlers[c.name()]; known {
		steps, ok := handler(t, c)
		for _, made := range steps {
			if len(environment) > 0 && made.get("run") != nil {
				made.set("env", environment)
			}
		}
		return steps, ok
	}
	if f, known := t.functions[name]; known {
		return t.callFunction(f, call)
	}
	if s.Background {
		return nil, false
	}
	if isDocument(s.Redirs) {
		text, ok := t.document(s.Redirs[0])
		if !ok {
			return nil, false
		}
		return t.runWith(words, "", pair{"stdin", text.text})
	}
	if len(environment) > 0 {
		return t.runWith(words, "", pair{"env", environment})
	}
	return t.runWith(words, "")
}

// onlyRedirects reports whether exec only sends output somewhere.
func onlyRedirects(call *syntax.CallExpr) bool { return len(call.Args) == 1 }

func isDocument(redirections []*syntax.Redirect) bool {
	return len(redirections) == 1 && (redirections[0].Op == syntax.Hdoc || redirections[0].Op == syntax.DashHdoc)
}

// environment are assignments before a command.
func (t *translator) environment(assigns []*syntax.Assign) (pairs []pair, ok bool) {
	for _, assign := range assigns {
		v, ok := t.word(assign.Value, assign.Name.Value)
		if !ok {
			return nil, false
		}
		pairs = append(pairs, pair{assign.Name.Value, v.text})
	}
	return pairs, true
}

// callFunction translates the body of a function that takes no arguments where it is called.
func (t *translator) callFunction(f fragment, call *syntax.CallExpr) ([]*step, bool) {
	body := f.node.(*syntax.Stmt).Cmd.(*syntax.FuncDecl).Body
	if len(call.Args) > 1 || t.depth > 3 {
		return nil, false
	}
	t.depth++
	defer func() { t.depth-- }()
	return t.translate(body)
}

// runWith is a step that runs a command by its arguments. A secret in them goes through the environment of a shell, because every
// local user can read arguments.
func (t *translator) runWith(words []value, user string, more ...pair) ([]*step, bool) {
	var arguments []string
	for _, word := range words {
		if word.secret != "" {
			return nil, false
		}
		arguments = append(arguments, word.text)
	}
	made := makeStep("run", arguments, "as", user, "dir", t.directory)
	made.pairs = append(made.pairs, more...)
	made.command = true
	return []*step{made}, true
}

func (t *translator) changeDirectory(c command) ([]*step, bool) {
	arguments := c.arguments()
	if len(arguments) != 1 {
		return nil, false
	}
	if t.directory = arguments[0]; !path.IsAbs(t.directory) && !strings.HasPrefix(t.directory, "{{") {
		return nil, false
	}
	if t.directory == "/" {
		t.directory = ""
	}
	return nil, true
}

func (t *translator) sleep(c command) ([]*step, bool) {
	t.drop(c.statement, "write a wait: step for what has to be there; a sleep only hopes")
	return nil, true
}

// read knows the files that are read for their variables: what was generated, and what the agent reads by itself.
func (t *translator) read(c command) ([]*step, bool) {
	arguments := c.arguments()
	switch {
	case len(arguments) != 1:
		return nil, false
	case arguments[0] == "/etc/environment":
		t.drop(c.statement, "a question takes its answer from there by from_env")
		return nil, true
	}
	return nil, strings.HasPrefix(arguments[0], passwordsFile)
}

// asOther runs the rest of a command as another account.
func (t *translator) asOther(c command) ([]*step, bool) {
	words := c.words[1:]
	user := ""
	for len(words) > 0 {
		word := words[0].text
		switch {
		case (word == "-u" || word == "-l") && len(words) > 1:
			user, words = words[1].text, words[2:]
			continue
		case strings.HasPrefix(word, "-u") && len(word) > 2:
			user, words = word[2:], words[1:]
			continue
		case word == "-" || word == "-H" || word == "-E" || word == "-i" || word == "--" || word == "-s":
			words = words[1:]
			continue
		}
		break
	}
	if user == "" && (c.name() == "su" || c.name() == "setuid") && len(words) > 1 {
		user, words = words[0].text, words[1:]
	}
	if len(words) == 0 || strings.HasPrefix(words[0].text, "-") || strings.Contains(words[0].text, "=") || strings.Contains(user, "{{") {
		return nil, false
	}
	if user == "" || user == "root" {
		inner := command{statement: c.statement, words: words}
		if handler, known := handlers[inner.name()]; known {
			return handler(t, inner)
		}
		return t.runWith(words, "")
	}
	if slices.Contains([]string{"psql", "createdb"}, path.Base(words[0].text)) {
		return t.sql(command{statement: c.statement, words: words})
	}
	if slices.Contains([]string{"sh", "bash"}, path.Base(words[0].text)) {
		return nil, false
	}
	return t.runWith(words, user)
}

func (t *translator) addUser(c command) ([]*step, bool) {
	if len(c.words) < 2 {
		return nil, false
	}
	made := makeStep("user", c.words[len(c.words)-1].text)
	for i, word := range c.words[1 : len(c.words)-1] {
		next := c.words[i+2].text
		switch word.text {
		case "-d", "--home", "--home-dir":
			made.set("home", next)
		case "-s", "--shell":
			made.set("shell", next)
		case "-G", "--groups":
			made.set("groups", strings.Split(next, ","))
		}
	}
	return []*step{made}, !strings.HasPrefix(made.pairs[0].value.(string), "-")
}
