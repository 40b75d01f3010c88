package facts

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"oneclick-agent/agent/manifest"
	"oneclick-agent/agent/pattern"
	"oneclick-agent/agent/render"
)

// preview shows templates as a plan does.
type preview struct {
	*Facts
	data map[string]any
}

// Preview shows templates with what is known, and with names in the place of secrets and of what is not known yet.
func (f *Facts) Preview() manifest.Preview {
	data := f.data(func(string) {})
	secrets := map[string]any{}
	for name, spec := range f.Manifest.Secrets {
		fields := spec.Fields()
		if fields == nil {
			secrets[name] = "[secret " + name + "]"
			continue
		}
		parts := map[string]any{}
		for _, field := range fields {
			parts[field] = "[secret " + name + "." + field + "]"
			if slices.Contains(manifest.PublicFields, field) {
				parts[field] = "[" + name + "." + field + "]"
			}
		}
		secrets[name] = parts
	}
	data["secrets"] = secrets
	for _, kind := range []string{"database", "keystore"} {
		database := data[kind].(map[string]any)
		database["password"], database["url"] = "[secret "+kind+" password]", "[secret "+kind+" url]"
		if database["host"] == "" {
			for _, field := range []string{"host", "port", "user", "name"} {
				database[field] = "[" + kind + " " + field + "]"
			}
		}
	}
	data["spaces"].(map[string]any)["secret_key"] = "[secret spaces secret_key]"
	if f.Manifest.FirstLogin != nil {
		answers := data["answers"].(map[string]any)
		for _, q := range f.Manifest.FirstLogin.Questions {
			if _, answered := f.Answer(q); !answered && q.Type != "confirm" || q.Hidden() {
				answers[q.Name] = "[answer " + q.Name + "]"
			}
		}
	}
	if url := f.Manifest.App.URL.Text; url != "" && url != manifest.NoURL && data["url"] == "" { // what it is made from has no value yet
		data["url"] = "[url]"
	}
	return preview{f, data}
}

// Show fills the template in, on one line. Where that cannot be done yet, the names of what is not known stand in it.
func (p preview) Show(t manifest.Template) string {
	text := t.Text
	if parsed, err := render.Parse(t.Text, p.Manifest.Engine()); err == nil {
		if text, err = parsed.Execute(context.Background(), p.data, render.MaxActions); err != nil {
			text = actions().ReplaceAllStringFunc(t.Text, p.nameOf)
		}
	}
	return strings.Join(strings.Fields(text), " ")
}

// actions are the parts of a template that are filled in.
var actions = pattern.New(`(?s)\{\{.*?\}\}`)

// nameOf is what an action of a template asks for, in words. What only decides between texts has none.
func (p preview) nameOf(action string) string {
	parsed, err := render.Parse(action, p.Manifest.Engine())
	if err != nil {
		return ""
	}
	var names []string
	for _, reference := range parsed.References() {
		path := slices.Clone(reference.Path)
		path[0] = strings.TrimSuffix(path[0], "s") // .answers.name is the answer to one question
		names = append(names, "["+strings.Join(path, " ")+"]")
	}
	return cmp.Or(strings.Join(names, " "), "...")
}

// There is whose what stands at a path now is, and with which mode.
func (p preview) There(t manifest.Template) (owner string, mode manifest.Mode, there bool) {
	owner, have, err := p.Host.Files.Owned(p.Show(t))
	return owner, manifest.Mode(have), err == nil
}

// HoldsSecret reports whether a secret may stand in one of the templates.
func (p preview) HoldsSecret(templates ...manifest.Template) bool {
	return p.Manifest.HoldsSecret(templates...)
}
