package motd

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"oneclick-agent/agent/host"
	"oneclick-agent/agent/state"
)

func TestTheMessageSaysWhatRunsHowItStandsAndWhatTheVendorSays(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		message Message
		want    string
	}{
		"only a name": {Message{Name: "App"}, "App\n"},
		"name and reason": {Message{Name: "App", Version: "2", Lines: []string{"Setup FAILED: x", "Details: y"}},
			"App 2\nSetup FAILED: x\nDetails: y\n"},
		"everything": {Message{Name: "App", Version: "2", URL: "http://192.0.2.1", Lines: []string{"one"}, Text: "\n  Open it.\n\n\tBye.\n\n"},
			"App 2  -  http://192.0.2.1\none\n\nOpen it.\n\n\tBye.\n"},
		"an empty text": {Message{Name: "App", Text: " \n "}, "App\n"},
	} {
		if got := test.message.Render(); got != test.want {
			t.Errorf("%s: got\n%q\nwant\n%q", name, got, test.want)
		}
	}
}

// Nothing is cut: sentences go on below, and an address that is longer than a line stays whole, because it is copied.
func TestTheMessageFitsATerminalAndNothingIsCut(t *testing.T) {
	t.Parallel()
	address := "https://example.com/" + strings.Repeat("a", 90)
	m := Message{Name: "App", Lines: []string{"Setup FAILED: " + strings.Repeat("so many words ", 12) + "in the end", "Help: " + address},
		Text: strings.Repeat("text\n", 40) + "Open " + address}
	const want = `App
Setup FAILED: so many words so many words so many words so many words so many
  words so many words so many words so many words so many words so many words
  so many words so many words in the end
Help:
  https://example.com/ADDRESS

`
	got := m.Render()
	if short := strings.ReplaceAll(got, strings.Repeat("a", 90), "ADDRESS"); short != want+strings.Repeat("text\n", 40)+
		"Open\nhttps://example.com/ADDRESS\n" {
		t.Errorf("%s", got)
	}
}

func TestTheVendorsTextIsNeverCutSilently(t *testing.T) {
	t.Parallel()
	m := Message{Name: "App", Text: strings.Repeat("text\n", MaxText+1)}
	lines := strings.Split(strings.TrimSuffix(m.Render(), "\n"), "\n")
	if len(lines) != 2+MaxText || lines[len(lines)-1] != "(the rest of this message is too long to be shown)" {
		t.Errorf("%q", lines)
	}
}

func TestTheVendorsTextIsWrappedAtItsWords(t *testing.T) {
	t.Parallel()
	address := "https://203.0.113.10/" + strings.Repeat("x", 80)
	text := "  - " + strings.Repeat("word ", 20) + "\n" + address + " opens it\n\nend"
	want := []string{"- " + strings.Repeat("word ", 14) + "word", strings.Repeat("word ", 4) + "word", address, "opens it", "", "end"}
	if got := Lines(text); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	indented := Lines("head\n    " + strings.Repeat("word ", 20))
	if len(indented) != 3 || len(indented[1]) > 78 || !strings.HasPrefix(indented[1], "    word") ||
		!strings.HasPrefix(indented[2], "    word") {
		t.Errorf("%q", indented)
	}
}

// Whatever comes from metadata, from a command's failure or from answers: the terminal gets printable ASCII, and no
// text of others can look like a line of ours.
func TestHostileTextDoesNothingToTheTerminal(t *testing.T) {
	t.Parallel()
	for _, hostile := range []string{"\x1b[2J\x1b[H", "\x1b]0;title\a", "a\r\x1b[1Ab", "\x9b31m", "\u009b31m", "\u202ereversed",
		"\xff\xfe", "\x00", "\b\b\b", "\x7f", "é漢😀"} {
		m := Message{Name: hostile, Version: hostile, URL: hostile, Lines: []string{hostile + "\nSetup is done\n" + hostile},
			Text: hostile + "\n" + hostile}
		got := m.Render()
		for i := range len(got) {
			if got[i] != '\n' && (got[i] < ' ' || got[i] > '~') {
				t.Fatalf("%q gives byte %q in\n%q", hostile, got[i], got)
			}
		}
		if strings.Contains(got, "\nSetup is done") || strings.Count(got, "\n") != 5 {
			t.Errorf("%q writes lines of its own:\n%q", hostile, got)
		}
	}
	if got := (Message{Name: "a\x1b[2Jb", Lines: []string{"one\n two"}}).Render(); got != "a\\x1b[2Jb\none two\n" {
		t.Errorf("%q", got)
	}
}

func machine(t testing.TB, directories ...string) *host.Host {
	t.Helper()
	dir := t.TempDir()
	for _, name := range append(directories, "run", "etc") {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	h, err := host.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

func TestTheMessageStandsWhereTheSystemReadsIt(t *testing.T) {
	t.Parallel()
	const redHat = "/run/motd.d/40-oneclick"
	debian, fedora := machine(t, "etc/update-motd.d"), machine(t, "etc/redhat-release")
	for _, h := range []*host.Host{debian, fedora} {
		if got := Read(h.Files); got != "How the setup of this Droplet stands: oneclick-agent status\n" {
			t.Errorf("%q", got)
		}
		for _, m := range []Message{{Name: "App", Lines: []string{"waiting"}}, {Name: "App", Complete: true}, {Name: "App"}} {
			if err := Write(h.Files, m); err != nil {
				t.Fatal(err)
			}
			if got := Read(h.Files); got != m.Render() || h.Files.Exists(state.Finished) != m.Complete {
				t.Errorf("%q, finished %v", got, h.Files.Exists(state.Finished))
			}
			info, err := h.Files.Stat(state.Message)
			if err != nil || info.Mode().Perm() != 0o644 {
				t.Errorf("%v, %v", info, err)
			}
			if text, err := h.Files.ReadFile(redHat, 1000); h == fedora && (err != nil || string(text) != m.Render()) {
				t.Errorf("%q, %v", text, err)
			}
		}
	}
	if debian.Files.Exists(redHat) {
		t.Error("Debian shows the message twice")
	}
}
