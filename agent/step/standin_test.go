package step

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"oneclick-agent/agent/host"
)

// units stands in for systemd: it writes down what it is asked to do, and answers with the states it was given.
type units struct {
	mu      sync.Mutex
	did     []string
	states  map[string]host.UnitState
	stopped bool // the system does not run
	fails   string
}

var errUnit = errors.New("the job failed")

func (u *units) Do(_ context.Context, verb host.Verb, unit string) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.did = append(u.did, string(verb)+" "+unit)
	if u.fails == string(verb)+" "+unit {
		return errUnit
	}
	return nil
}

func (u *units) State(_ context.Context, unit string) (host.UnitState, error) {
	state, ok := u.states[unit]
	if !ok {
		return state, errors.New("cannot ask about " + unit)
	}
	return state, nil
}

func (u *units) DaemonReload(ctx context.Context) error { return u.Do(ctx, "daemon-reload", "") }
func (u *units) Running() bool                          { return !u.stopped }
func (u *units) Close()                                 {}

func (u *units) list() string { return strings.Join(u.did, ", ") }

// tree opens an empty directory as a machine that does not run, with these files in it.
func tree(t testing.TB, files map[string]string) (*host.Host, string) {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"etc", "root", "tmp", "var/lib/oneclick"} {
		must(t, os.MkdirAll(filepath.Join(dir, name), 0o755))
	}
	put(t, dir, map[string]string{"etc/passwd": "root:x:0:0::/root:/bin/sh\napp:x:1234:1235::/home/app:/bin/sh\n",
		"etc/group": "root:x:0:\napp:x:1235:\n"})
	put(t, dir, files)
	h, err := host.Open(dir)
	must(t, err)
	t.Cleanup(func() { h.Close() })
	return h, dir
}

func put(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		must(t, os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755))
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644))
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// says holds an error against its whole text.
func says(t testing.TB, err error, want string) {
	t.Helper()
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func finds(t testing.TB, h *host.Host, s Step, want State) {
	t.Helper()
	if got, err := s.Check(t.Context(), h); got != want || err != nil {
		t.Errorf("the check finds %v, %v; want %v", got, err, want)
	}
}

// applied is whether a step has something to do, does it, and then has nothing left to do; the second time round it
// changes nothing either.
func applied(t testing.TB, h *host.Host, s Step) {
	t.Helper()
	finds(t, h, s, Unmet)
	for range 2 {
		must(t, s.Apply(t.Context(), h))
		finds(t, h, s, Met)
	}
}

func needRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can enter a tree, and give files away")
	}
}

// onMachine calls use with this very machine, whose /usr/local/sbin is an empty directory of the test's own, and which has no
// firewall. Only the thread that use runs on sees it so, and the commands that are started from there.
func onMachine(t testing.TB, use func(h *host.Host, sbin string)) {
	t.Helper()
	needRoot(t)
	const sbin = "/usr/local/sbin"
	prepare := func() error {
		runtime.LockOSThread() // never unlocked: the thread ends with its goroutine
		if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_FS); err != nil {
			return err
		}
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			return err
		}
		for _, directory := range []string{"/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"} {
			for _, program := range []string{"ufw", "firewall-cmd"} {
				err := unix.Mount("/dev/null", directory+"/"+program, "", unix.MS_BIND, "")
				if err != nil && !errors.Is(err, fs.ErrNotExist) {
					return err
				}
			}
		}
		return unix.Mount("tmpfs", sbin, "tmpfs", 0, "mode=755")
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := prepare(); err != nil {
			t.Errorf("cannot set up a machine of its own: %v", err)
			return
		}
		h, err := host.Open("/")
		if err != nil {
			t.Error(err)
			return
		}
		defer h.Close()
		use(h, sbin)
	}()
	<-done
}
