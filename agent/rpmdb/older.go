package rpmdb

import (
	"encoding/binary"
	"errors"
)

const ndbMagic = "RpmP"

// ndbHeaders reads rpm's own format, Packages.db (lib/backend/ndb/rpmpkg.c): a table of slots, each pointing at a blob.
func ndbHeaders(data []byte) (headers [][]byte, _ error) {
	const head, slotSize, page, block, blobHead = 32, 16, 4096, 16, 16
	if len(data) < head {
		return nil, errDamaged
	}
	word := func(at int64) uint32 { return binary.LittleEndian.Uint32(data[at:]) }
	end := int64(word(12)) * page
	if end > int64(len(data)) {
		return nil, errDamaged
	}
	for at := int64(head); at+slotSize <= end; at += slotSize {
		if word(at) != 0x746f6c53 { // "Slot"
			return nil, errDamaged
		}
		if word(at+4) == 0 {
			continue // a free one
		}
		blob := int64(word(at+8)) * block
		if blob+blobHead > int64(len(data)) || word(blob) != 0x53626c42 || word(blob+4) != word(at+4) { // "BlbS", of this package
			return nil, errDamaged
		}
		length := int64(word(blob + 12))
		if blob+blobHead+length > int64(len(data)) {
			return nil, errDamaged
		}
		headers = append(headers, data[blob+blobHead:blob+blobHead+length])
	}
	return headers, nil
}

// Berkeley DB's hash tables, as rpm used them up to RHEL 8 (dbinc/db_page.h).
const (
	hashMagic                             = 0x061561
	berkeleyHead                          = 26
	pageHashUnsorted, pageHash, pageLarge = 2, 13, 7
	itemPlain, itemElsewhere              = 1, 3
)

type berkeley struct {
	data  []byte
	order binary.ByteOrder
	size  int64 // of a page
	room  int64 // bytes that items may still have: not more than there are, however often pages point at them
}

func isBerkeley(data []byte) bool { return berkeleyOrder(data) != nil }

func berkeleyOrder(data []byte) binary.ByteOrder {
	switch {
	case len(data) < 512:
	case binary.LittleEndian.Uint32(data[12:]) == hashMagic:
		return binary.LittleEndian
	case binary.BigEndian.Uint32(data[12:]) == hashMagic:
		return binary.BigEndian
	}
	return nil
}

func berkeleyHeaders(data []byte) (headers [][]byte, _ error) {
	b := berkeley{data: data, order: berkeleyOrder(data), room: int64(len(data))}
	b.size = int64(b.order.Uint32(data[20:]))
	if b.size < 512 || b.size > 65536 || data[24] != 0 {
		return nil, errors.New("it is encrypted, or damaged")
	}
	for at := b.size; at+b.size <= int64(len(data)); at += b.size {
		page := data[at : at+b.size]
		if kind := page[25]; kind != pageHash && kind != pageHashUnsorted {
			continue
		}
		items := int64(b.order.Uint16(page[20:]))
		if berkeleyHead+2*items > b.size {
			return nil, errDamaged
		}
		for n := int64(1); n < items; n += 2 { // keys and values take turns
			value, err := b.item(page, n)
			if err != nil {
				return nil, err
			}
			if len(value) > 16 { // a shorter one is the number that the next package gets
				headers = append(headers, value)
			}
		}
	}
	return headers, nil
}

// item is the n-th item of a page, which may be in pages of its own.
func (b *berkeley) item(page []byte, n int64) ([]byte, error) {
	place := func(n int64) int64 { return int64(b.order.Uint16(page[berkeleyHead+2*n:])) }
	from, to := place(n), place(n-1) // items are put in from the end of the page on
	if from >= int64(len(page)) || to > int64(len(page)) || from >= to {
		return nil, errDamaged
	}
	item := page[from:to]
	switch item[0] {
	case itemPlain:
		return item[1:], nil
	case itemElsewhere:
		if len(item) < 12 {
			return nil, errDamaged
		}
		return b.large(b.order.Uint32(item[4:]), int64(b.order.Uint32(item[8:])))
	}
	return nil, errDamaged
}

// large puts an item together that fills pages of its own.
func (b *berkeley) large(number uint32, length int64) ([]byte, error) {
	if b.room -= length; b.room < 0 {
		return nil, errDamaged
	}
	var value []byte
	for number != 0 && int64(len(value)) < length {
		at := int64(number) * b.size
		if at+b.size > int64(len(b.data)) {
			return nil, errDamaged
		}
		page := b.data[at : at+b.size]
		used := int64(b.order.Uint16(page[22:]))
		if page[25] != pageLarge || berkeleyHead+used > b.size || used == 0 {
			return nil, errDamaged
		}
		value = append(value, page[berkeleyHead:berkeleyHead+used]...)
		number = b.order.Uint32(page[16:])
	}
	if int64(len(value)) != length {
		return nil, errDamaged
	}
	return value, nil
}
