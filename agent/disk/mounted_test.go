package disk

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"oneclick-agent/agent/host"
)

// inNamespace tells the test binary, started once more in a mount namespace of its own, which case to play on which tree.
const inNamespace = "DISK_TEST_IN_NAMESPACE"

// What everything says where the kernel tells what is mounted, whether or not /proc is there to list it.
const toldOfMounts = `empty /log: cannot empty /log: it is mounted there, and is not part of the image; unmount it first
empty /linked: cannot empty /linked: the same file has another name, which would lose its content too; remove one of them
empty /plain: done
zero /swapfile: cannot overwrite the swap file /swapfile: it is mounted there, and is not part of the image; unmount it first
zero /linked: cannot overwrite the swap file /linked: the same file has another name, which would lose its content too; remove one of them
discard /log: cannot remove /log: a file system is mounted at /log; unmount it first
discard /tmp: cannot remove /tmp: a file system is mounted at /tmp/bound; unmount it first
discard /memory/inside: cannot remove /memory/inside: a file system is mounted at /memory/inside; unmount it first
discard /linked: done
discard /gone: done
remove /tmp: cannot remove /tmp: a file system is mounted at /tmp/bound; unmount it first
remove /log: cannot remove /log: a file system is mounted at /log; unmount it first
remove /memory/inside: done
`

// What everything says where it cannot be told, each behind its own words for what it could not do.
const untold = "this kernel does not tell which mount a file is on, as Linux does from 5.8 on: operation not supported"

// TestWhatIsMountedIsNeitherEmptiedNorRemovedNorZeroed has a directory, two files and a file system in memory mounted in a
// tree, all but the last from the file system that the tree is on, and a file with a second name outside.
func TestWhatIsMountedIsNeitherEmptiedNorRemovedNorZeroed(t *testing.T) {
	if which, dir, playing := strings.Cut(os.Getenv(inNamespace), " "); playing {
		play(t, which, dir)
		return
	}
	if os.Geteuid() != 0 {
		t.Skip("mounts; run as root, as make test does")
	}
	t.Parallel()
	for _, which := range []string{"with /proc", "without /proc", "not told"} {
		t.Run(which, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			content := strings.Repeat("content", 2000)
			for _, name := range []string{
				"outside/kept", "outside/swap", "outside/log", "outside/linked", "tree/plain", "tree/gone",
				"tree/tmp/a", "tree/tmp/bound/", "tree/log", "tree/swapfile", "tree/memory/",
			} {
				os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755)
				if !strings.HasSuffix(name, "/") {
					os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600)
				}
			}
			if err := os.Link(filepath.Join(dir, "outside/linked"), filepath.Join(dir, "tree/linked")); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()[:strings.Index(t.Name(), "/")]+"$")
			cmd.Env = append(os.Environ(), inNamespace+"="+strings.ReplaceAll(which, " ", "-")+" "+dir)
			cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			said, _, _ := strings.Cut(string(out), "PASS")
			if want := toldOfMounts; which != "not told" && said != want {
				t.Errorf("said\n%s\nand not\n%s", said, want)
			}
			kept := []string{"outside/kept", "outside/swap", "outside/log", "outside/linked"}
			if which == "not told" {
				kept = append(kept, "tree/plain", "tree/gone", "tree/tmp/a", "tree/linked")
				for line := range strings.Lines(said) {
					if !strings.Contains(line, untold) {
						t.Errorf("said %s", line)
					}
				}
			}
			for _, name := range kept {
				if data, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(data) != content {
					t.Errorf("%s was changed: %v, %d bytes", name, err, len(data))
				}
			}
		})
	}
}

// play does everything that changes or removes to a tree, in a namespace of its own, and prints what each came to.
func play(t *testing.T, which, dir string) {
	mount := func(source, point, kind string, flags uintptr) {
		t.Helper()
		if err := unix.Mount(source, point, kind, flags, ""); err != nil {
			t.Fatalf("cannot mount %s at %s: %v", source, point, err)
		}
	}
	tree := filepath.Join(dir, "tree")
	mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE)
	for source, point := range map[string]string{"outside": "tmp/bound", "outside/swap": "swapfile", "outside/log": "log"} {
		mount(filepath.Join(dir, source), filepath.Join(tree, point), "", unix.MS_BIND)
	}
	mount("none", filepath.Join(tree, "memory"), "tmpfs", 0)
	os.WriteFile(filepath.Join(tree, "memory/inside"), nil, 0o600)
	switch which {
	case "without-/proc":
		mount("none", "/proc", "tmpfs", 0)
	case "not-told":
		forbid(t, map[uint32]syscall.Errno{unix.SYS_STATX: unix.ENOSYS, unix.SYS_NAME_TO_HANDLE_AT: unix.EOPNOTSUPP})
	}
	files, err := host.OpenRoot(tree)
	if err != nil {
		t.Fatal(err)
	}
	defer files.Close()
	empty := func(path string) error { return Empty(files, path, true) }
	zero := func(path string) error { return ZeroSwap(files, path) }
	discard := func(path string) error { return Discard(files, path, true) }
	for _, act := range []struct {
		name  string
		do    func(path string) error
		paths []string
	}{
		{"empty", empty, []string{"/log", "/linked", "/plain"}},
		{"zero", zero, []string{"/swapfile", "/linked"}},
		{"discard", discard, []string{"/log", "/tmp", "/memory/inside", "/linked", "/gone"}},
		{"remove", files.Remove, []string{"/tmp", "/log", "/memory/inside"}},
	} {
		for _, path := range act.paths {
			if err := act.do(path); err != nil {
				fmt.Printf("%s %s: %v\n", act.name, path, err)
			} else {
				fmt.Printf("%s %s: done\n", act.name, path)
			}
		}
	}
}

// forbid has the kernel answer calls of this process with an error, as an older kernel or file system does (seccomp(2)).
func forbid(t *testing.T, calls map[uint32]syscall.Errno) {
	t.Helper()
	program := []unix.SockFilter{{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}} // the number of the call
	for call, answer := range calls {
		program = append(program,
			unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: call},
			unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(answer)})
	}
	program = append(program, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW})
	rules := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC,
		uintptr(unsafe.Pointer(&rules)))
	if errno != 0 {
		t.Fatalf("cannot forbid system calls: %v", errno)
	}
}

// TestNothingIsErasedWhereAnotherFileSystemIsMountedByNow keeps the one that was found from being taken for the one there.
func TestNothingIsErasedWhereAnotherFileSystemIsMountedByNow(t *testing.T) {
	t.Parallel()
	files, err := host.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer files.Close()
	os.Mkdir(filepath.Join(files.Dir(), "boot"), 0o755)
	_, err = EraseFree(t.Context(), files, host.Mount{Point: "/boot", Type: "ext4", Number: 1 << 40}, nil)
	want := "cannot erase the free space of /boot: cannot open /boot: something else is mounted there by now"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
