package firstboot

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"oneclick-agent/agent/facts"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/journal"
	"oneclick-agent/agent/secret"
	"oneclick-agent/agent/state"
)

// world is what a Droplet is told from outside.
type world struct {
	id, address, name, password, answer string
	managed                             bool
}

func (w world) tell(t *testing.T, root string) {
	t.Helper()
	document, err := json.Marshal(map[string]any{
		"v1": map[string]any{"instance_id": w.id, "local_hostname": w.name},
		"ds": map[string]any{
			"meta_data": map[string]any{
				"interfaces": map[string]any{"public": []any{map[string]any{"ipv4": map[string]any{"ip_address": w.address}}}},
			},
		},
	})
	if err == nil {
		err = os.WriteFile(filepath.Join(root, "run/cloud-init/instance-data.json"), document, 0o644)
	}
	if w.managed && err == nil {
		err = os.WriteFile(filepath.Join(root, "root/.digitalocean_dbaas_credentials"), fmt.Appendf(
			nil,
			"db_protocol=postgresql\ndb_username=doadmin\ndb_password=%s\ndb_host=db.example.com\ndb_port=25060\ndb_database=defaultdb\n",
			w.password,
		), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// units record what is asked of them, as those of a running system would be.
type units struct {
	mu    sync.Mutex
	calls []string
}

func (u *units) Do(_ context.Context, verb host.Verb, unit string) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.calls = append(u.calls, string(verb)+" "+unit)
	return nil
}

func (u *units) State(context.Context, string) (host.UnitState, error) {
	return host.UnitState{Load: "loaded", Active: "active", AtBoot: "enabled", Condition: true}, nil
}

func (u *units) DaemonReload(context.Context) error { return nil }
func (u *units) Running() bool                      { return true }
func (u *units) Close()                             {}

// restarts counts how often each unit was restarted.
func (u *units) restarts() map[string]int {
	counted := map[string]int{}
	for _, call := range u.calls {
		if verb, unit, _ := strings.Cut(call, " "); verb == "restart" || verb == "try-restart" {
			counted[unit]++
		}
	}
	return counted
}

// changing is one step of a random manifest, with what it is made from.
type changing struct {
	yaml   string
	target string   // the path as the manifest says it, "" for a command or a service
	uses   []string // of droplet, database, one, two, answer
	unit   string
}

// texts are what steps are made from, with what changes them.
var texts = map[string][]string{
	"fixed":                nil,
	"{{ .droplet.ipv4 }}":  {"droplet"},
	"{{ .secrets.one }}":   {"one"},
	"{{ .secrets.sum }}":   {"one"},
	"{{ .secrets.two }}":   {"two"},
	"{{ .database.host }}": {"database"},
	"{{ .database.url }}":  {"database"},
	"{{ with $ }}{{ .secrets.two }}{{ end }} {{ .droplet.name }}": {"two", "droplet"},
	"{{ if .database.managed }}managed{{ else }}own{{ end }}":     {"database"},
}

func randomText(r *rand.Rand, login bool) (text string, uses []string) {
	if login && r.IntN(3) == 0 {
		return "{{ .answers.answer }}", []string{"answer"}
	}
	all := slices.Sorted(maps.Keys(texts))
	text = all[r.IntN(len(all))]
	return text, texts[text]
}

func randomChanging(r *rand.Rand, number int, login bool) changing {
	text, uses := randomText(r, login)
	c := changing{uses: uses, target: fmt.Sprintf("/t/%d", number)}
	switch r.IntN(7) {
	case 0, 1:
		c.yaml = fmt.Sprintf("file: /t/%d, content: '%s'", number, text)
	case 2:
		c.target = fmt.Sprintf("/t/%d-{{ .droplet.name }}", number)
		c.yaml, c.uses = fmt.Sprintf("file: '%s', content: '%s'", c.target, text), append(slices.Clone(uses), "droplet")
	case 3:
		c.yaml = fmt.Sprintf("edit: /t/edited, format: dotenv, set: {K%d: '%s'}", number, text)
		c.target = "/t/edited"
	case 4:
		c.target = fmt.Sprintf("/t/block-%d", number)
		c.yaml = fmt.Sprintf("edit: %s, block: '%s'", c.target, text)
	case 5:
		c.yaml, c.uses = fmt.Sprintf("link: /t/%d, to: '/x/{{ .droplet.name }}'", number), []string{"droplet"}
	default:
		c.unit = fmt.Sprintf("unit%d.service", r.IntN(3))
		c.yaml, c.target, c.uses = fmt.Sprintf("service: %s, do: [restart]", c.unit), "", nil
	}
	switch r.IntN(6) {
	case 0:
		c.yaml, c.uses = c.yaml+", when: '{{ .database.managed }}'", append(slices.Clone(c.uses), "database")
	case 1:
		c.yaml, c.uses = c.yaml+", when: '{{ not .database.managed }}'", append(slices.Clone(c.uses), "database")
	}
	return c
}

// TestAChangeLeavesWhatAFreshSetupWouldMake is the oracle of upkeep: after a random change the tree is that of a fresh
// first boot and first login with the new facts, but for what a person changed, and for what is named as left; and each
// unit that runs with something that changed was restarted once.
func TestAChangeLeavesWhatAFreshSetupWouldMake(t *testing.T) {
	t.Parallel()
	needRoot(t)
	seed := beginning(t, fmt.Sprintf("-seeds %d", *seeds))
	workers := make(chan struct{}, 4)
	for n := range *seeds {
		workers <- struct{}{}
		t.Run(fmt.Sprint(seed+uint64(n)), func(t *testing.T) {
			defer func() { <-workers }()
			compareChange(t, seed+uint64(n))
		})
	}
}

func compareChange(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 1))
	var text strings.Builder
	text.WriteString("version: 1\napp: {name: Sample}\nsecrets: {one: {}, two: {}, sum: {derive: sha256, from: one}}\n" +
		"database: {engine: postgresql, local: {name: app, password: two}, services: [db.service]}\n")
	var steps []changing
	for _, list := range []string{"first_boot:\n", "first_login:\n  questions: [{name: answer, ask: Answer}]\n  steps:\n"} {
		text.WriteString(list)
		for range 2 + r.IntN(6) {
			step := randomChanging(r, len(steps), len(steps) > 0 && strings.Contains(list, "login"))
			steps = append(steps, step)
			fmt.Fprintf(&text, "    - {%s}\n", step.yaml)
		}
	}
	manifest := text.String()
	then := world{"1", "203.0.113.1", "one", "first", "yes", r.IntN(2) == 0}
	now := then
	changed := ""
	rotated := []string{}
	switch r.IntN(5) {
	case 0:
		changed, now.id, now.address, now.name = "droplet", "2", "203.0.113.2", "two"
	case 1:
		changed, now.managed, now.password = "database", true, "second"
	case 2:
		changed, rotated = "one", []string{"one"}
	case 3:
		changed, now.answer = "answer", "no"
	default: // the same Droplet at another address
		changed, now.address, now.name = "droplet", "203.0.113.3", "three"
	}
	fail := func(format string, arguments ...any) {
		t.Helper()
		t.Errorf("after a change of %s (managed before: %v)\n%s\n%s", changed, then.managed, fmt.Sprintf(format, arguments...), manifest)
	}
	root, fresh := newTree(
		t,
		accounts,
		map[string]string{state.Manifest: manifest},
	), newTree(
		t,
		accounts,
		map[string]string{state.Manifest: manifest},
	)
	if !readable(t, root) {
		return
	}
	then.tell(t, root)
	whole(t, root, then, &units{}, nil)
	// A person changes one file that is written as a whole.
	byHand := ""
	if r.IntN(2) == 0 {
		for _, step := range steps {
			if strings.HasPrefix(step.yaml, "file: /t/") && !strings.Contains(step.yaml, "when") && r.IntN(2) == 0 {
				byHand = step.target
				os.WriteFile(filepath.Join(root, byHand), []byte("mine\n"), 0o644)
				break
			}
		}
	}
	now.tell(t, root)
	recording := &units{}
	told := whole(t, root, now, recording, rotated)
	now.tell(t, fresh)
	whole(t, fresh, now, &units{}, nil)
	left := func(path string) bool { return strings.Contains(told, path+" ") || strings.Contains(told, path+":") }
	have, want := values(t, root), values(t, fresh)
	for _, path := range slices.Sorted(maps.Keys(union(have, want))) {
		switch {
		case path == byHand:
			if have[path] != "\"mine\\n\"" {
				fail("%s, which a person changed, is %s", path, have[path])
			}
			same := changed == "database" && then.managed // only its password is another one, which need not reach this file
			if usesOf(steps, path, changed) && !same && !left(path) {
				fail("%s is left, and not named: %s", path, told)
			}
		case have[path] != want[path] && !left(path):
			fail("%s is %s, and %s in a fresh setup; told was:\n%s", path, have[path], want[path], told)
		}
	}
	compareRestarts(t, steps, changed, byHand, recording, fail)
}

// usesOf reports whether the step that writes a path is made from what changed.
func usesOf(steps []changing, path, changed string) bool {
	return slices.ContainsFunc(steps, func(step changing) bool { return step.target == path && slices.Contains(step.uses, changed) })
}

// compareRestarts works out which units run behind a step whose inputs changed. Steps whose condition may have changed too are
// left to the trees.
func compareRestarts(t *testing.T, steps []changing, changed, byHand string, recording *units, fail func(string, ...any)) {
	t.Helper()
	affected, want := false, map[string]bool{}
	for _, step := range steps {
		conditional := strings.Contains(step.yaml, "when:")
		switch {
		case conditional:
			return
		case step.unit != "" && affected:
			want[step.unit] = true
		case step.unit == "" && slices.Contains(step.uses, changed) && step.target != byHand:
			affected = true
		}
	}
	if changed == "database" {
		return // whether it is another one depends on what it was before
	}
	got := recording.restarts()
	for unit := range want {
		if got[unit] != 1 {
			fail("%s was restarted %d times, and not once: %v", unit, got[unit], recording.calls)
		}
	}
	for unit, times := range got {
		if !want[unit] && unit != "db.service" {
			fail("%s was restarted %d times without need: %v", unit, times, recording.calls)
		}
	}
}

func union(a, b map[string]string) map[string]string {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

// whole carries first boot and first login out, or takes a change up, and returns what was told.
func whole(t *testing.T, root string, w world, u *units, rotated []string) (told string) {
	t.Helper()
	var mu sync.Mutex
	step := func(use func(*facts.Facts) (journal.Phase, error)) {
		t.Helper()
		phase, err := on(t, root, nil, func(f *facts.Facts) (journal.Phase, error) {
			f.Host.Units = u
			f.Host.Progress = func(line, _ string) {
				mu.Lock()
				defer mu.Unlock()
				told += line + "\n"
			}
			return use(f)
		})
		if !phase.Complete() {
			t.Fatalf("it ended as %s: %v", phase, err)
		}
	}
	step(func(f *facts.Facts) (journal.Phase, error) {
		if len(rotated) > 0 {
			return Rotate(t.Context(), f, rotated)
		}
		return Run(t.Context(), f, false)
	})
	step(func(f *facts.Facts) (journal.Phase, error) {
		for _, q := range f.Manifest.FirstLogin.Questions {
			if err := f.SetAnswer(q, w.answer); err != nil {
				return journal.Failed, err
			}
		}
		if err := Decide(f, facts.Ready); err != nil {
			return journal.Failed, err
		}
		return ApplyAnswers(t.Context(), f)
	})
	return told
}

// values are the files that the steps made, with names in the place of secrets.
func values(t *testing.T, root string) map[string]string {
	t.Helper()
	h, err := host.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	store, err := secret.Open(h.Files)
	if err != nil {
		t.Fatal(err)
	}
	var redact secret.Redactor
	redact.AddStore(store)
	found := map[string]string{}
	filepath.WalkDir(filepath.Join(root, "t"), func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return nil
		}
		name := strings.TrimPrefix(file, root)
		if target, err := os.Readlink(file); err == nil {
			found[name] = "-> " + target
		} else if data, err := os.ReadFile(file); err == nil {
			info, _ := entry.Info()
			found[name] = fmt.Sprintf("%q", redact.Redact(string(data)))
			if strings.Contains(found[name], "[secret") && info.Mode().Perm()&0o004 != 0 {
				found[name] += " readable by all"
			}
		}
		return nil
	})
	return found
}
