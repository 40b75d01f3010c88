package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// maxLinks is how many symbolic links one path may lead through; the kernel's own limit.
const maxLinks = 40

// place is where a path leads: a name in an open directory. Everything that is done there is done relative to that
// directory, so that nothing can be exchanged between the look at the way and its use.
type place struct {
	root  *Root
	dir   int    // descriptor (O_PATH) of the directory that holds name
	name  string // "." for the top of the tree
	above string // the directory's path in the tree, "" for the top
	// guard is set where others than root may write, and says who: no link is followed there.
	guard *guard
	open  []int
}

// guard is the first directory on the way that another account owns or may write.
type guard struct {
	path string
	stat unix.Stat_t
}

// ForeignLink is the error of a path that leads through a symbolic link which another account may have put there.
type ForeignLink struct{ Link, Directory, Who string }

func (f *ForeignLink) Error() string {
	return fmt.Sprintf("%s %s, so a link there is not followed; remove the link %s, or name what it leads to", f.Directory, f.Who, f.Link)
}

// way says how a path is walked.
type way struct {
	// follow: a link at the path's end is followed too.
	follow bool
	// anyLink: links are followed whoever made them, as every program does that is not careful.
	anyLink bool
	// mkdir makes a directory of the path that is missing; what it makes is entered.
	mkdir func(parent *place, last bool) error
}

// walker is a path on its way: the directories that it leads through, all of them open.
type walker struct {
	root    *Root
	way     way
	levels  []level
	pending []string
	links   int
}

type level struct {
	dir   int
	name  string
	guard *guard
}

// locate walks a path of the tree, part by part, each relative to the open directory before. A link is followed inside
// the tree, as after a chroot, and only where nobody but root can have put it there. (openat2(2) could walk the guarded
// part of a way at once, but not tell which link it refused, nor make what is missing; so there is one walk for all kernels.)
func (r *Root) locate(name string, how way) (*place, error) {
	w, err := r.walk(name, how)
	if err != nil {
		return nil, err
	}
	for len(w.pending) > 0 {
		found, err := w.step()
		if err != nil {
			w.close()
			return nil, err
		}
		if found != nil {
			return found, nil
		}
	}
	return w.place(), nil
}

// walk begins a way at the tree's top.
func (r *Root) walk(name string, how way) (*walker, error) {
	top, err := r.levelOf(r.top, nil, "")
	if err != nil {
		return nil, err
	}
	if how.anyLink {
		top.guard = nil
	}
	return &walker{root: r, way: how, levels: []level{top}, pending: strings.Split(path.Clean("/" + name)[1:], "/")}, nil
}

// step goes one part further. It returns the place when the way ends there.
func (w *walker) step() (*place, error) {
	part := w.pending[0]
	w.pending = w.pending[1:]
	switch part {
	case "", ".":
		return nil, nil
	case "..":
		w.up(max(1, len(w.levels)-1))
		return nil, nil
	}
	here := w.levels[len(w.levels)-1]
	if last := len(w.pending) == 0; last && w.way.mkdir == nil {
		if w.way.follow {
			if target, err := readlinkat(here.dir, part); err == nil {
				return nil, w.link(part, target)
			} else if !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
				return nil, err
			}
		}
		return w.placeOf(part), nil
	}
	return nil, w.enter(here, part)
}

// enter opens the directory part, or follows the link of that name.
func (w *walker) enter(here level, part string) error {
	for made := false; ; made = true {
		dir, err := openat(here.dir, part, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
		switch {
		case err == nil:
			next, err := w.root.levelOf(dir, here.guard, path.Join(w.path(), part))
			if err != nil || w.way.anyLink {
				next.guard = nil
			}
			next.name = part
			w.levels = append(w.levels, next)
			return err
		case errors.Is(err, unix.ENOENT) && w.way.mkdir != nil && !made:
			if err := w.way.mkdir(w.placeOf(part), len(w.pending) == 0); err != nil {
				return err
			}
		case errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP):
			target, linkErr := readlinkat(here.dir, part)
			if linkErr != nil {
				return w.noDirectory(here, part)
			}
			return w.link(part, target)
		default:
			return err
		}
	}
}

// noDirectory says what is in the place of a directory, to whoever wants to make one.
func (w *walker) noDirectory(here level, part string) error {
	stat, err := statat(here.dir, part)
	if err != nil || w.way.mkdir == nil {
		return unix.ENOTDIR
	}
	return fmt.Errorf("/%s is %s", path.Join(w.path(), part), kindOf(modeOf(&stat)))
}

// link goes on with the text of a link, if it may be followed.
func (w *walker) link(part, target string) error {
	if guard := w.levels[len(w.levels)-1].guard; guard != nil {
		return w.root.foreign(path.Join(w.path(), part), guard)
	}
	if w.links++; w.links > maxLinks {
		return unix.ELOOP
	}
	if strings.HasPrefix(target, "/") {
		w.up(1)
	}
	w.pending = append(strings.Split(target, "/"), w.pending...)
	return nil
}

// up goes back until count directories are left.
func (w *walker) up(count int) {
	for _, left := range w.levels[count:] {
		unix.Close(left.dir)
	}
	w.levels = w.levels[:count]
}

func (w *walker) close() { w.up(1) }

// path is the way so far, without the "/" before it.
func (w *walker) path() string {
	names := make([]string, 0, len(w.levels))
	for _, l := range w.levels[1:] {
		names = append(names, l.name)
	}
	return strings.Join(names, "/")
}

func (w *walker) placeOf(name string) *place {
	here := w.levels[len(w.levels)-1]
	p := &place{root: w.root, dir: here.dir, name: name, above: w.path(), guard: here.guard}
	for _, l := range w.levels[1:] {
		p.open = append(p.open, l.dir)
	}
	return p
}

// place is the directory that the way has come to, by its name in the one above.
func (w *walker) place() *place {
	if len(w.levels) == 1 {
		return w.placeOf(".")
	}
	last := w.levels[len(w.levels)-1]
	w.levels = w.levels[:len(w.levels)-1]
	p := w.placeOf(last.name)
	p.open = append(p.open, last.dir)
	return p
}

// close lets go of the directories on the way.
func (p *place) close() {
	for _, fd := range p.open {
		unix.Close(fd)
	}
}

// String is the place's path in the tree, without the "/" before it.
func (p *place) String() string {
	return path.Join(p.above, p.name)
}

func (p *place) isTop() bool { return p.name == "." }

// stat describes what is there; a link is not followed.
func (p *place) stat() (unix.Stat_t, error) { return statat(p.dir, p.name) }

// file opens what is there as a file. A link is not followed, and a FIFO does not wait for its other end.
func (p *place) file(flags int, mode fs.FileMode) (*os.File, error) {
	fd, err := openat(p.dir, p.name, flags|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY, uint32(mode.Perm()))
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), "/"+p.String()), nil
}

// info describes what is there as package os does.
func (p *place) info() (fs.FileInfo, error) {
	file, err := p.file(unix.O_PATH, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return file.Stat()
}

// levelOf looks who else may change what is in a directory.
func (r *Root) levelOf(dir int, above *guard, name string) (level, error) {
	if above != nil {
		return level{dir: dir, guard: above}, nil
	}
	stat, err := statat(dir, "")
	if err != nil {
		return level{dir: dir}, err
	}
	l := level{dir: dir}
	if who := r.whoElse(&stat); who != nobodyElse {
		l.guard = &guard{path: "/" + name, stat: stat}
	}
	return l, nil
}

// other is who else may put names into a directory.
type other int

const (
	nobodyElse other = iota
	itsOwner
	itsGroup
	everybody
)

// whoElse says who but root, or but the user that works on a throwaway tree, may put names into a directory.
func (r *Root) whoElse(stat *unix.Stat_t) other {
	switch own := ownUID; {
	case stat.Uid != 0 && int(stat.Uid) != own:
		return itsOwner
	case stat.Mode&0o002 != 0:
		return everybody
	case stat.Mode&0o020 != 0 && (own == 0 || int(stat.Gid) != ownGID):
		return itsGroup
	}
	return nobodyElse
}

// foreign is the error of a link below a guard.
func (r *Root) foreign(link string, guard *guard) error {
	refused := &ForeignLink{Link: "/" + link, Directory: guard.path, Who: "can be written by every account"}
	switch r.whoElse(&guard.stat) {
	case itsOwner:
		refused.Who = "belongs to " + r.nameOf("/etc/passwd", int(guard.stat.Uid))
	case itsGroup:
		refused.Who = "can be written by the group " + r.nameOf("/etc/group", int(guard.stat.Gid))
	}
	return refused
}

// The system calls below begin anew when a signal interrupts them, as package os does.

func again[T any](call func() (T, error)) (T, error) {
	for {
		if result, err := call(); !errors.Is(err, unix.EINTR) {
			return result, err
		}
	}
}

func openat(dir int, name string, flags int, mode uint32) (int, error) {
	return again(func() (int, error) { return unix.Openat(dir, name, flags|unix.O_CLOEXEC, mode) })
}

// statat describes a name in a directory, or with "" the open file itself.
func statat(dir int, name string) (stat unix.Stat_t, err error) {
	return again(func() (unix.Stat_t, error) {
		if name == "" {
			err = unix.Fstat(dir, &stat)
		} else {
			err = unix.Fstatat(dir, name, &stat, unix.AT_SYMLINK_NOFOLLOW)
		}
		return stat, err
	})
}

func readlinkat(dir int, name string) (string, error) {
	buffer := make([]byte, unix.PathMax)
	n, err := again(func() (int, error) { return unix.Readlinkat(dir, name, buffer) })
	return string(buffer[:max(n, 0)]), err
}

// modeOf is a mode as package fs writes it.
func modeOf(stat *unix.Stat_t) fs.FileMode {
	mode := fs.FileMode(stat.Mode & 0o777)
	switch stat.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		mode |= fs.ModeDir
	case unix.S_IFLNK:
		mode |= fs.ModeSymlink
	case unix.S_IFIFO:
		mode |= fs.ModeNamedPipe
	case unix.S_IFSOCK:
		mode |= fs.ModeSocket
	case unix.S_IFBLK:
		mode |= fs.ModeDevice
	case unix.S_IFCHR:
		mode |= fs.ModeDevice | fs.ModeCharDevice
	}
	if stat.Mode&unix.S_ISUID != 0 {
		mode |= fs.ModeSetuid
	}
	if stat.Mode&unix.S_ISGID != 0 {
		mode |= fs.ModeSetgid
	}
	if stat.Mode&unix.S_ISVTX != 0 {
		mode |= fs.ModeSticky
	}
	return mode
}

func isNoDirectory(err error) bool { return errors.Is(err, unix.ENOTDIR) }
