package database

import (
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"oneclick-agent/agent/secret"
)

func TestCredentialsOfEveryGenerationAreRead(t *testing.T) {
	t.Parallel()
	const plain = "db_protocol=postgresql\ndb_username=doadmin\ndb_password=pw\ndb_host=h.example.com\ndb_port=25060\ndb_database=defaultdb\n"
	const want = "postgresql://doadmin:pw@h.example.com:25060/defaultdb?sslmode=require"
	quote := func(q string) string {
		var b strings.Builder
		for line := range strings.Lines(plain) {
			key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
			b.WriteString(key + "=" + q + value + q + "\n")
		}
		return b.String()
	}
	for _, test := range []struct{ name, text, url, warning string }{
		{"unquoted", plain, want, ""},
		{"in double quotes", quote(`"`), want, ""},
		{"in single quotes", quote(`'`), want, ""},
		{"exported", "export " + strings.ReplaceAll(strings.TrimSuffix(plain, "\n"), "\n", "\nexport ") + "\n", want, ""},
		{"with CRLF, a byte order mark and no last line break", "\xef\xbb\xbf" + strings.TrimSuffix(strings.ReplaceAll(quote(`"`), "\n",
			"\r\n"), "\r\n"), want, ""},
		{"with unknown keys and comments", "# made by\nspaces_host=x\n[section]\n" + plain, want, ""},
		{"with a key twice", "db_host=old\n" + plain, want, "db_host stands in the credentials file 2 times; the last one counts"},
		{"with a colon behind the protocol", strings.Replace(quote(`"`), `"postgresql"`, `"mysql:"`, 1),
			"mysql://doadmin:pw@h.example.com:25060/defaultdb?ssl-mode=REQUIRED", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			file, err := ParseCredentials([]byte(test.text))
			if err != nil || file.Main == nil || file.Keystore != nil || len(file.Missing) != 0 {
				t.Fatalf("%+v, %v", file, err)
			}
			connection := Connection{Credentials: *file.Main, TLS: "require"}
			if got := connection.URL().Reveal(); got != test.url {
				t.Errorf("got  %s\nwant %s", got, test.url)
			}
			if got := strings.Join(file.Warnings, ""); got != test.warning {
				t.Errorf("it warns %q", got)
			}
		})
	}
}

func TestTheSecondBlockIsADatabaseOfItsOwn(t *testing.T) {
	t.Parallel()
	file, err := ParseCredentials(
		[]byte("db_protocol=\"postgresql\"\ndb_username=\"a\"\ndb_password=\"b\"\ndb_host=\"c\"\ndb_port=\"1\"\ndb_database=\"d\"\n" +
			"keystore_protocol=\"rediss\"\nredis_host=\"r\"\nredis_port=\"25061\"\nredis_username=\"default\"\nredis_password=\"p+q\"\n" +
			"redis_conn_id=\"x\"\n"),
	)
	if err != nil || file.Main == nil || file.Keystore == nil {
		t.Fatalf("%+v, %v", file, err)
	}
	if got := (Connection{Credentials: *file.Keystore, TLS: "require"}).URL().Reveal(); got != "rediss://default:p%2Bq@r:25061" {
		t.Error(got)
	}
}

func TestAKeystoreMayBeAllThatWasChosen(t *testing.T) {
	t.Parallel()
	const keystore = "keystore_protocol=rediss\nredis_host=r\nredis_port=25061\nredis_username=default\nredis_password=p\n"
	file, err := ParseCredentials([]byte(keystore))
	if err != nil || file.Main != nil || file.Keystore == nil || len(file.Missing) > 0 {
		t.Errorf("%+v, %v", file, err)
	}
	file, err = ParseCredentials([]byte(keystore + "db_protocol=\n"))
	if err != nil || file.Main != nil || len(file.Missing) == 0 {
		t.Errorf("the other is still being written: %+v, %v", file, err)
	}
}

func TestUnfinishedAndWrongCredentialsAreToldApart(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "\n", "db_protocol=\ndb_username=\ndb_password=\ndb_host=\ndb_port=\ndb_database=\n",
		"db_protocol=\"postgresql\"\n"} {
		if file, err := ParseCredentials([]byte(text)); err != nil || len(file.Missing) == 0 || file.Main != nil {
			t.Errorf("%q: %+v, %v; it is still being written", text, file, err)
		}
	}
	const head = "db_username=a\ndb_password=hunter2\ndb_database=d\n"
	for text, want := range map[string]string{
		head + "db_protocol=oracle\ndb_host=h\ndb_port=1\n": `cannot use /root/.digitalocean_dbaas_credentials: the value of ` +
			`db_protocol is no engine known here; choose the database anew in the control panel`,
		head + "db_protocol=mysql\ndb_host=h\ndb_port=x\n":      "cannot use /root/.digitalocean_dbaas_credentials: db_port is not a port",
		head + "db_protocol=mysql\ndb_host=h/evil\ndb_port=1\n": "cannot use /root/.digitalocean_dbaas_credentials: db_host is not a host name",
		head + "db_protocol=mysql\ndb_host=\x1b[2J\ndb_port=1\n": "cannot use /root/.digitalocean_dbaas_credentials: the value of " +
			"db_host is too long or holds control characters",
		"\x00": "cannot read /root/.digitalocean_dbaas_credentials: it is not made of key=value lines",
	} {
		if _, err := ParseCredentials([]byte(text)); err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

// Any password that a line can hold comes through the file, the URL and the environment file unchanged.
func FuzzAPasswordComesThrough(f *testing.F) {
	var every strings.Builder
	for c := byte('!'); c <= '~'; c++ {
		every.WriteByte(c)
	}
	seeds := []string{every.String(), "a#b;c", `trailing\`, "%(x)s", "`tick`", `"""`, "ü€😀", strings.Repeat("x", 200), "=", "a b"}
	for _, seed := range seeds {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	f.Fuzz(func(t *testing.T, password string, quoted bool) {
		if password == "" || len(password) > 1000 || strings.TrimSpace(password) != password ||
			password != strings.ToValidUTF8(password, "") {
			return
		}
		if strings.ContainsFunc(password, func(r rune) bool { return r < ' ' || r == 0x7f || r == 0x85 || r == 0xa0 }) {
			return
		}
		text := password
		if quoted {
			text = `"` + password + `"`
		} else if unquote(password) != password {
			return // that password cannot be written without quotes
		}
		file, err := ParseCredentials(
			[]byte("db_protocol=postgresql\ndb_username=u\ndb_password=" + text + "\ndb_host=h\ndb_port=1\ndb_database=d\n"),
		)
		if err != nil || file.Main == nil {
			t.Fatalf("%q: %+v, %v", password, file, err)
		}
		if got := file.Main.Password.Reveal(); got != password {
			t.Fatalf("%q was read as %q", password, got)
		}
		parsed, err := url.Parse(Connection{Credentials: *file.Main, TLS: "require"}.URL().Reveal())
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := parsed.User.Password(); got != password {
			t.Errorf("%q came out of the URL as %q", password, got)
		}
	})
}

// sh and systemd read the same environment file; both must give the value back.
func TestTheEnvironmentFileGivesValuesBack(t *testing.T) {
	t.Parallel()
	var every strings.Builder
	for c := byte(' '); c <= '~'; c++ {
		every.WriteByte(c)
	}
	every.WriteString("$(id) `id` ü€😀")
	c := Connection{
		Credentials: Credentials{Engine: "postgresql", Host: "h", Port: 1, User: "u", Name: "d", Password: secret.New(every.String())},
		TLS:         "require",
	}
	file := filepath.Join(t.TempDir(), "database.env")
	if err := os.WriteFile(file, Environment(&c, nil), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("sh", "-c", ". "+file+`; printf %s "$DATABASE_PASSWORD"`).Output()
	if err != nil || string(out) != every.String() {
		t.Errorf("sh reads %q, %v", out, err)
	}
}
