package host

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxLinks is how many symbolic links one path may lead through; the kernel's own limit.
const maxLinks = 40

// Operation is one change to the machine, named for the system call or action that makes it.
type Operation struct{ Name, Object string }

// Root is a directory tree worked on as if it were "/". Absolute symbolic links in it are followed inside it,
// as they would be after a chroot. os.Root below refuses whatever would still lead outside, so that a link
// swapped in meanwhile makes an operation fail and never escape.
type Root struct {
	dir       string
	root      *os.Root
	ownOnce   sync.Once
	ownMounts []uint64
	ownErr    error
	// Before is called ahead of each change; an error stops the change as a power cut would, without any
	// cleaning up. Tests use it to fail at call n.
	Before func(Operation) error
}

// OpenRoot opens the tree below dir.
func OpenRoot(dir string) (*Root, error) {
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("cannot open the root directory %s: %w", dir, err)
	}
	if resolved, err := filepath.EvalSymlinks(absolute); err == nil {
		absolute = resolved
	}
	root, err := os.OpenRoot(absolute)
	if err != nil {
		return nil, fmt.Errorf("cannot open the root directory %s: %w", dir, plain(err))
	}
	return &Root{dir: absolute, root: root}, nil
}

// Close lets go of the tree.
func (r *Root) Close() error { return r.root.Close() }

// IsMachine reports whether the tree is the running machine's own "/".
func (r *Root) IsMachine() bool { return r.dir == "/" }

// Dir is where the tree stands on this machine.
func (r *Root) Dir() string { return r.dir }

func (r *Root) before(name, object string) error {
	if r.Before == nil {
		return nil
	}
	return r.Before(Operation{name, object})
}

// resolve turns a path of the tree into one relative to its top that leads through no symbolic link. With
// follow, a link at its end is followed too. What does not exist yet is taken as it stands.
func (r *Root) resolve(name string, follow bool) (string, error) {
	pending := strings.Split(filepath.Clean("/" + name)[1:], "/")
	done := []string{}
	links := 0
	for len(pending) > 0 {
		part := pending[0]
		pending = pending[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			done = done[:max(0, len(done)-1)]
			continue
		}
		here := strings.Join(append(done[:len(done):len(done)], part), "/")
		info, err := r.root.Lstat(here)
		if err != nil || info.Mode()&fs.ModeSymlink == 0 || len(pending) == 0 && !follow {
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return "", plain(err)
			}
			done = append(done, part)
			continue
		}
		if links++; links > maxLinks {
			return "", syscall.ELOOP
		}
		target, err := r.root.Readlink(here)
		if err != nil {
			return "", plain(err)
		}
		if strings.HasPrefix(target, "/") {
			done = done[:0]
		}
		pending = append(strings.Split(target, "/"), pending...)
	}
	if len(done) == 0 {
		return ".", nil
	}
	return strings.Join(done, "/"), nil
}

// Resolve is where path leads inside the tree once every symbolic link is followed, as an absolute path of it.
func (r *Root) Resolve(path string) (string, error) {
	name, err := r.resolve(path, true)
	if err != nil {
		return "", fmt.Errorf("cannot follow %s: %w", path, err)
	}
	return "/" + strings.TrimPrefix(name, "."), nil
}

// ReadFile reads a regular file of at most limit bytes. Devices, FIFOs and sockets are refused unopened.
func (r *Root) ReadFile(path string, limit int64) ([]byte, error) {
	fail := func(err error) ([]byte, error) { return nil, fmt.Errorf("cannot read %s: %w", path, plain(err)) }
	file, err := r.OpenRead(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err != nil {
		return fail(err)
	}
	if int64(len(data)) > limit {
		return fail(fmt.Errorf("it is larger than %d bytes", limit))
	}
	return data, nil
}

// OpenRead opens a regular file for reading. Devices, FIFOs and sockets are refused.
func (r *Root) OpenRead(path string) (*os.File, error) {
	fail := func(err error) (*os.File, error) { return nil, fmt.Errorf("cannot read %s: %w", path, plain(err)) }
	name, err := r.resolve(path, true)
	if err != nil {
		return fail(err)
	}
	file, err := r.root.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if err != nil {
		return fail(err)
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("it is %s, not a regular file", kindOf(info.Mode()))
	}
	if err != nil {
		file.Close()
		return fail(err)
	}
	return file, nil
}

// ReadHead reads the first bytes of a regular file, fewer where it is shorter.
func (r *Root) ReadHead(path string, length int64) ([]byte, error) {
	file, err := r.OpenRead(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, length))
}

// Stat describes what path leads to, links followed.
func (r *Root) Stat(path string) (fs.FileInfo, error) { return r.info(path, true) }

// Lstat describes path itself; a symbolic link is not followed.
func (r *Root) Lstat(path string) (fs.FileInfo, error) { return r.info(path, false) }

func (r *Root) info(path string, follow bool) (fs.FileInfo, error) {
	name, err := r.resolve(path, follow)
	if err == nil {
		var info fs.FileInfo
		if info, err = r.root.Lstat(name); err == nil {
			return info, nil
		}
	}
	return nil, fmt.Errorf("cannot look at %s: %w", path, plain(err))
}

// Exists reports whether something is at path, links followed.
func (r *Root) Exists(path string) bool {
	_, err := r.Stat(path)
	return err == nil
}

// Missing reports whether nothing is at path, for sure: an error of the disk is no proof of that.
func (r *Root) Missing(path string) bool {
	_, err := r.Stat(path)
	return errors.Is(err, fs.ErrNotExist)
}

// Readlink returns the text of the symbolic link at path.
func (r *Root) Readlink(path string) (string, error) {
	name, err := r.resolve(path, false)
	if err == nil {
		var target string
		if target, err = r.root.Readlink(name); err == nil {
			return target, nil
		}
	}
	return "", fmt.Errorf("cannot read the link %s: %w", path, plain(err))
}

// ReadDir lists the names in a directory, sorted.
func (r *Root) ReadDir(path string) ([]fs.DirEntry, error) {
	name, err := r.resolve(path, true)
	if err == nil {
		var directory *os.File // opened as nothing else: a FIFO in its place would wait for a writer
		if directory, err = r.root.OpenFile(name, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NONBLOCK, 0); err == nil {
			defer directory.Close()
			var entries []fs.DirEntry
			if entries, err = directory.ReadDir(-1); err == nil {
				slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
				return entries, nil
			}
		}
	}
	return nil, fmt.Errorf("cannot list %s: %w", path, plain(err))
}

// OpenAppend opens a file to add to its end, creating it with mode. Its directory is made durable.
func (r *Root) OpenAppend(path string, mode fs.FileMode) (*os.File, error) {
	return r.open(path, os.O_RDWR|os.O_APPEND|os.O_CREATE, mode)
}

// Create opens an empty file for writing, private to root.
func (r *Root) Create(path string) (*os.File, error) {
	return r.open(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
}

func (r *Root) open(path string, flags int, mode fs.FileMode) (*os.File, error) {
	fail := func(err error) (*os.File, error) { return nil, fmt.Errorf("cannot open %s: %w", path, plain(err)) }
	if err := r.before("open", path); err != nil {
		return fail(err)
	}
	name, err := r.resolve(path, true)
	if err != nil {
		return fail(err)
	}
	_, statErr := r.root.Lstat(name)
	file, err := r.root.OpenFile(name, flags|unix.O_NOFOLLOW|unix.O_NONBLOCK, mode)
	if err != nil {
		return fail(err)
	}
	if statErr != nil {
		if err := r.syncDirectory(filepath.Dir(name)); err != nil {
			file.Close()
			return fail(err)
		}
	}
	return file, nil
}

// plain takes the wrapping off an error of package os, whose path is one that the caller names better.
func plain(err error) error {
	var pathError *fs.PathError
	var linkError *os.LinkError
	switch {
	case errors.As(err, &pathError):
		return pathError.Err
	case errors.As(err, &linkError):
		return linkError.Err
	}
	return err
}

func kindOf(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "a directory"
	case mode&fs.ModeSymlink != 0:
		return "a symbolic link"
	case mode&fs.ModeNamedPipe != 0:
		return "a FIFO"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	case mode&fs.ModeDevice != 0:
		return "a device"
	}
	return "a file"
}

// Space is how large the file system at path is, and how much of it is free, in bytes.
func (r *Root) Space(path string) (total, free int64, err error) {
	name, err := r.resolve(path, true)
	if err == nil {
		var directory *os.File
		if directory, err = r.root.Open(name); err == nil {
			defer directory.Close()
			var stat unix.Statfs_t
			if err = unix.Fstatfs(int(directory.Fd()), &stat); err == nil {
				return int64(stat.Blocks) * stat.Bsize, int64(stat.Bavail) * stat.Bsize, nil
			}
		}
	}
	return 0, 0, fmt.Errorf("cannot tell the space of %s: %w", path, plain(err))
}

// Bits are a mode as chmod(1) writes it.
func Bits(mode fs.FileMode) uint32 {
	bits := uint32(mode.Perm())
	for flag, bit := range map[fs.FileMode]uint32{fs.ModeSetuid: 0o4000, fs.ModeSetgid: 0o2000, fs.ModeSticky: 0o1000} {
		if mode&flag != 0 {
			bits |= bit
		}
	}
	return bits
}
