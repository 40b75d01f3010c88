package disk

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"oneclick-agent/agent/host"
)

// TestErasingLeavesNothingReadableOnTheDisk plants files and names, removes them, erases, and reads the raw disk.
func TestErasingLeavesNothingReadableOnTheDisk(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounts a loop device; run as root, as make test does")
	}
	for _, test := range []struct {
		name    string
		make    []string
		discard bool // whether the disk takes discards; where it does not, what is gone was overwritten
	}{
		{"ext4", []string{"mkfs.ext4", "-q"}, false},
		{"ext4 with discards", []string{"mkfs.ext4", "-q"}, true},
		{"xfs with discards", []string{"mkfs.xfs", "-q"}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			image, point := mountImage(t, test.make)
			root, err := host.OpenRoot(point)
			if err != nil {
				t.Fatal(err)
			}
			root.Before = func(o host.Operation) error {
				if o.Name == "discard" && !test.discard {
					return errors.New("as on a disk that takes no discards")
				}
				return nil
			}
			plantAndRemove(t, point)
			if left := readable(t, image); left.contents == 0 {
				t.Fatalf("nothing is readable before erasing, so that this test shows nothing: %+v", left)
			}
			var seen int64
			erased, err := EraseFree(t.Context(), root, root.Mounts()[0], func(done, total int64) { seen = max(seen, done) })
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%s: %+v", test.name, erased)
			if test.discard != erased.Trimmed || test.discard == (seen > 0 && erased.Zeroed > 0) {
				t.Errorf("the wrong way was gone: %+v, seen %d", erased, seen)
			}
			root.Close()
			run(t, "umount", point)
			if left := readable(t, image); left != (leftovers{}) {
				t.Errorf("still readable on the disk: %+v", left)
			}
		})
	}
}

// mountImage makes a file system in a file, 700 MB large, and mounts it.
func mountImage(t *testing.T, mkfs []string) (image, point string) {
	t.Helper()
	directory := t.TempDir()
	image, point = filepath.Join(directory, "disk.img"), filepath.Join(directory, "mounted")
	run(t, "truncate", "-s", "700M", image)
	run(t, mkfs[0], append(mkfs[1:], image)...)
	if err := os.Mkdir(point, 0o755); err != nil {
		t.Fatal(err)
	}
	run(t, "mount", "-o", "loop", image, point)
	t.Cleanup(func() { exec.Command("umount", "--lazy", point).Run() })
	return image, point
}

func run(t *testing.T, name string, arguments ...string) {
	t.Helper()
	if out, err := exec.Command(name, arguments...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v: %s", name, arguments, err, out)
	}
}

const marker = "MARKER-of-a-deleted-file"

// plantAndRemove leaves what a build leaves: one large file, many small ones, and their names; all removed.
func plantAndRemove(t *testing.T, point string) {
	t.Helper()
	large := make([]byte, 100<<20)
	rand.Read(large)
	write := func(name string, data []byte) {
		if err := os.WriteFile(filepath.Join(point, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("large", large)
	for n := range 100 {
		write(fmt.Sprintf("small%d", n), bytes.Repeat([]byte(fmt.Sprintf("%s-%d\n", marker, n)), 140))
	}
	if err := os.Mkdir(filepath.Join(point, "names"), 0o755); err != nil {
		t.Fatal(err)
	}
	for n := range 50 {
		write(fmt.Sprintf("names/NAMEOFDELETED%d", n), nil)
	}
	run(t, "sync", "-f", point)
	for _, glob := range []string{"large", "small*", "names/*"} {
		found, _ := filepath.Glob(filepath.Join(point, glob))
		for _, file := range found {
			os.Remove(file)
		}
	}
	os.Remove(filepath.Join(point, "names"))
	run(t, "sync", "-f", point)
}

type leftovers struct{ contents, names int }

// readable counts what of it can be read from the raw disk.
func readable(t *testing.T, image string) leftovers {
	t.Helper()
	disk, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	count := func(pattern string) int {
		found := map[string]bool{}
		for _, match := range regexp.MustCompile(pattern).FindAll(disk, -1) {
			found[string(match)] = true
		}
		return len(found)
	}
	return leftovers{count(marker + `-\d+\n`), count(`NAMEOFDELETED\d+`)}
}
