package host

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Operation is one change to the machine, named for the system call or action that makes it.
type Operation struct{ Name, Object string }

// Root is a directory tree worked on as if it were "/". Absolute symbolic links in it are followed inside it,
// as they would be after a chroot, and only where nobody but root can have put them there: an operation below a
// directory that another account owns or may write fails with a ForeignLink instead.
type Root struct {
	dir       string
	top       int // descriptor (O_PATH) of the tree's top
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
	top, err := openat(unix.AT_FDCWD, absolute, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot open the root directory %s: %w", dir, err)
	}
	return &Root{dir: absolute, top: top}, nil
}

// Close lets go of the tree.
func (r *Root) Close() error { return unix.Close(r.top) }

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

// resolve turns a path of the tree into one relative to its top that leads through no symbolic link. What does not exist
// yet is taken as it stands.
func (r *Root) resolve(name string) (string, error) { return r.leadsTo(name, way{follow: true}) }

func (r *Root) leadsTo(name string, how way) (string, error) {
	w, err := r.walk(name, how)
	if err != nil {
		return "", err
	}
	defer w.close()
	for len(w.pending) > 0 {
		rest := strings.Join(w.pending, "/")
		found, err := w.step()
		switch {
		case errors.Is(err, unix.ENOENT):
			return path.Join(w.path(), rest), nil
		case err != nil:
			return "", err
		case found != nil:
			return found.String(), nil
		}
	}
	return path.Join(".", w.path()), nil
}

// Resolve is where path leads inside the tree once every symbolic link is followed, whoever made it, as an absolute path
// of it. That is only a name: whatever is then done by that name is careful again.
func (r *Root) Resolve(path string) (string, error) {
	name, err := r.leadsTo(path, asFound)
	if err != nil {
		return "", fmt.Errorf("cannot follow %s: %w", path, err)
	}
	return "/" + strings.TrimPrefix(name, "."), nil
}

// at does something at the place that path leads to.
func (r *Root) at(path string, how way, do func(*place) error) error {
	p, err := r.locate(path, how)
	if err != nil {
		return err
	}
	defer p.close()
	return plain(do(p))
}

// ReadFile reads a regular file of at most limit bytes. Devices, FIFOs and sockets are refused unopened.
func (r *Root) ReadFile(path string, limit int64) (data []byte, err error) {
	err = r.at(path, way{follow: true}, func(p *place) (err error) {
		data, err = p.read(limit)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", path, err)
	}
	return data, nil
}

func (p *place) read(limit int64) ([]byte, error) {
	file, err := p.openRead()
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var data bytes.Buffer
	if info, err := file.Stat(); err == nil {
		data.Grow(int(min(info.Size(), limit)) + bytes.MinRead) // so that the bytes are read to where they stay
	}
	_, err = data.ReadFrom(io.LimitReader(file, limit+1))
	if err == nil && int64(data.Len()) > limit {
		return nil, fmt.Errorf("it is larger than %d bytes", limit)
	}
	return data.Bytes(), err
}

// OpenRead opens a regular file for reading. Devices, FIFOs and sockets are refused.
func (r *Root) OpenRead(path string) (file *os.File, err error) {
	err = r.at(path, way{follow: true}, func(p *place) (err error) {
		file, err = p.openRead()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", path, err)
	}
	return file, nil
}

func (p *place) openRead() (*os.File, error) {
	stat, err := p.stat()
	if err != nil {
		return nil, err
	}
	if err := regular(&stat); err != nil {
		return nil, err
	}
	file, err := p.file(unix.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	if stat, err = statat(int(file.Fd()), ""); err == nil {
		if err = regular(&stat); err == nil {
			err = p.onlyName(int(file.Fd()))
		}
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

func regular(stat *unix.Stat_t) error {
	if mode := modeOf(stat); !mode.IsRegular() {
		return fmt.Errorf("it is %s, not a regular file", kindOf(mode))
	}
	return nil
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
func (r *Root) Stat(path string) (fs.FileInfo, error) { return r.info(path, way{follow: true}) }

// Lstat describes path itself; a symbolic link is not followed.
func (r *Root) Lstat(path string) (fs.FileInfo, error) { return r.info(path, way{}) }

func (r *Root) info(path string, how way) (info fs.FileInfo, err error) {
	err = r.at(path, how, func(p *place) (err error) {
		info, err = p.info()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("cannot look at %s: %w", path, err)
	}
	return info, nil
}

// asFound is how a command finds a path: links are followed whoever made them. It is for questions whose answer gives
// nothing away and changes nothing.
var asFound = way{follow: true, anyLink: true}

// Exists reports whether something is at path for a command that looks there, links followed whoever made them.
func (r *Root) Exists(path string) bool {
	_, err := r.info(path, asFound)
	return err == nil
}

// Missing reports whether nothing is at path, for sure: an error of the disk is no proof of that.
func (r *Root) Missing(path string) bool {
	_, err := r.info(path, asFound)
	return errors.Is(err, fs.ErrNotExist)
}

// Readlink returns the text of the symbolic link at path.
func (r *Root) Readlink(path string) (target string, err error) {
	err = r.at(path, way{}, func(p *place) (err error) {
		target, err = readlinkat(p.dir, p.name)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("cannot read the link %s: %w", path, err)
	}
	return target, nil
}

// ReadDir lists the names in a directory, sorted.
func (r *Root) ReadDir(path string) (entries []fs.DirEntry, err error) {
	err = r.at(path, way{follow: true}, func(p *place) error {
		directory, err := p.file(unix.O_RDONLY|unix.O_DIRECTORY, 0)
		if err != nil {
			return err
		}
		defer directory.Close()
		entries, err = directory.ReadDir(-1)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("cannot list %s: %w", path, err)
	}
	for i, entry := range entries {
		entries[i] = &dirEntry{entry, r, path + "/" + entry.Name()}
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, nil
}

// dirEntry is an entry whose Info looks into the tree again, as carefully as everything else.
type dirEntry struct {
	fs.DirEntry
	root *Root
	path string
}

func (d *dirEntry) Info() (fs.FileInfo, error) { return d.root.Lstat(d.path) }

// OpenAppend opens a file to add to its end, creating it with mode. Its directory is made durable.
func (r *Root) OpenAppend(path string, mode fs.FileMode) (*os.File, error) {
	return r.open(path, unix.O_RDWR|unix.O_APPEND, mode)
}

// Create opens an empty file for writing, private to root.
func (r *Root) Create(path string) (*os.File, error) {
	file, err := r.open(path, unix.O_RDWR, 0o600)
	if err == nil {
		if err = file.Truncate(0); err != nil {
			file.Close()
			return nil, fmt.Errorf("cannot open %s: %w", path, plain(err))
		}
	}
	return file, err
}

func (r *Root) open(path string, flags int, mode fs.FileMode) (file *os.File, err error) {
	if err := r.before("open", path); err != nil {
		return nil, fmt.Errorf("cannot open %s: %w", path, err)
	}
	err = r.at(path, way{follow: true}, func(p *place) (err error) {
		file, err = p.openOrCreate(flags, mode)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("cannot open %s: %w", path, err)
	}
	return file, nil
}

// openOrCreate opens a file to write into it. One that another account put there is not written into.
func (p *place) openOrCreate(flags int, mode fs.FileMode) (*os.File, error) {
	for {
		file, err := p.file(flags, 0)
		if errors.Is(err, unix.ENOENT) {
			if file, err = p.file(flags|unix.O_CREAT|unix.O_EXCL, mode); errors.Is(err, unix.EEXIST) {
				continue // somebody else made it meanwhile
			} else if err == nil {
				err = p.syncDirectory()
			}
		} else if err == nil && p.guard != nil {
			err = p.ownFile(int(file.Fd()))
		}
		if err != nil && file != nil {
			file.Close()
			return nil, err
		}
		return file, err
	}
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
	err = r.at(path, way{follow: true}, func(p *place) error {
		directory, err := p.file(unix.O_RDONLY, 0)
		if err != nil {
			return err
		}
		defer directory.Close()
		var stat unix.Statfs_t
		if err := unix.Fstatfs(int(directory.Fd()), &stat); err != nil {
			return err
		}
		total, free = int64(stat.Blocks)*stat.Bsize, int64(stat.Bavail)*stat.Bsize
		return nil
	})
	if err != nil {
		return 0, 0, fmt.Errorf("cannot tell the space of %s: %w", path, err)
	}
	return total, free, nil
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
