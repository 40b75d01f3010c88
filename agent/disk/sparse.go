package disk

import (
	"errors"
	"io"

	"golang.org/x/sys/unix"
)

// sparseReader reads the data of a file and passes over its holes, of which it gives back one zero byte each.
type sparseReader struct {
	file File
	at   int64
	end  int64 // of the data that at is in
	size int64
}

// File is what a sparse reader reads: an open file.
type File interface {
	io.ReaderAt
	Fd() uintptr
}

// NewSparseReader returns a reader of a file that does not read its holes: a file of many gigabytes may hold a few
// kilobytes of data. Its size and how much of it is stored are in bytes.
func NewSparseReader(file File, size, stored int64) io.Reader {
	if stored >= size {
		return io.NewSectionReader(file, 0, size) // a file that grows meanwhile has an end too
	}
	return &sparseReader{file: file, size: size}
}

func (r *sparseReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if r.at >= r.end {
		from, err := unix.Seek(int(r.file.Fd()), r.at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			return 0, io.EOF
		}
		if err != nil { // the file system does not tell
			from, r.end = r.at, r.size
		} else if r.end, err = unix.Seek(int(r.file.Fd()), from, unix.SEEK_HOLE); err != nil {
			r.end = r.size
		}
		if from > r.at {
			r.at = from
			p[0] = 0 // so that what stands on both sides of a hole is not taken for one
			return 1, nil
		}
	}
	n, err := r.file.ReadAt(p[:min(int64(len(p)), r.end-r.at)], r.at)
	r.at += int64(n)
	if n > 0 {
		return n, nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return 0, err
}
