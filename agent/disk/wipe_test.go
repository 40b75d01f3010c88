package disk

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"oneclick-agent/agent/host"
)

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
	data, err := io.ReadAll(NewSparseReader(file, size, 0))
	if err != nil || !bytes.Contains(data, []byte("begin")) || !bytes.Contains(data, []byte("middle")) || len(data) > 1<<20 {
		t.Errorf("read %d bytes: %v", len(data), err)
	}
}

func TestADeletedFileThatIsOpenIsFoundAndEmptied(t *testing.T) {
	t.Parallel()
	h, err := host.Open("/")
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
	if got := DeletedFiles(h, filepath.Dir(name)); !slices.Equal(got, []string{name}) {
		t.Errorf("found %q", got)
	}
	if err := EmptyDeleted(h, name); err != nil {
		t.Error(err)
	}
	if info, err := file.Stat(); err != nil || info.Size() != 0 {
		t.Errorf("it has %d bytes", info.Size())
	}
}

func TestEmptyingOverwritesAndKeepsTheFile(t *testing.T) {
	t.Parallel()
	root, err := host.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	name := filepath.Join(root.Dir(), "log")
	os.WriteFile(name, []byte("a line\n"), 0o640)
	if err := Empty(root, "/log", true); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(name); err != nil || info.Size() != 0 || info.Mode().Perm() != 0o640 {
		t.Errorf("%v, %v", info, err)
	}
	os.WriteFile(name, []byte("a line\n"), 0o640)
	os.Link(name, name+".2")
	want := "cannot empty /log: the same file has another name, which would lose its content too; remove one of them"
	if err := Empty(root, "/log", false); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if err := Discard(root, "/", false); err == nil || err.Error() != "cannot remove /: it is the root directory" {
		t.Errorf("got %v", err)
	}
}
