package manifest

import (
	"fmt"
	"oneclick-agent/agent/pattern"
	"path"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Kind is the step's kind: the name of the one key that says what it does, or "".
func (s *Step) Kind() string {
	kinds := setKinds(reflect.ValueOf(*s), func(string) bool { return false })
	if len(kinds) == 0 {
		return ""
	}
	return kinds[0]
}

// setKinds lists the kind keys of a step that were written.
func setKinds(v reflect.Value, present func(key string) bool) (kinds []string) {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if kind := field.Tag.Get("kind"); kind != "" && (!v.Field(i).IsZero() || present(kind)) {
			kinds = append(kinds, kind)
		}
	}
	return kinds
}

// keysBelong reports keys that were written but do not go with the kind.
func keysBelong(d *decoder, v reflect.Value, at, kind, what string) {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		key, belongs := field.Tag.Get("yaml"), field.Tag.Get("for")
		if belongs == "" || !d.present[join(at, key)] || slices.Contains(strings.Fields(belongs), kind) {
			continue
		}
		var same []string
		for j := range v.NumField() {
			other := v.Type().Field(j)
			if slices.Contains(strings.Fields(other.Tag.Get("for")), kind) {
				same = append(same, other.Tag.Get("yaml"))
			}
		}
		hint := ""
		if len(same) > 0 {
			hint = "it takes: " + strings.Join(same, ", ")
		}
		d.report(join(at, key), hint, "does not belong to %s %s", what, kind)
	}
}

func (m *Manifest) validateStep(d *decoder, s *Step, at string, login bool) {
	v := reflect.ValueOf(*s)
	kinds := setKinds(v, func(key string) bool { return d.present[join(at, key)] })
	misspelled := func(keys ...string) bool {
		return slices.ContainsFunc(keys, func(key string) bool { return d.misspelled[join(at, key)] })
	}
	switch {
	case len(kinds) == 0 && misspelled("file", "edit", "directory", "link", "remove", "run", "service", "wait", "firewall", "tty"):
		return
	case len(kinds) == 0:
		var all []string
		for i := range v.NumField() {
			if kind := v.Type().Field(i).Tag.Get("kind"); kind != "" {
				all = append(all, kind)
			}
		}
		d.report(at, "", "says nothing to do; a step is one of %s", strings.Join(all, ", "))
		return
	case len(kinds) > 1:
		d.report(at, "make two steps of it", "is more than one step: %s", strings.Join(kinds, " and "))
		return
	}
	kind := kinds[0]
	keysBelong(d, v, at, kind, "a step of kind")
	m.validateWhen(d, s.When, at+".when")
	if s.Dir != "" {
		m.validatePath(d, string(s.Dir), at+".dir")
	}
	switch kind {
	case "file":
		m.validateFile(d, s, at)
	case "edit":
		m.validateEdit(d, s, at)
	case "directory":
		m.validatePath(d, string(s.Directory), at+".directory")
	case "link":
		m.validatePath(d, string(s.Link), at+".link")
		if s.To == "" && !misspelled("to") {
			d.report(at, "add to: PATH", "a link needs what it points to")
		}
	case "remove":
		m.validatePath(d, string(s.Remove), at+".remove")
	case "run":
		m.validateRun(d, s, at)
	case "tty":
		m.validateCommand(d, s.TTY, at+".tty")
		if !login {
			d.report(at, "move it to first_login.steps", "nobody is at a terminal during first boot")
		}
	case "service":
		m.validateUnit(d, s.Service, at+".service")
		if len(s.Do) == 0 && !misspelled("do") {
			d.report(at, "add do: [enable, restart]", "says nothing to do with the unit")
		}
	case "wait":
		m.validateWait(d, s.Wait, at+".wait")
	case "firewall":
		validateFirewall(d, s, at)
	}
	if s.Owner != "" && !ownerPattern().MatchString(s.Owner) {
		d.report(at+".owner", "write it as user:group", "cannot be an owner: %q", s.Owner)
	}
}

func validateFirewall(d *decoder, s *Step, at string) {
	for i, rule := range s.Firewall {
		if _, err := ParseRule(rule); err != nil {
			d.report(index(at+".firewall", i), "write it as 80/tcp, 53/udp, 8000-8010/tcp or 22/tcp limit", "%s", err)
		}
	}
}

var ownerPattern = pattern.New(`^[A-Za-z0-9_.-]*(:[A-Za-z0-9_.-]+)?$`)

func (m *Manifest) validateFile(d *decoder, s *Step, at string) {
	m.validatePath(d, string(s.File), at+".file")
	var sources []string
	for _, key := range []string{"template", "content", "copy"} {
		if d.present[join(at, key)] || d.misspelled[join(at, key)] {
			sources = append(sources, key)
		}
	}
	if len(sources) != 1 {
		d.report(at, "keep one of template, content and copy", "a file needs exactly one source, and has %d", len(sources))
	}
	if s.Template != "" {
		m.validateRelative(d, s.Template, at+".template")
	}
	if s.Copy != "" {
		m.validateRelative(d, s.Copy, at+".copy")
	}
}

// formats tells an edited file's format by its extension, or by its name.
var formats = map[string]string{
	".env": "dotenv", ".ini": "ini", ".cnf": "ini", ".yaml": "yaml", ".yml": "yaml", ".json": "json", ".toml": "toml", ".php": "php",
}

// EditFormat is the format that an edit step reads its file in: as said, or as the file's name tells; "text"
// otherwise.
func (s *Step) EditFormat() string {
	if s.Format != "" {
		return s.Format
	}
	base := path.Base(string(s.Edit))
	if format, ok := formats[path.Ext(base)]; ok {
		return format
	}
	if strings.HasPrefix(base, ".env") {
		return "dotenv"
	}
	return "text"
}

func (m *Manifest) validateEdit(d *decoder, s *Step, at string) {
	m.validatePath(d, string(s.Edit), at+".edit")
	if d.misspelled[at+".set"] || d.misspelled[at+".unset"] || d.misspelled[at+".line"] || d.misspelled[at+".block"] {
		return
	}
	keyed := len(s.Set) > 0 || len(s.Unset) > 0
	ways := 0
	for _, way := range []bool{keyed, s.Line != nil, s.Block != nil} {
		if way {
			ways++
		}
	}
	if ways != 1 {
		d.report(at, "use set and unset, or line, or block", "an edit needs exactly one way to change the file, and has %d", ways)
		return
	}
	format := s.EditFormat()
	if keyed && format == "text" {
		d.report(at, "add format: dotenv, or change one line with line:", "set and unset need a format that has keys; %s is plain text", s.Edit)
	}
	for key, value := range s.Set {
		switch value.Any.(type) {
		case map[string]any, []any:
			if format == "dotenv" || format == "ini" || format == "php" {
				d.report(join(at+".set", key), "", "%s holds single values, not lists or mappings", format)
			}
		}
		if slices.Contains(s.Unset, key) {
			d.report(join(at+".set", key), "", "is set and unset at once")
		}
	}
	if s.Line != nil {
		if s.Line.Match != "" && !strings.HasPrefix(s.Line.Match, "^") {
			d.report(at+".line.match", "begin it with ^", "must be anchored, so that it cannot match in the middle of another line")
		}
		m.validateRegexp(d, s.Line.Match, at+".line.match")
		if strings.Contains(string(s.Line.Set), "\n") {
			d.report(at+".line.set", "use block:", "must be one line")
		}
	}
}

func (m *Manifest) validateRun(d *decoder, s *Step, at string) {
	m.validateCommand(d, s.Run, at+".run")
	if d.present[at+".unless"] {
		m.validateCommand(d, s.Unless, at+".unless")
	}
	for name := range s.Env {
		if !environmentName().MatchString(name) {
			d.report(join(at+".env", name), "", "is not the name of an environment variable: %q", name)
		}
	}
	for i, capture := range s.Capture {
		here := index(at+".capture", i)
		if secret, ok := m.Secrets[capture.Secret]; !ok {
			d.report(here+".secret", "add it to secrets with captured: true", "there is no secret %q", capture.Secret)
		} else if !secret.Captured {
			d.report(here+".secret", "add captured: true to it", "the secret %q is generated, not captured", capture.Secret)
		}
		if (capture.Pattern == "") == (capture.JSON == "") {
			d.report(here, "", "needs either pattern or json")
		}
		if compiled := m.validateRegexp(d, capture.Pattern, here+".pattern"); capture.Pattern != "" && compiled != nil && compiled.NumSubexp() != 1 {
			d.report(here+".pattern", `such as token: (\S+)`, "must have exactly one group, the value")
		}
		if capture.JSON != "" && !strings.HasPrefix(capture.JSON, ".") {
			d.report(here+".json", "such as .root_token", "must begin with a dot")
		}
	}
}

func (m *Manifest) validateCommand(d *decoder, command Command, at string) {
	switch {
	case len(command) == 0 || command[0] == "":
		d.report(at, "", "names no command")
	case len(command) == 1 && strings.Contains(string(command[0]), " "):
		d.report(at, "write each argument as an entry of the list", "a command is a list of arguments, not a shell's line")
	}
}

// validateWhen wants a condition that can be true or false: a bare word is one that lost its braces.
func (m *Manifest) validateWhen(d *decoder, when Template, at string) {
	text := strings.TrimSpace(string(when))
	if text == "" || strings.Contains(text, "{{") || text == "true" || text == "false" {
		return
	}
	d.report(at, fmt.Sprintf("write \"{{ %s }}\"", text), "is neither true nor false, whatever the Droplet: %q", text)
}

func (m *Manifest) validateWait(d *decoder, w *Wait, at string) {
	ways := 0
	v := reflect.ValueOf(*w)
	for i := range v.NumField() {
		if v.Type().Field(i).Name != "Is" && !v.Field(i).IsZero() {
			ways++
		}
	}
	if ways != 1 {
		d.report(at, "one of http, tcp, unix, unit, command, dns, container", "needs exactly one condition, and has %d", ways)
	}
	if w.Is != "" && w.DNS == "" {
		d.report(at+".is", "", "belongs to dns")
	}
	if http := string(w.HTTP); http != "" && !strings.HasPrefix(http, "http://") && !strings.HasPrefix(http, "https://") && !strings.HasPrefix(http, "{{") {
		d.report(at+".http", "write http://"+http, "is no address of the web: %q", http)
	}
	if w.Unit != "" {
		m.validateUnit(d, w.Unit, at+".unit")
	}
	if w.Command != nil {
		m.validateCommand(d, w.Command, at+".command")
	}
}

// Rule is one opening in the firewall.
type Rule struct {
	From, To int // ports
	Protocol string
	Limit    bool // slow down repeated connections
}

// Ports is the rule's ports, "80" or "8000-8010" with the given dash.
func (r Rule) Ports(dash string) string {
	if r.From == r.To {
		return strconv.Itoa(r.From)
	}
	return fmt.Sprintf("%d%s%d", r.From, dash, r.To)
}

var rulePattern = pattern.New(`^(\d{1,5})(?:-(\d{1,5}))?/(tcp|udp)( limit)?$`)

// ParseRule reads "80/tcp", "53/udp", "8000-8010/tcp", "22/tcp limit".
func ParseRule(text string) (Rule, error) {
	match := rulePattern().FindStringSubmatch(text)
	if match == nil {
		return Rule{}, fmt.Errorf("is not a firewall rule: %q", text)
	}
	from, _ := strconv.Atoi(match[1])
	to := from
	if match[2] != "" {
		to, _ = strconv.Atoi(match[2])
	}
	if from < 1 || to > 65535 || to < from {
		return Rule{}, fmt.Errorf("names no ports between 1 and 65535: %q", text)
	}
	return Rule{from, to, match[3], match[4] != ""}, nil
}

// Writes is the path that a step makes or removes as a whole, or "" when it does not.
func (s *Step) Writes() string {
	for _, target := range []Template{s.File, s.Link, s.Remove, s.Directory} {
		if target != "" {
			return string(target)
		}
	}
	return ""
}

// validateConflicts finds steps that would undo one another. Steps with different conditions may share a path:
// at most one of them may turn out to apply, which the run checks.
func (m *Manifest) validateConflicts(d *decoder) {
	for _, steps := range []string{"first_boot", "first_login.steps"} {
		writers := map[string][]string{}
		keys := map[string]string{}
		conditions := map[string]Template{}
		m.eachStep(func(at string, s *Step, login bool) {
			if login != (steps == "first_login.steps") {
				return
			}
			conditions[at] = s.When
			clash := func(other, what string) {
				if conditions[other] == "" || s.When == "" || conditions[other] == s.When {
					d.report(at, "join the two steps, or give them different conditions with when:", "%s", what+other)
				}
			}
			if target := s.Writes(); target != "" {
				for _, other := range writers[target] {
					clash(other, target+" is written already by ")
				}
				writers[target] = append(writers[target], at)
			}
			if target := string(s.Edit); target != "" {
				for _, other := range writers[target] {
					clash(other, target+" is edited here and written as a whole by ")
				}
				for _, key := range editedKeys(s) {
					if other, ok := keys[target+"\x00"+key]; ok {
						clash(other, fmt.Sprintf("%s of %s is changed already by ", key, target))
					}
					keys[target+"\x00"+key] = at
				}
			}
		})
		m.eachStep(func(at string, s *Step, login bool) {
			for _, other := range writers[string(s.Edit)] {
				if s.Edit != "" && login == (steps == "first_login.steps") && stepNumber(other) > stepNumber(at) {
					d.report(other, "write the file first, or say everything in one template", "%s would undo the edit of %s", s.Edit, at)
				}
			}
		})
	}
}

func editedKeys(s *Step) []string {
	keys := append(sortedKeys(s.Set), s.Unset...)
	if s.Line != nil {
		keys = append(keys, "the line "+s.Line.Match)
	}
	if s.Block != nil {
		keys = append(keys, "the block")
	}
	return keys
}

func stepNumber(at string) int {
	number, _ := strconv.Atoi(strings.Trim(at[strings.LastIndexByte(at, '['):], "[]"))
	return number
}
