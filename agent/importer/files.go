package importer

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// passwordsFile is where people find what was generated; the agent writes it by itself.
const passwordsFile = "/root/.digitalocean_password"

// written is the file that output goes to, and whether it is added there.
func (t *translator) written(redirections []*syntax.Redirect) (target string, appends, ok bool) {
	for _, r := range redirections {
		if r.Op != syntax.RdrOut && r.Op != syntax.AppOut && r.Op != syntax.RdrAll && r.Op != syntax.RdrClob || r.N != nil && r.N.Value != "1" {
			continue
		}
		v, known := t.word(r.Word, "")
		if !known || v.text == "/dev/null" || strings.HasPrefix(v.text, "/var/log/") || strings.HasPrefix(v.text, "/dev/") {
			return "", false, false
		}
		return v.text, r.Op == syntax.AppOut, true
	}
	return "", false, false
}

// setting is a line NAME=VALUE.
var setting = regexp.MustCompile(`(?m)^(?:export )?([A-Za-z_][A-Za-z0-9_]*)=["']?(.*?)["']?$`)

// writeFile writes a text into a file, or adds it.
func (t *translator) writeFile(name string, text value, appends bool) ([]*step, bool) {
	name = path.Clean(name)
	switch {
	case strings.HasPrefix(name, passwordsFile):
		for _, found := range setting.FindAllStringSubmatch(text.text, -1) {
			t.variables[found[1]] = value{text: found[2], secret: text.secret}
		}
		return nil, true // the agent writes all secrets there
	case name == "/root/.bashrc" || strings.HasPrefix(name, "/etc/profile.d/"):
		if !t.takeLogin(text.text) {
			return nil, false
		}
		return nil, true
	case strings.HasPrefix(name, "/etc/update-motd.d/"), name == "/etc/motd":
		return nil, false
	case !path.IsAbs(name) && t.directory != "":
		name = path.Join(t.directory, name)
	}
	if !path.IsAbs(name) {
		return nil, false
	}
	if before := t.fileStep(name); before != nil && appends {
		before.set("content", before.get("content").(string)+text.text)
		return nil, true
	}
	if content, known := t.templates[name]; known && appends {
		t.templates[name] = content + text.text
		return nil, true
	}
	if content, known := t.source.files[name]; known && content != nil && appends {
		return t.template(name, literal(string(content))+text.text), true
	}
	if appends {
		return []*step{makeStep("edit", name, "format", "text", "block", strings.TrimRight(text.text, "\n")+"\n")}, true
	}
	return []*step{makeStep("file", name, "content", text.text)}, true
}

// fileStep is the step that writes a file with its content, where nothing ran since.
func (t *translator) fileStep(name string) *step {
	if len(t.pending) > 0 {
		return nil
	}
	for _, made := range slices.Backward(t.steps) {
		if made.get("file") == name {
			if _, ok := made.get("content").(string); ok {
				return made
			}
			return nil
		}
		if made.shell || made.command || made.get("service") != nil {
			return nil
		}
	}
	return nil
}

// template makes a file of the image a template of its own, and returns the step that fills it in, the first time.
func (t *translator) template(name, content string) []*step {
	_, again := t.templates[name]
	t.templates[name] = content
	if again {
		return nil
	}
	return []*step{makeStep("file", name, "template", templateName(name))}
}

// templateName is what the template of a file is called, beside the manifest.
func templateName(name string) string {
	return strings.ReplaceAll(strings.Trim(name, "/."), "/", "-") + ".tmpl"
}

func (t *translator) makeDirectory(c command) ([]*step, bool) {
	var steps []*step
	mode := ""
	for i := 1; i < len(c.words); i++ {
		word := c.words[i].text
		switch {
		case word == "-m" && i+1 < len(c.words):
			i++
			mode = octal(c.words[i].text)
		case strings.HasPrefix(word, "-"):
		case path.IsAbs(word):
			steps = append(steps, makeStep("directory", path.Clean(word), "mode", mode))
		case t.directory != "":
			steps = append(steps, makeStep("directory", path.Join(t.directory, word), "mode", mode))
		default:
			return nil, false
		}
	}
	return steps, len(steps) > 0
}

var octalDigits = regexp.MustCompile(`^[0-7]{3,4}$`)

// octal is a mode with its four digits, "" for what is none.
func octal(mode string) string {
	if !octalDigits.MatchString(mode) {
		return ""
	}
	if len(mode) == 3 {
		return "0" + mode
	}
	return mode
}

// giveAway sets an owner.
func (t *translator) giveAway(c command) ([]*step, bool) {
	arguments := c.arguments()
	if len(arguments) < 2 || c.name() == "chgrp" {
		return nil, false
	}
	owner := strings.ReplaceAll(arguments[0], ".", ":")
	if strings.HasSuffix(owner, ":") {
		owner += strings.TrimSuffix(owner, ":")
	}
	return t.attribute(arguments[1:], "owner", owner, c.has("R"))
}

func (t *translator) changeMode(c command) ([]*step, bool) {
	arguments := c.arguments()
	if len(arguments) < 2 {
		return nil, false
	}
	mode := octal(arguments[0])
	if mode == "" {
		// The build gives programs of the image their mode.
		executable := strings.HasSuffix(arguments[0], "+x")
		for _, name := range arguments[1:] {
			if _, ours := t.source.files[name]; !ours || !executable {
				return nil, false
			}
		}
		t.drop(c.statement, "the build gives the image's own files their mode")
		return nil, true
	}
	return t.attribute(arguments[1:], "mode", mode, c.has("R"))
}

// attribute gives paths an owner or a mode: of the step that made the path, or by a step of its own.
func (t *translator) attribute(names []string, key, to string, recursive bool) ([]*step, bool) {
	var steps []*step
	for _, name := range names {
		name = path.Clean(name)
		if strings.HasPrefix(name, passwordsFile) {
			continue
		}
		if !path.IsAbs(name) {
			return nil, false
		}
		if made := t.made(name); made != nil && !recursive && len(t.pending) == 0 {
			made.set(key, to)
			continue
		}
		content, isFile := t.source.files[name]
		_, isTemplate := t.templates[name]
		switch {
		case isFile && content != nil && !isTemplate:
			made := t.template(name, literal(string(content)))
			made[0].set(key, to)
			steps = append(steps, made...)
		case recursive && key == "owner", t.isDirectory(name) && !recursive:
			made := makeStep("directory", name, key, to)
			if recursive {
				made.set("recursive", true)
			}
			steps = append(steps, made)
		default:
			return nil, false
		}
	}
	return steps, true
}

// made is the step that makes a path.
func (t *translator) made(name string) *step {
	for _, made := range slices.Backward(t.steps) {
		if made.get("file") == name || made.get("directory") == name && made.get("recursive") == nil {
			return made
		}
	}
	return nil
}

func (t *translator) isDirectory(name string) bool {
	for file := range t.source.files {
		if strings.HasPrefix(file, name+"/") {
			return true
		}
	}
	return t.made(name) != nil && t.made(name).get("directory") != nil
}

func (t *translator) copyFile(c command) ([]*step, bool) {
	arguments := c.arguments()
	if len(arguments) != 2 || c.name() == "install" {
		return nil, false
	}
	from, to := path.Clean(arguments[0]), path.Clean(arguments[1])
	if from == "/etc/skel/.bashrc" {
		t.drop(c.statement, "the agent takes its line out of .bashrc by itself")
		return nil, true
	}
	if !path.IsAbs(from) || !path.IsAbs(to) {
		return nil, false
	}
	isTree := c.has("r") || c.has("R") || c.has("a") || c.name() == "mv"
	switch _, isFile := t.source.files[from]; {
	case strings.HasSuffix(arguments[1], "/") || t.isDirectory(to):
		to = path.Join(to, path.Base(from))
	case !isFile && isTree && !strings.Contains(path.Base(from), "."):
		return nil, false // whether it is a directory is not known
	}
	if content, known := t.templates[from]; known {
		return []*step{makeStep("file", to, "template", templateName(from))}, content != ""
	}
	if content, ours := t.source.files[from]; ours && content != nil && c.name() == "mv" {
		return t.template(to, literal(string(content))), true
	}
	if t.isDirectory(from) {
		return []*step{makeStep("directory", to, "copy", from)}, true
	}
	return []*step{makeStep("file", to, "copy", from)}, c.name() == "cp"
}

func (t *translator) remove(c command) (steps []*step, ok bool) {
	for _, name := range c.arguments() {
		if !path.IsAbs(name) || name == "/" {
			return nil, false
		}
		steps = append(steps, makeStep("remove", path.Clean(name)))
	}
	return steps, len(steps) > 0
}

func (t *translator) link(c command) ([]*step, bool) {
	arguments := c.arguments()
	if len(arguments) != 2 || !c.has("s") || !path.IsAbs(arguments[1]) || strings.HasSuffix(arguments[1], "/") || t.isDirectory(arguments[1]) {
		return nil, false
	}
	return []*step{makeStep("link", path.Clean(arguments[1]), "to", arguments[0])}, true
}
