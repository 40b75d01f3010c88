package host

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// shared is a tree with directories that belong to others, or that others may write.
func shared(t *testing.T) (h *Host, dir string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: directories are given to other users")
	}
	h, dir = inMemory(t)
	for _, directory := range []string{"etc/alternatives", "run", "var/www/conf", "var/lib", "srv/shared", "tmp"} {
		must(t, os.MkdirAll(filepath.Join(dir, directory), 0o755))
	}
	write := func(name, text string, mode fs.FileMode) {
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(text), mode))
	}
	write("etc/passwd", "root:x:0:0::/root:\nwww-data:x:33:33::/var/www:\n", 0o644)
	write("etc/group", "root:x:0:\nstaff:x:50:\n", 0o644)
	write("etc/shadow", "secret", 0o600)
	must(t, os.Chown(filepath.Join(dir, "var/www"), 33, 33))
	must(t, os.Chown(filepath.Join(dir, "srv/shared"), 0, 50))
	must(t, os.Chmod(filepath.Join(dir, "srv/shared"), 0o775))
	must(t, os.Chmod(filepath.Join(dir, "tmp"), 0o777|fs.ModeSticky))
	return h, dir
}

// Whatever is done by way of a link that another account may have planted ends with an error that says what to do, and
// touches nothing.
func TestALinkOfAnotherAccountIsNotFollowed(t *testing.T) {
	t.Parallel()
	h, dir := shared(t)
	for _, link := range []string{"var/www", "srv/shared", "tmp", "var/www/conf"} {
		must(t, os.Symlink("/etc/shadow", filepath.Join(dir, link, "file")))
		must(t, os.Symlink("/etc", filepath.Join(dir, link, "parent")))
	}
	var before unix.Stat_t
	must(t, unix.Stat(filepath.Join(dir, "etc/shadow"), &before))
	files := h.Files
	everything := map[string]func(path string) error{
		"cannot write":              func(path string) error { _, err := files.WriteFile(path, []byte("x"), Mode(0o666)); return err },
		"cannot read":               func(path string) error { _, err := files.ReadFile(path, 100); return err },
		"cannot look at":            func(path string) error { _, err := files.Stat(path); return err },
		"cannot list":               func(path string) error { _, err := files.ReadDir(path); return err },
		"cannot open":               func(path string) error { _, err := files.OpenAppend(path, 0o644); return err },
		"cannot make the directory": func(path string) error { return files.MakeDirectory(path, Mode(0o777)) },
		"cannot tell the space of":  func(path string) error { _, _, err := files.Space(path); return err },
		"cannot change owner or mode of what is below": func(path string) error {
			return files.SetAttributesBelow(t.Context(), path, Mode(0o666), Mode(0o777))
		},
	}
	for what, do := range everything {
		for place, who := range map[string]string{
			"/var/www": "/var/www belongs to www-data", "/srv/shared": "/srv/shared can be written by the group staff",
			"/tmp": "/tmp can be written by every account", "/var/www/conf": "/var/www belongs to www-data",
		} {
			refused := ": " + who + ", so a link there is not followed; remove the link " + place
			says(t, do(place+"/file"), what+" "+place+"/file"+refused+"/file, or name what it leads to")
			says(t, do(place+"/parent/shadow"), what+" "+place+"/parent/shadow"+refused+"/parent, or name what it leads to")
		}
	}
	for what, do := range map[string]func(path string) error{
		"cannot remove":                  files.Remove,
		"cannot link":                    func(path string) error { return files.Symlink("x", path) },
		"cannot read the link":           func(path string) error { _, err := files.Readlink(path); return err },
		"cannot change owner or mode of": func(path string) error { return files.SetAttributes(path, Attributes{Owner: &Owner{33, 33}}) },
	} {
		says(t, do("/tmp/parent/shadow"), what+" /tmp/parent/shadow: /tmp can be written by every account, so a link there is not "+
			"followed; remove the link /tmp/parent, or name what it leads to")
	}
	var after unix.Stat_t
	must(t, unix.Stat(filepath.Join(dir, "etc/shadow"), &after))
	if after != before {
		t.Errorf("/etc/shadow was %+v and is %+v", before, after)
	}
	if names, err := files.ReadDir("/etc"); len(names) != 4 || err != nil {
		t.Errorf("/etc holds %v, %v", names, err)
	}
}

func TestALinkItselfMayBeLookedAtReplacedGivenAwayAndRemoved(t *testing.T) {
	t.Parallel()
	h, dir := shared(t)
	must(t, os.Symlink("/etc/shadow", filepath.Join(dir, "tmp/file")))
	if target, err := h.Files.Readlink("/tmp/file"); target != "/etc/shadow" || err != nil {
		t.Errorf("%q, %v", target, err)
	}
	must(t, h.Files.SetAttributes("/tmp/file", Attributes{Owner: &Owner{33, 33}}))
	must(t, h.Files.Symlink("elsewhere", "/tmp/file"))
	must(t, h.Files.Remove("/tmp/file"))
	if info, err := os.Lstat(filepath.Join(dir, "etc/shadow")); err != nil || ownerOf(info) != (Owner{}) {
		t.Errorf("%v, %v", info, err)
	}
}

// The links of the system and of the vendor work as ever, those into other accounts' directories included.
func TestALinkOfRootIsFollowed(t *testing.T) {
	t.Parallel()
	h, dir := shared(t)
	for link, target := range map[string]string{
		"var/run": "/run", "etc/alternatives/x": "../../run/x", "etc/x": "/etc/alternatives/x", "site": "/var/www/conf",
		"etc/dangling": "../run/new",
	} {
		must(t, os.Symlink(target, filepath.Join(dir, link)))
	}
	for path, lands := range map[string]string{
		"/var/run/a": "run/a", "/etc/x": "run/x", "/site/y": "var/www/conf/y", "/etc/dangling": "run/new",
	} {
		if _, err := h.Files.WriteFile(path, []byte(path), Attributes{}); err != nil {
			t.Error(err)
		}
		if data, err := os.ReadFile(filepath.Join(dir, lands)); string(data) != path || err != nil {
			t.Errorf("%s: %q, %v", path, data, err)
		}
	}
	must(t, h.Files.MakeDirectory("/var/run/some/where", Attributes{}))
	if info, err := os.Stat(filepath.Join(dir, "run/some/where")); err != nil || !info.IsDir() {
		t.Error(err)
	}
}

// A second name of somebody else's file gets nobody its content, its owner or its mode.
func TestAHardLinkGivesNothingAway(t *testing.T) {
	t.Parallel()
	h, dir := shared(t)
	shadow := filepath.Join(dir, "etc/shadow")
	must(t, os.Chmod(shadow, 0o600|fs.ModeSetuid))
	for _, name := range []string{"var/www/file", "tmp/file", "srv/shared/file"} {
		must(t, os.Link(shadow, filepath.Join(dir, name)))
		reason := ": the same file has another name, so it may be one that does not belong here; remove one of the names"
		path := "/" + name
		_, err := h.Files.ReadFile(path, 100)
		says(t, err, "cannot read "+path+reason)
		_, err = h.Files.OpenAppend(path, 0o600)
		says(t, err, "cannot open "+path+reason)
		err = h.Files.SetAttributes(path, Attributes{Owner: &Owner{33, 33}})
		says(t, err, "cannot change owner or mode of "+path+reason)
		err = h.Files.SetAttributesBelow(t.Context(), filepath.Dir(path), Mode(0o666), Attributes{})
		says(t, err, "cannot change owner or mode of what is below "+filepath.Dir(path)+": "+path+reason)
		// What is written is a new file, and not one that is privileged because the other name was.
		if _, err := h.Files.WriteFile(path, []byte("new"), Attributes{}); err != nil {
			t.Error(err)
		}
		if info, err := os.Lstat(filepath.Join(dir, name)); err != nil || info.Mode() != 0o600 {
			t.Errorf("%v, %v", info.Mode(), err)
		}
	}
	info, err := os.Stat(shadow)
	must(t, err)
	data, err := os.ReadFile(shadow)
	if string(data) != "secret" || err != nil || ownerOf(info) != (Owner{}) || info.Mode() != 0o600|fs.ModeSetuid {
		t.Errorf("the file is %q, %v, %v", data, info.Mode(), ownerOf(info))
	}
}

// An account's own file is its own under every name, and root's hard links are root's where nobody else can make any.
func TestHardLinksOfTheRightPeopleWork(t *testing.T) {
	t.Parallel()
	h, dir := shared(t)
	for _, name := range []string{"var/www/own", "var/lib/own"} {
		must(t, os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600))
		must(t, os.Link(filepath.Join(dir, name), filepath.Join(dir, name+".other")))
	}
	must(t, os.Chown(filepath.Join(dir, "var/www/own"), 33, 33))
	for _, path := range []string{"/var/www/own", "/var/lib/own"} {
		if _, err := h.Files.ReadFile(path, 10); err != nil {
			t.Error(err)
		}
		if err := h.Files.SetAttributes(path, Attributes{Owner: &Owner{34, 34}}); err != nil {
			t.Error(err)
		}
	}
}

func TestAFileOfAnotherAccountIsNotWrittenInto(t *testing.T) {
	t.Parallel()
	h, dir := shared(t)
	must(t, os.WriteFile(filepath.Join(dir, "tmp/log"), nil, 0o666))
	must(t, os.Chown(filepath.Join(dir, "tmp/log"), 33, 33))
	_, err := h.Files.Create("/tmp/log")
	says(t, err, "cannot open /tmp/log: it belongs to www-data, who could read what is written; remove it")
}

// ownTree is a process of another account that works on a throwaway tree of its own.
func ownTree(root string) {
	h, err := Open(root)
	fatal(err)
	fatal(h.Files.MakeDirectory("/real", Attributes{}))
	fatal(h.Files.Symlink("/real", "/link"))
	_, err = h.Files.WriteFile("/link/file", []byte("x"), Attributes{Owner: &Owner{}})
	fatal(err)
	if target, err := h.Files.Resolve("/link/file"); target != "/real/file" {
		fatal(errors.Join(errors.New(target), err))
	}
}

func TestAThrowawayTreeIsJudgedAgainstItsOwnUser(t *testing.T) {
	t.Parallel()
	_, dir := shared(t)
	must(t, os.Chown(dir, attacker, attacker))
	user := process(t, "own", dir)
	user.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: attacker, Gid: attacker}}
	if err := user.Run(); err != nil {
		t.Error(err)
	}
	if data, err := os.ReadFile(filepath.Join(dir, "real/file")); string(data) != "x" || err != nil {
		t.Errorf("%q, %v", data, err)
	}
}

func TestATreeIsGivenAwayWhole(t *testing.T) {
	t.Parallel()
	h, dir := shared(t)
	must(t, h.Files.MakeDirectory("/srv/app/a/b/c", Attributes{}))
	must(t, os.WriteFile(filepath.Join(dir, "srv/app/a/b/file"), nil, 0o600))
	must(t, os.Symlink("/etc/shadow", filepath.Join(dir, "srv/app/a/link")))
	must(t, os.Symlink("/etc", filepath.Join(dir, "srv/app/a/b/etc")))
	owner := Owner{33, 33}
	files, directories := Attributes{Mode: new(fs.FileMode(0o640)), Owner: &owner}, Attributes{Mode: new(fs.FileMode(0o750)), Owner: &owner}
	if has, err := h.Files.HasBelow(t.Context(), "/srv/app", files, directories); has || err != nil {
		t.Error(has, err)
	}
	must(t, h.Files.SetAttributesBelow(t.Context(), "/srv/app", files, directories))
	if has, err := h.Files.HasBelow(t.Context(), "/srv/app", files, directories); !has || err != nil {
		t.Error(has, err)
	}
	for name, want := range map[string]Owner{
		"srv/app": {}, "srv/app/a": owner, "srv/app/a/b/c": owner, "srv/app/a/b/file": owner, "srv/app/a/link": owner,
		"etc": {}, "etc/shadow": {},
	} {
		if info, err := os.Lstat(filepath.Join(dir, name)); err != nil || ownerOf(info) != want {
			t.Errorf("%s belongs to %v, %v", name, ownerOf(info), err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.Files.SetAttributesBelow(ctx, "/srv/app", files, directories); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end of its context: %v", err)
	}
}

func TestATreeIsCopied(t *testing.T) {
	t.Parallel()
	h, dir := shared(t)
	source := filepath.Join(dir, "usr/share/app")
	must(t, os.MkdirAll(filepath.Join(source, "a/empty"), 0o750))
	must(t, os.WriteFile(filepath.Join(source, "a/file"), []byte("content"), 0o640))
	must(t, os.Chown(filepath.Join(source, "a/file"), 12, 34))
	must(t, os.Symlink("/etc/shadow", filepath.Join(source, "link")))
	isCopied := func(want bool) {
		t.Helper()
		if has, err := h.Files.HasCopy(t.Context(), "/usr/share/app", "/srv/copy", Attributes{}, Attributes{}); has != want || err != nil {
			t.Errorf("it is copied: %v, %v", has, err)
		}
	}
	isCopied(false)
	for range 2 {
		must(t, h.Files.CopyTree(t.Context(), "/usr/share/app", "/srv/copy", Attributes{}, Attributes{}))
		h.Files.Before = func(o Operation) error { return errors.New("the second copy wanted to " + o.Name + " " + o.Object) }
	}
	h.Files.Before = nil
	out, err := exec.Command("diff", "-r", "--no-dereference", source, filepath.Join(dir, "srv/copy")).CombinedOutput()
	if len(out) > 0 || err != nil {
		t.Errorf("%s, %v", out, err)
	}
	info, err := os.Stat(filepath.Join(dir, "srv/copy/a/file"))
	if err != nil || info.Mode() != 0o640 || ownerOf(info) != (Owner{12, 34}) {
		t.Errorf("%v, %v, %v", info.Mode(), ownerOf(info), err)
	}
	isCopied(true)
	for _, spoil := range []func(string) error{
		func(c string) error { return os.WriteFile(c+"/a/file", []byte("CONTENT"), 0o640) },
		func(c string) error { return os.Chmod(c+"/a/file", 0o600) },
		func(c string) error { return os.Chmod(c+"/a/empty", 0o700) },
		func(c string) error { return os.Remove(c + "/a/empty") },
		func(c string) error { return errors.Join(os.Remove(c+"/link"), os.Symlink("/etc/passwd", c+"/link")) },
		func(c string) error { return os.WriteFile(c+"/only-here", nil, 0o600) },
	} {
		must(t, spoil(filepath.Join(dir, "srv/copy")))
		_, err := os.Lstat(filepath.Join(dir, "srv/copy/only-here"))
		isCopied(err == nil)
		must(t, h.Files.CopyTree(t.Context(), "/usr/share/app", "/srv/copy", Attributes{}, Attributes{}))
		isCopied(true)
	}
	if err := h.Files.CopyTree(t.Context(), "/usr/share/app", "/usr/share/app/a/in", Attributes{}, Attributes{}); err == nil ||
		!strings.HasSuffix(err.Error(), ": the copy would lie inside of what is copied") {
		t.Errorf("into itself: %v", err)
	}
	must(t, syscall.Mkfifo(filepath.Join(source, "fifo"), 0o600))
	err = h.Files.CopyTree(t.Context(), "/usr/share/app", "/srv/other", Attributes{}, Attributes{})
	says(t, err, "cannot copy /usr/share/app to /srv/other: /usr/share/app/fifo: it is a FIFO, which cannot be copied")
}

// Each pattern matches what it matches for sh.
func TestPatternsMatchAsInAShell(t *testing.T) {
	t.Parallel()
	h, dir := inMemory(t)
	for _, name := range []string{
		"a/one.conf", "a/two.conf", "a/.hidden.conf", "b/one.conf", "b/x y", "b/[z]", "c", ".d/one.conf", "a/deep/one.conf",
		"é/one.conf", "a/back\\slash",
	} {
		must(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		must(t, os.WriteFile(filepath.Join(dir, name), nil, 0o644))
	}
	must(t, os.Symlink("a", filepath.Join(dir, "linked")))
	must(t, os.Symlink("nowhere", filepath.Join(dir, "dangling")))
	for _, pattern := range []string{
		"/*", "/*/*", "/*/*.conf", "/a/.*.conf", "/.d/*", "/[ab]/one.conf", "/[!a]/one.conf", "/?/*", "/a/one.conf", "/none*", "/*/deep/*",
		"/b/x*", "/linked/*", "/c/*", "/*/one.con[f", "/b/[[]z]", "/a/*.conf/x", "/?/o*f", "/*/back*", "/dang*", "/b/\\[z\\]", "//a///*.conf",
	} {
		script := `cd "$1" && IFS= && for f in .` + pattern +
			`; do if [ -e "$f" ] || [ -L "$f" ]; then printf '%s\n' "$f"; fi; done`
		out, err := exec.Command("bash", "-c", "LC_ALL=C.UTF-8; "+script, "sh", dir).Output()
		must(t, err)
		var want []string
		for line := range strings.Lines(string(out)) {
			want = append(want, filepath.Clean("/"+strings.TrimSuffix(line, "\n")))
		}
		slices.Sort(want)
		got, err := h.Files.Glob(pattern)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s matches %q, %v; for a shell %q", pattern, got, err, want)
		}
	}
}

func TestRemovingStopsAtWhatIsMounted(t *testing.T) {
	t.Parallel()
	h, dir := shared(t)
	for _, name := range []string{"srv/app/inside", "var/lib/kept"} {
		must(t, os.MkdirAll(filepath.Join(dir, name), 0o755))
	}
	must(t, os.WriteFile(filepath.Join(dir, "var/lib/kept/file"), nil, 0o600))
	must(t, unix.Mount(filepath.Join(dir, "var/lib/kept"), filepath.Join(dir, "srv/app/inside"), "", unix.MS_BIND, ""))
	t.Cleanup(func() { unix.Unmount(filepath.Join(dir, "srv/app/inside"), unix.MNT_DETACH) })
	says(t, h.Files.Remove("/srv/app"), "cannot remove /srv/app: a file system is mounted at /srv/app/inside; unmount it first")
	// So does one that is made between the look and the removal.
	p, err := h.Files.locate("/srv/app", way{})
	must(t, err)
	defer p.close()
	mount, err := mountNumber(p.dir, "")
	must(t, err)
	says(t, (&removal{mounts: []uint64{mount}}).remove(p), "a file system is mounted at /srv/app/inside; unmount it first")
	if _, err := os.Stat(filepath.Join(dir, "var/lib/kept/file")); err != nil {
		t.Error(err)
	}
}

// Before Linux 6.6 a mode is changed by the name that /proc has for a descriptor.
func TestAModeIsChangedByDescriptorOnOlderKernelsToo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	fd, err := openat(unix.AT_FDCWD, dir, unix.O_PATH|unix.O_NOFOLLOW, 0)
	must(t, err)
	defer unix.Close(fd)
	must(t, chmodByName(fd, 0o701|fs.ModeSticky))
	if info, err := os.Stat(dir); err != nil || info.Mode() != 0o701|fs.ModeSticky|fs.ModeDir {
		t.Errorf("%v, %v", info, err)
	}
}
