package archive

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zstd"
)

// The ways in which a member of a zip archive is stored.
const (
	zipStored   = 0
	zipDeflated = 8
	zipBzip2    = 12
	zipZstd     = 93
)

// zipHeader is what stands before a member.
type zipHeader struct {
	name            string
	flags, method   uint16
	size, whole     uint64 // compressed, and not
	sizeFollows     bool
	encrypted, wide bool
}

// readZip reads the members as they come, and not by the list at the end: nothing can hide between them, and none is
// read twice however often the list names it.
func readZip(c *Chain, in Input, v Visitor) error {
	reader := bufio.NewReaderSize(in, 64<<10)
	for {
		signature, err := reader.Peek(4)
		if err != nil {
			return err
		}
		if string(signature) != "PK\x03\x04" {
			if string(signature) == "PK\x01\x02" || string(signature) == "PK\x05\x06" || bytes.Contains(signature, []byte("PK")) {
				return nil // the list
			}
			return skipSigning(reader)
		}
		header, err := readZipHeader(reader)
		if err != nil {
			return err
		}
		if err := c.zipMember(reader, header, v); err != nil {
			return err
		}
	}
}

// skipSigning passes over what some programs put between the members and the list: Android's signatures.
func skipSigning(reader *bufio.Reader) error {
	rest, err := io.ReadAll(io.LimitReader(reader, 16<<20))
	if err == nil && !bytes.Contains(rest, []byte("APK Sig Block 42")) {
		err = errors.New("between its members is something else")
	}
	return err
}

func readZipHeader(reader *bufio.Reader) (h zipHeader, err error) {
	fixed := make([]byte, 30)
	if _, err = io.ReadFull(reader, fixed); err != nil {
		return h, err
	}
	h.flags, h.method = binary.LittleEndian.Uint16(fixed[6:]), binary.LittleEndian.Uint16(fixed[8:])
	h.size, h.whole = uint64(binary.LittleEndian.Uint32(fixed[18:])), uint64(binary.LittleEndian.Uint32(fixed[22:]))
	h.encrypted, h.sizeFollows = h.flags&1 != 0, h.flags&8 != 0
	names := make([]byte, int(binary.LittleEndian.Uint16(fixed[26:]))+int(binary.LittleEndian.Uint16(fixed[28:])))
	if _, err = io.ReadFull(reader, names); err != nil {
		return h, err
	}
	length := binary.LittleEndian.Uint16(fixed[26:])
	h.name = string(names[:length])
	for extra := names[length:]; len(extra) >= 4; { // the sizes of large members
		kind, size := binary.LittleEndian.Uint16(extra), int(binary.LittleEndian.Uint16(extra[2:]))
		if len(extra) < 4+size {
			break
		}
		if kind == 1 {
			h.wide = true
			if size >= 16 {
				h.whole, h.size = binary.LittleEndian.Uint64(extra[4:]), binary.LittleEndian.Uint64(extra[12:])
			}
		}
		extra = extra[4+size:]
	}
	return h, nil
}

// zipMember hands one member on, and goes to its end.
func (c *Chain) zipMember(reader *bufio.Reader, h zipHeader, v Visitor) error {
	why := ""
	switch {
	case h.encrypted:
		why = "it is encrypted"
	case h.method != zipStored && h.method != zipDeflated && h.method != zipBzip2 && h.method != zipZstd:
		why = fmt.Sprintf("it is compressed in way %d, which nobody here can undo", h.method)
	}
	unknownEnd := h.sizeFollows && h.size == 0
	if unknownEnd && (why != "" || h.method != zipDeflated) {
		return fmt.Errorf("%q in it does not tell its size", h.name)
	}
	if why != "" {
		v.Unread(h.name, why)
		if _, err := io.CopyN(io.Discard, reader, int64(min(h.size, 1<<62))); err != nil {
			return err
		}
		return skipDescriptor(reader, h)
	}
	var part io.Reader = reader
	limited := &io.LimitedReader{R: reader, N: int64(min(h.size, 1<<62))}
	if !unknownEnd {
		part = limited
	}
	if err := c.inflate(h, part, v); err != nil {
		return err
	}
	if !unknownEnd {
		if _, err := io.Copy(io.Discard, limited); err != nil {
			return err
		}
		if limited.N > 0 {
			return io.ErrUnexpectedEOF
		}
	}
	return skipDescriptor(reader, h)
}

func (c *Chain) inflate(h zipHeader, part io.Reader, v Visitor) error {
	from := &source{in: part}
	var out io.Reader = from
	switch h.method {
	case zipDeflated:
		// A reader of single bytes takes none of what follows.
		buffered, ok := part.(*bufio.Reader)
		if !ok {
			buffered = bufio.NewReaderSize(from, 32<<10)
			out = flate.NewReader(buffered)
			break
		}
		counted := &byteSource{Reader: buffered}
		return c.drain(v, h.name, &output{Reader: flate.NewReader(counted), chain: c, from: &counted.source})
	case zipBzip2:
		out = bzip2.NewReader(from)
	case zipZstd:
		decoder, err := zstd.NewReader(from, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(usualWindow))
		if err != nil {
			return err
		}
		defer decoder.Close()
		out = decoder
	}
	if h.size == 0 && h.whole == 0 {
		return nil // a directory, or an empty file
	}
	return c.drain(v, h.name, &output{Reader: out, chain: c, from: from})
}

// drain hands a member on and reads what the visitor leaves of it.
func (c *Chain) drain(v Visitor, name string, content io.Reader) error {
	if err := v.Member(name, content); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, content)
	return err
}

// byteSource counts bytes that are read one by one.
type byteSource struct {
	*bufio.Reader
	source
}

func (b *byteSource) ReadByte() (byte, error) {
	value, err := b.Reader.ReadByte()
	if err == nil {
		b.count++
	}
	return value, err
}

func (b *byteSource) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	b.count += int64(n)
	return n, err
}

// skipDescriptor passes over the sizes that follow a member whose header did not have them.
func skipDescriptor(reader *bufio.Reader, h zipHeader) error {
	if !h.sizeFollows {
		return nil
	}
	next, _ := reader.Peek(28)
	if bytes.HasPrefix(next, []byte("PK\x07\x08")) {
		reader.Discard(4)
		next = next[4:]
	}
	size := 12
	if h.wide || len(next) >= 22 && string(next[12:14]) != "PK" && string(next[20:22]) == "PK" {
		size = 20
	}
	_, err := reader.Discard(size)
	return err
}
