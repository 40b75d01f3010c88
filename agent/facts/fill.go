package facts

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"path"
	"slices"
	"strings"

	"oneclick-agent/agent/manifest"
	"oneclick-agent/agent/problem"
	"oneclick-agent/agent/render"
)

// MaxSource is the largest template or copied file, in bytes.
const MaxSource = 16 << 20

// Filling fills in the templates of one step, and keeps what they came to: whether anything that the step is made from
// changed is told by its key.
type Filling struct {
	facts *Facts
	ctx   context.Context
	sum   hash.Hash
	value *value
}

// value is an answer that is tried out, which templates see as .value.
type value struct {
	text   string
	hidden bool
}

// Filling begins one.
func (f *Facts) Filling(ctx context.Context) *Filling {
	return &Filling{facts: f, ctx: ctx, sum: sha256.New()}
}

// Trying begins one for an answer that is tried out: templates see it as .value. Hidden tells whether nobody may see it.
func (f *Facts) Trying(ctx context.Context, answer string, hidden bool) *Filling {
	filling := f.Filling(ctx)
	filling.value = &value{answer, hidden}
	return filling
}

// Facts are what the templates are filled in with.
func (f *Filling) Facts() *Facts { return f.facts }

// Key identifies everything that was filled in so far.
func (f *Filling) Key() string { return hex.EncodeToString(f.sum.Sum(nil)[:12]) }

// Text fills a template in.
func (f *Filling) Text(t manifest.Template) (string, error) {
	text, _, err := f.Tell(t)
	return text, err
}

// Tell fills a template in, and tells which secrets are in the text, by name. A secret where none may stand is an error.
func (f *Filling) Tell(t manifest.Template) (text string, secrets []string, err error) {
	if t.IsZero() {
		return "", nil, nil
	}
	parsed, err := render.Parse(t.Text, f.facts.Manifest.Engine())
	if err != nil {
		return "", nil, fmt.Errorf("cannot read the template of %s: %w", t.Path, err)
	}
	if parsed.Static() {
		text = t.Text
	} else {
		asked := func(name string) { secrets = append(secrets, name) }
		data := f.facts.data(asked)
		if f.value != nil {
			data["value"] = f.value.text
			if f.value.hidden {
				data["value"] = render.NewValue(f.value.text, func() { asked("value") })
			}
		}
		if text, err = parsed.Execute(f.ctx, data, render.MaxActions); err != nil {
			return "", nil, fmt.Errorf("cannot fill in the template of %s: %w", t.Path, err)
		}
	}
	if reason, hint := t.For.Refusal(); reason != "" && len(secrets) > 0 {
		if hint != "" {
			reason += "; " + hint
		}
		return "", nil, fmt.Errorf("cannot use the template of %s: %s", t.Path, reason)
	}
	f.mix(t.Path, text)
	slices.Sort(secrets)
	return text, slices.Compact(secrets), nil
}

// mix adds one thing that the step is made from.
func (f *Filling) mix(name, text string) {
	fmt.Fprintf(f.sum, "%q %d ", name, len(text))
	io.WriteString(f.sum, text)
}

// Mix adds a thing that no template says to what the step is made from.
func (f *Filling) Mix(name, text string) { f.mix(name, text) }

// Texts fills a list of templates in.
func (f *Filling) Texts(templates []manifest.Template) (texts []string, err error) {
	for _, t := range templates {
		text, err := f.Text(t)
		if err != nil {
			return nil, err
		}
		texts = append(texts, text)
	}
	return texts, nil
}

// Beside is where a file stands that the manifest names: absolute, or beside the manifest.
func (f *Facts) Beside(name string) string { return Beside(f.Directory, name) }

// Beside is where a file stands that a manifest in this directory names.
func Beside(directory, name string) string {
	if path.IsAbs(name) {
		return name
	}
	return path.Join(directory, name)
}

// File reads a file that the manifest names.
func (f *Facts) File(name string) ([]byte, error) {
	return f.Host.Files.ReadFile(f.Beside(name), MaxSource)
}

// Source is the template in a file beside the manifest, which the step at this value names.
func (f *Facts) Source(name, at string) (manifest.Template, error) {
	data, err := f.File(name)
	if err != nil {
		return manifest.Template{}, err
	}
	return manifest.Template{Text: string(data), For: manifest.Content, Path: at, Position: problem.Position{File: f.Beside(name)}}, nil
}

// Applies tells whether a condition holds.
func (f *Filling) Applies(when manifest.Template) (bool, error) {
	if when.IsZero() {
		return true, nil
	}
	value, secrets, err := f.Tell(when)
	if err != nil {
		return false, fmt.Errorf("cannot tell whether it applies: %w", err)
	}
	switch strings.TrimSpace(value) {
	case "true":
		return true, nil
	case "", "false", "0":
		return false, nil
	}
	if len(secrets) > 0 {
		value = "[secret]"
	}
	return false, fmt.Errorf("cannot tell whether it applies: its when is %q, not true or false", problem.OneLine(value))
}

// Asked reports whether a question applies, with the answers so far.
func (f *Facts) Asked(ctx context.Context, q manifest.Question) (bool, error) {
	return f.Filling(ctx).Applies(q.When)
}

// FillSecret fills in the templates of secrets.
func (f *Facts) FillSecret(ctx context.Context) func(manifest.Template) (string, error) {
	return f.Filling(ctx).Text
}
