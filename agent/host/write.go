package host

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxCompared is the largest existing file that a write is compared with, in bytes.
const maxCompared = 64 << 20

// Owner is an account and a group by number.
type Owner struct{ UID, GID int }

// Attributes are a file's mode and owner. Nil keeps what the file has; a new file then gets 0644 (a new
// directory 0755) and the user this process runs as.
type Attributes struct {
	Mode  *fs.FileMode
	Owner *Owner
}

// Mode is a shorthand for Attributes with only a mode.
func Mode(mode fs.FileMode) Attributes { return Attributes{Mode: &mode} }

// Matches reports whether path is a regular file with this content and these attributes.
func (r *Root) Matches(path string, data []byte, want Attributes) bool {
	info, err := r.Stat(path)
	if err != nil || !info.Mode().IsRegular() || info.Size() != int64(len(data)) || !r.attributesMatch(info, want) {
		return false
	}
	have, err := r.ReadFile(path, maxCompared)
	return err == nil && bytes.Equal(have, data)
}

func (r *Root) attributesMatch(info fs.FileInfo, want Attributes) bool {
	if want.Mode != nil && info.Mode()&modeBits != *want.Mode&modeBits {
		return false
	}
	return want.Owner == nil || !r.canChown() || ownerOf(info) == *want.Owner
}

// modeBits are the bits that chmod sets.
const modeBits = fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky

// canChown is false for a throwaway tree worked on without root: its files all belong to whoever runs this.
func (r *Root) canChown() bool { return privileged() || r.IsMachine() }

func ownerOf(info fs.FileInfo) Owner {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return Owner{}
	}
	return Owner{int(stat.Uid), int(stat.Gid)}
}

// WriteFile gives path this content and these attributes, durably and atomically: at any moment, a power cut
// included, the whole old file or the whole new one is there. A symbolic link at path is followed inside the
// tree. Extended attributes (SELinux labels, ACLs) of a replaced file are kept. Nothing is written where
// nothing would change; changed tells.
func (r *Root) WriteFile(path string, data []byte, want Attributes) (changed bool, err error) {
	if r.Matches(path, data, want) {
		return false, nil
	}
	name, err := r.resolve(path, true)
	if err == nil {
		err = r.replace(name, data, want)
	}
	if err != nil {
		return false, fmt.Errorf("cannot write %s: %w", path, explain(err))
	}
	return true, nil
}

func (r *Root) replace(name string, data []byte, want Attributes) error {
	old, err := r.root.Lstat(name)
	if err != nil {
		old = nil
		if !errors.Is(err, fs.ErrNotExist) {
			return plain(err)
		}
	} else if !old.Mode().IsRegular() {
		return fmt.Errorf("it is %s, not a regular file", kindOf(old.Mode()))
	}
	// The name is the same on every run, so that a second run replaces what a power cut left behind.
	temporary := filepath.Join(filepath.Dir(name), "."+filepath.Base(name)+".oneclick-new")
	if err := r.writeTemporary(temporary, name, old, data, want); err != nil {
		if !errors.Is(err, ErrPower) {
			r.root.Remove(temporary)
		}
		return err
	}
	if err := r.before("rename", name); err != nil {
		return err
	}
	if err := r.root.Rename(temporary, name); err != nil {
		r.root.Remove(temporary)
		return plain(err)
	}
	return r.syncDirectory(filepath.Dir(name))
}

// ErrPower is what tests return from Root.Before: nothing after it reaches the disk, cleaning up included.
var ErrPower = errors.New("the power is gone")

func (r *Root) writeTemporary(temporary, name string, old fs.FileInfo, data []byte, want Attributes) error {
	if err := r.before("create", name); err != nil {
		return err
	}
	if err := r.root.Remove(temporary); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return plain(err)
	}
	file, err := r.root.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return plain(err)
	}
	defer file.Close()
	if err := r.before("write", name); err != nil {
		file.Write(data[:len(data)/2]) // what a power cut in the middle of a write leaves
		return err
	}
	if _, err := file.Write(data); err != nil {
		return plain(err)
	}
	if old != nil {
		if err := r.copyExtendedAttributes(name, file); err != nil {
			return err
		}
	}
	if err := r.setAttributes(file, old, want); err != nil {
		return err
	}
	if err := r.before("fsync", name); err != nil {
		return err
	}
	return plain(file.Sync())
}

// setAttributes changes the owner before the mode, because a change of owner takes setuid and setgid off.
func (r *Root) setAttributes(file *os.File, old fs.FileInfo, want Attributes) error {
	mode := fs.FileMode(0o644)
	if old != nil {
		mode = old.Mode() & modeBits
		if want.Owner == nil {
			owner := ownerOf(old)
			want.Owner = &owner
		}
	}
	if want.Mode != nil {
		mode = *want.Mode
	}
	if want.Owner != nil && r.canChown() {
		if err := file.Chown(want.Owner.UID, want.Owner.GID); err != nil {
			return plain(err)
		}
	}
	return plain(file.Chmod(mode))
}

// copyExtendedAttributes gives file what the file at name has. File systems without them are no error.
func (r *Root) copyExtendedAttributes(name string, file *os.File) error {
	from, err := r.root.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if err != nil {
		return plain(err)
	}
	defer from.Close()
	names := make([]byte, 64<<10)
	n, err := unix.Flistxattr(int(from.Fd()), names)
	if err != nil {
		return ignoreUnsupported(err)
	}
	value := make([]byte, 64<<10)
	for _, attribute := range strings.Split(strings.TrimSuffix(string(names[:n]), "\x00"), "\x00") {
		if attribute == "" {
			continue
		}
		size, err := unix.Fgetxattr(int(from.Fd()), attribute, value)
		if err != nil {
			if errors.Is(err, unix.ENODATA) {
				continue
			}
			return fmt.Errorf("cannot keep its attribute %s: %w", attribute, err)
		}
		if err := unix.Fsetxattr(int(file.Fd()), attribute, value[:size], 0); err != nil && ignoreUnsupported(err) != nil {
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

// MakeDirectory makes path and what is missing above it, durably, and gives path these attributes. Directories
// made on the way get 0755.
func (r *Root) MakeDirectory(path string, want Attributes) error {
	if err := r.makeDirectory(path, want); err != nil {
		return fmt.Errorf("cannot make the directory %s: %w", path, explain(err))
	}
	return nil
}

func (r *Root) makeDirectory(path string, want Attributes) error {
	name, err := r.resolve(path, true)
	if err != nil || name == "." {
		return err
	}
	parts := strings.Split(name, "/")
	for i := range parts {
		here := strings.Join(parts[:i+1], "/")
		info, err := r.root.Stat(here)
		if err == nil {
			if !info.IsDir() {
				return fmt.Errorf("/%s is %s", here, kindOf(info.Mode()))
			}
			continue
		}
		if err := r.before("mkdir", here); err != nil {
			return err
		}
		mode := fs.FileMode(0o755)
		if i == len(parts)-1 && want.Mode != nil {
			mode = *want.Mode & 0o777
		}
		if err := r.root.Mkdir(here, mode); err != nil {
			return plain(err)
		}
		// mkdir obeys the umask, which is not ours to change: what it took away is given back.
		if err := r.root.Chmod(here, mode); err != nil {
			return plain(err)
		}
		if err := r.syncDirectory(filepath.Dir(here)); err != nil {
			return err
		}
	}
	info, err := r.root.Lstat(name)
	if err != nil {
		return plain(err)
	}
	return r.applyAttributes(name, info, want)
}

// SetAttributes gives what is at path this mode and owner. A symbolic link is not followed: only its owner is set.
func (r *Root) SetAttributes(path string, want Attributes) error {
	name, err := r.resolve(path, false)
	if err == nil {
		var info fs.FileInfo
		if info, err = r.root.Lstat(name); err == nil {
			err = r.applyAttributes(name, info, want)
		}
	}
	if err != nil {
		return fmt.Errorf("cannot change owner or mode of %s: %w", path, explain(plain(err)))
	}
	return nil
}

// applyAttributes changes what differs of an entry that is no new file.
func (r *Root) applyAttributes(name string, info fs.FileInfo, want Attributes) error {
	if info.Mode()&fs.ModeSymlink != 0 {
		want.Mode = nil
	}
	if r.attributesMatch(info, want) {
		return nil
	}
	if err := r.before("chmod", name); err != nil {
		return err
	}
	if want.Owner != nil && r.canChown() && ownerOf(info) != *want.Owner {
		if err := r.root.Lchown(name, want.Owner.UID, want.Owner.GID); err != nil {
			return plain(err)
		}
	}
	if want.Mode != nil {
		if err := r.root.Chmod(name, *want.Mode); err != nil {
			return plain(err)
		}
	}
	return nil
}

// Symlink makes path a symbolic link with this text, durably and atomically, in place of a link or file there.
func (r *Root) Symlink(target, path string) error {
	if err := r.symlink(target, path); err != nil {
		return fmt.Errorf("cannot link %s: %w", path, explain(err))
	}
	return nil
}

func (r *Root) symlink(target, path string) error {
	name, err := r.resolve(path, false)
	if err != nil {
		return err
	}
	if info, err := r.root.Lstat(name); err == nil && info.IsDir() {
		return errors.New("a directory is in its place; remove it first")
	}
	temporary := filepath.Join(filepath.Dir(name), "."+filepath.Base(name)+".oneclick-new")
	if err := r.before("symlink", name); err != nil {
		return err
	}
	if err := r.root.Remove(temporary); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return plain(err)
	}
	if err := r.root.Symlink(target, temporary); err != nil {
		return plain(err)
	}
	if err := r.before("rename", name); err != nil {
		return err
	}
	if err := r.root.Rename(temporary, name); err != nil {
		return plain(err)
	}
	return r.syncDirectory(filepath.Dir(name))
}

// syncDirectory makes the names in a directory durable.
func (r *Root) syncDirectory(name string) error {
	if err := r.before("fsync directory", name); err != nil {
		return err
	}
	directory, err := r.root.Open(name)
	if err != nil {
		return plain(err)
	}
	defer directory.Close()
	return plain(directory.Sync())
}

// SyncAll makes everything durable that anybody wrote to the tree's file system so far.
func (r *Root) SyncAll() error {
	top, err := r.root.Open(".")
	if err != nil {
		return plain(err)
	}
	defer top.Close()
	if err := unix.Syncfs(int(top.Fd())); err != nil {
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
	}
	return err
}

// Has reports whether what is at path, links not followed, has this mode and owner.
func (r *Root) Has(path string, want Attributes) bool {
	info, err := r.Lstat(path)
	if err != nil {
		return false
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		want.Mode = nil
	}
	return r.attributesMatch(info, want)
}
