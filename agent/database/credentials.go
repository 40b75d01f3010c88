// Package database reads DigitalOcean's database credentials, writes them as a URL and as an environment, and
// logs in with them.
package database

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"gopkg.in/ini.v1"

	"oneclick-agent/agent/host"
	"oneclick-agent/agent/secret"
)

const (
	// CredentialsPath is where DigitalOcean puts the credentials of a managed database. It is read, never changed.
	CredentialsPath = "/root/.digitalocean_dbaas_credentials"
	maxCredentials  = 64 << 10
	maxValue        = 4096
)

// Credentials are how to reach one managed database.
type Credentials struct {
	Engine   string // the manifest's word: postgresql, mysql, valkey, …
	Protocol string // what the file says
	Host     string
	Port     int
	User     string
	Password secret.Secret
	Name     string // the database
}

// File is what the credentials file holds, as far as it is complete.
type File struct {
	// Main is the db_* block, Keystore the keystore_*/redis_* one; nil where it is not there.
	Main, Keystore *Credentials
	// Missing names the keys that are there without a value, or not there although others of their block are:
	// the file is still being written.
	Missing []string
	// Warnings are oddities that do not stop anything.
	Warnings []string
}

// engines are the words that the file uses, by how they begin.
var engines = []struct{ prefix, engine string }{
	{"postgres", "postgresql"}, {"pg", "postgresql"}, {"advanced_pg", "postgresql"},
	{"mysql", "mysql"}, {"mariadb", "mysql"}, {"advanced_mysql", "mysql"},
	{"valkey", "valkey"}, {"redis", "valkey"},
	{"mongo", "mongodb"}, {"kafka", "kafka"}, {"opensearch", "opensearch"},
}

// engineOf turns "mysql", "mysql:…", "rediss" into the manifest's word, or "" for an unknown one.
func engineOf(protocol string) string {
	protocol, _, _ = strings.Cut(strings.ToLower(protocol), ":")
	for _, e := range engines {
		if strings.HasPrefix(protocol, e.prefix) {
			return e.engine
		}
	}
	return ""
}

// ReadCredentials reads the file. It is nil where there is none.
func ReadCredentials(files *host.Root) (*File, error) {
	data, err := files.ReadFile(CredentialsPath, maxCredentials)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return ParseCredentials(data)
}

// Passwords are those that stand in the files of credentials, whatever else is wrong with them.
func Passwords(files *host.Root) (passwords []secret.Secret, err error) {
	var failures []error
	for _, path := range []string{CredentialsPath, SpacesPath} {
		data, err := files.ReadFile(path, maxCredentials)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		values, _, damaged := keyValues(data, path)
		for key, value := range values {
			if key = strings.ToLower(key); strings.Contains(key, "password") || strings.Contains(key, "secret") {
				passwords = append(passwords, secret.New(value))
			}
		}
		failures = append(failures, err, damaged)
	}
	return passwords, errors.Join(failures...)
}

// guard stands in front of each value while package ini reads it, so that a value which begins with a quote or a
// backtick is not unquoted by its rules.
const guard = "\x01"

// ParseCredentials reads what was written by four generations of DigitalOcean's tools: with quotes of either kind
// or none, "export" in front, CRLF, a byte order mark, unknown keys, a protocol such as "mysql:".
func ParseCredentials(data []byte) (*File, error) {
	values, warnings, err := keyValues(data, CredentialsPath)
	if err != nil {
		return nil, err
	}
	file := &File{Warnings: warnings}
	first := map[string]string{
		"protocol": "db_protocol", "host": "db_host", "port": "db_port", "user": "db_username", "password": "db_password", "name": "db_database",
	}
	second := map[string]string{
		"protocol": "keystore_protocol", "host": "redis_host", "port": "redis_port", "user": "redis_username", "password": "redis_password",
	}
	begun := func(keys map[string]string) bool {
		for _, key := range keys {
			if values[key] != "" {
				return true
			}
		}
		return false
	}
	if begun(second) {
		if file.Keystore, err = file.read(values, second); err != nil {
			return nil, err
		}
	}
	if _, named := values[first["protocol"]]; named || begun(first) || !begun(second) {
		if file.Main, err = file.read(values, first); err != nil {
			return nil, err
		}
	}
	return file, nil
}

// keyValues reads what the file at this path holds.
func keyValues(data []byte, path string) (map[string]string, []string, error) {
	damaged := fmt.Errorf("cannot read %s: it is not made of key=value lines", path)
	if bytes.IndexByte(data, 0) >= 0 || bytes.Contains(data, []byte(guard)) {
		return nil, nil, damaged
	}
	var guarded bytes.Buffer
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	data = bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))
	for line := range bytes.Lines(data) {
		key, value, found := bytes.Cut(line, []byte("="))
		key = bytes.TrimSpace(bytes.TrimPrefix(bytes.TrimSpace(key), []byte("export ")))
		if !found || len(key) == 0 || bytes.ContainsAny(key, "#;[]\"'` ") {
			continue // a comment, or a line that says nothing; never quoted in an error, it may be a secret
		}
		fmt.Fprintf(&guarded, "%s=%s%s\n", key, guard, bytes.TrimRight(value, "\n"))
	}
	parsed, err := ini.LoadSources(ini.LoadOptions{
		IgnoreInlineComment: true, IgnoreContinuation: true, KeyValueDelimiters: "=", PreserveSurroundedQuote: true,
		SkipUnrecognizableLines: true, AllowShadows: true, AllowDuplicateShadowValues: true,
	}, guarded.Bytes())
	if err != nil {
		return nil, nil, damaged
	}
	values := map[string]string{}
	var warnings []string
	for _, key := range parsed.Section("").Keys() {
		all := key.ValueWithShadows()
		if len(all) > 1 {
			warnings = append(warnings, fmt.Sprintf("%s stands in the credentials file %d times; the last one counts", key.Name(), len(all)))
		}
		values[key.Name()] = unquote(strings.TrimPrefix(all[len(all)-1], guard))
	}
	return values, warnings, nil
}

// unquote takes off one pair of quotes. What is inside is taken as it stands: that is how every script of the
// Marketplace reads the file.
func unquote(value string) string {
	value = strings.TrimSpace(value)
	if n := len(value); n >= 2 && (value[0] == '"' || value[0] == '\'') && value[n-1] == value[0] {
		return value[1 : n-1]
	}
	return value
}

// mayBeEmpty tells which parts an engine can do without: Valkey has an unnamed user and databases without names,
// MongoDB clusters are found by a DNS SRV record, and Kafka and OpenSearch have no databases.
func mayBeEmpty(part, engine string) bool {
	switch part {
	case "user":
		return engine == "valkey"
	case "port":
		return engine == "mongodb"
	case "name":
		return engine == "valkey" || engine == "kafka" || engine == "opensearch"
	}
	return false
}

// read reads one block; keys maps what is wanted to the file's keys. It is nil as long as something is missing.
func (f *File) read(values, keys map[string]string) (*Credentials, error) {
	missing := len(f.Missing)
	for _, part := range []string{"protocol", "host", "port", "user", "password", "name"} {
		key, wanted := keys[part]
		value := values[key]
		if wanted && value == "" && !mayBeEmpty(part, engineOf(values[keys["protocol"]])) {
			f.Missing = append(f.Missing, key)
		}
		if len(value) > maxValue || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return nil, fmt.Errorf("cannot use %s: the value of %s is too long or holds control characters", CredentialsPath, key)
		}
	}
	if len(f.Missing) > missing {
		return nil, nil
	}
	protocol := values[keys["protocol"]]
	engine := engineOf(protocol)
	if engine == "" {
		// The value is not quoted: it may be a password in the wrong line.
		return nil, fmt.Errorf(
			"cannot use %s: the value of %s is no engine known here; choose the database anew in the control panel",
			CredentialsPath,
			keys["protocol"],
		)
	}
	port, err := strconv.Atoi(cmp.Or(values[keys["port"]], "0"))
	if err != nil || port < 0 || port > 65535 || port == 0 && engine != "mongodb" {
		return nil, fmt.Errorf("cannot use %s: %s is not a port", CredentialsPath, keys["port"])
	}
	server := values[keys["host"]]
	if strings.ContainsAny(server, "/@?# ") {
		return nil, fmt.Errorf("cannot use %s: %s is not a host name", CredentialsPath, keys["host"])
	}
	return &Credentials{
		Engine: engine, Protocol: protocol, Host: server, Port: port, User: values[keys["user"]],
		Password: secret.New(values[keys["password"]]), Name: values[keys["name"]],
	}, nil
}
