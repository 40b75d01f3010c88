package host

import (
	"errors"
	"fmt"
	"io/fs"

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
