package scan

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
	"github.com/ulikunitz/xz/lzma"
)

// env is a file as people pack it up; its token is found by its form, its password by the name of its setting.
const env = "APP_ENV=production\n" +
	"DO_TOKEN=dop_v1_aab4ccd2ee9f00112a3344556b77889900aabbccddeeff0a1b2c3d4e5f607182\n" +
	"DB_PASSWORD=gT4kPz81vQmWx7Ra\n"

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// packed writes data through a compressor.
func packed(t *testing.T, data []byte, open func(io.Writer) (io.WriteCloser, error)) []byte {
	t.Helper()
	var out bytes.Buffer
	writer, err := open(&out)
	must(t, err)
	_, err = writer.Write(data)
	must(t, err)
	must(t, writer.Close())
	return out.Bytes()
}

func gzipped(t *testing.T, data []byte) []byte {
	return packed(t, data, func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(w), nil })
}

func tarred(t *testing.T, files ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	writer := tar.NewWriter(&out)
	for i := 0; i+1 < len(files); i += 2 {
		must(t, writer.WriteHeader(&tar.Header{Name: files[i], Mode: 0o644, Size: int64(len(files[i+1])), Typeflag: tar.TypeReg}))
		_, err := writer.Write([]byte(files[i+1]))
		must(t, err)
	}
	must(t, writer.Close())
	return out.Bytes()
}

func zipped(t *testing.T, method uint16, files ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	writer := zip.NewWriter(&out)
	for i := 0; i+1 < len(files); i += 2 {
		member, err := writer.CreateHeader(&zip.FileHeader{Name: files[i], Method: method})
		must(t, err)
		_, err = member.Write([]byte(files[i+1]))
		must(t, err)
	}
	must(t, writer.Close())
	return out.Bytes()
}

// zippedAhead has the sizes of its members before them, as the program zip writes them.
func zippedAhead(t *testing.T, name string, data []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	writer := zip.NewWriter(&out)
	member, err := writer.CreateRaw(
		&zip.FileHeader{Name: name, Method: zip.Store, CompressedSize64: uint64(len(data)), UncompressedSize64: uint64(len(data))},
	)
	must(t, err)
	_, err = member.Write(data)
	must(t, err)
	must(t, writer.Close())
	return out.Bytes()
}

func inUTF16(text string, order func([]byte, uint16) []byte, mark bool) (out []byte) {
	if mark {
		out = order(out, 0xfeff)
	}
	for _, unit := range utf16.Encode([]rune(text)) {
		out = order(out, unit)
	}
	return out
}

func littleEndian(out []byte, v uint16) []byte { return append(out, byte(v), byte(v>>8)) }
func bigEndian(out []byte, v uint16) []byte    { return append(out, byte(v>>8), byte(v)) }

// TestWhatIsInsideIsFound packs one file in every way that is read, and holds that both its secrets are found, and what
// the report calls the place.
func TestWhatIsInsideIsFound(t *testing.T) {
	t.Parallel()
	plain := []byte(env)
	layer := tarred(t, "srv/app/.env", env)
	multi := append(gzipped(t, []byte("APP_ENV=production\n")), gzipped(t, []byte(env[19:]))...)
	for name, test := range map[string]struct {
		path   string
		data   []byte
		inside string
	}{
		"gzip":              {"/root/app.env.gz", gzipped(t, plain), ""},
		"gzip in two parts": {"/root/app.env.gz", multi, ""},
		"zlib": {"/root/app.bin", packed(t, plain, func(w io.Writer) (io.WriteCloser,
			error) {
			return zlib.NewWriter(w), nil
		}), ""},
		"zstd": {"/root/app.env.zst", packed(t, plain, func(w io.Writer) (io.WriteCloser,
			error) {
			return zstd.NewWriter(w)
		}), ""},
		"xz": {"/root/app.env.xz", packed(t, plain, func(w io.Writer) (io.WriteCloser,
			error) {
			return xz.NewWriter(w)
		}), ""},
		"xz of many blocks": {"/root/app.env.xz", packed(t, plain, func(w io.Writer) (io.WriteCloser,
			error) {
			return xz.WriterConfig{BlockSize: 40}.NewWriter(w)
		}), ""},
		"lzma": {"/root/app.env.lzma", packed(t, plain, func(w io.Writer) (io.WriteCloser,
			error) {
			return lzma.NewWriter(w)
		}), ""},
		"bzip2":            {"/root/app.env.bz2", through(t, plain, "bzip2", "-c"), ""},
		"tar":              {"/root/app.tar", tarred(t, "README", "hello", "app/.env", env), "app/.env"},
		"tar.gz":           {"/root/app.tar.gz", gzipped(t, tarred(t, "app/.env", env)), "app/.env"},
		"zip":              {"/root/app.zip", zipped(t, zip.Deflate, "empty/", "", "app/.env", env), "app/.env"},
		"zip, sizes first": {"/root/app.zip", zippedAhead(t, "app/.env", plain), "app/.env"},
		"zip in a zip":     {"/root/app.zip", zippedAhead(t, "inner.zip", zipped(t, zip.Deflate, "a/.env", env)), "inner.zip: a/.env"},
		"image saved by docker": {"/root/image.tar", tarred(t, "manifest.json", "[]", "blobs/sha256/0a1b", string(layer),
			"repositories", "{}"), "blobs/sha256/0a1b: srv/app/.env"},
		"compressed layer": {"/var/lib/containerd/blobs/sha256/0a1b", gzipped(t, layer), "srv/app/.env"},
		"Debian package": {"/root/app.deb", ar(t, "debian-binary", []byte("2.0\n"), "data.tar.gz", gzipped(t, layer)),
			"data.tar.gz: srv/app/.env"},
		"cpio and a second one": {"/boot/initrd.img", append(cpio("kernel/x", "microcode"), gzipped(t, cpio("etc/app.env", env))...),
			"etc/app.env"},
		"UTF-16 with a mark":      {"/root/app.env", inUTF16(env, littleEndian, true), ""},
		"UTF-16 of the other end": {"/root/app.env", inUTF16(env, bigEndian, true), ""},
		"UTF-16 without a mark":   {"/root/app.env", inUTF16(env, littleEndian, false), ""},
		"base64":                  {"/root/cloud.yaml", []byte("content: " + base64.StdEncoding.EncodeToString(plain) + "\n"), "base64"},
		"base64 in lines": {"/root/cloud.yaml", []byte("content: |\n" + inLines(base64.StdEncoding.EncodeToString(plain),
			"    ") + "more: 1\n"), "base64"},
		"base64 of gzip": {"/root/cloud.yaml", []byte("content: " + base64.StdEncoding.EncodeToString(gzipped(t, plain)) + "\n"),
			"base64"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			holdsBoth(t, test.path, test.data, test.inside)
		})
	}
}

// holdsBoth holds that both secrets of env are found, in what is called so.
func holdsBoth(t *testing.T, path string, data []byte, inside string) {
	t.Helper()
	var found []string
	for _, f := range find(t, New(nil), bytes.NewReader(data), path) {
		found = append(found, f.Rule.ID+" in "+f.Inside)
	}
	for _, want := range []string{"digitalocean_token in " + inside, "setting in " + inside} {
		if !slices.Contains(found, want) {
			t.Errorf("%q is not among %q", want, found)
		}
	}
}

func inLines(text, indent string) string {
	var out strings.Builder
	for len(text) > 0 {
		n := min(76, len(text))
		out.WriteString(indent + text[:n] + "\n")
		text = text[n:]
	}
	return out.String()
}

// through is what a program makes of data.
func through(t *testing.T, data []byte, argv ...string) []byte {
	t.Helper()
	command := exec.Command(argv[0], argv[1:]...)
	command.Stdin = bytes.NewReader(data)
	out, err := command.Output()
	must(t, err)
	return out
}

func ar(t *testing.T, members ...any) []byte {
	t.Helper()
	out := []byte("!<arch>\n")
	for i := 0; i+1 < len(members); i += 2 {
		data := members[i+1].([]byte)
		out = fmt.Appendf(out, "%-16s%-12d%-6d%-6d%-8s%-10d`\n", members[i], 0, 0, 0, "100644", len(data))
		out = append(out, data...)
		if len(data)%2 != 0 {
			out = append(out, '\n')
		}
	}
	return out
}

func cpio(name, data string) (out []byte) {
	for _, member := range [][2]string{{name, data}, {"TRAILER!!!", ""}} {
		out = fmt.Appendf(
			out,
			"070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\x00",
			0,
			0o100644,
			0,
			0,
			1,
			0,
			len(member[1]),
			0,
			0,
			0,
			0,
			len(member[0])+1,
			0,
			member[0],
		)
		for len(out)%4 != 0 {
			out = append(out, 0)
		}
		out = append(out, member[1]...)
		for len(out)%4 != 0 {
			out = append(out, 0)
		}
	}
	return out
}

// TestTheWholeHistoryOfARepositoryIsRead commits a secret, takes it out, and packs the repository.
func TestTheWholeHistoryOfARepositoryIsRead(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	git := func(arguments ...string) {
		t.Helper()
		command := exec.Command("git", arguments...)
		command.Dir = directory
		command.Env = append(
			os.Environ(),
			"GIT_CONFIG_GLOBAL=/dev/null",
			"GIT_AUTHOR_NAME=a",
			"GIT_AUTHOR_EMAIL=a@example.com",
			"GIT_COMMITTER_NAME=a",
			"GIT_COMMITTER_EMAIL=a@example.com",
		)
		if out, err := command.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v: %s", arguments, err, out)
		}
	}
	git("init", "-q")
	long := strings.Repeat("a line of a file that is long enough to be packed as a difference\n", 300)
	for n, content := range []string{long, long[:9000] + env + long[9000:], long + "the end\n"} {
		must(t, os.WriteFile(filepath.Join(directory, "app.conf"), []byte(content), 0o600))
		git("add", "-A")
		git("commit", "-q", "-m", fmt.Sprintf("change %d", n))
	}
	search := func() (found []string) {
		t.Helper()
		files, _ := filepath.Glob(filepath.Join(directory, ".git/objects/*/*"))
		for _, name := range files {
			file, err := os.Open(name)
			must(t, err)
			defer file.Close()
			info, err := file.Stat()
			must(t, err)
			must(t, New(nil).Scan(t.Context(), File{Path: name, Reader: file, At: file, Size: info.Size(),
				Report: func(f Finding) { found = append(found, f.Rule.ID) },
				Unread: func(inside, why string) { t.Errorf("%s: %s: %s", name, inside, why) }}, NewBuffer()))
		}
		slices.Sort(found)
		return found
	}
	want := []string{"digitalocean_token", "setting"}
	if found := search(); !slices.Equal(found, want) {
		t.Errorf("in loose objects are %q", found)
	}
	git("gc", "-q", "--aggressive", "--prune=now")
	if found := search(); !slices.Equal(found, want) {
		t.Errorf("in the pack are %q", found)
	}
}

func TestRowsOfADatabaseAreReadWhereverTheyLie(t *testing.T) {
	t.Parallel()
	var found []string
	for _, f := range scanned(t, "testdata/inside/app.sqlite") {
		found = append(found, f.Rule.ID+" in "+f.Inside)
	}
	for _, want := range []string{"setting in table options", "setting in table users", "digitalocean_token in table files"} {
		if !slices.Contains(found, want) {
			t.Errorf("%q is not among %q", want, found)
		}
	}
}

func scanned(t *testing.T, name string) (found []Finding) {
	t.Helper()
	file, err := os.Open(name)
	must(t, err)
	defer file.Close()
	info, err := file.Stat()
	must(t, err)
	must(t, New(nil).Scan(t.Context(), File{Path: "/srv/app/" + filepath.Base(name), Reader: file, At: file, Size: info.Size(),
		Report: func(f Finding) { found = append(found, f) },
		Unread: func(inside, why string) { t.Errorf("%s: %s: %s", name, inside, why) }}, NewBuffer()))
	return found
}

// TestPrivateKeysThatAreNoTextAreFound: and certificates, public keys and stores of both are none.
func TestPrivateKeysThatAreNoTextAreFound(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"pkcs1-rsa.der": "der_key", "pkcs8-rsa.der": "der_key", "pkcs8-ec.der": "der_key", "sec1-ec.der": "der_key",
		"pkcs8-ed25519.der": "der_key",
		"store.p12":         "pkcs12_key", "store.jks": "java_keystore", "mixed.jks": "java_keystore",
		"certificate.der": "", "public.der": "", "trust.p12": "", "trust.jks": "",
	} {
		got := ""
		for _, f := range scanned(t, filepath.Join("testdata/inside", name)) {
			got = f.Rule.ID
			if f.Certainty != Live {
				t.Errorf("%s: it is only %s", name, f.Certainty)
			}
		}
		if got != want {
			t.Errorf("%s: it is %q, and not %q", name, got, want)
		}
	}
}
