package archive

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zlib"
)

// The kinds of objects in a pack.
const (
	gitCommit      = 1
	gitTree        = 2
	gitBlob        = 3
	gitTag         = 4
	gitOffsetDelta = 6
	gitNameDelta   = 7
)

const (
	// largestObject is the largest one that is made of differences.
	largestObject = 32 << 20
	packMemory    = 96 << 20
	longestDelta  = 4096 // differences that build on one another; git itself makes no longer chains
)

type objectID [sha1.Size]byte

// packObject is where an object stands, and what it is made of.
type packObject struct {
	kind   int
	size   int64
	data   int64 // where its compressed bytes begin
	base   int64 // where the object stands that it is a difference to
	parent objectID
}

// pack is a file with the history of a repository: every object that is not a tree is handed on.
type pack struct {
	chain   *Chain
	v       Visitor
	at      io.ReaderAt
	size    int64
	byName  map[objectID]int64
	waiting []int64 // differences to an object that comes later
	cached  map[int64]packContent
	order   []int64
	held    int64
}

type packContent struct {
	kind int
	data []byte
}

func readPack(c *Chain, in Input, v Visitor) error {
	if err := c.reserve(packMemory); err != nil {
		return err
	}
	at, size, err := c.inMemory(in)
	if err != nil {
		return err
	}
	p := &pack{chain: c, v: v, at: at, size: size, byName: map[objectID]int64{}, cached: map[int64]packContent{}}
	header := make([]byte, 12)
	if _, err := at.ReadAt(header, 0); err != nil {
		return err
	}
	where := int64(len(header))
	for range binary.BigEndian.Uint32(header[8:]) {
		next, err := p.object(where)
		if err != nil {
			return err
		}
		where = next
	}
	return p.resolveWaiting()
}

// parse reads what stands before the content of an object.
func (p *pack) parse(where int64) (o packObject, err error) {
	head := make([]byte, 48)
	n, err := p.at.ReadAt(head, where)
	if n < 3 && err != nil {
		return o, err
	}
	head = head[:n]
	i := 0
	next := func() (b byte) {
		if i < len(head) {
			b = head[i]
		}
		i++
		return b
	}
	b := next()
	o.kind, o.size = int(b>>4&7), int64(b&15)
	for shift := 4; b&0x80 != 0 && shift < 60; shift += 7 {
		b = next()
		o.size |= int64(b&0x7f) << shift
	}
	switch o.kind {
	case gitOffsetDelta:
		b = next()
		offset := int64(b & 0x7f)
		for b&0x80 != 0 && i < len(head) {
			b = next()
			offset = (offset+1)<<7 | int64(b&0x7f)
		}
		if o.base = where - offset; offset <= 0 || o.base < 12 {
			return o, errors.New("it is damaged")
		}
	case gitNameDelta:
		i += copy(o.parent[:], head[min(i, len(head)):])
	case gitCommit, gitTree, gitBlob, gitTag:
	default:
		return o, errors.New("it is damaged")
	}
	o.data = where + int64(i)
	return o, nil
}

// object hands on the object at a place, and returns where the next one is.
func (p *pack) object(where int64) (int64, error) {
	o, err := p.parse(where)
	if err != nil {
		return 0, err
	}
	compressed := &byteSource{Reader: bufio.NewReaderSize(io.NewSectionReader(p.at, o.data, p.size-o.data), 4096)}
	reader, err := zlib.NewReader(compressed)
	if err != nil {
		return 0, err
	}
	content := &output{Reader: reader, chain: p.chain, from: &compressed.source}
	if o.kind <= gitTag && o.size > largestObject {
		return 0, errors.Join(p.v.Member("an object at byte "+fmt.Sprint(where), content), finish(content))
	}
	data, err := io.ReadAll(io.LimitReader(content, largestObject+1))
	if err == nil {
		err = finish(content)
	}
	if err != nil {
		return 0, err
	}
	end := o.data + compressed.count
	if o.kind == gitOffsetDelta || o.kind == gitNameDelta {
		base, known := o.base, true
		if o.kind == gitNameDelta {
			base, known = p.byName[o.parent]
		}
		if !known {
			p.waiting = append(p.waiting, where)
			return end, nil
		}
		whole, err := p.apply(base, data)
		if err != nil {
			p.v.Unread(fmt.Sprintf("the object at byte %d", where), err.Error())
			return end, p.chain.Err()
		}
		return end, p.found(where, whole)
	}
	return end, p.found(where, packContent{o.kind, data})
}

func finish(content io.Reader) error {
	_, err := io.Copy(io.Discard, content)
	return err
}

// found hands on an object, and remembers what others may be differences to.
func (p *pack) found(where int64, o packContent) error {
	sum := sha1.New() // git's name of an object, not a proof of anything
	fmt.Fprintf(sum, "%s %d\x00", []string{"", "commit", "tree", "blob", "tag"}[o.kind], len(o.data))
	sum.Write(o.data)
	var name objectID
	sum.Sum(name[:0])
	p.byName[name] = where
	p.keep(where, o)
	if o.kind == gitTree || len(o.data) == 0 {
		return nil
	}
	return p.v.Member("object "+hex.EncodeToString(name[:6]), bytes.NewReader(o.data))
}

func (p *pack) keep(where int64, o packContent) {
	p.cached[where] = o
	p.order = append(p.order, where)
	p.held += int64(len(o.data))
	for p.held > packMemory-largestObject && len(p.order) > 1 {
		oldest := p.order[0]
		p.order = p.order[1:]
		p.held -= int64(len(p.cached[oldest].data))
		delete(p.cached, oldest)
	}
}

// content makes an object anew, of the differences that it consists of.
func (p *pack) content(where int64) (packContent, error) {
	var deltas [][]byte
	for range longestDelta {
		if o, ok := p.cached[where]; ok {
			return p.build(o, deltas)
		}
		o, err := p.parse(where)
		if err != nil {
			return packContent{}, err
		}
		data, err := p.inflate(o)
		if err != nil {
			return packContent{}, err
		}
		switch o.kind {
		case gitOffsetDelta:
			where = o.base
		case gitNameDelta:
			base, ok := p.byName[o.parent]
			if !ok {
				return packContent{}, errors.New("what it is a difference to is not there")
			}
			where = base
		default:
			return p.build(packContent{o.kind, data}, deltas)
		}
		deltas = append(deltas, data)
	}
	return packContent{}, fmt.Errorf("it consists of more than %d differences", longestDelta)
}

func (p *pack) inflate(o packObject) ([]byte, error) {
	compressed := &source{in: io.NewSectionReader(p.at, o.data, p.size-o.data)}
	reader, err := zlib.NewReader(bufio.NewReaderSize(compressed, 4096))
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(&output{Reader: reader, chain: p.chain, from: compressed}, largestObject+1))
	if err == nil && len(data) > largestObject {
		err = fmt.Errorf("it is larger than %d MB", largestObject>>20)
	}
	return data, err
}

func (p *pack) build(o packContent, deltas [][]byte) (packContent, error) {
	for i := len(deltas) - 1; i >= 0; i-- {
		data, err := p.patch(o.data, deltas[i])
		if err != nil {
			return o, err
		}
		o.data = data
	}
	return o, nil
}

func (p *pack) apply(base int64, delta []byte) (packContent, error) {
	o, err := p.content(base)
	if err != nil {
		return o, err
	}
	return p.build(o, [][]byte{delta})
}

// patch applies a difference: parts of the base, and new bytes.
func (p *pack) patch(base, delta []byte) ([]byte, error) {
	damaged := errors.New("it is damaged")
	from, n := binary.Uvarint(delta)
	if n <= 0 || from != uint64(len(base)) {
		return nil, damaged
	}
	delta = delta[n:]
	size, n := binary.Uvarint(delta)
	if n <= 0 || size > largestObject {
		return nil, fmt.Errorf("it is larger than %d MB", largestObject>>20)
	}
	out := make([]byte, 0, size)
	for delta = delta[n:]; len(delta) > 0; {
		op := delta[0]
		delta = delta[1:]
		if op&0x80 == 0 {
			if op == 0 || int(op) > len(delta) {
				return nil, damaged
			}
			out, delta = append(out, delta[:op]...), delta[op:]
			continue
		}
		var fields [7]int
		for i := range fields {
			if op>>i&1 != 0 {
				if len(delta) == 0 {
					return nil, damaged
				}
				fields[i], delta = int(delta[0]), delta[1:]
			}
		}
		offset := fields[0] | fields[1]<<8 | fields[2]<<16 | fields[3]<<24
		length := fields[4] | fields[5]<<8 | fields[6]<<16
		if length == 0 {
			length = 1 << 16
		}
		if offset+length > len(base) || len(out)+length > int(size) {
			return nil, damaged
		}
		out = append(out, base[offset:offset+length]...)
	}
	return out, p.chain.grown(int64(len(base)), 0, int64(len(out)))
}

// resolveWaiting deals with differences to objects that stand behind them.
func (p *pack) resolveWaiting() error {
	for progress := true; progress && len(p.waiting) > 0; {
		progress = false
		var still []int64
		for _, where := range p.waiting {
			o, err := p.content(where)
			if p.chain.Err() != nil {
				return p.chain.Err()
			}
			if err != nil {
				still = append(still, where)
				continue
			}
			progress = true
			if err := p.found(where, o); err != nil {
				return err
			}
		}
		p.waiting = still
	}
	if len(p.waiting) > 0 {
		return fmt.Errorf("%d objects in it are differences to others that are not there", len(p.waiting))
	}
	return nil
}
