package step

import (
	"bytes"
	"testing"
)

// What is taken out again is exactly what was put in, whatever the file holds.
func FuzzUnhookUndoesHook(f *testing.F) {
	for _, seed := range []string{"", "\n", "alias ll='ls -l'", "alias ll='ls -l'\n", "a\r\nb\r\n", "a\r\nb", "\r", "\x00\xff", "a\n\n", "# END oneclick-agent: first login\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if bytes.Contains(text, []byte(hookBegin)) {
			return
		}
		hooked := Hook(text)
		if got := Hook(hooked); !bytes.Equal(got, hooked) {
			t.Errorf("a second hook changes %q to %q", hooked, got)
		}
		if got, whole := Unhook(hooked); !whole || !bytes.Equal(got, text) {
			t.Errorf("%q came back as %q, %v", text, got, whole)
		}
	})
}

func TestABlockThatWasEditedIsLeftAlone(t *testing.T) {
	t.Parallel()
	edited := bytes.Replace(Hook([]byte("x\n")), []byte("-t 0"), []byte("-t 9"), 1)
	if got, whole := Unhook(edited); whole || !bytes.Equal(got, edited) {
		t.Errorf("%q, %v", got, whole)
	}
}

func TestWhatWasAddedBehindTheBlockIsKept(t *testing.T) {
	t.Parallel()
	text := append(Hook([]byte("before")), "\nafter\n"...)
	if got, whole := Unhook(text); !whole || string(got) != "before\nafter\n" {
		t.Errorf("%q, %v", got, whole)
	}
}
