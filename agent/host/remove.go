package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// RemoveTree removes path like Remove, but is durable only after SyncAll: for many removals in a row. last, where it is
// given, has each regular file in its hands before the file's name is removed.
func (r *Root) RemoveTree(path string, last func(*os.File)) error {
	name, err := r.resolve(path, false)
	if err == nil {
		if err = r.before("remove", name); err == nil {
			err = r.removeTree(name, last)
		}
	}
	if err != nil {
		return fmt.Errorf("cannot remove %s: %w", path, explain(err))
	}
	return nil
}

// removeTree removes what is at a resolved name. What is mounted there, or below, is never touched: it is an error, and
// everything stays. That is asked of each name twice, before anything is removed and right before its own removal.
func (r *Root) removeTree(name string, last func(*os.File)) error {
	if name == "." {
		return errors.New("it is the root directory")
	}
	parent, err := r.root.OpenFile(filepath.Dir(name), os.O_RDONLY|unix.O_DIRECTORY|unix.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return plain(err)
	}
	defer parent.Close()
	if err := r.eachBelow(parent, filepath.Base(name), path.Join("/", name), func(*os.File, string, bool) error { return nil }); err != nil {
		return err
	}
	return r.eachBelow(parent, filepath.Base(name), path.Join("/", name), func(directory *os.File, name string, isDirectory bool) error {
		if isDirectory {
			return unix.Unlinkat(int(directory.Fd()), name, unix.AT_REMOVEDIR)
		}
		if last != nil {
			r.handOver(directory, name, last)
		}
		return unix.Unlinkat(int(directory.Fd()), name, 0)
	})
}

// eachBelow calls do for everything below a name of an open directory, and then for the name itself. It ends with an
// error at the first thing that is mounted, or of which that cannot be told.
func (r *Root) eachBelow(directory *os.File, name, shown string, do func(directory *os.File, name string, isDirectory bool) error) error {
	own, err := r.IsOwn(directory, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("it cannot be told whether something is mounted at %s: %w; nothing was removed", shown, err)
	case !own:
		return fmt.Errorf("a file system is mounted at %s; unmount it first", shown)
	}
	fd, err := unix.Openat(int(directory.Fd()), name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) { // a file, or a link
		return ignoreMissing(do(directory, name, false))
	}
	if err != nil {
		return ignoreMissing(err)
	}
	below := os.NewFile(uintptr(fd), shown)
	defer below.Close()
	names, err := below.Readdirnames(-1)
	if err != nil {
		return plain(err)
	}
	for _, inside := range names {
		if err := r.eachBelow(below, inside, path.Join(shown, inside), do); err != nil {
			return err
		}
	}
	return ignoreMissing(do(directory, name, true))
}

// handOver opens a regular file of the tree for writing.
func (r *Root) handOver(directory *os.File, name string, last func(*os.File)) {
	fd, err := unix.Openat(int(directory.Fd()), name, unix.O_WRONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return // it can be removed all the same
	}
	file := os.NewFile(uintptr(fd), name)
	defer file.Close()
	if own, err := r.IsOwn(file, ""); err == nil && own {
		last(file)
	}
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
