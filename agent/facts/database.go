package facts

import (
	"errors"
	"fmt"
	"slices"

	"oneclick-agent/agent/database"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/secret"
	"oneclick-agent/agent/state"
)

// knownDatabase is what cannot be found out again: the account that this Droplet got on a cluster, and which database
// everything was made for.
type knownDatabase struct {
	// Claimed is the account on the cluster at Host.
	Claimed struct{ Host, User, Database string } `json:"claimed"`
	// Applied is the connection that everything was set up with, nil before that.
	Applied *appliedDatabase `json:"applied,omitempty"`
}

// appliedDatabase is a connection with its password in the clear, for a file that only root reads.
type appliedDatabase struct {
	Engine, Host, User, Password, Name, TLS, CA string
	Port                                        int
}

func applied(c database.Connection) *appliedDatabase {
	return &appliedDatabase{c.Engine, c.Host, c.User, c.Password.Reveal(), c.Name, c.TLS, c.CA, c.Port}
}

func (a *appliedDatabase) connection() database.Connection {
	return database.Connection{TLS: a.TLS, CA: a.CA, Credentials: database.Credentials{
		Engine: a.Engine, Host: a.Host, Port: a.Port, User: a.User, Password: secret.New(a.Password), Name: a.Name,
	}}
}

func readKnownDatabase(files *host.Root) (known knownDatabase, err error) {
	_, err = state.Read(files, state.Database, &known, remember)
	return known, err
}

func (f *Facts) rememberDatabase() error { return state.Write(f.Host.Files, state.Database, f.known) }

// Claimed keeps the account that a cluster gave this Droplet.
func (f *Facts) Claimed(a database.Account) error {
	f.known.Claimed.Host, f.known.Claimed.User, f.known.Claimed.Database = f.Managed.Host, a.User, a.Database
	return f.rememberDatabase()
}

// HasClaimed reports whether this Droplet has its account on the managed cluster already.
func (f *Facts) HasClaimed() bool { return f.Managed != nil && f.known.Claimed.Host == f.Managed.Host }

// Database is the database as the application reaches it, false without one.
func (f *Facts) Database() (database.Connection, bool) {
	spec := f.Manifest.Database
	switch {
	case spec == nil:
		return database.Connection{}, false
	case f.then != nil:
		return *f.then, true
	case (f.Awaited != "" || f.Unusable != nil) && f.known.Applied != nil:
		// What everything was made for goes on being used, as long as the credentials cannot be.
		return f.known.Applied.connection(), true
	case f.Managed == nil && spec.Local != nil && f.Awaited == "":
		return database.LocalConnection(spec.Engine[0], database.AccountOf(spec.Local, f.Store)), true
	case f.Managed == nil:
		return database.Connection{}, false
	case !f.HasRole():
		return *f.Managed, true
	}
	account := database.AccountOf(spec.Role, f.Store)
	if f.HasClaimed() {
		account.User, account.Database = f.known.Claimed.User, f.known.Claimed.Database
	}
	return f.Managed.As(account), true
}

// HasRole reports whether the application gets an account of its own on the managed cluster.
func (f *Facts) HasRole() bool {
	return f.Manifest.Database.Role != nil && f.Managed != nil && database.TakesRole(f.Managed.Engine)
}

// DatabaseChanged reports whether everything was made for another database, or another password, than the one that is in
// use now.
func (f *Facts) DatabaseChanged() bool {
	now, ok := f.Database()
	if !ok || f.Unusable != nil || f.Awaited != "" {
		return false
	}
	return f.known.Applied == nil || *applied(now) != *f.known.Applied
}

// MayChooseDatabase reports whether credentials that come later would be used.
func (f *Facts) MayChooseDatabase() bool {
	return f.Manifest.Database != nil && f.Manifest.Database.Managed != "never"
}

// findDatabase decides between the managed database that the customer may have chosen and none.
func (f *Facts) findDatabase() error {
	spec := f.Manifest.Database
	if !f.MayChooseDatabase() {
		return nil
	}
	file, err := database.ReadCredentials(f.Host.Files)
	if err != nil {
		return err
	}
	if file == nil {
		f.withoutCredentials(spec.Managed == "required")
		return nil
	}
	for _, warning := range file.Warnings {
		f.Host.Report("warning: " + warning)
	}
	if len(file.Missing) > 0 {
		f.Awaited = fmt.Sprintf("%s is not complete yet: %s has no value", database.CredentialsPath, file.Missing[0])
		return nil
	}
	for _, block := range file.Blocks {
		if !slices.Contains(spec.Engine, block.Engine) {
			continue
		}
		connection := database.Connect(f.Host.Files, block, spec)
		kind := "database"
		if f.Managed == nil {
			f.Managed = &connection
		} else if f.Keystore == nil {
			f.Keystore, kind = &connection, "keystore"
		}
		f.Redact.Add(kind+" password", block.Password)
	}
	if f.Managed != nil {
		return nil
	}
	if len(file.Blocks) == 0 {
		return errors.New("cannot use the managed database: " + database.CredentialsPath + " describes none; see its db_protocol")
	}
	return fmt.Errorf("cannot use the managed database: it is %s, and %s works with %v; choose another in the control panel",
		file.Blocks[0].Engine, f.Manifest.App.Name, []string(spec.Engine))
}

// withoutCredentials is for a file that is not there: perhaps not yet, perhaps not any more, because some people
// remove it once it was read.
func (f *Facts) withoutCredentials(required bool) {
	if before := f.known.Applied; before != nil && before.TLS != "" {
		connection := before.connection()
		f.Managed = &connection
		f.Redact.Add("database password", connection.Password)
		return
	}
	if required {
		f.Awaited = database.CredentialsPath + " is not there yet"
	}
}
