package scan

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"html"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	letters = "abcdefghijklmnopqrstuvwxyz"
	numbers = "0123456789"
	signs   = "!#$%&()*+,-./:;<=>?@[]^_{|}~"
)

var capitals = strings.ToUpper(letters)

// generators are the ways in which people make passwords, by name.
func generators(random *rand.Rand) map[string]func() string {
	of := func(set string, length int) func() string {
		return func() string {
			out := make([]byte, length)
			for i := range out {
				out[i] = set[random.IntN(len(set))]
			}
			return string(out)
		}
	}
	raw := func(n int) []byte {
		out := make([]byte, n)
		for i := range out {
			out[i] = byte(random.Uint32())
		}
		return out
	}
	all := map[string]func() string{
		"pwgen -s 12":           of(letters+capitals+numbers, 12),
		"pwgen -s 16":           of(letters+capitals+numbers, 16),
		"pwgen -s 32":           of(letters+capitals+numbers, 32),
		"pwgen -sy 20":          of(letters+capitals+numbers+"!#$%&*+-/:;<=>?@^_|~", 20),
		"KeePass, 20 of all":    of(letters+capitals+numbers+signs, 20),
		"KeePass, 20 letters":   of(letters+capitals+numbers, 20),
		"tr -dc A-Za-z":         of(letters+capitals, 16),
		"tr -dc a-z0-9":         of(letters+numbers, 16),
		"tr -dc A-Z0-9":         of(capitals+numbers, 20),
		"tr -dc a-z":            of(letters, 20),
		"tr -dc A-Za-z0-9_!@#%": of(letters+capitals+numbers+"_!@#%^&*-", 24),
		"tr -dc A-Za-z0-9, 32":  of(letters+capitals+numbers, 32),
	}
	for _, n := range []int{12, 16, 18, 24, 32, 48} {
		all[fmt.Sprintf("openssl rand -base64 %d", n)] = func() string { return base64.StdEncoding.EncodeToString(raw(n)) }
	}
	for _, n := range []int{8, 12, 16, 24, 32} {
		all[fmt.Sprintf("openssl rand -hex %d", n)] = func() string { return hex.EncodeToString(raw(n)) }
	}
	return all
}

// form is one way to write a setting, in a file of some name.
type form struct {
	file, text string // %s is the value
	quote      func(string) string
}

func plain(value string) string { return value }

// forms are the twenty commonest.
func forms() []form {
	double := func(value string) string { return strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value) }
	single := func(value string) string { return strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(value) }
	json := func(value string) string { q := strconv.Quote(value); return q[1 : len(q)-1] }
	return []form{
		{"/opt/app/.env", "DB_HOST=db\nDB_PASSWORD=%s\n", plain},
		{"/opt/app/.env", "DB_PASS=\"%s\"   # of the application\n", double},
		{"/opt/app/.env.production", "REDIS_PASS='%s'\nOTHER=1\n", single},
		{"/etc/default/app", "export ADMIN_PWD=\"%s\"\n", double},
		{"/opt/app/.env", "ENCRYPTION_KEY=%s\n", plain},
		{"/opt/app/.env", "APP_KEY=base64:%s\n", plain},
		{"/srv/app/config/secrets.yml", "production:\n  secret_key_base: \"%s\"\n", double},
		{"/srv/app/docker-compose.yml", "    environment:\n      - POSTGRES_PASSWORD=%s\n      - A=b\n", plain},
		{"/srv/app/docker-compose.yml", "    environment:\n      MYSQL_ROOT_PASSWORD: \"%s\"\n", double},
		{"/opt/app/config.yml", "api:\n  token: '%s' # of the API\n", func(value string) string { return strings.ReplaceAll(value, "'", "''") }},
		{"/opt/app/config.yml", "ssh:\n  passphrase: \"%s\"\n", double},
		{"/opt/app/config.json", "{\"user\": \"app\", \"password\": \"%s\", \"port\": 1}\n", json},
		{"/etc/app/app.conf", "[database]\nuser = app\npassword = %s\n", plain},
		{"/opt/app/server.xml", "<config><password>%s</password></config>\n", html.EscapeString},
		{"/etc/tomcat10/tomcat-users.xml", "<user username=\"app\" password=\"%s\" roles=\"manager-gui\"/>\n", html.EscapeString},
		{"/etc/redis/redis.conf", "port 6379\nrequirepass %s\n", plain},
		{"/srv/db/init.sql", "CREATE USER 'app'@'%%' IDENTIFIED BY '%s';\n", single},
		{"/etc/systemd/system/app.service", "[Service]\nEnvironment=\"A=b\" \"DB_PASSWORD=%s\" C=d\n", double},
		{"/usr/local/bin/backup", "#!/bin/sh\n/usr/bin/tool --user app --password '%s' --verbose\n", single},
		{"/var/www/html/wp-config.php", "<?php\ndefine( 'DB_PASSWORD', '%s' );\n", single},
		{"/opt/app/application.properties", "spring.datasource.password=%s\n", plain},
		{"/opt/app/settings.py", "SECRET_KEY = '%s'\n", single},
	}
}

// TestRandomPasswordsAreFound makes thousands of passwords as people make them, and writes them as people write them. At
// least 98 of a hundred are found, of each way to make them and of each way to write them.
func TestRandomPasswordsAreFound(t *testing.T) {
	t.Parallel()
	seed := uint64(1) // the same commit always gives the same answer; another seed is given by SEED
	if given := os.Getenv("SEED"); given != "" {
		seed, _ = strconv.ParseUint(given, 10, 64)
	}
	t.Logf("the passwords are made of SEED=%d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	scanner, buffer := New(nil), NewBuffer()
	const each = 60
	made, lost := map[string]int{}, map[string][]string{}
	ways := generators(random)
	for _, way := range slices.Sorted(maps.Keys(ways)) {
		generate := ways[way]
		for _, form := range forms() {
			for range each {
				value := generate()
				if form.quote("x") == plain("x") && strings.Contains(form.text, "=%s\n") && strings.ContainsAny(value[:1], "#") {
					continue // a comment, to the programs that read it
				}
				text := fmt.Sprintf(form.text, form.quote(value))
				hit := false
				file := File{
					Path:   form.file,
					Reader: strings.NewReader(text),
					Report: func(f Finding) { hit = hit || f.Rule.Group == "password" || f.Rule.Group == "token" },
				}
				if err := scanner.Scan(t.Context(), file, buffer); err != nil {
					t.Fatal(err)
				}
				for _, key := range []string{way, form.text} {
					made[key]++
					if !hit {
						lost[key] = append(lost[key], value)
					}
				}
			}
		}
	}
	for key, n := range made {
		if share := float64(len(lost[key])) / float64(n); share > 0.02 {
			t.Errorf("%q: %.1f%% of %d are not found: %.8q", key, 100*share, n, lost[key])
		}
	}
}
