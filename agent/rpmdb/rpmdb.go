// Package rpmdb reads rpm's database of installed packages without rpm: the three formats that rpm has kept it in, and
// the headers in it. What it reads may be hostile: every number is checked against what is there.
package rpmdb

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"path"
)

// Package is an installed package.
type Package struct {
	Name, Version, Release string
	Files                  []File
}

// File is a file that a package brought.
type File struct {
	Path   string
	Digest string // in hexadecimal; "" for what is no regular file
	Mode   uint16
}

// Parse reads a database: rpmdb.sqlite with its write-ahead log, which may be empty, Packages.db, or Packages.
func Parse(database, log []byte) ([]Package, error) {
	var headers [][]byte
	var err error
	switch {
	case bytes.HasPrefix(database, []byte(sqliteMagic)):
		headers, err = sqliteHeaders(database, log)
	case bytes.HasPrefix(database, []byte(ndbMagic)):
		headers, err = ndbHeaders(database)
	case isBerkeley(database):
		headers, err = berkeleyHeaders(database)
	default:
		err = errors.New("it is in no format that rpm has used")
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read rpm's database: %w", err)
	}
	packages, room := make([]Package, 0, len(headers)), 2*(len(database)+len(log))
	for _, header := range headers {
		if room -= len(header); room < 0 { // several rows point at the same bytes
			return nil, fmt.Errorf("cannot read rpm's database: %w", errDamaged)
		}
		p, err := parseHeader(header)
		if err != nil {
			return nil, fmt.Errorf("cannot read rpm's database: %w", err)
		}
		packages = append(packages, p)
	}
	return packages, nil
}

// Tags of a header (rpmtag.h).
const (
	tagName, tagVersion, tagRelease             = 1000, 1001, 1002
	tagFileModes, tagFileDigests                = 1030, 1035
	tagDirIndexes, tagBaseNames, tagDirectories = 1116, 1117, 1118
)

// maxFiles bounds what one header may claim.
const maxFiles = 1 << 20

var errDamaged = errors.New("it is damaged")

// header is an index of tags, and the data that they point into. All numbers are big-endian.
type header struct {
	index map[uint32]indexEntry
	data  []byte
}

type indexEntry struct{ kind, offset, count uint32 }

func parseHeader(blob []byte) (Package, error) {
	if len(blob) < 8 {
		return Package{}, errDamaged
	}
	entries, size := int64(binary.BigEndian.Uint32(blob)), int64(binary.BigEndian.Uint32(blob[4:]))
	if 8+16*entries+size > int64(len(blob)) {
		return Package{}, errDamaged
	}
	h := header{map[uint32]indexEntry{}, blob[8+16*entries : 8+16*entries+size]}
	for n := range entries {
		at := blob[8+16*n:]
		word := func(i int) uint32 { return binary.BigEndian.Uint32(at[4*i:]) }
		h.index[word(0)] = indexEntry{word(1), word(2), word(3)}
	}
	p := Package{Name: first(h.texts(tagName)), Version: first(h.texts(tagVersion)), Release: first(h.texts(tagRelease))}
	if p.Name == "" {
		return Package{}, errDamaged
	}
	bases, directories := h.texts(tagBaseNames), h.texts(tagDirectories)
	digests, indexes, modes := h.texts(tagFileDigests), h.numbers(tagDirIndexes, 4), h.numbers(tagFileModes, 2)
	for n, base := range bases {
		if n >= len(indexes) || int(indexes[n]) >= len(directories) {
			return Package{}, errDamaged
		}
		file := File{Path: path.Join(directories[indexes[n]], base)}
		if n < len(modes) {
			file.Mode = uint16(modes[n])
		}
		if n < len(digests) {
			if _, err := hex.DecodeString(digests[n]); err == nil {
				file.Digest = digests[n]
			}
		}
		p.Files = append(p.Files, file)
	}
	return p, nil
}

func first(texts []string) string {
	if len(texts) == 0 {
		return ""
	}
	return texts[0]
}

// texts are the strings of a tag, each ended by a zero byte.
func (h *header) texts(tag uint32) (texts []string) {
	entry := h.index[tag]
	const single, list, translated = 6, 8, 9
	if entry.kind != single && entry.kind != list && entry.kind != translated || entry.count > maxFiles ||
		int64(entry.offset) > int64(len(h.data)) {
		return nil
	}
	rest := h.data[entry.offset:]
	for range entry.count {
		end := bytes.IndexByte(rest, 0)
		if end < 0 {
			return texts
		}
		texts, rest = append(texts, string(rest[:end])), rest[end+1:]
	}
	return texts
}

// numbers are the numbers of a tag, each of so many bytes.
func (h *header) numbers(tag uint32, size int) (numbers []uint32) {
	entry := h.index[tag]
	if entry.count > maxFiles || int64(entry.offset)+int64(entry.count)*int64(size) > int64(len(h.data)) {
		return nil
	}
	for n := range int(entry.count) {
		at := h.data[int(entry.offset)+n*size:]
		if size == 2 {
			numbers = append(numbers, uint32(binary.BigEndian.Uint16(at)))
		} else {
			numbers = append(numbers, binary.BigEndian.Uint32(at))
		}
	}
	return numbers
}
