package firstboot

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"oneclick-agent/agent/database"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/manifest"
	"oneclick-agent/agent/step"
)

const (
	// databasePatience is how long a run itself waits for a database before it leaves that to the timer.
	databasePatience = 20 * time.Second
	// defaultDatabaseWithin is how long a database may take before its absence is called a fault.
	defaultDatabaseWithin = 15 * time.Minute
)

// databaseItems come first: whatever else is set up may need the database.
func (s *Setup) databaseItems() []Item {
	spec := s.Manifest.Database
	if spec == nil {
		return nil
	}
	within := cmp.Or(spec.Within.Duration(), defaultDatabaseWithin)
	switch {
	case s.Unusable != nil:
		return []Item{{
			ID: "database credentials", Digest: digestOf("unusable"), Summary: s.Unusable.Error(), Within: within,
			Build: func(map[string]any) (step.Step, error) { return nil, s.Unusable },
		}}
	case s.Awaited != "":
		return []Item{{
			ID: "database credentials", Digest: digestOf("credentials"), Summary: "wait for " + database.CredentialsPath,
			Within: within, Build: ready(&step.DatabaseCredentials{Reason: s.Awaited}),
		}}
	case s.Managed != nil:
		return s.managedItems(spec, within)
	case spec.Local != nil:
		a := database.AccountOf(spec.Local, s.Store)
		return []Item{{
			ID: "database local", Digest: digestOf("local", spec.Engine[0], a.User, a.Database), Durable: true, Tries: 3, Within: step.WaitWithin,
			Summary: fmt.Sprintf("make the user %s and its database %s on this Droplet's %s server", a.User, a.Database, spec.Engine[0]),
			Build: func(map[string]any) (step.Step, error) {
				return &step.DatabaseLocal{Engine: spec.Engine[0], Account: database.AccountOf(spec.Local, s.Store)}, nil
			},
		}, s.environmentItem(spec)}
	}
	return nil
}

// managedItems log in to the managed cluster. With a role, what the application gets is known only after that was
// made.
func (s *Setup) managedItems(spec *manifest.Database, within time.Duration) []Item {
	items := []Item{s.loginItem("database login", *s.Managed, within)}
	if s.Keystore != nil {
		items = append(items, s.loginItem("keystore login", *s.Keystore, within))
	}
	if !s.hasRole() {
		items = append([]Item{s.environmentItem(spec)}, items...)
	} else {
		items = append(items, s.roleItem(spec, within), s.environmentItem(spec))
	}
	for _, unit := range spec.DisableLocal {
		items = append(items, Item{
			ID: "service " + unit + " disable stop", Digest: digestOf("disable", unit), Summary: "disable and stop " + unit + ": a managed database is used",
			Within: step.ServiceWithin, Durable: true, Tries: 3, Build: ready(&step.Service{Unit: unit, Do: []host.Verb{host.Disable, host.Stop}}),
		})
	}
	return items
}

func (s *Setup) loginItem(id string, c database.Connection, within time.Duration) Item {
	return Item{
		ID: id, Digest: digestOf(id, c.Host, fmt.Sprint(c.Port), c.Name, c.User),
		Summary: fmt.Sprintf("log in to %s at %s:%d, %s", c.Engine, c.Host, c.Port, c.Verified()),
		Within:  within, Patience: min(within, databasePatience), Durable: true, Build: ready(&step.DatabaseLogin{Connection: c}),
	}
}

func (s *Setup) roleItem(spec *manifest.Database, within time.Duration) Item {
	a := database.AccountOf(spec.Role, s.Store)
	return Item{
		ID: "database role", Digest: digestOf("role", s.Managed.Host, a.User, a.Database), Durable: true,
		Summary: fmt.Sprintf("make the user %s and its database %s on the cluster, or %s_%s where another Droplet has them", a.User, a.Database, a.User, s.Droplet.ID),
		Within:  within, Patience: min(within, databasePatience), Tries: 3,
		Build: func(map[string]any) (step.Step, error) {
			c, _ := s.Database()
			return &step.DatabaseRole{
				Administrator: *s.Managed, Account: database.Account{User: c.User, Database: c.Name, Password: c.Password},
				Droplet: s.Droplet.ID, Again: s.known.Claimed.Host == s.Managed.Host, Claimed: s.claimed,
			}, nil
		},
	}
}

// environmentItem writes what the application uses.
func (s *Setup) environmentItem(spec *manifest.Database) Item {
	c, _ := s.Database()
	return Item{
		ID: "database environment", Digest: digestOf(append([]string{"environment", c.Engine, c.Host, fmt.Sprint(c.Port), c.TLS, c.CA}, spec.Services...)...),
		Summary: fmt.Sprintf("write %s root:root 0600, for root's shells and %d units", database.EnvironmentPath, len(spec.Services)),
		Within:  step.ServiceWithin, Durable: true, Tries: 3, Always: true,
		Build: func(map[string]any) (step.Step, error) {
			c, _ := s.Database()
			return &step.DatabaseEnvironment{Connection: c, Keystore: s.Keystore, Services: spec.Services}, nil
		},
	}
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
	if _, ok := s.Database(); !ok {
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
