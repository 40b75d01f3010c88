package firstboot

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
)

// template writes random templates over everything that text/template and our functions can do, of the right types, so
// that they can be filled in.
type template struct {
	*rand.Rand
	names int
	// clean tells that no secret is to be asked for.
	clean bool
	// defined are the templates that the text calls: they stand at its beginning.
	defined string
}

func (r *template) of(choices ...string) string { return choices[r.IntN(len(choices))] }

func (r *template) name() string {
	r.names++
	return fmt.Sprintf("n%d", r.names)
}

// at is the data as a template reaches it: by the dot, or by the dollar where the dot is something else.
type at string

const (
	byDot    at = "."
	byDollar at = "$"
)

// field is a field of the data.
func (a at) field(name string) string {
	if a == byDot {
		return "." + name
	}
	return "$." + name
}

// source is a text as it comes from the data.
func (r *template) source(a at) string {
	if r.clean || r.IntN(6) == 0 {
		return r.of(`"plain"`, `"it's"`, a.field("droplet.name"), a.field("app.name"), a.field("url"), a.field("secrets.key.public"),
			a.field("database.engine"))
	}
	return r.of(a.field("secrets.one"), a.field("secrets.two"), a.field("secrets.odd"), a.field("secrets.hash"),
		a.field("secrets.key.private"), a.field("database.url"), a.field("database.password"),
		fmt.Sprintf("(index %s \"one\")", a.field("secrets")), fmt.Sprintf("(index %s \"secrets\").two", a),
		fmt.Sprintf("(index %s \"key\").private", a.field("secrets")),
		fmt.Sprintf("(index (index %s \"secrets\") \"key\" \"ssh_private\")", a))
}

// holder is something that holds texts.
func (r *template) holder(a at) string {
	if r.clean {
		return fmt.Sprintf("(index %s %q)", a, r.of("droplet", "app"))
	}
	if r.IntN(10) == 0 { // named outright: refused
		return r.of(a.field("secrets"), a.field("secrets.key"), a.field("database"))
	}
	return r.of(string(a), fmt.Sprintf("(index %s \"secrets\")", a), fmt.Sprintf("(index %s \"secrets\" \"key\")", a),
		fmt.Sprintf("(index %s \"database\")", a))
}

// text is an expression that is a text.
func (r *template) text(a at, depth int) string {
	if depth == 0 {
		return r.source(a)
	}
	inner := r.text(a, depth-1)
	switch r.IntN(10) {
	case 0, 1:
		return fmt.Sprintf("(printf %q %s)", r.of("%v", "%s", "%q", "%x", "%X", "%+v", "%#v", "%.20s", "%40s", "%-50s", "%d", "%U",
			"%t", "% x", "%T", "%08b", "%+q", "a %v b", "%[1]s%[1]x", "%e", "%p", "%w", "%!", "%*d", "%#q", "%% %s"), inner)
	case 2:
		return fmt.Sprintf("(%s %s)", r.of("print", "println", "html", "js", "urlquery"), inner)
	case 3:
		return fmt.Sprintf("(%s %s)", r.of("sh", "dotenv", "json", "yaml", "ini", "php", "nginx", "xml", "sql"), inner)
	case 4:
		from := r.IntN(20)
		return fmt.Sprintf("(slice (printf \"%%-40s\" %s) %d %d)", inner, from, from+r.IntN(20))
	case 5:
		return fmt.Sprintf("(slice %s %d)", r.source(a), r.IntN(4))
	case 6:
		return fmt.Sprintf("(%s %s %s)", r.of("or", "and", "print", "html"), inner, r.text(a, depth-1))
	case 7:
		return fmt.Sprintf("(%s | %s)", inner, r.of("print", "printf \"%s\"", "json", "sh", "html", "print \"x\""))
	case 8:
		return fmt.Sprintf("(printf %q %s)", r.of("%v", "%+v", "%#v", "%s", "%q", "%x"), r.holder(a))
	}
	return inner
}

// truth is an expression that is true or false.
func (r *template) truth(a at, depth int) string {
	text := r.text(a, depth)
	return r.of(fmt.Sprintf("(eq %s %s)", text, r.text(a, depth)), fmt.Sprintf("(ne %s \"x\")", text), fmt.Sprintf("(lt %s \"x\")", text),
		fmt.Sprintf("(not %s)", text), fmt.Sprintf("(gt (len %s) %d)", text, r.IntN(40)), a.field("database.managed"),
		fmt.Sprintf("(ge \"m\" %s)", text))
}

// body is a template at a place where the data is reached so.
func (r *template) body(a at, depth int) string {
	if depth == 0 {
		return "{{ " + r.text(a, r.IntN(3)) + " }}"
	}
	value, name := r.text(a, r.IntN(3)), r.name()
	switch r.IntN(12) {
	case 0:
		return fmt.Sprintf("{{ $%s := %s }}{{ $%s }}%s", name, value, name, r.body(a, depth-1))
	case 1:
		field := "one"
		if r.clean {
			field = "key.public"
		}
		return fmt.Sprintf("{{ $%s := %s }}{{ with $%s.secrets }}{{ .%s }}{{ end }}", name, a, name, field)
	case 2:
		return fmt.Sprintf("{{ with %s }}%s{{ else }}%s{{ end }}", value, r.of("{{ . }}", "{{ print . }}", `{{ printf "%x" . }}`,
			r.body(byDollar, depth-1)), r.body(byDollar, depth-1))
	case 3:
		return fmt.Sprintf("{{ range $k, $v := %s }}{{ $k }}={{ $v }} %s{{ else }}{{ . }}{{ end }}", r.holder(a),
			r.of("", "{{ break }}", "{{ continue }}", r.body(byDollar, depth-1)))
	case 4, 5:
		return fmt.Sprintf("{{ if %s }}%s{{ else if %s }}%s{{ else }}no{{ end }}", r.truth(a, r.IntN(2)), r.body(a, depth-1),
			r.truth(a, r.IntN(2)), r.body(a, depth-1))
	case 6:
		r.defined += fmt.Sprintf("{{ define %q }}%s{{ end }}", name, r.of("{{ . }}", "{{ print . }}", `{{ printf "%.30s" . }}`, "{{ $ }}"))
		return fmt.Sprintf("{{ template %q %s }}", name, value)
	case 7:
		r.defined += fmt.Sprintf("{{ define %q }}%s{{ end }}", name, r.body(byDot, depth-1))
		return fmt.Sprintf("{{ template %q %s }}", name, a)
	case 8:
		return fmt.Sprintf("{{ block %q %s }}%s{{ end }}", name, value, r.of("{{ . }}", "{{ print $ }}"))
	case 9:
		return fmt.Sprintf("{{ $%s := \"\" }}{{ range %s }}{{ $%s = . }}{{ end }}{{ $%s }}", name, r.holder(a), name, name)
	case 10:
		return "{{- /* a comment */ -}} " + r.body(a, depth-1)
	}
	return r.body(a, depth-1) + r.body(a, depth-1)
}

// place is a step with a template in it, "" for the message of the day.
type place struct {
	step string
	// open tells that a secret may stand there.
	open bool
	// truth tells that the template must be true or false.
	truth bool
	// before is plain text that stands before the template.
	before string
}

var places = []place{
	{step: "{file: /etc/made, content: %s}", open: true},
	{step: "{file: /etc/made, content: %s}", open: true},
	{step: "{file: /etc/made, content: %s}", open: true},
	{step: "{edit: /etc/made.env, set: {KEY: %s}}", open: true},
	{step: "{edit: /etc/made.txt, format: text, block: %s}", open: true},
	{step: "{edit: /etc/made.yaml, set: {key: %s}}", open: true},
	{step: "{run: [/usr/bin/tool, show], stdin: %s}", open: true},
	{step: "{run: [/usr/bin/tool, show, fail], stdin: %s, tries: 1}", open: true},
	{step: "{run: [/usr/bin/tool, show, fail], env: {CAUSE: %s}, tries: 1}", open: true},
	{step: "{run: [/usr/bin/tool, show], env: {CAUSE: %s}, optional: true}", open: true},
	{step: "{file: /etc/made, content: '{{ .secrets.one }}', when: %s}", open: true, truth: true},
	{step: "{run: [/usr/bin/tool, show, %s]}"},
	{step: "{run: [/usr/bin/tool, show, fail, %s], tries: 1}"},
	{step: "{run: [/usr/bin/tool, show], unless: [/usr/bin/tool, show, %s]}"},
	{step: "{file: %s, content: x}", before: "/etc/made-"},
	{step: "{directory: %s}", before: "/srv/"},
	{step: "{link: /etc/link, to: %s}"},
	{step: "{wait: {http: %s}, within: 1s, optional: true}", before: "http://127.0.0.1:9/"},
	{},
}

// use is a manifest in which a template has its place. Where no secret may stand, most ask for none.
func (r *template) use() string {
	p := places[r.IntN(len(places))]
	r.clean = !p.open && r.IntN(4) > 0
	text := r.body(r.start(), r.IntN(3))
	if p.truth {
		text = "{{ " + r.truth(r.start(), r.IntN(3)) + " }}"
	}
	quoted, _ := json.Marshal(p.before + r.defined + text)
	manifest := "secrets: {one: {}, two: {}, odd: {format: password, length: 24, symbols: 4, symbol_set: \"-_.!\"}, key: {format: ed25519}, " +
		"hash: {derive: sha512-crypt, from: one}}\ndatabase: {engine: postgresql, local: {name: app, password: two}}\n"
	if p.step == "" {
		return manifest + "motd: " + string(quoted) + "\n"
	}
	return manifest + "first_boot:\n  - " + fmt.Sprintf(p.step, quoted) +
		"\n  - {file: /etc/beside, content: '{{ .secrets.one }}', optional: true}\n"
}

func (r *template) start() at { return []at{byDot, byDollar}[r.IntN(2)] }
