package firstboot

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"oneclick-agent/agent/facts"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/journal"
	"oneclick-agent/agent/state"
)

const questioned = `
secrets: {one: {}}
first_boot:
  - {file: /etc/app.conf, content: "{{ .secrets.one }}"}
first_login:
  questions: [{name: name, ask: Name}, {name: password, ask: Password, type: password}]
  steps:
    - {file: /etc/login.conf, content: "{{ .secrets.one }} {{ .answers.name }} {{ .answers.password }}"}
    - {file: /etc/second.conf, content: "{{ .secrets.one }}"}
`

// A rotation beside a first login waits for it, or the other way round: every file has the value that the store has.
func TestARotationWhileFirstLoginApplies(t *testing.T) {
	t.Parallel()
	needRoot(t)
	for range 10 {
		root := newTree(t, accounts, appYAML(questioned))
		if phase, err := boot(t, root, nil); phase != journal.Done {
			t.Fatalf("first boot is %s: %v", phase, err)
		}
		var group sync.WaitGroup
		for _, use := range []func(*facts.Facts) (journal.Phase, error){
			answerAll,
			func(f *facts.Facts) (journal.Phase, error) { return Rotate(t.Context(), f, []string{"one"}) },
			answerAll,
			func(f *facts.Facts) (journal.Phase, error) { return Rotate(t.Context(), f, []string{"one"}) },
		} {
			group.Go(func() {
				if phase, err := together(root, use); !phase.Complete() {
					t.Errorf("it is %s: %v", phase, err)
				}
			})
		}
		group.Wait()
		one := stored(root)["one"]
		for _, name := range []string{"etc/app.conf", "etc/second.conf"} {
			if got := contentOf(root, name); got != one {
				t.Errorf("/%s has %q, and the store %q", name, got, one)
			}
		}
		if want := one + " hunter2-hunter2 hunter2-hunter2"; contentOf(root, "etc/login.conf") != want {
			t.Errorf("/etc/login.conf has %q, and not %q", contentOf(root, "etc/login.conf"), want)
		}
	}
}

// together is on for several goroutines at once.
func together(root string, use func(*facts.Facts) (journal.Phase, error)) (journal.Phase, error) {
	h, err := host.Open(root)
	if err != nil {
		return journal.Failed, err
	}
	defer h.Close()
	m, err := read(h)
	if err != nil {
		return journal.Failed, err
	}
	f, err := facts.Gather(context.Background(), h, m, state.Manifest, "none")
	if err != nil {
		return journal.Failed, err
	}
	return use(f)
}

// An optional step that fails does not hold a rotation up, in the run that it fails in and in every later one.
func TestAnOptionalStepThatFailsDoesNotBlockARotation(t *testing.T) {
	t.Parallel()
	root := newTree(t, accounts, appYAML(`
secrets: {one: {}}
first_boot:
  - {run: [/usr/bin/tool, fail], env: {CAUSE: "{{ .secrets.one }}"}, optional: true, tries: 1}
  - {file: /etc/app.conf, content: "{{ .secrets.one }}"}
`))
	withTool(t, root)
	if phase, err := boot(t, root, nil); phase != journal.Degraded {
		t.Fatalf("first boot is %s: %v", phase, err)
	}
	for range 2 {
		old := stored(root)["one"]
		phase, err := on(t, root, nil, func(f *facts.Facts) (journal.Phase, error) { return Rotate(t.Context(), f, []string{"one"}) })
		if phase != journal.Degraded || err != nil {
			t.Errorf("the rotation is %s: %v", phase, err)
		}
		if one := stored(root)["one"]; one == old || contentOf(root, "etc/app.conf") != one {
			t.Errorf("the file has %q, and the store %q, before %q", contentOf(root, "etc/app.conf"), one, old)
		}
		if phase, err := boot(t, root, nil); phase != journal.Degraded || err != nil {
			t.Errorf("the next boot is %s: %v", phase, err)
		}
	}
}

// A clock that was ahead once does not stop the retries.
func TestAClockThatWasAheadDoesNotStopRetries(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
	h := &host.Host{Now: func() time.Time { return now }}
	for next, want := range map[time.Duration]bool{
		-time.Second: false, time.Second: true, longestRetry: true, longestRetry + longestRetry/5: true,
		longestRetry + longestRetry/5 + time.Second: false, 10 * 365 * 24 * time.Hour: false,
	} {
		if got := waits(h, journal.State{Phase: journal.Pending, Next: now.Add(next)}); got != want {
			t.Errorf("a next try in %s is waited for: %v", next, got)
		}
	}
}

// TestACapturedSecretSurvivesAKillAtAnyCall cuts the power at each call of a run that captures a secret which its program
// prints only once. The next run has it, or says how it is entered, and goes on once it was.
func TestACapturedSecretSurvivesAKillAtAnyCall(t *testing.T) {
	t.Parallel()
	manifest := appYAML(`
secrets: {token: {captured: true}, sum: {derive: sha256, from: token}}
first_boot:
  - {run: [/usr/bin/tool, issue], creates: /issued, capture: [{secret: token, pattern: 'token: (\S+)'}]}
  - {file: /token, content: "{{ .secrets.token }} {{ .secrets.sum }}"}
`)
	needRoot(t)
	tool := filepath.Join(t.TempDir(), "tool")
	buildTool(t, tool)
	for n := 1; ; n++ {
		root := newTree(t, accounts, manifest)
		os.MkdirAll(filepath.Join(root, "usr/bin"), 0o755)
		os.Link(tool, filepath.Join(root, "usr/bin/tool"))
		calls, at := 0, ""
		var mu sync.Mutex
		phase, _ := boot(t, root, func(o host.Operation) error {
			mu.Lock()
			defer mu.Unlock()
			if calls++; calls >= n {
				at = cmp.Or(at, fmt.Sprint(o))
				return host.ErrPower
			}
			return nil
		})
		if at == "" {
			if phase != journal.Done || n < 20 {
				t.Fatalf("the whole run is %s after %d calls", phase, n)
			}
			return
		}
		phase, err := boot(t, root, nil)
		if phase != journal.Done && (err == nil || !strings.Contains(err.Error(), "enter it with: oneclick-agent secrets restore token")) {
			t.Errorf("cut at %s: the next run is %s: %v", at, phase, err)
		}
		if phase != journal.Done {
			if phase, err := on(t, root, nil, func(f *facts.Facts) (journal.Phase, error) {
				return journal.Done, f.Store.RestoreOne(f.Manifest, "token", "t1-secret-token\n")
			}); phase != journal.Done || err != nil {
				t.Errorf("cut at %s: %v", at, err)
			}
			phase, err = boot(t, root, nil)
		}
		token := stored(root)["token"]
		issued := strings.Count(contentOf(root, "issued"), "x")
		if phase != journal.Done || !strings.HasPrefix(contentOf(root, "token"), token+" ") || issued != 1 {
			t.Errorf("cut at %s: it is %s in the end: %v; /token is %q, the store has %q", at, phase, err, contentOf(root, "token"), token)
		}
		if left, _ := filepath.Glob(filepath.Join(root, state.Captured, "*")); len(left) > 0 {
			t.Errorf("cut at %s: %v is left", at, left)
		}
		printed, _ := filepath.Glob(filepath.Join(root, state.Output, "*"))
		if len(printed) > 0 && strings.Contains(contentOf("/", printed[0]), token) {
			t.Errorf("cut at %s: the output shows the token", at)
		}
	}
}
