package firstboot

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"oneclick-agent/agent/journal"
	"oneclick-agent/agent/state"
)

// late is a setup whose services and files depend on everything that can change later, at first boot and at first login.
const late = `
secrets: {one: {}, two: {}}
database: {engine: postgresql, local: {name: app, password: two}, services: [db.service]}
first_boot:
  - {file: /t/boot, content: "{{ .secrets.one }} {{ .droplet.ipv4 }}"}
  - {file: /t/managed, content: "ca of {{ .database.host }}", when: "{{ .database.managed }}"}
  - {file: /t/own, content: "own server at {{ .database.host }}", when: "{{ not .database.managed }}"}
  - {file: /t/host, content: "{{ .database.host }}"}
first_login:
  questions: [{name: answer, ask: Answer}]
  steps:
    - {file: /t/login, content: "{{ .secrets.one }} {{ .droplet.ipv4 }} {{ .database.url }}"}
    - {file: /t/login-managed, content: "{{ .database.host }}", when: "{{ .database.managed }}"}
    - {service: app.service, do: [enable, restart]}
    - {service: web.service, do: [restart]}
`

// A service of first_login.steps runs with what is above it, so it is restarted once whatever changes that: a rotated
// secret, a clone's address, a database that comes late.
func TestServicesOfFirstLoginAreRestartedOnceWhenTheirInputsChange(t *testing.T) {
	t.Parallel()
	needRoot(t)
	then := world{id: "1", address: "203.0.113.1", name: "one", answer: "yes"}
	managed, moved, rotated := then, then, then
	managed.managed, managed.password = true, "secret"
	moved.id, moved.address = "2", "203.0.113.2"
	for name, test := range map[string]struct {
		now     world
		rotated []string
		others  []string
	}{
		"a rotated secret":     {rotated, []string{"one"}, nil},
		"a clone":              {moved, nil, nil},
		"a late database":      {managed, nil, []string{"db.service"}},
		"a rotated credential": {rotated, []string{"two"}, []string{"db.service"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := newTree(t, accounts, appYAML(late))
			then.tell(t, root)
			whole(t, root, then, &units{}, nil)
			before := values(t, root)
			test.now.tell(t, root)
			recording := &units{}
			told := whole(t, root, test.now, recording, test.rotated)
			if strings.Contains(told, "somebody changed") || strings.Contains(told, "warning") {
				t.Errorf("it blames somebody:\n%s", told)
			}
			got := recording.restarts()
			for _, unit := range append([]string{"app.service", "web.service"}, test.others...) {
				if got[unit] != 1 {
					t.Errorf("%s was restarted %d times: %v", unit, got[unit], recording.calls)
				}
			}
			again := &units{}
			whole(t, root, test.now, again, nil)
			if len(again.restarts()) > 0 {
				t.Errorf("the next run restarts again: %v", again.calls)
			}
			if after := values(t, root); test.rotated == nil && after["/t/login"] == before["/t/login"] {
				t.Errorf("/t/login is still %s", after["/t/login"])
			}
		})
	}
}

// Credentials that come once everything is set up carry out the steps that did not apply before, take away what applies no
// more, and change what names the database; nobody is said to have changed a file.
func TestLateCredentialsCarryOutWhatAppliesNow(t *testing.T) {
	t.Parallel()
	needRoot(t)
	root := newTree(t, accounts, appYAML(late))
	w := world{id: "1", address: "203.0.113.1", name: "one", answer: "yes"}
	w.tell(t, root)
	whole(t, root, w, &units{}, nil)
	if _, err := os.Lstat(filepath.Join(root, "t/managed")); err == nil {
		t.Fatal("a step that does not apply was carried out")
	}
	w.managed, w.password = true, "secret"
	w.tell(t, root)
	told := whole(t, root, w, &units{}, nil)
	for name, want := range map[string]string{
		"t/managed": "ca of db.example.com", "t/host": "db.example.com", "t/login-managed": "db.example.com",
	} {
		if got := file(t, root, name); got != want {
			t.Errorf("/%s is %q, and not %q; told was\n%s", name, got, want, told)
		}
	}
	if _, err := os.Lstat(filepath.Join(root, "t/own")); err == nil {
		t.Error("/t/own applies no more, and is still there")
	}
	if strings.Contains(told, "left ") {
		t.Errorf("something was left:\n%s", told)
	}
	record := recorded(t, root)
	if step, _ := record.Step("file /t/managed"); step.State != journal.StepDone {
		t.Errorf("the record says of the step that was carried out late: %q", step.State)
	}
}

// A change that failed, and was taken back before it was tried again, is trouble no longer.
func TestAChangeThatIsTakenBackLeavesNoTrouble(t *testing.T) {
	t.Parallel()
	needRoot(t)
	root := newTree(t, accounts, appYAML("first_boot:\n  - {file: '/t/{{ .droplet.name }}', content: x}\n"))
	w := world{id: "1", address: "203.0.113.1", name: "one"}
	w.tell(t, root)
	if phase, err := boot(t, root, nil); phase != journal.Done {
		t.Fatalf("%s: %v", phase, err)
	}
	if err := os.MkdirAll(filepath.Join(root, "t/two/in the way"), 0o755); err != nil {
		t.Fatal(err)
	}
	moved := w
	moved.name = "two"
	moved.tell(t, root)
	if phase, err := boot(t, root, nil); phase != journal.Failed {
		t.Fatalf("the change that cannot be done ended as %s: %v", phase, err)
	}
	if record := recorded(t, root); !record.Troubled {
		t.Error("no trouble is recorded")
	}
	w.tell(t, root)
	if phase, err := boot(t, root, nil); phase != journal.Done {
		t.Fatalf("%s: %v", phase, err)
	}
	record := recorded(t, root)
	if record.Troubled {
		t.Errorf("the trouble that is over is still told: %s", record.Message)
	}
	if i := slices.IndexFunc(record.Steps, func(s journal.Step) bool { return s.State == journal.StepFailed }); i >= 0 {
		t.Errorf("a row still tells of it: %+v", record.Steps[i])
	}
	if _, err := os.Stat(filepath.Join(root, state.Changing)); err == nil {
		t.Error("a change is still said to be under way")
	}
}
