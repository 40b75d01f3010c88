package disk

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"oneclick-agent/agent/host"
)

const (
	// eraseReserve is what stays free for other programs while the free space is gone through, in bytes. Only at the
	// very end is it taken too, for the moment that it takes to look at it.
	eraseReserve = 64 << 20
	// erasePiece is the unit in which free space is looked at, in bytes.
	erasePiece = 64 << 10
	// eraseRead is how much is read from the disk at once, in bytes.
	eraseRead = 1 << 20
	// erasePart is what one reader takes at once, in bytes; eraseReaders is how many there are.
	erasePart, eraseReaders = 64 << 20, 2
	// journalCheckpoint is EXT4_IOC_CHECKPOINT of linux/ext4.h, since Linux 5.14.
	journalCheckpoint = 0x4004662b
	fitrim            = 0xc0185879 // FITRIM of linux/fs.h
)

// Erased is what EraseFree did.
type Erased struct {
	Free    int64 // bytes that were free
	Zeroed  int64 // of these, bytes that held something
	Trimmed bool  // the disk forgot the free blocks, and was seen to
	// Journal tells whether old entries of the file system's journal are gone; false where it cannot be told to.
	Journal bool
	// Full is how long no space at all was free.
	Full time.Duration
}

// EraseFree makes unreadable what deleted files left in the free space of the file system mounted at the mount point.
// Where the disk is seen to give back zeros for what it is told to forget, it is told. Elsewhere free blocks are
// collected in a file without a name, which is gone when the process ends for whatever reason; they are
// read from the disk, and zeros are written only where there is something else. What never held data is not written,
// so that a thin disk stays thin. The few blocks that xfs keeps for itself in each allocation group, and gives to no
// file, are only reached where the disk takes discards. progress is told how many bytes of how many were gone through.
func EraseFree(ctx context.Context, files *host.Root, mount host.Mount, progress func(done, total int64)) (Erased, error) {
	e := &eraser{ctx: ctx, progress: progress}
	fail := func(err error) (Erased, error) {
		return e.Erased, fmt.Errorf("cannot erase the free space of %s: %w", mount.Point, err)
	}
	if err := files.Announce("erase", mount.Point); err != nil {
		return fail(err)
	}
	var err error
	if e.directory, err = files.OpenMount(mount); err != nil {
		return fail(err)
	}
	defer e.directory.Close()
	var stat unix.Statfs_t
	if err := unix.Fstatfs(int(e.directory.Fd()), &stat); err != nil {
		return fail(err)
	}
	e.Free = int64(stat.Bfree) * stat.Bsize
	e.disk = openDisk(mount.Device)
	defer e.disk.Close()
	err = e.discard(files, mount)
	if err == nil && !e.Trimmed {
		err = e.overwriteFree(mount)
	}
	if err == nil {
		err = e.forget(mount)
	}
	if err != nil {
		return fail(err)
	}
	return e.Erased, nil
}

// overwriteFree goes through all free blocks.
func (e *eraser) overwriteFree(mount host.Mount) error {
	file, err := e.unnamed()
	if err != nil {
		return err
	}
	defer file.Close()
	if mount.Type == "ext4" {
		defer liftReserve(mount.Device)()
	}
	e.file = file
	if err := e.fill(eraseReserve); err != nil {
		return err
	}
	full := time.Now()
	err = e.fill(0)
	file.Close()
	e.Full, e.Zeroed = time.Since(full), e.zeroed.Load()
	return err
}

type eraser struct {
	Erased
	ctx       context.Context
	directory *os.File // that the file system is mounted at
	file      *os.File
	disk      *os.File // nil where blocks cannot be read past the file system
	size      int64    // of the file so far
	progress  func(done, total int64)
	done      atomic.Int64
	zeroed    atomic.Int64
}

// unnamed makes the file that free blocks are collected in.
func (e *eraser) unnamed() (*os.File, error) {
	top := int(e.directory.Fd())
	fd, err := unix.Openat(top, ".", unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err == nil {
		return os.NewFile(uintptr(fd), "free space"), nil
	}
	// vfat has no unnamed files, but a removed one that is still open is the same.
	name := ".oneclick-erase-" + rand.Text()
	if fd, err = unix.Openat(top, name, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o600); err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), "free space"), unix.Unlinkat(top, name, 0)
}

// fill takes all free blocks but reserve bytes, and goes through those that it took.
func (e *eraser) fill(reserve int64) error {
	from := e.size
	err := e.allocate(reserve)
	if errors.Is(err, unix.EOPNOTSUPP) {
		return e.plainFill(reserve)
	}
	if err != nil || e.size == from {
		return err
	}
	if err := e.file.Sync(); err != nil {
		return host.Cause(err)
	}
	extents, err := e.extents(from)
	if err != nil || e.disk == nil {
		return errors.Join(e.zero(from, e.size), host.Cause(e.file.Sync()))
	}
	if err := e.inspectAll(extents); err != nil {
		return err
	}
	return host.Cause(e.file.Sync())
}

func (e *eraser) available() (int64, error) {
	var stat unix.Statfs_t
	err := unix.Fstatfs(int(e.file.Fd()), &stat)
	return int64(stat.Bfree) * stat.Bsize, err
}

// allocate gives the file all free blocks but reserve bytes, in steps that shrink until nothing is left.
func (e *eraser) allocate(reserve int64) error {
	for step := int64(1 << 30); step >= 4096; {
		free, err := e.available()
		if err != nil {
			return err
		}
		if reserve > 0 && step > free-reserve {
			if step /= 2; step < 1<<20 {
				return nil
			}
			continue
		}
		err = unix.Fallocate(int(e.file.Fd()), 0, e.size, step)
		switch {
		case err == nil:
			e.size += step
		case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EFBIG):
			step /= 2
		case errors.Is(err, unix.EINTR):
		default:
			return err
		}
		if e.ctx.Err() != nil {
			return e.ctx.Err()
		}
	}
	return nil
}

// inspectAll goes through the extents, some at once.
func (e *eraser) inspectAll(extents []extent) error {
	parts := make(chan extent)
	failures := make(chan error, eraseReaders)
	for range eraseReaders {
		go func() {
			var failure error
			for part := range parts {
				failure = cmp.Or(failure, e.inspect(part))
			}
			failures <- failure
		}()
	}
	for _, x := range extents {
		for at := int64(0); at < x.length; at += erasePart {
			parts <- extent{x.logical + at, x.physical + at, min(erasePart, x.length-at)}
		}
	}
	close(parts)
	var failure error
	for range eraseReaders {
		failure = cmp.Or(failure, <-failures)
	}
	return failure
}

// inspect reads an extent from the disk and writes zeros, by way of the file, where it holds something else.
func (e *eraser) inspect(x extent) error {
	buffer, err := unix.Mmap(-1, 0, eraseRead, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return err
	}
	defer unix.Munmap(buffer)
	for at := int64(0); at < x.length; {
		if e.ctx.Err() != nil {
			return e.ctx.Err()
		}
		part := buffer[:min(int64(len(buffer)), x.length-at)]
		n, err := e.disk.ReadAt(part, x.physical+at)
		if err != nil && n < len(part) { // a bad block, or the end of the device: it is written blindly
			n = len(part)
			if err := e.zero(x.logical+at, x.logical+at+int64(n)); err != nil {
				return err
			}
		} else if err := e.zeroWhereNeeded(part[:n], x.logical+at); err != nil {
			return err
		}
		at += int64(n)
		e.advance(int64(n))
	}
	return nil
}

func (e *eraser) zeroWhereNeeded(data []byte, logical int64) error {
	for from := 0; from < len(data); {
		if allZero(data[from:min(from+erasePiece, len(data))]) {
			from += erasePiece
			continue
		}
		to := from
		for to < len(data) && !allZero(data[to:min(to+erasePiece, len(data))]) {
			to = min(to+erasePiece, len(data))
		}
		if err := e.zero(logical+int64(from), logical+int64(to)); err != nil {
			return err
		}
		from = to
	}
	return nil
}

// zeros is what is written over what was there; nobody writes to it.
var zeros [1 << 20]byte

func (e *eraser) zero(from, to int64) error {
	for from < to {
		n, err := e.file.WriteAt(zeros[:min(int64(len(zeros)), to-from)], from)
		if err != nil {
			return host.Cause(err)
		}
		from += int64(n)
		e.zeroed.Add(int64(n))
	}
	return nil
}

// plainFill writes zeros until reserve bytes are left, for file systems that cannot tell which blocks they gave.
func (e *eraser) plainFill(reserve int64) error {
	for e.ctx.Err() == nil {
		free, err := e.available()
		if err != nil {
			return err
		}
		if free <= reserve {
			break
		}
		n, err := e.file.WriteAt(zeros[:min(int64(len(zeros)), max(free-reserve, 4096))], e.size)
		e.size += int64(n)
		e.zeroed.Add(int64(n))
		e.advance(int64(n))
		if errors.Is(err, unix.ENOSPC) {
			break
		}
		if err != nil {
			return host.Cause(err)
		}
	}
	return errors.Join(e.ctx.Err(), host.Cause(e.file.Sync()))
}

func (e *eraser) advance(n int64) {
	if done := e.done.Add(n); e.progress != nil {
		e.progress(min(done, e.Free), e.Free)
	}
}

// forget has the file system's journal forget what it recorded.
func (e *eraser) forget(mount host.Mount) error {
	if err := unix.Syncfs(int(e.directory.Fd())); err != nil {
		return err
	}
	switch mount.Type {
	case "ext4":
		e.Journal = checkpoint(e.directory)
	case "xfs":
		e.Journal = e.turnLog()
	default:
		e.Journal = mount.Type == "ext2" || mount.Type == "vfat" // they have none
	}
	return nil
}

// Checkpoint has the journals of the mounts forget the names of deleted files, where they can.
func Checkpoint(files *host.Root, mounts []host.Mount) {
	for _, mount := range mounts {
		if directory, err := files.OpenMount(mount); err == nil {
			if mount.Type == "ext4" {
				checkpoint(directory)
			}
			directory.Close()
		}
	}
}

func checkpoint(directory *os.File) bool {
	const discard, zeroOut = 1, 2
	for _, flag := range []int{zeroOut, discard} {
		if unix.IoctlSetPointerInt(int(directory.Fd()), journalCheckpoint, flag) == nil {
			return true
		}
	}
	return false
}

func allZero(data []byte) bool {
	for len(data) > len(zeros) {
		if !bytes.Equal(data[:len(zeros)], zeros[:]) {
			return false
		}
		data = data[len(zeros):]
	}
	return bytes.Equal(data, zeros[:len(data)])
}

// liftReserve lets the blocks be taken that ext4 keeps back from everybody, root included: up to 16 MiB that no fill
// would reach. The returned function puts the limit back.
func liftReserve(device string) func() {
	target, err := filepath.EvalSymlinks("/sys/dev/block/" + device)
	if err != nil {
		return func() {}
	}
	setting := "/sys/fs/ext4/" + filepath.Base(target) + "/reserved_clusters"
	before, err := os.ReadFile(setting)
	if err != nil || os.WriteFile(setting, []byte("0"), 0o644) != nil {
		return func() {}
	}
	return func() { os.WriteFile(setting, before, 0o644) }
}

// openDisk opens the device behind a file system past the kernel's cache; nil where that cannot be.
func openDisk(device string) *os.File {
	data, err := os.ReadFile("/sys/dev/block/" + device + "/uevent")
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(data)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "DEVNAME="); ok {
			fd, err := unix.Open("/dev/"+name, unix.O_RDONLY|unix.O_DIRECT|unix.O_CLOEXEC, 0)
			if err != nil {
				return nil
			}
			return os.NewFile(uintptr(fd), "/dev/"+name)
		}
	}
	return nil
}
