package step

import (
	"context"
	"errors"
	"io/fs"

	"oneclick-agent/agent/database"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/journal"
	"oneclick-agent/agent/state"
)

// DatabaseCredentials waits for credentials that are not there, or not complete.
type DatabaseCredentials struct{ Reason string }

// Check says that there is something to wait for: a run that finds the credentials has no such step.
func (d *DatabaseCredentials) Check(context.Context, *host.Host) (State, error) { return Unmet, nil }

// Apply waits.
func (d *DatabaseCredentials) Apply(context.Context, *host.Host) error {
	return &Wait{d.Reason,
		"choose a database for this Droplet, or write its credentials into " + database.CredentialsPath, journal.ForDatabase}
}

// DatabaseEnvironment writes DATABASE_URL and its parts, and gives them to the units and to root's login shells.
type DatabaseEnvironment struct {
	Main, Keystore *database.Connection // nil where there is none
	Services       []string
}

type writtenFile struct {
	path    string
	content []byte
	mode    fs.FileMode
}

func (d *DatabaseEnvironment) files() []writtenFile {
	files := []writtenFile{
		{state.DatabaseEnvironment, database.Environment(d.Main, d.Keystore), 0o600},
		{database.ProfilePath, database.Profile(), 0o644},
	}
	for _, unit := range d.Services {
		file, content := database.DropIn(unit)
		files = append(files, writtenFile{file, content, 0o644})
	}
	return files
}

// Check compares the files.
func (d *DatabaseEnvironment) Check(_ context.Context, h *host.Host) (State, error) {
	for _, file := range d.files() {
		if !h.Files.Matches(file.path, file.content, host.Attributes{Mode: &file.mode, Owner: &host.Owner{}}) {
			return Unmet, nil
		}
	}
	return Met, nil
}

// Apply writes the files and makes systemd read them.
func (d *DatabaseEnvironment) Apply(ctx context.Context, h *host.Host) error {
	for _, file := range d.files() {
		if err := write(h, file.path, file.content, host.Attributes{Mode: &file.mode, Owner: &host.Owner{}}); err != nil {
			return err
		}
	}
	if len(d.Services) == 0 {
		return nil
	}
	return h.Units.DaemonReload(ctx)
}

// notHere is why databases are left alone in a tree.
const notHere = "databases are not asked from another root directory"

// waiting turns a login that failed into a wait: the server, the network or the customer may mend it.
func waiting(err error) error {
	var failed *database.LoginError
	if errors.As(err, &failed) {
		return &Wait{failed.Reason, failed.Advice, journal.ForDatabase}
	}
	return err
}

// DatabaseLogin proves that the database answers, with a real login.
type DatabaseLogin struct {
	Connection database.Connection
	found      string
}

// Check cannot tell without logging in, which Apply does.
func (d *DatabaseLogin) Check(context.Context, *host.Host) (State, error) { return Unknowable, nil }

// Apply logs in.
func (d *DatabaseLogin) Apply(ctx context.Context, h *host.Host) error {
	if !h.Live() {
		return &Skip{notHere}
	}
	version, err := database.Login(ctx, h, d.Connection)
	if err == nil {
		d.found = version + ", " + d.Connection.Verified()
	}
	return waiting(err)
}

// Told is what answered, and what TLS proved of it.
func (d *DatabaseLogin) Told() string { return d.found }

// DatabaseRole gives the application an account of its own on a managed cluster.
type DatabaseRole struct {
	Administrator database.Connection
	Account       database.Account
	Droplet       string
	// Again tells that this Droplet has the account already: no other name is tried.
	Again bool
	// Claimed is told the account that this Droplet got, before anything uses it.
	Claimed func(database.Account) error
	told    string
}

// Check cannot tell without logging in, which Apply does.
func (d *DatabaseRole) Check(context.Context, *host.Host) (State, error) { return Unknowable, nil }

// Apply claims the account, or finds the one claimed before.
func (d *DatabaseRole) Apply(ctx context.Context, h *host.Host) error {
	if !h.Live() {
		return &Skip{notHere}
	}
	account, err := database.Claim(ctx, h, d.Administrator, d.Account, d.Droplet, d.Again)
	var failed *database.LoginError
	if errors.As(err, &failed) && failed.Layer == database.Other {
		return &Lasting{err}
	}
	if err != nil {
		return waiting(err)
	}
	d.told = "the user " + account.User + " and its database " + account.Database
	return d.Claimed(account)
}

// Told names the account.
func (d *DatabaseRole) Told() string { return d.told }

// DatabasePassword gives the application's account on a managed cluster another password.
type DatabasePassword struct {
	Administrator database.Connection
	Account       database.Account
}

// Check cannot tell without logging in, which Apply does.
func (d *DatabasePassword) Check(context.Context, *host.Host) (State, error) { return Unknowable, nil }

// Apply sets the password and proves it by a login.
func (d *DatabasePassword) Apply(ctx context.Context, h *host.Host) error {
	if !h.Live() {
		return &Skip{notHere}
	}
	return waiting(database.SetPassword(ctx, h, d.Administrator, d.Account))
}

// DatabaseLocal makes the application's user and database on the image's own server.
type DatabaseLocal struct {
	Engine  string
	Account database.Account
	Admins  []database.Account
	told    string
}

// Check cannot tell: whether the server is also secured is not seen from outside.
func (d *DatabaseLocal) Check(context.Context, *host.Host) (State, error) { return Unknowable, nil }

// Apply starts the server where it does not run, waits until it answers, and makes the account.
func (d *DatabaseLocal) Apply(ctx context.Context, h *host.Host) error {
	if !h.Live() {
		return &Skip{"no database server runs in another root directory"}
	}
	for _, unit := range database.LocalUnits(d.Engine) {
		if state, err := h.Units.State(ctx, unit); err == nil && state.Load == "loaded" {
			if err := h.Units.Do(ctx, host.Start, unit); err != nil {
				return err
			}
			break
		}
	}
	return poll(ctx, func(ctx context.Context) error {
		version, err := database.MakeLocal(ctx, h, d.Engine, d.Account, d.Admins)
		d.told = version
		var failed *database.LoginError
		if err != nil && (!errors.As(err, &failed) || failed.Layer != database.Refused && failed.Layer != database.TimedOut) {
			return &Lasting{err}
		}
		return err
	})
}

// Told names the server.
func (d *DatabaseLocal) Told() string { return d.told }
