package importer

import (
	"path"
	"regexp"
	"strings"
)

// sed translates sed -i: of a file that the image brings into a template of it, of another one's line into an edit.
func (t *translator) sed(c command) (steps []*step, ok bool) {
	var expressions, names []string
	extended, inPlace := false, false
	for i := 1; i < len(c.words); i++ {
		word := c.words[i].text
		switch {
		case word == "-e" && i+1 < len(c.words):
			i++
			expressions = append(expressions, c.words[i].text)
		case word == "-E" || word == "-r":
			extended = true
		case strings.HasPrefix(word, "-i") || word == "--in-place":
			inPlace = true
			extended = extended || strings.ContainsAny(word, "Er")
		case strings.HasPrefix(word, "-"):
			return nil, false
		case len(expressions) == 0:
			expressions = append(expressions, word)
		default:
			names = append(names, word)
		}
	}
	if !inPlace || len(names) != 1 {
		return nil, false
	}
	name := path.Clean(names[0])
	switch {
	case name == "/etc/ssh/sshd_config" || strings.HasPrefix(name, "/etc/ssh/sshd_config.d/"):
		t.drop(c.statement, "the agent locks nobody out while first boot runs: it shows the progress at the login")
		return nil, strings.Contains(strings.Join(expressions, " "), "Match User") ||
			strings.Contains(strings.Join(expressions, " "), "ForceCommand")
	case name == "/root/.bashrc":
		t.drop(c.statement, "the agent takes its line out of .bashrc by itself")
		return nil, true
	}
	for _, expression := range expressions {
		for part := range strings.SplitSeq(expression, ";\n") {
			made, ok := t.substitution(name, strings.TrimSpace(part), extended)
			if !ok {
				return nil, false
			}
			steps = append(steps, made...)
		}
	}
	return steps, true
}

// substitution is one s command of sed.
func (t *translator) substitution(name, expression string, extended bool) ([]*step, bool) {
	pattern, replacement, flags, ok := parts(strings.TrimSuffix(expression, ";"))
	if !ok {
		return nil, false
	}
	source, err := regexp.Compile(translated(pattern, extended))
	if err != nil || strings.Contains(pattern, "{{") {
		return nil, false
	}
	to, ok := replaced(replacement)
	if !ok {
		return nil, false
	}
	content, known := t.templates[name]
	if raw, ours := t.source.files[name]; !known && ours && raw != nil {
		content, known = literal(string(raw)), true
	}
	if known {
		if made := t.fileStep(name); made != nil {
			return nil, false
		}
		return t.template(name, substituteLines(content, source, to, strings.Contains(flags, "g"))), true
	}
	if made := t.fileStep(name); made != nil {
		made.set("content", substituteLines(made.get("content").(string), source, to, strings.Contains(flags, "g")))
		return nil, true
	}
	// Of a file that is not known, only a whole line can be set.
	if !strings.HasPrefix(pattern, "^") || !strings.HasSuffix(pattern, ".*") && !strings.HasSuffix(pattern, "$") {
		return nil, false
	}
	match := strings.TrimSuffix(source.String(), "(?:)")
	if !strings.HasSuffix(match, "$") {
		match += "$"
	}
	return []*step{makeStep("edit", name, "format", "text", "line", []pair{{"match", match}, {"set", to}})}, true
}

// parts takes s/PATTERN/REPLACEMENT/FLAGS apart, with whatever stands for the slash.
func parts(expression string) (pattern, replacement, flags string, ok bool) {
	if len(expression) < 4 || expression[0] != 's' {
		return "", "", "", false
	}
	mark := expression[1]
	var fields []string
	var field strings.Builder
	for i := 2; i < len(expression); i++ {
		switch c := expression[i]; {
		case c == '\\' && i+1 < len(expression) && expression[i+1] == mark:
			field.WriteByte(mark)
			i++
		case c == '\\' && i+1 < len(expression):
			field.WriteString(expression[i : i+2])
			i++
		case c == mark:
			fields = append(fields, field.String())
			field.Reset()
		default:
			field.WriteByte(c)
		}
	}
	if len(fields) != 2 {
		return "", "", "", false
	}
	return fields[0], fields[1], field.String(), !strings.ContainsAny(field.String(), "wepM")
}

// translated is a pattern of sed as Go reads it. In a basic one a backslash makes the signs special that are so by themselves
// in an extended one.
func translated(pattern string, extended bool) string {
	if extended {
		return pattern
	}
	var b strings.Builder
	for i := 0; i < len(pattern); i++ {
		c := pattern[i]
		switch {
		case c == '\\' && i+1 < len(pattern):
			i++
			if next := pattern[i]; strings.IndexByte("(){}+?|", next) >= 0 {
				b.WriteByte(next)
			} else {
				b.WriteString(regexp.QuoteMeta(string(next)))
			}
		case strings.IndexByte("(){}+?|", c) >= 0:
			b.WriteString(`\` + string(c))
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// replaced is the text that a replacement stands for; one that takes parts of the match over is none.
func replaced(replacement string) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(replacement); i++ {
		c := replacement[i]
		switch {
		case c == '&':
			return "", false
		case c == '\\' && i+1 < len(replacement):
			i++
			next := replacement[i]
			if next >= '0' && next <= '9' {
				return "", false
			}
			if next == 'n' {
				next = '\n'
			}
			b.WriteByte(next)
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), true
}

// substituteLines replaces the first match in each line, or all.
func substituteLines(content string, pattern *regexp.Regexp, to string, all bool) string {
	var b strings.Builder
	for line := range strings.Lines(content) {
		text, end := line, ""
		if strings.HasSuffix(line, "\n") {
			text, end = line[:len(line)-1], "\n"
		}
		if all {
			text = pattern.ReplaceAllLiteralString(text, to)
		} else if at := pattern.FindStringIndex(text); at != nil {
			text = text[:at[0]] + to + text[at[1]:]
		}
		b.WriteString(text + end)
	}
	return b.String()
}
