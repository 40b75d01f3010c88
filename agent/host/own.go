package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// A tree is what its own file systems hold: the one that its top is on, and those that go into a snapshot with it
// (SnapshotMounts). Which of them something is on is asked of the kernel for each name, by the number of its mount
// (statx(2)): /proc may be missing, and a directory of the same file system that is mounted there again, or a single
// file, has the same device number as what surrounds it.

// own are the numbers of the mounts that the tree consists of. They are asked for once: what is mounted later is none.
func (r *Root) own() ([]uint64, error) {
	r.ownOnce.Do(func() {
		var top uint64
		if top, r.ownErr = mountNumber(r.top, ""); r.ownErr != nil {
			r.ownErr = fmt.Errorf("cannot tell what is mounted at /: %w", r.ownErr)
			return
		}
		r.ownMounts = []uint64{top}
		for _, mount := range r.SnapshotMounts() {
			r.ownMounts = append(r.ownMounts, mount.Number)
		}
	})
	return r.ownMounts, r.ownErr
}

// mountNumber is the kernel's number of the mount that a name of an open directory is on, links not followed; of the
// open file itself where the name is "".
func mountNumber(directory int, name string) (uint64, error) {
	var stat unix.Statx_t
	err := unix.Statx(directory, name, unix.AT_EMPTY_PATH|unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT, unix.STATX_MNT_ID, &stat)
	if err == nil && stat.Mask&unix.STATX_MNT_ID != 0 {
		return stat.Mnt_id, nil
	}
	if err != nil && !errors.Is(err, unix.ENOSYS) {
		return 0, err
	}
	// Linux tells it with statx from 5.8 on. Before, a handle of the file has it, where its file system makes handles.
	_, number, err := unix.NameToHandleAt(directory, name, unix.AT_EMPTY_PATH)
	if err != nil {
		return 0, fmt.Errorf("this kernel does not tell which mount a file is on, as Linux does from 5.8 on: %w", err)
	}
	return uint64(number), nil
}

// IsOwn reports whether a name of an open directory, or the open file itself where the name is "", is part of the tree,
// and not of something that is mounted in it. Where an error says that it cannot be told, nothing may be changed.
func (r *Root) IsOwn(directory *os.File, name string) (bool, error) {
	own, err := r.own()
	if err != nil {
		return false, err
	}
	number, err := mountNumber(int(directory.Fd()), name)
	return err == nil && slices.Contains(own, number), err
}

// IsOwnPath is IsOwn of a path of the tree: everything on the way to it counts too, because a mount there hides it.
func (r *Root) IsOwnPath(name string) (bool, error) {
	fail := func(err error) (bool, error) {
		return false, fmt.Errorf("cannot tell whether something is mounted at %s: %w", name, Cause(err))
	}
	directory, err := r.OpenDirectory(path.Dir(path.Clean("/" + name)))
	if err != nil {
		return false, err
	}
	defer directory.Close()
	base := path.Base(path.Clean("/" + name))
	if base == "/" {
		base = ""
	}
	own, err := r.IsOwn(directory, base)
	if err != nil {
		return fail(err)
	}
	return own, nil
}

// ReadOwn lists a directory like ReadDir, without what is mounted in it. What is mounted as a whole holds nothing.
func (r *Root) ReadOwn(name string) ([]fs.DirEntry, error) {
	directory, err := r.OpenDirectory(name)
	if err != nil {
		return nil, err
	}
	defer directory.Close()
	if own, err := r.IsOwn(directory, ""); err != nil || !own {
		return nil, err
	}
	entries, err := directory.ReadDir(-1)
	if err != nil {
		return nil, fmt.Errorf("cannot list %s: %w", name, plain(err))
	}
	entries = slices.DeleteFunc(entries, func(entry fs.DirEntry) bool {
		own, err := r.IsOwn(directory, entry.Name())
		return err != nil || !own
	})
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, nil
}

// Announce tells Before of a change that the caller is about to make itself, with a file of OpenOwn or OpenMount.
func (r *Root) Announce(name, object string) error { return r.before(name, object) }

// OpenOwn opens a regular file of the tree to be changed in place, and announces the change. It must not be mounted
// there, and have no other name, under which somebody may need what is in it.
func (r *Root) OpenOwn(path, change string) (file *os.File, err error) {
	err = r.at(path, way{follow: true}, func(p *place) error {
		stat, err := p.stat()
		if err != nil {
			return err
		}
		if err := regular(&stat); err != nil {
			return err
		}
		if err := r.before(change, "/"+p.String()); err != nil {
			return err
		}
		if file, err = p.file(unix.O_RDWR, 0); err != nil {
			return err
		}
		if err := r.MayChange(file); err != nil {
			file.Close()
			return err
		}
		return nil
	})
	if err != nil {
		return nil, explain(err)
	}
	return file, nil
}

// MayChange says as an error why an open file must not be changed in place.
func (r *Root) MayChange(file *os.File) error {
	stat, err := statat(int(file.Fd()), "")
	if err != nil {
		return err
	}
	if err := regular(&stat); err != nil {
		return err
	}
	if own, err := r.IsOwn(file, ""); err != nil {
		return fmt.Errorf("it cannot be told whether it is mounted there: %w", err)
	} else if !own {
		return errors.New("it is mounted there, and is not part of the image; unmount it first")
	}
	if stat.Nlink > 1 {
		return errors.New("the same file has another name, which would lose its content too; remove one of them")
	}
	return nil
}

// OpenMount opens the directory that a file system of the tree is mounted at. It is an error when something else is
// there by now.
func (r *Root) OpenMount(mount Mount) (*os.File, error) {
	directory, err := r.OpenDirectory(mount.Point)
	if err != nil {
		return nil, err
	}
	number, err := mountNumber(int(directory.Fd()), "")
	if err == nil && number != mount.Number {
		err = errors.New("something else is mounted there by now")
	}
	if err != nil {
		directory.Close()
		return nil, fmt.Errorf("cannot open %s: %w", mount.Point, err)
	}
	return directory, nil
}

// OpenDirectory opens a directory for reading.
func (r *Root) OpenDirectory(path string) (directory *os.File, err error) {
	err = r.at(path, way{follow: true}, func(p *place) error {
		directory, err = p.file(unix.O_RDONLY|unix.O_DIRECTORY, 0)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("cannot open %s: %w", path, err)
	}
	return directory, nil
}

// Cause is what the system said of a failure, without the wrapping of package os, and with what to do about it.
func Cause(err error) error { return explain(plain(err)) }
