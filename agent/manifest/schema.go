package manifest

import (
	"encoding/json"
	"io/fs"
	"reflect"
	"strings"
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
func Schema() ([]byte, error) {
	schema := describeType(reflect.TypeFor[Manifest](), "")
	schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	schema["title"] = "oneclick-agent image manifest, /etc/oneclick/app.yaml"
	encoded, err := json.MarshalIndent(schema, "", "  ")
	return append(encoded, '\n'), err
}

type object = map[string]any

func describeType(t reflect.Type, enum string) object {
	switch t {
	case reflect.TypeFor[Template]():
		return object{"type": []string{"string", "number", "boolean"}}
	case reflect.TypeFor[Duration]():
		return object{"type": "string", "pattern": "^[0-9]+[smhdy]$"}
	case reflect.TypeFor[Mode]():
		return object{"type": []string{"string", "integer"}, "pattern": octal().String()}
	case reflect.TypeFor[Value]():
		return object{}
	case reflect.TypeFor[Words]():
		word := describeType(reflect.TypeFor[string](), enum)
		return object{"oneOf": []any{word, object{"type": "array", "items": word}}}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return describeType(t.Elem(), enum)
	case reflect.Struct:
		return describeStruct(t)
	case reflect.Map:
		return object{"type": "object", "additionalProperties": describeType(t.Elem(), "")}
	case reflect.Slice:
		return object{"type": "array", "items": describeType(t.Elem(), enum)}
	case reflect.Int:
		return object{"type": "integer"}
	case reflect.Bool:
		return object{"type": "boolean"}
	}
	if enum != "" {
		return object{"type": "string", "enum": strings.Split(enum, ",")}
	}
	return object{"type": []string{"string", "number"}}
}

func describeStruct(t reflect.Type) object {
	properties, required, kinds := object{}, []string{}, []any{}
	for i := range t.NumField() {
		field := t.Field(i)
		name := field.Tag.Get("yaml")
		if name == "" {
			continue
		}
		property := describeType(field.Type, field.Tag.Get("enum"))
		property["description"] = field.Tag.Get("doc")
		properties[name] = property
		if field.Tag.Get("required") != "" {
			required = append(required, name)
		}
		if field.Tag.Get("kind") != "" {
			kinds = append(kinds, object{"required": []string{name}})
		}
	}
	out := object{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		out["required"] = required
	}
	if len(kinds) > 0 {
		out["oneOf"] = kinds
	}
	return out
}
