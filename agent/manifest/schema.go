package manifest

import (
	"encoding/json"
	"io/fs"
	"reflect"
)

// FileMode turns octal permission bits into Go's, setuid, setgid and sticky included.
func FileMode(bits uint64) fs.FileMode {
	mode := fs.FileMode(bits & 0o777)
	if bits&0o4000 != 0 {
		mode |= fs.ModeSetuid
	}
	if bits&0o2000 != 0 {
		mode |= fs.ModeSetgid
	}
	if bits&0o1000 != 0 {
		mode |= fs.ModeSticky
	}
	return mode
}

// Schema is the JSON Schema of a manifest, for editors, made from the types that Parse fills.
func Schema(kinds []Kind) ([]byte, error) {
	d := describer{kindsByKey(kinds)}
	schema := d.value(reflect.TypeFor[Manifest](), "")
	schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	schema["title"] = "oneclick-agent image manifest, /etc/oneclick/app.yaml"
	encoded, err := json.MarshalIndent(schema, "", "  ")
	return append(encoded, '\n'), err
}

type object = map[string]any

// describer writes the types down as a JSON Schema.
type describer struct{ kinds []namedKind }

func (d describer) value(t reflect.Type, enum string) object {
	switch t {
	case reflect.TypeFor[Template]():
		return object{"type": []string{"string", "number", "boolean"}}
	case reflect.TypeFor[Duration]():
		return object{"type": "string", "pattern": "^[0-9]+[smhdy]$"}
	case reflect.TypeFor[Mode]():
		return object{"type": []string{"string", "integer"}, "pattern": octal().String()}
	case reflect.TypeFor[Value]():
		return object{}
	case reflect.TypeFor[Step]():
		return d.step()
	case reflect.TypeFor[Words]():
		word := d.value(reflect.TypeFor[string](), enum)
		return object{"oneOf": []any{word, object{"type": "array", "items": word}}}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return d.value(t.Elem(), enum)
	case reflect.Struct:
		return d.mapping(reflect.New(t).Elem())
	case reflect.Map:
		return object{"type": "object", "additionalProperties": d.value(t.Elem(), "")}
	case reflect.Slice:
		return object{"type": "array", "items": d.value(t.Elem(), enum)}
	case reflect.Int:
		return object{"type": "integer"}
	case reflect.Bool:
		return object{"type": "boolean"}
	}
	if enum != "" {
		return object{"type": "string", "enum": wordsOf(enum)}
	}
	return object{"type": []string{"string", "number"}}
}

// step is one of the kinds, each with what all steps share.
func (d describer) step() object {
	kinds := []any{}
	for _, kind := range d.kinds {
		described := d.mapping(reflect.ValueOf(Step{}), reflect.ValueOf(kind.New()).Elem())
		described["required"] = append([]string{kind.key}, required(described)...)
		kinds = append(kinds, described)
	}
	return object{"oneOf": kinds}
}

func required(described object) []string {
	names, _ := described["required"].([]string)
	return names
}

func (d describer) mapping(structs ...reflect.Value) object {
	properties, required := object{}, []string{}
	fields, names := fieldsOf(structs...)
	for _, name := range names {
		property := d.value(fields[name].value.Type(), fields[name].tag.Get("enum"))
		property["description"] = fields[name].tag.Get("doc")
		properties[name] = property
		if fields[name].tag.Get("required") != "" {
			required = append(required, name)
		}
	}
	out := object{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		out["required"] = required
	}
	return out
}
