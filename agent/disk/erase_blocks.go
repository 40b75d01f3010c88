package disk

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"hash/crc64"
	"os"
	"slices"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"oneclick-agent/agent/host"
)

// extent is a run of a file's blocks on its disk, in bytes.
type extent struct{ logical, physical, length int64 }

const (
	fiemapRequest = 0xc020660b // FS_IOC_FIEMAP of linux/fs.h
	fiemapCount   = 512
	// Flags of linux/fiemap.h: the last extent; one whose place on the disk is not known; not a place of its own.
	fiemapLast    = 0x1
	fiemapUnknown = 0x2 | 0x4 | 0x8 | 0x80 | 0x200
)

type fiemapExtent struct {
	logical, physical, length uint64
	_                         [2]uint64
	flags                     uint32
	_                         [3]uint32
}

type fiemap struct {
	start, length        uint64
	flags, mapped, count uint32
	_                    uint32
	extents              [fiemapCount]fiemapExtent
}

// extents asks the file system where the file's blocks from a position on are (FIEMAP).
func (e *eraser) extents(from int64) ([]extent, error) {
	var found []extent
	for start := from; start < e.size; {
		request := fiemap{start: uint64(start), length: uint64(e.size - start), count: fiemapCount}
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, e.file.Fd(), fiemapRequest, uintptr(unsafe.Pointer(&request))); errno != 0 {
			return nil, errno
		}
		if request.mapped == 0 {
			break
		}
		for _, x := range request.extents[:request.mapped] {
			if x.flags&fiemapUnknown != 0 {
				return nil, unix.EOPNOTSUPP
			}
			cut := max(0, start-int64(x.logical))
			found = append(found, extent{int64(x.logical) + cut, int64(x.physical) + cut, int64(x.length) - cut})
			start = int64(x.logical + x.length)
			if x.flags&fiemapLast != 0 {
				return found, nil
			}
		}
	}
	return found, nil
}

// discard tells the disk which blocks are free, and reports in Trimmed whether it forgot them. A disk may pass over what
// it is told, above all where it is about a single block. So single blocks of a file are written with random bytes and
// set free among others that stay, and are read back from the disk afterwards.
func (e *eraser) discard(files *host.Root, mount host.Mount) error {
	if files.Announce("discard", mount.Point) != nil || e.disk == nil {
		return nil
	}
	var err error
	if e.file, err = e.unnamed(); err != nil {
		return err
	}
	defer e.file.Close()
	random := make([]byte, canaryBlocks*canaryBlock)
	rand.Read(random)
	if _, err := e.file.Write(random); err != nil {
		return host.Cause(err)
	}
	if err := e.file.Sync(); err != nil {
		return host.Cause(err)
	}
	e.size = int64(len(random))
	extents, err := e.extents(0)
	e.size = 0
	if err != nil {
		return nil // a file system that does not tell where its blocks are
	}
	var freed []int64
	for _, x := range extents {
		for at := int64(0); at+canaryBlock <= x.length; at += 2 * canaryBlock {
			freed = append(freed, x.physical+at)
			if unix.Fallocate(int(e.file.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, x.logical+at, canaryBlock) != nil {
				return nil
			}
		}
	}
	if err := unix.Syncfs(int(e.directory.Fd())); err != nil || !trim(e.directory) {
		return err
	}
	e.Trimmed = len(freed) > canaryBlocks/4 && !slices.ContainsFunc(freed, func(at int64) bool {
		block := e.readDisk(at)
		return block == nil || !allZero(block)
	})
	return nil
}

const (
	canaryBlock  = 4096
	canaryBlocks = 128
)

// trim tells the disk which blocks are free (FITRIM).
func trim(directory *os.File) bool {
	request := struct{ start, length, least uint64 }{length: ^uint64(0)}
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, directory.Fd(), fitrim, uintptr(unsafe.Pointer(&request)))
	return errno == 0
}

const (
	// attributeSize is just what xfs logs whole, in a block beside the inode; attributes is how many a file gets.
	attributeSize, attributes = 3000, 32
	turnBatch                 = 128 // files between two looks at the log: some 12 MiB
	turnWithin                = 2 * time.Minute
	sampleEvery               = 1 << 20
)

// turnLog has the log of an xfs file system go round once, so that what the log recorded is written over: xfs has no
// call for that. Files without a name are made, each with some extended attributes, because xfs writes the whole value
// of an attribute to the log. That the log went round is seen on the disk: the log is written from its beginning to its
// end and then from its beginning again, so it went round when a block in every part of it has changed.
func (e *eraser) turnLog() bool {
	start, length := e.findLog()
	before := e.sample(start, length)
	if before == nil {
		return false
	}
	deadline := time.Now().Add(turnWithin)
	for turned := false; ; {
		for range turnBatch {
			if e.ctx.Err() != nil || time.Now().After(deadline) || !e.logAttributes() {
				return false
			}
		}
		if unix.Syncfs(int(e.directory.Fd())) != nil {
			return false
		}
		if turned { // the last batch covered the part that the log began in
			return true
		}
		turned = !slices.ContainsFunc(e.sample(start, length), func(now uint64) bool { return slices.Contains(before, now) })
	}
}

func (e *eraser) logAttributes() bool {
	fd, err := unix.Openat(int(e.directory.Fd()), ".", unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	for n := range attributes {
		if unix.Fsetxattr(fd, fmt.Sprintf("trusted.oneclick%d", n), zeros[:attributeSize], 0) != nil {
			return false
		}
	}
	return true
}

// findLog reads from the superblock where the log is on the disk (xfs on-disk format, section 4.1), in bytes. Its
// length is 0 where it is on another disk.
func (e *eraser) findLog() (start, length int64) {
	block := e.readDisk(0)
	if block == nil || string(block[:4]) != "XFSB" {
		return 0, 0
	}
	word := func(at int) int64 { return int64(binary.BigEndian.Uint32(block[at:])) }
	blockSize, first := word(4), int64(binary.BigEndian.Uint64(block[48:]))
	bits := block[124] // of a block number that are the number inside its allocation group
	if first == 0 || bits > 32 {
		return 0, 0
	}
	return (first>>bits*word(84) + first&(1<<bits-1)) * blockSize, word(96) * blockSize
}

// sample is a sum of the first block of each part of the log; nil where it cannot be read.
func (e *eraser) sample(start, length int64) []uint64 {
	var sums []uint64
	for at := start; at < start+length; at += sampleEvery {
		block := e.readDisk(at)
		if block == nil {
			return nil
		}
		sums = append(sums, crc64.Checksum(block, crc64.MakeTable(crc64.ECMA)))
	}
	return sums
}

func (e *eraser) readDisk(at int64) []byte {
	if e.disk == nil {
		return nil
	}
	buffer, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil
	}
	defer unix.Munmap(buffer)
	if _, err := e.disk.ReadAt(buffer, at); err != nil {
		return nil
	}
	return slices.Clone(buffer)
}
