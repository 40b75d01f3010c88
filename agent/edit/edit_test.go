package edit

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
)

func TestEditsChangeWhatTheyNameAndNothingElse(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, format, before, after string
		change                      Change
	}{
		{"dotenv replaces a value and keeps comments and order", "dotenv",
			"# app\nA=1\nexport KEY=old # why\nB=2\n", "# app\nA=1\nexport KEY='new value' # why\nB=2\n", Change{Set: map[string]any{"KEY": "new value"}}},
		{"dotenv does not touch a key with the same ending", "dotenv",
			"ADMIN_JWT_SECRET=x\nJWT_SECRET=x\n", "ADMIN_JWT_SECRET=x\nJWT_SECRET=y\n", Change{Set: map[string]any{"JWT_SECRET": "y"}}},
		{"dotenv replaces a quoted value over several lines", "dotenv",
			"KEY=\"a\nb=c\n\"\nB=2\n", "KEY=x\nB=2\n", Change{Set: map[string]any{"KEY": "x"}}},
		{"dotenv adds what is missing to a file without a last line break", "dotenv", "A=1", "A=1\nB=2\n", Change{Set: map[string]any{"B": "2"}}},
		{"dotenv keeps CRLF", "dotenv", "A=1\r\nB=1\r\n", "A=2\r\nB=1\r\nC=3\r\n", Change{Set: map[string]any{"A": "2", "C": "3"}}},
		{"dotenv takes a key out", "dotenv", "A=1\nDEBUG=1\nB=2\n", "A=1\nB=2\n", Change{Unset: []string{"DEBUG"}}},
		{"dotenv quotes what would be expanded", "dotenv", "", "A='$HOME `x` \"'\nB=\"it's \\$1\"\n", Change{Set: map[string]any{"A": "$HOME `x` \"", "B": "it's $1"}}},
		{"ini sets a key in its section", "ini", "[a]\nx = 1\n\n[b]\nx = 2 ; two\n", "[a]\nx = 1\n\n[b]\nx = 3 ; two\n", Change{Set: map[string]any{"b.x": json.Number("3")}}},
		{"ini adds to a section behind its last key", "ini", "[a]\nx=1\n\n[b]\ny=2\n", "[a]\nx=1\nz=9\n\n[b]\ny=2\n", Change{Set: map[string]any{"a.z": "9"}}},
		{"ini makes a section", "ini", "[a]\nx=1\n", "[a]\nx=1\n\n[b]\ny = 2\n", Change{Set: map[string]any{"b.y": "2"}}},
		{"ini gives a bare flag a value", "ini", "[mysqld]\nskip-name-resolve\n", "[mysqld]\nskip-name-resolve = 0\n", Change{Set: map[string]any{"mysqld.skip-name-resolve": "0"}}},
		{"ini quotes a value with a comment sign", "ini", "[a]\nx = 1\n", "[a]\nx = \"p;w#\"\n", Change{Set: map[string]any{"a.x": "p;w#"}}},
		{"yaml replaces a nested value and keeps its comment", "yaml", "# top\na:\n  b: 1 # one\n  c: 2\n", "# top\na:\n  b: \"x\" # one\n  c: 2\n", Change{Set: map[string]any{"a.b": "x"}}},
		{"yaml keeps a literal dotted key", "yaml", "network.host: 127.0.0.1\n", "network.host: \"0.0.0.0\"\n", Change{Set: map[string]any{"network.host": "0.0.0.0"}}},
		{"yaml replaces a list by a list", "yaml", "a:\n- 1\n- 2\nb: 3\n", "a: [\"x\",\"y\"]\nb: 3\n", Change{Set: map[string]any{"a": []any{"x", "y"}}}},
		{"yaml replaces a block text", "yaml", "a: |\n  one\n  two\n\nb: 3\n", "a: \"x\"\n\nb: 3\n", Change{Set: map[string]any{"a": "x"}}},
		{"yaml makes levels that are missing", "yaml", "a: 1\n", "a: 1\nb:\n  c:\n    d: true\n", Change{Set: map[string]any{"b.c.d": true}}},
		{"yaml fills an empty parent", "yaml", "security:\nnet:\n  port: 1\n", "security:\n  authorization: \"enabled\"\nnet:\n  port: 1\n", Change{Set: map[string]any{"security.authorization": "enabled"}}},
		{"yaml takes a key out", "yaml", "a: 1\nb:\n  c: 1\nd: 2\n", "a: 1\nd: 2\n", Change{Unset: []string{"b"}}},
		{"yaml writes into an empty file", "yaml", "# nothing yet\n", "# nothing yet\na: \"x\"\n", Change{Set: map[string]any{"a": "x"}}},
		{"json replaces a nested value", "json", "{\n  \"a\": {\"b\": 1},\n  \"c\": 2\n}\n", "{\n  \"a\": {\"b\": \"x\"},\n  \"c\": 2\n}\n", Change{Set: map[string]any{"a.b": "x"}}},
		{"json adds with the file's indentation", "json", "{\n    \"a\": 1\n}\n", "{\n    \"a\": 1,\n    \"b\": true\n}\n", Change{Set: map[string]any{"b": true}}},
		{"json takes a key out", "json", "{\n  \"a\": 1,\n  \"b\": 2\n}\n", "{\n  \"b\": 2\n}\n", Change{Unset: []string{"a"}}},
		{"json begins an empty file", "json", "", "{\n  \"a\": {\n    \"b\": \"x\"\n  }\n}\n", Change{Set: map[string]any{"a.b": "x"}}},
		{"toml replaces a value in its table and keeps the comment", "toml", "a = 1\n[t]\nb = \"x\" # why\n", "a = 1\n[t]\nb = \"y\" # why\n", Change{Set: map[string]any{"t.b": "y"}}},
		{"toml replaces a value over several lines", "toml", "[t]\nb = [\n  1,\n  2,\n]\nc = 3\n", "[t]\nb = [\"x\"]\nc = 3\n", Change{Set: map[string]any{"t.b": []any{"x"}}}},
		{"toml adds to a table, and a table", "toml", "[t]\nb = 1\n\n[u]\nc = 2\n", "[t]\nb = 1\nd = 4\n\n[u]\nc = 2\n\n[v]\ne = true\n", Change{Set: map[string]any{"t.d": json.Number("4"), "v.e": true}}},
		{"toml puts a top key before the tables", "toml", "[t]\nb = 1\n", "z = \"1\"\n[t]\nb = 1\n", Change{Set: map[string]any{"z": "1"}}},
		{"php replaces a define", "php", "<?php\ndefine( 'DB_NAME', 'old' ); // name\n$x = 1;\n", "<?php\ndefine( 'DB_NAME', 'it\\'s' ); // name\n$x = 1;\n", Change{Set: map[string]any{"DB_NAME": "it's"}}},
		{"php leaves a commented define alone and adds behind the last", "php", "<?php\n// define('A', 1);\ndefine('B', f('x)', 2));\nrun();\n",
			"<?php\n// define('A', 1);\ndefine('B', f('x)', 2));\ndefine( 'A', true );\nrun();\n", Change{Set: map[string]any{"A": true}}},
		{"php takes a define out", "php", "<?php\ndefine('A', 1);\ndefine('B', 2);\n", "<?php\ndefine('B', 2);\n", Change{Unset: []string{"A"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := Apply(test.format, []byte(test.before), test.change)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != test.after {
				t.Errorf("got  %q\nwant %q", got, test.after)
			}
			again, err := Apply(test.format, got, test.change)
			if err != nil || string(again) != string(got) {
				t.Errorf("applied again it gives %q, %v", again, err)
			}
		})
	}
}

func TestEditsRefuseWhatTheyCannotDoSafely(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, format, before, key, want string }{
		{"yaml in one line", "yaml", "a: {b: 1}\n", "a.b", "cannot set a.b: what stands above it is not a mapping over several lines"},
		{"yaml below a value", "yaml", "a: 1\n", "a.b", "cannot set a.b: what stands above it is not a mapping over several lines"},
		{"broken json", "json", "{", "a", "cannot set a: the file is not JSON"},
		{"json below a list", "json", `{"a": [1]}`, "a.b", "cannot set a.b: what stands above it is a single value or a list"},
		{"broken toml", "toml", "= 1", "a", "cannot set a: the file is not TOML"},
		{"php without php", "php", "hello\n", "A", "cannot set A: the file does not begin with <?php"},
		{"a define twice", "php", "<?php\ndefine('A', 1);\ndefine('A', 2);\n", "A", "cannot set A: it is defined more than once"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := Apply(test.format, []byte(test.before), Change{Set: map[string]any{test.key: "x"}})
			if err == nil || err.Error() != test.want {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
		})
	}
}

func TestALineIsReplacedOnlyWhenItMatchesOnce(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, before, pattern, set, after, fault string }{
		{"it matches once", "a\n  server_name _;\nb\n", `^\s*server_name `, "  server_name x;", "a\n  server_name x;\nb\n", ""},
		{"it was replaced before", "Port 22\n", `^#Port `, "Port 22", "Port 22\n", ""},
		{"it keeps CRLF", "#Port 1\r\nx\r\n", `^#Port `, "Port 2", "Port 2\r\nx\r\n", ""},
		{"no line matches", "a\n", `^b`, "c", "", "no line matches ^b"},
		{"two lines match", "a1\nx\na2\n", `^a`, "c", "", "2 lines match ^a, the first two are lines 1 and 3; make the pattern narrower"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := Line([]byte(test.before), regexp.MustCompile(test.pattern), test.set)
			if test.fault != "" {
				if err == nil || err.Error() != test.fault {
					t.Errorf("got  %v\nwant %s", err, test.fault)
				}
				return
			}
			if err != nil || string(got) != test.after {
				t.Errorf("got %q, %v\nwant %q", got, err, test.after)
			}
		})
	}
}

func TestABlockIsAddedReplacedAndTakenOut(t *testing.T) {
	t.Parallel()
	one, err := Block([]byte("a\n"), "x.conf", "one\n")
	if err != nil || string(one) != "a\n# BEGIN oneclick-agent\none\n# END oneclick-agent\n" {
		t.Fatalf("added: %q, %v", one, err)
	}
	two, err := Block(append(one, "b\n"...), "x.conf", "two")
	if err != nil || string(two) != "a\n# BEGIN oneclick-agent\ntwo\n# END oneclick-agent\nb\n" {
		t.Fatalf("replaced: %q, %v", two, err)
	}
	none, err := Block(two, "x.conf", "")
	if err != nil || string(none) != "a\nb\n" {
		t.Fatalf("taken out: %q, %v", none, err)
	}
	if _, err := Block([]byte("# END oneclick-agent\n"), "x", "y"); err == nil || !strings.Contains(err.Error(), "do not stand in a pair") {
		t.Errorf("half a block: %v", err)
	}
}

// Whatever is in a file, and whatever the value: an edit either refuses, or changes it so that editing again
// changes nothing more.
func FuzzEditsSettle(f *testing.F) {
	seeds := []struct{ format, file, key, value string }{
		{"dotenv", "A=1\nB=\"x\ny\"\n", "B", "p'q\\\n"}, {"ini", "[a]\nb = c\n", "a.b", "x ; y"},
		{"yaml", "a:\n  b: 1\n", "a.b", "x: #"}, {"json", `{"a": {"b": 1}}`, "a.b", "\u2028<"},
		{"toml", "[a]\nb = 1\n", "a.b", `\"`}, {"php", "<?php\ndefine('A', 'x');\n", "A", `\'`},
	}
	for _, seed := range seeds {
		f.Add(seed.format, []byte(seed.file), seed.key, seed.value)
	}
	f.Fuzz(func(t *testing.T, format string, file []byte, key, value string) {
		if !regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.]{0,20}$`).MatchString(key) || strings.Contains(key, "..") || strings.HasSuffix(key, ".") {
			return
		}
		change := Change{Set: map[string]any{key: value}}
		once, err := Apply(format, file, change)
		if err != nil {
			return
		}
		twice, err := Apply(format, once, change)
		if err != nil {
			t.Fatalf("%s: the edited file %q cannot be edited again: %v", format, once, err)
		}
		if string(twice) != string(once) {
			t.Errorf("%s: editing again changed\n%q to\n%q", format, once, twice)
		}
	})
}
