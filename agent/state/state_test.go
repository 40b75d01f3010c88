package state

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"oneclick-agent/agent/host"
)

const (
	remedy  = "bring it back with: oneclick-agent secrets restore"
	damaged = "cannot read /var/lib/oneclick/secrets.json: it is damaged; " + remedy
)

func tree(t testing.TB) (*host.Host, string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "var/lib"), 0o755); err != nil {
		t.Fatal(err)
	}
	h, err := host.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	if err := MakeDirectory(h.Files); err != nil {
		t.Fatal(err)
	}
	return h, dir
}

type document struct {
	Values map[string]string `json:"values"`
	Number int               `json:"number"`
}

var kept = document{map[string]string{"a": "one <&> \"two\" \\", "b": "\u00e9\n"}, 7}

// damages calls try with each way in which the bytes can come back: one of them changed, or the end of them missing.
func damages(whole []byte, try func(name string, data []byte)) {
	for i := range whole {
		for _, by := range []byte{whole[i] ^ 1, whole[i] ^ 0x20, 0, ' ', '"', '}', '1'} {
			if by != whole[i] {
				changed := bytes.Clone(whole)
				changed[i] = by
				try(fmt.Sprintf("byte %d is %q", i, by), changed)
			}
		}
		try(fmt.Sprintf("it ends at byte %d", i), whole[:i])
	}
	try("it has a brace more", append(bytes.Clone(whole), '}'))
	try("it is there twice", append(bytes.Clone(whole), whole...))
}

// Whatever happens to the file, to its copy or to both: what is read is what was written, or an error that says what to do.
func TestASealedFileIsReadRightOrNotAtAll(t *testing.T) {
	t.Parallel()
	h, dir := tree(t)
	if err := WriteSealed(h.Files, Secrets, kept); err != nil {
		t.Fatal(err)
	}
	first, second := filepath.Join(dir, Secrets), filepath.Join(dir, copyOf(Secrets))
	whole, err := os.ReadFile(first)
	if err != nil {
		t.Fatal(err)
	}
	write := func(data []byte, files ...string) {
		for _, file := range files {
			if err := os.WriteFile(file, data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	read := func() (got document, found, repaired bool, err error) {
		found, repaired, err = ReadSealed(h.Files, Secrets, &got, remedy)
		return got, found, repaired, err
	}
	right := func(d document) bool { return fmt.Sprint(d) == fmt.Sprint(kept) }
	refused := 0
	damages(whole, func(name string, data []byte) {
		write(data, first)
		write(whole, second)
		got, found, repaired, err := read()
		if err != nil || !found || !right(got) {
			t.Errorf("the file alone, %s: %+v, %v, %v", name, got, found, err)
		}
		write(data, second)
		got, found, _, bothErr := read()
		switch {
		case bothErr == nil && (!found || !right(got)):
			t.Errorf("both, %s: %+v, %v", name, got, found)
		case bothErr == nil && repaired:
			t.Errorf("both, %s: the file alone was repaired, and without a copy it is well", name)
		case bothErr != nil && bothErr.Error() != damaged:
			t.Errorf("both, %s: got %v\nwant %s", name, bothErr, damaged)
		case bothErr != nil:
			refused++
		}
		write(whole, first)
		if got, found, repaired, err := read(); err != nil || !found || repaired || !right(got) {
			t.Errorf("the copy alone, %s: %+v, %v, %v, %v", name, got, found, repaired, err)
		}
	})
	if refused < 5*len(whole) {
		t.Errorf("of %d bytes only %d damages were noticed", len(whole), refused)
	}
}

func TestASealedFileThatIsGoneIsReadFromItsCopy(t *testing.T) {
	t.Parallel()
	h, dir := tree(t)
	var got document
	if found, repaired, err := ReadSealed(h.Files, Secrets, &got, remedy); found || repaired || err != nil {
		t.Errorf("where nothing is: %v, %v, %v", found, repaired, err)
	}
	if err := WriteSealed(h.Files, Secrets, kept); err != nil {
		t.Fatal(err)
	}
	os.Remove(filepath.Join(dir, Secrets))
	found, repaired, err := ReadSealed(h.Files, Secrets, &got, remedy)
	if !found || !repaired || err != nil || fmt.Sprint(got) != fmt.Sprint(kept) {
		t.Errorf("%v, %v, %v, %+v", found, repaired, err, got)
	}
	os.WriteFile(filepath.Join(dir, copyOf(Secrets)), nil, 0o600)
	const copyDamaged = "cannot read /var/lib/oneclick/secrets.json.copy: it is damaged; " + remedy
	if _, _, err := ReadSealed(h.Files, Secrets, &got, remedy); err == nil || err.Error() != copyDamaged {
		t.Errorf("got  %v\nwant %s", err, copyDamaged)
	}
	os.WriteFile(filepath.Join(dir, Secrets), []byte("{}"), 0o600)
	os.Remove(filepath.Join(dir, copyOf(Secrets)))
	if found, _, err := ReadSealed(h.Files, Secrets, &got, remedy); !found || err == nil || err.Error() != damaged {
		t.Errorf("%v, %v\nwant %s", found, err, damaged)
	}
}

func TestBothFilesOfASealedOneArePrivate(t *testing.T) {
	t.Parallel()
	h, dir := tree(t)
	if err := WriteSealed(h.Files, Secrets, kept); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]fs.FileMode{Directory: 0o700, Secrets: 0o600, copyOf(Secrets): 0o600} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
}

func TestAFileOfJSONThatIsDamagedSaysWhatToDo(t *testing.T) {
	t.Parallel()
	h, dir := tree(t)
	var got document
	if found, err := Read(h.Files, Answers, &got, remedy); found || err != nil {
		t.Errorf("%v, %v", found, err)
	}
	if err := Write(h.Files, Answers, kept); err != nil {
		t.Fatal(err)
	}
	if found, err := Read(h.Files, Answers, &got, remedy); !found || err != nil || fmt.Sprint(got) != fmt.Sprint(kept) {
		t.Errorf("%v, %v, %+v", found, err, got)
	}
	const want = "cannot read /var/lib/oneclick/answers.json: it is damaged; " + remedy
	for _, text := range []string{"", "null", " null\n", "[]", `"x"`, "{", `{"number": "x"}`, `{"number": 1, "hush": 2}`,
		"{} {}", "{}}", "{}]",
		"{}x", "\x00"} {
		os.WriteFile(filepath.Join(dir, Answers), []byte(text), 0o600)
		if found, err := Read(h.Files, Answers, &got, remedy); !found || err == nil || err.Error() != want {
			t.Errorf("%q: %v, %v\nwant %s", text, found, err, want)
		}
	}
	const noJSON = "cannot write /var/lib/oneclick/answers.json: its content is no JSON"
	if err := Write(h.Files, Answers, func() {}); err == nil || err.Error() != noJSON {
		t.Error(err)
	}
	if err := WriteSealed(h.Files, Answers, func() {}); err == nil || err.Error() != noJSON {
		t.Error(err)
	}
	if err := Mark(h.Files, Due); err != nil || !h.Files.Exists(Due) {
		t.Error(err)
	}
}
