package edit

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"unicode"
)

var (
	seed  = flag.Uint64("seed", 1, "of the cases of the property tests; each case has its own, which a failure tells")
	cases = flag.Int("cases", 300, "for each format in the property tests")
)

// marked is a file in which ⟦ ⟧ stand around the value of a key.
type marked struct{ key, text string }

// markedFiles are those of testdata/marked.txt by format: a line each has the format, the key and the text, which are
// quoted as in Go. An @ is replaced by letters of the case, because a constant of PHP can be made only once.
func markedFiles(t testing.TB) map[string][]marked {
	t.Helper()
	data, err := os.ReadFile("testdata/marked.txt")
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]marked{}
	for line := range strings.Lines(string(data)) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		key, notKey := strconv.Unquote(fields[1])
		text, notText := strconv.Unquote(fields[2])
		if err := errors.Join(notKey, notText); err != nil {
			t.Fatalf("testdata/marked.txt: %s: %v", line, err)
		}
		files[fields[0]] = append(files[fields[0]], marked{key, text})
	}
	if len(files) != len(Formats())-1 {
		t.Fatalf("testdata/marked.txt has files of %d formats, and there are %d", len(files), len(Formats())-1)
	}
	return files
}

// nasty are pieces that some format takes for something else.
var nasty = []string{
	"a", "Z", "0", "7", ".", ",", "-", "_", "/", ":", ";", "#", " ", "'", `"`, `\`, "$", "`", "%", "&", "*", "!", "?", "=", "(",
	")", "[", "]", "{", "}", "<", ">", "|", "~", "^", "@", "+", "${x}", "$x", "%(x)s", "\\n", "é", "日", "😀", "\t", "\n", " #", " ;",
	": ", "\u00a0", "\u0085", "\u2028", "\ufeff", "'''", `"""`, "?>", "<?php", "*/", "//", "\\\\", `\"`, `\'`, "--", "true", "EOF",
}

var wholes = []string{
	"", "true", "No", "null", "~", "1", "01", "-1.5", "1e3", "0x1F", "1_000", "2026-11-24", "12:30", ".inf", "On", "none", "E_ALL",
	"y", "=", "<<", "---", "...", "[x]", "{x: y}", "- a", "a: b", "# a", "PHP_VERSION", "a,b", "&a", "*a", "!x", "|", ">", "%TAG",
	"@x", "0.0.0.0", "postgresql://u:p%40ss@h:5432/d?sslmode=require", "/usr/bin/x -a \"b c\"", "-Xmx512m", "p;w#", "x ; y",
	"x # y", "a\\",
}

func randomText(random *rand.Rand) string {
	if random.IntN(3) == 0 {
		return wholes[random.IntN(len(wholes))]
	}
	var b strings.Builder
	for range random.IntN(12) {
		switch piece := nasty[random.IntN(len(nasty))]; random.IntN(6) {
		case 0:
			b.WriteRune(rune(32 + random.IntN(95)))
		case 1:
			b.WriteByte("\x01\x1b\x7f\r\n\tabcdefghijkl"[random.IntN(18)])
		default:
			b.WriteString(piece)
		}
	}
	return b.String()
}

// randomValue is mostly text, and for formats with types also what else they have.
func randomValue(random *rand.Rand, format string) any {
	switch format {
	case "json", "yaml", "toml", "php":
		switch random.IntN(10) {
		case 0:
			return random.IntN(2) == 0
		case 1:
			return json.Number(fmt.Sprint(random.Int64() - random.Int64()))
		case 2:
			return json.Number("1.25")
		case 3:
			return []any{randomText(random), json.Number("1"), true}
		case 4:
			return map[string]any{randomText(random) + "k": randomText(random)}
		}
	case "systemd", "mysql":
		if random.IntN(8) == 0 {
			return []any{randomText(random), randomText(random)}
		}
	}
	return randomText(random)
}

// carries says by each format's rules whether it can hold a text; it is written down here a second time on purpose.
func carries(format, text string) bool {
	control := strings.ContainsFunc(text, func(r rune) bool { return r != '\t' && r != '\n' && (r < ' ' || r == 0x7f) })
	trimmed := strings.TrimFunc(text, unicode.IsSpace) == text
	switch format {
	case "dotenv", "php.ini":
		return !control
	case "environment":
		return !control && !strings.ContainsAny(text, "'#\n\\")
	case "ini", "python":
		return !control && trimmed && !strings.Contains(text, "\n")
	case "systemd":
		return !control && trimmed && !strings.Contains(text, "\n") && (len(text)-len(strings.TrimRight(text, `\`)))%2 == 0
	case "mysql":
		return !control && !strings.Contains(text, "\n")
	}
	return true
}

func carriesAll(format string, value any) bool {
	switch v := value.(type) {
	case string:
		return carries(format, v)
	case []any:
		for _, item := range v {
			if !carriesAll(format, item) {
				return false
			}
		}
	}
	return true
}

func TestAnyValueIsReadBackByTheFormatsOwnReaderAndNothingElseChanges(t *testing.T) {
	t.Parallel()
	for format, files := range markedFiles(t) {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			r := startReaders(t)
			count := *cases
			if format == "mysql" {
				count /= 4 // a process for each file
			}
			for n := range count {
				random := rand.New(rand.NewPCG(*seed, uint64(n)))
				file := files[n%len(files)]
				value := randomValue(random, format)
				if !checkMarked(t, r, format, file, value, fmt.Sprintf("K%d_", n)) {
					t.Fatalf("repeat with -seed %d, case %d", *seed, n)
				}
			}
		})
	}
}

func checkMarked(t *testing.T, r *readers, format string, file marked, value any, unique string) bool {
	t.Helper()
	text, key := strings.ReplaceAll(file.text, "@", unique), strings.ReplaceAll(file.key, "@", unique)
	prefix, rest, _ := strings.Cut(text, "⟦")
	old, suffix, _ := strings.Cut(rest, "⟧")
	before := prefix + old + suffix
	change := Change{Set: map[string]any{key: value}}
	after, err := Apply(format, []byte(before), change)
	if err != nil {
		if carriesAll(format, value) {
			t.Errorf("%q: %s: %#v is refused: %v", before, key, value, err)
			return false
		}
		return true
	}
	if !carriesAll(format, value) {
		t.Errorf("%q: %s: %#v is not refused: %q", before, key, value, after)
		return false
	}
	if again, err := Apply(format, after, change); err != nil || string(again) != string(after) {
		t.Errorf("%q: %s: %#v: applied again %q becomes %q, %v", before, key, value, after, again, err)
		return false
	}
	trim := strings.TrimRight(prefix, " ")
	if _, list := value.([]any); list && (format == "mysql" || format == "systemd") {
		suffix = suffix[strings.IndexAny(suffix+"\n", "\n"):] // a comment stays with the first of several lines
	}
	if !strings.HasPrefix(string(after), trim) || !strings.HasSuffix(string(after), suffix) || len(after) < len(trim)+len(suffix) {
		t.Errorf("%s: %#v changed more than the value:\n%q\n%q", key, value, before, after)
		return false
	}
	parsed, err := ParseKey(key)
	if err != nil {
		t.Fatal(err)
	}
	if format == "dotenv" && !checkUnitEnvironment(t, r, string(after[len(trim):len(after)-len(suffix)]), value) {
		return false
	}
	return checkRead(t, r, format, []byte(before), after, parsed, value, unique)
}

// checkUnitEnvironment reads a quoted value as systemd reads the same file as an EnvironmentFile=.
func checkUnitEnvironment(t *testing.T, r *readers, quoted string, value any) bool {
	t.Helper()
	read, err := r.python.ask("environment file", "A=1\nK="+quoted+"\nB=2\n")
	want := map[string]any{"A": "1", "K": value, "B": "2"}
	if text, _ := value.(string); strings.ContainsAny(text, "\u0085\ufeff") {
		return true // systemd leaves out what Unicode calls no text
	}
	if err != nil || !reflect.DeepEqual(read, want) {
		t.Errorf("systemd reads K=%s as %v, %v", quoted, read, err)
		return false
	}
	return true
}

// checkRead asks the format's own reader for both files.
func checkRead(t *testing.T, r *readers, format string, before, after []byte, key Key, value any, unique string) bool {
	t.Helper()
	have, err := r.readKnown(format, before)
	if err != nil {
		t.Errorf("the reader cannot read the file %q: %v", before, err)
		return false
	}
	if format == "php" { // a constant of the same name could not be made again
		after = []byte(strings.ReplaceAll(string(after), unique, unique+"2"))
		raw, _ := json.Marshal(have)
		have = nil
		_ = json.Unmarshal([]byte(strings.ReplaceAll(string(raw), unique, unique+"2")), &have)
		names := key.Names()
		names[0] = strings.ReplaceAll(names[0], unique, unique+"2")
		for i := range key {
			key[i].Name = names[i]
		}
	}
	got, err := r.read(format, after)
	if err != nil {
		t.Errorf("%q: %s: %#v: the reader cannot read %q: %v", before, key, value, after, err)
		return false
	}
	path := place(format, key, have)
	if tables, ok := have.(map[string]any); ok && format == "php.ini" && len(path) == 1 && tables["PHP"] != nil {
		path = []string{"PHP", path[0]}
	}
	want := changedTree(have, path, wanted(r, format, value))
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%q: %s: %#v\nwrites %q\nread as %v\nwanted  %v", before, key, value, after, got, want)
		return false
	}
	return true
}

// wanted is expected, but php.ini has words and sums of its own, which PHP itself is asked for.
func wanted(r *readers, format string, value any) any {
	if text, ok := value.(string); ok && format == "php.ini" && (text == "E_ALL" || strings.EqualFold(text, "true") ||
		strings.EqualFold(text, "no") || strings.EqualFold(text, "null") || strings.EqualFold(text, "on") || strings.EqualFold(text, "none")) {
		read, _ := r.read(format, []byte("x="+text+"\n"))
		return read.(map[string]any)["x"]
	}
	return expected(format, value)
}

// changedTree is a reader's document with another value at path; the items of lists have numbers.
func changedTree(document any, path []string, value any) any {
	if len(path) == 0 {
		return value
	}
	switch v := document.(type) {
	case []any:
		n, err := index(path[0], len(v))
		if err != nil { // PHP has an empty section as an empty list
			return changedTree(map[string]any{}, path, value)
		}
		out := append([]any{}, v...)
		if n == len(v) {
			out = append(out, nil)
		}
		out[n] = changedTree(out[n], path[1:], value)
		return out
	case map[string]any:
		out := map[string]any{}
		for name, item := range v {
			out[name] = item
		}
		out[path[0]] = changedTree(v[path[0]], path[1:], value)
		return out
	}
	return map[string]any{path[0]: changedTree(nil, path[1:], value)}
}
