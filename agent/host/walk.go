package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Walk is a visit of everything below a directory. No symbolic link is followed, and nothing that is mounted in the tree
// and is no part of it is visited.
type Walk struct {
	// Visit is called for each entry, in no order and from several goroutines at once. fs.SkipDir leaves a directory
	// out; any other error ends the walk.
	Visit func(*Entry) error
	// Failed is told what could not be looked at. It may be nil.
	Failed func(path string, err error)

	root *Root
	own  []uint64
	mu   sync.Mutex
	more sync.Cond
	todo []string
	busy int
	err  error
}

// walkers is how many directories are visited at once, for each processor: most of the time a visit waits for the disk.
const walkers = 4

// Walk carries out a walk from top on.
func (r *Root) Walk(ctx context.Context, top string, w *Walk) error {
	name, err := r.resolve(top)
	if err == nil {
		w.own, err = r.own()
	}
	if err != nil {
		return fmt.Errorf("cannot walk %s: %w", top, err)
	}
	w.root, w.more.L, w.todo = r, &w.mu, []string{path.Join("/", name)}
	stop := context.AfterFunc(ctx, func() { w.stop(ctx.Err()) })
	defer stop()
	var workers sync.WaitGroup
	for range walkers * runtime.GOMAXPROCS(0) {
		workers.Go(w.work)
	}
	workers.Wait()
	return w.err
}

func (w *Walk) stop(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = err
	}
	w.more.Broadcast()
}

// work takes directories off the list until there are none, and nobody is left who could add one.
func (w *Walk) work() {
	for {
		w.mu.Lock()
		for len(w.todo) == 0 && w.busy > 0 && w.err == nil {
			w.more.Wait()
		}
		if len(w.todo) == 0 || w.err != nil {
			w.mu.Unlock()
			w.more.Broadcast()
			return
		}
		// What is near the top comes first, and with that the large files of /boot: one that is met last, when nothing else is
		// left to do, keeps the walk waiting.
		directory := w.todo[0]
		w.todo = w.todo[1:]
		w.busy++
		w.mu.Unlock()

		below, err := w.list(directory)
		w.mu.Lock()
		w.todo = append(w.todo, below...)
		w.busy--
		w.mu.Unlock()
		if err != nil {
			w.stop(err)
		}
		w.more.Broadcast()
	}
}

// openReal opens a directory to which no link leads. One that somebody put on the way since the directory was seen is
// not followed, whoever made it.
func (r *Root) openReal(directory string) (*os.File, error) {
	const flags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC
	how := unix.OpenHow{Flags: flags, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS}
	fd, err := again(func() (int, error) { return unix.Openat2(r.top, "."+directory, &how) })
	if err == nil {
		return os.NewFile(uintptr(fd), directory), nil
	}
	if !errors.Is(err, unix.ENOSYS) && !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.ENAMETOOLONG) {
		return nil, err
	}
	// Before Linux 5.6, and where openat2(2) is forbidden, each part is opened by itself.
	fd, err = openat(r.top, ".", unix.O_PATH|unix.O_DIRECTORY, 0)
	for _, part := range strings.FieldsFunc(directory, func(c rune) bool { return c == '/' }) {
		if err != nil {
			break
		}
		above := fd
		fd, err = openat(above, part, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
		unix.Close(above)
	}
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	listed, err := openat(fd, ".", flags, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(listed), directory), nil
}

// list visits what is in one directory, and returns the directories to enter.
func (w *Walk) list(directory string) (below []string, err error) {
	file, err := w.root.openReal(directory)
	if err != nil {
		w.failed(directory, err)
		return nil, nil
	}
	defer file.Close()
	names, err := file.Readdirnames(-1)
	if err != nil {
		w.failed(directory, err)
	}
	entry := Entry{directory: int(file.Fd())}
	for _, name := range names {
		entry.Name, entry.Path = name, path.Join(directory, name)
		number, err := entry.look()
		if err != nil {
			w.failed(entry.Path, err)
			continue
		}
		if !slices.Contains(w.own, number) {
			continue
		}
		err = w.Visit(&entry)
		entry.close()
		if errors.Is(err, fs.SkipDir) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if entry.IsDirectory() {
			below = append(below, entry.Path)
		}
	}
	return below, nil
}

func (w *Walk) failed(path string, err error) {
	if w.Failed != nil && !errors.Is(err, fs.ErrNotExist) {
		w.Failed(path, plain(err))
	}
}
