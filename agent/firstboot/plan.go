package firstboot

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"time"

	"oneclick-agent/agent/manifest"
	"oneclick-agent/agent/render"
	"oneclick-agent/agent/step"
)

// Deadlines of a whole run.
const (
	// RunWithin bounds one run of first boot.
	RunWithin = time.Hour
)

// Item is one step of the plan.
type Item struct {
	// ID names the step for people and in the journal; Digest changes when the manifest says something else.
	ID, Digest string
	// Summary says what will be done, without secrets.
	Summary  string
	When     manifest.Template
	Optional bool
	Within   time.Duration
	// Patience is how long a step that waits for the outside is asked again before the run ends as pending.
	Patience time.Duration
	// Tries is how often a failing step is tried; 1 for what would fail the same way again.
	Tries int
	// Paths are what it writes, where it writes nothing else: such steps may run side by side.
	Paths []string
	// Uses lists what it is made from that may change later: "droplet", "database", "secrets.NAME", "answers.NAME".
	Uses []string
	// Always tells that an earlier run does not count: the step's own check decides, because what it writes comes
	// from outside and may have changed since.
	Always bool
	// Terminal tells whether it needs a person at a terminal.
	Terminal bool
	// Durable tells whether the journal must be on disk before the next step, because doing it twice costs more.
	Durable bool
	// Build makes the step, with its templates filled in.
	Build func(data map[string]any) (step.Step, error)
}

// Plan lists everything that first boot does, in order.
func (s *Setup) Plan() []Item {
	var items []Item
	items = append(items, s.databaseItems()...)
	for i := range s.Manifest.FirstBoot {
		items = append(items, s.manifestItem(&s.Manifest.FirstBoot[i], fmt.Sprintf("first_boot[%d]", i)))
	}
	if s.Manifest.FirstLogin != nil {
		items = append(items, Item{
			ID: "login hook", Digest: digestOf("login hook"), Summary: "offer the questions of first login from /root/.bashrc",
			Within: step.QuickWithin, Build: ready(step.LoginHook{}),
		})
	}
	return named(append(items, s.closingItems()...))
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
	}
	return items
}

func digestOf(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:12])
}

// ready is the Build of a step that has no templates.
func ready(s step.Step) func(map[string]any) (step.Step, error) {
	return func(map[string]any) (step.Step, error) { return s, nil }
}

// evaluate fills a template in.
func (s *Setup) evaluate(text manifest.Template, data map[string]any) (string, error) {
	parsed, err := render.Parse(string(text), s.Manifest.Engine())
	if err != nil {
		return "", err
	}
	return parsed.Execute(data)
}

// applies tells whether a step's condition holds.
func (s *Setup) applies(item Item, data map[string]any) (bool, error) {
	if item.When == "" {
		return true, nil
	}
	value, err := s.evaluate(item.When, data)
	if err != nil {
		return false, fmt.Errorf("cannot tell whether it applies: %w", err)
	}
	switch strings.TrimSpace(value) {
	case "true":
		return true, nil
	case "", "false", "0":
		return false, nil
	}
	return false, fmt.Errorf("cannot tell whether it applies: its when is %q, not true or false", s.Redact.Redact(value))
}

// WritePlan prints what first boot would do. No secret is in it.
func (s *Setup) WritePlan(w io.Writer) error {
	data := s.PreviewData()
	var names []string
	for _, name := range s.Store.Missing(s.Manifest, false) {
		names = append(names, name)
	}
	if len(names) > 0 {
		fmt.Fprintf(w, "%4s  make secrets: %s\n", "", strings.Join(names, ", "))
	}
	for i, item := range s.Plan() {
		suffix := ""
		if applies, err := s.applies(item, data); err == nil && !applies {
			suffix = "  (does not apply)"
		} else if item.Optional {
			suffix = "  (optional)"
		}
		if _, err := fmt.Fprintf(w, "%4d  %s%s\n", i+1, item.Summary, suffix); err != nil {
			return err
		}
	}
	return nil
}
