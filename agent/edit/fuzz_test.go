package edit

import (
	"strings"
	"testing"
)

func FuzzDotenv(f *testing.F)      { fuzzFormat(f, "dotenv") }
func FuzzEnvironment(f *testing.F) { fuzzFormat(f, "environment") }
func FuzzPHPSettings(f *testing.F) { fuzzFormat(f, "php.ini") }
func FuzzPython(f *testing.F)      { fuzzFormat(f, "python") }
func FuzzINI(f *testing.F)         { fuzzFormat(f, "ini") }
func FuzzMySQL(f *testing.F)       { fuzzFormat(f, "mysql") }
func FuzzSystemd(f *testing.F)     { fuzzFormat(f, "systemd") }
func FuzzYAML(f *testing.F)        { fuzzFormat(f, "yaml") }
func FuzzJSON(f *testing.F)        { fuzzFormat(f, "json") }
func FuzzTOML(f *testing.F)        { fuzzFormat(f, "toml") }
func FuzzPHP(f *testing.F)         { fuzzFormat(f, "php") }

// fuzzFormat holds, for whatever is in a file, whatever the key and the value: an edit either refuses, without the
// value in its words, or changes the file so that editing again changes nothing more; and what was set can be taken
// out, after which taking it out changes nothing more.
func fuzzFormat(f *testing.F, format string) {
	seeds := 0
	for other, files := range markedFiles(f) {
		for _, file := range files {
			text := strings.NewReplacer("@", "K", "⟦", "", "⟧", "").Replace(file.text)
			f.Add([]byte(text), strings.ReplaceAll(file.key, "@", "K"), "it's \"5\" # x")
			if other == format {
				f.Add([]byte(text), `new."a.b"`, "x")
				seeds++
			}
		}
	}
	if seeds < 2 {
		f.Fatalf("testdata/marked.txt has %d files of %s", seeds, format)
	}
	f.Fuzz(func(t *testing.T, file []byte, key, value string) {
		mark := "hunter2" + value
		_, err := Apply(format, file, set(key, mark))
		if err != nil && strings.Contains(err.Error(), "hunter2") && !strings.Contains(string(file)+key, "hunter2") {
			t.Errorf("the error holds the value: %v", err)
		}
		once, err := Apply(format, file, set(key, value))
		if err != nil {
			return
		}
		twice, err := Apply(format, once, set(key, value))
		if err != nil || string(twice) != string(once) {
			t.Fatalf("%q becomes %q, and edited again %q, %v", file, once, twice, err)
		}
		gone, err := Apply(format, once, unset(key))
		if err != nil {
			return
		}
		if again, err := Apply(format, gone, unset(key)); err != nil || string(again) != string(gone) {
			t.Errorf("taken out of %q it leaves %q, and again %q, %v", once, gone, again, err)
		}
	})
}

func FuzzParseKey(f *testing.F) {
	for _, seed := range []string{"a.b", `a."m.h".b`, `"\"\\"`, "a..b", `"`, "$x.y"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		key, err := ParseKey(text)
		if err != nil {
			return
		}
		again, err := ParseKey(key.String())
		if err != nil || strings.Join(again.Names(), "\x00") != strings.Join(key.Names(), "\x00") {
			t.Errorf("%q is read as %q, written as %s, and read as %q, %v", text, key.Names(), key, again.Names(), err)
		}
	})
}

func FuzzGuess(f *testing.F) {
	for _, files := range markedFiles(f) {
		for _, file := range files {
			f.Add([]byte(file.text))
		}
	}
	f.Fuzz(func(_ *testing.T, data []byte) { Guess(data) })
}
