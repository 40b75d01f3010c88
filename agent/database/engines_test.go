package database

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"

	"oneclick-agent/agent/host"
	"oneclick-agent/agent/secret"
	"oneclick-agent/packaging/servers"
)

// cluster is one engine's server, as a managed cluster would be reached.
type cluster struct {
	engine, user, name string
	version            string // how its answer begins
	port               int
	ca                 string
}

// clusters starts one server of every engine. MongoDB, Kafka and OpenSearch cannot be installed here: their protocols
// are spoken by stand-ins, with the real login.
func clusters(t *testing.T) []cluster {
	t.Helper()
	postgresql := start(t, servers.PostgreSQL, servers.Options{})
	mariadb := start(t, servers.MariaDB, servers.Options{})
	redis := start(t, servers.Redis, servers.Options{})
	identity, err := servers.NewIdentity([]string{"localhost"})
	if err != nil {
		t.Fatal(err)
	}
	return []cluster{
		{"postgresql", "doadmin", "defaultdb", "PostgreSQL 1", postgresql.Port, postgresql.CA},
		{"mysql", "doadmin", "defaultdb", "MariaDB 1", mariadb.Port, mariadb.CA},
		{"valkey", "default", "", "Redis ", redis.Port, redis.CA},
		{"mongodb", "doadmin", "admin", "MongoDB 8.0.0", mongoDBStandIn(t, identity), identity.CA},
		{"kafka", "doadmin", "", "Kafka, 3 brokers", kafkaStandIn(t, identity), identity.CA},
		{"opensearch", "doadmin", "", "OpenSearch 2.19.0", openSearchStandIn(t, identity), identity.CA},
	}
}

func kafkaStandIn(t *testing.T, identity *servers.Identity) int {
	t.Helper()
	fake, err := kfake.NewCluster(kfake.NumBrokers(3), kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-256", "doadmin", password),
		kfake.TLS(&tls.Config{Certificates: []tls.Certificate{identity.Certificate}}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Close)
	_, port, _ := net.SplitHostPort(fake.ListenAddrs()[0])
	number, _ := strconv.Atoi(port)
	return number
}

func openSearchStandIn(t *testing.T, identity *servers.Identity) int {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, given, _ := r.BasicAuth(); user != "doadmin" || given != password {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		fmt.Fprint(w, `{"version": {"distribution": "opensearch", "number": "2.19.0"}}`)
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{identity.Certificate}}
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.Listener.Addr().(*net.TCPAddr).Port
}

// Every engine takes the right login, verified or not, and says which layer failed otherwise.
func TestEveryEngineLogsInOrSaysWhichLayerFailed(t *testing.T) {
	t.Parallel()
	other, err := servers.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	for _, cluster := range clusters(t) {
		good := Connection{TLS: "require", Credentials: Credentials{
			Engine: cluster.engine, Host: "localhost", Port: cluster.port, User: cluster.user, Name: cluster.name, Password: secret.New(password),
		}}
		for _, test := range []struct {
			name   string
			ca     string
			change func(*Connection)
			want   string // "" for a login
		}{
			{"encrypted, not verified", "", func(c *Connection) {}, ""},
			{"verified in full", cluster.ca, func(c *Connection) { c.TLS, c.CA = "verify-full", "/ca.crt" }, ""},
			{"the CA verified, the name not", cluster.ca, func(c *Connection) { c.TLS, c.CA, c.Host = "verify-ca", "/ca.crt", "127.0.0.1" }, ""},
			{"the wrong name", cluster.ca, func(c *Connection) { c.TLS, c.CA, c.Host = "verify-full", "/ca.crt", "127.0.0.1" },
				"tls: the certificate of the database server 127.0.0.1 cannot be verified; put the cluster's CA certificate into " +
					"/etc/oneclick/database-ca.crt"},
			{"another CA", other, func(c *Connection) { c.TLS, c.CA = "verify-full", "/ca.crt" },
				"tls: the certificate of the database server localhost cannot be verified; put the cluster's CA certificate into " +
					"/etc/oneclick/database-ca.crt"},
			{"a wrong password", "", func(c *Connection) { c.Password = secret.New("hunter2-hunter2") },
				"login: the database server localhost does not accept the user " + cluster.user + " with this password; write the current " +
					"password into /root/.digitalocean_dbaas_credentials"},
		} {
			t.Run(cluster.engine+", "+test.name, func(t *testing.T) {
				t.Parallel()
				c := good
				test.change(&c)
				version, err := Login(t.Context(), machine(t, test.ca), c)
				if test.want == "" {
					if err != nil || !strings.HasPrefix(version, cluster.version) {
						t.Errorf("got %q, %v", version, err)
					}
					return
				}
				var failed *LoginError
				if !errors.As(err, &failed) || string(failed.Layer)+": "+failed.Error() != test.want {
					t.Errorf("got  %v\nwant %s", err, test.want)
				}
			})
		}
	}
}

func TestADatabaseThatIsNotThereIsNamed(t *testing.T) {
	t.Parallel()
	mariadb := start(t, servers.MariaDB, servers.Options{})
	redis := start(t, servers.Redis, servers.Options{})
	for _, test := range []struct {
		engine, user, name, want string
		port                     int
	}{
		{"mysql", "doadmin", "nodb", "the database server localhost has no database nodb; create it, or correct db_database in " +
			"/root/.digitalocean_dbaas_credentials", mariadb.Port},
		{"valkey", "default", "99", "the database server localhost has no database 99; create it, or correct db_database in " +
			"/root/.digitalocean_dbaas_credentials", redis.Port},
		{"valkey", "default", "app", `the database server localhost has no database "app"; Valkey's databases are numbers: correct ` +
			`db_database in /root/.digitalocean_dbaas_credentials`, redis.Port},
	} {
		c := Connection{
			TLS: "require",
			Credentials: Credentials{
				Engine:   test.engine,
				Host:     "localhost",
				Port:     test.port,
				User:     test.user,
				Name:     test.name,
				Password: secret.New(password),
			},
		}
		var failed *LoginError
		if _, err := Login(t.Context(), machine(t, ""), c); !errors.As(err, &failed) || failed.Layer != Missing ||
			failed.Error() != test.want {
			t.Errorf("got  %v\nwant %s", err, test.want)
		}
	}
}

// Two Droplets on one cluster get an account each; a second run finds it and changes nothing.
func TestDropletsOnOneClusterDoNotCollide(t *testing.T) {
	t.Parallel()
	for name, server := range map[string]*servers.Server{
		"postgresql": start(t, servers.PostgreSQL, servers.Options{}), "mysql": start(t, servers.MariaDB, servers.Options{}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			admin := Connection{
				TLS: "require",
				Credentials: Credentials{
					Engine:   name,
					Host:     "localhost",
					Port:     server.Port,
					User:     "doadmin",
					Name:     "defaultdb",
					Password: secret.New(password),
				},
			}
			h := machine(t, "")
			claimTwice(t, admin, "100", "wordpress")
			claimTwice(t, admin, "200", "wordpress_200")
			first := Account{User: "wordpress", Database: "wordpress", Password: secret.New("password of 100")}
			if _, err := Login(t.Context(), h, admin.As(first)); err != nil {
				t.Errorf("the second Droplet took the first one's account: %v", err)
			}
			first.Database = "wordpress_200"
			if _, err := Login(t.Context(), h, admin.As(first)); err == nil && name == "mysql" {
				t.Error("one Droplet can read the other's database")
			}
		})
	}
}

func claimTwice(t *testing.T, admin Connection, droplet, want string) {
	t.Helper()
	wanted := Account{User: "wordpress", Database: "wordpress", Password: secret.New("password of " + droplet)}
	for range 2 {
		got, err := Claim(t.Context(), machine(t, ""), admin, wanted, droplet, false)
		if err != nil || got.User != want || got.Database != want {
			t.Fatalf("Droplet %s got %+v, %v; want %s", droplet, got, err, want)
		}
	}
}

// clusterOwner is the account that owns everything on a cluster of PostgreSQL.
func clusterOwner(server *servers.Server) Connection {
	return Connection{
		TLS: "require",
		Credentials: Credentials{
			Engine:   "postgresql",
			Host:     "localhost",
			Port:     server.Port,
			User:     "doadmin",
			Name:     "defaultdb",
			Password: secret.New(password),
		},
	}
}

// A claim that was cut off between the user and its database goes on.
func TestAClaimThatWasCutOffGoesOn(t *testing.T) {
	t.Parallel()
	server := start(t, servers.PostgreSQL, servers.Options{})
	admin := clusterOwner(server)
	h := machine(t, "")
	wanted := Account{User: "app", Database: "app", Password: secret.New("of this Droplet")}
	if err := admin.with(t.Context(), h, func(s session) error {
		_, err := s.(*postgresql).ask(t.Context(), `CREATE ROLE app LOGIN PASSWORD 'of this Droplet'`)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if got, err := Claim(t.Context(), h, admin, wanted, "100", false); err != nil || got.User != "app" {
		t.Errorf("got %+v, %v", got, err)
	}
}

// No log of the server holds the password of an account that was made.
func TestTheServersLogDoesNotHoldThePassword(t *testing.T) {
	t.Parallel()
	server := start(t, servers.PostgreSQL, servers.Options{})
	admin := clusterOwner(server)
	if _, err := Claim(t.Context(), machine(t, ""), admin, Account{User: "app", Database: "app",
		Password: secret.New("canary'canary")}, "1", false); err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(filepath.Join(filepath.Dir(server.Socket), "log"))
	if err != nil || !strings.Contains(string(log), "CREATE ROLE") {
		t.Fatalf("the server's log says too little: %v", err)
	}
	if strings.Contains(string(log), "canary") {
		t.Error("the server's log holds the password")
	}
}

// The image's own server: the account is made over the socket, can log in, and a second run changes nothing.
func TestALocalAccountIsMadeWithoutAnyPassword(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		engine string
		server func(context.Context, servers.Options) (*servers.Server, error)
		want   string
		// founder is the administrator that the server has.
		founder string
	}{
		{"postgresql", servers.PostgreSQL, "PostgreSQL 1", "postgres"}, {"mysql", servers.MariaDB, "MariaDB 1", "root"},
		{"valkey", servers.Redis, "Redis ", ""},
	} {
		t.Run(test.engine, func(t *testing.T) {
			t.Parallel()
			running := start(t, test.server, servers.Options{Plain: true})
			place, _ := localServerOf(test.engine)
			place.port = running.Port
			if running.Socket != "" {
				place.sockets = []string{running.Socket}
			}
			h, err := host.Open("/")
			if err != nil {
				t.Fatal(err)
			}
			defer h.Close()
			account := Account{User: "app", Database: "app", Password: secret.New(password)}
			var admins []Account
			if test.engine != "valkey" {
				admins = []Account{{User: test.founder, Password: secret.New(password)}, {User: "second", Password: secret.New("second" + password)}}
			}
			for range 2 {
				version, err := place.make(t.Context(), h, account, admins)
				if err != nil || !strings.HasPrefix(version, test.want) {
					t.Fatalf("got %q, %v", version, err)
				}
			}
			for _, admin := range admins { // each may make what only an administrator may
				admin.Database = place.database
				other := Account{User: "by_" + admin.User, Database: "by_" + admin.User, Password: secret.New(password)}
				err := place.application(admin).with(t.Context(), h, func(s session) error {
					return s.(administrator).create(t.Context(), other, false)
				})
				if err != nil {
					t.Errorf("%s: %v", admin.User, err)
				}
			}
			account.Password = secret.New("wrong")
			var failed *LoginError
			if _, err := Login(t.Context(), h, place.application(account)); !errors.As(err, &failed) || failed.Layer != Password {
				t.Errorf("a wrong password: %v", err)
			}
			if test.engine == "mysql" {
				checkSecured(t, h, place)
			}
		})
	}
}

// checkSecured looks for what mysql_secure_installation would remove.
func checkSecured(t *testing.T, h *host.Host, place localServer) {
	t.Helper()
	admin, err := place.administrator(h)
	if err == nil {
		err = admin.with(t.Context(), h, func(s session) error {
			var left int
			row := s.(*mySQL).db.QueryRowContext(
				t.Context(),
				"SELECT (SELECT COUNT(*) FROM mysql.user WHERE user = '') + (SELECT COUNT(*) FROM information_schema.schemata WHERE "+
					"schema_name = 'test')",
			)
			if err := row.Scan(&left); err != nil || left != 0 {
				return fmt.Errorf("%d anonymous users and test databases are left: %w", left, err)
			}
			return nil
		})
	}
	if err != nil {
		t.Error(err)
	}
}

// Debian's maintenance account shares one password among all Droplets of an image, until it gets one of its own; the
// file stays true, with everything else in it.
func TestDebiansMaintenanceAccountGetsItsOwnPassword(t *testing.T) {
	t.Parallel()
	running := start(t, servers.MariaDB, servers.Options{Plain: true})
	place, _ := localServerOf("mysql")
	place.port, place.sockets = running.Port, []string{running.Socket}
	dir := t.TempDir()
	h, err := host.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	const before = "# Automatically generated for Debian scripts. DO NOT TOUCH!\n[client]\nhost = localhost\nuser = " +
		"debian-sys-maint\npassword = baked\nsocket = /s\n[mysql_upgrade]\nuser = debian-sys-maint\npassword = baked\n"
	os.MkdirAll(filepath.Join(dir, "etc/mysql"), 0o755)
	os.MkdirAll(filepath.Join(dir, "var/lib/oneclick"), 0o700)
	os.WriteFile(filepath.Join(dir, "etc/mysql/debian.cnf"), []byte(before), 0o600)
	machine, err := host.Open("/")
	if err != nil {
		t.Fatal(err)
	}
	defer machine.Close()
	admin, err := place.administrator(machine)
	if err != nil {
		t.Fatal(err)
	}
	if err := admin.with(t.Context(), machine, func(s session) error {
		server := s.(*mySQL)
		if _, err := server.db.Exec("CREATE USER 'debian-sys-maint'@'localhost' IDENTIFIED BY 'baked'"); err != nil {
			return err
		}
		return renewMaintenance(t.Context(), h, server)
	}); err != nil {
		t.Fatal(err)
	}
	user, renewed, err := readMaintenance(h, maintenancePath)
	if err != nil || user != "debian-sys-maint" || len(renewed) != 32 {
		t.Fatalf("%q, a password of %d characters, %v", user, len(renewed), err)
	}
	data, _ := os.ReadFile(filepath.Join(dir, "etc/mysql/debian.cnf"))
	if strings.Contains(string(data), "baked") || !strings.Contains(string(data), "socket") || strings.Count(string(data), renewed) != 2 {
		t.Errorf("the file is now:\n%s", strings.ReplaceAll(string(data), renewed, "RENEWED"))
	}
	if _, err := Login(t.Context(), machine, place.application(Account{User: user, Password: secret.New(renewed)})); err != nil {
		t.Errorf("what the file says is not true: %v", err)
	}
}
