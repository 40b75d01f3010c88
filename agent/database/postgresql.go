package database

import (
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"oneclick-agent/agent/host"
)

// postgresql uses pgconn alone: the rest of pgx, types and pools, would add 3 MB for a handful of statements.
type postgresql struct{ conn *pgconn.PgConn }

func openPostgreSQL(ctx context.Context, h *host.Host, c Connection, config *tls.Config) (session, error) {
	// An empty string takes nothing from PGHOST and its like, nor from ~/.pgpass: every field is set below.
	settings, err := pgconn.ParseConfig("host=localhost sslmode=disable")
	if err != nil {
		return nil, err
	}
	settings.Host, settings.Port, settings.Database = c.Host, uint16(c.Port), c.Name
	settings.User, settings.Password = c.User, c.Password.Reveal()
	settings.TLSConfig, settings.Fallbacks = config, nil
	settings.RuntimeParams = map[string]string{"application_name": "oneclick-agent"}
	settings.LookupFunc = func(context.Context, string) ([]string, error) { return []string{"unused"}, nil } // dial looks it up
	settings.DialFunc = func(ctx context.Context, _, _ string) (net.Conn, error) { return c.dial(ctx, h) }
	conn, err := pgconn.ConnectConfig(ctx, settings)
	if err != nil {
		return nil, err
	}
	return &postgresql{conn}, nil
}

func (p *postgresql) close() {
	ctx, cancel := context.WithTimeout(context.Background(), closeWithin)
	defer cancel()
	p.conn.Close(ctx)
}

func (p *postgresql) version(ctx context.Context) (string, error) {
	full, err := p.ask(ctx, "SHOW server_version")
	version, _, _ := strings.Cut(full, " ")
	return "PostgreSQL " + version, err
}

// ask runs one statement and returns the first column of its first row, "" without one.
func (p *postgresql) ask(ctx context.Context, statement string, values ...string) (string, error) {
	parameters := make([][]byte, len(values))
	for i, value := range values {
		parameters[i] = []byte(value)
	}
	result := p.conn.ExecParams(ctx, statement, parameters, nil, nil, nil).Read()
	if result.Err != nil || len(result.Rows) == 0 {
		return "", result.Err
	}
	return string(result.Rows[0][0]), nil
}

func (p *postgresql) exists(ctx context.Context, a Account) (bool, error) {
	found, err := p.ask(
		ctx,
		"SELECT 'role' FROM pg_roles WHERE rolname = $1 UNION SELECT 'database' FROM pg_database WHERE datname = $2",
		a.User,
		a.Database,
	)
	return found != "", err
}

func (p *postgresql) create(ctx context.Context, a Account, own bool) error {
	role, database := identifier(a.User), identifier(a.Database)
	password := "PASSWORD " + literal(postgresqlPassword(a.Password.Reveal()))
	_, err := p.ask(ctx, "CREATE ROLE "+role+" LOGIN "+password)
	if answered(err, "42710") {
		if !own {
			return errTaken
		}
		_, err = p.ask(ctx, "ALTER ROLE "+role+" LOGIN "+password)
	}
	if err != nil {
		return err
	}
	if super, err := p.ask(ctx, "SHOW is_superuser"); err != nil {
		return err
	} else if super != "on" {
		// Only a member of a role may give a database to it (PostgreSQL manual, CREATE DATABASE).
		if _, err := p.ask(ctx, "GRANT "+role+" TO CURRENT_USER"); err != nil {
			return err
		}
	}
	_, err = p.ask(ctx, "CREATE DATABASE "+database+" OWNER "+role)
	if answered(err, "42P04") {
		_, err = p.ask(ctx, "ALTER DATABASE "+database+" OWNER TO "+role)
	}
	return err
}

func (p *postgresql) createAdmin(ctx context.Context, a Account) error {
	role := identifier(a.User) + " LOGIN SUPERUSER PASSWORD " + literal(postgresqlPassword(a.Password.Reveal()))
	_, err := p.ask(ctx, "CREATE ROLE "+role)
	if answered(err, "42710") {
		_, err = p.ask(ctx, "ALTER ROLE "+role)
	}
	return err
}

func answered(err error, code string) bool {
	var answer *pgconn.PgError
	return errors.As(err, &answer) && answer.Code == code
}

// identifier and literal quote for PostgreSQL with standard_conforming_strings, which is on since 9.1.
func identifier(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
func literal(text string) string    { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// postgresqlPassword hashes a password here, as psql's \password does, so that no server log can hold it. One that
// is not plain ASCII is left to the server, which normalises it first (RFC 5802, RFC 4013).
func postgresqlPassword(password string) string {
	if strings.ContainsFunc(password, func(r rune) bool { return r < ' ' || r > '~' }) {
		return password
	}
	const rounds = 4096 // scram_iterations of every server so far
	salt := make([]byte, 16)
	rand.Read(salt) // never fails: crypto/rand ends the program instead
	salted, err := pbkdf2.Key(sha256.New, password, salt, rounds, sha256.Size)
	if err != nil {
		return password
	}
	mac := func(text string) []byte {
		m := hmac.New(sha256.New, salted)
		m.Write([]byte(text))
		return m.Sum(nil)
	}
	stored := sha256.Sum256(mac("Client Key"))
	encode := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s", rounds, encode(salt), encode(stored[:]), encode(mac("Server Key")))
}

// explainPostgreSQL reads the server's error codes (PostgreSQL manual, appendix A).
func explainPostgreSQL(c Connection, err error) error {
	var answer *pgconn.PgError
	if !errors.As(err, &answer) {
		if strings.Contains(err.Error(), "server refused TLS connection") {
			return c.noTLS()
		}
		return err
	}
	switch answer.Code {
	case "28P01", "28000":
		return c.wrongPassword()
	case "3D000":
		return c.noDatabase()
	case "53300":
		return c.full()
	case "57P03":
		return c.starting()
	case "42501":
		return c.notAllowed("make roles and databases")
	}
	return c.strange(answer.Code, "the PostgreSQL manual, appendix A")
}
