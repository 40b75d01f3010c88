package host

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// roleVariable names, in the environment of this test program, what it is to do in the place of running tests.
const roleVariable = "ONECLICK_TEST_ROLE"

// TestMain lets tests start this program again as another process: a writer, a locker, an attacker.
func TestMain(m *testing.M) {
	roles := map[string]func(argument string){
		"write": writeForEver, "hold": holdForEver, "wait": waitForEver, "attack": attack, "own": ownTree,
	}
	name, argument, _ := strings.Cut(os.Getenv(roleVariable), " ")
	if role, ok := roles[name]; ok {
		role(argument)
		return
	}
	os.Exit(m.Run())
}

// process starts this program again in another role. It is killed when the test ends.
func process(t testing.TB, role, argument string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), roleVariable+"="+role+" "+argument)
	cmd.Stderr = os.Stderr
	t.Cleanup(func() {
		if cmd.Process != nil {
			cmd.Process.Kill()
			cmd.Wait()
		}
	})
	return cmd
}

// fatal ends a role.
func fatal(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "the other process:", err)
		os.Exit(1)
	}
}

// says holds an error against its whole text.
func says(t testing.TB, err error, want string) {
	t.Helper()
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func ownerOf(info os.FileInfo) Owner {
	stat := info.Sys().(*syscall.Stat_t)
	return Owner{int(stat.Uid), int(stat.Gid)}
}

// inMemory opens a tree on a file system of its own in memory, that every account may enter: many thousand writes are
// quick there.
func inMemory(t testing.TB) (*Host, string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "oneclick-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if os.Geteuid() == 0 {
		if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=256m,mode=755"); err != nil {
			t.Fatalf("cannot mount a file system in memory: %v", err)
		}
		t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	}
	h, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h, dir
}
