package lab

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"oneclick-agent/packaging/servers"
)

// DatabasePort is where DigitalOcean's managed databases listen.
const DatabasePort = 25060

// engine is a database server of the lab, with the name that DigitalOcean's credentials call it by.
type engine struct {
	scheme string
	start  func(context.Context, servers.Options) (*servers.Server, error)
}

// engines are the managed databases that the lab has.
var engines = map[string]engine{
	"postgresql": {"postgresql", servers.PostgreSQL},
	"mysql":      {"mysql", servers.MariaDB},
	"valkey":     {"rediss", servers.Redis},
}

// Databases are the engines that the lab has as managed databases.
func Databases() []string { return slices.Sorted(maps.Keys(engines)) }

// StartDatabase starts one of these as a managed database in the lab's network, and returns once it answers.
func (l *Lab) StartDatabase(ctx context.Context, name, directory, password string) (*servers.Server, error) {
	server, err := engines[name].start(ctx, servers.Options{
		Directory: directory, Address: Gateway, Port: DatabasePort, Names: []string{DatabaseName}, Password: password,
		Command: l.Network.Command,
	})
	if err != nil {
		return nil, err
	}
	if err := server.Ready(ctx, l.Network.Dial); err != nil {
		server.Stop()
		return nil, err
	}
	return server, nil
}

// Credentials are the file that DigitalOcean writes for a managed database.
func Credentials(name, password string) map[string]File {
	return map[string]File{"/root/.digitalocean_dbaas_credentials": {fmt.Sprintf(
		"db_protocol=\"%s\"\ndb_username=\"doadmin\"\ndb_password=\"%s\"\ndb_host=\"%s\"\ndb_port=\"%d\"\ndb_database=\"defaultdb\"\n",
		engines[name].scheme, password, DatabaseName, DatabasePort), 0o600}}
}
