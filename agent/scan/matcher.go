package scan

import "encoding/binary"

// matcher finds many literals in one pass, whatever their case. It looks at three bytes at every other place, and asks
// a table of bits whether a literal could stand there: each literal has at least four bytes, so that three of its first
// four begin at such a place. The looks do not depend on each other, so that the processor makes several at once.
type matcher struct {
	literals []string // in small letters
	table    [tableBits / 64]uint64
	// candidates has, in the order of their hashes, the literals that may stand there, and which of their bytes the look
	// began at; first is where those of a hash begin.
	candidates []candidate
	first      [tableBits + 1]uint16
}

// candidate is a literal that may stand at a look. Its first four bytes are compared at once, before the rest is.
type candidate struct {
	word            uint32
	literal, offset int
}

const (
	shortestLiteral = 4
	stride          = 2
	tableBits       = 1 << 16 // 8 KB, which the processor's nearest cache holds
	// threeBytes leaves three of four bytes, and caseBits takes the case of letters away. It takes other differences
	// away too; what was found is compared byte by byte.
	threeBytes, caseBits, anyCase = 0xffffff, 0x202020, 0x20202020
)

func hash(word uint32) uint32 { return (word&threeBytes | caseBits) * 0x9e3779b1 >> 16 }

func newMatcher(literals []string) *matcher {
	m := &matcher{}
	byHash := map[uint32][]candidate{}
	for number, literal := range literals {
		literal = small(literal)
		m.literals = append(m.literals, literal)
		for offset := range stride {
			part := literal[offset : offset+3]
			at := hash(uint32(part[0]) | uint32(part[1])<<8 | uint32(part[2])<<16)
			m.table[at/64] |= 1 << (at % 64)
			byHash[at] = append(byHash[at], candidate{binary.LittleEndian.Uint32([]byte(literal)) | anyCase, number, offset})
		}
	}
	for at := range uint32(tableBits) {
		m.first[at] = uint16(len(m.candidates))
		m.candidates = append(m.candidates, byHash[at]...)
	}
	m.first[tableBits] = uint16(len(m.candidates))
	return m
}

// run calls found with each literal that begins in data from one position on and before another.
func (m *matcher) run(data []byte, from, to int, found func(literal, begin int)) {
	end := min(to+stride-1, len(data)-shortestLiteral+1)
	for at := from; at < end; at += stride {
		index := hash(binary.LittleEndian.Uint32(data[at:]))
		if m.table[index/64]&(1<<(index%64)) != 0 {
			m.compare(data, at, from, to, index, found)
		}
	}
	if last := len(data) - 3; last >= from && (last-from)%stride == 0 { // the one look for which four bytes are too many
		index := hash(uint32(data[last]) | uint32(data[last+1])<<8 | uint32(data[last+2])<<16)
		m.compare(data, last, from, to, index, found)
	}
}

func (m *matcher) compare(data []byte, at, from, to int, index uint32, found func(literal, begin int)) {
	for _, c := range m.candidates[m.first[index]:m.first[index+1]] {
		begin := at - c.offset
		if begin < from || begin >= to || begin+shortestLiteral > len(data) || binary.LittleEndian.Uint32(data[begin:])|anyCase != c.word {
			continue
		}
		if beginsWith(data[begin:], m.literals[c.literal]) {
			found(c.literal, begin)
		}
	}
}

// beginsWith reports whether data begins with a literal in small letters, whatever the case.
func beginsWith(data []byte, literal string) bool {
	if len(data) < len(literal) {
		return false
	}
	for i := range len(literal) {
		if lower(data[i]) != literal[i] {
			return false
		}
	}
	return true
}

// small is a literal in small letters. Its other bytes stay as they are, text or not.
func small(literal string) string {
	out := []byte(literal)
	for i, b := range out {
		out[i] = lower(b)
	}
	return string(out)
}

func lower(b byte) byte {
	if b >= 'A' && b <= 'Z' {
		return b + 'a' - 'A'
	}
	return b
}
