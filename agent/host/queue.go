package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"oneclick-agent/agent/problem"
)

const (
	// maxHolder is the most that is read of what a holder wrote about itself, in bytes.
	maxHolder = 4096
	// firstTicket is the byte of the lock's file that the first in the queue locks.
	firstTicket = 1024

	firstLook, longestLook = 5 * time.Millisecond, 200 * time.Millisecond
)

// Wish is how a lock is wanted.
type Wish struct {
	// Doing is what the lock is for, as others who wait for it are told: "first boot". It holds no secret.
	Doing string
	// Within is how long to wait; 0 is not at all.
	Within time.Duration
	// Told is called when there is somebody to wait for, and again for each who comes in between. It may be nil.
	Told func(Holder)
}

// Holder is who holds a lock.
type Holder struct {
	PID   int       `json:"pid"`
	Doing string    `json:"doing"`
	Since time.Time `json:"since"`
}

// String says it in words: "process 1234 (first boot) since 14:05:06".
func (h Holder) String() string {
	text := "another process"
	if h.PID > 0 {
		text = fmt.Sprintf("process %d", h.PID)
	}
	if h.Doing != "" {
		text += " (" + problem.Printable(h.Doing) + ")"
	}
	if !h.Since.IsZero() {
		text += " since " + h.Since.UTC().Format(time.TimeOnly)
	}
	return text
}

// Held is a lock that this process holds.
type Held struct{ file *os.File }

// Close lets go of the lock, at once: closing the file alone would wait for a command that is just being started, which
// has a copy of every open file until it runs its program.
func (h *Held) Close() error {
	freeLock(h.file)
	return h.file.Close()
}

// Acquire takes the lock at path. Whoever has to wait for it stands in a queue: who came first gets it first. A queue's place
// is a lock too, so that the kernel frees it when its process ends. An error is ErrLocked when the time is over, and ctx's when
// that ends first.
func (r *Root) Acquire(ctx context.Context, path string, wish Wish) (*Held, error) {
	file, err := r.openLock(path)
	if err != nil {
		return nil, err
	}
	q := &queue{file: file, wish: wish}
	if err := q.wait(ctx); err != nil {
		file.Close()
		if errors.Is(err, ErrLocked) {
			return nil, fmt.Errorf("%w: %s holds %s", ErrLocked, q.holder, path)
		}
		return nil, fmt.Errorf("cannot lock %s: %w", path, err)
	}
	return &Held{file}, nil
}

// HolderOf tells who holds the lock at path, if anybody does. It takes no lock.
func (r *Root) HolderOf(path string) (Holder, bool) {
	file, err := r.OpenRead(path)
	if err != nil {
		return Holder{}, false
	}
	defer file.Close()
	return readHolder(file), isLocked(file)
}

func readHolder(file *os.File) (holder Holder) {
	data, _ := io.ReadAll(io.NewSectionReader(file, 0, maxHolder))
	if json.Unmarshal(data, &holder) != nil {
		return Holder{} // it is being written, or an older version holds the lock
	}
	return holder
}

// queue is one who waits.
type queue struct {
	file   *os.File
	wish   Wish
	ticket int64
	holder Holder
	told   bool
}

func (q *queue) wait(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	deadline := time.Now().Add(q.wish.Within)
	for pause := firstLook; ; pause = min(2*pause, longestLook) {
		taken, err := q.try()
		if taken || err != nil {
			return err
		}
		q.tell()
		left := time.Until(deadline)
		if left <= 0 {
			return ErrLocked
		}
		if err := Sleep(ctx, min(pause, left)); err != nil {
			return err
		}
	}
}

// try takes the lock if nobody holds it and nobody stands before.
func (q *queue) try() (taken bool, err error) {
	first, err := q.isFirst()
	if err != nil || !first {
		return false, err
	}
	if err := takeLock(q.file); errors.Is(err, ErrLocked) {
		return false, q.queueUp()
	} else if err != nil {
		return false, err
	}
	q.leave()
	note, err := json.Marshal(Holder{os.Getpid(), q.wish.Doing, time.Now().UTC()})
	if err == nil && q.wish.Doing != "" {
		_, err = q.file.WriteAt(note, 0)
	}
	return err == nil, err
}

func (q *queue) isFirst() (bool, error) {
	if q.ticket == firstTicket {
		return true, nil
	}
	before, err := lockedBytes(q.file, firstTicket, q.ticket)
	if errors.Is(err, unix.EINVAL) {
		return true, nil // before Linux 3.15 there is no queue: whoever looks first gets it
	}
	if err == nil && before != nil {
		return false, q.queueUp()
	}
	return true, err
}

// queueUp takes the place behind the last.
func (q *queue) queueUp() error {
	for next := int64(firstTicket); q.ticket == 0; {
		taken, err := lockedBytes(q.file, next, 0)
		if errors.Is(err, unix.EINVAL) || taken != nil && taken.Len == 0 {
			return nil // there is no queue, or a server has the whole file locked for an older version
		} else if err != nil {
			return err
		}
		if taken != nil {
			next = max(taken.Start, next) + 1
			continue
		}
		if err := setByte(q.file, unix.F_WRLCK, next); err == nil {
			q.ticket = next
		} else if !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EACCES) {
			return err
		}
	}
	return nil
}

func (q *queue) leave() {
	if q.ticket > 0 {
		setByte(q.file, unix.F_UNLCK, q.ticket)
		q.ticket = 0
	}
}

// tell tells the one who waits whom it waits for, once for each.
func (q *queue) tell() {
	holder := readHolder(q.file)
	if q.told && holder == q.holder {
		return
	}
	q.holder = holder
	if q.wish.Told != nil && q.wish.Within > 0 && (!q.told || holder.PID > 0) {
		q.wish.Told(holder)
	}
	q.told = true
}
