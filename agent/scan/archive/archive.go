// Package archive looks into files that hold others: compressed ones, archives, the objects of git, the rows of SQLite.
// What is in them is handed on as it is read; nothing is ever written, and no name in an archive is ever followed. Depth,
// size, growth, memory and time are bounded, and what lies beyond a bound is told as unread.
package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// Input is a file that holds others. At and Size are set where its bytes can be read in any order.
type Input struct {
	io.Reader
	At   io.ReaderAt
	Size int64
}

// Visitor is told what is inside.
type Visitor struct {
	// Member is called with each thing inside, whose content must be read before Member returns. An error ends the
	// reading of all that surrounds the member. The name of what is only compressed is "".
	Member func(name string, content io.Reader) error
	// Unread is called with each thing inside that cannot be read, while the rest still is.
	Unread func(name, why string)
}

// Format is one way to hold files.
type Format struct {
	Name string
	// Mixed formats have content between what the visitor is given, so that their bytes are worth a look too.
	Mixed  bool
	begins func(head []byte) bool
	read   func(*Chain, Input, Visitor) error
}

// formats are all formats, told by their first bytes.
func formats() []Format {
	return []Format{
		{"gzip", false, magic("\x1f\x8b\x08"), readGzip},
		{"zstd", false, magic("\x28\xb5\x2f\xfd"), readZstd},
		{"xz", false, magic("\xfd7zXZ\x00"), readXZ},
		{"lzma", false, beginsLZMA, readLZMA},
		{"bzip2", false, beginsBzip2, readBzip2},
		{"zlib", false, beginsZlib, readZlib},
		{"zip", false, magic("PK\x03\x04"), readZip},
		{"tar", false, beginsTar, readTar},
		{"ar", false, magic("!<arch>\n"), readAr},
		{"cpio", false, beginsCpio, readCpio},
		{"rpm", false, magic("\xed\xab\xee\xdb"), readRPM},
		{"git pack", false, magic("PACK\x00\x00\x00\x02"), readPack},
		{"SQLite", true, magic("SQLite format 3\x00"), readSQLite},
		{"7z", false, magic("7z\xbc\xaf\x27\x1c"), unsupported},
		{"rar", false, magic("Rar!\x1a\x07"), unsupported},
		{"lz4", false, magic("\x04\x22\x4d\x18"), unsupported},
		{"compress", false, magic("\x1f\x9d\x90"), unsupported},
	}
}

// HeadSize is how many bytes of its begin tell a format.
const HeadSize = 512

// Formats tells the formats of files.
type Formats struct{ all []Format }

// NewFormats returns all formats that this package knows.
func NewFormats() *Formats { return &Formats{formats()} }

// Names are what people call the formats that can be read.
func (f *Formats) Names() (names []string) {
	for _, format := range f.all {
		names = append(names, format.Name)
	}
	return names
}

// Of tells the format of a file by its first bytes, nil for one that holds no others.
func (f *Formats) Of(head []byte) *Format {
	if len(head) < 6 {
		return nil
	}
	for i := range f.all {
		if f.all[i].begins(head) {
			return &f.all[i]
		}
	}
	return nil
}

func magic(bytesAtBegin string) func([]byte) bool {
	return func(head []byte) bool { return bytes.HasPrefix(head, []byte(bytesAtBegin)) }
}

func unsupported(*Chain, Input, Visitor) error {
	return errors.New("nobody here can look into files of its kind")
}

// Limits bound what the look into one file may cost.
type Limits struct {
	Depth  int           // how many files may be in one another
	Bytes  int64         // that all of them hold together
	Growth int64         // how many bytes may come of one, where more than freeGrowth came
	Memory int64         // of dictionaries and buffers at one time
	Time   time.Duration // for all
}

// DefaultLimits are for a Droplet of a gigabyte.
func DefaultLimits() Limits {
	return Limits{Depth: 8, Bytes: 8 << 30, Growth: 250, Memory: 160 << 20, Time: 3 * time.Minute}
}

// freeGrowth is how many bytes may come of few, whatever their number: a log of zeros is no attack.
const freeGrowth = 256 << 20

// Chain is the look into one file and into all that is in it.
type Chain struct {
	limits Limits
	ctx    context.Context
	cancel context.CancelFunc
	bytes  int64
	memory int64
	depth  int
	err    error
}

// NewChain begins to look into a file. It must be closed.
func NewChain(ctx context.Context, limits Limits) *Chain {
	ctx, cancel := context.WithTimeout(ctx, limits.Time)
	return &Chain{limits: limits, ctx: ctx, cancel: cancel}
}

// Close ends it.
func (c *Chain) Close() { c.cancel() }

// Err is why nothing more is read, nil while there is no reason.
func (c *Chain) Err() error { return c.err }

// Read hands on what is inside the file.
func (c *Chain) Read(f *Format, in Input, v Visitor) error {
	if c.depth >= c.limits.Depth {
		return fmt.Errorf("it lies deeper than %d files in one another", c.limits.Depth)
	}
	c.depth++
	defer func() { c.depth-- }()
	before := c.memory
	defer func() { c.memory = before }()
	err := f.read(c, in, v)
	if c.err != nil {
		return c.err
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return errors.New("it ends too early")
	}
	return err
}

// stop ends all reading.
func (c *Chain) stop(err error) error {
	if c.err == nil {
		c.err = err
	}
	return c.err
}

// reserve takes a part of the memory that the look may need; it is given back when the file that needs it was read.
func (c *Chain) reserve(size int64) error {
	if size < 0 || c.memory+size > c.limits.Memory {
		return fmt.Errorf("reading it needs more memory than %d MB", c.limits.Memory>>20)
	}
	c.memory += size
	return nil
}

// grown accounts for bytes that were made of others.
func (c *Chain) grown(from, to, now int64) error {
	c.bytes += now
	switch {
	case c.err != nil:
		return c.err
	case c.ctx.Err() != nil:
		return c.stop(fmt.Errorf("looking into it takes longer than %v", c.limits.Time))
	case c.bytes > c.limits.Bytes:
		return c.stop(fmt.Errorf("more than %d GB are in it", c.limits.Bytes>>30))
	case to > freeGrowth && to > from*c.limits.Growth:
		return c.stop(fmt.Errorf("more than %d bytes would come of each of its bytes", c.limits.Growth))
	}
	return nil
}

// source counts what is read of a compressed file.
type source struct {
	in    io.Reader
	count int64
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.in.Read(p)
	s.count += int64(n)
	return n, err
}

// output is the content of a compressed file, within the bounds.
type output struct {
	io.Reader
	chain *Chain
	from  *source
	count int64
}

func (o *output) Read(p []byte) (int, error) {
	n, err := o.Reader.Read(p)
	o.count += int64(n)
	if limit := o.chain.grown(o.from.count, o.count, int64(n)); limit != nil {
		return 0, limit
	}
	return n, err
}

// inMemory reads all of a file whose bytes are needed in no order.
func (c *Chain) inMemory(in Input) (io.ReaderAt, int64, error) {
	if in.At != nil {
		return in.At, in.Size, nil
	}
	const most = 64 << 20
	if err := c.reserve(most); err != nil {
		return nil, 0, err
	}
	data, err := io.ReadAll(io.LimitReader(in.Reader, most+1))
	if err == nil && len(data) > most {
		err = fmt.Errorf("it is larger than %d MB and inside another file", most>>20)
	}
	return bytes.NewReader(data), int64(len(data)), err
}
