package scan

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"io"
	"unicode/utf16"
	"unicode/utf8"

	"oneclick-agent/agent/scan/archive"
)

const (
	shortestRun = 40 // characters of base64 that are decoded
	longestRun  = 1 << 20
	fullLine    = 60 // the shortest line of base64 that goes on in the next one
)

// isBase64 tells the characters of base64, of that for addresses too.
func isBase64(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '/' && c <= '9' || c == '+' || c == '-' || c == '_'
}

// encoded looks at text that is written in base64 in a part of the window. A run of it is longer than the stride, so
// that no byte between needs a look.
func (w *window) encoded(from, to int) {
	for at := from + shortestRun - 1; at < to; at += shortestRun {
		if !isBase64(w.data[at]) {
			continue
		}
		begin := at
		for begin > 0 && isBase64(w.data[begin-1]) {
			begin--
		}
		end := w.endOfRun(at)
		if end-begin >= shortestRun && (begin >= from || begin > from-shortestRun) {
			w.decode(begin, end)
		}
		at = max(at, end-1)
	}
}

// endOfRun is where base64 ends that may go on in further lines.
func (w *window) endOfRun(at int) int {
	lineBegin := at
	for lineBegin > 0 && isBase64(w.data[lineBegin-1]) {
		lineBegin--
	}
	for {
		for at < len(w.data) && isBase64(w.data[at]) {
			at++
		}
		next := at
		for next < len(w.data) && (w.data[next] == '\n' || w.data[next] == '\r' || w.data[next] == ' ' || w.data[next] == '\t') && next-at < 40 {
			next++
		}
		if at-lineBegin < fullLine || next == at || next >= len(w.data) || bytes.IndexByte(w.data[at:next], '\n') < 0 || !isBase64(w.data[next]) {
			return at
		}
		lineBegin, at = next, next
	}
}

// decode looks at what a run of base64 says, where that is text, a key or a file that holds others.
func (w *window) decode(begin, end int) {
	if bytes.HasSuffix(bytes.TrimRight(w.data[max(0, begin-8):begin], "\r\n"), []byte("-----")) || end-begin > longestRun {
		return // the body of a key or a certificate, which has its own rule
	}
	run := bytes.Map(func(r rune) rune {
		switch r {
		case '\n', '\r', ' ', '\t':
			return -1
		case '-':
			return '+'
		case '_':
			return '/'
		}
		return r
	}, w.data[begin:end])
	decoded := make([]byte, base64.RawStdEncoding.DecodedLen(len(run)))
	n, _ := base64.RawStdEncoding.Decode(decoded, run[:len(run)-len(run)%4])
	if rest := run[len(run)-len(run)%4:]; len(rest) > 1 {
		m, _ := base64.RawStdEncoding.Decode(decoded[n:], rest)
		n += m
	}
	decoded = decoded[:n]
	if format := w.look.scanner.formats.Of(decoded); format != nil && w.look.file.Size < 64<<20 {
		w.takeApart(format, decoded)
		return
	}
	head := decoded[:min(64, len(decoded))]
	isKey := bytes.HasPrefix(head, []byte{0x30}) // perhaps: the sequence that DER begins with
	if !isKey && (!isPrintable(head) || !utf8.Valid(head[:min(len(head), 32)])) {
		return
	}
	inside := "base64"
	if w.inside != "" {
		inside = w.inside + ": base64"
	}
	at := settings
	if w.place < codeSettings {
		at = prose
	}
	w.look.inMemory(decoded, at, inside)
}

// takeApart looks into a compressed file that was written in base64. The window's own buffer is in use meanwhile.
func (w *window) takeApart(format *archive.Format, data []byte) {
	l := *w.look
	l.buffer = NewBuffer()
	inside := "base64"
	if w.inside != "" {
		inside = w.inside + ": base64"
	}
	input := archive.Input{Reader: bytes.NewReader(data), At: bytes.NewReader(data), Size: int64(len(data))}
	if l.takeApart(format, input, "encoded.conf", inside) != nil {
		return // the context ended, which the caller will see
	}
	w.look.chain, w.look.trusted = l.chain, l.trusted
}

// fromUTF16 reads text in UTF-16 as UTF-8; nil for any other content, of which the head is read.
func fromUTF16(head []byte, rest io.Reader) io.Reader {
	if len(head) < 4 {
		return nil
	}
	var order binary.ByteOrder
	skip := 2
	switch {
	case head[0] == 0xff && head[1] == 0xfe && !(head[2] == 0 && head[3] == 0):
		order = binary.LittleEndian
	case head[0] == 0xfe && head[1] == 0xff:
		order = binary.BigEndian
	default:
		skip = 0
		if order = likelyOrder(head[:min(len(head), 512)]); order == nil {
			return nil
		}
	}
	return &utf16Reader{in: io.MultiReader(bytes.NewReader(bytes.Clone(head[skip:])), rest), order: order}
}

// likelyOrder tells UTF-16 without a mark by the zeros between the letters of most texts.
func likelyOrder(head []byte) binary.ByteOrder {
	if bytes.IndexByte(head, 0) < 0 {
		return nil
	}
	var zeros, text [2]int
	for i, b := range head {
		if b == 0 {
			zeros[i%2]++
		} else if b >= ' ' && b < 0x7f || b == '\n' || b == '\r' || b == '\t' {
			text[i%2]++
		}
	}
	half := len(head) / 2
	switch {
	case half < 8:
	case zeros[1] > half*9/10 && text[0] > half*9/10:
		return binary.LittleEndian
	case zeros[0] > half*9/10 && text[1] > half*9/10:
		return binary.BigEndian
	}
	return nil
}

type utf16Reader struct {
	in    io.Reader
	order binary.ByteOrder
	raw   [4096]byte
	kept  int
	out   []byte
	high  rune // the first half of a character
}

func (r *utf16Reader) Read(p []byte) (int, error) {
	for len(r.out) == 0 {
		n, err := r.in.Read(r.raw[r.kept:])
		n += r.kept
		if n < 2 {
			r.kept = n
			if err != nil {
				return 0, err
			}
			continue
		}
		var out []byte
		for i := 0; i+1 < n; i += 2 {
			c := rune(r.order.Uint16(r.raw[i:]))
			if r.high != 0 {
				out = utf8.AppendRune(out, utf16.DecodeRune(r.high, c))
				r.high = 0
				continue
			}
			if c >= 0xd800 && c < 0xdc00 {
				r.high = c
				continue
			}
			out = utf8.AppendRune(out, c)
		}
		r.kept = copy(r.raw[:], r.raw[n-n%2:n])
		r.out = out
	}
	n := copy(p, r.out)
	r.out = r.out[n:]
	return n, nil
}
