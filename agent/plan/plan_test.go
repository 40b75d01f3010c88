package plan

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"oneclick-agent/agent/facts"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/manifest"
	"oneclick-agent/agent/step"
)

// gather reads a manifest on a tree of these files and directories, and finds out what is true there.
func gather(t testing.TB, text string, files map[string]string) *facts.Facts {
	t.Helper()
	const file = "/etc/oneclick/app.yaml"
	m, problems := manifest.Parse([]byte(text), file, step.Kinds())
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	all := map[string]string{"var/lib/x": "", "root/x": "",
		"run/cloud-init/instance-data.json": `{"v1": {"instance_id": "7"},
		"ds": {"meta_data": {"interfaces": {"public": [{"ipv4": {"ip_address": "203.0.113.10"}}]}}}}`}
	for name, content := range files {
		all[name] = content
	}
	for name, content := range all {
		target := filepath.Join(dir, name)
		os.MkdirAll(filepath.Dir(target), 0o755)
		var err error
		if to, isLink := strings.CutPrefix(content, "-> "); isLink {
			err = os.Symlink(to, target)
		} else {
			err = os.WriteFile(target, []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	h, err := host.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	f, err := facts.Gather(t.Context(), h, m, file, "none")
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestWhatAStepTouchesAreTheRealPlaces(t *testing.T) {
	t.Parallel()
	f := gather(t, `
version: 1
app: {name: App}
first_boot:
  - {file: "/srv/{{ .app.name }}", content: x}
  - {file: /srv/a, copy: /etc/one, owner: "app:app"}
  - {file: /link/b, template: b.tmpl}
  - {edit: /srv/current, block: x}
  - {directory: /srv/d}
  - {link: /srv/l, to: /etc/one}
  - {remove: /link/old}
  - {remove: "/link/*/old*"}
  - {run: [/bin/x]}
  - {service: a.service, do: [start]}
  - {file: /srv/c, content: x, when: '{{ eq .app.name "App" }}'}
`, map[string]string{"etc/one": "", "data/x": "", "link": "-> /data", "srv/current": "-> /data/real", "etc/oneclick/b.tmpl": ""})
	var got strings.Builder
	for _, item := range Boot(f) {
		touched, alone, err := item.Touches(f.Filling(t.Context()))
		fmt.Fprintln(&got, item.ID, "writes", touched.Writes, "reads", touched.Reads, alone, err)
	}
	const want = `file /srv/App writes [/srv/App /srv/App] reads [] false <nil>
file /srv/a writes [/srv/a /srv/a] reads [/etc/one /etc/passwd /etc/group] false <nil>
file /link/b writes [/data/b /data/b] reads [/etc/oneclick/b.tmpl] false <nil>
edit /srv/current block writes [/srv/current /data/real] reads [] false <nil>
directory /srv/d writes [/srv/d /srv/d] reads [] false <nil>
link /srv/l writes [/srv/l /srv/l] reads [] false <nil>
remove /link/old writes [/data/old /data/old] reads [] false <nil>
remove /link/*/old* writes [/link /data] reads [] false <nil>
run /bin/x writes [] reads [] true <nil>
service a.service start writes [] reads [] true <nil>
file /srv/c writes [/srv/c /srv/c] reads [] true <nil>
`
	if got.String() != want {
		t.Errorf("got\n%s\nwant\n%s", got.String(), want)
	}
}

func TestStepsDisturbEachOtherWhereOneWritesWhatTheOtherLooksAt(t *testing.T) {
	t.Parallel()
	of := func(writes, reads string) Touched { return Touched{strings.Fields(reads), strings.Fields(writes)} }
	for _, test := range []struct {
		one, other Touched
		want       bool
	}{
		{of("/a", ""), of("/b", ""), false},
		{of("/a", ""), of("/a", ""), true},
		{of("/a", ""), of("/a/b/c", ""), true},
		{of("/a", ""), of("/ab", ""), false},
		{of("/", ""), of("/ab", ""), true},
		{of("/a", ""), of("/b", "/a"), true},
		{of("/a", ""), of("/b", "/a/x"), true},
		{of("/a/x", ""), of("/b", "/a"), true},
		{of("/a", "/c"), of("/b", "/c"), false}, // both only look
		{of("/a", "/c"), of("/b", "/c/d"), false},
		{of("/a /c", ""), of("/b /d", "/c/e"), true},
		{of("", ""), of("/b", "/c"), false},
	} {
		for _, got := range []bool{test.one.Disturbs(test.other), test.other.Disturbs(test.one)} {
			if got != test.want {
				t.Errorf("%v and %v: %v", test.one, test.other, got)
			}
		}
	}
}

const whole = `
version: 1
app: {name: App, version: "1"}
secrets: {key: {}, late: {derive: htpasswd, from: key, user: "{{ .answers.name }}"}, token: {captured: true}}
database: {engine: mysql, local: {name: app, user: app, password: key}, services: [app.service]}
first_boot:
  - {file: /srv/a, content: "{{ .secrets.key }}", owner: "app:app", when: "{{ not .database.managed }}"}
  - {file: /srv/a, content: again, when: "{{ .database.managed }}"}
  - {run: [/bin/x, "{{ .url }}"], as: app, capture: [{secret: token, json: .t}]}
  - {run: [/bin/y], when: "{{ .database.managed }}"}
  - {run: [/bin/z, "a b"], optional: true}
gate: {until: first_login, services: [app.service]}
first_login:
  questions: [{name: name, ask: Name}, {name: word, ask: Word, type: password}]
  steps:
    - {file: "/srv/{{ .answers.name }}", content: "{{ .answers.word }} {{ .secrets.late }}"}
    - {edit: /srv/e.env, set: {B: "1", A: "2"}, unset: [C], when: '{{ eq .answers.name "x" }}'}
    - {tty: [/bin/setup]}
`

func TestAPlanIsWrittenInOrderWithoutASecret(t *testing.T) {
	t.Parallel()
	f := gather(t, whole, nil)
	write := func(answered bool) string {
		var out strings.Builder
		if err := Show(f.Filling(t.Context()), answered).Write(&out); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	const boot = `   1  make the user app and its database app on this Droplet's mysql server
   2  write /etc/oneclick/database.env root:root 0600, for root's shells and 1 units
   3  write /srv/a app:app 0600 (content)
   4  write /srv/a root:root 0644 (content)  (does not apply)
   5  run /bin/x http://203.0.113.10 as app
   6  run /bin/y  (does not apply)
   7  run /bin/z "a b"  (optional)
   8  offer the questions of first login from /root/.bashrc
   9  restart what runs of app.service
      once the questions of first login are answered:
`
	const before = "      make secrets: key\n" + boot + `  10  write /srv/[answer name] root:root 0600 (content)
  11  edit /srv/e.env: A, B, C
  12  hand the terminal to /bin/setup
  13  let app.service start
`
	if got := write(false); got != before {
		t.Errorf("got\n%s\nwant\n%s", got, before)
	}
	questions := f.Manifest.FirstLogin.Questions
	for i, answer := range []string{"somebody", "hush-hush-hush"} {
		if err := f.SetAnswer(questions[i], answer); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.Store.Ensure(f.Manifest, true, f.Host.Now(), f.FillSecret(t.Context())); err != nil {
		t.Fatal(err)
	}
	after := strings.NewReplacer("      make secrets: key\n", "", "[answer name]", "somebody",
		"A, B, C", "A, B, C  (does not apply)").Replace(before)
	got := write(true)
	if got != after {
		t.Errorf("got\n%s\nwant\n%s", got, after)
	}
	key, _ := f.Store.Get("key")
	if strings.Contains(got, key[""].Reveal()) || strings.Contains(got, "hush") {
		t.Error("a secret is in the plan")
	}
}

func TestItemsHaveNamesThatDifferAndTryAtLeastOnce(t *testing.T) {
	t.Parallel()
	f := gather(t, whole, nil)
	seen := map[string]bool{}
	for _, item := range append(Boot(f), Login(f)...) {
		if seen[item.ID] || item.Tries < 1 || item.Title == "" || item.Within <= 0 || item.Digest == "" {
			t.Errorf("%+v", item)
		}
		seen[item.ID] = true
	}
	for _, id := range []string{"file /srv/a", "file /srv/a (2)", "login hook", "gate"} {
		if !seen[id] {
			t.Errorf("there is no %s in %v", id, seen)
		}
	}
}

func TestADatabaseThatIsRequiredIsWaitedForBeforeAnythingElse(t *testing.T) {
	t.Parallel()
	f := gather(t, "version: 1\napp: {name: App}\ndatabase: {engine: mysql, managed: required}\nfirst_boot: [{run: [/bin/x]}]\n", nil)
	var out strings.Builder
	if err := Show(f.Filling(t.Context()), false).Write(&out); err != nil {
		t.Fatal(err)
	}
	if want := "   1  wait for /root/.digitalocean_dbaas_credentials\n   2  run /bin/x\n"; out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

func TestAPlanShowsOwnersAndModesThatThingsWillHave(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root: the owners of files are looked at")
	}
	f := gather(t, `
version: 1
app: {name: App}
secrets: {key: {}}
database: {engine: mysql, managed: required}
first_boot:
  - {file: /srv/new, content: x}
  - {file: /srv/there, content: x}
  - {file: /srv/closed, content: "{{ .secrets.key }}"}
  - {file: /srv/said, content: x, mode: "0640", owner: root:app}
  - {directory: /srv/directory}
  - {directory: "/srv/*", mode: "0700"}
  - {directory: /srv/copied, copy: /srv/directory, file_mode: "0600"}
  - {remove: "/srv/*.tmp"}
  - {edit: /srv/edited, format: dotenv, mode: "0600", set: {A: "1"}}
  - {wait: {tcp: "{{ .database.host }}:{{ .database.port }}"}}
`, map[string]string{"srv/there": "", "srv/closed": "", "srv/edited": "", "srv/said": "", "srv/directory/x": "",
		"etc/passwd": "app:x:33:44::/:/bin/sh\n", "etc/group": "apps:x:44:\n"})
	for name, mode := range map[string]os.FileMode{
		"/srv/there": 0o664, "/srv/closed": 0o664, "/srv/edited": 0o664, "/srv/said": 0o664, "/srv/directory": 0o750,
	} {
		if err := f.Host.Files.SetAttributes(name, host.Attributes{Mode: &mode, Owner: &host.Owner{UID: 33, GID: 44}}); err != nil {
			t.Fatal(err)
		}
	}
	var out strings.Builder
	if err := Show(f.Filling(t.Context()), false).Write(&out); err != nil {
		t.Fatal(err)
	}
	const want = `      make secrets: key
   1  wait for /root/.digitalocean_dbaas_credentials
   2  write /srv/new root:root 0644 (content)
   3  write /srv/there app:apps 0664 (content)
   4  write /srv/closed app:apps 0660 (content)
   5  write /srv/said root:app 0640 (content)
   6  make the directory /srv/directory app:apps 0750
   7  set up the directories that match /srv/* 0700
   8  copy the directory /srv/directory to /srv/copied root:root 0755, files below 0600
   9  remove all that matches /srv/*.tmp
  10  edit /srv/edited app:apps 0600: A
  11  wait for [database host]:[database port]
`
	if got := out.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
