package facts

import (
	"fmt"
	"slices"

	"oneclick-agent/agent/database"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/manifest"
	"oneclick-agent/agent/secret"
	"oneclick-agent/agent/state"
)

// knownDatabase is what cannot be found out again: the account that this Droplet got on a cluster, and which database
// everything was made for, with its bucket.
type knownDatabase struct {
	// Claimed is the account on the cluster at Host.
	Claimed struct{ Host, User, Database string } `json:"claimed"`
	// Applied is the connection that everything was set up with, nil before that.
	Applied *appliedDatabase `json:"applied,omitempty"`
	// AppliedKeystore is the same of the keystore.
	AppliedKeystore *appliedDatabase `json:"applied_keystore,omitempty"`
	// AppliedSpaces is the bucket of Spaces that everything was set up with.
	AppliedSpaces *appliedSpaces `json:"applied_spaces,omitempty"`
}

// appliedDatabase is a connection with its password in the clear, for a file that only root reads.
type appliedDatabase struct {
	Engine, Host, User, Password, Name, TLS, CA string
	Port                                        int
}

func applied(c *database.Connection) *appliedDatabase {
	if c == nil {
		return nil
	}
	return &appliedDatabase{c.Engine, c.Host, c.User, c.Password.Reveal(), c.Name, c.TLS, c.CA, c.Port}
}

func (a *appliedDatabase) connection() *database.Connection {
	if a == nil {
		return nil
	}
	return &database.Connection{TLS: a.TLS, CA: a.CA, Credentials: database.Credentials{
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
		return *f.known.Applied.connection(), true
	case f.Managed == nil && spec.Local != nil && f.Awaited == "":
		return database.LocalConnection(spec.Main()[0], database.AccountOf(spec.Local, f.Store)), true
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

// DatabaseChanged reports whether everything was made for another database or keystore, or another password, than those
// that are in use now.
func (f *Facts) DatabaseChanged() bool {
	if f.Manifest.Database == nil || f.Unusable != nil || f.Awaited != "" {
		return false
	}
	now, ok := f.Database()
	return ok && differ(f.known.Applied, &now) || f.Keystore != nil && differ(f.known.AppliedKeystore, f.Keystore) ||
		slices.ContainsFunc(f.LocalAdmins(), func(a manifest.Admin) bool { return slices.Contains(f.Store.Changing(), a.Password) })
}

// LocalAdmins are the administrators of the Droplet's own server, where that is the one in use.
func (f *Facts) LocalAdmins() []manifest.Admin {
	if spec := f.Manifest.Database; spec != nil && spec.Local != nil && f.Managed == nil {
		return spec.Local.Admins
	}
	return nil
}

func differ(then *appliedDatabase, now *database.Connection) bool {
	return then == nil || *applied(now) != *then
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
	if main := file.Main; main != nil && main.Engine == "valkey" && spec.HasKeystore() {
		file.Main, file.Keystore = nil, main // it was chosen alone
	}
	if file.Keystore != nil && !slices.Contains(spec.Engine, file.Keystore.Engine) {
		f.Host.Report("warning: the managed keystore is not used: " + f.Manifest.App.Name + " has no use for " + file.Keystore.Engine)
		file.Keystore = nil
	}
	if file.Keystore != nil && !spec.HasKeystore() && file.Main == nil {
		file.Main, file.Keystore = file.Keystore, nil // it is all the database that the app has
	}
	f.Keystore = f.managed(file.Keystore, "keystore password")
	if file.Main != nil && slices.Contains(spec.Main(), file.Main.Engine) {
		f.Managed = f.managed(file.Main, "database password")
		return nil
	}
	if file.Main == nil && f.Keystore != nil && spec.Managed != "required" {
		return nil
	}
	if file.Main == nil {
		return fmt.Errorf("cannot use the managed database: %s describes only a keystore, and %s works with %v; choose one in the control panel",
			database.CredentialsPath, f.Manifest.App.Name, []string(spec.Main()))
	}
	return fmt.Errorf("cannot use the managed database: it is %s, and %s works with %v; choose another in the control panel",
		file.Main.Engine, f.Manifest.App.Name, []string(spec.Main()))
}

// managed is how a managed database is reached, nil for none.
func (f *Facts) managed(credentials *database.Credentials, name string) *database.Connection {
	if credentials == nil {
		return nil
	}
	connection := database.Connect(f.Host.Files, *credentials, f.Manifest.Database)
	f.Redact.Add(name, credentials.Password)
	return &connection
}

// withoutCredentials is for a file that is not there: perhaps not yet, perhaps not any more, because some people
// remove it once it was read.
func (f *Facts) withoutCredentials(required bool) {
	if before := f.known.AppliedKeystore; before != nil {
		f.Keystore = before.connection()
		f.Redact.Add("keystore password", f.Keystore.Password)
	}
	if before := f.known.Applied; before != nil && before.TLS != "" {
		f.Managed = before.connection()
		f.Redact.Add("database password", f.Managed.Password)
		return
	}
	if required {
		f.Awaited = database.CredentialsPath + " is not there yet"
	}
}
