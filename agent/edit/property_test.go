package edit

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"unicode"
)

var (
	seed  = flag.Uint64("seed", 1, "of the cases of the property tests; each case has its own, which a failure tells")
	cases = flag.Int("cases", 500, "for each format in the property tests")
)

// marked is a file in which ⟦ ⟧ stand around the value of a key.
type marked struct{ key, text string }

// markedFiles are by format. A $ in front of @ is part of a name; @ is replaced by letters of the case, because a
// constant of PHP can be made only once.
var markedFiles = map[string][]marked{
	"dotenv": {
		{"APP_KEY", "# c\nA=1\nexport APP_KEY=⟦old⟧ # why\nAPP_KEY_2='x'\n"},
		{"K", "A='it'\"'\"'s'\nK=⟦\"old $ value\"⟧\nB=2"}, {"K", "K=⟦'a\nb'⟧ # c\nL=\"x\ny\" # d\n"}, {"K", "A=1\nK=⟦⟧\nB=\n"},
		{"K", "A=1\nK=⟦a\\\nb⟧\nB=2\n"}, {"K", "K=⟦x\"y\"'z'⟧"},
	},
	"environment": {{"K", "PATH=\"/bin:/usr/bin\"\nK=⟦old⟧\nB=2\n"}, {"K", "K=⟦\"old\"⟧\nA='x y'\n"}, {"K", "A=1\nK=⟦'old'⟧"}},
	"ini": {
		{"options.admin_passwd", "[options]\n; c\nadmin_passwd = ⟦old⟧\ndb_host = False\n"}, {"a.Key", "# c\r\n[a]\r\nKey=⟦1 ; two⟧\r\nb=2\r\n\r\n[c]\r\nKey=3"},
		{"a.k", "[a]\n  k : ⟦one\n    two\n\n    three⟧\n  l = 4\n\n[b]\nx=1\n"}, {"a.k", "[a]\nx=1\nk =⟦⟧"}, {"\"a.b\".\"c.d\"", "[a]\nb=1\n[a.b]\nc.d = ⟦1⟧\n"},
	},
	"python": {{"core.sql", "[core]\nsql = ⟦a%%b⟧\nx = 5%%\n"}, {"a.k", "[a]\nk=⟦⟧\n[b]\nk=1\n"}},
	"mysql": {
		{"mysqld.bind-address", "[client]\nport=1\n[mysqld]\nbind_address = ⟦127.0.0.1⟧ # c\n!includedir /srv\n"},
		{"client.password", "# c\n[client]\npassword=⟦\"o#l\\\"d\"⟧\nuser = 'x'\n"}, {"m.p", "[m]\r\np = ⟦'x'⟧\r\nq=1"}, {"m.p", "[m]\np=⟦⟧\nskip-x\n"},
	},
	"systemd": {
		{"Service.ExecStart", "[Unit]\nDescription=x\n\n[Service]\nExecStart=⟦/bin/a \\\n  b \\\n  c⟧\nUser=x\n"}, {"Service.User", "[Service]\nUser = ⟦a⟧\n# c\n[Install]\nWantedBy=x"},
		{"A.K", "[A]\r\nK=⟦1⟧\r\n"}, {"A.K", "; c\n[A]\nJ=x\\\n y\nK=⟦⟧\nL=\n"},
	},
	"php.ini": {
		{"memory_limit", "[PHP]\n; c\nmemory_limit = ⟦128M⟧ ; why\nx = \"y\"\n\n[Date]\n;date.timezone =\n"}, {"PHP.error_reporting", "[PHP]\nerror_reporting=⟦E_ALL & ~E_NOTICE⟧\nz=1"},
		{"www.pm", "[www]\r\npm = ⟦\"a\\\"b\"⟧\r\nenv[PATH] = /bin\r\n"}, {"\"a.b\"", "a.b=⟦'x'⟧\nc=\"1\n2\" ; c\n"}, {"k", "k =⟦⟧\nl=\n"}, {"PHP.k", "[PHP]\nk=⟦\"a\nb\"⟧;c\nl=1\n"},
	},
	"json": {
		{"a.b", "{\n  \"x\": [1, 2],\n  \"a\": {\"c\": 1.50, \"b\": ⟦\"old\"⟧},\n\t\"y\": null\n}\n"}, {"a.1.k", "{\"a\":[1,{\"k\":⟦{\"z\":[1,2]}⟧}],\"b\":\"é\\u0041\"}"},
		{"s.\"m.homeserver\".u", "{\r\n  \"s\": {\r\n    \"m.homeserver\": {\r\n      \"u\": ⟦1⟧\r\n    }\r\n  }\r\n}\r\n"},
	},
	"yaml": {
		{"a.b", "# c\na:\n  x: 1 # one\n  b: ⟦old⟧ # two\n  c: [1, 2]\n...\n"}, {"b", "a: &x {k: 1}\nb: ⟦\"o\\\"ld\"⟧\nc: *x\nd: |\n  text\n\n  more\n"},
		{"b", "---\r\na: 'x'\r\nb: ⟦'it''s'⟧ # c\r\nc: 1\r\n"}, {"a.1.k", "a:\n- 1\n- k: ⟦one\n    two⟧\n  l: 1\n- 3"}, {"f.b", "f: {a: 1, b: ⟦x⟧, c: 'y'}\n"},
		{"k", "k: ⟦|\n  one\n   two\n\n  three⟧\n\n# c\nl: >-\n  x\n"}, {"é.\"x y\"", "é:\n    x y: ⟦12⟧\n    z: ü # c\n"}, {"l.0", "l: [⟦a⟧, b] # c\n"},
		{"a", "a: &y ⟦x⟧\nb: 1\n"}, {"k", "\"k\" : ⟦~⟧\n"},
	},
	"toml": {
		{"t.b", "a = 1 # c\n[t]\nb = ⟦\"old\"⟧ # why\nc = [\n  1, # one\n]\n"}, {"x.y", "x = { y = ⟦'o'⟧, z = \"#\" }\n"}, {"s.1.n", "[[s]]\nn = 1\n[[s]]\nn = ⟦2⟧\n[s.t]\nn = 3\n"},
		{"a.\"b.c\"", "a.\"b.c\" = ⟦'''x\n'y'''⟧\r\na.d = 1979-05-27T07:32:00Z\r\n"}, {"l.1", "l = [1, ⟦\"x\"⟧, [3]]"}, {"k", "k = ⟦[\n \"a\", # ]\n]⟧ # c\n"}, {"k", "d = 1979-05-27\nk = ⟦\"\"\"a\"b\"\"\"\"⟧\n"},
	},
	"php": {
		{"@A", "<?php\n// define('@A', 1);\ndefine( '@A', ⟦'old'⟧ ); // c\ndefine('@B', \"x\\n\");\n$t = 'x';\n"}, {"$t", "<?php\n$t = ⟦\"ol\\\"d\"⟧;\nif (true) { $u = 1; }\n"},
		{"$c.S.1.h", "<?php\n$c = ['x' => 1];\n$c['S'][1]['h'] = ⟦'localhost'⟧;\n/* $c['S'] */ $c['S'][1]['p'] = \"\"; ?>\n"},
		{"database.host", "<?php\nreturn [\n    'app' => 'x', # c\n    'database' => array(\n        'host' => ⟦getenv('H') ?: 'y'⟧,\n        'p' => 1.5,\n    ),\n];\n"},
		{"$a.l.0", "<?php\r\n$a = array(\r\n  'l' => array(⟦'x'⟧, 'y'),\r\n);\r\n"}, {"@A", "<?php const @A = ⟦1⟧; const @B = <<<X\n define('@A', 2);\n X;\n"},
		{"@A", "<?php\ndefined('@A') or define('@A', ⟦'o'⟧);\n"},
	},
}

// nasty are pieces that some format takes for something else.
var nasty = []string{
	"a", "Z", "0", "7", ".", ",", "-", "_", "/", ":", ";", "#", " ", "'", `"`, `\`, "$", "`", "%", "&", "*", "!", "?", "=", "(", ")", "[", "]", "{", "}", "<", ">", "|", "~", "^", "@", "+",
	"${x}", "$x", "%(x)s", "\\n", "é", "日", "😀", "\t", "\n", " #", " ;", ": ", "\u00a0", "\u0085", "\u2028", "\ufeff", "'''", `"""`, "?>", "<?php", "*/", "//", "\\\\", `\"`, `\'`, "--", "true", "EOF",
}

var wholes = []string{
	"", "true", "No", "null", "~", "1", "01", "-1.5", "1e3", "0x1F", "1_000", "2026-11-24", "12:30", ".inf", "On", "none", "E_ALL", "y", "=", "<<", "---", "...", "[x]", "{x: y}", "- a", "a: b", "# a",
	"PHP_VERSION", "a,b", "&a", "*a", "!x", "|", ">", "%TAG", "@x", "0.0.0.0", "postgresql://u:p%40ss@h:5432/d?sslmode=require", "/usr/bin/x -a \"b c\"", "-Xmx512m", "p;w#", "x ; y", "x # y", "a\\",
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
	for format, files := range markedFiles {
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
