package database

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/gomodule/redigo/redis"

	"oneclick-agent/agent/host"
)

// valkey speaks RESP by way of redigo: valkey-go's thousands of command builders would make the program 10 MB larger,
// because text/template keeps the linker from leaving unused methods out.
type valkey struct{ conn redis.Conn }

func openValkey(ctx context.Context, h *host.Host, c Connection, config *tls.Config) (session, error) {
	number, err := strconv.Atoi(c.Name)
	if err != nil && c.Name != "" {
		return nil, &LoginError{
			Missing,
			fmt.Sprintf("%s has no database %q", c.server(), c.Name),
			"Valkey's databases are numbers: correct db_database in " + CredentialsPath,
		}
	}
	conn, err := redis.DialContext(
		ctx,
		"tcp",
		c.address(),
		redis.DialUsername(c.User),
		redis.DialPassword(c.Password.Reveal()),
		redis.DialDatabase(number),
		redis.DialContextFunc(func(ctx context.Context, _, _ string) (net.Conn, error) {
			conn, err := c.dial(ctx, h)
			if err != nil || config == nil {
				return conn, err
			}
			encrypted := tls.Client(conn, config)
			return encrypted, encrypted.HandshakeContext(ctx)
		}),
	)
	if err != nil {
		return nil, err
	}
	return &valkey{conn}, nil
}

func (v *valkey) close() { v.conn.Close() }

func (v *valkey) version(ctx context.Context) (string, error) {
	info, err := redis.String(redis.DoContext(v.conn, ctx, "INFO", "server"))
	if err != nil {
		return "", err
	}
	product, version := "Redis", ""
	for line := range strings.Lines(info) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		if key == "valkey_version" || key == "redis_version" && version == "" {
			version = value
		}
		if key == "valkey_version" {
			product = "Valkey"
		}
	}
	return product + " " + version, nil
}

func (v *valkey) exists(ctx context.Context, a Account) (bool, error) {
	users, err := redis.Strings(redis.DoContext(v.conn, ctx, "ACL", "USERS"))
	return slices.Contains(users, a.User), err
}

// create gives the user every right on the Droplet's own server, closes the unnamed way in, and writes both into
// the server's configuration.
func (v *valkey) create(ctx context.Context, a Account, _ bool) error {
	commands := []redis.Args{{"SETUSER", a.User, "on", "resetpass", ">" + a.Password.Reveal(), "~*", "&*", "+@all"}}
	if a.User != "default" {
		commands = append(commands, redis.Args{"SETUSER", "default", "off"})
	}
	for _, command := range commands {
		if _, err := redis.DoContext(v.conn, ctx, "ACL", command...); err != nil {
			return err
		}
	}
	_, err := redis.DoContext(v.conn, ctx, "ACL", "SAVE")
	if err != nil { // without a file for accounts, they stand in the configuration
		_, err = redis.DoContext(v.conn, ctx, "CONFIG", "REWRITE")
	}
	return err
}

// explainValkey reads the words that the server's errors begin with.
func explainValkey(c Connection, err error) error {
	var answer redis.Error
	if !errors.As(err, &answer) {
		return err
	}
	text := answer.Error()
	for _, known := range []struct {
		part  string
		error error
	}{
		{"WRONGPASS", c.wrongPassword()}, {"NOAUTH", c.wrongPassword()}, {"invalid password", c.wrongPassword()},
		{"without any password configured", c.wrongPassword()}, {"max number of clients", c.full()}, {"LOADING", c.starting()},
		{"DB index is out of range", c.noDatabase()}, {"NOPERM", c.notAllowed("do this")},
	} {
		if strings.Contains(text, known.part) {
			return known.error
		}
	}
	word, _, _ := strings.Cut(text, " ")
	return c.strange(word, "the Valkey documentation, protocol errors")
}
