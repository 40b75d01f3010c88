package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"oneclick-agent/packaging/servers"
)

// TestRotationChangesThePasswordOnARealServer: the app's own account on a managed cluster gets the new password, the old
// one is refused from then on, and every file says the new one.
func TestRotationChangesThePasswordOnARealServer(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("starts servers as their own users; run as root, as make test does")
	}
	t.Parallel()
	for _, test := range []struct {
		engine, protocol string
		start            func(context.Context, servers.Options) (*servers.Server, error)
		login            func(port int, password string) *exec.Cmd
	}{
		{"postgresql", "postgresql", servers.PostgreSQL, func(port int, password string) *exec.Cmd {
			c := exec.Command("psql", fmt.Sprintf("host=127.0.0.1 port=%d user=sample dbname=sample sslmode=require "+
				"connect_timeout=5", port), "-Atc", "select current_user")
			c.Env = append(os.Environ(), "PGPASSWORD="+password)
			return c
		}},
		{"mysql", "mysql", servers.MariaDB, func(port int, password string) *exec.Cmd {
			c := exec.Command("mariadb", "--host=127.0.0.1", fmt.Sprintf("--port=%d", port), "--user=sample", "--ssl", "--batch",
				"--skip-column-names", "--execute=select substring_index(user(), '@', 1)", "sample")
			c.Env = append(os.Environ(), "MYSQL_PWD="+password)
			return c
		}},
	} {
		t.Run(test.engine, func(t *testing.T) {
			t.Parallel()
			const administrator = "AVNS_admin/only#1"
			server, err := test.start(
				t.Context(),
				servers.Options{Directory: t.TempDir(), Address: "127.0.0.1", Names: []string{"127.0.0.1"}, Password: administrator},
			)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(server.Stop)
			if err := server.Ready(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			root := rotationTree(t, test.engine, test.protocol, server.Port, administrator)
			// Confined to the tree, which it takes for the whole machine: a tree of --root is not given accounts elsewhere.
			program := func(arguments ...string) string {
				t.Helper()
				command := exec.CommandContext(t.Context(), "/program", append(arguments, "--metadata", "none")...)
				command.SysProcAttr, command.Dir = &syscall.SysProcAttr{Chroot: root}, "/"
				var stdout, stderr bytes.Buffer
				command.Stdout, command.Stderr = &stdout, &stderr
				if err := command.Run(); err != nil {
					t.Fatalf("%v: %v:\n%s%s", arguments, err, stdout.String(), stderr.String())
				}
				return strings.TrimSpace(stdout.String())
			}
			program("first-boot")
			before := program("secrets", "show", "db_password")
			if out, err := test.login(server.Port, before).CombinedOutput(); err != nil || strings.TrimSpace(string(out)) != "sample" {
				t.Fatalf("before: %v, %s", err, out)
			}
			if got := program("rotate", "db_password"); got != "rotate: done" {
				t.Errorf("rotate says %q", got)
			}
			after := program("secrets", "show", "db_password")
			if after == before {
				t.Fatal("the password is the same")
			}
			if out, err := test.login(server.Port, after).CombinedOutput(); err != nil || strings.TrimSpace(string(out)) != "sample" {
				t.Errorf("the new password: %v, %s", err, out)
			}
			if out, err := test.login(server.Port, before).CombinedOutput(); err == nil {
				t.Errorf("the old password is still taken: %s", out)
			}
			for _, file := range []string{"etc/app.env", "etc/oneclick/database.env", "root/.digitalocean_passwords"} {
				data, err := os.ReadFile(filepath.Join(root, file))
				if err != nil || !strings.Contains(string(data), after) || strings.Contains(string(data), before) {
					t.Errorf("/%s does not say the new password, or still the old one: %v", file, err)
				}
			}
			program("database", "test")
		})
	}
}

func rotationTree(t *testing.T, engine, protocol string, port int, administrator string) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range map[string]string{
		"etc/passwd": "root:x:0:0:root:/root:/bin/sh\n", "etc/group": "root:x:0:\n",
		"run/cloud-init/instance-data.json": `{"v1": {"instance_id": "1"}}`,
		"root/.digitalocean_dbaas_credentials": fmt.Sprintf("db_protocol=\"%s\"\ndb_username=\"doadmin\"\ndb_password=\"%s\"\n"+
			"db_host=\"127.0.0.1\"\ndb_port=\"%d\"\ndb_database=\"defaultdb\"\n", protocol, administrator, port),
		"etc/oneclick/app.yaml": fmt.Sprintf(`
version: 1
app: {name: Sample}
secrets: {db_password: {}}
database: {engine: %s, managed: required, role: {name: sample, password: db_password}}
first_boot:
  - edit: /etc/app.env
    set: {DATABASE: "{{ .database.url }}"}
`, engine),
	} {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(buildProgram(t))
	if err == nil {
		err = os.WriteFile(filepath.Join(root, "program"), data, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	return root
}
