package database

import (
	"cmp"
	"fmt"
	"net"
	"net/url"
	"path"
	"strconv"
	"strings"

	"oneclick-agent/agent/host"
	"oneclick-agent/agent/manifest"
	"oneclick-agent/agent/render"
	"oneclick-agent/agent/secret"
)

const (
	// EnvironmentPath holds DATABASE_URL and its parts, for systemd's EnvironmentFile= and for sh.
	EnvironmentPath = "/etc/oneclick/database.env"
	// ProfilePath gives the same to root's login shells.
	ProfilePath = "/etc/profile.d/oneclick-database.sh"
	// CAPath is where a customer can put the cluster's CA certificate.
	CAPath = "/etc/oneclick/database-ca.crt"
)

// Connection is a database, and how its server is checked.
type Connection struct {
	Credentials
	TLS string // require, verify-ca or verify-full
	CA  string // file of the tree; "" where the server cannot be verified
}

// Connect chooses how the server is checked: as the manifest says, else as well as what is there allows.
func Connect(files *host.Root, c Credentials, spec *manifest.Database) Connection {
	connection := Connection{Credentials: c, TLS: spec.TLS}
	for _, candidate := range []string{spec.CA, CAPath} {
		if candidate != "" && files.Exists(candidate) {
			connection.CA = candidate
			break
		}
	}
	connection.TLS = cmp.Or(connection.TLS, map[bool]string{true: "verify-full", false: "require"}[connection.CA != ""])
	return connection
}

// Verified says in words what TLS proves about the server.
func (c Connection) Verified() string {
	switch {
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
	server := net.JoinHostPort(c.Host, strconv.Itoa(c.Port))
	login := ""
	if c.User != "" || c.Password.Reveal() != "" {
		login = escape(c.User) + ":" + escape(c.Password.Reveal()) + "@"
	}
	name := "/" + escape(c.Name)
	var scheme, query string
	switch c.Engine {
	case "postgresql":
		scheme, query = "postgresql", "?sslmode="+c.TLS
		if c.CA != "" {
			query += "&sslrootcert=" + escape(c.CA)
		}
	case "mysql":
		scheme, query = "mysql", "?ssl-mode="+map[string]string{"require": "REQUIRED", "verify-ca": "VERIFY_CA", "verify-full": "VERIFY_IDENTITY"}[c.TLS]
	case "valkey":
		scheme = "rediss"
		if c.Name == "" {
			name = ""
		}
	case "mongodb":
		scheme, query = "mongodb", "?tls=true&authSource=admin"
	case "opensearch":
		scheme, name = "https", ""
	default: // kafka has no URL; its clients take host:port
		return secret.New(server)
	}
	return secret.New(scheme + "://" + login + server + name + query)
}

// Environment is the file of DATABASE_ variables.
func (c Connection) Environment() []byte {
	var b strings.Builder
	b.WriteString("# Written by oneclick-agent from " + CredentialsPath + ".\n")
	for _, variable := range []struct{ name, value string }{
		{"DATABASE_URL", c.URL().Reveal()}, {"DATABASE_ENGINE", c.Engine}, {"DATABASE_HOST", c.Host},
		{"DATABASE_PORT", strconv.Itoa(c.Port)}, {"DATABASE_USER", c.User}, {"DATABASE_PASSWORD", c.Password.Reveal()},
		{"DATABASE_NAME", c.Name}, {"DATABASE_CA", c.CA},
	} {
		fmt.Fprintf(&b, "%s=%s\n", variable.name, render.DoubleQuoted(variable.value))
	}
	return []byte(b.String())
}

// Profile makes root's login shells read the environment file. It holds no secret itself.
func Profile() []byte {
	return []byte("# Gives DATABASE_URL to root's login shells; written by oneclick-agent.\n" +
		"if [ -r " + EnvironmentPath + " ]; then\n\tset -a\n\t. " + EnvironmentPath + "\n\tset +a\nfi\n")
}

// DropIn is the file that gives a unit the environment, and its content.
func DropIn(unit string) (file string, content []byte) {
	return path.Join("/etc/systemd/system", unit+".d", "50-oneclick-database.conf"),
		[]byte("# Written by oneclick-agent: the database of this Droplet.\n[Service]\nEnvironmentFile=-" + EnvironmentPath + "\n")
}

// Data is the database as templates see it. It reveals the password.
func (c Connection) Data() map[string]any {
	return map[string]any{
		"managed": true, "engine": c.Engine, "url": c.URL().Reveal(), "host": c.Host, "port": c.Port, "user": c.User,
		"password": c.Password.Reveal(), "name": c.Name, "ca": c.CA,
	}
}

// NoData is what templates see when no managed database was chosen.
func NoData(spec *manifest.Database, store *secret.Store) map[string]any {
	data := map[string]any{"managed": false, "engine": "", "url": "", "host": "", "port": 0, "user": "", "password": "", "name": "", "ca": ""}
	if spec == nil || len(spec.Engine) == 0 {
		return data
	}
	data["engine"] = spec.Engine[0]
	if local := spec.Local; local != nil {
		data["host"], data["name"], data["user"] = "localhost", cmp.Or(local.Database, local.Name), cmp.Or(local.User, local.Name)
		if fields, ok := store.Get(local.Password); ok {
			data["password"] = fields[""].Reveal()
		}
	}
	return data
}
