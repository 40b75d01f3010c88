package rpmdb

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// want is the package that the tests' databases hold.
var want = Package{Name: "app", Version: "1.0", Release: "2", Files: []File{
	{"/etc/app.conf", "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", 0o100644},
	{"/usr/bin/app", "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210", 0o104755},
	{"/usr/lib/app", "", 0o040755},
}}

// headerOf writes a header as rpm keeps it.
func headerOf(p Package, padding int) []byte {
	var index, data bytes.Buffer
	entries := 0
	add := func(tag, kind uint32, count int, bytes []byte, align int) {
		for align > 0 && data.Len()%align != 0 {
			data.WriteByte(0)
		}
		for _, word := range []uint32{tag, kind, uint32(data.Len()), uint32(count)} {
			binary.Write(&index, binary.BigEndian, word)
		}
		data.Write(bytes)
		entries++
	}
	var bases, directories, digests []string
	var indexes, modes bytes.Buffer
	for n, file := range p.Files {
		bases, directories, digests = append(
			bases,
			filepath.Base(file.Path),
		), append(
			directories,
			filepath.Dir(file.Path)+"/",
		), append(
			digests,
			file.Digest,
		)
		binary.Write(&indexes, binary.BigEndian, uint32(n))
		binary.Write(&modes, binary.BigEndian, file.Mode)
	}
	list := func(texts []string) []byte { return []byte(strings.Join(texts, "\x00") + "\x00") }
	add(tagName, 6, 1, list([]string{p.Name}), 0)
	add(tagVersion, 6, 1, list([]string{p.Version}), 0)
	add(tagRelease, 6, 1, list([]string{p.Release}), 0)
	add(1004, 9, 1, list([]string{strings.Repeat("s", padding)}), 0)
	add(tagFileModes, 3, len(p.Files), modes.Bytes(), 2)
	add(tagFileDigests, 8, len(p.Files), list(digests), 0)
	add(tagDirIndexes, 4, len(p.Files), indexes.Bytes(), 4)
	add(tagBaseNames, 8, len(p.Files), list(bases), 0)
	add(tagDirectories, 8, len(p.Files), list(directories), 0)
	out := binary.BigEndian.AppendUint32(nil, uint32(entries))
	out = binary.BigEndian.AppendUint32(out, uint32(data.Len()))
	return append(append(out, index.Bytes()...), data.Bytes()...)
}

// ndbOf writes a Packages.db with one package.
func ndbOf(header []byte) []byte {
	data := make([]byte, 4096)
	put := func(at int, words ...uint32) {
		for n, word := range words {
			binary.LittleEndian.PutUint32(data[at+4*n:], word)
		}
	}
	for at := 32; at < 4096; at += 16 {
		put(at, 0x746f6c53)
	}
	copy(data, ndbMagic)
	put(4, 0, 1, 1)
	put(32, 0x746f6c53, 7, 4096/16, uint32(len(header)+31)/16)
	blob := binary.LittleEndian.AppendUint32(nil, 0x53626c42)
	for _, word := range []uint32{7, 1, uint32(len(header))} {
		blob = binary.LittleEndian.AppendUint32(blob, word)
	}
	return append(append(data, blob...), header...)
}

// berkeleyOf writes a Packages whose header fills pages of its own, in either order of bytes.
func berkeleyOf(header []byte, order binary.ByteOrder) []byte {
	const size = 512
	meta, hash := make([]byte, size), make([]byte, size)
	order.PutUint32(meta[12:], hashMagic)
	order.PutUint32(meta[20:], size)
	meta[25] = 8
	hash[25] = pageHash
	order.PutUint16(hash[20:], 2)
	order.PutUint16(hash[26:], size-5) // the key
	order.PutUint16(hash[28:], size-5-12)
	item := hash[size-5-12:]
	item[0] = itemElsewhere
	order.PutUint32(item[4:], 2)
	order.PutUint32(item[8:], uint32(len(header)))
	data := append(meta, hash...)
	for number := uint32(2); len(header) > 0; number++ {
		page, part := make([]byte, size), min(size-berkeleyHead, len(header))
		page[25] = pageLarge
		order.PutUint16(page[22:], uint16(part))
		copy(page[berkeleyHead:], header[:part])
		if header = header[part:]; len(header) > 0 {
			order.PutUint32(page[16:], number+1)
		}
		data = append(data, page...)
	}
	return data
}

func TestTheOlderFormatsAreRead(t *testing.T) {
	t.Parallel()
	for name, database := range map[string][]byte{
		"ndb":                                 ndbOf(headerOf(want, 10)),
		"Berkeley DB":                         berkeleyOf(headerOf(want, 3000), binary.LittleEndian),
		"Berkeley DB of a big-endian machine": berkeleyOf(headerOf(want, 3000), binary.BigEndian),
	} {
		got, err := Parse(database, nil)
		if err != nil || !reflect.DeepEqual(got, []Package{want}) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// TestSQLiteIsReadAsItWritesItself has SQLite itself write the database: large rows, many rows, and a change that is
// still in the write-ahead log because the program was killed.
func TestSQLiteIsReadAsItWritesItself(t *testing.T) {
	t.Parallel()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("SQLite is asked by way of python3")
	}
	directory := t.TempDir()
	os.WriteFile(filepath.Join(directory, "small"), headerOf(want, 10), 0o600)
	os.WriteFile(filepath.Join(directory, "large"), headerOf(want, 100_000), 0o600)
	script := `
import os, sqlite3, sys
db = sqlite3.connect("rpmdb.sqlite", isolation_level=None)
db.execute("PRAGMA journal_mode = WAL")
db.execute("CREATE TABLE 'Other' (a INTEGER PRIMARY KEY, b BLOB NOT NULL)")
db.execute("CREATE TABLE 'Packages' (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL)")
small, large = open("small", "rb").read(), open("large", "rb").read()
db.execute("BEGIN")
for n in range(600):
    db.execute("INSERT INTO Packages VALUES (NULL, ?)", (large if n % 50 == 0 else small,))
db.execute("COMMIT")
db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
db.execute("INSERT INTO Packages VALUES (NULL, ?)", (small,))
os._exit(0)
`
	command := exec.Command(python, "-c", script)
	command.Dir = directory
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	database, _ := os.ReadFile(filepath.Join(directory, "rpmdb.sqlite"))
	log, _ := os.ReadFile(filepath.Join(directory, "rpmdb.sqlite-wal"))
	if len(log) == 0 {
		t.Fatal("there is no write-ahead log, so that this test shows nothing")
	}
	for _, test := range []struct {
		log  []byte
		want int
	}{{nil, 600}, {log, 601}, {log[:len(log)-1], 600}} {
		packages, err := Parse(database, test.log)
		if err != nil || len(packages) != test.want {
			t.Fatalf("%d packages, want %d: %v", len(packages), test.want, err)
		}
		for _, p := range packages {
			if !reflect.DeepEqual(p, want) {
				t.Fatalf("read %+v", p)
			}
		}
	}
}

// FuzzParse: no damage makes the reading panic, or go on for ever.
func FuzzParse(f *testing.F) {
	f.Add(ndbOf(headerOf(want, 10)), []byte{})
	f.Add(berkeleyOf(headerOf(want, 900), binary.LittleEndian), []byte{})
	f.Add(append([]byte(sqliteMagic), make([]byte, 1200)...), make([]byte, 600))
	f.Fuzz(func(t *testing.T, database, log []byte) {
		packages, err := Parse(database, log)
		if err != nil && !strings.HasPrefix(err.Error(), "cannot read rpm's database: ") {
			t.Errorf("%v", err)
		}
		for _, p := range packages {
			if p.Name == "" {
				t.Errorf("a package without a name: %s", fmt.Sprint(p))
			}
		}
	})
}
