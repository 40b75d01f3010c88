package host

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"unicode/utf8"
)

func walked(t *testing.T, root *Root, w *Walk) (names []string) {
	t.Helper()
	var mu sync.Mutex
	visit := w.Visit
	w.Visit = func(e *Entry) error {
		mu.Lock()
		names = append(names, e.Path)
		mu.Unlock()
		if visit != nil {
			return visit(e)
		}
		return nil
	}
	if err := root.Walk(t.Context(), "/", w); err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	return names
}

func TestAWalkVisitsEverythingOnceAndFollowsNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"a/b/c", "a/d", "e"} {
		os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755)
		os.WriteFile(filepath.Join(dir, name), []byte(name), 0o644)
	}
	os.Symlink("/", filepath.Join(dir, "out"))
	os.Symlink("a", filepath.Join(dir, "in"))
	syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o644)
	root, err := OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	want := []string{"/a", "/a/b", "/a/b/c", "/a/d", "/e", "/in", "/out", "/pipe"}
	if got := walked(t, root, &Walk{}); !slices.Equal(got, want) {
		t.Errorf("visited %q, want %q", got, want)
	}
	reading := &Walk{Visit: func(e *Entry) error {
		if !e.IsRegular() {
			return nil
		}
		content, err := e.Content()
		if err != nil {
			return err
		}
		if again, err := e.Content(); err != nil || again != content {
			t.Errorf("%s is opened twice in one visit: %v", e.Path, err)
		}
		if data, _ := io.ReadAll(io.NewSectionReader(content, 0, int64(e.Stat.Size))); "/"+string(data) != e.Path {
			t.Errorf("%s reads %q", e.Path, data)
		}
		return nil
	}}
	walked(t, root, reading)
}

// FuzzUnescapeMount: no line of the kernel's makes it panic, and what has no backslash comes back as it is.
func FuzzUnescapeMount(f *testing.F) {
	seeds := []string{`/mnt/a\040b`, `\134`, `\`, `\04`, `/plain`, `\999`}
	for _, seed := range seeds {
		f.Add(seed)
	}
	if len(seeds) != 6 {
		f.Fatal("the seeds are missing")
	}
	f.Fuzz(func(t *testing.T, text string) {
		out := Unescape(text)
		if !strings.Contains(text, `\`) && out != text {
			t.Errorf("%q became %q", text, out)
		}
		if len(out) > len(text) && utf8.ValidString(text) {
			t.Errorf("%q grew to %q", text, out)
		}
	})
}
