package step

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"oneclick-agent/agent/host"
)

// What is taken out again is exactly what was put in, whatever the file holds.
func FuzzUnhookUndoesHook(f *testing.F) {
	for _, seed := range []string{
		"", "\n", "alias ll='ls -l'", "alias ll='ls -l'\n", "a\r\nb\r\n", "a\r\nb", "\r", "\x00\xff", "a\n\n",
		"# END oneclick-agent: first login\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if bytes.Contains(text, []byte(hookBegin)) {
			return
		}
		hooked := Hook(text)
		if got := Hook(hooked); !bytes.Equal(got, hooked) {
			t.Errorf("a second hook changes %q to %q", hooked, got)
		}
		if got, whole := Unhook(hooked); !whole || !bytes.Equal(got, text) {
			t.Errorf("%q came back as %q, %v", text, got, whole)
		}
	})
}

func TestABlockThatWasEditedIsLeftAlone(t *testing.T) {
	t.Parallel()
	edited := bytes.Replace(Hook([]byte("x\n")), []byte("-t 0"), []byte("-t 9"), 1)
	if got, whole := Unhook(edited); whole || !bytes.Equal(got, edited) {
		t.Errorf("%q, %v", got, whole)
	}
}

func TestWhatWasAddedBehindTheBlockIsKept(t *testing.T) {
	t.Parallel()
	text := append(Hook([]byte("before")), "\nafter\n"...)
	if got, whole := Unhook(text); !whole || string(got) != "before\nafter\n" {
		t.Errorf("%q, %v", got, whole)
	}
}

// bash itself reads each kind of file without a complaint, and comes out behind it.
func TestBashReadsTheBlock(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"no file yet": "", "Unix lines": "x=1\n", "no last line end": "x=1", "DOS lines": "x=1\r\ny=2\r\n",
		"DOS lines and no last line end": "x=1\r\ny=2", "DOS lines and a block with them": "x=1\r\n" + strings.Join(hookLines, "\r\n") + "\r\n",
	} {
		hooked := Hook([]byte(text))
		file := filepath.Join(t.TempDir(), ".bashrc")
		if err := os.WriteFile(file, append(bytes.Clone(hooked), "\necho behind >&2\n"...), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command("bash", "-c", "set -- && PS1= && . "+file).CombinedOutput()
		if string(out) != "behind\n" || err != nil {
			t.Errorf("%s: bash says %q, %v", name, out, err)
		}
		shell := exec.Command("bash", "--rcfile", file, "-i", "-c", "exit 0")
		shell.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		out, err = shell.CombinedOutput()
		if !strings.Contains(string(out), "\nbehind\n") || strings.Contains(string(out), "syntax") || err != nil {
			t.Errorf("%s: an interactive bash says %q, %v", name, out, err)
		}
		without, whole := Unhook(hooked)
		kept := !strings.HasPrefix(name, "DOS lines") || bytes.HasPrefix(without, []byte("x=1\r\n"))
		if !whole || !kept || bytes.Contains(without, []byte("oneclick")) {
			t.Errorf("%s: without the block it is %q, %v", name, without, whole)
		}
	}
}

// A .bashrc that is no file to be edited costs the offer at the login, and nothing else.
func TestAnOddBashrcDegrades(t *testing.T) {
	t.Parallel()
	remedy := "; mend the file, or start the setup by hand with oneclick-agent first-login"
	for _, odd := range []struct {
		name  string
		plant func(file string) error
		want  string
	}{
		{"a directory", func(file string) error { return os.Mkdir(file, 0o700) },
			"cannot read /root/.bashrc: it is a directory, not a regular file"},
		{"a FIFO", func(file string) error { return syscall.Mkfifo(file, 0o600) },
			"cannot read /root/.bashrc: it is a FIFO, not a regular file"},
		{"a link to nothing", func(file string) error { return os.Symlink("dotfiles/bashrc", file) },
			"cannot read /root/.bashrc: it is a link to dotfiles/bashrc, which is not there"},
		{"a huge file", func(file string) error { return os.WriteFile(file, make([]byte, maxBashrc+1), 0o600) },
			"cannot read /root/.bashrc: it is larger than 4194304 bytes"},
	} {
		t.Run(odd.name, func(t *testing.T) {
			t.Parallel()
			h, file := rootHome(t)
			if err := odd.plant(file); err != nil {
				t.Fatal(err)
			}
			_, checkErr := LoginHook{}.Check(t.Context(), h)
			for _, err := range []error{checkErr, LoginHook{}.Apply(t.Context(), h)} {
				degraded, ok := errors.AsType[*Degraded](err)
				if want := "cannot offer the setup at the first login: " + odd.want + remedy; !ok || degraded.Error() != want {
					t.Errorf("got  %v\nwant %s", err, want)
				}
			}
			if err := RemoveLoginHook(h); err != nil {
				t.Errorf("removing what is not there: %v", err)
			}
		})
	}
}

func TestAnImmutableBashrcDegrades(t *testing.T) {
	t.Parallel()
	h, file := rootHome(t)
	if err := os.WriteFile(file, []byte("x=1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("chattr", "+i", file).CombinedOutput(); err != nil {
		t.Fatalf("cannot make a file immutable: %v: %s", err, out)
	}
	t.Cleanup(func() { exec.Command("chattr", "-i", file).Run() })
	_, ok := errors.AsType[*Degraded](LoginHook{}.Apply(t.Context(), h))
	if entries, _ := os.ReadDir(filepath.Dir(file)); !ok || len(entries) != 1 {
		t.Errorf("degraded: %v; beside it is %v", ok, entries)
	}
	err := LoginHook{}.Apply(t.Context(), h)
	if want := "cannot offer the setup at the first login: cannot write /root/.bashrc: operation not permitted, as for what is " +
		"marked immutable (lsattr shows an i; chattr -i takes it off); mend the file, or start the setup by hand with " +
		"oneclick-agent first-login"; err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func rootHome(t *testing.T) (h *host.Host, bashrc string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "root"), 0o700); err != nil {
		t.Fatal(err)
	}
	h, err := host.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h, filepath.Join(dir, "root/.bashrc")
}
