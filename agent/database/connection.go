package database

import (
	"cmp"
	"net"
	"net/url"
	"strconv"
	"strings"

	"oneclick-agent/agent/host"
	"oneclick-agent/agent/manifest"
	"oneclick-agent/agent/render"
	"oneclick-agent/agent/secret"
	"oneclick-agent/agent/state"
)

// Connection is a database, and how its server is checked.
type Connection struct {
	Credentials
	TLS string // require, verify-ca or verify-full; "" on the Droplet itself, where none is needed
	CA  string // file of the tree; "" where the server cannot be verified
	// Socket is the server's UNIX socket, where it is reached by one; PeerAs is the account that the server sees.
	Socket string
	PeerAs *host.Account
}

// Connect chooses how the server is checked: as the manifest says, else as well as what is there allows.
func Connect(files *host.Root, c Credentials, spec *manifest.Database) Connection {
	connection := Connection{Credentials: c, TLS: spec.TLS}
	for _, candidate := range []string{spec.CA, state.DatabaseCA} {
		if candidate != "" && files.Exists(candidate) {
			connection.CA = candidate
			break
		}
	}
	connection.TLS = cmp.Or(connection.TLS, map[bool]string{true: "verify-full", false: "require"}[connection.CA != ""])
	return connection
}

// Local reports whether the server is this Droplet's own.
func (c Connection) Local() bool { return c.TLS == "" }

// SRV reports whether the servers are found by a DNS SRV record, as MongoDB clusters are.
func (c Connection) SRV() bool { return c.Engine == "mongodb" && c.Port == 0 }

// address is where the server listens.
func (c Connection) address() string {
	if c.Socket != "" {
		return c.Socket
	}
	return net.JoinHostPort(c.Host, strconv.Itoa(c.Port))
}

// server is the server in a sentence.
func (c Connection) server() string {
	if c.Local() {
		return "the Droplet's own " + c.Engine + " server"
	}
	return "the database server " + c.Host
}

// As is the connection with another account.
func (c Connection) As(a Account) Connection {
	c.User, c.Password, c.Name = a.User, a.Password, a.Database
	return c
}

// Verified says in words what TLS proves about the server.
func (c Connection) Verified() string {
	switch {
	case c.Local():
		return "on this Droplet"
	case c.TLS == "verify-full":
		return "encrypted, server verified"
	case c.TLS == "verify-ca":
		return "encrypted, CA verified, host name not"
	}
	return "encrypted, server not verified: no CA is known"
}

// escape percent-encodes everything that RFC 3986 does not call unreserved, because the parsers of URLs differ on
// the rest.
func escape(text string) string { return strings.ReplaceAll(url.QueryEscape(text), "+", "%20") }

// URL is the connection in the form that the engine's own clients take. It holds the password.
func (c Connection) URL() secret.Secret {
	server, login := net.JoinHostPort(c.Host, strconv.Itoa(c.Port)), ""
	if c.User != "" || c.Password.Reveal() != "" {
		login = escape(c.User) + ":" + escape(c.Password.Reveal()) + "@"
	}
	scheme, name := c.Engine, "/"+escape(c.Name)
	var query []string
	option := func(name, value string) {
		if value != "" {
			query = append(query, name+"="+value)
		}
	}
	switch c.Engine {
	case "postgresql":
		option("sslmode", c.TLS)
		option("sslrootcert", escape(c.CA))
	case "mysql":
		option("ssl-mode", map[string]string{"require": "REQUIRED", "verify-ca": "VERIFY_CA", "verify-full": "VERIFY_IDENTITY"}[c.TLS])
		option("ssl-ca", escape(c.CA))
	case "valkey":
		scheme = map[bool]string{true: "redis", false: "rediss"}[c.Local()]
		if c.Name == "" {
			name = ""
		}
	case "mongodb":
		if c.SRV() {
			scheme, server = "mongodb+srv", c.Host
		}
		option("tls", map[bool]string{false: "true"}[c.Local()])
		option("authSource", "admin")
		option("tlsCAFile", escape(c.CA))
	case "opensearch":
		scheme, name = map[bool]string{true: "http", false: "https"}[c.Local()], ""
	default: // kafka has no URL; its clients take host:port
		return secret.New(server)
	}
	url := scheme + "://" + login + server + name
	if len(query) > 0 {
		url += "?" + strings.Join(query, "&")
	}
	return secret.New(url)
}

// Data is the database as templates see it. Asked is called when the text of its password or its address is asked for.
func (c Connection) Data(asked func()) map[string]any {
	return map[string]any{
		"managed": !c.Local(), "engine": c.Engine, "url": render.NewValue(c.URL().Reveal(), asked), "host": c.Host, "port": c.Port,
		"user":     c.User,
		"password": render.NewValue(c.Password.Reveal(), asked), "name": c.Name, "ca": c.CA,
	}
}

// NoData is what templates see without a database.
func NoData(engine string) map[string]any {
	return map[string]any{
		"managed":  false,
		"engine":   engine,
		"url":      "",
		"host":     "",
		"port":     0,
		"user":     "",
		"password": "",
		"name":     "",
		"ca":       "",
	}
}
