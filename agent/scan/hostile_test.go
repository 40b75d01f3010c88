package scan

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
)

// zeros is so many of them.
func zeros(n int64) io.Reader { return io.LimitReader(zero{}, n) }

type zero struct{}

func (zero) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func compressedZeros(t *testing.T, n int64, open func(io.Writer) (io.WriteCloser, error)) []byte {
	t.Helper()
	var out bytes.Buffer
	writer, err := open(&out)
	must(t, err)
	_, err = io.Copy(writer, zeros(n))
	must(t, err)
	must(t, writer.Close())
	return out.Bytes()
}

func bestGzip(w io.Writer) (io.WriteCloser, error) {
	return gzip.NewWriterLevel(w, flate.BestCompression)
}

// outcome is what a scan of hostile bytes says.
type outcome struct {
	found  []string
	unread []string
}

func scanHostile(t *testing.T, path string, data []byte) (o outcome) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		err := New(nil).Scan(t.Context(), File{Path: path, Reader: bytes.NewReader(data), At: bytes.NewReader(data), Size: int64(len(data)),
			Report: func(f Finding) { o.found = append(o.found, f.Rule.ID+" in "+f.Inside) },
			Unread: func(inside, why string) { o.unread = append(o.unread, strings.TrimPrefix(inside+": "+why, ": ")) }}, NewBuffer())
		if err != nil {
			o.unread = append(o.unread, err.Error())
		}
	}()
	select {
	case <-done:
	case <-time.After(2 * time.Minute):
		t.Fatal("it does not end")
	}
	return o
}

// TestHostileArchivesEndAndAreTold: none takes the scan with it, none is taken for clean.
func TestHostileArchivesEndAndAreTold(t *testing.T) {
	t.Parallel()
	bomb := compressedZeros(t, 300<<20, bestGzip)
	matryoshka := []byte(env)
	for range 12 {
		matryoshka = gzipped(t, matryoshka)
	}
	encrypted := zippedAhead(t, "secret.env", []byte(env))
	encrypted[6] |= 1
	manyZeros := compressedZeros(
		t,
		300<<20,
		func(w io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(w, zstd.WithEncoderConcurrency(1)) },
	)
	wide := []byte("\x28\xb5\x2f\xfd\x00\xa8" + strings.Repeat("\x00", 40)) // a window of 2 GB
	deep := []byte("\xfd7zXZ\x00\x00\x04\xe6\xd6\xb4\x46\x02\x00\x21\x01\x28\x00\x00\x00\x00\x00\x00\x00" + strings.Repeat("\x00", 40))
	for name, test := range map[string]struct {
		path string
		data []byte
		want string
	}{
		"a bomb of gzip":   {"/root/a.gz", bomb, "more than 250 bytes would come of each of its bytes"},
		"a bomb in a bomb": {"/root/a.gz", gzipped(t, bomb), "more than 250 bytes would come of each of its bytes"},
		"a bomb of zstd":   {"/root/a.zst", manyZeros, "more than 250 bytes would come of each of its bytes"},
		"a bomb in a tar": {"/root/a.tar", tarred(t, "bomb.gz", string(bomb), "app.env", env), "more than 250 bytes would " +
			"come of each of its bytes"},
		"twelve in one another":      {"/root/a.gz", matryoshka, "it lies deeper than 8 files in one another"},
		"a window of gigabytes":      {"/root/a.zst", wide, "reading it needs more memory than 160 MB"},
		"a dictionary of gigabytes":  {"/root/a.xz", deep, "reading it needs more memory than 128 MB"},
		"an encrypted member":        {"/root/a.zip", encrypted, "secret.env: it is encrypted"},
		"an archive that is cut off": {"/root/a.tar.gz", gzipped(t, tarred(t, "app.env", env))[:80], "it ends too early"},
		"a damaged archive":          {"/root/a.tar", damaged(tarred(t, "a", env, "b", env)), "archive/tar: invalid tar header"},
		"7z":                         {"/root/a.7z", []byte("7z\xbc\xaf\x27\x1c and more"), "nobody here can look into files of its kind"},
		"a pack without its objects": {"/root/a.pack", append([]byte("PACK\x00\x00\x00\x02\x00\x00\x00\x09"), 0x95, 0x0a), "it ends too early"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := scanHostile(t, test.path, test.data)
			if !strings.Contains(strings.Join(o.unread, "\n"), test.want) {
				t.Errorf("told as unread is %q, and not %q", o.unread, test.want)
			}
		})
	}
}

func damaged(archive []byte) []byte {
	copy(archive[1024+100:], "garbage")
	return archive
}

// TestNamesInArchivesLeadNowhere: a name that escapes is a name, links are not followed, and nothing is written.
func TestNamesInArchivesLeadNowhere(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"../../../../etc/app.env", "/etc/cron.d/app.env", `..\..\app.env`} {
		o := scanHostile(t, "/root/a.tar", tarred(t, name, env))
		if len(o.found) != 2 || len(o.unread) > 0 || !strings.HasSuffix(o.found[0], " in "+name) {
			t.Errorf("%s: %q, unread %q", name, o.found, o.unread)
		}
		o = scanHostile(t, "/root/a.zip", zipped(t, zip.Deflate, name, env))
		if len(o.found) != 2 || len(o.unread) > 0 {
			t.Errorf("%s in a zip: %q, unread %q", name, o.found, o.unread)
		}
	}
}

// TestMembersOfAZipAreReadWhateverItsListSays: one that the list leaves out, and a list that names one a thousand times.
func TestMembersOfAZipAreReadWhateverItsListSays(t *testing.T) {
	t.Parallel()
	archive := zipped(t, zip.Deflate, "harmless", "hello", "hidden.env", env)
	list := bytes.Index(archive, []byte("PK\x01\x02"))
	if o := scanHostile(t, "/root/a.zip", archive[:list+60]); len(o.found) != 2 {
		t.Errorf("without its list are found %q, unread %q", o.found, o.unread)
	}
	many := bytes.Clone(archive[:list])
	for range 1000 {
		many = append(many, archive[list:list+46]...)
	}
	if o := scanHostile(t, "/root/a.zip", many); len(o.found) != 2 {
		t.Errorf("with a long list are found %q, unread %q", o.found, o.unread)
	}
}

// TestAFileThatContainsItselfEnds: a pack whose differences build on one another in a circle, pages of a database too.
func TestAFileThatContainsItselfEnds(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/inside/app.sqlite")
	must(t, err)
	page := int(binary.BigEndian.Uint16(data[16:]))
	for at := page; at+page <= len(data); at += page {
		circle := bytes.Clone(data)
		binary.BigEndian.PutUint32(circle[at:], uint32(at/page+1)) // a page that leads to itself
		if circle[at] = 0x05; at/page%2 == 0 {
			circle[at] = 0x0d
		}
		scanHostile(t, "/srv/app.sqlite", circle)
	}
}

// TestASparseFileOfManyGigabytesEnds as an archive whose member takes all of it.
func TestASparseFileOfManyGigabytesEnds(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "sparse.tar")
	header := tarred(t, "large", "")
	copy(header[124:], fmt.Sprintf("%011o\x00", int64(10<<30)))
	copy(header[148:], "        ")
	sum := 0
	for _, b := range header[:512] {
		sum += int(b)
	}
	copy(header[148:], fmt.Sprintf("%06o\x00 ", sum))
	must(t, os.WriteFile(name, header[:512], 0o600))
	must(t, os.Truncate(name, 10<<30))
	file, err := os.Open(name)
	must(t, err)
	defer file.Close()
	var unread []string
	s := New(nil)
	s.limits.Bytes = 1 << 30
	must(t, s.Scan(t.Context(), File{Path: "/root/sparse.tar", Reader: file, At: file, Size: 10 << 30,
		Unread: func(inside, why string) { unread = append(unread, inside+": "+why) }}, NewBuffer()))
	if len(unread) == 0 || !strings.Contains(unread[0], "more than 1 GB are in it") {
		t.Errorf("told as unread is %q", unread)
	}
}

// FuzzInside: no bytes make the look into them panic or go on for ever.
func FuzzInside(f *testing.F) {
	for _, name := range []string{"app.sqlite", "store.p12", "store.jks", "pkcs8-rsa.der"} {
		data, err := os.ReadFile(filepath.Join("testdata/inside", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	for _, begin := range []string{"\x1f\x8b\x08", "\x28\xb5\x2f\xfd\x04\x00", "\xfd7zXZ\x00\x00\x04\xe6\xd6\xb4\x46", "PK\x03\x04",
		"PACK\x00\x00\x00\x02\x00\x00\x00\x01\x35", "!<arch>\n", "070701", "\xed\xab\xee\xdb", "x\x9c"} {
		f.Add([]byte(begin + strings.Repeat("\x00", 200)))
	}
	s := New(nil)
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := s.Scan(t.Context(), File{Path: "/root/x", Reader: bytes.NewReader(data), At: bytes.NewReader(data),
			Size: int64(len(data)), Report: func(Finding) {}}, NewBuffer()); err != nil {
			t.Errorf("it ends with an error: %v", err)
		}
	})
}
