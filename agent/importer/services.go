package importer

import (
	"regexp"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

var verbs = []string{"enable", "disable", "start", "stop", "restart", "reload", "mask"}

// unit acts on units of systemd.
func (t *translator) unit(c command) (steps []*step, ok bool) {
	arguments := c.arguments()
	if c.name() == "service" && len(arguments) == 2 {
		arguments = []string{arguments[1], arguments[0]}
	}
	if len(arguments) > 0 && arguments[0] == "daemon-reload" {
		return nil, true // the agent does it where a unit was written
	}
	if len(arguments) < 2 || !slices.Contains(verbs, arguments[0]) {
		return nil, false
	}
	for _, unit := range arguments[1:] {
		if !strings.Contains(unit, ".") || strings.HasPrefix(unit, "php") && strings.HasSuffix(unit, "-fpm") {
			unit += ".service"
		}
		if slices.Contains([]string{"ssh.service", "sshd.service"}, unit) {
			t.drop(c.statement, "the agent locks nobody out, so that SSH needs no restart")
			continue
		}
		do := []string{arguments[0]}
		if slices.ContainsFunc(c.words, func(word value) bool { return word.text == "--now" }) {
			do = append(do, map[string]string{"enable": "start", "disable": "stop", "mask": "stop"}[arguments[0]])
		}
		steps = append(steps, makeStep("service", unit, "do", do))
	}
	return steps, true
}

// together are verbs for one unit: a stop and a start behind it are a restart.
func together(verbs, more []string) []string {
	if last := len(verbs) - 1; verbs[last] == "stop" && more[0] == "start" {
		return append(slices.Clone(verbs[:last]), "restart")
	}
	return slices.Compact(append(slices.Clone(verbs), more...))
}

// add adds a step; one for the same unit as the step before is done with it.
func (t *translator) add(made *step) {
	last := t.lastStep()
	if unit := made.get("service"); unit != nil && last != nil && last.get("service") == unit &&
		last.get("optional") == made.get("optional") {
		last.set("do", together(last.get("do").([]string), made.get("do").([]string)))
		last.from = append(last.from, made.from...)
		return
	}
	t.steps = append(t.steps, made)
}

// lastStep is the step before, where nothing stays shell behind it.
func (t *translator) lastStep() *step {
	if len(t.steps) == 0 || len(t.pending) > 0 {
		return nil
	}
	return t.steps[len(t.steps)-1]
}

var portRule = regexp.MustCompile(`^[0-9,:]+(/(tcp|udp))?$`)

// services are names of ufw for ports.
var services = map[string]string{
	"ssh": "22/tcp", "openssh": "22/tcp", "http": "80/tcp", "https": "443/tcp", "www": "80/tcp", "nginx full": "80,443/tcp",
	"apache full": "80,443/tcp",
	"nginx http":  "80/tcp", "nginx https": "443/tcp", "apache": "80/tcp", "www full": "80,443/tcp",
}

func (t *translator) firewall(c command) ([]*step, bool) {
	arguments := c.arguments()
	if len(arguments) == 0 {
		return nil, false
	}
	switch arguments[0] {
	case "enable", "reload", "status", "default", "logging":
		return nil, true
	case "allow", "limit":
	default:
		return nil, false
	}
	if len(arguments) != 2 {
		return nil, false
	}
	rule := arguments[1]
	if port, named := services[strings.ToLower(rule)]; named {
		rule = port
	}
	if !portRule.MatchString(rule) {
		return nil, false
	}
	if !strings.Contains(rule, "/") {
		rule += "/tcp"
	}
	if arguments[0] == "limit" {
		rule += " limit"
	}
	if last := t.lastStep(); last != nil && last.get("firewall") != nil {
		last.set("firewall", append(last.get("firewall").([]string), rule))
		return nil, true
	}
	return []*step{makeStep("firewall", []string{rule})}, true
}

// conditional translates what a condition does not change: a step that is done twice does no harm, so that what asks whether
// it is done already needs no question.
func (t *translator) conditional(clause *syntax.IfClause) ([]*step, bool) {
	condition := ""
	for _, statement := range clause.Cond {
		condition += printed(statement) + ";"
	}
	switch {
	case strings.Contains(condition, ".digitalocean_dbaas_credentials") && !strings.Contains(condition, "! -"):
		return t.managed(clause)
	case clause.Else == nil && !t.speaks && onlySays(clause.Then):
		t.drop(clause, "each step's failure is told, with its reason")
		return nil, true
	case clause.Else == nil && notYet.MatchString(condition):
		return t.several(clause.Then, nil)
	case clause.Else == nil && isThere.MatchString(condition) && t.hasFile(isThere.FindStringSubmatch(condition)[1]):
		return t.several(clause.Then, nil)
	}
	return nil, false
}

// managed translates what is done where the customer chose a managed database: the agent does that by itself, and what is read
// of the credentials is .database in templates, whichever database it is. What is done otherwise is the image's own.
func (t *translator) managed(clause *syntax.IfClause) (steps []*step, ok bool) {
	for _, statement := range clause.Then {
		call, ok := statement.Cmd.(*syntax.CallExpr)
		if !ok || len(call.Args) > 0 {
			continue
		}
		for _, assign := range call.Assigns {
			if v, ok := t.word(assign.Value, assign.Name.Value); ok && strings.Contains(v.text, "{{ .database.") {
				t.variables[assign.Name.Value] = v
			}
		}
	}
	if t.speaks || clause.Else == nil {
		return nil, t.speaks
	}
	if len(clause.Else.Cond) > 0 {
		return nil, false
	}
	taken := map[string]value{}
	for name, v := range t.variables {
		if strings.Contains(v.text, "{{ .database.") {
			taken[name] = v
		}
	}
	steps, ok = t.several(clause.Else.Then, nil)
	if !ok || t.database == nil {
		return nil, false
	}
	for name, v := range taken {
		t.variables[name] = v
	}
	for _, statement := range clause.Then {
		t.drop(
			statement,
			"database: with managed: optional does this: a login, an account of the app's own, DATABASE_URL, and the image's own server off",
		)
	}
	return steps, true
}

// onlySays reports whether statements only say something, or end the script.
func onlySays(statements []*syntax.Stmt) bool {
	for _, statement := range statements {
		call, ok := statement.Cmd.(*syntax.CallExpr)
		if !ok || len(call.Args) == 0 || !quiet(statement.Redirs) {
			return false
		}
		if _, none := nothing[call.Args[0].Lit()]; !none || call.Args[0].Lit() == "exec" {
			return false
		}
	}
	return true
}

var (
	notYet  = regexp.MustCompile(`^(! \[\[? -[fedL] [^&|]*\]\]?|\[\[? ! -[fedL] [^&|]*\]\]?|! grep -[a-zA-Z]+ .*|! id .*);$`)
	isThere = regexp.MustCompile(`^\[\[? -[fedx] "?([^ "]+)"? \]\]?;$`)
)

// hasFile reports whether the image brings a file or a directory.
func (t *translator) hasFile(name string) bool {
	if variable, is := strings.CutPrefix(name, "$"); is {
		name = t.variables[strings.Trim(variable, "{}")].text
	}
	_, ours := t.source.files[name]
	return ours || t.isDirectory(name)
}

// loop translates a loop that waits: its condition is a command, and its body only sleeps, counts and says so.
func (t *translator) loop(s *syntax.Stmt, clause *syntax.WhileClause) ([]*step, bool) {
	if len(clause.Cond) != 1 || len(s.Redirs) > 0 && !quiet(s.Redirs) {
		return nil, false
	}
	for _, statement := range clause.Do {
		call, ok := statement.Cmd.(*syntax.CallExpr)
		if _, arithmetic := statement.Cmd.(*syntax.ArithmCmd); arithmetic {
			continue
		}
		if !ok || len(call.Args) > 0 && !slices.Contains([]string{"sleep", "echo", "printf", "true", ":", "let"}, call.Args[0].Lit()) {
			return nil, false
		}
	}
	condition := clause.Cond[0]
	waits := condition.Negated != clause.Until // while !, or until
	call, ok := condition.Cmd.(*syntax.CallExpr)
	if !ok || !waits || len(call.Args) == 0 || len(condition.Redirs) > 0 && !quiet(condition.Redirs) {
		return nil, false
	}
	words, ok := t.words(call.Args)
	if !ok {
		return nil, false
	}
	var arguments []string
	for _, word := range words {
		if word.secret != "" {
			return nil, false
		}
		arguments = append(arguments, word.text)
	}
	return []*step{makeStep("wait", waitFor(arguments), "within", "5m")}, true
}

// waitFor is what a command that is asked again and again waits for.
func waitFor(arguments []string) []pair {
	last := arguments[len(arguments)-1]
	switch {
	case arguments[0] == "curl" && strings.HasPrefix(last, "http"):
		return []pair{{"http", last}}
	case arguments[0] == "nc" && len(arguments) > 2:
		return []pair{{"tcp", arguments[len(arguments)-2] + ":" + last}}
	case arguments[0] == "systemctl" && len(arguments) > 2 && arguments[1] == "is-active":
		if !strings.Contains(last, ".") {
			last += ".service"
		}
		return []pair{{"unit", last}}
	}
	return []pair{{"command", arguments}}
}

// maxRounds is how often the body of a loop over words is written out.
const maxRounds = 12

// each writes a loop over known words out.
func (t *translator) each(clause *syntax.ForClause) (all []*step, ok bool) {
	over, isWords := clause.Loop.(*syntax.WordIter)
	if !isWords || len(over.Items) == 0 || len(over.Items) > maxRounds {
		return nil, false
	}
	items, ok := t.words(over.Items)
	if !ok {
		return nil, false
	}
	for _, item := range items {
		t.variables[over.Name.Value] = item
		steps, ok := t.several(clause.Do, nil)
		if !ok {
			return nil, false
		}
		all = append(all, steps...)
	}
	return all, true
}
