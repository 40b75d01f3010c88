package step

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAPatternRemovesWhatItMatchesAndSaysHowMuch(t *testing.T) {
	t.Parallel()
	h, dir := tree(t, map[string]string{
		"opt/app/a.tmp": "", "opt/app/b.tmp/inside": "", "opt/app/kept": "", "opt/app/.c.tmp": "", "opt/app/*": "",
	})
	r := &Remove{Path: "/opt/app/*.tmp", Pattern: true}
	applied(t, h, r)
	if r.Told() != "removed 2" || h.Files.Exists("/opt/app/a.tmp") || h.Files.Exists("/opt/app/b.tmp") || !h.Files.Exists("/opt/app/.c.tmp") {
		t.Error(r.Told())
	}
	finds(t, h, &Remove{Path: "/nowhere/*", Pattern: true}, Met)
	applied(t, h, &Remove{Path: "/opt/app/*"}) // what was filled in is a name
	if !h.Files.Exists("/opt/app/kept") {
		t.Errorf("a name was taken for a pattern in %s", dir)
	}
}

func TestAPatternOfDirectoriesSetsThoseUpThatAreThere(t *testing.T) {
	t.Parallel()
	needRoot(t)
	h, dir := tree(t, map[string]string{"srv/a/file": "", "srv/b/deep/file": "", "srv/file": ""})
	d := &Directory{Path: "/srv/*", Pattern: true, Owner: "app:app", Mode: new(fs.FileMode(0o700)), Recursive: true,
		FileMode: new(fs.FileMode(0o640)), DirectoryMode: new(0o750 | fs.ModeSetgid)}
	applied(t, h, d)
	for name, want := range map[string]string{
		"srv": "drwxr-xr-x 0:0", "srv/file": `-rw-r--r-- 0:0`, "srv/a": "drwx------ 1234:1235", "srv/b": "drwx------ 1234:1235",
		"srv/a/file": `-rw-r----- 1234:1235`, "srv/b/deep": "dgrwxr-x--- 1234:1235", "srv/b/deep/file": "-rw-r----- 1234:1235",
	} {
		if got := shape(t, dir, name); !strings.HasPrefix(got, want) {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	must(t, os.Chmod(filepath.Join(dir, "srv/b/deep/file"), 0o644))
	finds(t, h, d, Unmet)
	none := &Directory{Path: "/none/*", Pattern: true, Mode: new(fs.FileMode(0o700))}
	const want = "cannot find a directory that matches /none/*; make it first, or correct the pattern"
	if _, err := none.Check(t.Context(), h); err == nil || err.Error() != want || !errors.As(err, new(*Lasting)) {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestATreeIsCopiedWithItsOwnerAndModes(t *testing.T) {
	t.Parallel()
	needRoot(t)
	h, dir := tree(t, map[string]string{"usr/share/app/bin/run": "1", "usr/share/app/read": "2", "srv/app/own": "3"})
	must(t, os.Chmod(filepath.Join(dir, "usr/share/app/bin/run"), 0o755))
	applied(t, h, &Directory{Path: "/srv/new", Copy: "/usr/share/app"})
	if got := shape(t, dir, "srv/new/bin/run"); got != `-rwxr-xr-x 0:0 "1"` {
		t.Error(got)
	}
	d := &Directory{
		Path: "/srv/app", Copy: "/usr/share/app", Owner: "app:app", Mode: new(fs.FileMode(0o750)), FileMode: new(fs.FileMode(0o640)),
	}
	applied(t, h, d)
	for name, want := range map[string]string{
		"srv/app": "drwxr-x--- 1234:1235", "srv/app/own": `-rw-r--r-- 0:0 "3"`, "srv/app/read": `-rw-r----- 1234:1235 "2"`,
		"srv/app/bin": "drwxr-xr-x 1234:1235", "srv/app/bin/run": `-rw-r----- 1234:1235 "1"`,
	} {
		if got := shape(t, dir, name); !strings.HasPrefix(got, want) {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	put(t, dir, map[string]string{"usr/share/app/read": "9"})
	finds(t, h, d, Unmet)
	applied(t, h, d)
	err := (&Directory{Path: "/srv/x", Copy: "/usr/share/none"}).Apply(t.Context(), h)
	if err == nil || err.Error() != "cannot copy /usr/share/none to /srv/x: no such file or directory" {
		t.Error(err)
	}
}
