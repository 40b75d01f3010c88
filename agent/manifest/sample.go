package manifest

import (
	"context"
	"slices"

	"oneclick-agent/agent/render"
)

// maxSampleActions is how many actions the templates of one manifest may take together while they are tried out, so that
// reading a manifest ends soon whatever it says.
const maxSampleActions = 500_000

// bytesPerAction is how much text counts as one action.
const bytesPerAction = 128

// situation is one of those that a Droplet can be in.
type situation struct{ managed, answered bool }

// samples are the situations that templates are tried out in.
var samples = []situation{{true, true}, {false, true}, {true, false}, {false, false}}

// sample is data as templates see it, with samples in the place of values. Asked is called when a template asks for
// the text of a secret.
func (m *Manifest) sample(s situation, t Template, asked func()) map[string]any {
	secret := func() any { return render.NewValue("sample", asked) }
	data := map[string]any{
		"app":     map[string]any{"name": m.App.Name, "version": m.App.Version, "docs": m.App.Docs},
		"url":     "https://203.0.113.10",
		"secrets": m.sampleSecrets(secret), "answers": m.sampleAnswers(s.answered, secret), "steps": m.sampleSteps(), "answered": s.answered,
		"droplet": map[string]any{"id": "1", "name": "sample-droplet-name", "region": "nyc3", "ipv4": "203.0.113.10", "ipv6": "2001:db8::10",
			"private_ipv4": "10.0.0.10", "reserved_ipv4": "203.0.113.11", "memory_mb": 2048, "cpus": 2},
	}
	data["spaces"] = map[string]any{"chosen": s.managed, "host": "nyc3.digitaloceanspaces.com", "bucket": "sample", "region": "nyc3",
		"access_key": "sample", "secret_key": secret()}
	for _, name := range []string{"database", "keystore"} {
		database := map[string]any{
			"managed":  false,
			"engine":   m.Engine(),
			"url":      "",
			"host":     "",
			"port":     0,
			"user":     "",
			"password": "",
			"name":     "",
			"ca":       "",
		}
		if m.Database != nil && (s.managed || m.Database.Local != nil) {
			database = map[string]any{
				"managed":  s.managed,
				"engine":   m.Engine(),
				"url":      secret(),
				"host":     "db.example.com",
				"port":     25060,
				"user":     "sample",
				"password": secret(),
				"name":     "sample",
				"ca":       "",
			}
		}
		data[name] = database
	}
	if t.tries() {
		data["value"] = "sample"
		if m.valueIsSecret(t) {
			data["value"] = secret()
		}
	}
	return data
}

func (m *Manifest) sampleSecrets(secret func() any) map[string]any {
	secrets := map[string]any{}
	for name, spec := range m.Secrets {
		fields := spec.Fields()
		if fields == nil {
			secrets[name] = secret()
			continue
		}
		parts := map[string]any{}
		for _, field := range fields {
			parts[field] = secret()
			if slices.Contains(PublicFields, field) {
				parts[field] = "sample"
			}
		}
		secrets[name] = parts
	}
	return secrets
}

func (m *Manifest) sampleAnswers(answered bool, secret func() any) map[string]any {
	answers := map[string]any{}
	if m.FirstLogin == nil {
		return answers
	}
	for _, q := range m.FirstLogin.Questions {
		var value any = ""
		switch {
		case q.Type == "confirm":
			value = answered
		case q.Type == "number":
			value = 1
		case !answered:
		case q.Hidden():
			value = secret()
		case len(q.Options) > 0:
			value = q.Options[0]
		default:
			value = "sample.example.com"
		}
		answers[q.Name] = value
	}
	return answers
}

func (m *Manifest) sampleSteps() map[string]any {
	steps := map[string]any{}
	for s := range m.Steps() {
		if s.Name != "" {
			steps[s.Name] = "done"
		}
	}
	return steps
}

// Messages are what the message of the day may come to, tried out with samples.
func (m *Manifest) Messages() (texts []string) {
	parsed, err := render.Parse(m.MOTD.Text, m.Engine())
	if err != nil {
		return nil // that was told
	}
	for _, s := range samples {
		if text, err := parsed.Execute(context.Background(), m.sample(s, m.MOTD, func() {}), render.MaxActions/100); err == nil {
			texts = append(texts, text)
		}
	}
	return texts
}
