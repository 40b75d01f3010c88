package snapshot

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestAHostileTreeHarmsNothing has in it whatever a file system can hold that a cleaner and a checker could trip over.
func TestAHostileTreeHarmsNothing(t *testing.T) {
	t.Parallel()
	tr := newTree(t)
	outside := t.TempDir()
	secret := filepath.Join(outside, "secret")
	if err := os.WriteFile(secret, []byte(privateKey), 0o600); err != nil {
		t.Fatal(err)
	}
	hard := filepath.Join(outside, "hard")
	os.WriteFile(hard, []byte("two names\n"), 0o600)

	tr.write("/var/log/beside", "")
	os.Symlink(secret, tr.path("/var/log/escape.log"))                    // an absolute link out of the tree
	os.Symlink("../../../../../../../../"+secret, tr.path("/tmp/escape")) // a relative one
	os.Symlink(outside, tr.path("/var/log/escape"))                       // a directory outside
	os.Symlink("loop", tr.path("/var/log/loop"))                          // a loop
	os.Symlink("/tmp", tr.path("/tmp/itself"))                            // a way round
	os.Link(hard, tr.path("/var/log/hard.log"))                           // the same file outside
	syscall.Mkfifo(tr.path("/tmp/pipe"), 0o644)                           // nobody ever writes to it
	syscall.Mkfifo(tr.path("/root/.bash_history"), 0o644)                 // where a history is read
	syscall.Mkfifo(tr.path("/etc/app.env"), 0o644)                        // where settings are read
	os.Remove(tr.path("/etc/hostname"))
	syscall.Mkfifo(tr.path("/etc/hostname"), 0o644)
	if os.Geteuid() == 0 {
		unix.Mknod(tr.path("/var/log/device.log"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3)))
		unix.Mknod(tr.path("/tmp/zero"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 5))) // endless
	}
	unix.Mknod(tr.path("/tmp/socket"), unix.S_IFSOCK|0o666, 0)
	sparse, err := os.Create(tr.path("/var/log/lastlog"))
	if err != nil {
		t.Fatal(err)
	}
	sparse.Truncate(10 << 30)
	sparse.Close()
	big, _ := os.Create(tr.path("/opt-sparse.img"))
	big.Truncate(10 << 30)
	big.WriteAt([]byte(privateKey), 5<<30)
	big.Close()
	escape := "/var/log/a\nb\x1b]0;owned\x07\x1b[2J.log"
	tr.write(escape, "text\n")
	tr.write("/etc/x\x1b[31m.swp", "")
	tr.write("/root/.\x1b[31mred_history", "text\n")
	tr.write("/etc/passwd", passwd+"evil\x1b[2J:x:0:0::/root:/bin/sh\nshort:line\nbad:x:notanumber:0::/:/bin/sh\n:::::::\n")
	deep := tr.path("/var/log")
	for range 60 {
		deep = filepath.Join(deep, "deep")
	}
	os.MkdirAll(deep, 0o755)

	done := make(chan Report)
	go func() { done <- tr.run(Options{}) }()
	var report Report
	select {
	case report = <-done:
	case <-time.After(2 * time.Minute):
		t.Fatal("it hangs")
	}
	if data, err := os.ReadFile(secret); err != nil || string(data) != privateKey {
		t.Errorf("the file outside was changed: %v", err)
	}
	if data, err := os.ReadFile(hard); err != nil || string(data) != "two names\n" {
		t.Errorf("the file with a second name outside was changed: %q, %v", data, err)
	}
	for _, name := range []string{"/var/log/lastlog", escape} {
		if info, err := os.Lstat(tr.path(name)); err == nil && info.Size() > 0 {
			t.Errorf("%q is not emptied", name)
		}
	}
	if tr.exists("/tmp/pipe") || tr.exists("/tmp/escape") || tr.exists("/tmp/socket") {
		t.Error("something is left in /tmp")
	}
	if worst, subjects := report.verdict("secrets.private_key"); worst != Fail || len(subjects) != 1 || subjects[0] != "/opt-sparse.img" {
		t.Errorf("in the holes of a sparse file: %s on %q", worst, subjects)
	}
	var text, encoded bytes.Buffer
	report.WriteText(&text)
	report.WriteJSON(&encoded)
	for _, out := range []string{text.String(), encoded.String()} {
		if strings.ContainsAny(out, "\x1b\x07") {
			t.Errorf("an escape sequence reaches the terminal:\n%q", out)
		}
	}
}

// TestWhatIsMountedInTheTreeIsNotTouched: a bind mount of a directory outside, and an overlay.
func TestWhatIsMountedInTheTreeIsNotTouched(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounts; run as root, as make test does")
	}
	t.Parallel()
	tr := newTree(t)
	outside := t.TempDir()
	os.WriteFile(filepath.Join(outside, "kept"), []byte(privateKey), 0o600)
	for _, point := range []string{"/tmp/bound", "/var/log/bound", "/tmp/inside/bound"} {
		os.MkdirAll(tr.path(point), 0o755)
		mountAt(t, tr.path(point), "--bind", outside)
	}
	lower, upper, work := t.TempDir(), t.TempDir(), t.TempDir()
	os.WriteFile(filepath.Join(lower, "below.log"), []byte("below\n"), 0o644)
	os.MkdirAll(tr.path("/var/log/overlay"), 0o755)
	if out, err := exec.Command("mount", "-t", "overlay", "-o", fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", lower, upper, work),
		"overlay", tr.path("/var/log/overlay")).CombinedOutput(); err != nil {
		t.Logf("no overlay here: %s", out)
	}
	t.Cleanup(func() { exec.Command("umount", "--lazy", tr.path("/var/log/overlay")).Run() })

	report := tr.run(Options{})
	if data, err := os.ReadFile(filepath.Join(outside, "kept")); err != nil || string(data) != privateKey {
		t.Errorf("what is mounted was changed: %v", err)
	}
	if data, err := os.ReadFile(tr.path("/var/log/overlay/below.log")); err == nil && string(data) != "below\n" {
		t.Error("a file of the overlay was emptied")
	}
	if worst, subjects := report.verdict("secrets.private_key"); worst == Fail {
		t.Errorf("what is mounted was read: %q", subjects)
	}
	// A directory with something mounted in it stays, and is told.
	if worst, subjects := report.verdict("temporary.files"); worst != Warn || len(subjects) != 1 || subjects[0] != "/tmp/inside" {
		t.Errorf("temporary.files is %s on %q", worst, subjects)
	}
}

// withoutProc is the tree that the test binary cleans when it is started once more, in a mount namespace of its own.
const withoutProc = "SNAPSHOT_TEST_WITHOUT_PROC"

// TestWithoutProcWhatIsMountedStays cleans where there is no /proc, as in the chroot of many an image builder: a
// directory and two files are mounted in the tree, all of them from the file system that the tree is on.
func TestWithoutProcWhatIsMountedStays(t *testing.T) {
	if directory := os.Getenv(withoutProc); directory != "" {
		mountAt(t, "/", "--make-rprivate")
		mountAt(t, "/proc", "-t", "tmpfs", "none")
		report := (&tree{t, directory}).run(Options{})
		report.WriteJSON(os.Stdout)
		return
	}
	if os.Geteuid() != 0 {
		t.Skip("mounts; run as root, as make test does")
	}
	t.Parallel()
	tr := newTree(t)
	outside := t.TempDir()
	memory := strings.Repeat("memory", 2000)
	for _, name := range []string{"kept", "swap", "log", "linked"} {
		os.WriteFile(filepath.Join(outside, name), []byte(memory), 0o600)
	}
	for target, source := range map[string]string{
		"/tmp/bound/":      outside,
		"/swapfile":        outside + "/swap",
		"/var/log/app.log": outside + "/log",
	} {
		if strings.HasSuffix(target, "/") {
			os.MkdirAll(tr.path(target), 0o755)
		} else {
			tr.write(target, "")
		}
		mountAt(t, tr.path(target), "--bind", source)
	}
	if err := os.Link(filepath.Join(outside, "linked"), tr.path("/swap.img")); err != nil {
		t.Fatal(err)
	}
	tr.write("/etc/fstab", "/swapfile none swap sw 0 0\n/swap.img none swap sw 0 0\n")
	tr.write("/tmp/gone", "x")
	cmd := exec.Command(os.Args[0], "-test.run=^TestWithoutProcWhatIsMountedStays$")
	cmd.Env, cmd.SysProcAttr = append(os.Environ(), withoutProc+"="+tr.dir), &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, name := range []string{"kept", "swap", "log", "linked"} {
		if data, err := os.ReadFile(filepath.Join(outside, name)); err != nil || string(data) != memory {
			t.Errorf("%s was changed: %v, %d bytes", name, err, len(data))
		}
	}
	if tr.exists("/tmp/gone") {
		t.Errorf("what is not mounted was not cleaned: %s", out)
	}
	if want := "the same file has another name, which would lose its content too; remove one of them"; !strings.Contains(
		string(out),
		want,
	) {
		t.Errorf("the swap file with two names is not told: %s", out)
	}
}

// mountAt mounts something until the test ends.
func mountAt(t *testing.T, point string, arguments ...string) {
	t.Helper()
	if out, err := exec.Command("mount", append(arguments, point)...).CombinedOutput(); err != nil {
		t.Fatalf("mount %v %s: %v: %s", arguments, point, err, out)
	}
	if point != "/" {
		t.Cleanup(func() { exec.Command("umount", "--lazy", point).Run() })
	}
}

// TestFilesThatCannotBeChangedOrReadAreTold: one that is immutable, and one that is gone or grows while it is read.
func TestFilesThatCannotBeChangedOrReadAreTold(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("makes a file immutable; run as root, as make test does")
	}
	t.Parallel()
	tr := newTree(t)
	tr.write("/root/.bash_history", "export TOKEN=x\n")
	if out, err := exec.Command("chattr", "+i", tr.path("/root/.bash_history")).CombinedOutput(); err != nil {
		t.Skipf("this file system has no immutable files: %s", out)
	}
	t.Cleanup(func() { exec.Command("chattr", "-i", tr.path("/root/.bash_history")).Run() })
	stop := make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
				name := tr.path(fmt.Sprintf("/opt/moving%d", n%3))
				os.MkdirAll(filepath.Dir(name), 0o755)
				os.WriteFile(name, bytes.Repeat([]byte("x"), 1<<(n%16)), 0o644)
				os.Remove(tr.path(fmt.Sprintf("/opt/moving%d", (n+1)%3)))
			}
		}
	})
	report := tr.run(Options{})
	close(stop)
	group.Wait()
	worst, subjects := report.verdict("history.shells")
	if worst != Fail || len(subjects) != 1 || subjects[0] != "/root/.bash_history" {
		t.Errorf("history.shells is %s on %q", worst, subjects)
	}
	for _, check := range report.Checks {
		if check.ID == "history.shells" &&
			(!strings.Contains(check.Message, "operation not permitted") || check.Remedy != "deal with it by hand, then run this again") {
			t.Errorf("it is told as %q, %q", check.Message, check.Remedy)
		}
	}
}

// TestAnInterruptedRunIsStartedAgain cancels a run after each report of progress in turn.
func TestAnInterruptedRunIsStartedAgain(t *testing.T) {
	t.Parallel()
	for stopAt := 1; ; stopAt += 7 {
		tr := newTree(t)
		tr.plant("kept.txt") // sshd's settings say where keys are
		planted := tr.plant("leftovers.txt")
		image := tr.look()
		ctx, cancel := context.WithCancel(t.Context())
		lines := 0
		image.Progress = func(string, string) {
			if lines++; lines == stopAt {
				cancel()
			}
		}
		_, err := Run(ctx, image, Options{})
		cancel()
		if err == nil {
			return // it came to its end before
		}
		if want := "interrupted"; !strings.Contains(err.Error(), want) {
			t.Fatalf("stopped at %d: %v", stopAt, err)
		}
		tr.run(Options{})
		if left := tr.left(planted); len(left) > 0 {
			t.Errorf("stopped at %d and started again, this is left: %v", stopAt, left)
		}
	}
}
