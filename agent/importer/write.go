package importer

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"oneclick-agent/agent/lint"
	"oneclick-agent/agent/problem"
)

// maxMessage is how many lines of the message of the day are kept.
const maxMessage = 46

// write writes the manifest and its templates. What does not lint becomes shell again, or is left out, until the rest does.
func (t *translator) write(lines *Lines) (map[string][]byte, error) {
	t.text = message(t.text)
	t.settleSQL(lines)
	for {
		files := map[string][]byte{"app.yaml": t.manifest()}
		for name, content := range t.templates {
			files[templateName(name)] = []byte(content)
		}
		for _, name := range t.brought() {
			files["test/image"+name] = nil
		}
		_, problems := lint.Parse(files["app.yaml"], "app.yaml")
		if len(problems) == 0 {
			return files, nil
		}
		if !t.mend(problems, lines) {
			return nil, problems
		}
	}
}

// settleSQL takes the statements about the database out, where the manifest makes it, and leaves them to the shell where not.
func (t *translator) settleSQL(lines *Lines) {
	at := slices.Index(t.steps, t.sqlStep)
	if at < 0 {
		return
	}
	if t.database.pairs() != nil {
		t.steps = slices.Delete(t.steps, at, at+1)
		return
	}
	t.database = nil
	fragments := slices.CompactFunc(t.sqlStep.from, func(a, b fragment) bool { return a.node == b.node })
	lines.Typed -= sum(fragments)
	lines.Left += sum(fragments)
	t.steps[at] = t.shell(fragments)
}

// brought are files that steps copy and neither the image's directory nor a step has: packages or the build bring them. A trial needs
// something in their place.
func (t *translator) brought() (names []string) {
	for _, made := range t.steps {
		name, ok := made.get("copy").(string)
		if _, ours := t.source.files[name]; ok && !ours && made.get("file") != nil && t.made(name) == nil {
			names = append(names, name)
		}
	}
	return names
}

var (
	stepPath   = regexp.MustCompile(`^(first_boot|first_login\.steps)\[(\d+)\]`)
	secretPath = regexp.MustCompile(`^secrets\.([a-z0-9_]+)`)
)

// mend gives up what problems are about, of the steps one at a time, because each changes the numbers of the others. It reports
// whether anything was given up: each time there is less, so that it comes to an end.
func (t *translator) mend(problems problem.List, lines *Lines) (mended bool) {
	worst, phase := -1, &t.steps
	for _, p := range problems {
		switch {
		case stepPath.MatchString(p.Path):
			found := stepPath.FindStringSubmatch(p.Path)
			number, _ := strconv.Atoi(found[2])
			if which := t.phase(found[1]); which == phase || worst < 0 {
				worst, phase = max(worst, number), which
			}
		case strings.HasPrefix(p.Path, "motd"):
			mended = mended || len(t.text) > 0
			t.text = cut(t.text)
		case strings.HasPrefix(p.Path, "database"):
			mended = mended || t.database != nil
			t.database = nil
		case secretPath.MatchString(p.Path):
			name := secretPath.FindStringSubmatch(p.Path)[1]
			mended = mended || t.secrets[name] != nil
			t.secrets[name] = nil
		}
	}
	if worst >= 0 && worst < len(*phase) {
		t.giveUp(phase, worst, lines)
		mended = true
	}
	return mended
}

// phase are the steps that a path of the manifest begins with.
func (t *translator) phase(name string) *[]*step {
	if name == "first_boot" {
		return &t.steps
	}
	return &t.asked
}

// giveUp makes shell of a step, and leaves one out that shell was made of already.
func (t *translator) giveUp(phase *[]*step, number int, lines *Lines) {
	steps := *phase
	defer func() { *phase = steps }()
	made := steps[number]
	if made.shell || len(made.from) == 0 {
		steps = slices.Delete(steps, number, number+1)
		for _, f := range made.from {
			t.dropped = append(t.dropped, problem.Problem{Position: f.place(), Message: firstLine(f.text),
				Hint: "it could not be said so that the manifest can be read; write it by hand"})
		}
		return
	}
	for _, f := range made.from {
		lines.Left += f.lines
		if made.command {
			lines.Commands -= f.lines
		} else {
			lines.Typed -= f.lines
		}
	}
	steps[number] = t.shell(made.from)
	// What came of the same statement is shell now, too.
	for other := len(steps) - 1; other >= 0; other-- {
		if other != number && len(steps[other].from) == 1 && len(made.from) == 1 && steps[other].from[0].node == made.from[0].node {
			steps = slices.Delete(steps, other, other+1)
			if other < number {
				number--
			}
		}
	}
}

// message is the text of the day without what only decorates it.
func message(texts []string) []string {
	var lines []string
	for line := range strings.Lines(strings.Join(texts, "")) {
		line = strings.TrimRight(line, " \t\n")
		if strings.Trim(line, "*=-#_~ ") == "" {
			line = ""
		}
		if line != "" || len(lines) > 0 && lines[len(lines)-1] != "" {
			lines = append(lines, line)
		}
	}
	return lines[:min(len(lines), maxMessage)]
}

func cut(lines []string) []string { return lines[:len(lines)*3/4] }

// manifest is app.yaml.
func (t *translator) manifest() []byte {
	app := []pair{{"name", t.source.name}}
	if t.source.version != "" {
		app = append(app, pair{"version", t.source.version})
	}
	document := mapping([]pair{{"version", 1}, {"app", app}})
	if len(t.secretOrder) > 0 {
		var secrets []pair
		for _, name := range t.secretOrder {
			var description []pair
			for i := 0; i+1 < len(t.secrets[name]); i += 2 {
				description = append(description, pair{t.secrets[name][i], number(t.secrets[name][i+1])})
			}
			secrets = append(secrets, pair{name, description})
		}
		document.Content = append(document.Content, scalar("secrets"), mapping(secrets))
	}
	if described := t.database.pairs(); described != nil {
		document.Content = append(document.Content, scalar("database"), mapping(described))
	}
	if len(t.steps) > 0 {
		document.Content = append(document.Content, scalar("first_boot"), list(t.steps))
	}
	if len(t.terminal)+len(t.asked)+len(t.questions) > 0 {
		steps := slices.Clone(t.asked)
		for _, name := range slices.Compact(t.terminal) {
			made := makeStep("tty", []string{name})
			made.comment = []string{"The vendor's own program asks; questions: of the manifest would keep each answer and resume."}
			steps = append(steps, made)
		}
		login := &yaml.Node{Kind: yaml.MappingNode}
		if len(t.questions) > 0 {
			login.Content = append(login.Content, scalar("questions"), list(t.questions))
		}
		if len(steps) > 0 {
			login.Content = append(login.Content, scalar("steps"), list(steps))
		}
		document.Content = append(document.Content, scalar("first_login"), login)
	}
	if text := strings.Trim(strings.Join(t.text, "\n"), "\n"); text != "" {
		document.Content = append(document.Content, scalar("motd"), scalar(text+"\n"))
	}
	document.HeadComment = fmt.Sprintf("# %s, read from the shell of an image: look at each comment, then try it.", printable(t.source.name))
	text, err := yaml.Dump(document, yaml.WithIndent(2))
	if err != nil {
		return nil
	}
	return text
}

func printable(text string) string { return strings.ReplaceAll(problem.OneLine(text), "#", "") }

func number(text string) any {
	if n, err := strconv.Atoi(text); err == nil {
		return n
	}
	return text
}

func scalar(text string) *yaml.Node {
	node := &yaml.Node{}
	node.SetString(text)
	return node
}

func list(steps []*step) *yaml.Node {
	node := &yaml.Node{Kind: yaml.SequenceNode}
	for _, made := range steps {
		entry := mapping(made.pairs)
		if len(made.comment) > 0 {
			entry.HeadComment = "# " + strings.Join(made.comment, "\n# ")
		}
		node.Content = append(node.Content, entry)
	}
	return node
}

// mapping is pairs as YAML.
func mapping(pairs []pair) *yaml.Node {
	node := &yaml.Node{Kind: yaml.MappingNode}
	for _, p := range pairs {
		node.Content = append(node.Content, scalar(p.key), valueNode(p.value))
	}
	if len(pairs) == 0 {
		node.Style = yaml.FlowStyle
	}
	return node
}

func valueNode(v any) *yaml.Node {
	switch v := v.(type) {
	case []pair:
		return mapping(v)
	case []string:
		node := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
		for _, text := range v {
			if strings.Contains(text, "\n") {
				node.Style = 0
			}
			node.Content = append(node.Content, scalar(text))
		}
		return node
	case []any:
		node := &yaml.Node{Kind: yaml.SequenceNode}
		for _, one := range v {
			node.Content = append(node.Content, valueNode(one))
		}
		return node
	case string:
		return scalar(v)
	case bool:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: strconv.FormatBool(v)}
	case int:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: strconv.Itoa(v)}
	}
	return scalar("")
}
