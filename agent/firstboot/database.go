package firstboot

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"oneclick-agent/agent/database"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/secret"
)

// knownDatabasePath keeps what cannot be found out again: the account that this Droplet got on a cluster, and which
// database its configuration was written for.
const knownDatabasePath = "/var/lib/oneclick/database.json"

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

func readKnownDatabase(files *host.Root) (knownDatabase, error) {
	const most = 64 << 10
	var known knownDatabase
	data, err := files.ReadFile(knownDatabasePath, most)
	if errors.Is(err, fs.ErrNotExist) {
		return known, nil
	}
	if err == nil && json.Unmarshal(data, &known) != nil {
		err = fmt.Errorf("cannot read %s: it is damaged; remove it, and run: oneclick-agent first-boot", knownDatabasePath)
	}
	return known, err
}

func (s *Setup) rememberDatabase() error {
	data, err := json.Marshal(s.known)
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", knownDatabasePath, err)
	}
	_, err = s.Host.Files.WriteFile(knownDatabasePath, append(data, '\n'), host.Attributes{Mode: new(fs.FileMode(0o600)), Owner: &host.Owner{}})
	return err
}

// claimed keeps the account that a cluster gave this Droplet.
func (s *Setup) claimed(a database.Account) error {
	s.known.Claimed.Host, s.known.Claimed.User, s.known.Claimed.Database = s.Managed.Host, a.User, a.Database
	return s.rememberDatabase()
}

// Database is the database as the application reaches it, false without one.
func (s *Setup) Database() (database.Connection, bool) {
	spec := s.Manifest.Database
	switch {
	case spec == nil:
		return database.Connection{}, false
	case s.override != nil:
		return *s.override, true
	case s.Managed == nil && spec.Local != nil && s.Awaited == "":
		return database.LocalConnection(spec.Engine[0], database.AccountOf(spec.Local, s.Store)), true
	case s.Managed == nil:
		return database.Connection{}, false
	case !s.hasRole():
		return *s.Managed, true
	}
	account := database.AccountOf(spec.Role, s.Store)
	if claimed := s.known.Claimed; claimed.Host == s.Managed.Host {
		account.User, account.Database = claimed.User, claimed.Database
	}
	return s.Managed.As(account), true
}

// hasRole reports whether the application gets an account of its own on the managed cluster.
func (s *Setup) hasRole() bool {
	return s.Manifest.Database.Role != nil && s.Managed != nil && database.TakesRole(s.Managed.Engine)
}

// databaseChanged reports whether the configuration was written for another database, or another password, than the
// one that is in use now.
func (s *Setup) databaseChanged() bool {
	now, ok := s.Database()
	if !ok || s.Unusable != nil || s.known.Applied == nil {
		return ok && s.Unusable == nil && s.Manifest.Database != nil
	}
	return *applied(now) != *s.known.Applied
}

// findDatabase decides between the managed database that the customer may have chosen and none.
func (s *Setup) findDatabase() error {
	spec := s.Manifest.Database
	if spec == nil || spec.Managed == "never" {
		return nil
	}
	file, err := database.ReadCredentials(s.Host.Files)
	if err != nil {
		return err
	}
	if file == nil {
		s.withoutCredentials(spec.Managed == "required")
		return nil
	}
	for _, warning := range file.Warnings {
		s.Host.Report("warning: " + warning)
	}
	if len(file.Missing) > 0 {
		s.Awaited = fmt.Sprintf("%s is not complete yet: %s has no value", database.CredentialsPath, file.Missing[0])
		return nil
	}
	for _, block := range file.Blocks {
		if !slices.Contains(spec.Engine, block.Engine) {
			continue
		}
		connection := database.Connect(s.Host.Files, block, spec)
		kind := "database"
		if s.Managed == nil {
			s.Managed = &connection
		} else if s.Keystore == nil {
			s.Keystore, kind = &connection, "keystore"
		}
		s.Redact.Add(kind+" password", block.Password)
		s.Redact.Add(kind+" url", connection.URL())
	}
	if s.Managed != nil {
		return nil
	}
	return fmt.Errorf("cannot use the managed database: it is %s, and %s works with %v; choose another in the control panel",
		file.Blocks[0].Engine, s.Manifest.App.Name, []string(spec.Engine))
}

// withoutCredentials is for a file that is not there: perhaps not yet, perhaps not any more, because some people
// remove it once it was read.
func (s *Setup) withoutCredentials(required bool) {
	if before := s.known.Applied; before != nil && before.TLS != "" {
		connection := before.connection()
		s.Managed = &connection
		s.Redact.Add("database password", connection.Password)
		return
	}
	if required {
		s.Awaited = database.CredentialsPath + " is not there yet"
	}
}
