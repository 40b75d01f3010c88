package archive

import (
	"archive/tar"
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

func beginsTar(head []byte) bool {
	return len(head) >= 512 && string(head[257:262]) == "ustar"
}

// readTar reads an archive, or the two that an image saved by docker is: its layers are members too.
func readTar(c *Chain, in Input, v Visitor) error {
	from := &source{in: in}
	reader := tar.NewReader(&output{Reader: from, chain: c, from: from}) // within the bounds of time
	for {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if header.Typeflag != tar.TypeReg || header.Size == 0 {
			continue
		}
		if err := v.Member(header.Name, &output{Reader: reader, chain: c, from: from}); err != nil {
			return err
		}
	}
}

// readAr reads the archives that Debian's packages are.
func readAr(c *Chain, in Input, v Visitor) error {
	reader := bufio.NewReaderSize(in, 64<<10)
	if _, err := reader.Discard(8); err != nil {
		return err
	}
	header := make([]byte, 60)
	for {
		if _, err := io.ReadFull(reader, header); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		size, err := strconv.ParseInt(strings.TrimSpace(string(header[48:58])), 10, 64)
		if err != nil || size < 0 || string(header[58:]) != "`\n" {
			return errors.New("it is damaged")
		}
		name := strings.TrimRight(string(header[:16]), "/ ")
		if err := c.member(v, name, reader, size, size%2); err != nil {
			return err
		}
	}
}

// member hands on one that takes so many bytes, and passes over what the visitor leaves of it and over its padding.
func (c *Chain) member(v Visitor, name string, in io.Reader, size, padding int64) error {
	part := &io.LimitedReader{R: in, N: size}
	from := &source{in: part}
	if size > 0 {
		if err := v.Member(name, &output{Reader: from, chain: c, from: from}); err != nil {
			return err
		}
	}
	if _, err := io.Copy(io.Discard, part); err != nil {
		return err
	}
	if part.N > 0 {
		return io.ErrUnexpectedEOF
	}
	_, err := io.CopyN(io.Discard, in, padding)
	if errors.Is(err, io.EOF) {
		return nil // the last one needs none
	}
	return err
}

func beginsCpio(head []byte) bool {
	return bytes.HasPrefix(head, []byte("070701")) || bytes.HasPrefix(head, []byte("070702"))
}

// readCpio reads the archives that initial RAM disks are: one behind the other, the later ones compressed.
func readCpio(c *Chain, in Input, v Visitor) error {
	reader := bufio.NewReaderSize(in, 64<<10)
	header := make([]byte, 110)
	for {
		head, err := reader.Peek(6)
		if errors.Is(err, io.EOF) && len(bytes.Trim(head, "\x00")) == 0 {
			return nil
		}
		if err != nil {
			return err
		}
		if !beginsCpio(head) {
			if head[0] == 0 {
				reader.Discard(1)
				continue
			}
			from := &source{in: reader}
			return v.Member("", &output{Reader: from, chain: c, from: from})
		}
		if _, err := io.ReadFull(reader, header); err != nil {
			return err
		}
		size, err := strconv.ParseUint(string(header[54:62]), 16, 32)
		nameSize, wrong := strconv.ParseUint(string(header[94:102]), 16, 32)
		if err != nil || wrong != nil || nameSize > 4096 {
			return errors.New("it is damaged")
		}
		name := make([]byte, nameSize+(4-(110+nameSize)%4)%4)
		if _, err := io.ReadFull(reader, name); err != nil {
			return err
		}
		if err := c.member(v, strings.TrimRight(string(name), "\x00"), reader, int64(size), int64((4-size%4)%4)); err != nil {
			return err
		}
	}
}

// readRPM passes over the headers of a package, and hands on what they are about.
func readRPM(c *Chain, in Input, v Visitor) error {
	reader := bufio.NewReaderSize(in, 64<<10)
	at, err := reader.Discard(96)
	for header := 0; err == nil && header < 2; header++ {
		intro := make([]byte, 16)
		if _, err = io.ReadFull(reader, intro); err != nil {
			return err
		}
		if string(intro[:3]) != "\x8e\xad\xe8" {
			return errors.New("it is damaged")
		}
		size := 16*int64(binary.BigEndian.Uint32(intro[8:])) + int64(binary.BigEndian.Uint32(intro[12:]))
		at += 16 + int(size%8)
		if header == 0 {
			size += (8 - (16+size)%8) % 8
		}
		if size > 256<<20 {
			return fmt.Errorf("its header would have %d bytes", size)
		}
		_, err = io.CopyN(io.Discard, reader, size)
	}
	if err != nil {
		return err
	}
	from := &source{in: reader}
	return v.Member("", &output{Reader: from, chain: c, from: from})
}
