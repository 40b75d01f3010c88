package host

import (
	"errors"
	"fmt"
	"io/fs"
	"path"

	"golang.org/x/sys/unix"
)

// MakeDirectory makes path and what is missing above it, durably, and gives path these attributes. Directories
// made on the way get 0755.
func (r *Root) MakeDirectory(path string, want Attributes) error {
	make := func(p *place, last bool) error {
		mode := fs.FileMode(0o755)
		if last && want.Mode != nil {
			mode = *want.Mode & fs.ModePerm
		}
		return p.makeDirectory(mode)
	}
	err := r.at(path, way{follow: true, mkdir: make}, func(p *place) error {
		if p.isTop() {
			return nil
		}
		return p.setAttributes(want)
	})
	if err != nil {
		return fmt.Errorf("cannot make the directory %s: %w", path, explain(err))
	}
	return nil
}

// makeDirectory makes one directory. One that somebody else makes at the same time is as good.
func (p *place) makeDirectory(mode fs.FileMode) error {
	if err := p.root.before("mkdir", p.String()); err != nil {
		return err
	}
	if err := unix.Mkdirat(p.dir, p.name, uint32(mode)); err != nil {
		if errors.Is(err, unix.EEXIST) {
			return nil
		}
		return err
	}
	// mkdir obeys the umask, which is not ours to change: what it took away is given back.
	fd, err := openat(p.dir, p.name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if stat, err := statat(fd, ""); err != nil {
		return err
	} else if modeOf(&stat).Perm() != mode {
		if err := chmod(fd, modeOf(&stat)&modeBits|mode); err != nil {
			return err
		}
	}
	return p.syncDirectory()
}

// Symlink makes path a symbolic link with this text, durably and atomically, in place of a link or file there.
func (r *Root) Symlink(target, path string) error {
	err := r.at(path, way{}, func(p *place) error { return p.symlink(target) })
	if err != nil {
		return fmt.Errorf("cannot link %s: %w", path, explain(err))
	}
	return nil
}

func (p *place) symlink(target string) error {
	if stat, err := p.stat(); err == nil && modeOf(&stat).IsDir() {
		return errors.New("a directory is in its place; remove it first")
	}
	if err := p.root.before("symlink", p.String()); err != nil {
		return err
	}
	p.removeLeftovers()
	for try := 1; ; try++ {
		temporary := temporaryName(p.name)
		if err := unix.Symlinkat(target, p.dir, temporary); err != nil {
			return err
		}
		if err := p.root.before("rename", p.String()); err != nil {
			return err
		}
		err := unix.Renameat(p.dir, temporary, p.dir, p.name)
		if err == nil {
			return p.syncDirectory()
		}
		// A link cannot be locked, so another writer may have taken it for a leftover.
		if !errors.Is(err, unix.ENOENT) || try == renameTries {
			unix.Unlinkat(p.dir, temporary, 0)
			return err
		}
	}
}

// Remove takes away path and, where it is a directory, everything below it. Links are removed, not followed.
// What is not there is no error. Where a file system is mounted at or below path, nothing is removed.
func (r *Root) Remove(path string) error {
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
		if err := p.isWhole(0); err != nil {
			return err
		}
		if err := p.remove(0); err != nil {
			return err
		}
		return p.syncDirectory()
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot remove %s: %w", path, explain(err))
	}
	return nil
}

// isWhole reports as an error what is mounted below a directory, before anything in it is removed.
func (p *place) isWhole(depth int) error {
	below, err := p.enter(depth)
	if err != nil {
		return nil // it is no directory
	}
	defer below.close()
	if err := below.sameMount(p.dir); err != nil {
		return err
	}
	return below.each(func(entry *place) error { return entry.isWhole(depth + 1) })
}

// emptyTries is how often a directory is emptied into which somebody keeps putting things.
const emptyTries = 100

// remove takes away one name, and what is below it.
func (p *place) remove(depth int) error {
	err := unix.Unlinkat(p.dir, p.name, 0)
	if err == nil || errors.Is(err, unix.ENOENT) {
		return nil
	}
	if !errors.Is(err, unix.EISDIR) && !errors.Is(err, unix.EPERM) {
		return err
	}
	notDirectory := err
	for range emptyTries {
		below, err := p.enter(depth)
		if errors.Is(err, unix.ENOENT) {
			return nil
		} else if errors.Is(err, unix.ENOTDIR) {
			return notDirectory
		} else if err != nil {
			return err
		}
		if err = below.sameMount(p.dir); err == nil {
			err = below.each(func(entry *place) error { return entry.remove(depth + 1) })
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
