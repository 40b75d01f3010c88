package support

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"fmt"
	"strings"

	"oneclick-agent/agent/problem"
	"oneclick-agent/agent/scan"
	"oneclick-agent/agent/secret"
)

// listName is the file of the archive that says what is in it.
const listName = "contents.txt"

// collection is what was got so far.
type collection struct {
	redact  func(string) string
	scanner *scan.Scanner
	buffer  *scan.Buffer
	parts   []written
	missing []Missing
	total   int
}

// written is a part with its text, without secrets.
type written struct {
	Part
	text string
}

// add reads a part and takes the secrets out of it.
func (c *collection) add(ctx context.Context, s source) {
	lacks := func(reason string) {
		c.missing = append(c.missing, Missing{s.name, s.about, problem.OneLine(c.redact(reason))})
	}
	if ctx.Err() != nil {
		lacks(fmt.Sprintf("there was no time left: everything together may take %s", within))
		return
	}
	text, err := s.read(ctx)
	switch {
	case err != nil && text == "":
		lacks(err.Error())
		return
	case strings.TrimSpace(text) == "":
		lacks("it is empty")
		return
	case err != nil:
		text += "\n[this is not all: " + err.Error() + "]\n"
	}
	if text, err = c.clean(ctx, s.name, text); err != nil {
		lacks(err.Error())
		return
	}
	if c.total += len(text); c.total > maxTotal {
		c.total -= len(text)
		lacks(fmt.Sprintf("the archive would become larger than %d MB", maxTotal>>20))
		return
	}
	c.parts = append(c.parts, written{Part{s.name, s.about, len(text)}, text})
}

// clean takes the known secrets out of a text, then what looks like one that nobody told us: what a program printed, or
// what a vendor wrote down. What is left is shortened, and made safe for a terminal.
func (c *collection) clean(ctx context.Context, name, text string) (string, error) {
	var unknown secret.Redactor
	err := c.scanner.Scan(ctx, scan.File{
		Path: "/var/log/" + name, Reader: strings.NewReader(text), Unread: func(string, string) {},
		Report: func(f scan.Finding) {
			if f.Inside == "" && f.Certainty != scan.Possible {
				unknown.Add(f.Rule.What, secret.New(text[f.Offset:f.Offset+int64(f.Length)]))
			}
		},
	}, c.buffer)
	if err != nil {
		return "", fmt.Errorf("cannot look for secrets in it: %w", err)
	}
	return shorten(problem.Printable(unknown.Redact(c.redact(text)))), nil
}

// shorten keeps the end of a text that is too long: the newest of what a program printed.
func shorten(text string) string {
	if len(text) <= maxPart {
		return text
	}
	left := text[len(text)-maxPart:]
	_, left, _ = strings.Cut(left, "\n")
	return fmt.Sprintf("[the first %d bytes are left out]\n%s", len(text)-len(left), left)
}

// pack makes the archive.
func pack(parts []written, contents Contents) ([]byte, error) {
	var list strings.Builder
	fmt.Fprintf(&list, "Found out at %s. All secrets are taken out. This archive has:\n", contents.produced.Format("2006-01-02 15:04:05 MST"))
	contents.list(&list)
	parts = append([]written{{Part{Name: listName}, list.String()}}, parts...)
	var packed bytes.Buffer
	zipped := gzip.NewWriter(&packed)
	archive := tar.NewWriter(zipped)
	err := archive.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: folder + "/", Mode: 0o700, ModTime: contents.produced})
	for _, part := range parts {
		if err == nil {
			err = archive.WriteHeader(&tar.Header{
				Typeflag: tar.TypeReg, Name: inFolder(part.Name), Mode: 0o600, Size: int64(len(part.text)), ModTime: contents.produced,
			})
		}
		if err == nil {
			_, err = archive.Write([]byte(part.text))
		}
	}
	err = cmp.Or(err, archive.Close(), zipped.Close())
	return packed.Bytes(), err
}
