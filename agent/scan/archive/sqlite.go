package archive

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
)

// The kinds of pages that hold the rows of tables.
const (
	sqliteInner = 0x05
	sqliteLeaf  = 0x0d
)

const (
	// largestRow is how much of one row is put together from the pages that it lies on.
	largestRow = 4 << 20
	sqliteCols = 1000 // columns of a table; the program itself allows 2000 at most
)

// database reads the tables of a SQLite file. A value that is longer than a page lies in several; they are put together.
type database struct {
	chain  *Chain
	at     io.ReaderAt
	page   int64
	usable int
	pages  int64
	seen   map[uint32]bool
}

// readSQLite hands on each table as text: the name of the column before each value. A table of names and values is
// also handed on as such.
func readSQLite(c *Chain, in Input, v Visitor) error {
	at, size, err := c.inMemory(in)
	if err != nil {
		return err
	}
	header := make([]byte, 100)
	if _, err := at.ReadAt(header, 0); err != nil {
		return err
	}
	db := &database{chain: c, at: at, page: int64(binary.BigEndian.Uint16(header[16:])), seen: map[uint32]bool{}}
	if db.page == 1 {
		db.page = 65536
	}
	db.usable = int(db.page) - int(header[20])
	if db.page < 512 || db.page&(db.page-1) != 0 || db.usable < 480 {
		return errors.New("it is damaged")
	}
	if encoding := binary.BigEndian.Uint32(header[56:]); encoding > 1 {
		return errors.New("its text is in UTF-16, which is only read byte by byte")
	}
	db.pages = (size + db.page - 1) / db.page
	if err := c.reserve(db.pages/8 + largestRow); err != nil {
		return err
	}
	type table struct {
		name, sql string
		root      uint32
	}
	var tables []table
	for row := range db.rows(1) {
		if len(row) >= 5 && string(row[0]) == "table" && len(row[3]) > 0 {
			tables = append(tables, table{string(row[1]), string(row[4]), uint32(number(row[3]))})
		}
	}
	for _, t := range tables {
		next, stop := iter.Pull(db.lines(t.root, columnsOf(t.sql)))
		from := &source{}
		err := v.Member("table "+t.name, &output{Reader: &lineReader{next: next}, chain: c, from: from})
		stop()
		if err != nil {
			return err
		}
	}
	return nil
}

// number is an integer of a row, as rows hold them: with the highest byte first.
func number(value []byte) (n uint64) {
	for _, b := range value {
		n = n<<8 | uint64(b)
	}
	return n
}

// lineReader reads what an iterator gives.
type lineReader struct {
	next func() ([]byte, bool)
	rest []byte
}

func (r *lineReader) Read(p []byte) (int, error) {
	for len(r.rest) == 0 {
		line, ok := r.next()
		if !ok {
			return 0, io.EOF
		}
		r.rest = line
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// columnsOf are the names of the columns, from the statement that made the table.
func columnsOf(sql string) (names []string) {
	_, body, _ := strings.Cut(sql, "(")
	depth, begin := 0, 0
	for i, r := range body {
		switch {
		case r == '(':
			depth++
		case r == ')' && depth > 0:
			depth--
		case depth == 0 && (r == ',' || r == ')') && len(names) < sqliteCols:
			fields := strings.FieldsFunc(body[begin:i], func(r rune) bool { return strings.ContainsRune(" \t\r\n\"'`[](", r) })
			if len(fields) > 0 {
				names = append(names, fields[0])
			}
			begin = i + 1
		}
	}
	return names
}

// lines writes each row as text.
func (db *database) lines(root uint32, columns []string) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for row := range db.rows(root) {
			var out bytes.Buffer
			for i, value := range row {
				if len(value) < 3 {
					continue
				}
				name := "column"
				if i < len(columns) {
					name = columns[i]
				}
				fmt.Fprintf(&out, "%s: %s\n", name, value)
				if i+1 < len(row) && len(value) < 100 && len(row[i+1]) > 3 && isName(value) {
					fmt.Fprintf(&out, "%s: %s\n", value, row[i+1])
				}
			}
			if out.Len() > 0 && !yield(out.Bytes()) {
				return
			}
		}
	}
}

func isName(value []byte) bool {
	return !bytes.ContainsFunc(value, func(r rune) bool {
		return !(r == '_' || r == '-' || r == '.' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z')
	})
}

// rows are the values of each row of a table; what is damaged is passed over, and is seen byte by byte.
func (db *database) rows(root uint32) iter.Seq[[][]byte] {
	return func(yield func([][]byte) bool) {
		todo := []uint32{root}
		data := make([]byte, db.page)
		for len(todo) > 0 {
			number := todo[len(todo)-1]
			todo = todo[:len(todo)-1]
			if number == 0 || int64(number) > db.pages || db.seen[number] || db.chain.ctx.Err() != nil {
				continue
			}
			db.seen[number] = true
			if _, err := db.at.ReadAt(data, int64(number-1)*db.page); err != nil {
				continue
			}
			below, ok := db.readPage(data, number, yield)
			if !ok {
				return
			}
			todo = append(todo, below...)
		}
	}
}

// readPage yields the rows of a leaf, and returns the pages that an inner page leads to.
func (db *database) readPage(data []byte, number uint32, yield func([][]byte) bool) (below []uint32, ok bool) {
	header := 0
	if number == 1 {
		header = 100
	}
	kind, cells := data[header], int(binary.BigEndian.Uint16(data[header+3:]))
	size := 8
	if kind == sqliteInner {
		size = 12
		below = append(below, binary.BigEndian.Uint32(data[header+8:]))
	} else if kind != sqliteLeaf {
		return nil, true
	}
	for i := range cells {
		pointer := header + size + 2*i
		if pointer+2 > len(data) {
			break
		}
		cell := int(binary.BigEndian.Uint16(data[pointer:]))
		if cell < size || cell+4 > len(data) {
			continue
		}
		if kind == sqliteInner {
			below = append(below, binary.BigEndian.Uint32(data[cell:]))
			continue
		}
		if row := values(db.payload(data[:db.usable], cell)); row != nil && !yield(row) {
			return nil, false
		}
	}
	return below, true
}

// payload is a row's bytes, wherever they lie.
func (db *database) payload(data []byte, cell int) []byte {
	if cell >= len(data) {
		return nil
	}
	total, n := varint(data[cell:])
	_, m := varint(data[min(cell+n, len(data)):])
	at := cell + n + m
	if n == 0 || m == 0 || total < 1 {
		return nil
	}
	local := total
	if most := int64(db.usable - 35); total > most {
		least := int64((db.usable-12)*32/255 - 23)
		if local = least + (total-least)%int64(db.usable-4); local > most {
			local = least
		}
	}
	if int64(at)+local > int64(len(data)) {
		return nil
	}
	payload := bytes.Clone(data[at : at+int(local)])
	if local == total || at+int(local)+4 > len(data) {
		return payload
	}
	next := binary.BigEndian.Uint32(data[at+int(local):])
	page := make([]byte, db.page)
	for rest := min(total, largestRow) - local; rest > 0 && next != 0 && int64(next) <= db.pages; {
		if _, err := db.at.ReadAt(page, int64(next-1)*db.page); err != nil {
			break
		}
		part := min(rest, int64(db.usable-4))
		payload = append(payload, page[4:4+part]...)
		rest -= part
		next = binary.BigEndian.Uint32(page)
	}
	return payload
}

// values splits a row: its header has a number for the kind and size of each.
func values(payload []byte) (row [][]byte) {
	size, n := varint(payload)
	if n == 0 || size < 1 || size > int64(len(payload)) {
		return nil
	}
	header, body := payload[n:max(int(size), n)], payload[size:]
	for len(header) > 0 && len(row) < sqliteCols {
		kind, n := varint(header)
		if n == 0 || kind < 0 {
			return row
		}
		header = header[n:]
		length := int64(0)
		switch {
		case kind >= 12:
			length = (kind - 12) / 2
		case kind >= 1 && kind <= 7:
			length = []int64{0, 1, 2, 3, 4, 6, 8, 8}[kind]
		}
		if length > int64(len(body)) {
			length = int64(len(body))
		}
		row = append(row, body[:length])
		body = body[length:]
	}
	return row
}

// varint is a number as SQLite writes it, and how many bytes it takes; 0 where it is not whole.
func varint(data []byte) (value int64, n int) {
	for n < 9 && n < len(data) {
		b := data[n]
		n++
		if n == 9 {
			return value<<8 | int64(b), n
		}
		value = value<<7 | int64(b&0x7f)
		if b&0x80 == 0 {
			return value, n
		}
	}
	return 0, 0
}
