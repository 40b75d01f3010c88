package host

import (
	"errors"
	"fmt"
	"io"

	"golang.org/x/sys/unix"
)

// Entry is one thing that Walk came by: what statx(2) says of it, and the directory it was found in.
type Entry struct {
	Path      string // in the tree
	Name      string
	Stat      unix.Statx_t
	directory int
	content   *Content // once it was asked for
}

// IsDirectory and IsRegular tell what the entry is.
func (e *Entry) IsDirectory() bool { return e.Stat.Mode&unix.S_IFMT == unix.S_IFDIR }

// IsRegular reports whether the entry is a regular file.
func (e *Entry) IsRegular() bool { return e.Stat.Mode&unix.S_IFMT == unix.S_IFREG }

// IsLink reports whether the entry is a symbolic link.
func (e *Entry) IsLink() bool { return e.Stat.Mode&unix.S_IFMT == unix.S_IFLNK }

// Content is what is in a regular file that a walk came by. It is not an os.File, which costs four more system calls
// and a finalizer: an image has a hundred thousand files, and most of them are small.
type Content struct {
	path string
	fd   int
}

// Content opens a regular file for reading, without a trace in its access time where that is allowed. All who ask during
// one visit get the same; the walk closes it afterwards.
func (e *Entry) Content() (*Content, error) {
	if e.content != nil {
		return e.content, nil
	}
	flags := unix.O_RDONLY | unix.O_NOFOLLOW | unix.O_NONBLOCK
	fd, err := openat(e.directory, e.Name, flags|unix.O_NOATIME, 0)
	if errors.Is(err, unix.EPERM) {
		fd, err = openat(e.directory, e.Name, flags, 0)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot open %s: %w", e.Path, err)
	}
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil || stat.Mode&unix.S_IFMT != unix.S_IFREG {
		unix.Close(fd) // something else was put in its place meanwhile
		return nil, fmt.Errorf("cannot open %s: it is no longer a regular file", e.Path)
	}
	e.content = &Content{e.Path, fd}
	return e.content, nil
}

// close ends the visit.
func (e *Entry) close() {
	if e.content != nil {
		unix.Close(e.content.fd) // it was only read
		e.content = nil
	}
}

// Fd is the file's descriptor, for what only the kernel can tell of it.
func (c *Content) Fd() uintptr { return uintptr(c.fd) }

// ReadAt reads from a place in the file, as io.ReaderAt describes it.
func (c *Content) ReadAt(p []byte, offset int64) (read int, _ error) {
	for read < len(p) {
		n, err := again(func() (int, error) { return unix.Pread(c.fd, p[read:], offset+int64(read)) })
		if err != nil {
			return read, fmt.Errorf("cannot read %s: %w", c.path, err)
		}
		if n == 0 {
			return read, io.EOF
		}
		read += n
	}
	return read, nil
}

// look fills in what the kernel says of the entry, and returns the number of the mount that it is on.
func (e *Entry) look() (mount uint64, err error) {
	const mask = unix.STATX_BASIC_STATS | unix.STATX_MNT_ID
	if err := unix.Statx(e.directory, e.Name, unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT, mask, &e.Stat); err != nil {
		return 0, err
	}
	if e.Stat.Mask&unix.STATX_MNT_ID != 0 {
		return e.Stat.Mnt_id, nil
	}
	return mountNumber(e.directory, e.Name)
}
