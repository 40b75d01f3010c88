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
	return h, filepath.Join(dir, Path)
}

func write(t testing.TB, h *host.Host, events ...Event) {
	t.Helper()
	j, err := Open(h, Path)
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
	{Event: Begin, Step: "a", Digest: "x"},
	{Event: Done, Step: "a", Digest: "x", Seconds: 2},
	{Event: Begin, Step: "b", Digest: "y"},
	{Event: Pending, Message: "waiting", Next: time.Unix(2000000000, 0)},
}

func TestTheStateIsWhatTheEventsAmountTo(t *testing.T) {
	t.Parallel()
	h, _ := open(t)
	write(t, h, story...)
	state, err := Read(h.Files, Path)
	if err != nil {
		t.Fatal(err)
	}
	if state.Phase != "pending" || state.Droplet != "1" || state.Message != "waiting" || state.Attempts != 1 || len(state.Steps) != 2 {
		t.Errorf("%+v", state)
	}
	if !state.IsDone("a", "x") || state.IsDone("a", "other") || state.IsDone("b", "y") {
		t.Error("what is done and what is not is mixed up")
	}
	write(t, h, Event{Event: Done, Step: "b", Digest: "y"}, Event{Event: Completed})
	if state, _ := Read(h.Files, Path); !state.Finished() || state.Attempts != 0 {
		t.Errorf("%+v", state)
	}
	write(t, h, Event{Event: Clone, Droplet: "2"})
	if state, _ := Read(h.Files, Path); !state.Finished() || state.ClonedFrom != "1" || state.Droplet != "2" {
		t.Errorf("%+v", state)
	}
}

func TestACopyOfAnUnfinishedDropletBeginsAgain(t *testing.T) {
	t.Parallel()
	h, _ := open(t)
	write(t, h, append(story, Event{Event: Started, Droplet: "2"})...)
	if state, _ := Read(h.Files, Path); state.IsDone("a", "x") || len(state.Steps) != 0 || state.Phase != "running" {
		t.Errorf("%+v", state)
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
			write(t, h, Event{Event: Done, Step: "c", Digest: "z"})
			state, err := Read(h.Files, Path)
			if err != nil || !state.IsDone("c", "z") {
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
		"{broken\n":                     "cannot read /var/lib/oneclick/journal.jsonl:2: the line is damaged; restore the file from a backup, or remove it to run the setup again",
		`{"v": 2, "event": "x"}` + "\n": "cannot read /var/lib/oneclick/journal.jsonl:2: it was written by a newer oneclick-agent; install that version again",
	} {
		os.WriteFile(file, []byte(lines[0]+damage+strings.Join(lines[2:], "")), 0o600)
		if _, err := Open(h, Path); err == nil || err.Error() != want {
			t.Errorf("got %v\nwant %s", err, want)
		}
	}
}

func TestAnEventThatCannotBeWrittenIsAnError(t *testing.T) {
	t.Parallel()
	h, _ := open(t)
	j, err := Open(h, Path)
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
		_, good, err := parse(Path, data)
		if good > len(data) {
			t.Errorf("%d whole bytes of %d", good, len(data))
		}
		if err != nil {
			return
		}
		if _, again, err := parse(Path, data[:good]); err != nil || again != good {
			t.Errorf("the whole lines alone: %d, %v", again, err)
		}
	})
}
