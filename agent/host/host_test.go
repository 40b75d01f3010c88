package host

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func open(t testing.TB) (*Host, string) {
	t.Helper()
	dir := t.TempDir()
	h, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h, dir
}

func TestLinksOfATreeAreFollowedInsideIt(t *testing.T) {
	t.Parallel()
	h, dir := open(t)
	for _, directory := range []string{"run", "var", "etc"} {
		os.Mkdir(filepath.Join(dir, directory), 0o755)
	}
	os.Symlink("/run", filepath.Join(dir, "var/run"))
	os.Symlink("../../../../../../etc", filepath.Join(dir, "out"))
	os.Symlink("loop", filepath.Join(dir, "loop"))
	for path, lands := range map[string]string{"/var/run/a": "run/a", "/out/b": "etc/b", "/var/../etc/c": "etc/c", "/../../d": "d"} {
		if _, err := h.Files.WriteFile(path, []byte("x"), Attributes{}); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(filepath.Join(dir, lands)); err != nil {
			t.Errorf("%s did not land at %s: %v", path, lands, err)
		}
	}
	_, err := h.Files.WriteFile("/loop", nil, Attributes{})
	says(t, err, "cannot write /loop: too many levels of symbolic links")
}

// Nothing that a tree holds makes a write land outside it.
func FuzzNothingLeavesTheTree(f *testing.F) {
	for _, seed := range [][2]string{{"../../x", "/a/b"}, {"/etc", "/a/../b"}, {"a/..", "/a/c"}, {".", "/../a"}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, link, path string) {
		if strings.ContainsRune(link+path, 0) || link == "" || len(link)+len(path) > 200 {
			return
		}
		outside := t.TempDir()
		dir := filepath.Join(outside, "tree")
		os.Mkdir(dir, 0o755)
		os.Symlink(link, filepath.Join(dir, "a"))
		h, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer h.Close()
		h.Files.MakeDirectory(filepath.Dir(path), Attributes{})
		h.Files.WriteFile(path, []byte("x"), Attributes{})
		h.Files.Remove(path)
		entries, err := os.ReadDir(outside)
		if err != nil || len(entries) != 1 {
			t.Errorf("link %q, path %q: %v appeared outside, %v", link, path, entries, err)
		}
	})
}

func TestAReplacedFileKeepsWhatItHad(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root: the file belongs to another user")
	}
	h, dir := open(t)
	file := filepath.Join(dir, "f")
	os.WriteFile(file, []byte("old"), 0o640)
	os.Chown(file, 33, 34)
	if err := unix.Setxattr(file, "user.test", []byte("kept"), 0); err != nil {
		t.Skipf("the temporary directory's file system has no extended attributes: %v", err)
	}
	if changed, err := h.Files.WriteFile("/f", []byte("new"), Attributes{}); err != nil || !changed {
		t.Fatal(changed, err)
	}
	info, _ := os.Stat(file)
	owner := ownerOf(info)
	value := make([]byte, 10)
	n, err := unix.Getxattr(file, "user.test", value)
	if info.Mode() != 0o640 || owner != (Owner{33, 34}) || err != nil || string(value[:n]) != "kept" {
		t.Errorf("mode %v, owner %v, attribute %q %v", info.Mode(), owner, value[:max(n, 0)], err)
	}
	if changed, err := h.Files.WriteFile("/f", []byte("new"), Attributes{}); err != nil || changed {
		t.Errorf("the same again: changed %v, %v", changed, err)
	}
}

func TestSpecialFilesAreNeitherReadNorReplaced(t *testing.T) {
	t.Parallel()
	h, dir := open(t)
	if err := syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o644); err != nil {
		t.Fatal(err)
	}
	os.Mkdir(filepath.Join(dir, "directory"), 0o755)
	for path, want := range map[string]string{
		"/fifo": "it is a FIFO, not a regular file", "/directory": "it is a directory, not a regular file",
	} {
		if _, err := h.Files.WriteFile(path, []byte("x"), Attributes{}); err == nil || err.Error() != "cannot write "+path+": "+want {
			t.Errorf("writing %s: %v", path, err)
		}
		if _, err := h.Files.ReadFile(path, 10); err == nil || err.Error() != "cannot read "+path+": "+want {
			t.Errorf("reading %s: %v", path, err)
		}
	}
	os.WriteFile(filepath.Join(dir, "long"), make([]byte, 11), 0o644)
	if _, err := h.Files.ReadFile("/long", 10); err == nil || err.Error() != "cannot read /long: it is larger than 10 bytes" {
		t.Errorf("a long file: %v", err)
	}
}

func TestAFullDiskLeavesTheOldFile(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root: a small file system is mounted")
	}
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Fatalf("cannot mount a small file system: %v", err)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	h, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if _, err := h.Files.WriteFile("/f", []byte("old"), Attributes{}); err != nil {
		t.Fatal(err)
	}
	_, err = h.Files.WriteFile("/f", make([]byte, 1<<20), Attributes{})
	if err == nil || err.Error() != "cannot write /f: no space left on device; free some space and run this again" {
		t.Errorf("the error is %v", err)
	}
	entries, _ := os.ReadDir(dir)
	if data, err := os.ReadFile(filepath.Join(dir, "f")); string(data) != "old" || err != nil || len(entries) != 1 {
		t.Errorf("the old file is %q, %v, among %d entries", data, err, len(entries))
	}
}

func TestCommandsAreBoundedAndSayHowTheyEnded(t *testing.T) {
	t.Parallel()
	h, err := Open("/")
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	out, err := h.Run(t.Context(), Command{
		Argv: []string{"sh", "-c", "cat; echo $HOME $X; pwd"}, Stdin: []byte("in "), Env: map[string]string{"X": "y"}, Dir: "/usr",
	})
	if string(out) != "in /root y\n/usr\n" || err != nil {
		t.Errorf("got %q, %v", out, err)
	}
	for _, test := range []struct {
		argv []string
		want string
	}{
		{[]string{"sh", "-c", "echo secret >&2; exit 3"}, "sh exited with status 3"},
		{[]string{"sh", "-c", "kill -KILL $$"}, "sh was killed by SIGKILL"},
		{[]string{"/nonexistent"}, "cannot run /nonexistent: there is no such command on this image"},
		{[]string{"/etc/passwd"}, "cannot run /etc/passwd: /etc/passwd is not an executable file"},
	} {
		if _, err := h.Run(t.Context(), Command{Argv: test.argv}); err == nil || err.Error() != test.want {
			t.Errorf("%v: got %v, want %s", test.argv, err, test.want)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err = h.Run(ctx, Command{Argv: []string{"sh", "-c", "sleep 60 & sleep 60"}})
	if err == nil || err.Error() != "sh did not end in time" || time.Since(began) > 3*time.Second {
		t.Errorf("after %v: %v", time.Since(began), err)
	}
}

func TestACommandOfATreeRunsInsideIt(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root: a chroot is entered")
	}
	h, dir := open(t)
	os.MkdirAll(filepath.Join(dir, "usr/bin"), 0o755)
	program := filepath.Join(dir, "list.go")
	const source = "package main\nimport (\"fmt\"; \"os\")\nfunc main() { e, _ := os.ReadDir(\"/\"); fmt.Print(len(e)) }\n"
	os.WriteFile(program, []byte(source), 0o644)
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "usr/bin/list"), program)
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	out, err := h.Run(t.Context(), Command{Argv: []string{"list"}})
	if err != nil || string(out) != "2" {
		t.Errorf("it sees %s entries in /, %v", out, err)
	}
}

func TestAccountsComeFromTheTree(t *testing.T) {
	t.Parallel()
	h, dir := open(t)
	os.Mkdir(filepath.Join(dir, "etc"), 0o755)
	os.WriteFile(filepath.Join(dir, "etc/passwd"), []byte("root:x:0:0::/root:\napp:x:500:501::/srv:\n"), 0o644)
	os.WriteFile(filepath.Join(dir, "etc/group"), []byte("app:x:501:\nadm:x:4:other,app\n"), 0o644)
	for text, want := range map[string]Owner{"app": {500, 501}, "app:adm": {500, 4}, "12:34": {12, 34}, "root:app": {0, 501}} {
		if got, err := h.Owner(text); err != nil || *got != want {
			t.Errorf("%s is %v, %v", text, got, err)
		}
	}
	if _, err := h.Owner("apq"); err == nil || err.Error() != `cannot find the user "apq" in /etc/passwd; did you mean "app"?` {
		t.Errorf("an unknown user: %v", err)
	}
	account, err := h.Account("app")
	if err != nil || len(account.Groups) != 2 {
		t.Errorf("%v, %v", account, err)
	}
}

func TestUnitsOfATreeAreEnabledOnDisk(t *testing.T) {
	t.Parallel()
	h, dir := open(t)
	os.MkdirAll(filepath.Join(dir, "usr/lib/systemd/system"), 0o755)
	const unit = "[Install]\nWantedBy=x.target\nWantedBy=y.target\nAlias=b.service\n"
	os.WriteFile(filepath.Join(dir, "usr/lib/systemd/system/a@.service"), []byte(unit), 0o644)
	links := []string{"x.target.wants/a@1.service", "y.target.wants/a@1.service", "b.service"}
	for _, step := range []struct {
		verb  Verb
		there bool
		state string
	}{{Enable, true, "enabled"}, {Disable, false, "disabled"}} {
		if err := h.Units.Do(t.Context(), step.verb, "a@1.service"); err != nil {
			t.Fatal(err)
		}
		for _, link := range links {
			if _, err := os.Lstat(filepath.Join(dir, adminUnits, link)); (err == nil) != step.there {
				t.Errorf("after %s, %s: %v", step.verb, link, err)
			}
		}
		if state, _ := h.Units.State(t.Context(), "a@1.service"); state.AtBoot != step.state {
			t.Errorf("after %s it is %s", step.verb, state.AtBoot)
		}
	}
	if err := h.Units.Do(t.Context(), Enable, "none.service"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a unit that is not there: %v", err)
	}
	if err := h.Units.Do(t.Context(), Start, "a@1.service"); !errors.Is(err, ErrNotRunning) {
		t.Errorf("a start: %v", err)
	}
}

func TestALockIsHeldByOne(t *testing.T) {
	t.Parallel()
	h, _ := open(t)
	first, err := h.Files.Lock("/lock")
	if err != nil || !h.Files.Locked("/lock") {
		t.Fatal(err)
	}
	if _, err := h.Files.Lock("/lock"); !errors.Is(err, ErrLocked) {
		t.Errorf("a second lock: %v", err)
	}
	first.Close()
	// A command that another test is just starting has a copy of every open file until it runs its program.
	for deadline := time.Now().Add(10 * time.Second); h.Files.Locked("/lock"); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it is still held")
		}
	}
}
