package facts

import (
	"context"
	"slices"
	"strings"

	"oneclick-agent/agent/manifest"
	"oneclick-agent/agent/render"
)

// preview shows templates as a plan does.
type preview struct {
	*Facts
	data map[string]any
}

// Preview shows templates with what is known, and with names in the place of secrets and of answers that are not there.
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
	}
	if f.Manifest.FirstLogin != nil {
		answers := data["answers"].(map[string]any)
		for _, q := range f.Manifest.FirstLogin.Questions {
			if _, answered := f.Answer(q); !answered && q.Type != "confirm" && q.Type != "number" || q.Hidden() {
				answers[q.Name] = "[answer " + q.Name + "]"
			}
		}
	}
	return preview{f, data}
}

// Show fills the template in, on one line; one that cannot be filled in yet is shown as it was written.
func (p preview) Show(t manifest.Template) string {
	text := t.Text
	if parsed, err := render.Parse(t.Text, p.Manifest.Engine()); err == nil {
		if filled, err := parsed.Execute(context.Background(), p.data, render.MaxActions); err == nil {
			text = filled
		}
	}
	return strings.Join(strings.Fields(text), " ")
}

// HoldsSecret reports whether a secret may stand in one of the templates.
func (p preview) HoldsSecret(templates ...manifest.Template) bool {
	return p.Manifest.HoldsSecret(templates...)
}
