package database

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/valkey-io/valkey-go"

	"oneclick-agent/agent/host"
)

type valkeySession struct{ client valkey.Client }

func openValkey(ctx context.Context, h *host.Host, c Connection, config *tls.Config) (session, error) {
	number, err := strconv.Atoi(c.Name)
	if err != nil && c.Name != "" {
		return nil, &LoginError{Missing, fmt.Sprintf("%s has no database %q", c.server(), c.Name), "Valkey's databases are numbers: correct db_database in " + CredentialsPath}
	}
	client, err := valkey.NewClient(valkey.ClientOption{
		InitAddress: []string{c.address()}, Username: c.User, Password: c.Password.Reveal(), SelectDB: number, TLSConfig: config,
		ForceSingleClient: true, DisableCache: true, DisableRetry: true, ClientSetInfo: valkey.DisableClientSetInfo, AlwaysRESP2: true,
		DialCtxFn: func(_ context.Context, _ string, _ *net.Dialer, config *tls.Config) (net.Conn, error) {
			conn, err := c.dial(ctx, h)
			if err != nil || config == nil {
				return conn, err
			}
			encrypted := tls.Client(conn, config)
			return encrypted, encrypted.HandshakeContext(ctx)
		},
	})
	if err != nil {
		return nil, err
	}
	return &valkeySession{client}, nil
}

func (v *valkeySession) close() { v.client.Close() }

func (v *valkeySession) do(ctx context.Context, arguments ...string) (string, error) {
	return v.client.Do(ctx, v.client.B().Arbitrary(arguments...).Build()).ToString()
}

func (v *valkeySession) version(ctx context.Context) (string, error) {
	info, err := v.do(ctx, "INFO", "server")
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

func (v *valkeySession) exists(ctx context.Context, a Account) (bool, error) {
	users, err := v.client.Do(ctx, v.client.B().Arbitrary("ACL", "USERS").Build()).AsStrSlice()
	for _, user := range users {
		if user == a.User {
			return true, nil
		}
	}
	return false, err
}

// create gives the user every right on the Droplet's own server, closes the unnamed way in, and writes both into
// the server's configuration.
func (v *valkeySession) create(ctx context.Context, a Account, _ bool) error {
	if _, err := v.do(ctx, "ACL", "SETUSER", a.User, "on", "resetpass", ">"+a.Password.Reveal(), "~*", "&*", "+@all"); err != nil {
		return err
	}
	if a.User != "default" {
		if _, err := v.do(ctx, "ACL", "SETUSER", "default", "off"); err != nil {
			return err
		}
	}
	_, err := v.do(ctx, "ACL", "SAVE")
	if err != nil { // without a file for accounts, they stand in the configuration
		_, err = v.do(ctx, "CONFIG", "REWRITE")
	}
	return err
}

// explainValkey reads the words that the server's errors begin with.
func explainValkey(c Connection, err error) error {
	var answer *valkey.ValkeyError
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
