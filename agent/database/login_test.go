package database

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"oneclick-agent/agent/host"
	"oneclick-agent/agent/secret"
	"oneclick-agent/packaging/servers"
)

const password = "AVNS_a/b?c#d@e:f%g&h'i\"j$k\\l`m nü"

// start starts a real server on loopback, and ends it with the test.
func start(t *testing.T, server func(context.Context, servers.Options) (*servers.Server, error), o servers.Options) *servers.Server {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: the server runs as a user of its own")
	}
	o.Directory, o.Address, o.Names = t.TempDir(), "127.0.0.1", []string{"localhost"}
	if o.Password == "" {
		o.Password = password
	}
	s, err := server(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	if err := s.Ready(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	return s
}

// machine is a host with a CA file in its tree.
func machine(t *testing.T, ca string) *host.Host {
	t.Helper()
	dir := t.TempDir()
	os.WriteFile(filepath.Join(dir, "ca.crt"), []byte(ca), 0o644)
	h, err := host.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

// A real login to a real server, and every layer at which one can fail.
func TestALoginSucceedsOrSaysWhichLayerFailed(t *testing.T) {
	t.Parallel()
	s := start(t, servers.PostgreSQL, servers.Options{})
	other, err := servers.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	good := Connection{
		Credentials: Credentials{
			Engine:   "postgresql",
			Host:     "localhost",
			Port:     s.Port,
			User:     "doadmin",
			Password: secret.New(password),
			Name:     "defaultdb",
		},
		TLS: "require",
	}
	refused, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := refused.Addr().(*net.TCPAddr).Port
	refused.Close()
	for _, test := range []struct {
		name   string
		ca     string
		change func(*Connection)
		layer  Layer
		want   string
	}{
		{"encrypted, not verified", "", func(c *Connection) {}, "", ""},
		{"verified in full", s.CA, func(c *Connection) { c.TLS, c.CA = "verify-full", "/ca.crt" }, "", ""},
		{"the CA verified, the name not", s.CA, func(c *Connection) { c.TLS, c.CA, c.Host = "verify-ca", "/ca.crt", "127.0.0.1" }, "", ""},
		{"the wrong name", s.CA, func(c *Connection) { c.TLS, c.CA, c.Host = "verify-full", "/ca.crt", "127.0.0.1" }, TLS,
			"the certificate of the database server 127.0.0.1 cannot be verified; put the cluster's CA certificate into " +
				"/etc/oneclick/database-ca.crt"},
		{"another CA", other, func(c *Connection) { c.TLS, c.CA = "verify-full", "/ca.crt" }, TLS,
			"the certificate of the database server localhost cannot be verified; put the cluster's CA certificate into " +
				"/etc/oneclick/database-ca.crt"},
		{"another CA, the name not asked", other, func(c *Connection) { c.TLS, c.CA = "verify-ca", "/ca.crt" }, TLS,
			"the certificate of the database server localhost cannot be verified; put the cluster's CA certificate into " +
				"/etc/oneclick/database-ca.crt"},
		{"a wrong password", "", func(c *Connection) { c.Password = secret.New("hunter2") }, Password,
			"the database server localhost does not accept the user doadmin with this password; write the current password into " +
				"/root/.digitalocean_dbaas_credentials"},
		{"no such database", "", func(c *Connection) { c.Name = "nodb" }, Missing,
			"the database server localhost has no database nodb; create it, or correct db_database in /root/.digitalocean_dbaas_credentials"},
		{"nobody listens", "", func(c *Connection) { c.Port = closed }, Refused, "the database server localhost refuses connections at " +
			"localhost:"},
		{"the name does not resolve", "", func(c *Connection) { c.Host = "no-such-host.invalid" }, DNS,
			"the name no-such-host.invalid does not resolve; wait until the cluster is ready, and check db_host in " +
				"/root/.digitalocean_dbaas_credentials"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := good
			test.change(&c)
			version, err := Login(t.Context(), machine(t, test.ca), c)
			if test.layer == "" {
				if err != nil || !strings.HasPrefix(version, "PostgreSQL 1") {
					t.Errorf("got %q, %v", version, err)
				}
				return
			}
			var failed *LoginError
			if !errors.As(err, &failed) || failed.Layer != test.layer || !strings.HasPrefix(failed.Error(), test.want) {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
		})
	}
}

// A server that takes the connection and then says nothing, whatever the engine, and one that answers something else.
func TestAServerThatIsNoneIsToldApart(t *testing.T) {
	t.Parallel()
	const silent = "the database server 127.0.0.1 does not answer at 127.0.0.1:%; add this Droplet to the cluster's Trusted Sources " +
		"in the control panel"
	for name, test := range map[string]struct {
		engine, answer string
		layer          Layer
		want           string
	}{
		"PostgreSQL says nothing": {"postgresql", "", TimedOut, silent},
		"MySQL says nothing":      {"mysql", "", TimedOut, silent},
		"Valkey says nothing":     {"valkey", "", TimedOut, silent},
		"MongoDB says nothing":    {"mongodb", "", TimedOut, silent},
		"Kafka says nothing":      {"kafka", "", TimedOut, silent},
		"OpenSearch says nothing": {"opensearch", "", TimedOut, silent},
		"it offers no TLS": {"postgresql", "N", TLS, "the database server 127.0.0.1 does not offer TLS; check db_host and " +
			"db_port in /root/.digitalocean_dbaas_credentials"},
		"it speaks nonsense": {"postgresql", "SHTTP/1.1 400\r\n\r\n", TLS, "the database server 127.0.0.1 does not speak TLS as " +
			"expected; check db_port in /root/.digitalocean_dbaas_credentials"},
		"Kafka meets nonsense": {"kafka", "HTTP/1.1 400\r\n\r\n", TLS, "the database server 127.0.0.1 does not speak TLS as " +
			"expected; check db_port in /root/.digitalocean_dbaas_credentials"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			go func() {
				for {
					conn, err := listener.Accept()
					if err != nil {
						return
					}
					defer conn.Close() // which also keeps it open until then
					conn.Write([]byte(test.answer))
				}
			}()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			c := Connection{TLS: "require", Credentials: Credentials{
				Engine: test.engine, Host: "127.0.0.1", Port: listener.Addr().(*net.TCPAddr).Port, User: "u", Password: secret.New("hunter2"),
			}}
			_, err = Login(ctx, machine(t, ""), c)
			before, after, _ := strings.Cut(test.want, "%")
			var failed *LoginError
			if !errors.As(err, &failed) || failed.Layer != test.layer || !strings.HasPrefix(err.Error(), before) ||
				!strings.HasSuffix(err.Error(), after) {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
		})
	}
}

// Packets that are dropped, as by Trusted Sources: the login ends at its deadline and names them.
func TestABlackHoleEndsInTimeAndNamesTrustedSources(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root: a network namespace drops the packets")
	}
	name := "oneclick-blackhole"
	exec.Command("ip", "netns", "delete", name).Run()
	for _, line := range []string{"ip netns add " + name, "ip -n " + name + " link set lo up", "ip -n " + name + " link add hole type bridge",
		"ip -n " + name + " address add 192.0.2.1/24 dev hole", "ip -n " + name + " link set hole up",
		"ip -n " + name + " neighbour add 192.0.2.99 lladdr 02:00:00:00:00:01 dev hole nud permanent"} {
		if out, err := exec.Command("sh", "-c", line).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", line, err, out)
		}
	}
	t.Cleanup(func() { exec.Command("ip", "netns", "delete", name).Run() })
	dir := t.TempDir()
	for file, content := range map[string]string{
		"etc/oneclick/app.yaml": "version: 1\napp: {name: x}\ndatabase: {engine: postgresql}\n",
		"root/.digitalocean_dbaas_credentials": "db_protocol=postgresql\ndb_username=u\ndb_password=hunter2-hunter2\n" +
			"db_host=192.0.2.99\ndb_port=25060\ndb_database=d\n",
		"run/cloud-init/instance-data.json": `{"v1": {"instance_id": "1"}}`,
	} {
		os.MkdirAll(filepath.Dir(filepath.Join(dir, file)), 0o755)
		os.WriteFile(filepath.Join(dir, file), []byte(content), 0o600)
	}
	program := filepath.Join(dir, "oneclick-agent")
	if out, err := exec.Command("go", "build", "-o", program, "oneclick-agent/cmd/oneclick-agent").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	began := time.Now()
	out, err := exec.Command("ip", "netns", "exec", name, program, "database", "test", "--root", dir).CombinedOutput()
	took := time.Since(began)
	want := "the database server 192.0.2.99 does not answer at 192.0.2.99:25060\nadd this Droplet to the cluster's Trusted Sources " +
		"in the control panel\n"
	var exit *exec.ExitError
	if string(out) != want || !errors.As(err, &exit) || exit.ExitCode() != 3 {
		t.Errorf("got %q, %v", out, err)
	}
	if took > LoginWithin+time.Second {
		t.Errorf("it took %v; the deadline is %v", took, LoginWithin)
	}
}
