package status

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"oneclick-agent/agent/facts"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/journal"
	"oneclick-agent/agent/lint"
	"oneclick-agent/agent/motd"
	"oneclick-agent/agent/problem"
	"oneclick-agent/agent/state"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

const app = `
version: 1
app: {name: App, version: "1", docs: "https://example.com/docs"}
first_boot:
  - {file: /srv/a, content: x, title: Write the settings}
  - {run: [/bin/b], within: 1m}
`

const asking = app + `
first_login:
  questions: [{name: q, ask: Q}]
  steps: [{file: /srv/c, content: "{{ .answers.q }}"}]
`

// machine is a tree with these two records of events, one a minute.
func machine(t testing.TB, boot, login []journal.Event) *host.Host {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"var/lib/x": "", "run/cloud-init/instance-data.json": `{"v1": {"instance_id": "7"},
		"ds": {"meta_data":
		{"interfaces": {"public": [{"ipv4": {"ip_address": "203.0.113.10"}}]}}}}`} {
		os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	h, err := host.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	now := noon
	h.Now = func() time.Time { return now }
	for path, events := range map[string][]journal.Event{state.Journal: boot, state.LoginJournal: login} {
		if events == nil {
			continue
		}
		now = noon
		j, err := journal.Open(h, path)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			if err := j.Append(e, false); err != nil {
				t.Fatal(err)
			}
			now = now.Add(time.Minute)
		}
		j.Close()
	}
	now = noon.Add(10 * time.Minute)
	return h
}

func gather(t testing.TB, h *host.Host, text string) *facts.Facts {
	t.Helper()
	m, problems := lint.Parse([]byte(text), state.Manifest)
	if problems.Err() != nil {
		t.Fatal(problems.Err())
	}
	f, err := facts.Gather(t.Context(), h, m, state.Manifest, "none")
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func event(kind journal.Kind, of ...string) journal.Event {
	e := journal.Event{Event: kind, Droplet: "7"}
	if len(of) > 0 {
		e.Step = of[0]
	}
	if len(of) > 1 {
		e.Message = of[1]
	}
	return e
}

const fileStep, runStep, loginStep = "file /srv/a", "run /bin/b", "file /srv/c"

var (
	started  = event(journal.Started)
	complete = []journal.Event{started, event(journal.Begun, fileStep), event(journal.Accomplished, fileStep), event(journal.Begun, runStep),
		event(journal.Accomplished, runStep), event(journal.Completed)}
	noRoom = journal.Cause{Message: "no room (/bin/b exited with status 1)", Advice: "free some disk space",
		Output: "/var/lib/oneclick/output/run__bin_b"}
	broken = append(complete[:4:4], journal.Event{Event: journal.Failure, Step: runStep, Cause: noRoom},
		journal.Event{Event: journal.GaveUp, Step: runStep, Cause: noRoom})
)

func withNext(e journal.Event) journal.Event {
	e.Next = noon.Add(time.Hour)
	return e
}

// situations are records; testdata/words.txt has them in the words of the command and of everybody else.
var situations = map[string]struct {
	manifest          string
	boot, login       []journal.Event
	locked            bool
	choice            facts.Choice
	json              string // a part of it
	complete          bool
	bootCompleteAtAll bool
}{
	"nothing was begun": {
		json: `{"state":"fresh","droplet":"","steps":[{"id":"file /srv/a","title":"Write the settings",` +
			`"state":"waiting","seconds":0,"message":""}`,
	},
	"a run is at work": {
		boot: complete[:4], locked: true,
		json: `{"id":"run /bin/b","title":"run /bin/b","state":"running","seconds":420,"message":"","within":60}`,
	},
	"a run is about to begin": {locked: true, json: `{"state":"running","droplet":"",`},
	"a run was cut off":       {boot: complete[:4], json: `"message":"first boot was interrupted","waits_for":"boot"`},
	"it waits for a database": {
		boot: []journal.Event{started, withNext(journal.Event{Event: journal.Postponed, Step: "database login", Cause: journal.Cause{
			Message: "the database\x1b[2J does\nnot answer", Advice: "start it", Waits: journal.ForDatabase}})},
		json: `"next":"start it; it is tried again at 13:00:00 UTC; now: oneclick-agent first-boot","message":"the database\u001b[2J ` +
			`does\nnot answer","advice":"start it","waits_for":"database","step":"database login"`,
	},
	"it gave up": {
		boot: broken,
		json: `"next":"free some disk space, then: oneclick-agent first-boot","message":"no room (/bin/b exited with status 1)",` +
			`"advice":"free some disk space","output":"/var/lib/oneclick/output/run__bin_b","step":"run /bin/b",` +
			`"docs":"https://example.com/docs"`,
	},
	"it gave up at a step with a title": {
		boot: []journal.Event{started, event(journal.Failure, fileStep, "no"), event(journal.GaveUp, fileStep, "no")},
		json: `"step":"Write the settings (file /srv/a)"`,
	},
	"a version before this one gave up": {
		boot: []journal.Event{started, event(journal.GaveUp, "", "run /bin/b: it broke; its whole output is in /var/lib/oneclick/output")},
		json: `"state":"failed"`,
	},
	"a step was left out by hand": {
		boot: []journal.Event{started, event(journal.Accomplished, fileStep), event(journal.PassedOver, runStep, "a person had it left out"),
			event(journal.Completed)}, complete: true, bootCompleteAtAll: true,
		json: `"message":"a person had it left out","by_hand":"skip"`,
	},
	"a step was tried again by hand": {
		boot: []journal.Event{started, event(journal.Accomplished, fileStep), event(journal.Failure, runStep, "no"),
			event(journal.GaveUp, runStep, "no"), event(journal.Retried, runStep)},
		json: `{"id":"run /bin/b","title":"run /bin/b","state":"waiting","seconds":0,"message":"","by_hand":"retry"}`,
	},
	"trying a step of a complete setup again failed": {
		boot: append(complete[:6:6], event(journal.Retried, runStep), event(journal.Begun, runStep), event(journal.Failure, runStep, "no"),
			event(journal.Troubled, runStep, "no")), bootCompleteAtAll: true,
		json: `"next":"mend the cause, then: oneclick-agent first-boot --retry 'run /bin/b'"`,
	},
	"an earlier manifest had other steps": {
		boot: []journal.Event{started, event(journal.GaveWay, "run /bin/old", "it failed"), event(journal.Accomplished, fileStep),
			event(journal.Accomplished, runStep), {Event: journal.Completed, Names: []string{fileStep, runStep}}},
		complete: true, bootCompleteAtAll: true, json: `{"state":"done","droplet":"7",`,
	},
	"it is complete": {boot: complete, complete: true, bootCompleteAtAll: true, json: `"says":["Setup is done."]`},
	"something optional failed": {
		boot:     append(complete[:4:4], event(journal.GaveWay, runStep, "no luck"), event(journal.Completed)),
		complete: true, bootCompleteAtAll: true, json: `"missing":true`,
	},
	"it is a copy": {
		boot: append([]journal.Event{{Event: journal.Started, Droplet: "6"}, {Event: journal.Completed}},
			journal.Event{Event: journal.Cloned, Droplet: "7"}),
		complete: true, bootCompleteAtAll: true, json: `"cloned_from":"6"`,
	},
	"it is a copy that was not taken over yet": {
		boot: []journal.Event{{Event: journal.Started, Droplet: "6"}, {Event: journal.Completed}}, bootCompleteAtAll: true,
		json: `{"state":"running","droplet":"7",`,
	},
	"a change did not reach everything": {
		boot: append(complete[:6:6], event(journal.Troubled, "", "the new password was refused")), bootCompleteAtAll: true,
		json: `"state":"failed"`,
	},
	"a change waits": {
		boot: append(complete[:6:6], withNext(event(journal.Troubled, "", "no answer"))), bootCompleteAtAll: true,
		json: `"waits_for":"outside"`,
	},
	"the questions are not answered": {manifest: asking, boot: complete, bootCompleteAtAll: true, json: `"waits_for":"person"`},
	"the questions were refused": {
		manifest: asking, boot: complete, choice: facts.Never, complete: true, bootCompleteAtAll: true, json: `{"state":"done",`,
	},
	"the answers are being applied": {
		manifest: asking, boot: complete, login: []journal.Event{started, event(journal.Begun, loginStep)}, locked: true,
		bootCompleteAtAll: true, json: `"state":"running"`,
	},
	"applying the answers was cut off": {
		manifest: asking, boot: complete, login: []journal.Event{started, event(journal.Begun, loginStep)}, bootCompleteAtAll: true,
		json: `"waits_for":"boot"`,
	},
	"applying the answers failed": {
		manifest: asking, boot: complete, login: []journal.Event{started, event(journal.GaveUp, loginStep, "no room")}, bootCompleteAtAll: true,
		json: `"state":"failed"`,
	},
	"the answers wait for a terminal": {
		manifest: asking, boot: complete, login: []journal.Event{started, event(journal.Postponed, "", "x needs a terminal")},
		bootCompleteAtAll: true, json: `"waits_for":"person"`,
	},
	"everything is complete": {
		manifest: asking, boot: complete, complete: true, bootCompleteAtAll: true,
		login: []journal.Event{started, event(journal.Accomplished, loginStep), event(journal.Completed)}, json: `{"state":"done",`,
	},
	"something optional of first login failed": {
		manifest: asking, boot: complete, complete: true, bootCompleteAtAll: true,
		login: []journal.Event{started, event(journal.GaveWay, loginStep, "no"), event(journal.Completed)}, json: `"missing":true`,
	},
}

func TestHowASetupStandsIsToldInOneSetOfWords(t *testing.T) {
	t.Parallel()
	golden := album(t, "words")
	for name, test := range situations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := machine(t, test.boot, test.login)
			if test.manifest == "" {
				test.manifest = app
			}
			f := gather(t, h, test.manifest)
			if test.choice != "" {
				f.Answers.Choice = test.choice
				if err := f.SaveAnswers(); err != nil {
					t.Fatal(err)
				}
			}
			if test.locked {
				defer lock(t, h).Close()
			}
			stands, err := Read(h, f)
			if err != nil {
				t.Fatal(err)
			}
			var text, document bytes.Buffer
			stands.WriteText(&text)
			golden(name, text.String()+"--\n"+strings.Join(stands.Says, "\n")+"\n")
			if err := stands.WriteJSON(&document); err != nil {
				t.Fatal(err)
			}
			if got := flat(document.String()); !strings.Contains(got, test.json) {
				t.Errorf("got %s\nwant %s", got, test.json)
			}
			if stands.State.Complete() != test.complete || stands.BootComplete != test.bootCompleteAtAll {
				t.Errorf("complete %v, first boot %v", stands.State.Complete(), stands.BootComplete)
			}
			message := strings.ReplaceAll(motd.Message{Name: "App", Lines: stands.Says}.Render(), "\n  ", " ")
			for _, sentence := range stands.Says {
				if !strings.Contains(message, sentence+"\n") || !strings.Contains(stands.Line(), strings.TrimSuffix(sentence, ".")) {
					t.Errorf("not everybody says %q:\n%s%s", sentence, message, stands.Line())
				}
			}
		})
	}
}

// flat is a document of JSON on one line.
func flat(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(strings.Replace(strings.TrimSpace(line), `": `, `":`, 1))
	}
	return b.String()
}

// Where the manifest, or what else a setup is made from, cannot be read, that is told, whatever was recorded before.
func TestWhatCannotBeReadIsAStateOfItsOwn(t *testing.T) {
	t.Parallel()
	golden := album(t, "broken")
	mistake := func(line int) problem.Problem {
		return problem.Problem{Position: problem.Position{File: state.Manifest, Line: line, Column: 7}, Path: "app",
			Message: fmt.Sprintf("unknown key \"k%d\"", line), Hint: "did you mean \"name\"?"}
	}
	missing := problem.List{{Position: problem.Position{File: state.Manifest}, Message: "cannot read it"}}
	for name, test := range map[string]struct {
		boot   []journal.Event
		cause  error
		locked bool
		state  State
	}{
		"one mistake":                           {nil, problem.List{mistake(2)}, false, Broken},
		"five mistakes":                         {nil, problem.List{mistake(2), mistake(3), mistake(4), mistake(5), mistake(6)}, false, Broken},
		"a mistake after a failure":             {broken, problem.List{mistake(2)}, false, Broken},
		"a mistake in what is complete":         {complete, problem.List{mistake(2)}, false, Broken},
		"a mistake made while a run is at work": {complete[:4], problem.List{mistake(2)}, true, Running},
		"no manifest, and nothing begun":        {nil, missing, false, Fresh},
		"no manifest any more":                  {complete, missing, false, Broken},
		"lost secrets":                          {complete, errors.New("cannot go on without the secrets one; restore them"), false, Failed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := machine(t, test.boot, nil)
			if test.locked {
				defer lock(t, h).Close()
			}
			stands, err := ReadWithout(h, test.cause)
			if err != nil || stands.State != test.state {
				t.Errorf("%s, %v", stands.State, err)
			}
			var text bytes.Buffer
			stands.WriteText(&text)
			golden(name, text.String()+"--\n"+strings.Join(stands.Says, "\n")+"\n")
			if test.locked {
				return
			}
			if last, err := Follow(t.Context(), func() (Status, error) { return stands, nil }, &text); err != nil || last.State != test.state {
				t.Errorf("it is waited for: %s, %v", last.State, err)
			}
		})
	}
}

func TestADamagedRecordIsAnError(t *testing.T) {
	t.Parallel()
	h := machine(t, broken, nil)
	if err := os.WriteFile(filepath.Join(h.Files.Dir(), state.Journal), []byte("{\n{}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(h, nil); err == nil || !strings.HasPrefix(err.Error(),
		"cannot read /var/lib/oneclick/journal.jsonl:1: the line is damaged;") {
		t.Error(err)
	}
}

func TestWhatATrialTookIsUsualForAStepThatRuns(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		recorded string
		usual    float64
	}{
		"recorded":                  {`{"run /bin/b": 40, "file /srv/a": 3}`, 40},
		"of another step":           {`{"run /bin/c": 40}`, 0},
		"less than nothing":         {`{"run /bin/b": -40}`, 0},
		"not recorded":              {"", 0},
		"damaged":                   {`{"run /bin/b": `, 0},
		"in another form":           {`["run /bin/b"]`, 0},
		"more than a step may take": {`{"run /bin/b": 3600}`, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := machine(t, complete[:4], nil)
			f := gather(t, h, app)
			defer lock(t, h).Close()
			if test.recorded != "" {
				if err := h.Files.MakeDirectory(state.Configuration, host.Mode(0o755)); err != nil {
					t.Fatal(err)
				}
				if _, err := h.Files.WriteFile(state.Usual, []byte(test.recorded), host.Mode(0o644)); err != nil {
					t.Fatal(err)
				}
			}
			stands, err := Read(h, f)
			if err != nil || stands.Steps[0].Usual != 0 || stands.Steps[1].Usual != test.usual || stands.Steps[1].Within != 60 {
				t.Errorf("got %+v, %v; want %v s", stands.Steps, err, test.usual)
			}
		})
	}
}

func TestATrialRecordsWhatIsWorthTelling(t *testing.T) {
	t.Parallel()
	stands := Status{Steps: []Step{
		{ID: "quick", State: journal.StepDone, Seconds: 0.4}, {ID: "slow", State: journal.StepDone, Seconds: 39.7},
		{ID: "failed", State: journal.StepFailed, Seconds: 20}, {ID: "skipped", State: journal.StepSkipped, Seconds: 20},
	}}
	if got := stands.Recorded(); len(got) != 1 || got["slow"] != 40 {
		t.Errorf("recorded %v", got)
	}
}

func lock(t *testing.T, h *host.Host) *os.File {
	t.Helper()
	if err := state.MakeDirectory(h.Files); err != nil {
		t.Fatal(err)
	}
	lock, err := h.Files.Lock(state.Lock)
	if err != nil {
		t.Fatal(err)
	}
	return lock
}

func TestAStatusThatIsFollowedTellsEachChangeOnce(t *testing.T) {
	t.Parallel()
	step := func(s journal.StepState) []Step { return []Step{{ID: "a", State: s}} }
	looks := []Status{
		{State: Running, Steps: step(journal.StepWaiting)}, {State: Running, Steps: step(journal.StepRunning)},
		{State: Running, Steps: step(journal.StepRunning)}, {State: Pending, Steps: step(journal.StepRunning),
			Cause: journal.Cause{Message: "no\nanswer", Waits: journal.ForOutside}},
		{State: Pending, Steps: step(journal.StepRunning),
			Cause: journal.Cause{Message: "no\nanswer", Waits: journal.ForOutside}}, {State: Done,
			Steps: step(journal.StepDone)},
	}
	var out bytes.Buffer
	i := -1
	last, err := Follow(t.Context(), func() (Status, error) { i++; return looks[i], nil }, &out)
	const want = "  running          a\n  pending          no answer\n  done             a\n"
	if err != nil || last.State != Done || out.String() != want {
		t.Errorf("%v, %v, got\n%swant\n%s", last.State, err, out.String(), want)
	}
	if last, err := Follow(t.Context(), func() (Status, error) {
		return Status{State: Pending, Cause: journal.Cause{Waits: journal.ForPerson}}, nil
	},
		&out); err != nil || last.Waits != journal.ForPerson {
		t.Errorf("a person is not waited for: %v, %v", last, err)
	}
}
