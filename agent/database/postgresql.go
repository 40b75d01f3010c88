package database

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// loginPostgreSQL uses pgconn alone: the rest of pgx, types and pools, would add 3 MB for one query.
func loginPostgreSQL(ctx context.Context, c Connection, config *tls.Config) (string, error) {
	// An empty string takes nothing from PGHOST and its like, nor from ~/.pgpass: every field is set below.
	settings, err := pgconn.ParseConfig("host=localhost sslmode=disable")
	if err != nil {
		return "", err
	}
	settings.Host, settings.Port, settings.Database = c.Host, uint16(c.Port), c.Name
	settings.User, settings.Password = c.User, c.Password.Reveal()
	settings.TLSConfig, settings.Fallbacks = config, nil
	settings.RuntimeParams = map[string]string{"application_name": "oneclick-agent"}
	connection, err := pgconn.ConnectConfig(ctx, settings)
	if err != nil {
		return "", explainPostgreSQL(c, err)
	}
	defer connection.Close(ctx)
	results, err := connection.Exec(ctx, "SHOW server_version").ReadAll()
	if err != nil {
		return "", explainPostgreSQL(c, err)
	}
	if len(results) != 1 || len(results[0].Rows) != 1 {
		return "", errors.New("the server did not tell its version")
	}
	version, _, _ := strings.Cut(string(results[0].Rows[0][0]), " ")
	return "PostgreSQL " + version, nil
}

// explainPostgreSQL names the layers that only the server's own error codes tell (PostgreSQL manual, appendix A).
func explainPostgreSQL(c Connection, err error) error {
	var answer *pgconn.PgError
	if !errors.As(err, &answer) {
		if strings.Contains(err.Error(), "server refused TLS connection") {
			return &LoginError{TLS, fmt.Sprintf("the database server %s does not offer TLS", c.Host), "check db_host and db_port in " + CredentialsPath}
		}
		return err
	}
	switch answer.Code {
	case "28P01", "28000":
		return &LoginError{Password, fmt.Sprintf("the database server %s does not accept the user %s with this password", c.Host, c.User),
			"write the current password into " + CredentialsPath}
	case "3D000":
		return &LoginError{Missing, fmt.Sprintf("the database server %s has no database %s", c.Host, c.Name), "create it, or correct db_database in " + CredentialsPath}
	case "53300":
		return &LoginError{Full, fmt.Sprintf("the database server %s has no free connection", c.Host), "close some, or choose a larger cluster"}
	case "57P03":
		return &LoginError{Refused, fmt.Sprintf("the database server %s is starting up", c.Host), "wait until it is ready"}
	}
	return &LoginError{Other, fmt.Sprintf("the database server %s answered with error %s", c.Host, answer.Code), "see the PostgreSQL manual, appendix A"}
}
