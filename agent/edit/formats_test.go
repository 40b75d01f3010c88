package edit

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

func TestEditsOfSectionsAndKeys(t *testing.T) {
	testEdits(t, []edited{
		{name: "sets a key in its section", format: "ini", before: "[a]\nx = 1\n\n[b]\nx=2\n", after: "[a]\nx = 1\n\n[b]\nx=3\n",
			change: set("b.x", num("3"))},
		{name: "adds to a section behind its last key in its style", format: "ini", before: "[a]\nx=1\n\n[b]\ny = 2\n",
			after:  "[a]\nx=1\nz=9\n\n[b]\ny = 2\n",
			change: set("a.z", "9")},
		{name: "makes a section in the file's style", format: "ini", before: "[a]\nx=1", after: "[a]\nx=1\n\n[b]\ny=2\n",
			change: set("b.y", "2")},
		{name: "begins a file", format: "ini", after: "[b]\ny = 2\n", change: set("b.y", "2")},
		{name: "quotes nothing", format: "ini", before: "[a]\nx = 1\n", after: "[a]\nx = \"p;w#\" %\n", change: set("a.x", `"p;w#" %`)},
		{name: "keeps the case of a key", format: "ini", before: "[a]\nWebPort: 1\n", after: "[a]\nWebPort: 2\n",
			change: set("a.webport", "2")},
		{name: "replaces a value of several lines and keeps its comments", format: "ini", before: "[a]\nx =\n  1\n  # c\n  2\n\n# d\ny = 3\n",
			after: "[a]\nx = 4\n  # c\n\n# d\ny = 3\n", change: set("a.x", "4")},
		{name: "takes out a value of several lines", format: "ini", before: "[a]\nx =\n  1\n  2\ny = 3\n", after: "[a]\ny = 3\n",
			change: unset("a.x")},
		{name: "sets a key before the first section", format: "ini", before: "a = 1\n[b]\na = 2\n", after: "a = 3\n[b]\na = 2\n",
			change: set("a", "3")},
		{name: "adds a key before the first section", format: "ini", before: "a=1\n[b]\nc=2\n", after: "a=1\nd=3\n[b]\nc=2\n",
			change: set("d", "3")},
		{name: "keeps CRLF", format: "ini", before: "[a]\r\nx = 1\r\n\r\n[b]\r\n", after: "[a]\r\nx = 2\r\ny = 3\r\n\r\n[b]\r\n",
			change: Change{Set: map[string]any{"a.x": "2", "a.y": "3"}}},
		{name: "sets a key with dots of a section with dots", format: "ini", before: "[a.b]\nc.d = 1\n", after: "[a.b]\nc.d = 2\n",
			change: set(`"a.b"."c.d"`, "2")},
		{name: "empties and fills again in the same style", format: "ini", before: "[a]\nx =\n", after: "[a]\nx = 1\n",
			change: set("a.x", "1")},
	})
}

func TestEditsOfSectionsAndKeysThatAreRefused(t *testing.T) {
	testEdits(t, []edited{
		{name: "refuses a sibling of a section with dots", format: "ini", before: "[auth.google]\nenabled = 1\n",
			change: set("auth.google.enabled", "2"),
			fault:  `cannot set auth.google.enabled: the file has auth.google; write "auth.google".enabled`},
		{name: "refuses a sibling of a key with dots", format: "ini", before: "[a]\nb.c = 1\n", change: set("a.b.c", "2"),
			fault: `cannot set a.b.c: the file has the key b.c; write a."b.c"`},
		{name: "refuses a key without its section", format: "ini", before: "[a]\nb = 1\n", change: set("b", "2"),
			fault: "cannot set b: the file has it in a section; write a.b"},
		{name: "refuses a new key without a section", format: "ini", before: "[a]\nb = 1\n", change: set("c", "2"),
			fault: "cannot set c: its keys stand in sections; write section.c"},
		{name: "refuses a third level", format: "ini", before: "[a]\nb = 1\n", change: set("a.c.d", "2"),
			fault: `cannot set a.c.d: the file has sections and keys, and no third level; write a name that has a dot in quotes: "a.b".c`},
		{name: "refuses a key that stands twice", format: "ini", before: "[a]\nb = 1\nB = 2\n", change: set("a.b", "2"),
			fault: "cannot set a.b: the file has b 2 times, in lines 2, 3; all but one must go"},
		{name: "refuses a section that stands twice", format: "ini", before: "[a]\nb = 1\n[a]\nc = 2\n", change: set("a.b", "2"),
			fault: "cannot set a.b: the section [a] stands 2 times, which its readers refuse; make one of them"},
		{name: "refuses a line break", format: "ini", change: set("a.b", "x\ny"),
			fault: "cannot set a.b: the value holds a line break or another control character, which the format cannot carry"},
		{name: "refuses white space around a value", format: "ini", change: set("a.b", " x"),
			fault: "cannot set a.b: the value begins or ends with white space, which the format, having no quotes, cannot carry"},
		{name: "refuses an Apache file", format: "ini", before: "<VirtualHost *:80>\n  ServerName x\n</VirtualHost>\n", change: set("a.b", "x"),
			fault: "line 1 is no section, no key with its value, and no comment; " +
				"it looks like a file of apache: edit its lines with line: or block:"},
		{name: "refuses an nginx file", format: "ini", before: "server {\n  listen 80;\n}\n", change: set("a.b", "x"),
			fault: "line 1 is no section, no key with its value, and no comment; " +
				"it looks like a file of nginx: edit its lines with line: or block:"},
		{name: "refuses YAML", format: "ini", before: "a: 1\nb: 2\n", change: set("a", "x"),
			fault: "the file has no sections, and a colon behind each key; it looks like format: yaml"},
		{name: "refuses flags and names mysql", format: "ini", before: "[mysqld]\nskip-name-resolve\n", change: set("mysqld.x", "1"),
			fault: "line 2 is no section, no key with its value, and no comment; it looks like format: mysql"},
	})
}

func TestEditsOfTheOtherDialects(t *testing.T) {
	testEdits(t, []edited{
		{name: "doubles a percent sign", format: "python", before: "[core]\nx = 1\n", after: "[core]\nx = a%%40b\n",
			change: set("core.x", "a%40b")},
		{name: "gives a flag a value", format: "mysql", before: "[mysqld]\nskip-name-resolve # c\n",
			after:  "[mysqld]\nskip-name-resolve = 0 # c\n",
			change: set("mysqld.skip_name_resolve", "0")},
		{name: "keeps quotes and comments", format: "mysql", before: "[client]\npassword='x' # c\nuser=y\n",
			after:  "[client]\npassword='a b' # c\nuser=\"a#b\"\n",
			change: Change{Set: map[string]any{"client.password": "a b", "client.user": "a#b"}}},
		{name: "refuses one value for an option that stands twice", format: "mysql", before: "[m]\nx=1\nx=2\n", change: set("m.x", "3"),
			fault: "cannot set m.x: the file has x 2 times, in lines 2, 3; give a list of all its values"},
		{name: "takes a list for an option that stands twice", format: "mysql", before: "[m]\nx=1\ny=0\nx=2\n",
			after:  "[m]\nx=3\ny=0\nx=4\nx=5\n",
			change: set("m.x", []any{"3", "4", "5"})},
		{name: "resets a command in a drop-in", format: "systemd", before: "[Service]\nUser=x\n",
			after:  "[Service]\nUser=x\nExecStart=\nExecStart=/bin/y\n",
			change: set("Service.ExecStart", []any{"", "/bin/y"})},
		{name: "replaces a value that goes on, and keeps its comment", format: "systemd",
			before: "[Service]\nExecStart=/bin/a \\\n# c\n  b\nUser=x\n",
			after:  "[Service]\nExecStart=/bin/y\n# c\nUser=x\n", change: set("Service.ExecStart", "/bin/y")},
		{name: "adds to the last of sections of one name", format: "systemd", before: "[Unit]\nA=1\n[X]\n[Unit]\nB=2\n",
			after:  "[Unit]\nA=1\n[X]\n[Unit]\nB=2\nC=3\n",
			change: set("Unit.C", "3")},
		{name: "refuses a backslash at the end", format: "systemd", change: set("Service.X", `a\`),
			fault: "cannot set Service.X: the value ends in a backslash, behind which systemd would take the next line as a part of the value"},
		{name: "refuses a key without a section", format: "systemd", before: "[Unit]\nA=1\n", change: set("B", "x"),
			fault: "cannot set B: its keys stand in sections; write section.B"},
		{name: "finds a setting in any section", format: "php.ini", before: "[PHP]\nx = 1\n[Session]\nsession.name = A ; c\n",
			after:  "[PHP]\nx = 1\n[Session]\nsession.name = b1 ; c\n",
			change: set("session.name", "b1")},
		{name: "refuses to make a section of a setting with a dot", format: "php.ini", before: "[PHP]\nx = 1\n;date.timezone =\n",
			change: set("date.timezone", "UTC"),
			fault: `cannot set date.timezone: the file has neither the section date nor the key date.timezone; ` +
				`write "date.timezone" for the key, "date".timezone to make the section`},
		{name: "writes PHP's words as they are", format: "php.ini", before: "a = \"x\"\nb = 1\n", after: "a = Off\nb = E_ALL & ~E_NOTICE\n",
			change: Change{Set: map[string]any{"a": "Off", "b": "E_ALL & ~E_NOTICE"}}},
		{name: "quotes what is special", format: "php.ini", before: "a = 1\n", after: "a = \"x;y=\\\"z\\\"\"\n", change: set("a", `x;y="z"`)},
		{name: "sets one of several pools", format: "php.ini", before: "[a]\npm = static\n[b]\npm = static\n",
			after:  "[a]\npm = static\n[b]\npm = dynamic\n",
			change: set("b.pm", "dynamic")},
		{name: "refuses a setting of several pools", format: "php.ini", before: "[a]\npm = static\n[b]\npm = static\n",
			change: set("pm", "dynamic"),
			fault:  "cannot set pm: the file has pm in 2 sections; write section.pm"},
	})
}

func TestEditsOfYAML(t *testing.T) {
	testEdits(t, []edited{
		{name: "keeps a comment", format: "yaml", before: "# top\na:\n  b: 1 # one\n  c: 2\n", after: "# top\na:\n  b: x # one\n  c: 2\n",
			change: set("a.b", "x")},
		{name: "keeps single and double quotes", format: "yaml", before: "a: 'x'\nb: \"y\"\n", after: "a: 'it''s'\nb: \"it's\"\n",
			change: Change{Set: map[string]any{"a": "it's", "b": "it's"}}},
		{name: "quotes what would be something else", format: "yaml", before: "a: x\nb: x\nc: x\nd: x\ne: x\n",
			after:  "a: \"yes\"\nb: \"8080\"\nc: \"a: b\"\nd: \"x #y\"\ne: \"1:30\"\n",
			change: Change{Set: map[string]any{"a": "yes", "b": "8080", "c": "a: b", "d": "x #y", "e": "1:30"}}},
		{name: "has numbers and truth values as they are given", format: "yaml", before: "a: \"1\"\nb: x\n", after: "a: 2\nb: true\n",
			change: Change{Set: map[string]any{"a": num("2"), "b": true}}},
		{name: "keeps a literal dotted key", format: "yaml", before: "network.host: 127.0.0.1\n", after: "network.host: 0.0.0.0\n",
			change: set("network.host", "0.0.0.0")},
		{name: "replaces a list by a list", format: "yaml", before: "a:\n- 1\n- 2\nb: 3\n", after: "a:\n- x\n- 2\nb: 3\n",
			change: set("a", []any{"x", num("2")})},
		{name: "replaces a list by a value and keeps the comment", format: "yaml", before: "a: # c\n  - 1\n  - 2\nb: 3\n",
			after: "a: x # c\nb: 3\n", change: set("a", "x")},
		{name: "replaces a block text", format: "yaml", before: "a: |\n  one\n  two\n\nb: 3\n", after: "a: x\n\nb: 3\n", change: set("a", "x")},
		{name: "makes levels that are missing with the file's indentation", format: "yaml", before: "a:\n    x: 1\n",
			after:  "a:\n    x: 1\nb:\n    c:\n        d: true\n",
			change: set("b.c.d", true)},
		{name: "fills an empty parent", format: "yaml", before: "security: # c\nnet:\n  port: 1\n",
			after:  "security: # c\n  authorization: enabled\nnet:\n  port: 1\n",
			change: set("security.authorization", "enabled")},
		{name: "takes a key out", format: "yaml", before: "a: 1\nb:\n  c: 1\nd: 2\n", after: "a: 1\nd: 2\n", change: unset("b")},
		{name: "leaves an empty mapping", format: "yaml", before: "a:\n  b: 1\nc: 2\n", after: "a: {}\nc: 2\n", change: unset("a.b")},
		{name: "writes into an empty file", format: "yaml", before: "# nothing yet\n", after: "# nothing yet\na: x\n", change: set("a", "x")},
		{name: "writes before the end of a document", format: "yaml", before: "---\na: 1\n...\n", after: "---\na: 1\nb: x\n...\n",
			change: set("b", "x")},
		{name: "edits inside of braces", format: "yaml", before: "a: {b: 1, c: [x]} # d\n", after: "a: {b: 2, c: [x, \"y z:\"], e: f} # d\n",
			change: Change{Set: map[string]any{"a.b": num("2"), "a.c.1": "y z:", "a.e": "f"}}},
		{name: "edits the items of a list", format: "yaml", before: "a:\n  - n: x\n    v: 1\n  - n: y\n",
			after:  "a:\n  - n: x\n    v: 2\n  - n: y\n    v: 3\n  - n: z\n",
			change: Change{Set: map[string]any{"a.0.v": num("2"), "a.1.v": num("3"), "a.2.n": "z"}}, fault: ""},
		{name: "keeps anchors", format: "yaml", before: "a: &x 1\nb: *x\nc: &y 2\n", after: "a: &x 1\nb: 3\nc: &y 4\n",
			change: Change{Set: map[string]any{"b": num("3"), "c": num("4")}}},
		{name: "keeps CRLF and a last line without an end", format: "yaml", before: "a: 1\r\nb: 2", after: "a: x\r\nb: 2\r\nc: y",
			change: Change{Set: map[string]any{"a": "x", "c": "y"}}},
		{name: "refuses what an alias takes over", format: "yaml", before: "a: &x 1\nb: *x\n", change: set("a", "y"),
			fault: "cannot set a: other places of the file take their value from it by &x; write the whole file with file: and a template"},
		{name: "refuses to write through an alias", format: "yaml", before: "a: &x {k: 1}\nb: *x\n", change: set("b.k", "y"),
			fault: "cannot set b.k: the file takes its value from &x, and so do other places; change it where it is"},
		{name: "refuses several documents", format: "yaml", before: "a: 1\n---\nb: 2\n", change: set("a", "y"),
			fault: "cannot set a: the file holds several documents; write the whole file with file: and a template"},
		{name: "refuses a key that stands twice", format: "yaml", before: "a: 1\na: 2\n", change: set("a", "y"),
			fault: "cannot set a: the file has a key twice, the second time in line 2"},
		{name: "refuses a key below a value", format: "yaml", before: "a: 1\n", change: set("a.b", "y"),
			fault: "cannot set a.b: a is a single value"},
		{name: "refuses an environment file", format: "yaml", before: "A=1\n", change: set("a", "y"),
			fault: "the file is no YAML with keys; it looks like format: dotenv"},
		{name: "refuses a tab", format: "yaml", before: "a:\n\tb: 1\n", change: set("a", "y"),
			fault: "the file is no YAML: line 2 cannot be read; edit its lines with line: or block:, or write the whole file with file:"},
	})
}

func TestEditsOfPHP(t *testing.T) {
	testEdits(t, []edited{
		{name: "replaces a define", format: "php", before: "<?php\ndefine( 'DB_NAME', 'old' ); // name\n$x = 1;\n",
			after:  "<?php\ndefine( 'DB_NAME', 'it\\'s' ); // name\n$x = 1;\n",
			change: set("DB_NAME", "it's")},
		{name: "leaves a commented define alone and adds behind the last", format: "php",
			before: "<?php\n// define('A', 1);\ndefine('B', f('x)', 2)); # c\nrun();\n",
			after:  "<?php\n// define('A', 1);\ndefine('B', f('x)', 2)); # c\ndefine('A', true);\nrun();\n", change: set("A", true)},
		{name: "takes a define out", format: "php", before: "<?php\ndefine('A', 1); // c\ndefine('B', 2);\n",
			after: "<?php\ndefine('B', 2);\n", change: unset("A")},
		{name: "replaces a variable", format: "php", before: "<?php\n$table_prefix  = 'wp_';\n", after: "<?php\n$table_prefix  = 'x_';\n",
			change: set("$table_prefix", "x_")},
		{name: "replaces an element", format: "php", before: "<?php\n$cfg['Servers'][$i]['host'] = 'a'; ?>\n",
			after:  "<?php\n$cfg['Servers'][$i]['host'] = 'b'; ?>\n",
			change: set("$cfg.Servers.$i.host", "b")},
		{name: "adds an element where PHP ends in the line", format: "php", before: "<?php $c['a'] = 1; ?>\n",
			after:  "<?php $c['a'] = 1; $c['b'] = 2; ?>\n",
			change: set("$c.b", num("2"))},
		{name: "replaces and adds entries of a returned array", format: "php",
			before: "<?php\nreturn array(\n  'a' => array('b' => 1), // c\n  'd' => 2 // e\n);\n",
			after:  "<?php\nreturn array(\n  'a' => array('b' => 'x'), // c\n  'd' => 2, // e\n  'f' => array(1)\n);\n",
			change: Change{Set: map[string]any{"a.b": "x", "f": []any{num("1")}}}},
		{name: "takes an entry out with its line", format: "php", before: "<?php\nreturn [\n  'a' => 1, // a\n  'b' => 2, // b\n];\n",
			after:  "<?php\nreturn [\n  'a' => 1, // a\n];\n",
			change: unset("b")},
		{name: "takes an entry out of a line", format: "php", before: "<?php $a = ['x' => 1, 'y' => 2];", after: "<?php $a = ['x' => 1];",
			change: unset("$a.y")},
		{name: "keeps double quotes", format: "php", before: "<?php $a = \"x\";", after: "<?php $a = \"\\$y\\\"\";", change: set("$a", `$y"`)},
		{name: "knows guarded constants", format: "php", before: "<?php defined('A') || define('A', 1);",
			after: "<?php defined('A') || define('A', 2);", change: set("A", num("2"))},
		{name: "reads past here documents and strings", format: "php",
			before: "<?php\n$x = <<<'E'\ndefine('A', 0);\nE;\n$y = \"define('A', 0);\";\ndefine('A', 1);\n",
			after:  "<?php\n$x = <<<'E'\ndefine('A', 0);\nE;\n$y = \"define('A', 0);\";\ndefine('A', 2);\n", change: set("A", num("2"))},
		{name: "refuses what stands in a condition", format: "php", before: "<?php\nif (x()) {\n  define('A', 1);\n}\n", change: set("A", "x"),
			fault: "cannot set A: line 3 gives it a value inside of a condition, a function or a class; use line:"},
		{name: "refuses what stands behind a condition", format: "php", before: "<?php\nif (x()) $a = 1;\n", change: set("$a", "x"),
			fault: "cannot set $a: line 2 gives it a value inside of a condition, a function or a class; use line:"},
		{name: "refuses what stands twice", format: "php", before: "<?php\ndefine('A', 1);\ndefine('A', 2);\n", change: set("A", "x"),
			fault: "cannot set A: the file gives it a value 2 times, in lines 2 and 3; use line:"},
		{name: "refuses a constant in a file without any", format: "php", before: "<?php\n$cfg['A'] = 1;\n", change: set("A", "x"),
			fault: "cannot set A: the file defines no constants; it has $cfg.A, an element of a variable"},
		{name: "refuses a new variable", format: "php", before: "<?php\n$b = 1;\n", change: set("$a", "x"),
			fault: "cannot set $a: the file gives $a no value; use block:"},
		{name: "refuses an element of what is computed", format: "php", before: "<?php\n$a = load();\n", change: set("$a.b", "x"),
			fault: "cannot set $a.b: line 2 gives what is above it a value that is no array written out; use line:"},
		{name: "refuses a class's property", format: "php", before: "<?php\nclass C {\n  public $host = 'x';\n}\n", change: set("$host", "x"),
			fault: "cannot set $host: line 3 gives it a value inside of a condition, a function or a class; use line:"},
		{name: "refuses a key in brackets", format: "php", change: set("$a['b']", "x"),
			fault: "cannot set $a['b']: a variable is written $name, and an element of it $name.element"},
		{name: "refuses a sibling of a key with dots", format: "php", before: "<?php return ['a' => ['b.c' => 1]];", change: set("a.b.c", "x"),
			fault: `cannot set a.b.c: the file has the key b.c; write a."b.c"`},
		{name: "refuses a text without PHP", format: "php", before: "hello\n", change: set("A", "x"),
			fault: "the file has no <?php; edit its lines with line: or block:, or write the whole file with file:"},
	})
}

func TestALineIsReplacedOnlyWhenItMatchesOnce(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, before, pattern, set, after, fault string }{
		{"it matches once", "a\n  server_name _;\nb\n", `^\s*server_name `, "  server_name x;", "a\n  server_name x;\nb\n", ""},
		{"it was replaced before", "Port 22\n", `^#Port `, "Port 22", "Port 22\n", ""},
		{"it was replaced before, and stands twice", "x\nx\n", `^#`, "x", "x\nx\n", ""},
		{"it keeps CRLF", "#Port 1\r\nx\r\n", `^#Port `, "Port 2", "Port 2\r\nx\r\n", ""},
		{"it keeps a last line without an end", "x\n#Port 1", `^#Port `, "Port 2", "x\nPort 2", ""},
		{"no line matches", "a\n", `^b`, "c", "", "no line matches ^b"},
		{"two lines match", "a1\nx\na2\n", `^a`, "c", "", "2 lines match ^a, the first two are lines 1 and 3; make the pattern narrower"},
		{"the new line is two", "a\n", `^a`, "c\nd", "", "the new line holds a line break"},
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
	const begin, end = "# BEGIN oneclick-agent", "# END oneclick-agent"
	for _, test := range []struct{ name, file, before, text, after, fault string }{
		{"added", "x.conf", "a\n", "one\n", "a\n" + begin + "\none\n" + end + "\n", ""},
		{"added to a last line without an end", "x.conf", "a", "one", "a\n" + begin + "\none\n" + end + "\n", ""},
		{"added to an empty file", "x.conf", "", "one", begin + "\none\n" + end + "\n", ""},
		{"replaced", "x.conf", begin + "\none\n" + end + "\nb\n", "two\nthree", begin + "\ntwo\nthree\n" + end + "\nb\n", ""},
		{"replaced at the end of a file without a line break", "x.conf", begin + "\none\n" + end, "two", begin + "\ntwo\n" + end, ""},
		{"taken out", "x.conf", "a\n" + begin + "\none\n" + end + "\nb\n", "", "a\nb\n", ""},
		{"taken out where it is not", "x.conf", "a", "", "a", ""},
		{"with CRLF", "x.conf", "a\r\n", "one\r\ntwo\n", "a\r\n" + begin + "\r\none\r\ntwo\r\n" + end + "\r\n", ""},
		{"in PHP", "x.php", "<?php\n$a = 1;\n?>\n", "$b = 2;",
			"<?php\n$a = 1;\n// BEGIN oneclick-agent\n$b = 2;\n// END oneclick-agent\n?>\n", ""},
		{"in php.ini", "/etc/php.ini", "", "a = 1", "; BEGIN oneclick-agent\na = 1\n; END oneclick-agent\n", ""},
		{"in an INI file", "x.ini", "", "a = 1", begin + "\na = 1\n" + end + "\n", ""},
		{"in XML", "x.xml", "", "<a/>", "<!-- BEGIN oneclick-agent -->\n<a/>\n<!-- END oneclick-agent -->\n", ""},
		{"in SQL", "x.sql", "", "x", "-- BEGIN oneclick-agent\nx\n-- END oneclick-agent\n", ""},
		{"in JSON", "x.json", "{}", "x", "", "JSON has no comments that could mark a block; use set:"},
		{"behind PHP", "x.php", "<?php $a = 1; ?><p>\n", "x", "",
			"PHP ends before the end of the file, and so a block there would be sent to the browser; use line:"},
		{"half a block", "x", end + "\n", "y", "",
			fmt.Sprintf("the lines %q and %q do not stand in one pair; take them out by hand", begin, end)},
		{"two blocks", "x", strings.Repeat(begin+"\n"+end+"\n", 2), "y", "",
			fmt.Sprintf("the lines %q and %q do not stand in one pair; take them out by hand", begin, end)},
		{"a block in a block", "x", "", "a\n" + end, "", "the block holds a marker line of its own"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := Block([]byte(test.before), test.file, test.text)
			if test.fault != "" {
				if err == nil || err.Error() != test.fault {
					t.Errorf("got  %v\nwant %s", err, test.fault)
				}
				return
			}
			if err != nil || string(got) != test.after {
				t.Errorf("got  %q, %v\nwant %q", got, err, test.after)
			}
			if again, err := Block(got, test.file, test.text); err != nil || string(again) != string(got) {
				t.Errorf("done again it gives %q, %v", again, err)
			}
		})
	}
}
