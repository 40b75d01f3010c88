package status

import (
	"bytes"
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
	"oneclick-agent/agent/state"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

const app = `
version: 1
app: {name: App, version: "1"}
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
	broken = append(complete[:4:4], event(journal.Failure, runStep, "it broke"), event(journal.GaveUp, "", "run /bin/b: it broke"))
)

func withNext(e journal.Event) journal.Event {
	e.Next = noon.Add(time.Hour)
	return e
}

const doneSteps = "  done             file /srv/a\n  done             run /bin/b\n"

// situations are records, in the words of the command, of the message of the day and of JSON.
var situations = map[string]struct {
	manifest          string
	boot, login       []journal.Event
	locked            bool
	choice            facts.Choice
	text, sentences   string
	json              string // a part of it
	complete          bool
	bootCompleteAtAll bool
}{
	"nothing was begun": {
		text: "State:    fresh\nNext:     cloud-init starts it; by hand: oneclick-agent first-boot\nSteps:\n" +
			"  waiting          file /srv/a\n  waiting          run /bin/b\n",
		sentences: "Setup has not begun. See: oneclick-agent status",
		json: `{"state":"fresh","droplet":"","steps":[{"id":"file /srv/a","title":"Write the settings",` +
			`"state":"waiting","seconds":0,"message":""}`,
	},
	"a run is at work": {
		boot: complete[:4], locked: true,
		text: "State:    running, after 600.0 s\nDroplet:  7\nNext:     follow it with: oneclick-agent status --wait\nSteps:\n" +
			"  done             file /srv/a\n  running  420.0s  run /bin/b\n",
		sentences: "Setup is running. Follow it with: oneclick-agent status --wait",
		json:      `{"id":"run /bin/b","title":"run /bin/b","state":"running","seconds":420,"message":"","within":60}`,
	},
	"a run is about to begin": {
		locked: true,
		text: "State:    running\nNext:     follow it with: oneclick-agent status --wait\nSteps:\n" +
			"  waiting          file /srv/a\n  waiting          run /bin/b\n",
		sentences: "Setup is running. Follow it with: oneclick-agent status --wait",
		json:      `{"state":"running","droplet":"",`,
	},
	"a run was cut off": {
		boot: complete[:4],
		text: "State:    pending, after 600.0 s\nDroplet:  7\nReason:   first boot was interrupted\n" +
			"Next:     it resumes at the next boot; now: oneclick-agent first-boot\nSteps:\n" +
			"  done             file /srv/a\n  waiting          run /bin/b: it was interrupted\n",
		sentences: "Setup is waiting: first boot was interrupted\nIt resumes at the next boot; now: oneclick-agent first-boot",
		json:      `"message":"first boot was interrupted","waits_for":"boot"`,
	},
	"it waits for a database": {
		boot: []journal.Event{started, withNext(event(journal.Postponed, "", "the database\x1b[2J does\nnot answer"))},
		text: "State:    pending, after 60.0 s\nDroplet:  7\nReason:   the database\\x1b[2J does not answer\n" +
			"Next:     tried again at 13:00:00 UTC; now: oneclick-agent first-boot\nSteps:\n" +
			"  waiting          file /srv/a\n  waiting          run /bin/b\n",
		sentences: "Setup is waiting: the database\x1b[2J does\nnot answer\n" +
			"It is tried again by itself. Try now with: oneclick-agent first-boot",
		json: `"next":"tried again at 13:00:00 UTC; now: oneclick-agent first-boot"`,
	},
	"it gave up": {
		boot: broken,
		text: "State:    failed, after 300.0 s\nDroplet:  7\nReason:   run /bin/b: it broke\n" +
			"Next:     mend the cause, then: oneclick-agent first-boot\nSteps:\n" +
			"  done             file /srv/a\n  failed           run /bin/b: it broke\n",
		sentences: "Setup FAILED: run /bin/b: it broke\nDetails: oneclick-agent status. Try again with: oneclick-agent first-boot",
		json:      `"next":"mend the cause, then: oneclick-agent first-boot","message":"run /bin/b: it broke"`,
	},
	"it is complete": {
		boot: complete, complete: true, bootCompleteAtAll: true,
		text: "State:    done, after 300.0 s\nDroplet:  7\nNext:     nothing is left to do\nSteps:\n" + doneSteps,
		json: `{"state":"done","droplet":"7",`,
	},
	"something optional failed": {
		boot:     append(complete[:4:4], event(journal.GaveWay, runStep, "no luck"), event(journal.Completed)),
		complete: true, bootCompleteAtAll: true,
		text: "State:    degraded, after 300.0 s\nDroplet:  7\nNext:     see the steps that are marked degraded\nSteps:\n" +
			"  done             file /srv/a\n  degraded         run /bin/b: no luck\n",
		sentences: "Setup is done, but something optional failed. See: oneclick-agent status",
		json:      `"missing":true`,
	},
	"it is a copy": {
		boot: append([]journal.Event{{Event: journal.Started, Droplet: "6"}, {Event: journal.Completed}},
			journal.Event{Event: journal.Cloned, Droplet: "7"}),
		complete: true, bootCompleteAtAll: true,
		text: "State:    clone\nDroplet:  7\nReason:   a copy of Droplet 6, with the same secrets\n" +
			"Next:     make new secrets with: oneclick-agent rotate --all\n",
		sentences: "This Droplet is a copy of Droplet 6 and has the same passwords.\nMake new ones with: oneclick-agent rotate --all",
		json:      `"cloned_from":"6"`,
	},
	"it is a copy that was not taken over yet": {
		boot: []journal.Event{{Event: journal.Started, Droplet: "6"}, {Event: journal.Completed}}, bootCompleteAtAll: true,
		text: "State:    running, after 60.0 s\nDroplet:  7\nReason:   a copy of Droplet 6, which is about to be taken over\n" +
			"Next:     follow it with: oneclick-agent status --wait\n",
		sentences: "Setup is running. Follow it with: oneclick-agent status --wait",
		json:      `{"state":"running","droplet":"7",`,
	},
	"a change did not reach everything": {
		boot: append(complete[:6:6], event(journal.Troubled, "", "the new password was refused")), bootCompleteAtAll: true,
		text: "State:    failed, after 360.0 s\nDroplet:  7\nReason:   the new password was refused\n" +
			"Next:     mend the cause, then: oneclick-agent first-boot\nSteps:\n" + doneSteps,
		sentences: "Setup FAILED: the new password was refused\nDetails: oneclick-agent status. Try again with: oneclick-agent first-boot",
		json:      `"state":"failed"`,
	},
	"a change waits": {
		boot: append(complete[:6:6], withNext(event(journal.Troubled, "", "no answer"))), bootCompleteAtAll: true,
		text: "State:    pending, after 360.0 s\nDroplet:  7\nReason:   no answer\n" +
			"Next:     tried again at 13:00:00 UTC; now: oneclick-agent first-boot\nSteps:\n" + doneSteps,
		sentences: "Setup is waiting: no answer\nIt is tried again by itself. Try now with: oneclick-agent first-boot",
		json:      `"waits_for":"outside"`,
	},
	"the questions are not answered": {
		manifest: asking, boot: complete, bootCompleteAtAll: true,
		text: "State:    pending, after 300.0 s\nDroplet:  7\nReason:   questions of first login are not answered yet\n" +
			"Next:     log in as root, or: oneclick-agent first-login\nSteps:\n" + doneSteps + "  waiting          file /srv/c\n",
		sentences: "A few questions are left. Answer them with: oneclick-agent first-login",
		json:      `"waits_for":"person"`,
	},
	"the questions were refused": {
		manifest: asking, boot: complete, choice: facts.Never, complete: true, bootCompleteAtAll: true,
		text: "State:    done, after 300.0 s\nDroplet:  7\nNext:     the questions of first login were refused; " +
			"offer them again with: oneclick-agent first-login --reset\nSteps:\n" + doneSteps,
		json: `{"state":"done",`,
	},
	"the answers are being applied": {
		manifest: asking, boot: complete, login: []journal.Event{started, event(journal.Begun, loginStep)}, locked: true,
		bootCompleteAtAll: true,
		text: "State:    running, after 300.0 s\nDroplet:  7\nReason:   the answers are being applied\n" +
			"Next:     follow it with: oneclick-agent status --wait\nSteps:\n" + doneSteps + "  running  540.0s  file /srv/c\n",
		sentences: "Your answers are being applied. Follow it with: oneclick-agent status --wait",
		json:      `"state":"running"`,
	},
	"applying the answers was cut off": {
		manifest: asking, boot: complete, login: []journal.Event{started, event(journal.Begun, loginStep)}, bootCompleteAtAll: true,
		text: "State:    pending, after 300.0 s\nDroplet:  7\nReason:   applying the answers was interrupted\n" +
			"Next:     it resumes at the next boot; now: oneclick-agent first-login\nSteps:\n" + doneSteps + "  waiting          file " +
			"/srv/c: it was interrupted\n",
		sentences: "Setup is waiting: applying the answers was interrupted\nIt resumes at the next boot; now: oneclick-agent first-login",
		json:      `"waits_for":"boot"`,
	},
	"applying the answers failed": {
		manifest: asking, boot: complete, login: []journal.Event{started, event(journal.GaveUp, "", "no room")}, bootCompleteAtAll: true,
		text: "State:    failed, after 300.0 s\nDroplet:  7\nReason:   no room\nNext:     mend the cause, then: oneclick-agent first-login\n" +
			"Steps:\n" + doneSteps + "  waiting          file /srv/c\n",
		sentences: "Setup FAILED: no room\nDetails: oneclick-agent status. Try again with: oneclick-agent first-login",
		json:      `"state":"failed"`,
	},
	"the answers wait for a terminal": {
		manifest: asking, boot: complete, login: []journal.Event{started, event(journal.Postponed, "", "x needs a terminal")},
		bootCompleteAtAll: true,
		text: "State:    pending, after 300.0 s\nDroplet:  7\nReason:   x needs a terminal\nNext:     go on with: oneclick-agent first-login\n" +
			"Steps:\n" + doneSteps + "  waiting          file /srv/c\n",
		sentences: "Setup is waiting: x needs a terminal\nGo on with: oneclick-agent first-login",
		json:      `"waits_for":"person"`,
	},
	"everything is complete": {
		manifest: asking, boot: complete, complete: true, bootCompleteAtAll: true,
		login: []journal.Event{started, event(journal.Accomplished, loginStep), event(journal.Completed)},
		text: "State:    done, after 300.0 s\nDroplet:  7\nNext:     nothing is left to do\nSteps:\n" + doneSteps +
			"  done             file /srv/c\n",
		json: `{"state":"done",`,
	},
	"something optional of first login failed": {
		manifest: asking, boot: complete, complete: true, bootCompleteAtAll: true,
		login: []journal.Event{started, event(journal.GaveWay, loginStep, "no"), event(journal.Completed)},
		text: "State:    degraded, after 300.0 s\nDroplet:  7\nNext:     see the steps that are marked degraded\nSteps:\n" + doneSteps +
			"  degraded         file /srv/c: no\n",
		sentences: "Setup is done, but something optional failed. See: oneclick-agent status",
		json:      `"missing":true`,
	},
}

func TestHowASetupStandsIsToldInOneSetOfWords(t *testing.T) {
	t.Parallel()
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
				if err := state.MakeDirectory(h.Files); err != nil {
					t.Fatal(err)
				}
				lock, err := h.Files.Lock(state.Lock)
				if err != nil {
					t.Fatal(err)
				}
				defer lock.Close()
			}
			stands, err := Read(h, f)
			if err != nil {
				t.Fatal(err)
			}
			var text, document bytes.Buffer
			stands.WriteText(&text)
			if text.String() != test.text {
				t.Errorf("got\n%s\nwant\n%s", text.String(), test.text)
			}
			if got := strings.Join(stands.Sentences(), "\n"); got != test.sentences {
				t.Errorf("got\n%s\nwant\n%s", got, test.sentences)
			}
			if err := stands.WriteJSON(&document); err != nil {
				t.Fatal(err)
			}
			if got := flat(document.String()); !strings.Contains(got, test.json) {
				t.Errorf("got %s\nwant %s", got, test.json)
			}
			if stands.State.Complete() != test.complete || stands.BootComplete != test.bootCompleteAtAll {
				t.Errorf("complete %v, first boot %v", stands.State.Complete(), stands.BootComplete)
			}
			for _, sentence := range stands.Sentences() {
				message := motd.Message{Name: "App", Lines: stands.Sentences()}.Render()
				if plain := strings.ReplaceAll(strings.ReplaceAll(sentence, "\n", " "), "\x1b", `\x1b`); !strings.Contains(message, plain+"\n") {
					t.Errorf("the message of the day does not say %q:\n%s", plain, message)
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

func TestABrokenManifestDoesNotHideHowTheSetupStands(t *testing.T) {
	t.Parallel()
	stands, err := Read(machine(t, broken, nil), nil)
	if err != nil || stands.State != Failed || len(stands.Steps) != 2 || stands.Message != "run /bin/b: it broke" {
		t.Errorf("%+v, %v", stands, err)
	}
	h := machine(t, broken, nil)
	if err := os.WriteFile(filepath.Join(h.Files.Dir(), state.Journal), []byte("{\n{}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(h, nil); err == nil || !strings.HasPrefix(err.Error(),
		"cannot read /var/lib/oneclick/journal.jsonl:1: the line is damaged;") {
		t.Error(err)
	}
}

func TestAStatusThatIsFollowedTellsEachChangeOnce(t *testing.T) {
	t.Parallel()
	step := func(s journal.StepState) []Step { return []Step{{ID: "a", State: s}} }
	looks := []Status{
		{State: Running, Steps: step(journal.StepWaiting)}, {State: Running, Steps: step(journal.StepRunning)},
		{State: Running, Steps: step(journal.StepRunning)}, {State: Pending, Steps: step(journal.StepRunning), Message: "no\nanswer",
			Waits: ForOutside},
		{State: Pending, Steps: step(journal.StepRunning), Message: "no\nanswer", Waits: ForOutside}, {State: Done,
			Steps: step(journal.StepDone)},
	}
	var out bytes.Buffer
	i := -1
	last, err := Follow(t.Context(), func() (Status, error) { i++; return looks[i], nil }, &out)
	const want = "  running          a\n  pending          no answer\n  done             a\n"
	if err != nil || last.State != Done || out.String() != want {
		t.Errorf("%v, %v, got\n%swant\n%s", last.State, err, out.String(), want)
	}
	if last, err := Follow(t.Context(), func() (Status, error) { return Status{State: Pending, Waits: ForPerson}, nil },
		&out); err != nil || last.Waits != ForPerson {
		t.Errorf("a person is not waited for: %v, %v", last, err)
	}
}
