package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"oneclick-agent/agent/database"
	"oneclick-agent/agent/facts"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/manifest"
	"oneclick-agent/agent/state"
	"oneclick-agent/agent/step"
)

const (
	// databasePatience is how long a run itself waits for a database before it leaves that to the timer.
	databasePatience = 20 * time.Second
	// defaultDatabaseWithin is how long a database may take before its absence is called a fault.
	defaultDatabaseWithin = 15 * time.Minute
)

// Database lists what comes first, because whatever else is set up may need the database.
func Database(f *facts.Facts) []Item {
	spec := f.Manifest.Database
	if spec == nil {
		return nil
	}
	within := cmp.Or(spec.Within.Duration(), defaultDatabaseWithin)
	switch {
	case f.Unusable != nil:
		return []Item{{
			ID: "database credentials", Digest: digestOf("unusable"), Summary: f.Unusable.Error(), Within: within,
			Build: func(*facts.Filling) (step.Step, error) { return nil, f.Unusable },
		}}
	case f.Awaited != "":
		return []Item{{
			ID: "database credentials", Digest: digestOf("credentials"), Summary: "wait for " + database.CredentialsPath,
			Within: within, Build: ready(&step.DatabaseCredentials{Reason: f.Awaited}),
		}}
	}
	items := main(f, spec, within)
	if f.Keystore != nil {
		items = append(items, login("keystore login", *f.Keystore, within))
	}
	if _, ok := f.Database(); ok || f.Keystore != nil {
		written := environment(f, spec)
		if f.Managed != nil && !f.HasRole() || len(items) == 0 {
			items = append([]Item{written}, items...)
		} else { // what the application gets is known only after that was made
			items = append(items, written)
		}
	}
	for _, unit := range spec.DisableLocal {
		replaced := f.Managed
		if spec.HasKeystore() && slices.Contains(database.LocalUnits("valkey"), unit) {
			replaced = f.Keystore
		}
		if replaced == nil {
			continue
		}
		items = append(items, Item{
			ID: "service " + unit + " disable stop", Digest: digestOf("disable", unit), Summary: "disable and stop " + unit + ": a managed " +
				"database is used",
			Within: step.ServiceWithin, Tries: 3, Build: ready(&step.Service{Unit: unit, Do: []host.Verb{host.Disable, host.Stop}}),
		})
	}
	return items
}

// main items bring about the main database: a login on the managed one, or an account on the Droplet's own server.
func main(f *facts.Facts, spec *manifest.Database, within time.Duration) []Item {
	switch {
	case f.Managed != nil && f.HasRole():
		return []Item{login("database login", *f.Managed, within), role(f, spec, within)}
	case f.Managed != nil:
		return []Item{login("database login", *f.Managed, within)}
	case spec.Local == nil:
		return nil
	}
	a, engine := database.AccountOf(spec.Local, f.Store), spec.Main()[0]
	digest := []string{"local", engine, a.User, a.Database}
	summary := fmt.Sprintf("make the user %s and its database %s on this Droplet's %s server", a.User, a.Database, engine)
	for i, admin := range spec.Local.Admins {
		digest = append(digest, admin.User)
		summary += map[bool]string{true: ", with the administrators ", false: ", "}[i == 0] + admin.User
	}
	return []Item{{
		ID: "database local", Digest: digestOf(digest...), Tries: 3, Within: step.WaitWithin, Summary: summary,
		Build: func(*facts.Filling) (step.Step, error) {
			return &step.DatabaseLocal{
				Engine: engine, Account: database.AccountOf(spec.Local, f.Store), Admins: database.AdminsOf(spec.Local, f.Store),
			}, nil
		},
	}}
}

func login(id string, c database.Connection, within time.Duration) Item {
	return Item{
		ID: id, Digest: digestOf(id, c.Host, fmt.Sprint(c.Port), c.Name, c.User),
		Summary: fmt.Sprintf("log in to %s at %s:%d, %s", c.Engine, c.Host, c.Port, c.Verified()),
		Within:  within, Patience: min(within, databasePatience), Build: ready(&step.DatabaseLogin{Connection: c}),
	}
}

func role(f *facts.Facts, spec *manifest.Database, within time.Duration) Item {
	a := database.AccountOf(spec.Role, f.Store)
	return Item{
		ID: "database role", Digest: digestOf("role", f.Managed.Host, a.User, a.Database),
		Summary: fmt.Sprintf(
			"make the user %s and its database %s on the cluster, or %s_%s where another Droplet has them",
			a.User,
			a.Database,
			a.User,
			f.Droplet.ID,
		),
		Within: within, Patience: min(within, databasePatience), Tries: 3,
		Build: func(*facts.Filling) (step.Step, error) {
			c, _ := f.Database()
			account := database.Account{User: c.User, Database: c.Name, Password: c.Password}
			if f.HasClaimed() && slices.Contains(f.Store.Changing(), spec.Role.Password) {
				return &step.DatabasePassword{Administrator: *f.Managed, Account: account}, nil
			}
			return &step.DatabaseRole{
				Administrator: *f.Managed,
				Account:       account,
				Droplet:       f.Droplet.ID,
				Again:         f.HasClaimed(),
				Claimed:       f.Claimed,
			}, nil
		},
	}
}

// Environment is the item that writes what the application uses; none without a database.
func Environment(f *facts.Facts) (Item, bool) {
	if _, ok := f.Database(); !ok {
		return Item{}, false
	}
	return environment(f, f.Manifest.Database), true
}

// environment writes what the application uses.
func environment(f *facts.Facts, spec *manifest.Database) Item {
	c, _ := f.Database()
	return Item{
		ID: "database environment", Digest: digestOf(append([]string{"environment", c.Engine, c.Host, fmt.Sprint(c.Port), c.TLS, c.CA},
			spec.Services...)...),
		Summary: fmt.Sprintf("write %s root:root 0600, for root's shells and %d units", state.DatabaseEnvironment, len(spec.Services)),
		Within:  step.ServiceWithin, Tries: 3, Always: true,
		Build: func(*facts.Filling) (step.Step, error) {
			written := &step.DatabaseEnvironment{Keystore: f.Keystore, Services: spec.Services}
			if c, ok := f.Database(); ok {
				written.Main = &c
			}
			return written, nil
		},
	}
}

// gate lets start what was held back until then.
func gate(f *facts.Facts, until string) []Item {
	gate := f.Manifest.Gate
	if gate == nil || gate.Until != until {
		return nil
	}
	return []Item{{
		ID: "gate", Digest: digestOf(append([]string{"gate"}, gate.Services...)...), Summary: "let " + strings.Join(gate.Services, ", ") +
			" start",
		Within: step.ServiceWithin, Tries: 3, Build: ready(&step.Gate{Units: gate.Services}),
	}}
}

// closing items open the gate and restart what runs with an old environment.
func closing(f *facts.Facts) []Item {
	items := gate(f, "first_boot")
	if _, ok := f.Database(); !ok && f.Keystore == nil {
		return items
	}
	var stale []string
	for _, unit := range f.Manifest.Database.Services {
		restarted := slices.ContainsFunc(f.Manifest.FirstBoot, func(s manifest.Step) bool {
			service, ok := s.Spec.(*manifest.Service)
			return ok && service.Unit.Text == unit && (slices.Contains(service.Do, "restart") || slices.Contains(service.Do, "stop")) &&
				s.When.IsZero()
		})
		if !restarted {
			stale = append(stale, unit)
		}
	}
	if len(stale) > 0 {
		items = append(items, Item{
			ID: "database services", Digest: digestOf(append([]string{"refresh"}, stale...)...), Summary: "restart what runs of " +
				strings.Join(stale, ", "),
			Within: step.ServiceWithin, Tries: 3, Build: ready(&step.Refresh{Units: stale}),
		})
	}
	return items
}
