package firstboot

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"oneclick-agent/agent/database"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/manifest"
	"oneclick-agent/agent/render"
	"oneclick-agent/agent/step"
)

// Deadlines of a whole run.
const (
	// RunWithin bounds one run of first boot.
	RunWithin = time.Hour
	// databasePatience is how long a run itself waits for a database before it leaves that to the timer.
	databasePatience = 20 * time.Second
	// defaultDatabaseWithin is how long a database may take before its absence is called a fault.
	defaultDatabaseWithin = 15 * time.Minute
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
	// Address tells whether it is made from the Droplet's address, so that a clone renews it.
	Address bool
	// Always tells that an earlier run does not count: the step's own check decides, because what it writes comes
	// from outside and may have changed since.
	Always bool
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
	items = append(items, s.closingItems()...)
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

// databaseItems come first: whatever else is set up may need the database.
func (s *Setup) databaseItems() []Item {
	spec := s.Manifest.Database
	if spec == nil {
		return nil
	}
	within := cmp.Or(spec.Within.Duration(), defaultDatabaseWithin)
	if s.Unusable != nil {
		return []Item{{
			ID: "database credentials", Digest: digestOf("unusable"), Summary: s.Unusable.Error(), Within: within,
			Build: func(map[string]any) (step.Step, error) { return nil, s.Unusable },
		}}
	}
	if s.Awaited != "" {
		return []Item{{
			ID: "database credentials", Digest: digestOf("credentials"), Summary: "wait for " + database.CredentialsPath,
			Within: within, Build: ready(&step.DatabaseCredentials{Reason: s.Awaited}),
		}}
	}
	if s.Managed == nil {
		return s.localItems(spec)
	}
	c := *s.Managed
	items := []Item{
		{
			ID: "database environment", Digest: digestOf(append([]string{"environment", c.Host, fmt.Sprint(c.Port), c.TLS, c.CA}, spec.Services...)...),
			Summary: fmt.Sprintf("write %s root:root 0600, for root's shells and %d units", database.EnvironmentPath, len(spec.Services)),
			Within:  step.ServiceWithin, Durable: true, Tries: 3, Always: true,
			Build: ready(&step.DatabaseEnvironment{Connection: c, Services: spec.Services}),
		},
		{
			ID: "database login", Digest: digestOf("login", c.Host, fmt.Sprint(c.Port), c.Name, c.User),
			Summary: fmt.Sprintf("log in to %s at %s:%d, %s", c.Engine, c.Host, c.Port, c.Verified()),
			Within:  within, Patience: min(within, databasePatience), Durable: true,
			Build: ready(&step.DatabaseLogin{Connection: c}),
		},
	}
	for _, unit := range spec.DisableLocal {
		items = append(items, Item{
			ID: "service " + unit + " disable stop", Digest: digestOf("disable", unit), Summary: "disable and stop " + unit + ": a managed database is used",
			Within: step.ServiceWithin, Durable: true, Tries: 3, Build: ready(&step.Service{Unit: unit, Do: []host.Verb{host.Disable, host.Stop}}),
		})
	}
	return items
}

// localItems stand for what this version does not do yet, so that nobody believes that it was done.
func (s *Setup) localItems(spec *manifest.Database) []Item {
	if spec.Local == nil {
		return nil
	}
	return []Item{{
		ID: "database local", Digest: digestOf("local", spec.Local.Name), Summary: "make the database " + spec.Local.Name + " on the image's own server",
		Optional: true, Within: step.ServiceWithin, Build: ready(step.LocalDatabase{Name: spec.Local.Name}),
	}}
}

// closingItems open the gate and restart what runs with an old environment.
func (s *Setup) closingItems() []Item {
	var items []Item
	if gate := s.Manifest.Gate; gate != nil && gate.Until == "first_boot" {
		items = append(items, Item{
			ID: "gate", Digest: digestOf(append([]string{"gate"}, gate.Services...)...), Summary: "let " + strings.Join(gate.Services, ", ") + " start",
			Within: step.ServiceWithin, Tries: 3, Durable: true, Build: ready(&step.Gate{Units: gate.Services}),
		})
	}
	if s.Managed == nil {
		return items
	}
	var stale []string
	for _, unit := range s.Manifest.Database.Services {
		restarted := slices.ContainsFunc(s.Manifest.FirstBoot, func(m manifest.Step) bool {
			return m.Service == unit && (slices.Contains(m.Do, "restart") || slices.Contains(m.Do, "stop")) && m.When == ""
		})
		if !restarted {
			stale = append(stale, unit)
		}
	}
	if len(stale) > 0 {
		items = append(items, Item{
			ID: "database services", Digest: digestOf(append([]string{"refresh"}, stale...)...), Summary: "restart what runs of " + strings.Join(stale, ", "),
			Within: step.ServiceWithin, Tries: 3, Durable: true, Build: ready(&step.Refresh{Units: stale}),
		})
	}
	return items
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
