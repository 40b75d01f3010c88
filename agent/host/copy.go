package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// CopyTree copies the directory at from, and everything below it, to the directory at to, which is made where it is
// missing. Each file is written durably and whole; what is there already with the same content is not written again, and
// what is only there stays. Symbolic links are copied as links. What the attributes leave open is as in the source. Devices,
// FIFOs and sockets are an error, and so is a source file that another account may have linked there.
func (r *Root) CopyTree(ctx context.Context, from, to string, files, directories Attributes) error {
	c := &copier{ctx: ctx, files: files, directories: directories}
	err := r.at(from, way{follow: true}, func(source *place) error {
		make := way{follow: true, mkdir: func(p *place, _ bool) error { return p.makeDirectory(0o755) }}
		return r.at(to, make, func(target *place) error {
			var err error
			if c.target, err = target.stat(); err != nil {
				return err
			}
			return c.directory(source, target, 0)
		})
	})
	if err != nil {
		return fmt.Errorf("cannot copy %s to %s: %w", from, to, explain(err))
	}
	return nil
}

type copier struct {
	ctx                context.Context
	files, directories Attributes
	target             unix.Stat_t
}

// directory copies what is in one directory, and gives the copy its attributes last: until then nobody else may write there.
func (c *copier) directory(source, target *place, depth int) error {
	from, err := source.enter(depth)
	if err != nil {
		return err
	}
	defer from.close()
	stat, err := statat(int(from.file.Fd()), "")
	if err != nil {
		return err
	}
	if depth > 0 && stat.Dev == c.target.Dev && stat.Ino == c.target.Ino {
		return errors.New("the copy would lie inside of what is copied")
	}
	to, err := target.enter(depth)
	if err != nil {
		return err
	}
	defer to.close()
	err = from.each(func(entry *place) error {
		if err := c.ctx.Err(); err != nil {
			return err
		}
		err := c.entry(entry, to.place(entry.name), depth)
		if _, named := errors.AsType[*entryError](err); err != nil && !named && !errors.Is(err, ErrPower) && c.ctx.Err() == nil {
			return &entryError{"/" + entry.String(), err}
		}
		return err
	})
	if err != nil {
		return err
	}
	return target.setAttributes(likeSource(c.directories, &stat, from.guard))
}

func (c *copier) entry(source, target *place, depth int) error {
	stat, err := source.stat()
	if errors.Is(err, unix.ENOENT) {
		return nil // it went away meanwhile
	} else if err != nil {
		return err
	}
	switch kind := modeOf(&stat); {
	case kind.IsDir():
		there, err := target.stat()
		if errors.Is(err, unix.ENOENT) {
			err = target.makeDirectory(0o700)
		} else if err == nil && !modeOf(&there).IsDir() {
			err = fmt.Errorf("/%s is %s, not a directory", target, kindOf(modeOf(&there)))
		}
		if err != nil {
			return err
		}
		return c.directory(source, target, depth+1)
	case kind.IsRegular():
		return c.file(source, target)
	case kind&fs.ModeSymlink != 0:
		text, err := readlinkat(source.dir, source.name)
		if err != nil {
			return err
		}
		if have, err := readlinkat(target.dir, target.name); err != nil || have != text {
			if err := target.symlink(text); err != nil {
				return err
			}
		}
		return target.setAttributes(Attributes{Owner: likeSource(c.files, &stat, nil).Owner})
	default:
		return fmt.Errorf("it is %s, which cannot be copied", kindOf(kind))
	}
}

// likeSource fills what the attributes leave open. Setuid and setgid are not taken from where others may write.
func likeSource(want Attributes, source *unix.Stat_t, guard *guard) Attributes {
	if want.Mode == nil {
		mode := modeOf(source) & modeBits
		if guard != nil {
			mode &^= fs.ModeSetuid | fs.ModeSetgid
		}
		want.Mode = &mode
	}
	if want.Owner == nil {
		want.Owner = new(ownerIn(source))
	}
	return want
}

func (c *copier) file(source, target *place) error {
	from, err := source.openRead()
	if err != nil {
		return err
	}
	defer from.Close()
	stat, err := statat(int(from.Fd()), "")
	if err != nil {
		return err
	}
	want := likeSource(c.files, &stat, source.guard)
	if same, err := c.same(from, &stat, target, want); same || err != nil {
		return err
	}
	if _, err := from.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return target.replace(want, func(to *os.File) error {
		if err := target.root.before("write", target.String()); err != nil {
			return err
		}
		if err := copyExtendedAttributes(from, to, source.guard != nil); err != nil {
			return err
		}
		// The size was looked at: a file that grows meanwhile has an end too.
		_, err := io.Copy(to, &endsWith{c.ctx, io.LimitReader(from, stat.Size)})
		return err
	})
}

// same reports whether the target is such a copy already.
func (c *copier) same(from *os.File, stat *unix.Stat_t, target *place, want Attributes) (bool, error) {
	there, err := target.stat()
	if err != nil || !modeOf(&there).IsRegular() || there.Size != stat.Size || !target.root.attributesMatch(&there, want) {
		return false, nil
	}
	to, err := target.openRead()
	if err != nil {
		return false, nil
	}
	defer to.Close()
	a, b := make([]byte, 64<<10), make([]byte, 64<<10)
	for {
		if err := c.ctx.Err(); err != nil {
			return false, err
		}
		n, err := io.ReadFull(from, a)
		m, _ := io.ReadFull(to, b)
		if n != m || !bytes.Equal(a[:n], b[:m]) {
			return false, nil
		}
		if err != nil {
			return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF), nil
		}
	}
}

// endsWith is a reader that ends with a context.
type endsWith struct {
	ctx context.Context
	io.Reader
}

func (r *endsWith) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}
