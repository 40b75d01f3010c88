package archive

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz/lzma"
)

// content hands on the content of a file that is only compressed.
func (c *Chain) content(v Visitor, name string, from *source, decompressed io.Reader) error {
	out := &output{Reader: decompressed, chain: c, from: from}
	if err := v.Member(name, out); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, out) // what the visitor did not want may be damaged, too
	return err
}

func readGzip(c *Chain, in Input, v Visitor) error {
	from := &source{in: in}
	reader, err := gzip.NewReader(bufio.NewReaderSize(from, 64<<10))
	if err != nil {
		return err
	}
	return c.content(v, reader.Name, from, reader)
}

func beginsZlib(head []byte) bool {
	if head[0] != 0x78 || (uint(head[0])<<8|uint(head[1]))%31 != 0 || head[1]&0x20 != 0 {
		return false
	}
	reader, err := zlib.NewReader(bytes.NewReader(head))
	if err != nil {
		return false
	}
	n, err := io.ReadFull(reader, make([]byte, 16)) // two bytes tell little: their content must be there
	return n > 0 && (err == nil || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF))
}

// readZlib reads what is compressed so: a loose object of git among others, which has its kind and size before it.
func readZlib(c *Chain, in Input, v Visitor) error {
	from := &source{in: in}
	reader, err := zlib.NewReader(bufio.NewReaderSize(from, 64<<10))
	if err != nil {
		return err
	}
	buffered := bufio.NewReaderSize(reader, 4096)
	head, _ := buffered.Peek(32)
	name := ""
	for _, kind := range []string{"blob ", "commit ", "tag ", "tree "} {
		rest, isObject := bytes.CutPrefix(head, []byte(kind))
		size := bytes.IndexByte(rest, 0)
		if !isObject || size < 1 || len(bytes.Trim(rest[:size], "0123456789")) > 0 {
			continue
		}
		if kind == "tree " {
			return nil // names only
		}
		name = GitObject
		buffered.Discard(len(kind) + size + 1)
	}
	return c.content(v, name, from, buffered)
}

// GitObject is the name of what is in a loose object.
const GitObject = "object"

func beginsBzip2(head []byte) bool {
	return len(head) > 10 && string(head[:3]) == "BZh" && head[3] >= '1' && head[3] <= '9' && string(head[4:10]) == "\x31\x41\x59\x26\x53\x59"
}

func readBzip2(c *Chain, in Input, v Visitor) error {
	from := &source{in: in}
	return c.content(v, "", from, bzip2.NewReader(bufio.NewReaderSize(from, 64<<10)))
}

const (
	// largestWindow is the largest dictionary that is made, of zstd --long and xz -9 among others.
	largestWindow = 128 << 20
	usualWindow   = 8 << 20
)

func readZstd(c *Chain, in Input, v Visitor) error {
	from := &source{in: in}
	buffered := bufio.NewReaderSize(from, 64<<10)
	var header zstd.Header
	head, err := buffered.Peek(zstd.HeaderMaxSize)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if err := header.Decode(head); err != nil {
		return err
	}
	if err := c.reserve(int64(max(header.WindowSize, usualWindow))); err != nil {
		return err
	}
	reader, err := zstd.NewReader(buffered, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(max(header.WindowSize, usualWindow)), zstd.WithDecoderMaxMemory(largestWindow))
	if err != nil {
		return err
	}
	defer reader.Close()
	return c.content(v, "", from, reader)
}

func beginsLZMA(head []byte) bool {
	if len(head) < 13 || head[0] != 0x5d || head[1] != 0 || head[2] != 0 {
		return false
	}
	size := binary.LittleEndian.Uint64(head[5:])
	return size == 1<<64-1 || size < 1<<40
}

func readLZMA(c *Chain, in Input, v Visitor) error {
	from := &source{in: in}
	buffered := bufio.NewReaderSize(from, 64<<10)
	head, err := buffered.Peek(13)
	if err != nil {
		return err
	}
	if err := c.dictionary(int64(binary.LittleEndian.Uint32(head[1:]))); err != nil {
		return err
	}
	reader, err := lzma.NewReader(buffered)
	if err != nil {
		return err
	}
	return c.content(v, "", from, reader)
}

func (c *Chain) dictionary(size int64) error {
	if size > largestWindow {
		return fmt.Errorf("reading it needs more memory than %d MB", largestWindow>>20)
	}
	return c.reserve(size)
}

// readXZ reads the container itself, and leaves what is in it to the library: the library makes a dictionary of any
// size that a block asks for.
func readXZ(c *Chain, in Input, v Visitor) error {
	from := &source{in: in}
	return c.content(v, "", from, &xzReader{chain: c, in: bufio.NewReaderSize(from, 64<<10)})
}

type xzReader struct {
	chain    *Chain
	in       *bufio.Reader
	counted  *source // of the block at hand
	block    *lzma.Reader2
	check    int   // bytes of the sum behind each block
	reserved int64 // for the dictionary
}

func (r *xzReader) Read(p []byte) (int, error) {
	for {
		if r.block == nil {
			if err := r.next(); err != nil {
				return 0, err
			}
		}
		n, err := r.block.Read(p)
		if err == io.EOF {
			padding := (4 - r.counted.count%4) % 4
			if _, err := r.in.Discard(int(padding) + r.check); err != nil {
				return n, io.ErrUnexpectedEOF
			}
			r.block = nil
			if n == 0 {
				continue
			}
			return n, nil
		}
		return n, err
	}
}

// next goes to the next block, of this stream or of the one that follows.
func (r *xzReader) next() error {
	for {
		size, err := r.in.ReadByte()
		if err != nil {
			return err // the end
		}
		switch {
		case size == 0xfd: // a stream begins
			header := make([]byte, 11)
			if _, err := io.ReadFull(r.in, header); err != nil || string(header[:5]) != "7zXZ\x00" {
				return errors.New("it is damaged")
			}
			r.check = []int{0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64}[header[6]&15]
		case size == 0: // the index of the blocks, and the end of the stream
			if err := r.skipIndex(); err != nil {
				return err
			}
		default:
			return r.begin((int(size) + 1) * 4)
		}
	}
}

// skipIndex reads over the list of blocks, the end of the stream, and the zeros that may follow.
func (r *xzReader) skipIndex() error {
	count := int64(1)
	number := func() (value uint64, err error) {
		value, err = binary.ReadUvarint(r.in)
		for v := value; v >= 0x80; v >>= 7 {
			count++
		}
		count++
		return value, err
	}
	records, err := number()
	for i := uint64(0); err == nil && i < 2*records; i++ {
		_, err = number()
	}
	if err == nil {
		_, err = r.in.Discard(int((4-count%4)%4) + 4 + 12)
	}
	for err == nil {
		var zeros []byte
		if zeros, err = r.in.Peek(4); err != nil || string(zeros) != "\x00\x00\x00\x00" {
			return nil
		}
		_, err = r.in.Discard(4)
	}
	return io.ErrUnexpectedEOF
}

// begin reads the header of a block, of which the first byte is read.
func (r *xzReader) begin(size int) error {
	header := make([]byte, size-1)
	if _, err := io.ReadFull(r.in, header); err != nil {
		return io.ErrUnexpectedEOF
	}
	flags, rest := header[0], header[1:]
	for _, bit := range []byte{0x40, 0x80} { // the sizes before and after, which the content tells itself
		if flags&bit != 0 {
			_, n := binary.Uvarint(rest)
			if n <= 0 {
				return errors.New("it is damaged")
			}
			rest = rest[n:]
		}
	}
	if len(rest) < 3 || flags&3 != 0 || rest[0] != 0x21 || rest[1] != 1 || rest[2] > 40 {
		return errors.New("it is compressed with a filter that nobody here can undo")
	}
	dictionary := int64(1<<32 - 1)
	if code := rest[2]; code < 40 {
		dictionary = int64(2|code&1) << (code/2 + 11)
	}
	if dictionary > r.reserved {
		if err := r.chain.dictionary(dictionary - r.reserved); err != nil {
			return err
		}
		r.reserved = dictionary
	}
	r.counted = &source{in: r.in}
	block, err := lzma.Reader2Config{DictCap: int(dictionary)}.NewReader2(r.counted)
	r.block = block
	return err
}
