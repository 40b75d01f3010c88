package database

import (
	"context"
	"crypto/tls"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"oneclick-agent/agent/host"
)

// closeWithin bounds the good-bye to a server.
const closeWithin = 2 * time.Second

type mySQL struct {
	db *sql.DB
	// at is the host part of the accounts it makes: '%' on a cluster, localhost on the Droplet's own server.
	at string
}

func openMySQL(ctx context.Context, h *host.Host, c Connection, config *tls.Config) (session, error) {
	settings := mysql.NewConfig()
	settings.Net, settings.Addr, settings.User, settings.Passwd, settings.DBName = "tcp", c.address(), c.User, c.Password.Reveal(), c.Name
	settings.TLS = config
	settings.Logger = &mysql.NopLogger{}
	// Accounts are made by statements that servers do not prepare; the driver quotes their values for the server's
	// own SQL mode.
	settings.InterpolateParams = true
	settings.DialFunc = func(ctx context.Context, _, _ string) (net.Conn, error) { return c.dial(ctx, h) }
	connector, err := mysql.NewConnector(settings)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(1)
	if err := db.PingContext(ctx); err != nil {
		db.Close()
		return nil, err
	}
	s := &mySQL{db: db, at: "%"}
	if c.Local() {
		s.at = "localhost"
	}
	return s, nil
}

func (m *mySQL) close() { m.db.Close() }

func (m *mySQL) version(ctx context.Context) (string, error) {
	var version string
	if err := m.db.QueryRowContext(ctx, "SELECT VERSION()").Scan(&version); err != nil {
		return "", err
	}
	product := "MySQL "
	if strings.Contains(version, "MariaDB") {
		product = "MariaDB "
	}
	version, _, _ = strings.Cut(version, "-")
	return product + version, nil
}

func (m *mySQL) exists(ctx context.Context, a Account) (bool, error) {
	var found bool
	err := m.db.QueryRowContext(
		ctx,
		"SELECT EXISTS (SELECT 1 FROM mysql.user WHERE user = ?) OR EXISTS (SELECT 1 FROM information_schema.schemata WHERE schema_name = ?)",
		a.User,
		a.Database,
	).Scan(
		&found,
	)
	return found, err
}

func (m *mySQL) create(ctx context.Context, a Account, own bool) error {
	_, err := m.db.ExecContext(ctx, "CREATE USER ?@? IDENTIFIED BY ?", a.User, m.at, a.Password.Reveal())
	if mysqlNumber(err) == 1396 { // ER_CANNOT_USER: it is there
		if !own {
			return errTaken
		}
		_, err = m.db.ExecContext(ctx, "ALTER USER ?@? IDENTIFIED BY ?", a.User, m.at, a.Password.Reveal())
	}
	if err != nil {
		return err
	}
	name := strings.ReplaceAll(a.Database, "`", "``")
	if _, err := m.db.ExecContext(ctx, "CREATE DATABASE IF NOT EXISTS `"+name+"` CHARACTER SET utf8mb4"); err != nil {
		return err
	}
	// In GRANT, _ and % in a database's name are wildcards (MySQL manual, GRANT).
	pattern := strings.NewReplacer("_", `\_`, "%", `\%`).Replace(name)
	_, err = m.db.ExecContext(ctx, "GRANT ALL PRIVILEGES ON `"+pattern+"`.* TO ?@?", a.User, m.at)
	return err
}

// createAdmin leaves root its way in by the socket, where the server can have both: MariaDB (its manual, CREATE USER).
func (m *mySQL) createAdmin(ctx context.Context, a Account) error {
	version, err := m.version(ctx)
	if err != nil {
		return err
	}
	statements := []string{"CREATE USER IF NOT EXISTS ?@? IDENTIFIED BY ?", "ALTER USER ?@? IDENTIFIED BY ?"}
	if a.User == "root" && strings.HasPrefix(version, "MariaDB") {
		statements[1] = "ALTER USER ?@? IDENTIFIED VIA unix_socket OR mysql_native_password USING PASSWORD(?)"
	}
	for _, statement := range statements {
		if _, err := m.db.ExecContext(ctx, statement, a.User, m.at, a.Password.Reveal()); err != nil {
			return err
		}
	}
	_, err = m.db.ExecContext(ctx, "GRANT ALL PRIVILEGES ON *.* TO ?@? WITH GRANT OPTION", a.User, m.at)
	return err
}

// secure does what mysql_secure_installation does: no anonymous users, no test database, root only from here.
func (m *mySQL) secure(ctx context.Context) error {
	rows, err := m.db.QueryContext(
		ctx,
		"SELECT user, host FROM mysql.user WHERE user = '' OR (user = 'root' AND host NOT IN ('localhost', '127.0.0.1', '::1'))",
	)
	if err != nil {
		return err
	}
	defer rows.Close()
	var unwanted [][2]string
	for rows.Next() {
		var one [2]string
		if err := rows.Scan(&one[0], &one[1]); err != nil {
			return err
		}
		unwanted = append(unwanted, one)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for _, account := range unwanted {
		if _, err := m.db.ExecContext(ctx, "DROP USER ?@?", account[0], account[1]); err != nil {
			return err
		}
	}
	for _, statement := range []string{
		"DROP DATABASE IF EXISTS test",
		`DELETE FROM mysql.db WHERE db = 'test' OR db LIKE 'test\\_%'`,
		"FLUSH PRIVILEGES",
	} {
		if _, err := m.db.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

func mysqlNumber(err error) uint16 {
	var answer *mysql.MySQLError
	if errors.As(err, &answer) {
		return answer.Number
	}
	return 0
}

// explainMySQL reads the server's error numbers (MySQL manual, server error message reference).
func explainMySQL(c Connection, err error) error {
	if errors.Is(err, mysql.ErrNoTLS) {
		return c.noTLS()
	}
	switch number := mysqlNumber(err); number {
	case 0:
		return err
	case 1045, 1698:
		return c.wrongPassword()
	case 1044, 1049:
		return c.noDatabase()
	case 1040, 1203, 1226:
		return c.full()
	case 1142, 1227, 1410, 1419:
		return c.notAllowed("make users and databases")
	case 3159, 1130:
		return &LoginError{Refused, fmt.Sprintf("%s does not take this connection (error %d)", c.server(), number),
			"add this Droplet to the cluster's Trusted Sources in the control panel"}
	default:
		return c.strange(number, "the MySQL manual, server error message reference")
	}
}
