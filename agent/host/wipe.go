package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Empty makes a regular file empty and keeps it, with its owner, mode and label. With wipe, its content is overwritten
// first, so that it is not left in free space. It is durable after SyncAll.
func (r *Root) Empty(path string, wipe bool) error {
	name, err := r.resolve(path, true)
	if err == nil {
		err = r.before("truncate", name)
	}
	if err == nil {
		err = r.empty(name, wipe)
	}
	if err != nil {
		return fmt.Errorf("cannot empty %s: %w", path, explain(plain(err)))
	}
	return nil
}

func (r *Root) empty(name string, wipe bool) error {
	file, err := r.root.OpenFile(name, os.O_WRONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("it is %s, not a regular file", kindOf(info.Mode()))
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && stat.Nlink > 1 {
		return errors.New("the same file has another name, which would lose its content too; remove one of them")
	}
	if wipe {
		if err := overwrite(file, info.Size()); err != nil {
			return err
		}
	}
	return file.Truncate(0)
}

// overwrite puts zeros over the data of a file, but not into its holes.
func overwrite(file *os.File, size int64) error {
	for at := int64(0); at < size; {
		from, err := unix.Seek(int(file.Fd()), at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			break
		}
		if err != nil {
			from = at
		}
		to, err := unix.Seek(int(file.Fd()), from, unix.SEEK_HOLE)
		if err != nil {
			to = size
		}
		for at = from; at < min(to, size); {
			n, err := file.WriteAt(zeros[:min(int64(len(zeros)), min(to, size)-at)], at)
			if err != nil {
				return err
			}
			at += int64(n)
		}
		at = max(at, to)
	}
	return file.Sync()
}

// Discard removes path and everything below it, like Remove, but is durable only after SyncAll: for many removals in a
// row. With wipe, the content of files is overwritten first. What is mounted below is never touched: it is an error.
func (r *Root) Discard(path string, wipe bool) error {
	name, err := r.resolve(path, false)
	if err == nil {
		if err = r.before("remove", name); err == nil {
			err = r.discard(name, wipe)
		}
	}
	if err != nil {
		return fmt.Errorf("cannot remove %s: %w", path, explain(err))
	}
	return nil
}

func (r *Root) discard(name string, wipe bool) error {
	if name == "." {
		return errors.New("it is the root directory")
	}
	if point := r.mountedBelow(name); point != "" {
		return fmt.Errorf("a file system is mounted at %s; unmount it first", point)
	}
	if wipe {
		fs.WalkDir(r.root.FS(), name, func(below string, entry fs.DirEntry, err error) error {
			if err == nil && entry.Type().IsRegular() {
				r.empty(below, true) // one that cannot be emptied may still be removed
			}
			return nil
		})
	}
	return plain(r.root.RemoveAll(name))
}
