package database

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"gopkg.in/ini.v1"

	"oneclick-agent/agent/host"
	"oneclick-agent/agent/secret"
	"oneclick-agent/agent/state"
)

// localServer is where an engine's own packages put its server.
type localServer struct {
	engine  string
	port    int
	units   []string
	sockets []string // patterns; none is an address on the loopback
	// superuser is the account that the server trusts by the user id behind the socket, and peer that user.
	superuser, peer, database string
}

func localServerOf(engine string) (localServer, bool) {
	switch engine {
	case "postgresql":
		return localServer{
			engine,
			5432,
			[]string{"postgresql.service"},
			[]string{"/run/postgresql/.s.PGSQL.*", "/tmp/.s.PGSQL.*"},
			"postgres",
			"postgres",
			"postgres",
		}, true
	case "mysql":
		return localServer{engine, 3306, []string{"mariadb.service", "mysql.service", "mysqld.service"},
			[]string{"/run/mysqld/mysqld.sock", "/var/lib/mysql/mysql.sock"}, "root", "", ""}, true
	case "mongodb":
		return localServer{engine, 27017, []string{"mongod.service"}, nil, "", "", ""}, true
	case "valkey":
		return localServer{
			engine,
			6379,
			[]string{"valkey-server.service", "valkey.service", "redis-server.service", "redis.service"},
			nil,
			"",
			"",
			"",
		}, true
	}
	return localServer{}, false
}

// LocalConnection is how an application reaches its account on the Droplet's own server.
func LocalConnection(engine string, a Account) Connection {
	server, _ := localServerOf(engine)
	return server.application(a)
}

func (l localServer) application(a Account) Connection {
	c := Connection{Credentials: Credentials{Engine: l.engine, Host: "localhost", Port: l.port}}.As(a)
	if l.engine == "valkey" {
		c.Name = "" // Valkey's databases are numbers; the first is everybody's
	}
	return c
}

// administrator is how the server is administered from here: over its socket, as the user that it trusts, without any
// password.
func (l localServer) administrator(h *host.Host) (c Connection, err error) {
	c = l.application(Account{User: l.superuser, Database: l.database})
	for _, pattern := range l.sockets {
		if c.Socket = firstSocket(h.Files, pattern); c.Socket != "" {
			break
		}
	}
	if len(l.sockets) > 0 && c.Socket == "" {
		return c, &LoginError{
			Refused,
			fmt.Sprintf("%s has no socket at %s", c.server(), strings.Join(l.sockets, " or ")),
			"see whether its unit runs: systemctl status",
		}
	}
	if l.peer != "" {
		c.PeerAs, err = h.Account(l.peer)
	}
	return c, err
}

func firstSocket(files *host.Root, pattern string) string {
	entries, err := files.ReadDir(path.Dir(pattern))
	if err != nil {
		return ""
	}
	var found []string
	for _, entry := range entries {
		if match, _ := path.Match(path.Base(pattern), entry.Name()); match && entry.Type()&fs.ModeSocket != 0 {
			found = append(found, path.Join(path.Dir(pattern), entry.Name()))
		}
	}
	slices.Sort(found)
	return strings.Join(found[:min(1, len(found))], "")
}

// LocalUnits are the units that an engine's server may have.
func LocalUnits(engine string) []string {
	server, _ := localServerOf(engine)
	return server.units
}

// MakeLocal makes the administrators, and the application's user and database, on the Droplet's own server, or gives users that
// are there the passwords of this Droplet, and proves it by logins. It can be repeated.
func MakeLocal(ctx context.Context, h *host.Host, engine string, a Account, admins []Account) (version string, err error) {
	server, ok := localServerOf(engine)
	if !ok {
		return "", fmt.Errorf("cannot set up a local %s: that engine is only managed", engine)
	}
	ctx, cancel := context.WithTimeout(ctx, AccountWithin)
	defer cancel()
	return server.make(ctx, h, a, admins)
}

func (l localServer) make(ctx context.Context, h *host.Host, a Account, admins []Account) (version string, err error) {
	app := l.application(a)
	if version, err := Login(ctx, h, app); err == nil && l.engine == "valkey" {
		return version, nil // its own account has closed the way in that made it
	}
	admin, err := l.administrator(h)
	if err != nil {
		return "", err
	}
	if l.engine == "mysql" {
		admin = mySQLAdministrator(ctx, h, admin)
	}
	if admin, err = l.found(ctx, h, admin, admins); err != nil {
		return "", err
	}
	err = admin.with(ctx, h, func(s session) error {
		if err := s.(administrator).create(ctx, a, true); err != nil {
			return err
		}
		if server, ok := s.(*mySQL); ok {
			if err := server.secure(ctx); err != nil {
				return err
			}
			return renewMaintenance(ctx, h, server)
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	return Login(ctx, h, app)
}

// found makes the administrators, and returns how the server is administered from then on: with their own passwords where it
// does not trust the socket any more.
func (l localServer) found(ctx context.Context, h *host.Host, admin Connection, admins []Account) (Connection, error) {
	as := func(a Account) Connection {
		a.Database = l.database
		return l.application(a)
	}
	trusts := func(c Connection) bool {
		_, err := Login(ctx, h, c)
		return err == nil
	}
	for _, a := range admins {
		if c := as(a); trusts(c) && (l.engine == "mongodb" || !trusts(admin)) {
			admin = c
			break
		}
	}
	for _, a := range admins {
		if err := admin.with(ctx, h, func(s session) error { return s.(founder).createAdmin(ctx, a) }); err != nil {
			return admin, err
		}
		if _, err := Login(ctx, h, as(a)); err != nil {
			return admin, err
		}
		if l.engine == "mongodb" { // the exception for the first user is over
			admin = as(a)
		}
	}
	return admin, nil
}

const (
	// maintenancePath holds the password of Debian's maintenance account, which the package made when the image was
	// built: all Droplets of the image would share it.
	maintenancePath = "/etc/mysql/debian.cnf"

	maxMaintenance     = 64 << 10
	maintenanceSection = "client"
)

// mySQLAdministrator is root over the socket, or Debian's maintenance account where root has a password.
func mySQLAdministrator(ctx context.Context, h *host.Host, c Connection) Connection {
	var failed *LoginError
	if _, err := Login(ctx, h, c); !errors.As(err, &failed) || failed.Layer != Password {
		return c
	}
	user, password, err := readMaintenance(h, maintenancePath)
	if err != nil || password == "" {
		return c
	}
	c.User, c.Password = user, secret.New(password)
	if _, err := Login(ctx, h, c); errors.As(err, &failed) && failed.Layer == Password {
		// Cut off between the server and the file: the new password is where it was kept first.
		if _, password, err := readMaintenance(h, state.NextMaintenance); err == nil && password != "" {
			c.Password = secret.New(password)
		}
	}
	return c
}

func loadMaintenance(h *host.Host, path string) (*ini.File, error) {
	data, err := h.Files.ReadFile(path, maxMaintenance)
	if err != nil {
		return nil, err
	}
	file, err := ini.LoadSources(ini.LoadOptions{IgnoreInlineComment: true, PreserveSurroundedQuote: true, AllowBooleanKeys: true}, data)
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: it is not an option file of MySQL", maintenancePath)
	}
	return file, nil
}

func readMaintenance(h *host.Host, path string) (user, password string, err error) {
	file, err := loadMaintenance(h, path)
	if err != nil {
		return "", "", err
	}
	section := file.Section(maintenanceSection)
	return section.Key("user").String(), section.Key("password").String(), nil
}

// renewMaintenance gives Debian's maintenance account a password of this Droplet's own. It is kept before the server
// is told, because the account may be the only administrator that is known here.
func renewMaintenance(ctx context.Context, h *host.Host, m *mySQL) error {
	file, err := loadMaintenance(h, maintenancePath)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	user := file.Section(maintenanceSection).Key("user").String()
	if file.Section(maintenanceSection).Key("password").String() == "" || user == "" {
		return nil // it goes by the socket
	}
	password, err := secret.Random()
	if err != nil {
		return err
	}
	for _, section := range file.Sections() {
		if section.Key("user").String() == user && section.HasKey("password") {
			section.Key("password").SetValue(password)
		}
	}
	var text bytes.Buffer
	if _, err := file.WriteTo(&text); err != nil {
		return err
	}
	if _, err := h.Files.WriteFile(state.NextMaintenance, text.Bytes(), host.Mode(0o600)); err != nil {
		return err
	}
	if _, err := m.db.ExecContext(ctx, "ALTER USER ?@'localhost' IDENTIFIED BY ?", user, password); err != nil {
		return err
	}
	if _, err := h.Files.WriteFile(maintenancePath, text.Bytes(), host.Attributes{}); err != nil {
		return err
	}
	return h.Files.Remove(state.NextMaintenance)
}
