package lab

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var (
	inLab = flag.Bool("lab", false, "boot Droplets; needs root and the packages of packaging/install-test-tools")
	cuts  = flag.Int("cuts", 3, "how many power cuts")
	seed  = flag.Uint64("seed", 0, "seed of the moments of the power cuts; 0 draws one")
	deb   = flag.String("deb", "../../build/packages/oneclick-agent_*_amd64.deb", "the package under test, a pattern of its name")
)

const (
	firstDroplet, secondDroplet = 2756294, 2756295
	// databasePassword holds what breaks URLs, shells and SQL.
	databasePassword = `AVNS_a/b?c#d@e:f%g&h'i"j$k\l` + "`m n"
	bootWithin       = 20 * time.Minute
)

// open makes an image with the package and these files, and a lab to boot it in.
func open(t *testing.T, image string, files ...map[string]File) (*Lab, Build, string) {
	t.Helper()
	return openWith(t, image, agentPackage(t), files...)
}

// agentPackage is the package under test.
func agentPackage(t *testing.T) string {
	t.Helper()
	found, err := filepath.Glob(*deb)
	if err != nil || *inLab && len(found) == 0 {
		t.Fatalf("there is no package %s: %v", *deb, err)
	}
	return append([]string{""}, found...)[len(found)]
}

// openWith is open with another package in the image, "" for none.
func openWith(t *testing.T, image, deb string, files ...map[string]File) (*Lab, Build, string) {
	t.Helper()
	if !*inLab {
		t.Skip("boots a Droplet; run with -lab as root, as make test-lab does")
	}
	directory := t.TempDir()
	build, err := Images()[image].Build(t.Context(), directory, Contents{Agent: deb, Files: Together(files...)})
	if err != nil {
		t.Fatal(err)
	}
	l, err := Open(t.Context(), directory)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	disk, err := l.Overlay(t.Context(), build, "disk")
	if err != nil {
		t.Fatal(err)
	}
	return l, build, disk
}

func boot(t *testing.T, l *Lab, b Build, disk string, id int) *Machine {
	t.Helper()
	machine, err := l.Boot(t.Context(), b, disk, Droplet{ID: id, Name: "sample-droplet"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		machine.CutPower()
		if t.Failed() {
			console := machine.Console()
			t.Logf("the end of the console:\n%s", console[max(0, len(console)-1500):])
		}
	})
	return machine
}

// on runs a command on the Droplet that must succeed.
func on(t *testing.T, m *Machine, line string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), bootWithin)
	defer cancel()
	out, err := m.Run(ctx, line)
	if err != nil {
		t.Fatalf("%s: %v\n%s", line, err, out)
	}
	return out
}

// expectation is a command that must print something on the Droplet, whatever its exit status.
type expectation struct{ what, line, want string }

func expect(t *testing.T, m *Machine, all []expectation) {
	t.Helper()
	for _, check := range all {
		if got := on(t, m, check.line+" || true"); got != check.want {
			t.Errorf("%s: got %q, want %q", check.what, got, check.want)
		}
	}
}

// credentials are those of the lab's database, with a password that breaks what is not quoted.
func credentials(engine string) map[string]File { return Credentials(engine, databasePassword) }

// TestTheSampleImageBecomesAServer is the main job: a new Droplet of the sample image, with a managed database over
// TLS or without one, becomes a configured server, and no secret leaves its place.
func TestTheSampleImageBecomesAServer(t *testing.T) {
	for _, test := range []struct {
		name, image string
		managed     string // the engine of the managed database, "" for none
		scheme      string
		connected   string // how the site's page begins
	}{
		{"Debian 12 with managed PostgreSQL", "bookworm", "postgresql", "postgresql", "connected to PostgreSQL"},
		{"Debian 13 with managed MySQL", "trixie", "mysql", "mysql", "connected to MySQL"},
		{"Debian 12 with its own database", "bookworm", "", "mysql", "connected to MySQL"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			files, err := Manifest("../sample")
			if err != nil {
				t.Fatal(err)
			}
			managed := map[string]File{}
			if test.managed != "" {
				managed = credentials(test.managed)
			}
			l, build, disk := open(t, test.image, files, Watcher, managed)
			if test.managed != "" {
				startDatabase(t, l, test.managed)
			}
			machine := boot(t, l, build, disk, firstDroplet)
			out := on(t, machine, "while ! systemctl is-active -q cloud-init.target; do sleep 1; done; cloud-init status --wait; echo $?")
			if !strings.Contains(out, "status: done") {
				t.Errorf("cloud-init says: %s", out)
			}
			t.Logf("%s: cloud-init was done %.0f s after the power came", test.name, time.Since(machine.Started).Seconds())
			secrets := on(t, machine, "cat /var/lib/oneclick/secrets.json")
			checkCanary(t, machine, secrets)
			checkServer(t, machine, test.scheme, test.connected) // which opens login shells, and they have DATABASE_URL
			checkDatabase(t, machine, test.managed != "")
			t.Log(on(t, machine, "systemd-analyze security --no-pager oneclick-first-boot.service | tail -1; oneclick-agent status"))
		})
	}
}

// startDatabase starts a managed database in the lab's network.
func startDatabase(t *testing.T, l *Lab, engine string) {
	t.Helper()
	server, err := l.StartDatabase(t.Context(), engine, t.TempDir(), databasePassword)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
}

func checkServer(t *testing.T, m *Machine, scheme, connected string) {
	t.Helper()
	expect(t, m, []expectation{
		{"status exits with 0", "oneclick-agent status >/dev/null; echo $?", "0\n"},
		{
			"the state is done",
			"oneclick-agent status --json | python3 -c 'import json,sys; print(json.load(sys.stdin)[\"state\"])'",
			"done\n",
		},
		{
			"the hook told one line",
			"grep '^oneclick-agent:' /var/log/cloud-init-output.log",
			"oneclick-agent: Setup is done\n",
		},
		{"the service runs", "systemctl is-active apache2.service", "active\n"},
		{
			"it has DATABASE_URL",
			"tr '\\0' '\\n' </proc/$(systemctl show -p MainPID --value apache2.service)/environ | grep -c ^DATABASE_URL=" + scheme + "://sample:",
			"1\n",
		},
		{
			"it reaches the database",
			"python3 -c 'import urllib.request; print(urllib.request.urlopen(\"http://127.0.0.1/\").read().decode()[:" + fmt.Sprint(
				len(connected),
			) + "])'",
			connected + "\n",
		},
		{
			"it never ran before its configuration",
			"systemctl show apache2.service -p NRestarts --value; journalctl -b -q -u apache2.service -o cat | grep -c '^Started'",
			"0\n1\n",
		},
		{
			"the passwords are private",
			"stat -c '%a %U' /root/.digitalocean_passwords /var/lib/oneclick/secrets.json /etc/oneclick/database.env " +
				"/var/lib/oneclick/database.json",
			"600 root\n600 root\n600 root\n600 root\n",
		},
		{"a login shell has the address", "bash -lc 'echo ${DATABASE_URL%%:*}'", scheme + "\n"},
		{
			"the password file is read by sh as it was made",
			". /root/.digitalocean_passwords; oneclick-agent secrets show app_key | grep -cxF \"$APP_KEY\"",
			"1\n",
		},
		{"no unit failed", "systemctl --failed --no-legend | wc -l", "0\n"},
		{
			"the message of the day is the agent's",
			"run-parts --lsbsysinit /etc/update-motd.d | grep -c 'LAMP 1.0  -  http://203.0.113.10'",
			"1\n",
		},
		{"the firewall is on", "ufw status | head -1", "Status: active\n"},
	})
}

// checkDatabase looks at which server is used, and that the other one is gone.
func checkDatabase(t *testing.T, m *Machine, managed bool) {
	t.Helper()
	verified, own := "on this Droplet", "active\nenabled\n"
	if managed {
		verified, own = "encrypted, server not verified: no CA is known", "inactive\ndisabled\n"
	}
	if database := on(t, m, "oneclick-agent database test"); !strings.Contains(database, verified) {
		t.Errorf("database test says %q", database)
	}
	if got := on(t, m, "systemctl is-active mariadb.service; systemctl is-enabled mariadb.service || true"); got != own {
		t.Errorf("the Droplet's own server is %q, want %q", got, own)
	}
}

// lateManifest needs a database, and nothing else that takes time.
const lateManifest = `
version: 1
app: {name: Late}
database: {engine: postgresql, managed: required, services: [cron.service]}
first_boot:
  - edit: /etc/late.env
    set: {URL: "{{ .database.url }}"}
`

// TestADatabaseThatComesLate: the credentials are there, the cluster answers three minutes after cloud-init's hook. The
// boot does not wait, and first boot completes by itself. Then the customer changes the password.
func TestADatabaseThatComesLate(t *testing.T) {
	t.Parallel()
	l, build, disk := open(t, "plain", credentials("postgresql"), map[string]File{"/etc/oneclick/app.yaml": {lateManifest, 0o644}})
	machine := boot(t, l, build, disk, firstDroplet)
	out := on(
		t,
		machine,
		"while ! systemctl is-active -q cloud-init.target; do sleep 1; done; cloud-init status --wait; grep '^oneclick-agent:' "+
			"/var/log/cloud-init-output.log; oneclick-agent status; echo exit $?",
	)
	hook := time.Now()
	for _, want := range []string{"status: done", "Setup is waiting: the database server " + DatabaseName + " refuses " +
		"connections", "State:    pending", "exit 3"} {
		if !strings.Contains(out, want) {
			t.Errorf("before the database is there, %q is missing:\n%s", want, out)
		}
	}
	time.Sleep(time.Until(hook.Add(3 * time.Minute)))
	startDatabase(t, l, "postgresql")
	began := time.Now()
	out = on(t, machine, "oneclick-agent status --wait --timeout 12m; echo exit $?; cat /etc/late.env")
	if !strings.Contains(out, "exit 0") || !strings.Contains(out, "URL='postgresql://doadmin:AVNS_a") {
		t.Errorf("once the database is there: %s", out)
	}
	t.Logf("done %.0f s after the database came up, by itself", time.Since(began).Seconds())
	on(t, machine, "sed -i s/defaultdb/postgres/ /root/.digitalocean_dbaas_credentials")
	out = on(
		t,
		machine,
		"for i in $(seq 60); do grep -q /postgres /etc/late.env && break; sleep 1; done; oneclick-agent first-boot; cat /etc/late.env; "+
			"journalctl -b -q -u cron.service -o cat | grep -c '^Started'",
	)
	if !strings.Contains(out, "/postgres?") || !strings.HasSuffix(out, "\n3\n") {
		t.Errorf(
			"after the credentials changed, the file, or how often the service was started (at boot, with the database, with the change), "+
				"is wrong: %s",
			out,
		)
	}
}

// checkCanary looks for the Droplet's secrets where none may be.
func checkCanary(t *testing.T, m *Machine, store string) {
	t.Helper()
	var document struct {
		Content struct {
			Secrets map[string]map[string]string `json:"secrets"`
		} `json:"content"`
	}
	if err := json.Unmarshal([]byte(store), &document); err != nil || len(document.Content.Secrets) != 4 {
		t.Fatalf("the store holds %d secrets: %v", len(document.Content.Secrets), err)
	}
	secrets := document.Content.Secrets
	places := map[string]string{
		"the console":                    m.Console(),
		"the journal":                    on(t, m, "journalctl -b -o export --no-pager"),
		"cloud-init's logs":              on(t, m, "cat /var/log/cloud-init.log /var/log/cloud-init-output.log"),
		"the message of the day":         on(t, m, "cat /run/oneclick/motd"),
		"status":                         on(t, m, "oneclick-agent status --json"),
		"arguments of commands":          on(t, m, "cat "+WatchedArguments),
		"environments but the service's": on(t, m, "grep -av '^/system.slice/apache2.service ' "+WatchedEnvironments),
		"the journal of first boot":      on(t, m, "cat /var/lib/oneclick/journal.jsonl"),
		"the output of commands":         on(t, m, "cat /var/lib/oneclick/output/*"),
	}
	if len(places["arguments of commands"]) < 2000 || !strings.Contains(places["arguments of commands"], "apache2ctl configtest") {
		t.Error("the watcher saw too little for its silence to mean anything")
	}
	canaries := map[string]string{"the database password": databasePassword, "the database password in the URL": "AVNS_a%2Fb%3Fc"}
	for name, fields := range secrets {
		canaries[name] = fields[""]
	}
	for place, text := range places {
		for name, canary := range canaries {
			if strings.Contains(text, canary) {
				t.Errorf("%s is in %s", name, place)
			}
		}
	}
}
