package host

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// ErrLocked says that another process holds the lock.
var ErrLocked = errors.New("another process is at work")

// Lock takes the lock at path without waiting. The kernel frees it when the returned file is closed or the
// process ends, so a lock is never left behind. It returns ErrLocked when another process has it.
func (r *Root) Lock(path string) (*os.File, error) {
	file, err := r.OpenAppend(path, 0o600)
	if err != nil {
		return nil, err
	}
	if err := lockFile(file); err != nil {
		file.Close()
		if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
			return nil, ErrLocked
		}
		return nil, fmt.Errorf("cannot lock %s: %w", path, err)
	}
	return file, nil
}

// lockFile takes both kinds of lock that belong to an open file. Whether somebody holds the first one, fcntl(2) tells
// without taking it. flock(2) is what versions of this program before it hold, and all there is before Linux 3.15. On
// NFS both are one lock of the server, and the second would find the first.
func lockFile(file *os.File) error {
	err := unix.FcntlFlock(file.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK})
	if err != nil && !errors.Is(err, unix.EINVAL) || err == nil && onNFS(file) {
		return err
	}
	return unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
}

func onNFS(file *os.File) bool {
	var stat unix.Statfs_t
	return unix.Fstatfs(int(file.Fd()), &stat) == nil && stat.Type == unix.NFS_SUPER_MAGIC
}

// LockWithin takes the lock at path, and waits for it as long as d.
func (r *Root) LockWithin(path string, d time.Duration) (*os.File, error) {
	const pause = 20 * time.Millisecond
	for deadline := time.Now().Add(d); ; time.Sleep(pause) {
		lock, err := r.Lock(path)
		if !errors.Is(err, ErrLocked) || time.Now().After(deadline) {
			return lock, err
		}
	}
}

// Locked reports whether some process holds the lock at path. It takes no lock, so that nobody who wants it is turned
// away by the question.
func (r *Root) Locked(path string) bool {
	file, err := r.OpenRead(path)
	if err != nil {
		return false
	}
	defer file.Close()
	asked := unix.Flock_t{Type: unix.F_WRLCK}
	if err := unix.FcntlFlock(file.Fd(), unix.F_OFD_GETLK, &asked); err == nil && asked.Type != unix.F_UNLCK {
		return true
	}
	return flocked(file)
}

// flocked looks for a flock(2) of the file in the kernel's list, proc_locks(5): a holder of an older version, or on an
// older kernel, has no other.
func flocked(file *os.File) bool {
	var stat unix.Stat_t
	locks, err := os.ReadFile("/proc/locks")
	if err != nil || unix.Fstat(int(file.Fd()), &stat) != nil {
		return false
	}
	inode := fmt.Sprintf("%02x:%02x:%d", unix.Major(stat.Dev), unix.Minor(stat.Dev), stat.Ino)
	for lines := bufio.NewScanner(bytes.NewReader(locks)); lines.Scan(); {
		// 1: FLOCK  ADVISORY  WRITE 1234 fe:01:5678 0 EOF; who waits for a lock has an arrow behind the number.
		if fields := strings.Fields(lines.Text()); len(fields) > 5 && fields[1] == "FLOCK" && fields[5] == inode {
			return true
		}
	}
	return false
}
