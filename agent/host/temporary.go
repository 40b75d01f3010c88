package host

import (
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
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
	directory, base := filepath.Split(name)
	unique := "." + rand.Text()[:16] + temporarySuffix
	return directory + "." + base[:min(len(base), maxName-len(unique)-1)] + unique
}

// createTemporary makes the file that is to replace name. It is locked as long as it is open, so that whoever comes by
// can tell it from what a writer left that was killed.
func (r *Root) createTemporary(name string) (temporary string, file *os.File, err error) {
	r.removeLeftovers(filepath.Dir(name))
	for {
		temporary = temporaryName(name)
		file, err = r.root.OpenFile(temporary, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return "", nil, err
		}
		var stat unix.Stat_t
		err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			err = unix.Fstat(int(file.Fd()), &stat)
		}
		if err == nil && stat.Nlink > 0 {
			return temporary, file, nil
		}
		file.Close()
		r.root.Remove(temporary)
		// Between its making and its lock, somebody may have taken it for a leftover.
		if err != nil && !errors.Is(err, unix.EWOULDBLOCK) {
			return "", nil, err
		}
	}
}

// removeLeftovers removes from a directory what writers left there that a kill or a power cut ended. What cannot be
// removed is left: it does no harm.
func (r *Root) removeLeftovers(directory string) {
	file, err := r.root.Open(directory)
	if err != nil {
		return
	}
	defer file.Close()
	names, _ := file.Readdirnames(-1)
	for _, name := range names {
		if strings.HasPrefix(name, ".") && strings.HasSuffix(name, temporarySuffix) {
			r.removeLeftover(filepath.Join(directory, name))
		}
	}
}

// removeLeftover removes a temporary file whose writer is gone: it can be locked, and is until its name is gone too. A
// symbolic link cannot be locked; its writer makes another where it is removed.
func (r *Root) removeLeftover(name string) {
	info, err := r.root.Lstat(name)
	if err != nil {
		return
	}
	if info.Mode().IsRegular() {
		file, err := r.root.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
		if err != nil {
			return
		}
		defer file.Close()
		if unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
			return
		}
	}
	if info.Mode().IsRegular() || info.Mode()&os.ModeSymlink != 0 {
		r.root.Remove(name)
	}
}
