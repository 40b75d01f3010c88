package manifest

import (
	"fmt"
	"io"
	"reflect"
	"strings"
)

// WriteReference writes the reference of all keys, made from the types that Parse fills and from their tags.
func WriteReference(w io.Writer, kinds []Kind) error {
	r := reference{}
	r.line("# Reference of the manifest\n")
	r.line("This page is made from the program's own types by `make docs`. How the parts work together is in")
	r.line("[manifest.md](manifest.md); the same keys for editors are in [app.schema.json](app.schema.json).\n")
	r.section("The whole", reflect.ValueOf(Manifest{}))
	for _, part := range []struct {
		title string
		value any
	}{
		{"`app`", App{}}, {"`secrets.NAME`", Secret{}}, {"`database`", Database{}}, {"`database.local` and `database.role`", Account{}},
		{"`database.local.admins`", Admin{}},
		{"`gate`", Gate{}}, {"`first_login.questions`", Question{}}, {"`check` of a question", Check{}},
		{"`pre_snapshot`", PreSnapshot{}}, {"`pre_snapshot.clean`", Choice{}}, {"`pre_snapshot.accept`", Accept{}},
	} {
		r.section(part.title, reflect.ValueOf(part.value))
	}
	r.line("## Steps\n")
	r.line("Each entry of `first_boot` and of `first_login.steps` is exactly one kind of step. All kinds take these keys:\n")
	r.table(reflect.ValueOf(Step{}))
	for _, kind := range kindsByKey(kinds) {
		spec := reflect.ValueOf(kind.New()).Elem()
		r.section("`"+kind.key+"`", spec)
		r.nested(spec)
	}
	_, err := io.WriteString(w, r.text.String())
	return err
}

type reference struct{ text strings.Builder }

func (r *reference) line(text string) { r.text.WriteString(text + "\n") }

func (r *reference) section(title string, v reflect.Value) {
	r.line("## " + title + "\n")
	r.table(v)
}

// nested adds the mappings that the fields of a step are made of.
func (r *reference) nested(spec reflect.Value) {
	fields, names := fieldsOf(spec)
	for _, name := range names {
		t := fields[name].value.Type()
		if t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
			t = t.Elem()
		}
		if t.Kind() == reflect.Struct && t != reflect.TypeFor[Template]() && t != reflect.TypeFor[Value]() {
			r.line("Within `" + name + "`:\n")
			r.table(reflect.New(t).Elem())
		}
	}
}

// table lists the keys of a mapping, with the words that they take, and what a template in them is for.
func (r *reference) table(v reflect.Value) {
	r.line("| key | takes | meaning |\n| --- | --- | --- |")
	fields, names := fieldsOf(v)
	for _, name := range names {
		tag := fields[name].tag
		takes := describeKey(fields[name].value.Type(), tag.Get("enum"))
		if tag.Get("required") != "" {
			takes += ", required"
		}
		if purpose := Purpose(tag.Get("for")); purpose != "" {
			takes += ", a template"
			if reason, _ := purpose.Refusal(); reason != "" {
				takes += " without secrets"
			}
		}
		if formats := tag.Get("of"); formats != "" {
			takes += "; for " + strings.ReplaceAll(formats, " ", ", ")
		}
		if other := tag.Get("with"); other != "" {
			takes += "; beside `" + other + "`"
		}
		r.line(fmt.Sprintf("| `%s` | %s | %s |", name, takes, strings.ReplaceAll(tag.Get("doc"), "|", "\\|")))
	}
	r.line("")
}

// describeKey is what a key takes, in words.
func describeKey(t reflect.Type, enum string) string {
	switch t {
	case reflect.TypeFor[Duration]():
		return "a time span such as `90s`, `15m`, `2h`"
	case reflect.TypeFor[Mode]():
		return "octal digits in quotes"
	case reflect.TypeFor[Template]():
		return "text"
	case reflect.TypeFor[Value]():
		return "any value"
	case reflect.TypeFor[Words]():
		return "one or a list of " + words(enum)
	}
	switch t.Kind() {
	case reflect.Pointer:
		return describeKey(t.Elem(), enum)
	case reflect.Slice:
		return "a list"
	case reflect.Map:
		return "a mapping by name"
	case reflect.Struct:
		return "a mapping"
	case reflect.Int:
		return "a whole number"
	case reflect.Bool:
		return "`true` or `false`"
	}
	if enum != "" {
		return words(enum)
	}
	return "text"
}

func words(enum string) string {
	if enum == "" {
		return "words"
	}
	return "`" + strings.Join(wordsOf(enum), "`, `") + "`"
}
