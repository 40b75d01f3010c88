package host

import (
	"errors"
	"fmt"
	"os"
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
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		file.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, ErrLocked
		}
		return nil, fmt.Errorf("cannot lock %s: %w", path, err)
	}
	return file, nil
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

// Locked reports whether some process holds the lock at path. It changes nothing.
func (r *Root) Locked(path string) bool {
	name, err := r.resolve(path, true)
	if err != nil {
		return false
	}
	file, err := r.root.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return false
	}
	defer file.Close()
	if err := unix.Flock(int(file.Fd()), unix.LOCK_SH|unix.LOCK_NB); err != nil {
		return errors.Is(err, unix.EWOULDBLOCK)
	}
	return false
}
