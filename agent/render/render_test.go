package render

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"text/template"
	"time"
)

func fill(t testing.TB, ctx context.Context, text string, data map[string]any, actions int) (string, error) {
	t.Helper()
	parsed, err := Parse(text, "")
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return parsed.Execute(ctx, data, actions)
}

func TestATemplateThatDoesNotEndIsEnded(t *testing.T) {
	t.Parallel()
	for _, test := range [][2]string{
		{"a loop over a number", "{{range 2000000000}}{{end}}"},
		{"a loop that goes on at once", "{{range 2000000000}}{{continue}}{{end}}"},
		{"loops in loops", "{{range 2000}}{{range 2000}}{{range 2000}}{{end}}{{end}}{{end}}"},
		{"a call of itself", `{{define "a"}}{{template "a"}}{{end}}{{template "a"}}`},
		{"calls of one another", `{{define "a"}}{{template "b"}}{{end}}{{define "b"}}{{template "a"}}{{end}}{{template "a"}}`},
		{
			"calls that double",
			`{{define "a"}}{{if lt . 40}}{{template "a" (add . 1)}}{{template "a" (add . 1)}}{{end}}{{end}}{{template "a" 0}}`,
		},
		{"a loop in else, in with, in if", "{{if 0}}{{else}}{{with 1}}{{range 2000000000}}{{end}}{{end}}{{end}}"},
		{"a loop in the else of a loop", "{{range 0}}{{else}}{{range 2000000000}}{{end}}{{end}}"},
		{"a block that is filled in by one", `{{block "a" 1}}{{template "a" .}}{{end}}`},
	} {
		name, text := test[0], test[1]
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, err := fill(t, t.Context(), text, nil, 50_000); !errors.Is(err, ErrEndless) || got != "" {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}

func TestACallOfItselfEndsWithAllTheActionsThereAre(t *testing.T) {
	t.Parallel()
	const want = "<{{template \"a\"}}>: exceeded maximum template depth (100000)"
	_, err := fill(t, t.Context(), `{{define "a"}}{{template "a"}}{{end}}{{template "a"}}`, nil, MaxActions)
	if !errors.Is(err, ErrEndless) && (err == nil || !strings.HasSuffix(err.Error(), want)) {
		t.Error(err)
	}
}

func TestALoopThatEndsIsLeftAlone(t *testing.T) {
	t.Parallel()
	parsed, err := Parse("{{range 1000}}x{{end}}", "")
	if err != nil {
		t.Fatal(err)
	}
	for range 3 { // each filling in begins with all its actions
		if got, err := parsed.Execute(t.Context(), nil, 1001); err != nil || got != strings.Repeat("x", 1000) || parsed.Actions() != 0 {
			t.Errorf("%d bytes, %v, %d actions left", len(got), err, parsed.Actions())
		}
	}
	if _, err := parsed.Execute(t.Context(), nil, 1000); !errors.Is(err, ErrEndless) {
		t.Error(err)
	}
}

func TestAFillingInEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := fill(t, ctx, "{{range 2000000000}}{{end}}", nil, 2_000_000_000); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

func TestATextThatGrowsWithoutEndIsEnded(t *testing.T) {
	t.Parallel()
	const much = `{{$x := printf "%999999d" 1}}{{$x = print $x $x $x $x}}{{$x = print $x $x $x}}`
	for name, test := range map[string]struct{ text, want string }{
		"doubled by print":     {`{{$x := "a"}}{{range 64}}{{$x = print $x $x}}{{end}}`, "<print $x $x>: error calling print: "},
		"doubled by printf":    {`{{$x := "a"}}{{range 64}}{{$x = printf "%s%s" $x $x}}{{end}}`, `<printf "%s%s" $x $x>: error calling printf: `},
		"grown by a quoting":   {`{{$x := "'"}}{{range 64}}{{$x = sh $x}}{{end}}`, "<sh $x>: error calling sh: "},
		"grown by escapes":     {`{{$x := "&"}}{{range 64}}{{$x = html $x $x}}{{end}}`, "<html $x $x>: error calling html: "},
		"one value many times": {much + "{{print" + strings.Repeat(" $x", 2000) + "}}", "error calling print: "},
		"one value by index":   {much + `{{printf "` + strings.Repeat("%[1]s", 2000) + `" $x}}`, "error calling printf: "},
		"wide numbers":         {`{{printf "` + strings.Repeat("%999999[1]d", 2000) + `" 1}}`, "error calling printf: "},
		"printed in a loop":    {much + "{{range 100}}{{$x}}{{end}}", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := fill(t, t.Context(), test.text, nil, MaxActions)
			if err == nil || got != "" || !strings.HasSuffix(err.Error(), test.want+"the text grows over 16777216 bytes") {
				t.Errorf("%d bytes, %.200v", len(got), err)
			}
		})
	}
}

func TestAMistakeIsToldWithItsPlaceAndItsName(t *testing.T) {
	t.Parallel()
	for _, test := range [][2]string{
		{"a\nb {{.app.nme}}", `2:9: <.app.nme>: map has no entry for key "nme"`},
		{"{{", "1:0: unclosed action"},
		{"a\n{{nofunction 1}}", `2:0: function "nofunction" not defined`},
		{"a\n\n{{if 1}}", "3:0: unexpected EOF"},
		{"\n{{template `zz`}}{{template `yy`}}", `2:0: template "zz" is not defined`},
		{"{{define `a`}}{{template `b`}}{{end}}", `1:0: template "b" is not defined`},
		{"{{index .app `nme`}}", "1:3: <index .app `nme`>: error calling index: nothing has this key"},
		{"{{index .app 1}}", "1:3: <index .app 1>: error calling index: a value of type int is no key of a mapping"},
		{"{{index .list 7}}", "1:3: <index .list 7>: error calling index: the index is out of range"},
		{"{{index .list `x`}}", "1:3: <index .list `x`>: error calling index: a value of type string is no index"},
		{"{{index 1 1}}", "1:3: <index 1 1>: error calling index: a value of type int has no entries"},
		{"{{call .app}}", "1:3: <call .app>: error calling call: there is nothing to call"},
		{"{{range .app.name}}{{end}}", "1:13: <.app.name>: range can't iterate over this value"},
		{"{{range $k, $v := .app.name}}{{end}}", "1:23: <.app.name>: range can't iterate over this value"},
		{"{{range $k, $v := 3}}{{end}}", "1:19: <3>: can't use this value to iterate over more than one variable"},
		{"{{div 1 0}}", "1:3: <div 1 0>: error calling div: division by zero"},
		{"{{add `x` 1}}", "1:3: <add `x` 1>: error calling add: the first value is not a whole number"},
		{"{{add 1 `x`}}", "1:3: <add 1 `x`>: error calling add: the second value is not a whole number"},
		{"{{len 1}}", "1:3: <len 1>: error calling len: a value of type int has no length"},
		{"{{slice 1}}", "1:3: <slice 1>: error calling slice: a value of type int has no parts"},
		{"{{slice `abc` 2 1}}", "1:3: <slice `abc` 2 1>: error calling slice: the index is out of range"},
		{"{{slice `abc` 1 2 3}}", "1:3: <slice `abc` 1 2 3>: error calling slice: slice takes at most two indexes"},
		{"{{eq 1}}", "1:3: <eq 1>: error calling eq: eq needs a value to compare with"},
		{"{{lt 1 `a`}}", "1:3: <lt 1 `a`>: error calling lt: a number, a text and a truth value cannot be compared with one another"},
	} {
		text, want := test[0], test[1]
		parsed, err := Parse(text, "")
		if err == nil {
			_, err = parsed.Execute(t.Context(), map[string]any{"app": map[string]any{"name": "App"}, "list": []any{1}}, 1000)
		}
		failed, ok := errors.AsType[*SyntaxError](err)
		if !ok {
			t.Errorf("%q: %v", text, err)
		} else if got := fmt.Sprintf("%d:%d: %s", failed.Line, failed.Column, failed.Message); got != want {
			t.Errorf("%q:\ngot  %s\nwant %s", text, got, want)
		}
	}
}

func TestReferencesAreWhatATemplateUsesOfItsData(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"no action":                                               "",
		"{{.a.b}}\n{{print .c (len .d.e)}}":                       "1:.a.b 2:.c 2:.d.e ",
		"{{range .a}}{{.b}}{{$.c.d}}{{end}}":                      "1:.a 1:.c.d ", // what . is in a loop cannot be told
		"{{with .a}}{{.b}}{{else}}{{.c}}{{end}}":                  "1:.a 1:.c ",
		"{{if .a}}{{.b}}{{else if .c}}{{.d}}{{end}}":              "1:.a 1:.b 1:.c 1:.d ",
		"{{(index .a `x`).b}}{{$v := .c}}{{$v.d}}":                "1:.a 1:.c ",
		"{{define `p`}}{{.x}}{{$.y}}{{end}}\n{{template `p` .z}}": "1:.y 2:.z ",
	} {
		parsed, err := Parse(text, "")
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, reference := range parsed.References() {
			got += fmt.Sprintf("%d:%s ", reference.Line, reference)
		}
		if got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", text, got, want)
		}
	}
}

func TestATextWithoutActionsIsItself(t *testing.T) {
	t.Parallel()
	parsed, err := Parse("plain } {", "")
	if err != nil || !parsed.Static() {
		t.Fatal(err)
	}
	if got, err := parsed.Execute(t.Context(), nil, 0); got != "plain } {" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

// values are what templates meet, and what text/template's own functions take a special way with.
func anyValue(r *rand.Rand) any {
	values := []any{
		0, 1, -1, 7, int64(1) << 60, int64(1)<<60 + 1, uint64(1) << 60, uint64(1)<<60 + 1, uint8(7), uint64(1 << 63), -1 << 62, 1.0, 7.0,
		2.5, math.Copysign(0, -1),
		"", "a", "abc", "ABC", "<a href='x'>&\"\x00é\n", "7", true, false, nil, []any{"a", 1, nil}, []any{}, []string{"b", "c"}, []int{3, 1},
		map[string]any{"a": "x", "b": 1}, map[string]any{}, map[string]string{"a": "y"}, int32(2), float32(2.5),
	}
	return values[r.IntN(len(values))]
}

// hidden is the value with each text in it a Value.
func hidden(value any) any {
	switch v := value.(type) {
	case string:
		return NewValue(v, func() {})
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = hidden(v[i])
		}
		return list
	case map[string]any:
		mapping := map[string]any{}
		for key := range v {
			mapping[key] = hidden(v[key])
		}
		return mapping
	}
	return value
}

// What we put in the place of text/template's functions comes to the same wherever text/template's come to anything,
// and takes a Value for its text.
func TestReplacedFunctionsComeToWhatThoseOfTextTemplateDo(t *testing.T) {
	t.Parallel()
	names := []string{"print", "println", "html", "js", "urlquery", "len", "slice", "index", "eq", "ne", "lt", "le", "gt", "ge", "printf"}
	formats := []string{"%v", "%d", "%s %s", "%[2]v %[1]v", "%q", "%x", "%5v|%-5v", "%*d", "%T", "%!", "%", "%#v", "%+v", "%6.2f",
		"%t", "%c", "%U"}
	agreed := map[string]int{}
	for seed := range uint64(20_000) {
		r := rand.New(rand.NewPCG(seed, 4))
		name := names[r.IntN(len(names))]
		data, ours := map[string]any{}, map[string]any{}
		call := name
		if name == "printf" {
			call += fmt.Sprintf(" %q", formats[r.IntN(len(formats))])
		}
		for i := range 1 + r.IntN(3) {
			key := string(rune('a' + i))
			data[key] = anyValue(r)
			ours[key] = hidden(data[key])
			call += " ." + key
		}
		if name == "index" && r.IntN(2) == 0 {
			call += ` "a"`
		}
		var out strings.Builder
		reference := template.Must(template.New("").Option("missingkey=error").Parse("{{" + call + "}}"))
		wantErr := reference.Execute(&out, data)
		got, err := fill(t, t.Context(), "{{"+call+"}}", ours, 1000)
		switch {
		case wantErr != nil, err != nil && strings.HasSuffix(err.Error(), "nothing has this key"):
		case err != nil:
			t.Fatalf("seed %d: %s of %#v: %v; want %q", seed, call, data, err, out.String())
		case got != out.String() && !strings.Contains(call, "%#v") && !strings.Contains(got, "0x"):
			t.Fatalf("seed %d: %s of %#v: got %q, want %q", seed, call, data, got, out.String())
		default:
			agreed[name]++
		}
	}
	for _, name := range names {
		if agreed[name] < 20 {
			t.Errorf("%s: %d answers were compared, too few to say anything", name, agreed[name])
		}
	}
}
