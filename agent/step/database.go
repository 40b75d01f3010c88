package step

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"oneclick-agent/agent/database"
	"oneclick-agent/agent/host"
)

// DatabaseCredentials waits for credentials that are not there, or not complete.
type DatabaseCredentials struct{ Reason string }

// Check says that there is something to wait for: a run that finds the credentials has no such step.
func (d *DatabaseCredentials) Check(context.Context, *host.Host) (State, error) { return Unmet, nil }

// Apply waits.
func (d *DatabaseCredentials) Apply(context.Context, *host.Host) error {
	return &Wait{d.Reason, "it is tried again by itself when " + database.CredentialsPath + " changes"}
}

// DatabaseEnvironment writes DATABASE_URL and its parts, and gives them to the units and to root's login shells.
type DatabaseEnvironment struct {
	Connection database.Connection
	Services   []string
}

type writtenFile struct {
	path    string
	content []byte
	mode    fs.FileMode
}

func (d *DatabaseEnvironment) files() []writtenFile {
	files := []writtenFile{
		{database.EnvironmentPath, d.Connection.Environment(), 0o600},
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

// DatabaseLogin proves that the database answers, with a real login.
type DatabaseLogin struct {
	Connection database.Connection
	// Found is told what answered, and what TLS proved of it.
	Found func(message string)
}

// Check cannot tell without logging in, which Apply does.
func (d *DatabaseLogin) Check(context.Context, *host.Host) (State, error) { return Unknowable, nil }

// Apply logs in, for a while again and again: a cluster may be ready some seconds after its Droplet.
func (d *DatabaseLogin) Apply(ctx context.Context, h *host.Host) error {
	if !h.Live() {
		return &Skip{"databases are not asked from another root directory"}
	}
	version, err := database.Login(ctx, h.Files, d.Connection)
	if errors.Is(err, errors.ErrUnsupported) {
		return &Skip{fmt.Sprintf("this version cannot log in to %s", d.Connection.Engine)}
	}
	var failed *database.LoginError
	if errors.As(err, &failed) {
		return &Wait{failed.Reason, failed.Advice}
	}
	if err == nil && d.Found != nil {
		d.Found(version + ", " + d.Connection.Verified())
	}
	return err
}

// LocalDatabase stands for a database on the image's own server, which this version does not make.
type LocalDatabase struct{ Name string }

// Check says that there is something to do.
func (l LocalDatabase) Check(context.Context, *host.Host) (State, error) { return Unmet, nil }

// Apply says that it cannot be done, so that the setup counts as degraded.
func (l LocalDatabase) Apply(_ context.Context, h *host.Host) error {
	if !h.Live() {
		return &Skip{"no database server runs in another root directory"}
	}
	return lasting("cannot make the local database %s: this version only works with managed databases; make it with a run step", l.Name)
}
