package firstboot

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"oneclick-agent/agent/facts"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/journal"
)

const onADisk = `
secrets: {one: {}}
first_boot:
  - {file: /t/one, content: "{{ .secrets.one }}"}
  - {file: /t/two, content: "{{ .secrets.one }} {{ .droplet.name }}"}
`

// disk mounts a file system in memory as a tree of this setup.
func disk(t *testing.T, options string) string {
	t.Helper()
	needRoot(t)
	root := t.TempDir()
	if err := unix.Mount("tmpfs", root, "tmpfs", 0, options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(root, unix.MNT_DETACH) })
	for _, files := range []map[string]string{accounts, appYAML(onADisk)} {
		for name, content := range files {
			target := filepath.Join(root, name)
			if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(target, []byte(content), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	return root
}

// fill takes what is left of the space of a disk, and of its inodes, and returns what gives them back.
func fill(t *testing.T, root string) (free func()) {
	t.Helper()
	directory := filepath.Join(root, "filling")
	if err := os.Mkdir(directory, 0o755); err != nil {
		t.Fatal(err)
	}
	block := make([]byte, 4096)
	for n := 0; ; n++ {
		file := filepath.Join(directory, strings.Repeat("x", n%200+1)+string(rune('a'+n/200)))
		if os.WriteFile(file, block, 0o600) != nil {
			break
		}
	}
	return func() { os.RemoveAll(directory) }
}

// readOnly mounts a disk so that nothing can be written.
func readOnly(t *testing.T, root string) (free func()) {
	t.Helper()
	if err := unix.Mount("", root, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	return func() { unix.Mount("", root, "", unix.MS_REMOUNT, "") }
}

// Where the disk takes nothing more, a rotation leaves every file whole and with one value, says why, and the next run
// after the cause is gone brings one value everywhere.
func TestADiskThatTakesNothingLeavesWholeFiles(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		options string
		cause   func(*testing.T, string) func()
		words   string
	}{
		"no space":  {"size=8m", fill, "no space left on device"},
		"no inodes": {"size=8m,nr_inodes=200", fill, "no space left on device; free some space and run this again"},
		"read-only": {"size=8m", readOnly, "read-only file system"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := disk(t, test.options)
			if phase, err := boot(t, root, nil); phase != journal.Done {
				t.Fatalf("first boot is %s: %v", phase, err)
			}
			rotate := func(f *facts.Facts) (journal.Phase, error) { return Rotate(t.Context(), f, []string{"one"}) }
			old := stored(root)["one"]
			free := test.cause(t, root)
			phase, err := on(t, root, nil, rotate)
			if phase != journal.Failed || err == nil || !strings.Contains(err.Error(), test.words) {
				t.Errorf("the rotation is %s: %v", phase, err)
			}
			one := stored(root)["one"]
			for file, suffix := range map[string]string{"t/one": "", "t/two": " sample"} {
				if got := contentOf(root, file); got != old+suffix && got != one+suffix {
					t.Errorf("/%s is %q meanwhile", file, got)
				}
			}
			free()
			if phase, err := on(t, root, nil, rotate); phase != journal.Done {
				t.Fatalf("with the cause gone it is %s: %v", phase, err)
			}
			one = stored(root)["one"]
			if one == old || contentOf(root, "t/one") != one || contentOf(root, "t/two") != one+" sample" {
				t.Errorf("in the end /t/one is %q, /t/two %q, and the store has %q", contentOf(root, "t/one"), contentOf(root, "t/two"), one)
			}
		})
	}
}

// A first boot on a disk that is full resumes by itself once there is room, and makes its secret once.
func TestAFirstBootOnAFullDiskResumes(t *testing.T) {
	t.Parallel()
	root := disk(t, "size=8m")
	free := fill(t, root)
	if phase, err := boot(t, root, nil); phase != journal.Failed || err == nil || !strings.Contains(err.Error(), "no space left on device") {
		t.Errorf("with a full disk it is %s: %v", phase, err)
	}
	was := stored(root)["one"]
	free()
	if phase, err := boot(t, root, nil); phase != journal.Done {
		t.Fatalf("with room it is %s: %v", phase, err)
	}
	if one := stored(root)["one"]; was != "" && one != was || contentOf(root, "t/one") != one {
		t.Errorf("/t/one is %q, the store has %q, and had %q", contentOf(root, "t/one"), one, was)
	}
}

// A clock that is wrong by years in either direction, in any run, stops no setup and no change.
func TestAClockThatIsWrongByYearsStopsNothing(t *testing.T) {
	t.Parallel()
	needRoot(t)
	root := newTree(t, accounts, appYAML(onADisk))
	for i, year := range []int{2060, 1970, 2026, 2055} {
		names := []string{"one", "two", "three", "four"}
		world{id: "1", address: "203.0.113.1", name: names[i]}.tell(t, root)
		phase, err := on(t, root, nil, func(f *facts.Facts) (journal.Phase, error) {
			f.Host.Now = func() time.Time { return time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC) }
			return Run(t.Context(), f, false)
		})
		if want := stored(root)["one"] + " " + names[i]; phase != journal.Done || contentOf(root, "t/two") != want {
			t.Errorf("in %d it is %s: %v; /t/two is %q", year, phase, err, contentOf(root, "t/two"))
		}
	}
}

// Once the clock is right again, credentials that came meanwhile are not overlooked because an earlier run says that it ended
// in the future.
func TestARunThatEndedInTheFutureProvesNothing(t *testing.T) {
	t.Parallel()
	needRoot(t)
	root := newTree(t, accounts, appYAML(onADisk))
	h, err := host.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	future := time.Now().AddDate(20, 0, 0)
	if phase, err := on(t, root, nil, func(f *facts.Facts) (journal.Phase, error) {
		f.Host.Now = func() time.Time { return future }
		return Run(t.Context(), f, false)
	}); phase != journal.Done {
		t.Fatalf("it is %s: %v", phase, err)
	}
	if err := os.Chtimes(filepath.Join(root, "run/oneclick/motd"), future, future.Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	if phase, already := AlreadyComplete(t.Context(), h); already {
		t.Errorf("it is taken for complete (%s) by what a wrong clock says", phase)
	}
}
