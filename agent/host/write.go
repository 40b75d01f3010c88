package host

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// maxCompared is the largest existing file that a write is compared with, in bytes.
const maxCompared = 64 << 20

// Matches reports whether path is a regular file with this content and these attributes.
func (r *Root) Matches(path string, data []byte, want Attributes) bool {
	matches := false
	r.at(path, way{follow: true}, func(p *place) error {
		matches = p.matches(data, want)
		return nil
	})
	return matches
}

func (p *place) matches(data []byte, want Attributes) bool {
	stat, err := p.stat()
	if err != nil || !modeOf(&stat).IsRegular() || stat.Size != int64(len(data)) || !p.root.attributesMatch(&stat, want) {
		return false
	}
	have, err := p.read(maxCompared)
	return err == nil && bytes.Equal(have, data)
}

// WriteFile gives path this content and these attributes, durably and atomically: at any moment, a power cut
// included, the whole old file or the whole new one is there, whoever else writes it. A symbolic link at path is followed
// inside the tree where nobody but root can have put it there. Extended attributes (SELinux labels, ACLs) of a replaced
// file are kept. Nothing is written where nothing would change; changed tells.
func (r *Root) WriteFile(path string, data []byte, want Attributes) (changed bool, err error) {
	err = r.at(path, way{follow: true}, func(p *place) error {
		if p.matches(data, want) {
			return nil
		}
		changed = true
		return p.replace(want, func(file *os.File) error {
			if err := r.before("write", p.String()); err != nil {
				file.Write(data[:len(data)/2]) // what a power cut in the middle of a write leaves
				return err
			}
			_, err := file.Write(data)
			return err
		})
	})
	if err != nil {
		return false, fmt.Errorf("cannot write %s: %w", path, explain(err))
	}
	return changed, nil
}

// replace puts a new file in the place of the one that is there, if any.
func (p *place) replace(want Attributes, write func(*os.File) error) error {
	var old *unix.Stat_t
	if stat, err := p.stat(); err == nil {
		if err := regular(&stat); err != nil {
			return err
		}
		old = &stat
	} else if !errors.Is(err, unix.ENOENT) {
		return err
	}
	if err := p.root.before("create", p.String()); err != nil {
		return err
	}
	temporary, file, err := p.createTemporary()
	if err != nil {
		return err
	}
	defer file.Close()
	err = write(file)
	if err == nil {
		err = p.finish(file, old, want)
	}
	if err == nil {
		err = p.root.before("rename", p.String())
	}
	if err == nil {
		err = unix.Renameat(p.dir, temporary, p.dir, p.name)
	}
	if err != nil {
		if !errors.Is(err, ErrPower) {
			unix.Unlinkat(p.dir, temporary, 0)
		}
		return err
	}
	if p.guard != nil && !p.holds(int(file.Fd())) {
		return errors.New("somebody else who may write to its directory exchanged it meanwhile; run this again")
	}
	return p.syncDirectory()
}

// holds reports whether the open file is the one that is here.
func (p *place) holds(fd int) bool {
	here, err := p.stat()
	file, fileErr := statat(fd, "")
	return err == nil && fileErr == nil && here.Dev == file.Dev && here.Ino == file.Ino
}

// ErrPower is what tests return from Root.Before: nothing after it reaches the disk, cleaning up included.
var ErrPower = errors.New("the power is gone")

// finish gives a new file the attributes of the old one, or those that are wanted, and makes it durable. The owner comes
// before the mode, because a change of owner takes setuid and setgid off.
func (p *place) finish(file *os.File, old *unix.Stat_t, want Attributes) error {
	mode := fs.FileMode(0o644)
	if old != nil {
		if err := p.copyExtendedAttributes(file); err != nil {
			return err
		}
		mode = modeOf(old) & modeBits
		if p.guard != nil {
			mode &^= fs.ModeSetuid | fs.ModeSetgid // of a file that anybody may have linked here
		}
		if want.Owner == nil {
			want.Owner = new(ownerIn(old))
		}
	}
	if want.Mode != nil {
		mode = *want.Mode
	}
	if want.Owner != nil && p.root.canChown() {
		if err := file.Chown(want.Owner.UID, want.Owner.GID); err != nil {
			return err
		}
	}
	if err := file.Chmod(mode); err != nil {
		return err
	}
	if err := p.root.before("fsync", p.String()); err != nil {
		return err
	}
	return file.Sync()
}

// capability is the extended attribute that makes a program privileged. Like setuid, it is not taken over from a file
// that anybody may have linked to its place.
const capability = "security.capability"

// xattrMaximum is how long the names of a file's extended attributes, or one value, can be, in bytes: XATTR_LIST_MAX and
// XATTR_SIZE_MAX of Linux.
const xattrMaximum = 64 << 10

// copyExtendedAttributes gives file what the file here has. File systems without them are no error.
func (p *place) copyExtendedAttributes(file *os.File) error {
	from, err := p.file(unix.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer from.Close()
	return copyExtendedAttributes(from, file, p.guard != nil)
}

func copyExtendedAttributes(from, to *os.File, guarded bool) error {
	// Most files have none, so nothing is set aside for them before the kernel says that there are some.
	n, err := unix.Flistxattr(int(from.Fd()), nil)
	if err != nil || n == 0 {
		return ignoreUnsupported(err)
	}
	names, value := make([]byte, xattrMaximum), make([]byte, xattrMaximum)
	if n, err = unix.Flistxattr(int(from.Fd()), names); err != nil {
		return ignoreUnsupported(err)
	}
	for attribute := range strings.SplitSeq(strings.TrimSuffix(string(names[:n]), "\x00"), "\x00") {
		if attribute == "" || guarded && attribute == capability {
			continue
		}
		size, err := unix.Fgetxattr(int(from.Fd()), attribute, value)
		if err != nil {
			if errors.Is(err, unix.ENODATA) {
				continue
			}
			return fmt.Errorf("cannot keep its attribute %s: %w", attribute, err)
		}
		if err := unix.Fsetxattr(int(to.Fd()), attribute, value[:size], 0); err != nil && ignoreUnsupported(err) != nil {
			return fmt.Errorf("cannot keep its attribute %s: %w", attribute, err)
		}
	}
	return nil
}

func ignoreUnsupported(err error) error {
	if errors.Is(err, unix.ENOTSUP) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) && !privileged() {
		return nil
	}
	return err
}

// syncDirectory makes the names in the place's directory durable.
func (p *place) syncDirectory() error {
	above := p.above
	if above == "" {
		above = "."
	}
	if err := p.root.before("fsync directory", above); err != nil {
		return err
	}
	directory, err := openat(p.dir, ".", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer unix.Close(directory)
	return unix.Fsync(directory)
}

// syncDirectory makes the names in a directory durable.
func (r *Root) syncDirectory(directory string) error {
	return r.at(directory+"/.names", way{}, (*place).syncDirectory)
}

// SyncAll makes everything durable that anybody wrote to the tree's file system so far.
func (r *Root) SyncAll() error {
	top, err := openat(r.top, ".", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err == nil {
		defer unix.Close(top)
		err = unix.Syncfs(top)
	}
	if err != nil {
		return fmt.Errorf("cannot make the disk durable: %w", err)
	}
	return nil
}

// explain adds what to do to the errors that every disk has.
func explain(err error) error {
	switch {
	case errors.Is(err, unix.ENOSPC):
		return fmt.Errorf("%w; free some space and run this again", err)
	case errors.Is(err, unix.EROFS):
		return fmt.Errorf("%w; remount it for writing and run this again", err)
	case errors.Is(err, unix.EPERM) && privileged():
		return fmt.Errorf("%w, as for what is marked immutable (lsattr shows an i; chattr -i takes it off)", err)
	}
	return err
}
