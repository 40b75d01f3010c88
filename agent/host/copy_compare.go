package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"
)

// errDiffers ends a comparison.
var errDiffers = errors.New("differs")

// HasCopy reports whether CopyTree would change nothing below the directory at to. What is only there does not count.
func (r *Root) HasCopy(ctx context.Context, from, to string, files, directories Attributes) (bool, error) {
	c := &copier{ctx: ctx, files: files, directories: directories}
	err := r.at(from, way{follow: true}, func(source *place) error {
		return r.at(to, way{follow: true}, func(target *place) error { return c.compare(source, target, 0) })
	})
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, errDiffers), errors.Is(err, fs.ErrNotExist), isNoDirectory(err):
		return false, nil
	}
	return false, fmt.Errorf("cannot compare %s with %s: %w", from, to, explain(err))
}

// compare compares one directory with its copy.
func (c *copier) compare(source, target *place, depth int) error {
	from, err := source.enter(depth)
	if err != nil {
		return err
	}
	defer from.close()
	to, err := target.enter(depth)
	if err != nil {
		return err
	}
	defer to.close()
	if depth > 0 { // what the directory itself has is for CopyTree's caller to say
		stat, err := statat(int(from.file.Fd()), "")
		if err != nil {
			return err
		}
		there, err := statat(int(to.file.Fd()), "")
		if err != nil {
			return err
		}
		if !source.root.attributesMatch(&there, likeSource(c.directories, &stat, from.guard)) {
			return errDiffers
		}
	}
	return from.each(func(entry *place) error {
		if err := c.ctx.Err(); err != nil {
			return err
		}
		return c.compareEntry(entry, to.place(entry.name), depth)
	})
}

func (c *copier) compareEntry(source, target *place, depth int) error {
	stat, err := source.stat()
	if errors.Is(err, unix.ENOENT) {
		return nil // it went away meanwhile
	} else if err != nil {
		return err
	}
	there, err := target.stat()
	if err != nil {
		return err
	}
	kind, same := modeOf(&stat), false
	if kind.Type() != modeOf(&there).Type() {
		return errDiffers
	}
	switch {
	case kind.IsDir():
		return c.compare(source, target, depth+1)
	case kind.IsRegular():
		from, err := source.openRead()
		if err != nil {
			return err
		}
		defer from.Close()
		if same, err = c.same(from, &stat, target, likeSource(c.files, &stat, source.guard)); err != nil {
			return err
		}
	case kind&fs.ModeSymlink != 0:
		want, err := readlinkat(source.dir, source.name)
		if err != nil {
			return err
		}
		have, err := readlinkat(target.dir, target.name)
		same = err == nil && have == want &&
			source.root.attributesMatch(&there, Attributes{Owner: likeSource(c.files, &stat, nil).Owner})
	}
	if !same {
		return errDiffers
	}
	return nil
}
