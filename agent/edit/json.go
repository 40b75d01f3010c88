package edit

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"oneclick-agent/agent/render"
)

// member is where one key and its value stand in an object.
type member struct {
	key                  string
	keyStart, start, end int
}

// members finds the members of the object that begins at from.
func members(data []byte, from int) ([]member, error) {
	decoder := json.NewDecoder(bytes.NewReader(data[from:]))
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		return nil, errors.New("what stands above it is a single value or a list")
	}
	var found []member
	for decoder.More() {
		keyStart := skip(data, from+int(decoder.InputOffset()), " \t\r\n,")
		token, err := decoder.Token()
		if err != nil {
			return nil, err
		}
		key, _ := token.(string)
		start := skip(data, from+int(decoder.InputOffset()), " \t\r\n:")
		var raw json.RawMessage
		if err := decoder.Decode(&raw); err != nil {
			return nil, err
		}
		found = append(found, member{key, keyStart, start, start + len(raw)})
	}
	return found, nil
}

func skip(data []byte, from int, what string) int {
	for from < len(data) && strings.IndexByte(what, data[from]) >= 0 {
		from++
	}
	return from
}

func decodeJSON(data []byte) (any, error) {
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var document any
	if err := decoder.Decode(&document); err != nil {
		return nil, errors.New("the file is not JSON")
	}
	return document, nil
}

func setJSON(data []byte, key string, value any) ([]byte, error) {
	if len(bytes.TrimSpace(data)) == 0 {
		data = []byte("{}\n")
	}
	before, err := decodeJSON(data)
	if err != nil {
		return nil, err
	}
	path := keyPath(before, key)
	if have, there := at(before, path); there && deepEqual(have, value) {
		return data, nil
	}
	out, err := spliceJSON(data, skip(data, 0, " \t\r\n"), path, value, "")
	if err != nil {
		return nil, err
	}
	after, err := decodeJSON(out)
	if err != nil {
		return nil, err
	}
	return out, verify(before, after, path, value, false)
}

// spliceJSON puts value at path in the object that begins at from. Indent is that of the object's own line.
func spliceJSON(data []byte, from int, path []string, value any, indent string) ([]byte, error) {
	all, err := members(data, from)
	if err != nil {
		return nil, err
	}
	inner := indent + "  "
	if len(all) > 0 {
		inner = lineIndentation(data, all[0].keyStart)
	}
	// The last of two equal keys is the one that counts.
	for _, m := range slices.Backward(all) {
		if m.key != path[0] {
			continue
		}
		if len(path) > 1 {
			return spliceJSON(data, m.start, path[1:], value, inner)
		}
		encoded, err := encodeJSON(value, inner)
		if err != nil {
			return nil, err
		}
		return slices.Concat(data[:m.start], encoded, data[m.end:]), nil
	}
	for _, missing := range slices.Backward(path[1:]) {
		value = map[string]any{missing: value}
	}
	encoded, err := encodeJSON(value, inner)
	if err != nil {
		return nil, err
	}
	name, err := render.JSON(path[0])
	if err != nil {
		return nil, err
	}
	entry := slices.Concat([]byte(name+": "), encoded)
	if len(all) == 0 {
		return slices.Concat(data[:from+1], []byte("\n"+inner), entry, []byte("\n"+indent), data[skip(data, from+1, " \t\r\n"):]), nil
	}
	last := all[len(all)-1]
	separator := ", "
	if bytes.Contains(data[from:all[0].keyStart], []byte("\n")) {
		separator = "," + lineEnding(data) + inner
	}
	return slices.Concat(data[:last.end], []byte(separator), entry, data[last.end:]), nil
}

func lineIndentation(data []byte, place int) string {
	start := bytes.LastIndexByte(data[:place], '\n') + 1
	return indentation(string(data[start:place]) + "x")
}

func encodeJSON(value any, indent string) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent(indent, "  ")
	if err := encoder.Encode(value); err != nil {
		return nil, errors.New("the value cannot be written as JSON")
	}
	return bytes.TrimRight(out.Bytes(), "\n"), nil
}

func unsetJSON(data []byte, key string) ([]byte, error) {
	before, err := decodeJSON(data)
	if err != nil {
		return nil, err
	}
	path := keyPath(before, key)
	if _, there := at(before, path); !there {
		return data, nil
	}
	out, from := data, skip(data, 0, " \t\r\n")
	for depth, name := range path {
		all, err := members(data, from)
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(all, func(m member) bool { return m.key == name })
		if depth < len(path)-1 {
			from = all[i].start
			continue
		}
		start, end := all[i].keyStart, all[i].end
		switch {
		case i > 0:
			start = all[i-1].end
		case len(all) > 1:
			end = all[1].keyStart
		}
		out = slices.Concat(data[:start], data[end:])
	}
	after, err := decodeJSON(out)
	if err != nil {
		return nil, err
	}
	return out, verify(before, after, path, nil, true)
}
