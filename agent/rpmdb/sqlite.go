package rpmdb

import (
	"encoding/binary"
	"errors"
	"maps"
	"slices"
)

// sqlite reads one table of an SQLite database (sqlite.org/fileformat2.html): rpm keeps a header in each row of the
// table Packages. A library for it costs five megabytes of program.
type sqlite struct {
	data  []byte
	log   map[uint32][]byte // pages of the write-ahead log, which count in the place of the file's
	size  int               // of a page
	usual int               // of a page without the bytes that are reserved at its end
	steps int               // that may still be taken, so that pages that point at one another end
}

const sqliteMagic = "SQLite format 3\x00"

func sqliteHeaders(data, log []byte) ([][]byte, error) {
	if len(data) < 100 {
		return nil, errDamaged
	}
	size := int(binary.BigEndian.Uint16(data[16:]))
	if size == 1 {
		size = 65536
	}
	if size < 512 || size&(size-1) != 0 {
		return nil, errDamaged
	}
	s := &sqlite{data: data, size: size, usual: size - int(data[20])}
	s.log = s.committed(log)
	s.steps = 2 * (len(data)/size + len(s.log) + 1)
	root := uint32(0)
	err := s.rows(1, 0, func(row []value) error {
		if len(row) >= 4 && string(row[0].bytes) == "table" && string(row[1].bytes) == "Packages" {
			root = uint32(row[3].number)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if root == 0 {
		return nil, errors.New("it has no table Packages")
	}
	var headers [][]byte
	err = s.rows(root, 0, func(row []value) error {
		if len(row) >= 2 {
			headers = append(headers, row[1].bytes)
		}
		return nil
	})
	return headers, err
}

// committed are the pages of the log up to the last change that was finished.
func (s *sqlite) committed(log []byte) map[uint32][]byte {
	const head, frameHead = 32, 24
	if len(log) < head {
		return nil
	}
	var order binary.ByteOrder = binary.LittleEndian
	switch binary.BigEndian.Uint32(log) {
	case 0x377f0682:
	case 0x377f0683:
		order = binary.BigEndian
	default:
		return nil
	}
	sum := checksum(order, [2]uint32{}, log[:24])
	done, pending := map[uint32][]byte{}, map[uint32][]byte{}
	for at := head; at+frameHead+s.size <= len(log); at += frameHead + s.size {
		frame := log[at : at+frameHead+s.size]
		if string(frame[8:16]) != string(log[16:24]) { // left from an earlier round
			break
		}
		sum = checksum(order, checksum(order, sum, frame[:8]), frame[frameHead:])
		if binary.BigEndian.Uint32(frame[16:]) != sum[0] || binary.BigEndian.Uint32(frame[20:]) != sum[1] {
			break
		}
		pending[binary.BigEndian.Uint32(frame)] = frame[frameHead:]
		if binary.BigEndian.Uint32(frame[4:]) != 0 { // the last page of a change
			maps.Copy(done, pending)
			clear(pending)
		}
	}
	return done
}

// checksum goes on with a sum over words in pairs.
func checksum(order binary.ByteOrder, sum [2]uint32, data []byte) [2]uint32 {
	for at := 0; at+8 <= len(data); at += 8 {
		sum[0] += order.Uint32(data[at:]) + sum[1]
		sum[1] += order.Uint32(data[at+4:]) + sum[0]
	}
	return sum
}

func (s *sqlite) page(number uint32) ([]byte, error) {
	if s.steps--; s.steps < 0 {
		return nil, errDamaged
	}
	if page, there := s.log[number]; there {
		return page, nil
	}
	from := (int64(number) - 1) * int64(s.size)
	if number == 0 || from+int64(s.size) > int64(len(s.data)) {
		return nil, errDamaged
	}
	return s.data[from : from+int64(s.size)], nil
}

// value is a column of a row: a number, or bytes.
type value struct {
	number int64
	bytes  []byte
}

const maxTreeDepth = 20

// rows calls do for each row of the tree at a page.
func (s *sqlite) rows(number uint32, depth int, do func([]value) error) error {
	page, err := s.page(number)
	if err != nil || depth > maxTreeDepth {
		return errors.Join(err, deep(depth))
	}
	head := page
	if number == 1 {
		head = page[100:]
	}
	const interior, leaf = 0x05, 0x0d
	cells := int(binary.BigEndian.Uint16(head[3:]))
	pointers := head[8:]
	if head[0] == interior {
		pointers = head[12:]
	}
	if 2*cells > len(pointers) {
		return errDamaged
	}
	for n := range cells {
		at := int(binary.BigEndian.Uint16(pointers[2*n:]))
		if at+4 > len(page) {
			return errDamaged
		}
		switch head[0] {
		case interior:
			err = s.rows(binary.BigEndian.Uint32(page[at:]), depth+1, do)
		case leaf:
			err = s.row(page[at:], do)
		default:
			err = errDamaged
		}
		if err != nil {
			return err
		}
	}
	if head[0] == interior {
		return s.rows(binary.BigEndian.Uint32(head[8:]), depth+1, do)
	}
	return nil
}

func deep(depth int) error {
	if depth > maxTreeDepth {
		return errDamaged
	}
	return nil
}

// row puts a cell's payload together, which may go on in other pages, and splits it into columns.
func (s *sqlite) row(cell []byte, do func([]value) error) error {
	length, n := varint(cell)
	_, m := varint(cell[n:])
	cell = cell[n+m:]
	if n == 0 || m == 0 || length > uint64(len(s.data)+len(s.log)*s.size) {
		return errDamaged
	}
	local, most := int(length), s.usual-35
	if local > most {
		least := (s.usual-12)*32/255 - 23
		local = least + (int(length)-least)%(s.usual-4)
		if local > most {
			local = least
		}
	}
	if local > len(cell) {
		return errDamaged
	}
	payload := cell[:local]
	if uint64(local) < length {
		if local+4 > len(cell) {
			return errDamaged
		}
		payload = slices.Clone(payload)
		next := binary.BigEndian.Uint32(cell[local:])
		for uint64(len(payload)) < length {
			page, err := s.page(next)
			if err != nil {
				return err
			}
			next = binary.BigEndian.Uint32(page)
			payload = append(payload, page[4:min(s.usual, 4+int(length)-len(payload))]...)
		}
	}
	row, err := columns(payload)
	if err != nil {
		return err
	}
	return do(row)
}

// columns reads a record: the kinds of its columns, and then their values.
func columns(payload []byte) (row []value, err error) {
	headSize, n := varint(payload)
	if n == 0 || headSize > uint64(len(payload)) {
		return nil, errDamaged
	}
	kinds, rest := payload[n:headSize], payload[headSize:]
	for len(kinds) > 0 {
		kind, n := varint(kinds)
		if n == 0 {
			return nil, errDamaged
		}
		kinds = kinds[n:]
		size := 0
		switch {
		case kind <= 4:
			size = int(kind)
		case kind == 5:
			size = 6
		case kind == 6 || kind == 7:
			size = 8
		case kind >= 12 && (kind-12)/2 <= uint64(len(rest)):
			size = int((kind - 12) / 2)
		case kind >= 12:
			return nil, errDamaged
		}
		if size > len(rest) {
			return nil, errDamaged
		}
		v := value{bytes: rest[:size]}
		if kind < 7 {
			for _, b := range v.bytes {
				v.number = v.number<<8 | int64(b)
			}
		} else if kind == 9 {
			v.number = 1
		}
		row, rest = append(row, v), rest[size:]
	}
	return row, nil
}

// varint reads SQLite's numbers of one to nine bytes; n is 0 where it does not end.
func varint(data []byte) (number uint64, n int) {
	for n < len(data) && n < 8 {
		number = number<<7 | uint64(data[n]&0x7f)
		n++
		if data[n-1] < 0x80 {
			return number, n
		}
	}
	if n < len(data) {
		return number<<8 | uint64(data[n]), n + 1
	}
	return 0, 0
}
