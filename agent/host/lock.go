package host

import (
	"bufio"
	"bytes"
	"context"
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
	file, err := r.openLock(path)
	if err != nil {
		return nil, err
	}
	if err := takeLock(file); err != nil {
		file.Close()
		return nil, lockError(path, err)
	}
	return file, nil
}

func (r *Root) openLock(path string) (*os.File, error) { return r.open(path, unix.O_RDWR, 0o600) }

func lockError(path string, err error) error {
	if errors.Is(err, ErrLocked) {
		return err
	}
	return fmt.Errorf("cannot lock %s: %w", path, err)
}

// lockByte is the byte of a lock's file that its holder has locked. Those behind it are the queue's.
const lockByte = 0

// takeLock takes both kinds of lock that belong to an open file. Whether somebody holds the first one, fcntl(2) tells
// without taking it. flock(2) is what versions of this program before it hold, and all there is before Linux 3.15. On
// NFS both are one lock of the server, and the second would find the first.
func takeLock(file *os.File) error {
	err := setByte(file, unix.F_WRLCK, lockByte)
	if err == nil && !onNFS(file) || errors.Is(err, unix.EINVAL) {
		err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err != nil {
			setByte(file, unix.F_UNLCK, lockByte)
		}
	}
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
		return ErrLocked
	}
	if err == nil {
		err = forgetHolder(file)
	}
	return err
}

// forgetHolder removes what a holder wrote about itself.
func forgetHolder(file *os.File) error {
	if stat, err := statat(int(file.Fd()), ""); err != nil || stat.Size == 0 {
		return err
	}
	return file.Truncate(0)
}

func freeLock(file *os.File) {
	forgetHolder(file)
	unix.Flock(int(file.Fd()), unix.LOCK_UN)
	setByte(file, unix.F_UNLCK, lockByte)
}

// setByte locks or unlocks one byte of the file, which need not exist.
func setByte(file *os.File, kind int16, at int64) error {
	return unix.FcntlFlock(file.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: kind, Start: at, Len: 1})
}

// lockedBytes asks for bytes from first on, before end (0 for no end), that another open file has locked, nil for none.
// It takes nothing.
func lockedBytes(file *os.File, first, end int64) (*unix.Flock_t, error) {
	asked := unix.Flock_t{Type: unix.F_WRLCK, Start: first, Len: max(0, end-first)}
	if err := unix.FcntlFlock(file.Fd(), unix.F_OFD_GETLK, &asked); err != nil || asked.Type == unix.F_UNLCK {
		return nil, err
	}
	return &asked, nil
}

func onNFS(file *os.File) bool {
	var stat unix.Statfs_t
	return unix.Fstatfs(int(file.Fd()), &stat) == nil && stat.Type == unix.NFS_SUPER_MAGIC
}

// LockWithin takes the lock at path, and waits for it as long as d. It is for locks that are held for a moment; for
// others there is Acquire.
func (r *Root) LockWithin(path string, d time.Duration) (*os.File, error) {
	held, err := r.Acquire(context.Background(), path, Wish{Within: d})
	if err != nil {
		return nil, err
	}
	return held.file, nil
}

// Locked reports whether some process holds the lock at path. It takes no lock, so that nobody who wants it is turned
// away by the question.
func (r *Root) Locked(path string) bool {
	file, err := r.OpenRead(path)
	if err != nil {
		return false
	}
	defer file.Close()
	return isLocked(file)
}

func isLocked(file *os.File) bool {
	locked, err := lockedBytes(file, lockByte, lockByte+1)
	return err == nil && locked != nil || flocked(file)
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
