package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// attacker is the account that tries: it owns /var/www of the tree, and may write to its /tmp and /srv/shared.
	attacker = 65534
	// canary stands in every file that is none of the attacker's business.
	canary = "the canary that only root can read"
	// attackVariable is how long each attack takes, in the environment.
	attackVariable = "ONECLICK_ATTACK"
)

// grounds are the directories where the attacker may write.
var grounds = [...]string{"var/www", "tmp", "srv/shared"}

// victims are files and directories that nobody names to root, as links see them.
var victims = [...]string{"/etc/shadow", "/etc", "../../etc", "../etc", "/etc/profile.d", "/etc/open", "/root", "../../../../etc/shadow"}

// battlefield makes a tree in memory with all of it.
func battlefield(t *testing.T) (h *Host, dir string) {
	t.Helper()
	h, dir = inMemory(t)
	own := func(name string, mode fs.FileMode, uid, gid int) {
		if err := errors.Join(os.Chown(filepath.Join(dir, name), uid, gid), os.Chmod(filepath.Join(dir, name), mode)); err != nil {
			t.Fatal(err)
		}
	}
	for _, directory := range []string{"etc/profile.d", "etc/sub", "root", "var/www", "tmp", "srv/shared", "var/lib/copies"} {
		if err := os.MkdirAll(filepath.Join(dir, directory), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, mode := range map[string]fs.FileMode{
		"etc/shadow": 0o600, "etc/open": 0o666, "etc/passwd": 0o600, "etc/profile.d/a.sh": 0o600, "root/key": 0o600, "tmp/root-only": 0o600,
		"etc/file": 0o600, "etc/sub/file": 0o600,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(canary), mode); err != nil {
			t.Fatal(err)
		}
		own(name, mode, 0, 0)
	}
	own("root", 0o700, 0, 0)
	own("var/lib/copies", 0o700, 0, 0)
	own("var/www", 0o755, attacker, attacker)
	own("tmp", 0o777|fs.ModeSticky, 0, 0)
	own("srv/shared", 0o775, 0, attacker)
	return h, dir
}

// attack is the attacker's process: it exchanges what root is about to use, as fast as it can, in several ways at once,
// until it is killed. It reads all that it can read and reports a canary.
func attack(root string) {
	var exchanged atomic.Int64
	for _, ground := range grounds {
		base := filepath.Join(root, ground)
		go func() {
			for {
				assault(base)
				exchanged.Add(1)
			}
		}()
		go swap(filepath.Join(base, "dir"), filepath.Join(base, "dir.other"))
	}
	go swap(filepath.Join(root, grounds[0], "dir/sub"), filepath.Join(root, grounds[0], "dir/sub.other"))
	go func() { // a look at the whole of such a tree may take for ever, so it is not waited for
		for ; ; time.Sleep(20 * time.Millisecond) {
			if done := exchanged.Load(); done > 0 {
				fmt.Println("exchanged", done)
			}
		}
	}()
	for {
		for _, ground := range grounds {
			filepath.WalkDir(filepath.Join(root, ground), func(name string, entry fs.DirEntry, err error) error {
				if err == nil && entry.Type().IsRegular() {
					spy(name)
				}
				return nil
			})
		}
	}
}

// spy reads a file that root has just written, if it can, and reports what it should not have seen. The file that it may
// read anyway is no secret.
func spy(name string) {
	file, err := os.Open(name)
	if err != nil {
		return
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil || ownerOf(info).UID == 0 && info.Mode().Perm() == 0o666 {
		return
	}
	if data, err := io.ReadAll(io.LimitReader(file, 1<<20)); err == nil && bytes.Contains(data, []byte(canary)) {
		fmt.Println("leaked", name)
	}
}

// swap exchanges a directory and a link to a victim, atomically, for ever.
func swap(directory, link string) {
	for {
		os.Symlink(victims[rand.IntN(len(victims))], link)
		os.Mkdir(directory, 0o777)
		for range 50 {
			unix.Renameat2(unix.AT_FDCWD, directory, unix.AT_FDCWD, link, unix.RENAME_EXCHANGE)
		}
		os.RemoveAll(link)
	}
}

// assault does one thing at random to one of the names that root uses.
func assault(base string) {
	names := []string{"file", "dir/file", "dir/sub/file", "dir", "dir/sub", "out", "file.bak", "dir/a/b/c"}
	name := filepath.Join(base, names[rand.IntN(len(names))])
	switch rand.IntN(9) {
	case 0, 1:
		os.Remove(name)
		os.Symlink(victims[rand.IntN(len(victims))], name)
	case 2, 3:
		os.Remove(name)
		os.Link(filepath.Join(base, "../etc/open"), name)
		os.Link(filepath.Join(base, "../../etc/open"), name)
	case 4:
		os.Remove(name)
		if file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666); err == nil {
			file.WriteString("NAME=attacker\n")
			file.Close()
		}
	case 5:
		os.RemoveAll(name)
	case 6:
		os.MkdirAll(name, 0o777)
	case 7:
		os.Rename(name, filepath.Join(base, names[rand.IntN(len(names))]))
	case 8: // takes what root is writing for itself
		entries, _ := os.ReadDir(filepath.Dir(name))
		for _, entry := range entries {
			if strings.HasSuffix(entry.Name(), temporarySuffix) {
				temporary := filepath.Join(filepath.Dir(name), entry.Name())
				os.Remove(temporary)
				os.Symlink("/etc/shadow", temporary)
			}
		}
	}
}

// outside describes everything in the tree that is none of the attacker's business.
func outside(t *testing.T, dir string) string {
	t.Helper()
	var text strings.Builder
	for _, top := range []string{"etc", "root", "tmp/root-only"} {
		err := filepath.WalkDir(filepath.Join(dir, top), func(name string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := entry.Info()
			if err != nil {
				return err
			}
			fmt.Fprintf(&text, "%s %v %v", strings.TrimPrefix(name, dir), info.Mode(), ownerOf(info))
			if info.Mode().IsRegular() {
				data, err := os.ReadFile(name)
				if err != nil {
					return err
				}
				fmt.Fprintf(&text, " %q", data)
			}
			text.WriteString("\n")
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	return text.String()
}

// Root works below directories of an account that exchanges, all the while, links, directories, hard links and names
// there. Nothing is written, read into a file that the account can read, or changed in owner or mode, outside of what was named.
func TestAnAttackerGetsNothingByExchangingLinks(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root: the attacker is another account")
	}
	lasts := 2 * time.Second
	if text := os.Getenv(attackVariable); text != "" {
		var err error
		if lasts, err = time.ParseDuration(text); err != nil {
			t.Fatalf("%s: %v", attackVariable, err)
		}
	}
	theirs := Attributes{Owner: &Owner{attacker, attacker}}
	readable := Attributes{Mode: new(fs.FileMode(0o644)), Owner: &Owner{attacker, attacker}}
	cases := map[string]func(ctx context.Context, files *Root, base string) error{
		"writing": func(_ context.Context, files *Root, base string) error {
			name := []string{"/file", "/dir/file", "/dir/sub/file"}[rand.IntN(3)]
			_, err := files.WriteFile(base+name, []byte(fmt.Sprint(rand.Int())), []Attributes{{}, theirs, readable}[rand.IntN(3)])
			return err
		},
		"editing": func(_ context.Context, files *Root, base string) error {
			text, err := files.ReadFile(base+"/dir/file", 1<<20)
			if err == nil || errors.Is(err, fs.ErrNotExist) {
				_, err = files.WriteFile(base+"/dir/file", append(text, '\n'), readable)
			}
			return err
		},
		"copying a file": func(_ context.Context, files *Root, base string) error {
			text, err := files.ReadFile(base+"/dir/sub/file", 1<<20)
			if err == nil {
				_, err = files.WriteFile(base+"/out", text, readable)
			}
			return err
		},
		"writing for root alone": func(_ context.Context, files *Root, base string) error {
			name := []string{"/file", "/dir/file", "/dir/sub/file"}[rand.IntN(3)]
			_, err := files.WriteFile(base+name, []byte(fmt.Sprint(canary, rand.Int())), Attributes{Mode: new(fs.FileMode(0o600)), Owner: &Owner{}})
			return err
		},
		"making directories": func(_ context.Context, files *Root, base string) error {
			return files.MakeDirectory(base+"/dir/sub/new", Attributes{Mode: new(fs.FileMode(0o777)), Owner: theirs.Owner})
		},
		"giving away": func(ctx context.Context, files *Root, base string) error {
			one := files.SetAttributesBelow(ctx, base+"/dir", readable, Attributes{Mode: new(fs.FileMode(0o777)), Owner: theirs.Owner})
			return errors.Join(one, files.SetAttributes(base+"/file", readable))
		},
		"removing": func(_ context.Context, files *Root, base string) error {
			return errors.Join(files.Remove(base+"/dir"), files.Remove(base+"/dir/file"), files.Remove(base+"/dir/sub/file"))
		},
		"copying trees": func(ctx context.Context, files *Root, base string) error {
			one := files.CopyTree(ctx, base+"/dir", "/var/lib/copies/one", Attributes{}, Attributes{})
			return errors.Join(one, files.CopyTree(ctx, "/var/lib/copies/one", base+"/dir/a", readable, readable))
		},
		"removing for good": func(_ context.Context, files *Root, base string) error {
			overwrite := func(file *os.File) {
				if files.MayChange(file) == nil {
					file.WriteAt([]byte("gone"), 0)
				}
			}
			return errors.Join(files.RemoveTree(base+"/dir/sub", overwrite), files.RemoveTree(base+"/dir/file", overwrite))
		},
		"emptying in place": func(_ context.Context, files *Root, base string) error {
			file, err := files.OpenOwn(base+[]string{"/file", "/dir/file", "/dir/sub/file"}[rand.IntN(3)], "truncate")
			if err == nil {
				err = errors.Join(file.Truncate(0), file.Close())
			}
			return err
		},
		"walking": func(ctx context.Context, files *Root, base string) error {
			return files.Walk(ctx, base, &Walk{Visit: func(entry *Entry) error {
				if entry.Stat.Uid == 0 && entry.IsRegular() && entry.Stat.Nlink == 1 && entry.Stat.Mode&0o777 == 0o600 && entry.Name != "root-only" {
					fmt.Fprintln(os.Stderr, "the walk was led to", entry.Path)
					files.SetAttributes("/etc/open", Attributes{Mode: new(fs.FileMode(0o600))}) // seen as a change outside
				}
				return nil
			}})
		},
		"patterns and links": func(_ context.Context, files *Root, base string) error {
			matches, err := files.Glob(base + "/*/*/f*")
			for _, match := range matches {
				err = errors.Join(err, files.Remove(match))
			}
			return errors.Join(err, files.Symlink("file", base+"/dir/link"))
		},
	}
	for name, work := range cases {
		t.Run(name, func(t *testing.T) { duel(t, lasts, work) })
	}
}

// hears keeps what a process says, and tells that it began to.
type hears struct {
	said  bytes.Buffer
	once  sync.Once
	began chan struct{}
}

func (h *hears) Write(text []byte) (int, error) {
	h.once.Do(func() { close(h.began) })
	return h.said.Write(text)
}

func duel(t *testing.T, lasts time.Duration, work func(ctx context.Context, files *Root, base string) error) {
	h, dir := battlefield(t)
	before := outside(t, dir)
	enemy := process(t, "attack", dir)
	enemy.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: attacker, Gid: attacker}}
	report := hears{began: make(chan struct{})}
	enemy.Stdout = &report
	if err := enemy.Start(); err != nil {
		t.Fatal(err)
	}
	<-report.began
	ctx, cancel := context.WithTimeout(t.Context(), lasts)
	defer cancel()
	var done, refused, failed atomic.Int64
	var workers sync.WaitGroup
	for _, ground := range grounds {
		workers.Go(func() {
			for ctx.Err() == nil {
				err := work(ctx, h.Files, "/"+ground)
				if _, link := errors.AsType[*ForeignLink](err); link {
					refused.Add(1)
				} else if err != nil {
					failed.Add(1)
				} else {
					done.Add(1)
				}
			}
		})
	}
	workers.Wait()
	enemy.Process.Kill()
	enemy.Wait()
	t.Logf("done %d, links refused %d, otherwise failed %d", done.Load(), refused.Load(), failed.Load())
	if after := outside(t, dir); after != before {
		t.Errorf("before\n%safter\n%s", before, after)
	}
	if text := report.said.String(); strings.Contains(text, "leaked") || !strings.Contains(text, "exchanged") {
		t.Errorf("the attacker reports %.2000s", text)
	}
}
