package database

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"oneclick-agent/agent/render"
	"oneclick-agent/agent/secret"
	"oneclick-agent/packaging/servers"
)

// hostilePasswords hold what breaks URLs, shells, SQL and file formats, and some that a seed draws.
func hostilePasswords(t *testing.T) []string {
	var printable strings.Builder
	for c := byte(' '); c <= '~'; c++ {
		printable.WriteByte(c)
	}
	passwords := []string{
		printable.String(), strings.Repeat(`x\'"$(id)`+"`", 20)[:200], "ünï 密码 😀 пароль",
		`\`, `'`, `"`, "a%20b+c", "%(x)s ${y} {{ z }}", "#;=!", "-- ; DROP ROLE app",
	}
	seed := rand.Uint64()
	t.Logf("the seed is %d", seed)
	draw := rand.New(rand.NewPCG(seed, 0))
	for range 10 {
		text := make([]rune, 1+draw.IntN(40))
		for i := range text {
			text[i] = rune('!' + draw.IntN('~'-'!'+1))
		}
		passwords = append(passwords, string(text))
	}
	return passwords
}

// Whatever a password holds, the server takes a login with what each file says, read by that format's own readers.
func TestTheServerAcceptsWhatEachFileSays(t *testing.T) {
	t.Parallel()
	server := start(t, servers.PostgreSQL, servers.Options{})
	admin := clusterOwner(server)
	h := machine(t, "")
	for _, hostile := range hostilePasswords(t) {
		a := Account{User: "app", Database: "app", Password: secret.New(hostile)}
		if err := admin.with(t.Context(), h, func(s session) error { return s.(administrator).create(t.Context(), a, true) }); err != nil {
			t.Fatalf("%q: %v", hostile, err)
		}
		c := admin.As(a)
		if out, err := exec.Command("psql", "--no-psqlrc", "-Atc", "SELECT 'in'", c.URL().Reveal()).CombinedOutput(); string(out) != "in\n" {
			t.Errorf("psql with the URL of %q: %s, %v", hostile, out, err)
		}
		for format, read := range readers(t) {
			got, err := read(hostile, c)
			if err != nil {
				t.Errorf("%s of %q: %v", format, hostile, err)
				continue
			}
			a.Password = secret.New(got)
			if _, err := Login(t.Context(), h, c.As(a)); err != nil {
				t.Errorf("%s of %q says %q: %v", format, hostile, got, err)
			}
		}
	}
}

// readers write a value in a format, as a manifest's template would, and read it with that format's own reader.
func readers(t *testing.T) map[string]func(value string, c Connection) (string, error) {
	dir := t.TempDir()
	output := func(name string, arguments ...string) (string, error) {
		out, err := exec.Command(name, arguments...).Output()
		return string(out), err
	}
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	return map[string]func(string, Connection) (string, error){
		"the environment file": func(_ string, c Connection) (string, error) {
			return output("sh", "-c", ". "+write("env", string(Environment(&c, nil)))+`; printf %s "$DATABASE_PASSWORD"`)
		},
		"PHP": func(value string, _ Connection) (string, error) {
			quoted, err := render.PHP(value)
			if err != nil {
				return "", err
			}
			return output("php", write("x.php", "<?php $password = "+quoted+"; echo $password;"))
		},
		"YAML": func(value string, _ Connection) (string, error) {
			quoted, err := render.YAML(value)
			if err != nil {
				return "", err
			}
			var read map[string]string
			err = yaml.Unmarshal([]byte("password: "+quoted+"\n"), &read)
			return read["password"], err
		},
		"JSON": func(value string, _ Connection) (string, error) {
			quoted, err := render.JSON(value)
			if err != nil {
				return "", err
			}
			var read string
			return read, json.Unmarshal([]byte(quoted), &read)
		},
		"INI": func(value string, _ Connection) (string, error) {
			quoted, err := render.INI(value)
			if err != nil {
				return "", err
			}
			out, err := output("my_print_defaults", "--defaults-file="+write("my.cnf", "[x]\npassword = "+quoted+"\n"), "x")
			return strings.TrimSuffix(strings.TrimPrefix(out, "--password="), "\n"), err
		},
		"SQL": func(value string, c Connection) (string, error) {
			quoted, err := render.SQL(value, "postgresql")
			if err != nil {
				return "", err
			}
			out, err := output("psql", "--no-psqlrc", "-Atc", "SELECT "+quoted, c.URL().Reveal())
			return strings.TrimSuffix(out, "\n"), err
		},
	}
}
