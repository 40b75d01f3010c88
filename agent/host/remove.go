package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"

	"golang.org/x/sys/unix"
)

// emptyTries is how often a directory is emptied into which somebody keeps putting things.
const emptyTries = 100

// Remove takes away path and, where it is a directory, everything below it, durably. Links are removed, not followed.
// What is not there is no error. Where something is mounted at or below path, nothing is removed.
func (r *Root) Remove(path string) error {
	return r.remove(path, func(p *place) error {
		mount, err := mountNumber(p.dir, "")
		if err != nil {
			return fmt.Errorf("it cannot be told what is mounted in /%s: %w; nothing was removed", p.above, err)
		}
		if err := (&removal{mounts: []uint64{mount}}).run(p); err != nil {
			return err
		}
		return p.syncDirectory()
	})
}

// RemoveTree removes path like Remove, if it is part of the tree (IsOwn), and is durable only after SyncAll: for many
// removals in a row. last, where it is given, has each regular file in its hands, open for writing, before its name is
// removed.
func (r *Root) RemoveTree(path string, last func(*os.File)) error {
	return r.remove(path, func(p *place) error {
		own, err := r.own()
		if err != nil {
			return err
		}
		return (&removal{mounts: own, last: last}).run(p)
	})
}

func (r *Root) remove(path string, do func(*place) error) error {
	err := r.at(path, way{}, func(p *place) error {
		if _, err := p.stat(); err != nil {
			return err
		}
		if err := r.before("remove", p.String()); err != nil {
			return err
		}
		if p.isTop() {
			return errors.New("it is the root directory")
		}
		return do(p)
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot remove %s: %w", path, explain(err))
	}
	return nil
}

// removal takes away what is on certain mounts, and nothing that is mounted on these.
type removal struct {
	mounts []uint64
	last   func(*os.File)
}

// run looks at everything before it removes anything. Directories are asked once more when they are open.
func (r *removal) run(p *place) error {
	if err := r.look(p); err != nil {
		return err
	}
	return r.remove(p)
}

// look reports as an error what is mounted at a name or below it, and where that cannot be told.
func (r *removal) look(p *place) error {
	if err := r.isOwn(p.dir, p.name, p.String()); errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	below, err := p.enter(0)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENOTDIR):
		return nil
	case err != nil:
		return fmt.Errorf("it cannot be told what is mounted in /%s: %w; nothing was removed", p, err)
	}
	defer below.close()
	return below.each(r.look)
}

// isOwn makes sure that a name of an open directory, or with "" the open file itself, is on one of the mounts.
func (r *removal) isOwn(dir int, name, shown string) error {
	mount, err := mountNumber(dir, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return err
	case err != nil:
		return fmt.Errorf("it cannot be told whether something is mounted at /%s: %w; nothing was removed", shown, err)
	case !slices.Contains(r.mounts, mount):
		return fmt.Errorf("a file system is mounted at /%s; unmount it first", shown)
	}
	return nil
}

// remove takes away one name, and what is below it.
func (r *removal) remove(p *place) error {
	if r.last != nil {
		r.handOver(p)
	}
	err := unix.Unlinkat(p.dir, p.name, 0)
	if err == nil || errors.Is(err, unix.ENOENT) {
		return nil
	}
	if !errors.Is(err, unix.EISDIR) && !errors.Is(err, unix.EPERM) {
		return err
	}
	notDirectory := err
	for range emptyTries {
		below, err := p.enter(0)
		if errors.Is(err, unix.ENOENT) {
			return nil
		} else if errors.Is(err, unix.ENOTDIR) {
			return notDirectory
		} else if err != nil {
			return err
		}
		if err = r.isOwn(int(below.file.Fd()), "", p.String()); err == nil {
			err = below.each(r.remove)
		}
		below.close()
		if err != nil {
			return err
		}
		err = unix.Unlinkat(p.dir, p.name, unix.AT_REMOVEDIR)
		if err == nil || errors.Is(err, unix.ENOENT) {
			return nil
		} else if !errors.Is(err, unix.ENOTEMPTY) && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("/%s: %w", path.Join(p.above, p.name), err)
		}
	}
	return fmt.Errorf("somebody keeps putting files into /%s; stop who does and run this again", p)
}

// handOver opens a regular file for whoever wants it last. One that cannot be opened is removed all the same.
func (r *removal) handOver(p *place) {
	stat, err := p.stat()
	if err != nil || !modeOf(&stat).IsRegular() {
		return
	}
	file, err := p.file(unix.O_WRONLY, 0)
	if err != nil {
		return
	}
	defer file.Close()
	if stat, err := statat(int(file.Fd()), ""); err != nil || !modeOf(&stat).IsRegular() {
		return
	}
	if r.isOwn(int(file.Fd()), "", p.String()) == nil {
		r.last(file)
	}
}
