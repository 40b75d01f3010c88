package edit

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// edited is a file before and after an edit, or the error.
type edited struct {
	name, format  string
	before, after string
	change        Change
	fault         string
}

// set is a change of one key.
func set(key string, value any) Change { return Change{Set: map[string]any{key: value}} }

func unset(keys ...string) Change { return Change{Unset: keys} }

func num(text string) json.Number { return json.Number(text) }

func testEdits(t *testing.T, tests []edited) {
	t.Helper()
	t.Parallel()
	for _, test := range tests {
		t.Run(test.format+" "+test.name, func(t *testing.T) {
			t.Parallel()
			got, err := Apply(test.format, []byte(test.before), test.change)
			if test.fault != "" {
				if err == nil || err.Error() != test.fault {
					t.Errorf("got  %v\nwant %s", err, test.fault)
				}
				return
			}
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

func TestEditsOfEnvironmentFiles(t *testing.T) {
	testEdits(t, []edited{
		{name: "replaces a value and keeps comments and order", format: "dotenv", change: set("KEY", "new value"),
			before: "# app\nA=1\nexport KEY=old # why\nB=2\n", after: "# app\nA=1\nexport KEY='new value' # why\nB=2\n"},
		{name: "does not touch a key with the same ending", format: "dotenv", change: set("JWT_SECRET", "y"),
			before: "ADMIN_JWT_SECRET=x\nJWT_SECRET=x\n", after: "ADMIN_JWT_SECRET=x\nJWT_SECRET=y\n"},
		{name: "replaces a quoted value over several lines", format: "dotenv", change: set("KEY", "x"),
			before: "KEY=\"a\nb=c\n\"\nB=2\n", after: "KEY=\"x\"\nB=2\n"},
		{name: "adds to a file without a last line break", format: "dotenv", before: "A=1", after: "A=1\nB=2\n", change: set("B", "2")},
		{name: "keeps a last line without a line break", format: "dotenv", before: "A=1", after: "A=2", change: set("A", "2")},
		{name: "keeps CRLF", format: "dotenv", before: "A=1\r\nB=1\r\n", after: "A=2\r\nB=1\r\nC=3\r\n",
			change: Change{Set: map[string]any{"A": "2", "C": "3"}}},
		{name: "keeps CRLF behind a comment", format: "dotenv", before: "A='1' # c\r\nB=1", after: "A='x y' # c\r\nB=1",
			change: set("A", "x y")},
		{name: "takes a key out", format: "dotenv", before: "A=1\nDEBUG=1\nB=2\n", after: "A=1\nB=2\n", change: unset("DEBUG")},
		{name: "takes out every entry of a name", format: "dotenv", before: "D=1\nA=1\nexport D='x\ny'", after: "A=1\n", change: unset("D")},
		{name: "gives every entry of a name the value", format: "dotenv", before: "D=1\nA=1\nD='2'\n", after: "D=x\nA=1\nD='x'\n",
			change: set("D", "x")},
		{name: "quotes what would be expanded", format: "dotenv", after: "A='$HOME `x` \"'\nB=\"it's \\$1\"\n",
			change: Change{Set: map[string]any{"A": "$HOME `x` \"", "B": "it's $1"}}},
		{name: "does not touch the same value in other quotes", format: "dotenv", before: "A='it'\"'\"'s'\n", after: "A='it'\"'\"'s'\n",
			change: set("A", "it's")},
		{name: "fills an empty value before a comment", format: "dotenv", before: "A= # c\n", after: "A=x # c\n", change: set("A", "x")},
		{name: "knows a # inside of a value", format: "dotenv", before: "A=a#b #c\n", after: "A='x#y' #c\n", change: set("A", "x#y")},
		{name: "keeps a byte order mark", format: "dotenv", before: "\ufeffA=1\n", after: "\ufeffA=2\n", change: set("A", "2")},
		{name: "keeps a name with dots that stands", format: "dotenv", before: "server.port=1\n", after: "server.port=2\n",
			change: set("server.port", "2")},
		{name: "refuses a new name with dots", format: "dotenv", before: "A=1\n", change: set("server.port", "2"),
			fault: "cannot set server.port: no entry has this name, and a new one with a dot or a hyphen could not be read by sh"},
		{name: "refuses a name that is none", format: "dotenv", change: set("1A", "2"),
			fault: `cannot set 1A: "1A" is no name of an environment variable: letters, digits and _, and no digit first`},
		{name: "refuses YAML", format: "dotenv", before: "# c\nserver:\n  port: 1\n", change: set("A", "2"),
			fault: "line 2 is not NAME=value; it looks like format: yaml"},
		{name: "refuses shell code", format: "dotenv", before: "A=1\nif true; then\n  B=1\nfi\n", change: set("A", "2"),
			fault: "line 2 is not NAME=value; edit its lines with line: or block:, or write the whole file with file:"},
		{name: "refuses a quote that is not closed", format: "dotenv", before: "A='x\n", change: set("B", "2"),
			fault: "line 1 has a quote that is not closed; edit its lines with line: or block:, or write the whole file with file:"},
		{name: "refuses a list", format: "dotenv", change: set("A", []any{"x"}),
			fault: "cannot set A: the format holds single values, not lists or mappings"},
		{name: "refuses a control character", format: "dotenv", change: set("A", "secret\x1b"),
			fault: "cannot set A: the value holds a control character, which this format cannot carry"},
		{name: "refuses UTF-16", format: "dotenv", before: "A\x00=\x001\x00", change: set("A", "x"),
			fault: "the file holds NUL bytes: it is no text, or UTF-16; convert it to UTF-8"},
		{name: "keeps quotes", format: "environment", before: "PATH=\"/bin\"\nA='x'\n", after: "PATH=\"/bin\"\nA='a b'\n",
			change: set("A", "a b")},
		{name: "refuses what pam_env cuts off", format: "environment", change: set("A", "secret#1"),
			fault: `cannot set A: the value holds ', #, \ or a line break, ` +
				`which /etc/environment cannot carry; use an environment file of the unit`},
	})
}

func TestEditsOfJSON(t *testing.T) {
	testEdits(t, []edited{
		{name: "replaces a nested value", format: "json", before: "{\n  \"a\": {\"b\": 1},\n  \"c\": 2\n}\n",
			after:  "{\n  \"a\": {\"b\": \"x\"},\n  \"c\": 2\n}\n",
			change: set("a.b", "x")},
		{name: "adds with the file's indentation", format: "json", before: "{\n    \"a\": 1\n}\n",
			after: "{\n    \"a\": 1,\n    \"b\": true\n}\n", change: set("b", true)},
		{name: "adds to a file in one line", format: "json", before: `{"a":1,"b":2}`, after: `{"a":1,"b":2,"c":"x"}`, change: set("c", "x")},
		{name: "takes a key out", format: "json", before: "{\n  \"a\": 1,\n  \"b\": 2\n}\n", after: "{\n  \"b\": 2\n}\n", change: unset("a")},
		{name: "begins an empty file", format: "json", after: "{\n  \"a\": {\n    \"b\": \"x\"\n  }\n}\n", change: set("a.b", "x")},
		{name: "adds to a list", format: "json", before: "{\"a\": [1, 2]}", after: "{\"a\": [1, 2, \"x\"]}", change: set("a.2", "x")},
		{name: "adds many items in the order of their numbers", format: "json", before: `{"a": [0]}`,
			after: `{"a": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]}`,
			change: Change{Set: map[string]any{"a.10": num("10"), "a.9": num("9"), "a.8": num("8"), "a.7": num("7"), "a.6": num("6"),
				"a.5": num("5"), "a.4": num("4"), "a.3": num("3"), "a.2": num("2"), "a.1": num("1")}}},
		{name: "tells large numbers apart", format: "json", before: `{"a": 9007199254740992}`, after: `{"a": 9007199254740993}`,
			change: set("a", num("9007199254740993"))},
		{name: "has a string beside a number", format: "json", before: `{"a": 1}`, after: `{"a": "1"}`, change: set("a", "1")},
		{name: "keeps a key with dots at the top", format: "json", before: `{"a.b": 1}`, after: `{"a.b": 2}`, change: set("a.b", num("2"))},
		{name: "refuses a sibling of a key with dots", format: "json", before: `{"x": {"m.homeserver": {"u": 1}}}`,
			change: set("x.m.homeserver.u", "y"),
			fault:  `cannot set x.m.homeserver.u: the file has the key m.homeserver; write x."m.homeserver".u`},
		{name: "refuses to take out a sibling of a key with dots", format: "json", before: `{"x": {"a.b": 1}}`, change: unset("x.a.b"),
			fault: `cannot take out x.a.b: the file has the key a.b; write x."a.b"`},
		{name: "takes out a key with dots", format: "json", before: `{"x": {"a.b": 1, "c": 2}}`, after: `{"x": {"c": 2}}`,
			change: unset(`x."a.b"`)},
		{name: "refuses a name where a list is", format: "json", before: `{"a": [1]}`, change: set("a.b", "x"),
			fault: "cannot set a.b: b stands where the file has a list; its items are 0 to 0"},
		{name: "refuses a place far behind a list", format: "json", before: `{"a": [1]}`, change: set("a.3", "x"),
			fault: "cannot set a.3: the list has 1 items; the next one is 1"},
		{name: "refuses to take an item out of a list", format: "json", before: `{"a": [1]}`, change: unset("a.0"),
			fault: "cannot take out a.0: the file has a list there, and done twice the next item would go, too; set the whole list"},
		{name: "refuses a key below a value", format: "json", before: `{"a": 1}`, change: set("a.b", "x"),
			fault: "cannot set a.b: a is a single value"},
		{name: "refuses a key that stands twice", format: "json", before: `{"a": 1, "a": 2}`, change: set("a", "x"),
			fault: "cannot set a: an object on the way to it has a key twice"},
		{name: "refuses a comment", format: "json", before: "{\n  // c\n  \"a\": \"//\"\n}", change: set("a", "x"),
			fault: "the file is no JSON: line 2 has a comment; edit its lines with line: or block:, or write the whole file with file:"},
		{name: "refuses half a file", format: "json", before: "{", change: set("a", "x"),
			fault: "the file is no JSON: it ends too early; edit its lines with line: or block:, or write the whole file with file:"},
		{name: "refuses YAML", format: "json", before: "a:\n  b: 1\n", change: set("a", "x"),
			fault: "the file is no JSON: line 1 cannot be read; it looks like format: yaml"},
	})
}

func TestEditsOfTOML(t *testing.T) {
	testEdits(t, []edited{
		{name: "replaces a value in its table and keeps the comment", format: "toml", before: "a = 1\n[t]\nb = \"x\" # why\n",
			after: "a = 1\n[t]\nb = \"y\" # why\n", change: set("t.b", "y")},
		{name: "replaces a value over several lines", format: "toml", before: "[t]\nb = [\n  1,\n  2,\n]\nc = 3\n",
			after:  "[t]\nb = [\"x\"]\nc = 3\n",
			change: set("t.b", []any{"x"})},
		{name: "adds to a table, and a table", format: "toml", before: "[t]\nb = 1\n\n[u]\nc = 2\n",
			after:  "[t]\nb = 1\nd = 4\n\n[u]\nc = 2\n\n[v]\ne = true\n",
			change: Change{Set: map[string]any{"t.d": num("4"), "v.e": true}}},
		{name: "puts a top key before the tables", format: "toml", before: "# c\n\n# t\n[t]\nb = 1\n",
			after: "# c\n\nz = \"1\"\n# t\n[t]\nb = 1\n", change: set("z", "1")},
		{name: "adds to a table that dotted keys made", format: "toml", before: "a.b = 1\nx = 2\n", after: "a.b = 1\na.c = \"y\"\nx = 2\n",
			change: set("a.c", "y")},
		{name: "adds to an inline table", format: "toml", before: "a = { b = 1 }\n", after: "a = { b = 1, c = \"y\" }\n",
			change: set("a.c", "y")},
		{name: "adds a table to a list of tables", format: "toml", before: "[[s]]\nn = 1\n", after: "[[s]]\nn = 1\n\n[[s]]\nn = \"x\"\n",
			change: set("s.1.n", "x")},
		{name: "takes a table out", format: "toml", before: "[t]\nb = 1\n[t.u]\nc = 2\n[v]\n", after: "[v]\n", change: unset("t")},
		{name: "keeps a literal string", format: "toml", before: "a = 'x' # c\r\n", after: "a = 'C:\\y' # c\r\n", change: set("a", `C:\y`)},
		{name: "tells a number from one with a fraction", format: "toml", before: "a = 1.0\n", after: "a = 1\n", change: set("a", num("1"))},
		{name: "refuses null", format: "toml", before: "a = 1\n", change: set("a", nil),
			fault: "cannot set a: TOML has no empty value; take the key out with unset:"},
		{name: "refuses a broken file", format: "toml", before: "b = 1\n= 1", change: set("a", "x"),
			fault: "the file is no TOML: line 2 cannot be read; edit its lines with line: or block:, or write the whole file with file:"},
	})
}

func TestAKeyHasOneSyntax(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ text, names, fault string }{
		{"a", "a", ""}, {"a.b.c", "a|b|c", ""}, {`a."m.homeserver".b`, "a|m.homeserver|b", ""}, {`"a\"b\\c"`, `a"b\c`, ""}, {`""`, "", ""},
		{"mysqld.bind-address", "mysqld|bind-address", ""}, {"a b.c", "a b|c", ""}, {"$cfg.Servers.1", "$cfg|Servers|1", ""},
		{"", "", `the key has an empty part; one dot stands between two parts, and one with a dot is quoted: a."b.c"`},
		{"a..b", "", `the key has an empty part; one dot stands between two parts, and one with a dot is quoted: a."b.c"`},
		{"a.", "", `the key has an empty part; one dot stands between two parts, and one with a dot is quoted: a."b.c"`},
		{`a."b`, "", "a quote in the key is not closed"}, {`"a"b`, "", `a dot must follow "a" in the key`},
		{`a"b`, "", `a quote stands inside of a part of the key; write the whole part in quotes: "a\"b"`},
		{" a", "", `white space stands around a part of the key; write it in quotes if it belongs to the name: " a"`},
		{"a\nb", "", "the key holds a control character"},
	} {
		key, err := ParseKey(test.text)
		if test.fault != "" {
			if err == nil || err.Error() != test.fault {
				t.Errorf("%q: got  %v\nwant %s", test.text, err, test.fault)
			}
			continue
		}
		if err != nil || strings.Join(key.Names(), "|") != test.names {
			t.Errorf("%q is read as %q, %v", test.text, key.Names(), err)
		}
		if test.text != key.String() {
			t.Errorf("%q is written as %s", test.text, key)
		}
	}
}

func TestOneChangeMayNotContradictItself(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		change Change
		want   string
	}{
		{Change{Set: map[string]any{"a": "x", "a.b": "y"}}, "cannot set a and set a.b in one step: one is a part of the other"},
		{Change{Set: map[string]any{"a": "x"}, Unset: []string{"a"}}, "cannot set a and take out a in one step: one is a part of the other"},
		{Change{Set: map[string]any{`"a"`: "x", "a": "y"}}, ""},
	} {
		_, err := Apply("json", nil, test.change)
		if err == nil || test.want != "" && err.Error() != test.want {
			t.Errorf("got  %v\nwant %s", err, test.want)
		}
	}
}

func TestAnErrorNeverHoldsTheValue(t *testing.T) {
	t.Parallel()
	values := []any{"hunter2\n\x1b#'\\", "hunter2\xff", []any{"hunter2"}, map[string]any{"hunter2": "x"}, " hunter2 ", "hunter2${a}'\x01"}
	refused := 0
	for format, files := range markedFiles(t) {
		for _, file := range files {
			before := strings.NewReplacer("@", "K", "⟦", "", "⟧", "").Replace(file.text)
			for _, other := range Formats() {
				for _, value := range values {
					_, err := Apply(other, []byte(before), set(strings.ReplaceAll(file.key, "@", "K"), value))
					if err == nil {
						continue
					}
					refused++
					if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "old") && !strings.Contains(err.Error(), "holds") {
						t.Errorf("%s as %s: %v", format, other, err)
					}
				}
			}
		}
	}
	if refused < 500 {
		t.Errorf("only %d were refused", refused)
	}
}

func TestTheFilesNameTellsTheFormatWhereItIsCertain(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]string{
		"/opt/app/.env": "dotenv", "/opt/app/.env.production": "dotenv", "/etc/app.env": "dotenv", "/etc/default/app": "dotenv",
		"/etc/environment":         "environment",
		"/etc/php/8.3/fpm/php.ini": "php.ini", "/etc/php/8.3/fpm/conf.d/20-x.ini": "php.ini", "/etc/php/8.3/fpm/pool.d/www.conf": "php.ini",
		"/etc/grafana/grafana.ini": "ini", "/etc/mysql/my.cnf": "mysql", "/root/.my.cnf": "mysql", "/etc/ssl/openssl.cnf": "text",
		"/root/airflow/airflow.cfg":     "python",
		"/etc/systemd/system/a.service": "systemd", "/etc/systemd/system/a.service.d/x.conf": "systemd",
		"/usr/lib/systemd/system/a.service.d/x.conf": "systemd",
		"/etc/systemd/journald.conf":                 "systemd", "/etc/systemd/journald.conf.d/x.conf": "systemd", "/etc/a.yml": "yaml",
		"/etc/a.json": "json", "/etc/a.toml": "toml",
		"/var/www/wp-config.php": "php", "/etc/odoo.conf": "text", "/etc/nginx/nginx.conf": "text", "/etc/hosts": "text",
		"/opt/{{ .app.name }}/.env": "dotenv",
	} {
		if got := FormatOf(file); got != want {
			t.Errorf("%s: got %s, want %s", file, got, want)
		}
	}
	if got := Likely("/etc/odoo.conf"); got != "ini" {
		t.Errorf("/etc/odoo.conf is most likely %q", got)
	}
}

func TestATextTellsItsFormat(t *testing.T) {
	t.Parallel()
	for format, files := range markedFiles(t) {
		for _, file := range files {
			got := Guess([]byte(strings.NewReplacer("@", "K", "⟦", "", "⟧", "").Replace(file.text)))
			kin := map[string]string{"python": "ini", "environment": "dotenv"}[format]
			if got != format && got != kin && got != "" && len(file.text) > 60 {
				t.Errorf("%q looks like %s", file.text, got)
			}
		}
	}
	for text, want := range map[string]string{
		"<VirtualHost *:80>\n  ServerName x\n</VirtualHost>\n": "apache", "server {\n  listen 80;\n}\n": "nginx",
		"<?xml version=\"1.0\"?><a/>": "xml", "<config><a/></config>": "xml",
		"A=1\nexport B='x'\n": "dotenv", "[options]\nadmin_passwd = x\n": "ini", "[Unit]\nA=1\n": "systemd", "[mysqld]\nx=1\n": "mysql",
		"[PHP]\nx=1\n":                      "php.ini",
		"title = \"x\"\n[a.b]\nc = \"d\"\n": "toml", "a:\n  - b\n": "yaml", "---\na: 1\n": "yaml", "{\"a\": 1}": "json", "[1]": "json",
		"<?php $x = 1;": "php", "": "", "hello world\n": "",
	} {
		if got := Guess([]byte(text)); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestTheSystemsOwnFilesAreReadAndStayAsTheyAre(t *testing.T) {
	t.Parallel()
	read := 0
	for _, file := range []string{
		"/etc/mysql/my.cnf", "/etc/mysql/mariadb.cnf", "/etc/mysql/mariadb.conf.d/50-server.cnf", "/etc/php/8.2/cli/php.ini",
		"/etc/systemd/journald.conf",
		"/etc/systemd/logind.conf", "/usr/lib/systemd/system/systemd-logind.service", "/usr/lib/systemd/system/mariadb.service",
		"/etc/environment",
	} {
		data, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		read++
		after, err := Apply(FormatOf(file), data, unset("NoSuchSection_x"))
		if FormatOf(file) == "mysql" || FormatOf(file) == "systemd" {
			after, err = Apply(FormatOf(file), data, unset("NoSuchSection.x"))
		}
		if err != nil || string(after) != string(data) {
			t.Errorf("%s: %v", file, err)
		}
	}
	if read == 0 {
		t.Error("this machine has none of the files")
	}
}
