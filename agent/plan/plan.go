// Package plan lists what a setup does, in order, from the manifest and from what is true of the Droplet. It changes
// nothing: each item can be shown, and builds its step when its turn comes.
package plan

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"oneclick-agent/agent/facts"
	"oneclick-agent/agent/manifest"
	"oneclick-agent/agent/step"
)

// Item is one step of a plan.
type Item struct {
	// ID names the step for people and in the journal; Digest changes when the manifest says something else.
	ID, Digest string
	// Path is where it stands in the manifest; "" for what the manifest does not say step by step.
	Path string
	// Name is what later conditions call it, "" for none. Title is what the customer reads.
	Name, Title string
	// Summary says what will be done, without secrets.
	Summary  string
	When     manifest.Template
	Optional bool
	Within   time.Duration
	// Patience is how long a step that waits for the outside is asked again before the run ends as pending.
	Patience time.Duration
	// Tries is how often a failing step is tried; 1 for what would fail the same way again.
	Tries int
	// Effects are what it touches.
	Effects manifest.Effects
	// Looks tells that its templates ask how other steps ended, so that those must have ended.
	Looks bool
	// Always tells that an earlier run does not count: the step's own check decides, because what it writes comes
	// from outside and may have changed since.
	Always bool
	// Terminal tells whether it needs a person at a terminal.
	Terminal bool
	// Build makes the step, with its templates filled in.
	Build func(*facts.Filling) (step.Step, error)
}

// Boot lists everything that first boot does, in order.
func Boot(f *facts.Facts) []Item {
	items := append(Database(f), fromManifest(f.Preview(), f.Manifest.FirstBoot)...)
	if f.Manifest.FirstLogin != nil {
		items = append(items, Item{
			ID: "login hook", Digest: digestOf("login hook"), Summary: "offer the questions of first login from /root/.bashrc",
			Title: "Prepare the first login", Within: step.QuickWithin, Build: ready(step.LoginHook{}),
		})
	}
	return named(append(items, closing(f)...))
}

// Login lists what is done with the answers, in order.
func Login(f *facts.Facts) []Item {
	if f.Manifest.FirstLogin == nil {
		return nil
	}
	return named(append(fromManifest(f.Preview(), f.Manifest.FirstLogin.Steps), gate(f, "first_login")...))
}

// fromManifest makes items from steps of the manifest.
func fromManifest(preview manifest.Preview, steps []manifest.Step) (items []Item) {
	for i := range steps {
		s := &steps[i]
		kind := s.Kind.(step.Kind)
		traits := kind.Traits()
		items = append(items, Item{
			ID: s.Key + " " + s.Spec.Subject(
				preview,
			), Digest: s.Digest, Path: s.Path, Name: s.Name, Title: s.Title, Summary: s.Spec.Summary(preview),
			When: s.When, Optional: s.Optional, Within: cmp.Or(s.Within.Duration(), traits.Within), Tries: cmp.Or(s.Tries, traits.Tries),
			Effects: s.Spec.Effects(), Terminal: traits.Terminal, Looks: looks(s),
			Build: func(filling *facts.Filling) (step.Step, error) { return kind.Build(s.Spec, filling) },
		})
	}
	return items
}

// asksForSteps is in every template that asks how another step ended, however it spells that.
const asksForSteps = "steps"

// looks reports whether a template of the step asks how another one ended.
func looks(s *manifest.Step) bool {
	return slices.ContainsFunc(s.Templates(), func(t manifest.Template) bool { return strings.Contains(t.Text, asksForSteps) })
}

// named makes the items' names differ.
func named(items []Item) []Item {
	seen := map[string]int{}
	for i := range items {
		id := items[i].ID
		if seen[id]++; seen[id] > 1 {
			items[i].ID = fmt.Sprintf("%s (%d)", id, seen[id])
		}
		items[i].Tries = max(items[i].Tries, 1)
		items[i].Title = cmp.Or(items[i].Title, items[i].Summary)
	}
	return items
}

func digestOf(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:12])
}

// ready is the Build of a step that has no templates.
func ready(s step.Step) func(*facts.Filling) (step.Step, error) {
	return func(*facts.Filling) (step.Step, error) { return s, nil }
}

// Acts reports whether it may look at anything and change anything: it does more than to write files that it names. Nothing
// runs beside such an item, and its end is on disk before the next one begins, because doing it twice costs more.
func (i Item) Acts() bool {
	return i.Effects.Acts || len(i.Effects.Writes) == 0 && i.Effects.Edits.IsZero()
}

// Touched is what a step that only works on files touches, as paths of the tree that lead through no link.
type Touched struct{ Reads, Writes []string }

// Touches fills in what the item touches; for one that acts that is anything. Alone tells that nothing may run beside it: it
// acts, has a condition, which may depend on anything, or asks how earlier steps ended.
func (i Item) Touches(filling *facts.Filling) (touched Touched, alone bool, err error) {
	if i.Acts() {
		return Touched{}, true, nil
	}
	alone = i.Looks || !i.When.IsZero()
	f := filling.Facts()
	real := func(name string) string {
		if resolved, err := f.Host.Files.Resolve(name); err == nil {
			return resolved
		}
		return name
	}
	for _, target := range append([]manifest.Template{i.Effects.Edits}, i.Effects.Writes...) {
		if target.IsZero() {
			continue
		}
		text, err := filling.Text(target)
		if err != nil {
			return Touched{}, true, err
		}
		if target.IsPattern() {
			text = above(text)
		}
		// The last part may be a link that is replaced, or one that is followed: both places are touched.
		touched.Writes = append(touched.Writes, path.Join(real(path.Dir(text)), path.Base(text)), real(text))
	}
	for _, source := range i.Effects.Reads {
		touched.Reads = append(touched.Reads, real(f.Beside(source.Name)))
		if source.Template {
			text, err := f.File(source.Name) // one that is not there yet is made by a step that this one waits for
			alone = alone || err == nil && bytes.Contains(text, []byte(asksForSteps))
		}
	}
	return touched, alone, nil
}

// above is the directory that everything lies below which a pattern matches.
func above(pattern string) string {
	for target := (manifest.Template{Text: pattern}); target.IsPattern(); target.Text = path.Dir(target.Text) {
		pattern = path.Dir(target.Text)
	}
	return pattern
}

// Disturbs reports whether two steps may not run side by side: one of them reads or writes what the other writes.
func (t Touched) Disturbs(other Touched) bool {
	return overlap(t.Writes, other.Writes) || overlap(t.Writes, other.Reads) || overlap(t.Reads, other.Writes)
}

func overlap(these, those []string) bool {
	for _, a := range these {
		for _, b := range those {
			if Within(a, b) || Within(b, a) {
				return true
			}
		}
	}
	return false
}

// Within reports whether path is directory, or lies below it.
func Within(path, directory string) bool {
	return path == directory || directory == "/" || strings.HasPrefix(path, directory+"/")
}
