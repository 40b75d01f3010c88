// Package disk has what was on a disk be gone from it, bytes and names: it empties and removes files, overwrites swap,
// empties files that were deleted and are still open, and makes unreadable what is left in free space and in the
// journal. Nothing that is mounted in the tree, or has a second name elsewhere, is touched.
package disk

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"oneclick-agent/agent/host"
)

// Empty makes a regular file empty and keeps it, with its owner, mode and label. With wipe, its content is overwritten
// first, so that it is not left in free space. It is durable after SyncAll.
func Empty(files *host.Root, path string, wipe bool) error {
	file, err := files.OpenOwn(path, "truncate")
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
		if files.MayChange(file) == nil { // what cannot be overwritten is removed all the same
			overwrite(file)
		}
	})
}
