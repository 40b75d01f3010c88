package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"oneclick-agent/agent/host"
	"oneclick-agent/agent/state"
)

func open(t testing.TB) (*host.Host, string) {
	t.Helper()
	dir := t.TempDir()
	os.MkdirAll(filepath.Join(dir, "var/lib"), 0o755)
	h, err := host.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h, filepath.Join(dir, state.Journal)
}

func write(t testing.TB, h *host.Host, events ...Event) {
	t.Helper()
	j, err := Open(h, state.Journal)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	for _, e := range events {
		if err := j.Append(e, true); err != nil {
			t.Fatal(err)
		}
	}
}

var story = []Event{
	{Event: Started, Droplet: "1"},
	{Event: Begun, Step: "a", Digest: "x"},
	{Event: Accomplished, Step: "a", Digest: "x", Seconds: 2},
	{Event: Begun, Step: "b", Digest: "y"},
	{Event: Postponed, Cause: Cause{Message: "waiting"}, Next: time.Unix(2000000000, 0)},
}

func TestTheStateIsWhatTheEventsAmountTo(t *testing.T) {
	t.Parallel()
	h, _ := open(t)
	write(t, h, story...)
	record, err := Read(h.Files, state.Journal)
	if err != nil {
		t.Fatal(err)
	}
	if record.Phase != "pending" || record.Droplet != "1" || record.Message != "waiting" || record.Attempts != 1 || len(record.Steps) != 2 {
		t.Errorf("%+v", record)
	}
	if !record.IsDone("a", "x") || record.IsDone("a", "other") || record.IsDone("b", "y") {
		t.Error("what is done and what is not is mixed up")
	}
	write(t, h, Event{Event: Accomplished, Step: "b", Digest: "y"}, Event{Event: Completed})
	if record, _ := Read(h.Files, state.Journal); !record.Phase.Complete() || record.Attempts != 0 {
		t.Errorf("%+v", record)
	}
	write(t, h, Event{Event: Cloned, Droplet: "2"})
	if record, _ := Read(h.Files, state.Journal); !record.Phase.Complete() || record.ClonedFrom != "1" || record.Droplet != "2" {
		t.Errorf("%+v", record)
	}
}

func TestACopyOfAnUnfinishedDropletBeginsAgain(t *testing.T) {
	t.Parallel()
	h, _ := open(t)
	write(t, h, append(story, Event{Event: Started, Droplet: "2"})...)
	if record, _ := Read(h.Files, state.Journal); record.IsDone("a", "x") || len(record.Steps) != 0 || record.Phase != "running" {
		t.Errorf("%+v", record)
	}
}

// Wherever a power cut ends the file, it can be read, and added to.
func TestAJournalCutAtAnyByteGoesOn(t *testing.T) {
	t.Parallel()
	h, file := open(t)
	write(t, h, story...)
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for n := range len(whole) + 1 {
		for _, tail := range []string{"", "\x00\x00\x00\n"} {
			os.WriteFile(file, append(append([]byte{}, whole[:n]...), tail...), 0o600)
			write(t, h, Event{Event: Accomplished, Step: "c", Digest: "z"})
			record, err := Read(h.Files, state.Journal)
			if err != nil || !record.IsDone("c", "z") {
				t.Fatalf("cut at byte %d with %q: %v", n, tail, err)
			}
		}
	}
}

func TestDamageInTheMiddleIsAnErrorWithItsLine(t *testing.T) {
	t.Parallel()
	h, file := open(t)
	write(t, h, story...)
	whole, _ := os.ReadFile(file)
	lines := strings.SplitAfter(string(whole), "\n")
	for damage, want := range map[string]string{
		"{broken\n": "cannot read /var/lib/oneclick/journal.jsonl:2: the line is damaged; restore the file from a " +
			"backup, or remove it to run the setup again",
		`{"v": 2, "event": "x"}` + "\n": "cannot read /var/lib/oneclick/journal.jsonl:2: it was written by a newer oneclick-agent; " +
			"install that version again",
	} {
		os.WriteFile(file, []byte(lines[0]+damage+strings.Join(lines[2:], "")), 0o600)
		if _, err := Open(h, state.Journal); err == nil || err.Error() != want {
			t.Errorf("got %v\nwant %s", err, want)
		}
	}
}

func TestAnEventThatCannotBeWrittenIsAnError(t *testing.T) {
	t.Parallel()
	h, _ := open(t)
	j, err := Open(h, state.Journal)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	h.Files.Before = func(host.Operation) error { return host.ErrPower }
	if err := j.Append(story[0], true); !errors.Is(err, host.ErrPower) {
		t.Error(err)
	}
}

func FuzzParse(f *testing.F) {
	for n, e := range story {
		f.Add([]byte(fmt.Sprintf(`{"v":1,"event":%q,"step":"s%d"}`+"\n", e.Event, n)))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		_, good, err := parse(state.Journal, data)
		if good > len(data) {
			t.Errorf("%d whole bytes of %d", good, len(data))
		}
		if err != nil {
			return
		}
		if _, again, err := parse(state.Journal, data[:good]); err != nil || again != good {
			t.Errorf("the whole lines alone: %d, %v", again, err)
		}
	})
}
