package manifest_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"oneclick-agent/agent/lint"
	"oneclick-agent/agent/manifest"
	"oneclick-agent/agent/problem"
	"oneclick-agent/agent/step"
)

func read(t testing.TB, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestTheManifestOfTheContractHasNoProblems(t *testing.T) {
	t.Parallel()
	m, problems := lint.Parse(read(t, "testdata/contract.yaml"), "app.yaml")
	for _, p := range problems {
		t.Errorf("%s (%s)", p, p.Hint)
	}
	if len(m.FirstBoot) != 11 || len(m.Secrets) != 11 {
		t.Errorf("it has %d steps and %d secrets", len(m.FirstBoot), len(m.Secrets))
	}
	if at := m.Position("first_boot[0].mode"); at != (problem.Position{File: "app.yaml", Line: 34, Column: 11}) {
		t.Errorf("the mode of the first step stands at %v", at)
	}
}

func TestEveryExampleHasNoProblems(t *testing.T) {
	t.Parallel()
	examples, err := filepath.Glob("../../packaging/examples/*/app.yaml")
	if err != nil || len(examples) == 0 {
		t.Fatalf("there are no examples: %v", err)
	}
	for _, example := range examples {
		_, problems := lint.Parse(read(t, example), example)
		for _, p := range problems {
			t.Error(p)
		}
	}
}

// All mistakes come at once, each with its place.
func TestTenMistakesGiveTheirMessages(t *testing.T) {
	t.Parallel()
	_, problems := lint.Parse(read(t, "testdata/ten-mistakes.yaml"), "app.yaml")
	var got strings.Builder
	problems.WriteText(&got)
	want := `app.yaml:3:3: app: unknown key "nmae"
    did you mean "name"?
app.yaml:5:31: secrets.short.bytes: must be 16 to 1024: fewer bytes hold less than 128 bits
app.yaml:6:32: secrets.hash.from: there is no secret "shrt"
    did you mean "short"?
app.yaml:8:11: database.engine: must be one of postgresql, mysql, valkey, mongodb, kafka, opensearch, not "postgres"
    did you mean "postgresql"?
app.yaml:9:14: database.services[0]: is not the name of a systemd unit: "apache2"
    write its type too: apache2.service
app.yaml:11:11: first_boot[0].file: must be an absolute path, not "etc/app.conf"
app.yaml:12:14: first_boot[0].content: there is no secret "nothing"
    known here: hash, short
app.yaml:14:10: first_boot[1].do[0]: must be one of enable, disable, start, stop, restart, reload, mask, not "restrat"
    did you mean "restart"?
app.yaml:15:17: first_boot[2].run[1]: every local user can read a command's arguments, so they must not hold a secret
    pass it with stdin: or env:
app.yaml:16:13: first_boot[2].within: must be a time span such as 30s, 15m, 2h, 90d or 10y, not "soon"
app.yaml:19:11: first_boot[3].mode: does not belong to a step of kind link
    it takes: to
app.yaml:20:7: motd: every local user can read the message of the day, so it must not hold a secret
    name the file instead: /root/.digitalocean_passwords
`
	if got.String() != want {
		t.Errorf("got\n%s\nwant\n%s", got.String(), want)
	}
}

// One mistake each, in a manifest that is otherwise right.
func TestMistakesAreNamed(t *testing.T) {
	t.Parallel()
	const head = "version: 1\napp: {name: x}\n"
	for _, test := range []struct{ name, rest, want string }{
		{"no key twice", "app: {name: y}\n", `app.yaml:3:1: the key "app" is here twice`},
		{"not YAML", "first_boot: [\n", `app.yaml:4:1: cannot read this as YAML: did not find expected node content`},
		{"a cycle of secrets", "secrets: {a: {derive: sha256, from: b}, b: {derive: sha256, from: " +
			"a}}\n", `app.yaml:3:14: secrets.a: is made from itself: a from b from a`},
		{"a password too weak", "secrets: {a: {format: password, length: " +
			"8}}\n", `app.yaml:3:14: secrets.a: a password of this policy holds only 45 bits of chance; at least 96 are wanted`},
		{"a condition without its braces", "database: {engine: mysql}\nfirst_boot:\n- {file: /a, content: x, when: " +
			".database.managed}\n", `app.yaml:5:32: first_boot[0].when: is neither true nor false, whatever the Droplet: ".database.managed"`},
		{"an address without its scheme", "first_boot:\n- {wait: {http: " +
			"'127.0.0.1:3000'}}\n", `app.yaml:4:17: first_boot[0].wait.http: is no address of the web: "127.0.0.1:3000"`},
		{"a working directory that depends on another", "first_boot:\n- {run: [/b], dir: " +
			"app}\n", `app.yaml:4:20: first_boot[0].dir: must be an absolute path, not "app"`},
		{"a default that is no option", "first_login: {questions: [{name: e, ask: E, type: choice, options: [free, pro], default: " +
			"por}]}\n", `app.yaml:3:90: first_login.questions[0].default: is not one of the options: "por"`},
		{"a default that is no number", "first_login: {questions: [{name: e, ask: E, type: number, default: " +
			"many}]}\n", `app.yaml:3:68: first_login.questions[0].default: is not a whole number: "many"`},
		{"a condition on a later answer", "first_login: {questions: [{name: a, ask: A, when: '{{ .answers.b }}'}, {name: b, ask: " +
			"B}]}\n", `app.yaml:3:51: first_login.questions[0].when: the answer "b" is not known yet where this question is asked`},
		{"a whole directory of the system", "pre_snapshot: {remove: [/opt/app/cache, " +
			"/usr]}\n", `app.yaml:3:41: pre_snapshot.remove[1]: would remove a whole directory of the system: "/usr"`},
		{"one by a star", "pre_snapshot: {remove: ['/etc/**']}\n",
			`app.yaml:3:25: pre_snapshot.remove[0]: would remove a whole directory of the system: "/etc/**"`},
		{"a capture that never comes", "secrets: {a: {captured: true}}\n", `app.yaml:3:14: secrets.a: no run step captures it`},
		{"a reference to a later capture", "secrets: {a: {captured: true}}\nfirst_boot:\n- {file: /a, content: '{{ .secrets.a }}'}\n- " +
			"{run: [/b], capture: [{secret: a, pattern: '(.)'}]}\n",
			`app.yaml:5:23: first_boot[0].content: the secret "a" is captured only by first_boot[1], which comes later`},
		{"two steps for one path", "first_boot:\n- {file: /a, content: x}\n- {link: /a, to: " +
			"/b}\n", `app.yaml:5:3: first_boot[1]: /a is written already by first_boot[0]`},
		{"an edit of a written file", "first_boot:\n- {file: /a.env, content: x}\n- {edit: /a.env, set: {A: " +
			"1}}\n", `app.yaml:5:3: first_boot[1]: /a.env is edited here and written as a whole by first_boot[0]`},
		{"an edit that is undone", "first_boot:\n- {edit: /a.env, set: {A: 1}}\n- {file: /a.env, content: " +
			"x}\n", `app.yaml:5:3: first_boot[1]: /a.env would undo the edit of first_boot[0]`},
		{"a key edited twice", "first_boot:\n- {edit: /a.env, set: {A: 1}}\n- {edit: /a.env, unset: " +
			"[A]}\n", `app.yaml:5:3: first_boot[1]: A of /a.env is changed already by first_boot[0]`},
		{"no kind", "first_boot:\n- {mode: '0644'}\n", `app.yaml:4:3: first_boot[0]: says nothing to do; a step is one of directory, ` +
			`edit, file, …`},
		{"two kinds", "first_boot:\n- {file: /a, link: /b}\n", `app.yaml:4:3: first_boot[0]: is more than one step: file and link`},
		{"a terminal at first boot", "first_boot:\n- {tty: [/a]}\n", `app.yaml:4:3: first_boot[0]: nobody is at a terminal during first boot`},
		{"an answer at first boot", "first_boot:\n- {file: /a, content: '{{ .answers.b }}'}\nfirst_login: {questions: [{name: b, ask: " +
			"B}]}\n", `app.yaml:4:23: first_boot[0].content: the answer "b" is known only at first login`},
		{"a gate without a key", "gate: {until: first_login, services: " +
			"[a.service]}\n", `app.yaml:3:15: gate.until: first_login never comes: the manifest has none`},
		{"a broken template", "motd: '{{ .url'\n", `app.yaml:3:7: motd: cannot read this template: unclosed action`},
		{"an unknown function", "motd: '{{ sheel .url }}'\n", `app.yaml:3:7: motd: cannot read this template: function "sheel" not defined`},
		{"an unanchored pattern", "first_boot:\n- {edit: /a, line: {match: x, set: " +
			"y}}\n", `app.yaml:4:28: first_boot[0].line.match: must be anchored, so that it cannot match in the middle of another line`},
		{"a part that no subject has", "secrets: {a: {format: ca, subject: {organisation: X}}}\n",
			`app.yaml:3:51: secrets.a.subject.organisation: is no part of a subject: "organisation"`},
		{"a country in full", "secrets: {a: {format: ca, subject: {country: Germany}}}\n",
			`app.yaml:3:46: secrets.a.subject.country: must be the two letters of a country: "Germany"`},
		{"bits of a key that has none", "secrets: {a: {format: ca, bits: 4096}}\n", `app.yaml:3:33: secrets.a.bits: belongs to an RSA key`},
		{"a client without a name", "secrets: {a: {format: certificate, usage: client}}\n",
			`app.yaml:3:14: secrets.a: a certificate needs a name`},
		{"an input without a command", "first_login: {questions: [{name: a, ask: A, options_stdin: x}]}\n",
			"app.yaml:3:60: first_login.questions[0].options_stdin: belongs to options_from"},
		{"a yes that is nobody's own", "first_login: {questions: [{name: a, ask: A, type: confirm, must_be_yes: true, default: true}]}\n",
			"app.yaml:3:88: first_login.questions[0].default: a yes that is wanted must be somebody's own"},
		{"a group without an owner", "first_boot:\n- {file: /a, content: x, owner: ':staff'}\n",
			`app.yaml:4:33: first_boot[0].owner: cannot be an owner: ":staff"`},
		{"a hash of more than bcrypt takes", "secrets: {a: {length: 80}, b: {derive: bcrypt, from: a}}\n",
			`app.yaml:3:54: secrets.b.from: the secret "a" has 80 characters, and bcrypt takes 72 at most`},
		{"a key and one below it", "first_boot:\n- {edit: /a.json, set: {a: x, a.b: y}}\n",
			`app.yaml:4:36: first_boot[0].set.a.b: is a part of "a", which is set too`},
		{"a default outside of its bounds", "first_login: {questions: [{name: a, ask: A, min: 3, default: ab}]}\n",
			`app.yaml:3:62: first_login.questions[0].default: has 2 characters, which is not between min and max`},
		{"a default that its own pattern refuses", "first_login: {questions: [{name: a, ask: A, pattern: '[a-z]+', default: A1}]}\n",
			`app.yaml:3:73: first_login.questions[0].default: does not match the question's own pattern: "A1"`},
		{"a condition that is a text", "first_boot:\n- {file: /a, content: x, when: '{{ .app.name }}'}\n",
			`app.yaml:4:32: first_boot[0].when: is neither true nor false, but for example "x"`},
		{"a relative path before a template", "first_boot:\n- {file: 'etc/{{ .app.name }}', content: x}\n",
			`app.yaml:4:10: first_boot[0].file: must be an absolute path, not "etc/{{ .app.name }}"`},
		{"an address without its port", "first_boot:\n- {wait: {tcp: localhost}}\n",
			`app.yaml:4:16: first_boot[0].wait.tcp: is no host and port: "localhost"`},
		{"a link to itself", "first_boot:\n- {link: /opt/a, to: a}\n",
			`app.yaml:4:22: first_boot[0].to: points to the link itself: "a"`},
		{"an administrator of what has none", "secrets: {a: {}}\n" +
			"database: {engine: valkey, local: {name: app, password: a, admins: [{user: root, password: a}]}}\n",
			"app.yaml:4:68: database.local.admins: has no effect: valkey has no administrators beside the app's account"},
		{"an administrator who is the app", "secrets: {a: {}}\n" +
			"database: {engine: mysql, local: {name: app, password: a, admins: [{user: app, password: a}]}}\n",
			"app.yaml:4:75: database.local.admins[0].user: app is an account of the server already"},
		{"an administrator of a cluster", "secrets: {a: {}}\n" +
			"database: {engine: mysql, role: {name: app, password: a, admins: [{user: root, password: a}]}}\n",
			"app.yaml:4:66: database.role.admins: has no effect: a cluster's administrator is DigitalOcean's"},
		{"an administrator without a secret", "secrets: {a: {}}\n" +
			"database: {engine: mysql, local: {name: app, password: a, admins: [{user: root, password: b}]}}\n",
			"app.yaml:4:91: database.local.admins[0].password: there is no secret \"b\""},
		{"the key of a bucket for everybody", "motd: '{{ .spaces.secret_key }}'\n", "app.yaml:3:7: motd: every local user can read the " +
			"message of the day, so it must not hold a secret"},
		{"a bucket's name", "motd: '{{ .spaces.name }}'\n", "app.yaml:3:7: motd: there is no .spaces.name"},
		{"a message that would be cut", "motd: \"" + strings.Repeat("line\\n", 49) + "\"\n",
			`app.yaml:3:7: motd: has 49 lines, wrapped at 78 characters; a terminal shows 48 at most`},
		{"whether it is answered, in a step", "first_login: {questions: [{name: a, ask: A}], steps: [{file: /a, content: '{{ .answered }}'}]}\n",
			`app.yaml:3:75: first_login.steps[0].content: only the message of the day can ask whether the questions are answered`},
		{"a question named like a secret", "secrets: {admin: {}}\nfirst_login: {questions: [{name: admin, ask: A, type: password}]}\n",
			`app.yaml:4:34: first_login.questions[0].name: there is a secret of the name "admin" too, and both stand in ` +
				`/root/.digitalocean_passwords by it`},
		{"a misspelled kind", "first_boot:\n- {flie: /a, content: x}\n", `app.yaml:4:4: first_boot[0]: unknown key "flie"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, problems := lint.Parse([]byte(head+test.rest), "app.yaml")
			start, cut := strings.CutSuffix(test.want, "…") // what follows is a list that grows
			if len(problems) != 1 || problems[0].String() != test.want && !(cut && strings.HasPrefix(problems[0].String(), start)) {
				t.Errorf("got  %v\nwant %s", problems, test.want)
			}
		})
	}
}

func TestTheShippedSchemaIsTheTypes(t *testing.T) {
	t.Parallel()
	schema, err := manifest.Schema(step.Kinds())
	if err != nil {
		t.Fatal(err)
	}
	if shipped := read(t, "../../docs/app.schema.json"); !bytes.Equal(shipped, schema) {
		t.Error("docs/app.schema.json is not what the types say; run: make docs")
	}
	var parsed map[string]any
	if err := json.Unmarshal(schema, &parsed); err != nil {
		t.Error(err)
	}
}

func TestTheShippedReferenceIsTheTypes(t *testing.T) {
	t.Parallel()
	var reference bytes.Buffer
	if err := manifest.WriteReference(&reference, step.Kinds()); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(reference.Bytes(), read(t, "../../docs/reference.md")) {
		t.Error("docs/reference.md is not what the types say; run: make docs")
	}
}

// Every template says what it is for: what nobody thought of would be allowed to hold a secret, or refused, by accident.
func TestEveryTemplateSaysWhatItIsFor(t *testing.T) {
	t.Parallel()
	seen := map[reflect.Type]bool{}
	var visit func(reflect.Type)
	visit = func(of reflect.Type) {
		for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice || of.Kind() == reflect.Map {
			of = of.Elem()
		}
		if of.Kind() != reflect.Struct || seen[of] {
			return
		}
		seen[of] = true
		for i := range of.NumField() {
			field := of.Field(i)
			if field.Tag.Get("yaml") == "" {
				continue
			}
			inner := field.Type
			for inner.Kind() == reflect.Pointer || inner.Kind() == reflect.Slice || inner.Kind() == reflect.Map {
				inner = inner.Elem()
			}
			if holds := inner == reflect.TypeFor[manifest.Template]() ||
				inner == reflect.TypeFor[manifest.Value](); holds != (field.Tag.Get("for") != "") {
				t.Errorf("%s.%s of type %s has the purpose %q", of, field.Name, field.Type, field.Tag.Get("for"))
			} else if !holds {
				visit(field.Type)
			}
		}
	}
	visit(reflect.TypeFor[manifest.Manifest]())
	for _, kind := range step.Kinds() {
		visit(reflect.TypeOf(kind.New()))
	}
	if len(seen) < 20 {
		t.Errorf("only %d types were seen", len(seen))
	}
}

func TestAManifestIsLimited(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"the file is larger than 1048576 bytes":              strings.Repeat("#", manifest.MaxSize+1),
		"cannot read this as YAML: exceeded max depth of 32": "a: " + strings.Repeat("[", 40),
		"more than 200 aliases are used": "x: &x {name: y}\napp: *x\nfirst_boot: [" + strings.Repeat("*x, ", 300) +
			"]\nversion: 1\n",
	} {
		_, problems := lint.Parse([]byte(text), "app.yaml")
		found := false
		for _, p := range problems {
			found = found || p.Message == name
		}
		if !found {
			t.Errorf("missing: %s; got %v", name, problems)
		}
	}
}

// A manifest never makes Parse panic, and every problem's place lies inside the file.
func FuzzParse(f *testing.F) {
	seeds, _ := filepath.Glob("testdata/*.yaml")
	if len(seeds) < 2 {
		f.Fatalf("only %d seeds", len(seeds))
	}
	for _, seed := range seeds {
		f.Add(read(f, seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		_, problems := lint.Parse(data, "app.yaml")
		lines := bytes.Count(data, []byte("\n")) + 1
		for _, p := range problems {
			if p.Line < 0 || p.Line > lines+1 || p.Column < 0 {
				t.Errorf("%v lies outside a file of %d lines", p, lines)
			}
		}
	})
}

// No file of answers makes the reading panic; a problem lies inside the file and quotes no value of it.
func FuzzParseAnswers(f *testing.F) {
	seeds := []string{"title: A garden\nnews: false\n", "password: s3cret-s3cret\n- x\n", "a: {b: c}\n", "a: 1\na: 2\n", "[]", "a: *b\n"}
	for _, seed := range seeds {
		f.Add([]byte(seed))
	}
	if len(seeds) != 6 {
		f.Fatal("the seeds are missing")
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		_, problems := manifest.ParseAnswers(append([]byte("password: s3cret-s3cret\n"), data...), "answers.yaml")
		for _, p := range problems {
			if p.Line < 0 || p.Line > bytes.Count(data, []byte("\n"))+3 || p.Column < 0 {
				t.Errorf("%v lies outside the file", p)
			}
			if strings.Contains(p.String()+p.Hint, "s3cret-s3cret") {
				t.Errorf("%v quotes a value", p)
			}
		}
	})
}

// The manifests that people copy are right.
func TestTheManifestsOfTheDocumentsAreRight(t *testing.T) {
	t.Parallel()
	found := 0
	for _, file := range []string{"../../README.md", "../../docs/manifest.md"} {
		for n, block := range strings.Split(string(read(t, file)), "```yaml\n")[1:] {
			text, _, _ := strings.Cut(block, "```")
			if !strings.HasPrefix(text, "version:") { // a part, which stands in a whole one here
				text = "version: 1\napp: {name: Sample}\n" + text
			}
			if _, problems := lint.Parse([]byte(text), file); len(problems) > 0 && !strings.Contains(text, "captured: true") {
				t.Errorf("block %d of %s: %v", n+1, file, problems)
			}
			found++
		}
	}
	if found < 4 {
		t.Errorf("only %d manifests are found", found)
	}
}

func TestTheAddressOfTheAppIsTheVendorsToSay(t *testing.T) {
	t.Parallel()
	const asks = "first_login: {questions: [{name: domain, ask: D, type: domain, optional: true}]}\n"
	const answered = `'https://{{ with .answers.domain }}{{ . }}{{ else }}{{ $.droplet.ipv4 }}{{ end }}'`
	for _, test := range []struct{ url, rest, want string }{
		{"none", "", ""},
		{"'https://{{ .droplet.ipv4 }}:8443/admin'", "first_boot: [{file: /a, content: '{{ .url }}'}]\n", ""},
		{answered, asks + "motd: '{{ .url }}'\n", ""},
		{answered, asks + "secrets: {a: {derive: htpasswd, from: b, user: '{{ .url }}'}, b: {}}\n" +
			"first_boot: [{file: /a, content: '{{ .secrets.a }}'}]\n", "app.yaml:5:34: first_boot[0].content: " +
			`the secret "a" is made from answers, which come only at first login`},
		{answered, asks + "first_boot: [{file: /a, content: '{{ .url }}'}]\n", "app.yaml:4:34: first_boot[0].content: " +
			"the address of the app is made from answers, which come only at first login"},
		{"ftp://example.com", "", `app.yaml:2:21: app.url: is no address of the web: "ftp://example.com"`},
		{"'{{ .url }}/admin'", "", "app.yaml:2:21: app.url: the address of the app cannot be made from itself"},
		{"'https://{{ .secrets.a }}/'", "secrets: {a: {}}\n",
			"app.yaml:2:21: app.url: names and addresses stand in logs, so they must not hold a secret"},
	} {
		_, problems := lint.Parse([]byte("version: 1\napp: {name: x, url: "+test.url+"}\n"+test.rest), "app.yaml")
		if test.want == "" && len(problems) > 0 || test.want != "" && (len(problems) != 1 || problems[0].String() != test.want) {
			t.Errorf("%s with %s\ngot  %s\nwant %s", test.url, test.rest, problems.Error(), test.want)
		}
	}
}
