package step

import (
	"fmt"
	"testing"

	"oneclick-agent/agent/facts"
	"oneclick-agent/agent/manifest"
)

const everyKind = `
version: 1
app: {name: App, version: "1"}
secrets: {key: {}, token: {captured: true}}
first_boot:
  - {file: "/srv/{{ .app.name }}", content: "key={{ .secrets.key }}", owner: "app:app", mode: "0640"}
  - {file: /srv/t, template: t.tmpl}
  - {file: /srv/c, copy: /etc/hostname}
  - {edit: /srv/e.env, set: {A: "{{ .secrets.key }}"}, unset: [B]}
  - {edit: /srv/l, line: {match: "^x", set: "x {{ .app.name }}"}}
  - {edit: /srv/b, block: "{{ .app.version }}"}
  - {directory: /srv/d, owner: "app:app", recursive: true}
  - {link: /srv/k, to: "{{ .app.name }}"}
  - {remove: "/srv/{{ .app.name }}.old"}
  - run: [/bin/x, "{{ .app.name }}"]
    as: app
    dir: /srv
    env: {KEY: "{{ .secrets.key }}"}
    stdin: "{{ .secrets.key }}"
    unless: [/bin/y]
    capture: [{secret: token, json: .token}]
  - {service: app.service, do: [enable, start]}
  - {wait: {dns: example.com, is: 192.0.2.1}}
  - {firewall: [22/tcp limit, 80/tcp]}
gate: {until: first_boot, services: [app.service]}
first_login:
  questions: [{name: q, ask: Q, optional: true}]
  steps:
    - {tty: [/bin/setup, "{{ .app.name }}"], creates: /srv/made}
`

// filled reads a manifest and gathers the facts of a tree for it.
func filled(t testing.TB, text string, files map[string]string) *facts.Facts {
	t.Helper()
	m, problems := manifest.Parse([]byte(text), "/etc/oneclick/app.yaml", Kinds())
	must(t, problems.Err())
	h, dir := tree(t, files)
	put(t, dir, map[string]string{"run/cloud-init/instance-data.json": `{"v1": {"instance_id": "7", "cloud_name": "digitalocean"},
		"ds": {"meta_data": {"droplet_id": 7, "hostname": "seven", "region": "fra1"}}}`})
	f, err := facts.Gather(t.Context(), h, m, "/etc/oneclick/app.yaml", "none")
	must(t, err)
	_, err = f.Store.Ensure(m, false, h.Now(), f.FillSecret(t.Context()))
	must(t, err)
	return f
}

func TestEachKindIsMadeFromItsDescriptionWithItsTemplatesFilledIn(t *testing.T) {
	t.Parallel()
	f := filled(t, everyKind, map[string]string{"etc/oneclick/t.tmpl": "from {{ .app.name }}", "etc/hostname": "copied {{"})
	fields, _ := f.Store.Get("key")
	key := fields[""].Reveal()
	got := map[string]string{}
	for s := range f.Manifest.Steps() {
		kind := s.Kind.(Kind)
		made, err := kind.Build(s.Spec, f.Filling(t.Context()))
		must(t, err)
		text := ""
		switch made := made.(type) {
		case *File:
			text = fmt.Sprintf("%s %q %q %v private %v", made.Path, made.Content, made.Owner, made.Mode != nil, made.Private)
		case *Edit:
			text = fmt.Sprintf("%s %s %v %v %q private %v", made.Path, made.Format, made.Change, made.Pattern, made.Line, made.Private)
			if made.Block != nil {
				text += " " + *made.Block
			}
		case *Directory:
			text = fmt.Sprintf("%s %s %v %v", made.Path, made.Owner, made.Mode, made.Recursive)
		case *Run:
			c := made.Command
			text = fmt.Sprintf("%s %v %s %s %v %q %v %v", made.ID, c.Argv, made.As, c.Dir, c.Env, c.Stdin, made.Unless, made.Capture)
		case *TTY:
			text = fmt.Sprintf("%v %s", made.Command.Argv, made.Creates)
		default:
			text = fmt.Sprintf("%+v", made)
		}
		got[s.Path] = text
	}
	for path, want := range map[string]string{
		"first_boot[0]":        `/srv/App "key=` + key + `" "app:app" true private true`,
		"first_boot[1]":        `/srv/t "from App" "" false private false`,
		"first_boot[2]":        `/srv/c "copied {{" "" false private false`,
		"first_boot[3]":        `/srv/e.env dotenv {map[A:` + key + `] [B]} <nil> "" private true`,
		"first_boot[4]":        `/srv/l text {map[] []} ^x "x App" private false`,
		"first_boot[5]":        `/srv/b text {map[] []} <nil> "" private false 1`,
		"first_boot[6]":        "/srv/d app:app <nil> true",
		"first_boot[7]":        "&{Path:/srv/k To:App created:false}",
		"first_boot[8]":        "&{Path:/srv/App.old Pattern:false removed:0}",
		"first_boot[9]":        "run /bin/x App [/bin/x App] app /srv map[KEY:" + key + `] "` + key + `" [/bin/y] [{token <nil> .token false}]`,
		"first_boot[10]":       "&{Unit:app.service Do:[enable start] Gated:true}",
		"first_boot[11]":       "&{HTTP: TCP: Unix: Unit: DNS:example.com Is:192.0.2.1 Container: Command:[] Status:[] Insecure:false Docker:}",
		"first_boot[12]":       "&{Rules:[{From:22 To:22 Protocol:tcp Limit:true} {From:80 To:80 Protocol:tcp Limit:false}]}",
		"first_login.steps[0]": "[/bin/setup App] /srv/made",
	} {
		if got[path] != want {
			t.Errorf("%s:\ngot  %s\nwant %s", path, got[path], want)
		}
		delete(got, path)
	}
	if len(got) > 0 {
		t.Errorf("nobody says what these should be: %v", got)
	}
}

func TestAStepWhoseTemplateCannotBeFilledInIsNotMade(t *testing.T) {
	t.Parallel()
	f := filled(t, everyKind, nil) // the template and the copied file are not there
	for s := range f.Manifest.Steps() {
		_, err := s.Kind.(Kind).Build(s.Spec, f.Filling(t.Context()))
		switch s.Path {
		case "first_boot[1]":
			says(t, err, "cannot read /etc/oneclick/t.tmpl: no such file or directory")
		case "first_boot[2]":
			says(t, err, "cannot read /etc/hostname: no such file or directory")
		default:
			must(t, err)
		}
	}
}

// Every part of the description counts for the key by which upkeep tells what has to be done again.
func TestWhatAStepIsMadeFromChangesItsKey(t *testing.T) {
	t.Parallel()
	keys := func(version string) map[string]string {
		found := map[string]string{}
		f := filled(t, everyKind, map[string]string{"etc/oneclick/t.tmpl": "from {{ .app.version }}", "etc/hostname": version})
		f.Manifest.App.Version = version
		for s := range f.Manifest.Steps() {
			filling := f.Filling(t.Context())
			_, err := s.Kind.(Kind).Build(s.Spec, filling)
			must(t, err)
			found[s.Path] = filling.Key()
		}
		return found
	}
	one, two := keys("1"), keys("2")
	for path := range one {
		// The steps with the secret have another one in each tree.
		depends := map[string]bool{"first_boot[0]": true, "first_boot[1]": true, "first_boot[3]": true,
			"first_boot[5]": true, "first_boot[9]": true}
		if (one[path] != two[path]) != depends[path] {
			t.Errorf("%s: %s and %s", path, one[path], two[path])
		}
	}
}
