package support_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"oneclick-agent/agent/state"
	"oneclick-agent/agent/support"
)

// Another account may have put a link where the archive is to be, or own the directory: nothing of others is overwritten, and
// the archive is root's alone.
func TestTheArchiveGoesWhereNobodyElseCanReadIt(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root: another account owns a directory")
	}
	root := t.TempDir()
	h := open(t, root)
	write := func(file string) error {
		_, err := support.Write(t.Context(), support.Case{Host: h, Manifest: state.Manifest}, file)
		return err
	}
	plant(t, root, "etc/victim", "untouched")
	plant(t, root, "srv/theirs/old", "theirs")
	must(t, os.Chmod(filepath.Join(root, "srv/theirs/old"), 0o666))
	must(t, os.Link(filepath.Join(root, "srv/theirs/old"), filepath.Join(root, "srv/theirs/linked")))
	must(t, os.Symlink("/etc/victim", filepath.Join(root, "srv/theirs/link")))
	must(t, os.Symlink("/etc", filepath.Join(root, "srv/theirs/directory")))
	for _, name := range []string{"srv/theirs", "srv/theirs/old"} {
		must(t, os.Chown(filepath.Join(root, name), 65534, 65534))
	}
	const refused = "/srv/theirs belongs to 65534, so a link there is not followed; remove the link "
	for file, want := range map[string]string{
		"/srv/theirs/link":           refused + "/srv/theirs/link, or name what it leads to",
		"/srv/theirs/directory/file": refused + "/srv/theirs/directory, or name what it leads to",
		"/nowhere/file":              "no such file or directory",
		"/etc":                       "it is a directory, not a regular file",
	} {
		want = "cannot write " + file + ": " + want + "; write it elsewhere with --output, for instance to /dev/shm/support.tar.gz"
		if err := write(file); err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
	for _, file := range []string{"/srv/theirs/old", "/srv/theirs/linked", "/srv/theirs/new"} {
		must(t, write(file))
		info, err := os.Stat(filepath.Join(root, file))
		must(t, err)
		if stat := info.Sys().(*syscall.Stat_t); info.Mode() != 0o600 || stat.Uid != 0 || stat.Gid != 0 || stat.Nlink != 1 {
			t.Errorf("%s has mode %v, %d names, and is of %d:%d", file, info.Mode(), stat.Nlink, stat.Uid, stat.Gid)
		}
	}
	if data, err := os.ReadFile(filepath.Join(root, "etc/victim")); string(data) != "untouched" {
		t.Errorf("the victim is %q, %v", data, err)
	}
}

// What is too large is told by its end, and whoever interrupts gets no half of an archive.
func TestTheArchiveIsBounded(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	line := strings.Repeat("x", 99) + "\n"
	plant(t, root, "etc/oneclick/app.yaml", "version: 1\n#"+strings.Repeat(line, 20_000)+"# the end\n")
	for n := range 40 {
		plant(t, root, fmt.Sprintf("var/lib/oneclick/output/%d", n), strings.Repeat(line, 9_000))
	}
	h := open(t, root)
	parts, told := archived(t, h, "")
	if got := parts["app.yaml"]; len(got) > 1<<20+100 || !strings.HasPrefix(got, "[the first 951446 bytes are left out]\nxxx") ||
		!strings.HasSuffix(got, "# the end\n") {
		t.Errorf("the manifest has %d bytes, and begins with %.60s", len(got), got)
	}
	total := 0
	for _, part := range told.Parts {
		total += part.Bytes
	}
	last := told.Missing[len(told.Missing)-1]
	for _, missing := range told.Missing {
		if strings.HasPrefix(missing.Name, "output/") {
			last = missing
		}
	}
	if total > 24<<20 || total < 20<<20 || last.Reason != "the archive would become larger than 24 MB" {
		t.Errorf("all together has %d bytes, and %s is missing: %s", total, last.Name, last.Reason)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	const want = "cannot write /root/case.tar.gz: it was interrupted; nothing was written"
	if _, err := support.Write(ctx, support.Case{Host: h, Manifest: state.Manifest}, "/root/case.tar.gz"); err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}
