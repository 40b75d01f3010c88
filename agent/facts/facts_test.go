package facts_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"oneclick-agent/agent/facts"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/journal"
	"oneclick-agent/agent/lint"
	"oneclick-agent/agent/manifest"
	"oneclick-agent/agent/state"
)

const app = `
version: 1
app: {name: App, version: "1"}
secrets: {key: {}, pair: {format: ed25519}, late: {derive: htpasswd, from: key, user: "{{ .answers.name }}"}}
database: {engine: postgresql, managed: optional, local: {name: app, user: app, password: key}}
first_boot: [{run: [/bin/x], name: built}]
first_login:
  questions: [{name: name, ask: Name, optional: true}, {name: word, ask: Word, type: password}]
`

const credentials = "db_protocol=postgresql\ndb_host=db.example.com\ndb_port=25060\ndb_username=doadmin\n" +
	"db_password=opensesame\ndb_database=defaultdb\n"

func instance(address string) string {
	return `{"v1": {"instance_id": "7"}, "ds": {"meta_data": {"interfaces": {"public": [{"ipv4": {"ip_address": "` + address + `"}}]}}}}`
}

func put(t testing.TB, dir, name, content string) {
	t.Helper()
	target := filepath.Join(dir, name)
	os.MkdirAll(filepath.Dir(target), 0o755)
	if err := os.WriteFile(target, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func tree(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	put(t, dir, "root/x", "")
	put(t, dir, "var/lib/oneclick/x", "")
	put(t, dir, "run/cloud-init/instance-data.json", instance("203.0.113.10"))
	return dir
}

func gather(t testing.TB, dir string) *facts.Facts {
	t.Helper()
	m, problems := lint.Parse([]byte(app), state.Manifest)
	must(t, problems.Err())
	h, err := host.Open(dir)
	must(t, err)
	t.Cleanup(func() { h.Close() })
	f, err := facts.Gather(t.Context(), h, m, state.Manifest, "none")
	must(t, err)
	return f
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// settled is a tree on which everything was made once.
func settled(t testing.TB) (dir string) {
	t.Helper()
	dir = tree(t)
	f := gather(t, dir)
	for i, answer := range []string{"somebody", "hush-hush-hush"} {
		must(t, f.SetAnswer(f.Manifest.FirstLogin.Questions[i], answer))
	}
	_, err := f.Store.Ensure(f.Manifest, true, f.Host.Now(), f.FillSecret(t.Context()))
	must(t, err)
	must(t, f.Remember())
	must(t, f.RememberAnswers())
	login, err := journal.Open(f.Host, state.LoginJournal)
	must(t, err)
	must(t, login.Append(journal.Event{Event: journal.Started}, false))
	must(t, login.Append(journal.Event{Event: journal.Completed}, true))
	must(t, login.Close())
	return dir
}

// told fills in everything that a setup can be made from.
func told(t testing.TB, f *facts.Facts) (text, key string) {
	t.Helper()
	filling := f.Filling(t.Context())
	text, err := filling.Text(manifest.Template{For: manifest.Content, Path: "x", Text: "{{ .url }} {{ .database.url }} {{ .secrets.key }} " +
		"{{ .secrets.late }} {{ .answers.name }} {{ .answers.word }}"})
	must(t, err)
	return text, filling.Key()
}

// changes are the kinds of changes that a complete setup can meet.
var changes = map[string]func(t testing.TB, dir string){
	"another address": func(t testing.TB, dir string) {
		put(t, dir, "run/cloud-init/instance-data.json", instance("198.51.100.9"))
	},
	"a late database": func(t testing.TB, dir string) {
		put(t, dir, "root/.digitalocean_dbaas_credentials", credentials)
	},
	"another answer": func(t testing.TB, dir string) {
		f := gather(t, dir)
		must(t, f.SetAnswer(f.Manifest.FirstLogin.Questions[0], "else"))
	},
	"another hidden answer": func(t testing.TB, dir string) {
		f := gather(t, dir)
		must(t, f.SetAnswer(f.Manifest.FirstLogin.Questions[1], "hush-hush-hush-2"))
	},
	"a rotated secret": func(t testing.TB, dir string) {
		f := gather(t, dir)
		must(t, f.Store.Replace(f.Manifest, f.Dependents([]string{"key"}), true, f.Host.Now(), f.FillSecret(t.Context())))
	},
}

func TestTheFactsOfBeforeAreThoseThatEverythingWasMadeWith(t *testing.T) {
	t.Parallel()
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := settled(t)
			f := gather(t, dir)
			text, key := told(t, f)
			if before, changed, err := f.Before(); changed || err != nil {
				t.Fatalf("nothing changed yet: %v, %v", changed, err)
			} else if same, sameKey := told(t, before); same != text || sameKey != key {
				t.Errorf("got %s\nwant %s", same, text)
			}
			change(t, dir)
			for range 2 { // until it is remembered, however often it is asked
				f = gather(t, dir)
				before, changed, err := f.Before()
				if !changed || err != nil {
					t.Fatalf("%v, %v", changed, err)
				}
				if then, thenKey := told(t, before); then != text || thenKey != key {
					t.Errorf("before: got %s\nwant %s", then, text)
				}
				if now, nowKey := told(t, f); now == text || nowKey == key {
					t.Errorf("now: %s", now)
				}
			}
			must(t, f.Remember())
			must(t, f.RememberAnswers())
			if _, changed, err := gather(t, dir).Before(); changed || err != nil {
				t.Errorf("it was remembered: %v, %v", changed, err)
			}
		})
	}
}

func TestADatabaseOutlivesItsCredentialsFile(t *testing.T) {
	t.Parallel()
	dir := settled(t)
	changes["a late database"](t, dir)
	must(t, gather(t, dir).Remember())
	must(t, os.Remove(filepath.Join(dir, "root/.digitalocean_dbaas_credentials")))
	f := gather(t, dir)
	if c, ok := f.Database(); !ok || c.Host != "db.example.com" || c.Password.Reveal() != "opensesame" {
		t.Errorf("%+v, %v", c, ok)
	}
	if _, changed, err := f.Before(); changed || err != nil {
		t.Errorf("%v, %v", changed, err)
	}
}

// The key changes exactly when something that was filled in does.
func TestTheKeyOfAFillingChangesExactlyWhenAnInputDoes(t *testing.T) {
	t.Parallel()
	uses := map[string]string{ // what a template uses, and the changes that it should notice
		"nothing":              "",
		"{{ .app.name }}":      "",
		"{{ .url }}":           "another address",
		"{{ .database.host }}": "a late database",
		"{{ .secrets.key }}":   "a rotated secret",
		"{{ .answers.name }}":  "another answer",
		"{{ .answers.word }}":  "another hidden answer",
		"{{ if .database.managed }}{{ .answers.name }}{{ end }}": "a late database",
		"{{ len .secrets.key }}":                                 "", // the same length
	}
	key := func(f *facts.Facts, text string) string {
		filling := f.Filling(t.Context())
		_, err := filling.Text(manifest.Template{For: manifest.Content, Path: "x", Text: text})
		must(t, err)
		return filling.Key()
	}
	for name, change := range changes {
		dir := settled(t)
		old := gather(t, dir)
		before := map[string]string{}
		for text := range uses {
			before[text] = key(old, text)
		}
		change(t, dir)
		for text, by := range uses {
			if got := key(gather(t, dir), text) != before[text]; got != (by == name) {
				t.Errorf("%s after %s: changed is %v", text, name, got)
			}
		}
	}
	f := gather(t, tree(t))
	a, b := f.Filling(t.Context()), f.Filling(t.Context())
	a.Mix("name", "ab")
	a.Mix("x", "c")
	b.Mix("name", "a")
	b.Mix("x", "bc")
	if a.Key() == b.Key() {
		t.Error("a part moved from one input to the next, and the key is the same")
	}
}

func TestAPreviewShowsNoSecret(t *testing.T) {
	t.Parallel()
	dir := settled(t)
	changes["a late database"](t, dir)
	f := gather(t, dir)
	p := f.Preview()
	for text, want := range map[string]string{
		"{{ .secrets.key }} {{ .secrets.late }}":                        "[secret key] [secret late]",
		"{{ .secrets.pair.private }} {{ .secrets.pair.public }}":        "[secret pair.private] [pair.public]",
		"{{ .database.password }} {{ .database.url }}":                  "[secret database password] [secret database url]",
		"{{ .database.host }}:{{ .database.port }} {{ .answers.name }}": "db.example.com:25060 somebody",
		"{{ .answers.word }}":                                           "[answer word]",
		"one\n  two":                                                    "one two",
		"{{ div 1 0 }}":                                                 "...",
		"{{ if eq .answers.word 1 }}a{{ else }}b{{ end }} {{ div .droplet.cpus 0 }} {{ .app.name }}": "ab [droplet cpus] [app name]",
		"{{": "{{",
	} {
		if got := p.Show(manifest.Template{Text: text}); got != want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
	everything := p.Show(manifest.Template{Text: "{{ . }} {{ json .secrets }} {{ json .answers }} {{ json .database }}"})
	fields, _ := f.Store.Get("key")
	pair, _ := f.Store.Get("pair")
	for _, secret := range []string{fields[""].Reveal(), "hush", "opensesame", "PRIVATE", pair["private"].Reveal()[40:60]} {
		if strings.Contains(everything, secret) {
			t.Errorf("a secret is in the preview of everything: %s", everything)
		}
	}
}

func TestASecretWhereNoneMayStandIsRefusedWhenItIsFilledIn(t *testing.T) {
	t.Parallel()
	f := gather(t, settled(t))
	filling := f.Filling(t.Context())
	_, _, err := filling.Tell(manifest.Template{Text: "{{ index .secrets `key` }}", For: manifest.Argument, Path: "first_boot[0].run[1]"})
	const want = "cannot use the template of first_boot[0].run[1]: every local user can read a command's arguments, " +
		"so they must not hold a secret; pass it with stdin: or env:"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	text, secrets, err := filling.Tell(manifest.Template{Text: "{{ .secrets.key }}{{ .secrets.key }}{{ .answers.word }}",
		For: manifest.Content})
	if err != nil || fmt.Sprint(secrets) != "[answers.word key]" || !strings.HasSuffix(text, "hush-hush-hush") {
		t.Errorf("%v, %v", secrets, err)
	}
	for _, test := range [][2]string{
		{"", "true"}, {" true ", "true"}, {"false", "false"},
		{"{{ .answers.name }}", `cannot tell whether it applies: its when is "somebody", not true or false`},
		{"{{ .answers.word }}", `cannot tell whether it applies: its when is "[secret]", not true or false`},
	} {
		when, want := test[0], test[1]
		applies, err := filling.Applies(manifest.Template{Text: when, For: manifest.Condition, Path: "x"})
		got := fmt.Sprint(applies)
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: got %s, want %s", when, got, want)
		}
	}
}

// Somebody who looks at a broken Droplet has its secrets taken out without the manifest, and is told when some are not known.
func TestTheSecretsOfADropletAreKnownWithoutItsManifest(t *testing.T) {
	t.Parallel()
	dir := settled(t)
	const broken = "db_protocol=who knows\nDB_PASSWORD='opensesame again'\nredis_password=another-one\n"
	put(t, dir, "root/.digitalocean_dbaas_credentials", broken)
	h, err := host.Open(dir)
	must(t, err)
	t.Cleanup(func() { h.Close() })
	listed, err := os.ReadFile(filepath.Join(dir, "root/.digitalocean_passwords"))
	must(t, err)
	key := strings.Split(string(listed), `"`)[1]
	put(t, dir, "root/.digitalocean_passwords", string(listed)+"MINE='of somebody else'\nexport OLD=unquoted-value\n")
	text := "hush-hush-hush, " + key + ", opensesame again, another-one, of somebody else, unquoted-value, plain"
	redact, err := facts.Secrets(h.Files)
	must(t, err)
	const want = "[secret answers.word], [secret key], [secret database password], [secret database password], [secret MINE], " +
		"[secret export OLD], plain"
	if got := redact.Redact(text); got != want {
		t.Errorf("it shows %s", got)
	}

	put(t, dir, "var/lib/oneclick/secrets.json", "{")
	put(t, dir, "var/lib/oneclick/secrets.json.copy", "{")
	redact, err = facts.Secrets(h.Files)
	if err == nil || !strings.HasPrefix(err.Error(), "cannot read /var/lib/oneclick/secrets.json: it is damaged; ") {
		t.Errorf("a damaged store is told as %v", err)
	}
	without := strings.NewReplacer("[secret answers.word]", "[secret WORD]", "[secret key]", "[secret KEY]").Replace(want)
	if got := redact.Redact(text); got != without {
		t.Errorf("without the store it shows %s", got)
	}
}

func TestTheAddressOfTheAppIsFilledInFromAnswersOnceTheyAreThere(t *testing.T) {
	t.Parallel()
	f := gather(t, settled(t))
	for text, want := range map[string]string{
		"": f.Droplet.URL(), "none": "",
		"https://{{ .droplet.ipv4 }}:8443/admin":        "https://" + f.Droplet.IPv4 + ":8443/admin",
		"https://{{ .answers.name }}.example.com":       "https://somebody.example.com",
		"https://{{ if .database.managed }}x{{ end }}/": "", // no host: the address is not known
		"javascript:{{ .answers.name }}":                "",
		"https://user@{{ .answers.name }}/":             "",
	} {
		f.Manifest.App.URL = manifest.Template{Text: text, For: manifest.Address}
		if got := f.URL(); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
		if got, err := f.Filling(t.Context()).Text(manifest.Template{Text: "{{ .url }}", For: manifest.Content}); got != want || err != nil {
			t.Errorf("%s: .url is %q, %v", text, got, err)
		}
	}
}

func TestTheBucketThatWasChosenIsThereForTemplatesAndARenewedKeyIsAChange(t *testing.T) {
	t.Parallel()
	dir := settled(t)
	const bucket = "spaces_host=\"nyc3.example.com\"\nspaces_bucket_name=\"b\"\nspaces_region=\"nyc3\"\nspaces_access_key_id=\"id\"\n"
	template := manifest.Template{Text: "{{ .spaces.chosen }} {{ .spaces.bucket }} {{ .spaces.secret_key }}", For: manifest.Content}
	says := func(f *facts.Facts, want string) {
		t.Helper()
		if got, err := f.Filling(t.Context()).Text(template); got != want || err != nil {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	}
	put(t, dir, "root/.digitalocean_spaces_credentials", bucket)
	says(gather(t, dir), "false  ") // its key is not there yet
	put(t, dir, "root/.digitalocean_spaces_credentials", bucket+"spaces_secret_key='old-bucket-key'\n")
	f := gather(t, dir)
	says(f, "true b old-bucket-key")
	if _, secrets, err := f.Filling(t.Context()).Tell(template); fmt.Sprint(secrets) != "[spaces]" || err != nil {
		t.Errorf("%v, %v", secrets, err)
	}
	if got := f.Redact.Redact("the old-bucket-key"); strings.Contains(got, "old-bucket-key") {
		t.Error(got)
	}
	must(t, f.Remember())
	put(t, dir, "root/.digitalocean_spaces_credentials", bucket+"spaces_secret_key=new-bucket-key\n")
	f = gather(t, dir)
	before, changed, err := f.Before()
	if !changed || err != nil {
		t.Errorf("a new key is no change: %v", err)
	}
	says(before, "true b old-bucket-key")
	says(f, "true b new-bucket-key")
	must(t, os.Remove(filepath.Join(dir, "root/.digitalocean_spaces_credentials")))
	says(gather(t, dir), "true b old-bucket-key") // what everything was made for
	put(t, dir, "root/.digitalocean_spaces_credentials", bucket+"spaces_secret_key=a\x01b\n")
	says(gather(t, dir), "true b old-bucket-key")
}
