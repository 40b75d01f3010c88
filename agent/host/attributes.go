package host

import (
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"
)

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

// modeBits are the bits that chmod sets.
const modeBits = fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky

// Has reports whether what is at path, links not followed, has this mode and owner.
func (r *Root) Has(path string, want Attributes) bool {
	has := false
	r.at(path, way{}, func(p *place) error {
		stat, err := p.stat()
		has = err == nil && r.attributesMatch(&stat, want)
		return nil
	})
	return has
}

// Owned is whose what is at path is, as user:group by their names in the tree, and its mode. Links are followed.
func (r *Root) Owned(path string) (owner string, mode fs.FileMode, err error) {
	err = r.at(path, way{follow: true}, func(p *place) error {
		stat, err := p.stat()
		if err == nil {
			mode = modeOf(&stat) & modeBits
			owner = r.nameOf("/etc/passwd", int(stat.Uid)) + ":" + r.nameOf("/etc/group", int(stat.Gid))
		}
		return err
	})
	return owner, mode, err
}

// attributesMatch compares what is there with what is wanted. A symbolic link has no mode.
func (r *Root) attributesMatch(stat *unix.Stat_t, want Attributes) bool {
	return r.modeMatches(stat, want) && r.ownerMatches(stat, want)
}

func (r *Root) modeMatches(stat *unix.Stat_t, want Attributes) bool {
	have := modeOf(stat)
	return want.Mode == nil || have&fs.ModeSymlink != 0 || have&modeBits == *want.Mode&modeBits
}

func (r *Root) ownerMatches(stat *unix.Stat_t, want Attributes) bool {
	return want.Owner == nil || !r.canChown() || ownerIn(stat) == *want.Owner
}

// canChown is false for a throwaway tree worked on without root: its files all belong to whoever runs this.
func (r *Root) canChown() bool { return privileged() || r.IsMachine() }

func ownerIn(stat *unix.Stat_t) Owner { return Owner{int(stat.Uid), int(stat.Gid)} }

// SetAttributes gives what is at path this mode and owner. A symbolic link is not followed: only its owner is set.
func (r *Root) SetAttributes(path string, want Attributes) error {
	err := r.at(path, way{}, func(p *place) error { return p.setAttributes(want) })
	if err != nil {
		return fmt.Errorf("cannot change owner or mode of %s: %w", path, explain(err))
	}
	return nil
}

// setAttributes changes what differs, of exactly the file that was looked at.
func (p *place) setAttributes(want Attributes) error {
	fd, err := openat(p.dir, p.name, unix.O_PATH|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	stat, err := statat(fd, "")
	if err != nil || p.root.attributesMatch(&stat, want) {
		return err
	}
	if err := p.onlyName(fd); err != nil {
		return err
	}
	if err := p.root.before("chmod", p.String()); err != nil {
		return err
	}
	if !p.root.ownerMatches(&stat, want) {
		if err := unix.Fchownat(fd, "", want.Owner.UID, want.Owner.GID, unix.AT_EMPTY_PATH|unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return err
		}
		if stat, err = statat(fd, ""); err != nil { // a change of owner takes setuid and setgid off
			return err
		}
	}
	if p.root.modeMatches(&stat, want) {
		return nil
	}
	return chmod(fd, *want.Mode)
}

// chmod changes the mode of what a descriptor stands for, O_PATH included: with fchmodat2(2), and before Linux 6.6 by the
// name that /proc has for the descriptor.
func chmod(fd int, mode fs.FileMode) error {
	err := unix.Fchmodat(fd, "", Bits(mode), unix.AT_EMPTY_PATH)
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EPERM) {
		return chmodByName(fd, mode)
	}
	return err
}

func chmodByName(fd int, mode fs.FileMode) error {
	return unix.Fchmodat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", fd), Bits(mode), 0)
}

// errOtherName is the error of a file that somebody may have linked to its place.
var errOtherName = errors.New("the same file has another name, so it may be one that does not belong here; remove one of the names")

// onlyName makes sure, where others may write, that an open file belongs there: with a hard link, an account gets a file
// that is not its own into its own directory. The file must have no second name, and its one name must be this place's. A
// file of the directory's own account is its own everywhere. The question is asked twice, so that a name that comes and
// goes would have to do so twice within a few hundred nanoseconds.
func (p *place) onlyName(fd int) error {
	if p.guard == nil {
		return nil
	}
	directory, err := statat(p.dir, "")
	if err != nil {
		return err
	}
	for range 2 {
		file, err := statat(fd, "")
		if err != nil {
			return err
		}
		if kind := modeOf(&file); kind.IsDir() || kind&fs.ModeSymlink != 0 ||
			file.Uid == directory.Uid && int(file.Uid) != ownUID && file.Uid != 0 && directory.Mode&0o022 == 0 {
			return nil
		}
		here, err := p.stat()
		if err != nil {
			return err
		}
		if here.Dev != file.Dev || here.Ino != file.Ino {
			return errors.New("somebody else who may write to its directory exchanged it meanwhile; run this again")
		}
		if file.Nlink > 1 || here.Nlink > 1 {
			return errOtherName
		}
	}
	return nil
}

// ownFile makes sure, where others may write, that a file to write into is one of ours: another account that made it
// could read what is written.
func (p *place) ownFile(fd int) error {
	stat, err := statat(fd, "")
	if err != nil {
		return err
	}
	if stat.Uid != 0 && int(stat.Uid) != ownUID {
		return fmt.Errorf("it belongs to %s, who could read what is written; remove it", p.root.nameOf("/etc/passwd", int(stat.Uid)))
	}
	return p.onlyName(fd)
}
