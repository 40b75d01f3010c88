package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"

	"golang.org/x/sys/unix"
)

const (
	// maxDepth is how deep a tree may be below the directory that is worked on: each level is an open descriptor.
	maxDepth = 400
	// namesAtOnce is how many names of a directory are read at a time.
	namesAtOnce = 1024
)

// directory is an open directory whose entries are visited one by one, each relative to it.
type directory struct {
	root  *Root
	file  *os.File
	path  string
	guard *guard
}

// enter opens the directory that is here. A link in its place is not followed.
func (p *place) enter(depth int) (*directory, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("/%s lies more than %d directories deep", p, maxDepth)
	}
	fd, err := openat(p.dir, p.name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		if errors.Is(err, unix.ELOOP) {
			err = unix.ENOTDIR
		}
		return nil, err
	}
	level, err := p.root.levelOf(fd, p.guard, p.String())
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	return &directory{root: p.root, file: os.NewFile(uintptr(fd), p.name), path: p.String(), guard: level.guard}, nil
}

func (d *directory) close() { d.file.Close() }

// place is where an entry of the directory is.
func (d *directory) place(name string) *place {
	return &place{root: d.root, dir: int(d.file.Fd()), name: name, above: d.path, guard: d.guard}
}

// each visits every entry.
func (d *directory) each(visit func(*place) error) error {
	for {
		names, err := d.file.Readdirnames(namesAtOnce)
		for _, name := range names {
			if err := visit(d.place(name)); err != nil {
				return err
			}
		}
		if len(names) > 0 {
			continue
		}
		if errors.Is(err, io.EOF) || errors.Is(err, fs.ErrNotExist) { // somebody removed the directory meanwhile
			return nil
		}
		return plain(err)
	}
}

// SetAttributesBelow gives everything below the directory at path these attributes, but not the directory itself: that
// comes last, with MakeDirectory, so that links are judged by who could write there before. Symbolic links are changed
// themselves, not followed. A file that another account may have linked there is an error.
func (r *Root) SetAttributesBelow(ctx context.Context, path string, files, directories Attributes) error {
	err := r.at(path, way{follow: true}, func(p *place) error {
		return p.below(ctx, 0, func(entry *place, isDirectory bool) error {
			want := files
			if isDirectory {
				want = directories
			}
			return entry.setAttributes(want)
		})
	})
	if err != nil {
		return fmt.Errorf("cannot change owner or mode of what is below %s: %w", path, explain(err))
	}
	return nil
}

// HasBelow reports whether everything below the directory at path has these attributes.
func (r *Root) HasBelow(ctx context.Context, path string, files, directories Attributes) (bool, error) {
	err := r.at(path, way{follow: true}, func(p *place) error {
		return p.below(ctx, 0, func(entry *place, isDirectory bool) error {
			want := files
			if isDirectory {
				want = directories
			}
			stat, err := entry.stat()
			if err == nil && !r.attributesMatch(&stat, want) {
				return errDiffers
			}
			return err
		})
	})
	if errors.Is(err, errDiffers) {
		return false, nil
	} else if err != nil {
		return false, fmt.Errorf("cannot look at what is below %s: %w", path, err)
	}
	return true, nil
}

// below visits everything below the directory that is here, a directory after what is in it. What goes away meanwhile is
// passed over.
func (p *place) below(ctx context.Context, depth int, visit func(entry *place, isDirectory bool) error) error {
	inside, err := p.enter(depth)
	if err != nil {
		return err
	}
	defer inside.close()
	return inside.each(func(entry *place) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		stat, err := entry.stat()
		isDirectory := err == nil && modeOf(&stat).IsDir()
		if isDirectory {
			err = entry.below(ctx, depth+1, visit)
		}
		if err == nil {
			err = visit(entry, isDirectory)
		}
		if errors.Is(err, fs.ErrNotExist) || isDirectory && errors.Is(err, unix.ENOTDIR) {
			return nil
		}
		if _, named := errors.AsType[*entryError](err); err != nil && !named && ctx.Err() == nil && !errors.Is(err, ErrPower) {
			return &entryError{"/" + path.Join(entry.above, entry.name), err}
		}
		return err
	})
}

// entryError says which entry below a directory an error is about.
type entryError struct {
	path string
	err  error
}

func (e *entryError) Error() string { return e.path + ": " + e.err.Error() }
func (e *entryError) Unwrap() error { return e.err }
