// Package disk has what was on a disk be gone from it, bytes and names: it empties and removes files, overwrites swap,
// empties files that were deleted and are still open, and makes unreadable what is left in free space and in the
// journal. Nothing that is mounted in the tree, or has a second name elsewhere, is touched.
package disk

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"oneclick-agent/agent/host"
)

// Empty makes a regular file empty and keeps it, with its owner, mode and label. With wipe, its content is overwritten
// first, so that it is not left in free space. It is durable after SyncAll.
func Empty(files *host.Root, path string, wipe bool) error {
	file, err := openOnly(files, "truncate", path)
	if err == nil {
		defer file.Close()
		if wipe {
			err = overwrite(file)
		}
		if err == nil {
			err = file.Truncate(0)
		}
	}
	if err != nil {
		return fmt.Errorf("cannot empty %s: %w", path, host.Cause(err))
	}
	return nil
}

// openOnly opens a regular file of the tree to be changed in place: one that is not mounted there, and that has no
// other name, under which somebody may need what is in it.
func openOnly(files *host.Root, change, path string) (*os.File, error) {
	target, err := files.Resolve(path)
	if err != nil {
		return nil, err
	}
	if err := files.Announce(change, target); err != nil {
		return nil, err
	}
	file, err := files.OpenAsIs(target, os.O_RDWR)
	if err != nil {
		return nil, err
	}
	if err := mayChange(files, file); err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

func mayChange(files *host.Root, file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return errors.New("it is not a regular file")
	}
	if own, err := files.IsOwn(file, ""); err != nil {
		return fmt.Errorf("it cannot be told whether it is mounted there: %w", err)
	} else if !own {
		return errors.New("it is mounted there, and is not part of the image; unmount it first")
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && stat.Nlink > 1 {
		return errors.New("the same file has another name, which would lose its content too; remove one of them")
	}
	return nil
}

// overwrite puts zeros over the data of a file, but not into its holes.
func overwrite(file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	size := info.Size()
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

// Discard removes path and everything below it, durably after SyncAll. With wipe, the content of files is overwritten
// first. What is mounted below is never touched: it is an error, and everything stays.
func Discard(files *host.Root, path string, wipe bool) error {
	if !wipe {
		return files.RemoveTree(path, nil)
	}
	return files.RemoveTree(path, func(file *os.File) {
		if mayChange(files, file) == nil { // what cannot be overwritten is removed all the same
			overwrite(file)
		}
	})
}
