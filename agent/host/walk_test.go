package host

import (
	"bytes"
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
		file, err := e.Open()
		if err != nil {
			return err
		}
		defer file.Close()
		if data, _ := io.ReadAll(file); "/"+string(data) != e.Path {
			t.Errorf("%s reads %q", e.Path, data)
		}
		return nil
	}}
	walked(t, root, reading)
}

func TestASparseFileIsReadWithoutItsHoles(t *testing.T) {
	t.Parallel()
	file, err := os.Create(filepath.Join(t.TempDir(), "sparse"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	const size = 1 << 40
	file.WriteAt([]byte("begin"), 0)
	file.WriteAt([]byte("middle"), size/2)
	if err := file.Truncate(size); err != nil {
		t.Skip("this file system has no sparse files of a terabyte")
	}
	data, err := io.ReadAll(NewSparseReader(file, size))
	if err != nil || !bytes.Contains(data, []byte("begin")) || !bytes.Contains(data, []byte("middle")) || len(data) > 1<<20 {
		t.Errorf("read %d bytes: %v", len(data), err)
	}
}

func TestADeletedFileThatIsOpenIsFoundAndEmptied(t *testing.T) {
	t.Parallel()
	h, err := Open("/")
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	name := filepath.Join(t.TempDir(), "app.log")
	file, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	file.WriteString("a line\n")
	os.Remove(name)
	if got := h.DeletedFiles(filepath.Dir(name)); !slices.Equal(got, []string{name}) {
		t.Errorf("found %q", got)
	}
	if err := h.EmptyDeleted(name); err != nil {
		t.Error(err)
	}
	if info, err := file.Stat(); err != nil || info.Size() != 0 {
		t.Errorf("it has %d bytes", info.Size())
	}
}

func TestEmptyingOverwritesAndKeepsTheFile(t *testing.T) {
	t.Parallel()
	root, err := OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	name := filepath.Join(root.Dir(), "log")
	os.WriteFile(name, []byte("a line\n"), 0o640)
	if err := root.Empty("/log", true); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(name); err != nil || info.Size() != 0 || info.Mode().Perm() != 0o640 {
		t.Errorf("%v, %v", info, err)
	}
	os.WriteFile(name, []byte("a line\n"), 0o640)
	os.Link(name, name+".2")
	want := "cannot empty /log: the same file has another name, which would lose its content too; remove one of them"
	if err := root.Empty("/log", false); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if err := root.Discard("/", false); err == nil || err.Error() != "cannot remove /: it is the root directory" {
		t.Errorf("got %v", err)
	}
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
		out := unescapeMount(text)
		if !strings.Contains(text, `\`) && out != text {
			t.Errorf("%q became %q", text, out)
		}
		if len(out) > len(text) && utf8.ValidString(text) {
			t.Errorf("%q grew to %q", text, out)
		}
	})
}
