package database

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"oneclick-agent/agent/host"
)

// authenticationDatabase is where MongoDB keeps users, DigitalOcean's and ours.
const authenticationDatabase = "admin"

type mongoDB struct{ client *mongo.Client }

// mongoDialer connects as every engine does.
type mongoDialer struct {
	c Connection
	h *host.Host
	// ctx is the login's: the driver dials from goroutines of its own.
	ctx context.Context
}

func (d mongoDialer) DialContext(_ context.Context, network, address string) (net.Conn, error) {
	if d.c.SRV() {
		return (&net.Dialer{}).DialContext(d.ctx, network, address)
	}
	return d.c.dial(d.ctx, d.h)
}

func openMongoDB(ctx context.Context, h *host.Host, c Connection, config *tls.Config) (session, error) {
	settings := options.Client().SetAppName("oneclick-agent").SetDialer(mongoDialer{c, h, ctx}).SetMaxPoolSize(1).
		SetRetryReads(false).SetRetryWrites(false).SetServerSelectionTimeout(LoginWithin).SetHeartbeatInterval(time.Minute)
	if c.SRV() {
		settings.ApplyURI("mongodb+srv://" + c.Host + "/")
	} else {
		settings.SetHosts([]string{net.JoinHostPort(c.Host, c.portText())})
	}
	if c.User != "" {
		settings.SetAuth(
			options.Credential{Username: c.User, Password: c.Password.Reveal(), PasswordSet: true, AuthSource: authenticationDatabase},
		)
	}
	if config != nil {
		settings.SetTLSConfig(config)
	}
	client, err := mongo.Connect(settings)
	if err != nil {
		return nil, err
	}
	return &mongoDB{client}, nil
}

func (m *mongoDB) close() {
	ctx, cancel := context.WithTimeout(context.Background(), closeWithin)
	defer cancel()
	m.client.Disconnect(ctx)
}

func (m *mongoDB) run(ctx context.Context, command bson.D, answer any) error {
	return m.client.Database(authenticationDatabase).RunCommand(ctx, command).Decode(answer)
}

func (m *mongoDB) version(ctx context.Context) (string, error) {
	var answer struct{ Version string }
	err := m.run(ctx, bson.D{{Key: "buildInfo", Value: 1}}, &answer)
	return "MongoDB " + answer.Version, err
}

func (m *mongoDB) exists(ctx context.Context, a Account) (bool, error) {
	var answer struct{ Users []bson.M }
	if err := m.run(ctx, bson.D{{Key: "usersInfo", Value: a.User}}, &answer); err != nil {
		return false, err
	}
	return len(answer.Users) > 0, nil
}

func (m *mongoDB) create(ctx context.Context, a Account, own bool) error {
	return m.createWith(ctx, a, own, "dbOwner", a.Database)
}

// createAdmin makes the first user of all by the exception that the server makes for this machine as long as it has none.
func (m *mongoDB) createAdmin(ctx context.Context, a Account) error {
	return m.createWith(ctx, a, true, "root", authenticationDatabase)
}

func (m *mongoDB) createWith(ctx context.Context, a Account, own bool, role, database string) error {
	account := bson.D{{Key: "pwd", Value: a.Password.Reveal()}, {Key: "roles", Value: bson.A{
		bson.D{{Key: "role", Value: role}, {Key: "db", Value: database}},
	}}}
	var answer bson.M
	err := m.run(ctx, append(bson.D{{Key: "createUser", Value: a.User}}, account...), &answer)
	var failed mongo.CommandError
	if errors.As(err, &failed) && failed.Code == 51003 { // it is there
		if !own {
			return errTaken
		}
		err = m.run(ctx, append(bson.D{{Key: "updateUser", Value: a.User}}, account...), &answer)
	}
	return err
}

// explainMongoDB reads the server's error codes (MongoDB manual, error codes).
func explainMongoDB(c Connection, err error) error {
	var failed mongo.CommandError
	if !errors.As(err, &failed) {
		if strings.Contains(err.Error(), "AuthenticationFailed") || strings.Contains(err.Error(), "unable to authenticate") {
			return c.wrongPassword()
		}
		return err
	}
	switch failed.Code {
	case 18:
		return c.wrongPassword()
	case 13:
		return c.notAllowed("make users")
	}
	return c.strange(failed.Code, "the MongoDB manual, error codes")
}
