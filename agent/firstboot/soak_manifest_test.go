package firstboot

import (
	"fmt"
	"maps"
	"strings"
)

// soaked is one thing that the manifest of the soak makes. Its texts have words in braces, for the facts.
type soaked struct {
	path, text string
	yaml       string // how a manifest says it where it is no plain file
	when       string // managed or own, "" for always
	login      bool
	since      int // the revision of the manifest that has it first
}

var soakedFiles = []soaked{
	{path: "/t/whole", text: "BEGIN {one} {ip} {revision} END"},
	{path: "/t/sums", text: "BEGIN {sum} {token} END"},
	{path: "/t/of-{name}", text: "BEGIN {one} END"},
	{path: "/t/database", text: "BEGIN {host} {password} END"},
	{path: "/t/managed", text: "BEGIN {host} END", when: "managed"},
	{path: "/t/own", text: "BEGIN {host} {ip} END", when: "own"},
	{path: "/t/certificate", text: "BEGIN {server} END"},
	{path: "/t/link", text: "/x/{name}", yaml: "link: /t/link, to: '/x/{name}'"},
	{path: "/t/env", text: "OTHER=kept\nIP={ip}\nONE={one}\n", yaml: "edit: /t/env, format: dotenv, set: {ONE: '{one}', IP: '{ip}'}"},
	{
		path: "/t/hosts", text: "127.0.0.1 localhost\n127.0.1.1 {name}\n",
		yaml: `edit: /t/hosts, line: {match: '^127\.0\.1\.1 ', set: '127.0.1.1 {name}'}`,
	},
	{path: "/t/login", text: "BEGIN {answer} {hidden} {ip} END", login: true},
	{path: "/t/late", text: "BEGIN {late} {one} END", login: true},
}

// soakedBase is what the image has already.
var soakedBase = map[string]string{"/t/env": "OTHER=kept\n", "/t/hosts": "127.0.0.1 localhost\n127.0.1.1 debian\n"}

// inTemplates are the words in braces as templates say them.
var inTemplates = strings.NewReplacer(
	"{one}", "{{ .secrets.one }}", "{sum}", "{{ .secrets.sum }}", "{token}", "{{ .secrets.token }}", "{extra}", "{{ .secrets.extra }}",
	"{server}", "{{ .secrets.server.cert }}", "{late}", "{{ .secrets.late }}", "{ip}", "{{ .droplet.ipv4 }}",
	"{name}", "{{ .droplet.name }}", "{host}", "{{ .database.host }}", "{password}", "{{ .database.password }}",
	"{answer}", "{{ .answers.name }}", "{hidden}", "{{ .answers.password }}",
)

const soakedHead = `version: 1
app: {name: Soak}
secrets:
  one: {}
  two: {}
  sum: {derive: sha256, from: one}
  ca: {format: ca}
  server: {format: certificate, signed_by: ca, hosts: ["{{ .droplet.ipv4 }}"]}
  token: {captured: true}
  late: {derive: jwt-hs256, from: two, claims: {for: "{{ .answers.name }}"}}
`

const soakedSteps = `database: {engine: postgresql, managed: optional, local: {name: app, password: two}, services: [db.service]}
gate: {until: first_boot, services: [app.service]}
first_boot:
  - {run: [/usr/bin/tool, issue], creates: /issued, capture: [{secret: token, pattern: 'token: (\S+)'}], tries: 1}
  - {run: [/usr/bin/tool, append, /log, once], tries: 1}
  - {run: [/usr/bin/tool, append, /log, "at {{ .droplet.ipv4 }}"], tries: 1}
  - {run: [/usr/bin/tool, fail], optional: true, tries: 1}
`

// soakedManifest is the manifest of a revision. A later one changes a file, and adds a secret and a file of it.
func soakedManifest(revision int) string {
	var boot, login strings.Builder
	for _, file := range soakedFiles {
		if file.since > revision {
			continue
		}
		step := file.yaml
		if step == "" {
			step = fmt.Sprintf("file: '%s', content: '%s'", file.path, file.text)
		}
		step = inTemplates.Replace(strings.ReplaceAll(step, "{revision}", fmt.Sprint(revision)))
		switch file.when {
		case "managed":
			step += ", when: '{{ .database.managed }}'"
		case "own":
			step += ", when: '{{ not .database.managed }}'"
		}
		if file.login {
			fmt.Fprintf(&login, "    - {%s}\n", step)
		} else {
			fmt.Fprintf(&boot, "  - {%s}\n", step)
		}
	}
	head := soakedHead
	if revision > 0 {
		head += "  extra: {}\n"
	}
	return head + soakedSteps + boot.String() + "  - {service: web.service, do: [restart]}\n" +
		"first_login:\n  questions: [{name: name, ask: Name}, {name: password, ask: Password, type: password}]\n  steps:\n" + login.String()
}

// connection is the database that is in use, as far as files tell.
type connection struct {
	Host, Password string
	Managed        bool
}

// truth is all that files are made from.
type truth struct {
	world    world
	revision int
	database connection
	secrets  map[string]string // and the answers that nobody may see
	answer   string
}

func (t truth) clone() truth {
	t.secrets = maps.Clone(t.secrets)
	return t
}

// sameBoot reports whether the steps of first boot would make the same, but for the manifest.
func (t truth) sameBoot(other truth) bool {
	for _, name := range []string{"one", "two", "ca", "server", "token"} {
		if t.secrets[name] != other.secrets[name] {
			return false
		}
	}
	return t.world == other.world && t.database == other.database
}

// want are the files of a Droplet of which this is true, by path.
func (t truth) want(login bool) map[string]string {
	words := []string{"{ip}", t.world.address, "{name}", t.world.name, "{host}", t.database.Host, "{password}", t.database.Password,
		"{answer}", t.answer, "{hidden}", t.secrets["answers.password"], "{revision}", fmt.Sprint(t.revision)}
	for name, value := range t.secrets {
		words = append(words, "{"+name+"}", value)
	}
	fill := strings.NewReplacer(words...)
	want := map[string]string{}
	for _, file := range soakedFiles {
		applies := file.when == "" || (file.when == "managed") == t.database.Managed
		if applies && file.since <= t.revision && file.login == login {
			want[fill.Replace(file.path)] = fill.Replace(file.text)
		}
	}
	return want
}
