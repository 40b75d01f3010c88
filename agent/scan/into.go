package scan

import (
	"bytes"
	"context"
	"errors"
	"io"
	"path"
	"strings"

	"oneclick-agent/agent/pattern"
	"oneclick-agent/agent/scan/archive"
)

// lookInto is the look at one file, and at all that is in it.
type lookInto struct {
	scanner *Scanner
	ctx     context.Context
	file    *File
	buffer  *Buffer
	seen    map[string]bool
	chain   *archive.Chain // nil until the file turns out to hold others
	trusted *bool
}

// isTrusted asks once whether somebody vouches for the file.
func (l *lookInto) isTrusted() bool {
	if l.trusted == nil {
		l.trusted = new(l.file.Trusted != nil && l.file.Trusted())
	}
	return *l.trusted
}

func (l *lookInto) end() {
	if l.chain != nil {
		l.chain.Close()
		<-l.scanner.slots
	}
}

// content looks at some content. Its name tells what people put there, and inside is what it is called in a report. An
// error means that the content cannot be read; that something in it cannot be is only told.
func (l *lookInto) content(in archive.Input, name, inside string) error {
	head, err := l.fill(in.Reader, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if format := l.scanner.formats.Of(head); format != nil {
		if in.At != nil { // the reader may leave holes out, and an archive counts them
			in.Reader = io.NewSectionReader(in.At, 0, in.Size)
		} else {
			in.Reader = io.MultiReader(bytes.NewReader(bytes.Clone(head)), in.Reader)
		}
		return l.takeApart(format, in, name, inside)
	}
	if decoded := fromUTF16(head, in.Reader); decoded != nil {
		in.Reader = decoded
		head, err = l.fill(in.Reader, 0)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
	}
	return l.bytes(in.Reader, head, errors.Is(err, io.EOF), name, inside)
}

// fill reads into the buffer behind what is kept of before; io.EOF says that this was the end.
func (l *lookInto) fill(r io.Reader, kept int) ([]byte, error) {
	n, err := io.ReadFull(r, l.buffer.data[kept:])
	if errors.Is(err, io.ErrUnexpectedEOF) && kept+n < len(l.buffer.data) {
		err = io.EOF
	}
	return l.buffer.data[:kept+n], err
}

// bytes looks at plain content, of which the first part is read.
func (l *lookInto) bytes(r io.Reader, first []byte, end bool, name, inside string) error {
	w := window{look: l, search: &l.scanner.strict, place: placeOf(name), inside: inside, data: first, line: 1, text: isText(first)}
	if w.text && w.place != library {
		w.search = &l.scanner.broad
	}
	defer w.tell()
	if w.text && w.place != library {
		w.byName(name)
	}
	for kept := 0; ; {
		// What begins before `from` was looked at; what begins behind `to` waits until more is read.
		from, to := min(kept, before), len(w.data)
		if !end {
			to -= afterMost
		}
		if !isZero(w.data) {
			w.run(from, to)
			if w.text && w.place != library {
				w.encoded(from, to)
			}
		}
		if end || l.trusted != nil && *l.trusted {
			return nil
		}
		if err := l.ctx.Err(); err != nil {
			return err
		}
		drop := max(0, to-before)
		if w.text {
			w.line += bytes.Count(w.data[:drop], []byte{'\n'})
		}
		kept = copy(l.buffer.data, w.data[drop:])
		w.offset += int64(drop)
		var err error
		w.data, err = l.fill(r, kept)
		if end = errors.Is(err, io.EOF); err != nil && !end {
			return err
		}
	}
}

// inMemory looks at content that is all there, as what another one held in a code.
func (l *lookInto) inMemory(data []byte, at place, inside string) {
	w := window{look: l, search: &l.scanner.broad, place: at, inside: inside, data: data, line: 1, text: isText(data)}
	if !w.text {
		w.search = &l.scanner.strict
	}
	w.run(0, len(data))
	w.tell()
}

// isZero tells a piece of a hole, of which there may be gigabytes.
func isZero(data []byte) bool {
	return len(data) > 0 && data[0] == 0 && bytes.Equal(data[:len(data)-1], data[1:])
}

// takeApart looks into a file that holds others.
func (l *lookInto) takeApart(format *archive.Format, in archive.Input, name, inside string) error {
	if l.chain == nil {
		if l.isTrusted() {
			return nil
		}
		select {
		case l.scanner.slots <- struct{}{}:
		case <-l.ctx.Done():
			return l.ctx.Err()
		}
		l.chain = archive.NewChain(l.ctx, l.scanner.limits)
	}
	err := l.chain.Read(format, in, archive.Visitor{
		Member: func(member string, content io.Reader) error {
			called, as := l.names(format, member, name, inside)
			if err := l.content(archive.Input{Reader: content}, as, called); err != nil && l.chain.Err() == nil && l.ctx.Err() == nil {
				return err
			}
			if l.ctx.Err() != nil {
				return l.ctx.Err()
			}
			return l.chain.Err()
		},
		Unread: func(member, why string) {
			called, _ := l.names(format, member, name, inside)
			l.unread(called, why)
		},
	})
	if err == nil || l.ctx.Err() != nil {
		err = l.ctx.Err()
	} else if inside == "" || l.chain.Err() == nil {
		l.unread(inside, err.Error())
	}
	if err == nil && format.Mixed && inside == "" && in.At != nil { // what lies between the rows
		rest := io.NewSectionReader(in.At, 0, in.Size)
		head, err := l.fill(rest, 0)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		return l.bytes(rest, head, errors.Is(err, io.EOF), name, inside)
	}
	return l.ctx.Err()
}

func (l *lookInto) unread(inside, why string) {
	key := "unread " + inside
	if !l.seen[key] && l.file.Unread != nil {
		l.seen[key] = true
		l.file.Unread(inside, why)
	}
}

// compressedEnds are what a name loses when its file is decompressed.
var compressedEnds = pattern.New(`(?i)\.(?:gz|tgz|bz2|tbz2?|xz|txz|zst|zstd|lzma|Z)$`)

// names tells what a member is called in a report, and which path tells what people put there.
func (l *lookInto) names(format *archive.Format, member, name, inside string) (called, as string) {
	called = member
	switch {
	case member == "" || format.Name == "gzip":
		member = compressedEnds().ReplaceAllString(name, "")
		called = inside
		return called, member
	case strings.HasPrefix(format.Name, "git"), member == archive.GitObject && format.Name == "zlib":
		member = "history.md" // it may be anything: only what a generator made is told
	case format.Name == "SQLite":
		member = "table.conf"
	}
	if inside != "" {
		called = inside + ": " + called
	}
	if placeOf(name) == library {
		return called, path.Join("/usr/lib", member) // what programs come with
	}
	return called, path.Join("/", member)
}
