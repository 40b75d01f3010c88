package host

import (
	"crypto/rand"
	"errors"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	// temporarySuffix ends the names of files that are not complete yet. They begin with a dot.
	temporarySuffix = ".oneclick-new"
	// maxName is how long a file name may be, in bytes (NAME_MAX).
	maxName = 255
	// renameTries is how often a symbolic link is made anew that was cleaned up before it had its name.
	renameTries = 100
)

// temporaryName is a name beside name that no other writer has, now or later.
func temporaryName(name string) string {
	unique := "." + rand.Text()[:16] + temporarySuffix
	return "." + name[:min(len(name), maxName-len(unique)-1)] + unique
}

// createTemporary makes the file that is to replace the one here. It is locked as long as it is open, so that whoever
// comes by can tell it from what a writer left that was killed.
func (p *place) createTemporary() (name string, file *os.File, err error) {
	p.removeLeftovers()
	for {
		name = temporaryName(p.name)
		fd, err := openat(p.dir, name, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW, 0o600)
		if err != nil {
			return "", nil, err
		}
		err = unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			var stat unix.Stat_t
			if stat, err = statat(fd, ""); err == nil && stat.Nlink > 0 {
				return name, os.NewFile(uintptr(fd), name), nil
			}
		}
		unix.Close(fd)
		unix.Unlinkat(p.dir, name, 0)
		// Between its making and its lock, somebody may have taken it for a leftover.
		if err != nil && !errors.Is(err, unix.EWOULDBLOCK) {
			return "", nil, err
		}
	}
}

// removeLeftovers removes from the place's directory what writers left there that a kill or a power cut ended. What
// cannot be removed is left: it does no harm.
func (p *place) removeLeftovers() {
	fd, err := openat(p.dir, ".", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return
	}
	listed := directory{root: p.root, file: os.NewFile(uintptr(fd), "."), path: p.above, guard: p.guard}
	defer listed.close()
	listed.each(func(entry *place) error {
		if strings.HasPrefix(entry.name, ".") && strings.HasSuffix(entry.name, temporarySuffix) {
			entry.removeLeftover()
		}
		return nil
	})
}

// removeLeftover removes a temporary file whose writer is gone: it can be locked, and is until its name is gone too. A
// symbolic link cannot be locked; its writer makes another where it is removed.
func (p *place) removeLeftover() {
	stat, err := p.stat()
	if err != nil {
		return
	}
	kind := modeOf(&stat)
	if kind.IsRegular() {
		file, err := p.file(unix.O_RDONLY, 0)
		if err != nil {
			return
		}
		defer file.Close()
		if unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
			return
		}
	}
	if kind.IsRegular() || kind&os.ModeSymlink != 0 {
		unix.Unlinkat(p.dir, p.name, 0)
	}
}
