package database

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"

	"oneclick-agent/agent/host"
	"oneclick-agent/agent/secret"
)

// session is an open login on a server.
type session interface {
	// version asks the server one question: what it is.
	version(ctx context.Context) (string, error)
	close()
}

// administrator is a session that can give an application an account of its own.
type administrator interface {
	session
	// exists tells whether the server has the account's user, or its database.
	exists(ctx context.Context, a Account) (bool, error)
	// create makes the user and its database. A user that is there already gets the password when own is set, and
	// is errTaken otherwise.
	create(ctx context.Context, a Account, own bool) error
}

// founder is a session on the Droplet's own server that can make administrators.
type founder interface {
	// createAdmin makes an administrator of the whole server, or gives one that is there this password. It can be repeated.
	createAdmin(ctx context.Context, a Account) error
}

// Account is an application's own user and database.
type Account struct {
	User, Database string
	Password       secret.Secret
}

// errTaken says that a user of this name exists, and is not ours to change.
var errTaken = errors.New("the name is taken")

// open logs in with the engine's own driver.
func (c Connection) open(ctx context.Context, h *host.Host, config *tls.Config) (session, error) {
	switch c.Engine {
	case "postgresql":
		return openPostgreSQL(ctx, h, c, config)
	case "mysql":
		return openMySQL(ctx, h, c, config)
	case "valkey":
		return openValkey(ctx, h, c, config)
	case "mongodb":
		return openMongoDB(ctx, h, c, config)
	case "kafka":
		return openKafka(ctx, h, c, config)
	case "opensearch":
		return openOpenSearch(h, c, config), nil
	}
	return nil, fmt.Errorf("there is no engine %q", c.Engine)
}

// explain names the layers that only the server's own answers tell.
func (c Connection) explain(err error) error {
	switch c.Engine {
	case "postgresql":
		return explainPostgreSQL(c, err)
	case "mysql":
		return explainMySQL(c, err)
	case "valkey":
		return explainValkey(c, err)
	case "mongodb":
		return explainMongoDB(c, err)
	}
	return err // kafka and opensearch tell it where they read the answer
}

// The answers that every engine has a code of its own for.

func (c Connection) wrongPassword() error {
	advice := "write the current password into " + CredentialsPath
	if c.Local() {
		advice = "run: oneclick-agent first-boot"
	}
	return &LoginError{Password, fmt.Sprintf("%s does not accept the user %s with this password", c.server(), c.User), advice}
}

func (c Connection) noDatabase() error {
	advice := "create it, or correct db_database in " + CredentialsPath
	if c.Local() {
		advice = "run: oneclick-agent first-boot"
	}
	return &LoginError{Missing, fmt.Sprintf("%s has no database %s", c.server(), c.Name), advice}
}

func (c Connection) full() error {
	return &LoginError{Full, c.server() + " has no free connection", "close some, or choose a larger cluster"}
}

func (c Connection) starting() error {
	return &LoginError{Refused, c.server() + " is starting up", "wait until it is ready"}
}

func (c Connection) noTLS() error {
	return &LoginError{TLS, c.server() + " does not offer TLS", "check db_host and db_port in " + CredentialsPath}
}

func (c Connection) notAllowed(what string) error {
	return &LoginError{Other, fmt.Sprintf("%s does not let the user %s %s", c.server(), c.User, what),
		"use the cluster's administrator in " + CredentialsPath}
}

func (c Connection) strange(code any, manual string) error {
	return &LoginError{Other, fmt.Sprintf("%s answered with error %v", c.server(), code), "see " + manual}
}
