package render

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// outcome is what a filling in came to.
type outcome struct {
	text, trouble string
	asked         map[string]bool
}

// with fills a template in with the secret a, and tells whose text was asked for. Everything but a is always the same.
func with(t *testing.T, text, a string) (o outcome, ok bool) {
	t.Helper()
	parsed, err := Parse(text, "mysql")
	if err != nil {
		return o, false
	}
	o.asked = map[string]bool{}
	secret := func(name, value string) any { return NewValue(value, func() { o.asked[name] = true }) }
	key := map[string]any{"private": secret("a", a), "public": "p"}
	data := map[string]any{
		"secrets": map[string]any{"a": secret("a", a), "b": secret("b", "other value"), "key": key},
		"list":    []any{secret("a", a), "x", secret("b", "other value")}, "app": map[string]any{"name": "App", "version": "2"},
		"cpus": 2, "managed": false, "empty": NewValue("", func() { t.Error("nothing is asked of an empty text") }),
	}
	if o.text, err = parsed.Execute(t.Context(), data, 10_000); err != nil {
		o.trouble = err.Error()
	}
	return o, true
}

// phrases makes templates at random, from everything that a template can be made of.
type phrases struct{ *rand.Rand }

func pick(p phrases, words ...string) string { return words[p.IntN(len(words))] }

func (p phrases) operand(depth int) string {
	switch {
	case depth > 0 && p.IntN(2) == 0:
		return "(" + p.pipeline(depth-1) + ")"
	case p.IntN(2) == 0:
		return pick(p, ".secrets.a", "$.secrets.a", "$.secrets.key.private", ".secrets.a.String")
	}
	return pick(p, ".secrets.b", ".secrets.key", ".secrets", ".list", ".app", ".cpus", ".managed",
		".empty", "$", ".", "$x", `"text"`, `"a"`, `"%*d"`,
		"0", "1", "2.5", "true", "nil", "'c'", ".secrets.a.MarshalText", ".secrets.a.Format", ".secrets.a.text",
		".secrets.a.asked", `"%p"`, `"%!"`)
}

// likely is a call that can succeed.
func (p phrases) likely(depth int) string {
	switch p.IntN(4) {
	case 0:
		return pick(p, "eq", "ne", "lt", "le", "gt", "ge", "and", "or", "print", "println",
			"urlquery") + " " + p.operand(depth) + " " + p.operand(depth)
	case 1:
		return `printf "` + pick(p, "%s", "%x", "%#v", "%q %[1]d", "%T", "%v", "%6.2s", "% X", "%d", "%+v") + `" ` + p.operand(depth)
	}
	return pick(p, "sh", "dotenv", "json", "yaml", "ini", "php", "sql", "nginx", "xml", "html", "js", "urlquery", "len", "not",
		"print") + " " + p.operand(depth)
}

func (p phrases) pipeline(depth int) string {
	if p.IntN(4) > 0 {
		return p.likely(depth)
	}
	names := append(slices.Sorted(maps.Keys(functions(""))), "and", "or", "not")
	parts := []string{p.operand(depth)}
	for range p.IntN(3) {
		command := pick(p, names...)
		for range p.IntN(3) {
			command += " " + p.operand(depth)
		}
		parts = append(parts, command)
	}
	return strings.Join(parts, " | ")
}

func (p phrases) text(depth int) string {
	expression := p.pipeline(p.IntN(3))
	if depth == 0 {
		return "{{" + expression + "}}"
	}
	body := p.text(depth - 1)
	switch p.IntN(7) {
	case 0:
		return "{{if " + expression + "}}" + body + "{{else}}no{{end}}"
	case 1:
		return "{{range $k, $v := " + expression + "}}{{$k}} {{$v}} {{.}}" + body + "{{else}}none{{end}}"
	case 2:
		return "{{with " + expression + "}}{{.}}" + body + "{{end}}"
	case 3:
		return "{{$x = " + expression + "}}" + body + "{{$x}}"
	case 4:
		return `{{template "own" ` + p.operand(1) + "}}" + body
	case 5:
		return `{{block "inner" ` + p.operand(1) + "}}{{.}}{{end}}" + body
	}
	return "before " + body + " after"
}

// Whatever way a template takes to a secret: where its text depends on the secret, the secret was asked; and no error
// holds any of it. Two runs with different secrets are the oracle, so that no encoding has to be thought of.
func TestWhateverTemplateTellsAnyPartOfASecretTheSecretWasAsked(t *testing.T) {
	t.Parallel()
	address := regexp.MustCompile(`0x[0-9a-f]+|[cC]0{2}[0-9a-fA-F]{7}|82463\d+`)
	told, quiet := 0, 0
	for seed := range uint64(10_000) {
		p := phrases{rand.New(rand.NewPCG(seed, 9))}
		text := `{{define "own"}}<{{.}}{{with .}}{{.}}{{end}}>{{end}}{{$x := "x"}}` + p.text(p.IntN(3))
		one, ok := with(t, text, "Qz7~Kj9!")
		if !ok {
			continue
		}
		two, _ := with(t, text, "w")
		for _, part := range []string{"Qz", "z7", "7~", "Kj", "j9", "9!", "81 122", "517a", "517A"} {
			if strings.Contains(one.trouble, part) {
				t.Fatalf("seed %d: %s\nthe error holds a part of the secret: %s", seed, text, one.trouble)
			}
		}
		if one.text == two.text {
			quiet++
			continue
		}
		if one.asked["a"] && two.asked["a"] {
			told++
			continue
		}
		if address.ReplaceAllString(one.text, "") != address.ReplaceAllString(two.text, "") {
			t.Fatalf("seed %d: %s\nit was not asked, and came to\n%q\n%q", seed, text, one.text, two.text)
		}
	}
	if told < 500 || quiet < 500 {
		t.Errorf("%d texts depend on the secret and %d do not: too few to say anything", told, quiet)
	}
}

func TestASecretReadsLikeItsTextHoweverItIsTaken(t *testing.T) {
	t.Parallel()
	for _, test := range [][2]string{
		{"{{.secrets.a}}", "abc"},
		{"{{print .secrets.a .secrets.a}}", "abcabc"},
		{"{{print .secrets.a 1 2}}", "abc1 2"},
		{"{{println .secrets.a .secrets.a}}", "abc abc\n"},
		{`{{printf "%s %q %x %5s %.1s" .secrets.a .secrets.a .secrets.a .secrets.a .secrets.a}}`, `abc "abc" 616263   abc a`},
		{`{{printf "%d" .secrets.a}}`, "%!d(string=abc)"},
		{"{{.secrets.key}}", "map[private:abc public:p]"},
		{"{{.list}}", "[abc x other value]"},
		{"{{range .list}}{{.}},{{end}}", "abc,x,other value,"},
		{"{{.secrets.a.String}}", "abc"},
		{"{{len .secrets.a}} {{slice .secrets.a 1}} {{slice .secrets.a 0 (sub (len .secrets.a) 1)}}", "3 bc ab"},
		{"{{index .secrets.a 0}} {{index .list 0}} {{index .secrets `a`}} {{index .secrets `key` `private`}}", "97 abc abc abc"},
		{`{{eq .secrets.a "abc"}} {{ne .secrets.a "abc"}} {{lt .secrets.a "b"}} {{ge "abc" .secrets.a}}`, "true false true true"},
		{`{{eq "x" "y" .secrets.a}} {{eq .secrets.a .secrets.a}}`, "false true"},
		{"{{.secrets.a}}{{if .empty}}no{{end}}{{if not .empty}} unset{{end}}", "abc unset"},
		{"{{or .empty .secrets.a}} {{and .secrets.a .app.name}}", "abc App"},
		{"{{html .secrets.a}} {{js .secrets.a}} {{urlquery .secrets.a .secrets.a}}", "abc abc abcabc"},
		{
			`{{sh .secrets.a}} {{dotenv .secrets.a}} {{json .secrets.key}} {{yaml .secrets.a}}`,
			`'abc' abc {"private":"abc","public":"p"} "abc"`,
		},
		{"{{ini .secrets.a}} {{php .secrets.a}} {{sql .secrets.a}}", `abc 'abc' 'abc'`},
		{"{{nginx .secrets.a}} {{xml .secrets.a}}", `"abc" abc`},
		{"{{with $s := .secrets.a}}{{$s}}{{end}}", "abc"},
	} {
		text, want := test[0], test[1]
		got, ok := with(t, text, "abc")
		if !ok || got.text != want || !got.asked["a"] {
			t.Errorf("%s: %q, asked %v, %s; want %q", text, got.text, got.asked, got.trouble, want)
		}
	}
}

func TestWhatOnlyNamesASecretDoesNotAskIt(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"{{if .secrets.a}}set{{end}}":                         "set",
		"{{with .secrets.a}}set{{end}}":                       "set",
		"{{$x := .secrets.a}}set":                             "set",
		"{{not .secrets.a}}":                                  "false",
		"{{len .secrets}}":                                    "3",
		"{{range $k, $v := .secrets}}{{$k}} {{end}}":          "a b key ",
		"{{if and .secrets.a .managed}}{{.secrets.a}}{{end}}": "",
		"{{.secrets.key.public}}":                             "p",
	} {
		got, ok := with(t, text, "abc")
		if !ok || got.trouble != "" || got.text != want || len(got.asked) > 0 {
			t.Errorf("%s: %q, asked %v, %s; want %q", text, got.text, got.asked, got.trouble, want)
		}
	}
}

func TestAnEmptySecretIsAnEmptyText(t *testing.T) {
	t.Parallel()
	if got := NewValue("", func() { t.Error("it was asked") }); got != "" {
		t.Errorf("%#v", got)
	}
	if got := fmt.Sprint(NewValue("x", func() {})); got != "x" {
		t.Errorf("%q", got)
	}
}
