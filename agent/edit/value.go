package edit

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// errSingle says that a format has no lists and mappings.
var errSingle = errors.New("the format holds single values, not lists or mappings")

// scalar is a single value as text.
func scalar(value any) (string, error) {
	switch v := value.(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	case bool:
		return fmt.Sprint(v), nil
	case json.Number:
		return v.String(), nil
	}
	return "", errSingle
}

// number is a number as it is compared: exact where it is whole. A whole number differs from the same one with a
// fraction, because programs tell the two apart.
type number struct{ whole, fraction string }

// equal reports whether two values, of whatever decoder, are the same.
func equal(a, b any) bool { return reflect.DeepEqual(normal(a), normal(b)) }

// normal makes the values of different decoders comparable.
func normal(value any) any {
	switch v := value.(type) {
	case map[string]any:
		out := map[string]any{}
		for key, item := range v {
			out[key] = normal(item)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = normal(item)
		}
		return out
	case json.Number:
		return numberOf(v.String())
	case int, int64, uint64:
		return number{whole: fmt.Sprint(v)}
	case float64:
		return number{fraction: strconv.FormatFloat(v, 'g', -1, 64)}
	}
	return value
}

func numberOf(text string) number {
	if !strings.ContainsAny(text, ".eE") {
		if whole, err := strconv.ParseInt(text, 10, 64); err == nil {
			return number{whole: strconv.FormatInt(whole, 10)}
		}
		return number{whole: strings.TrimPrefix(text, "+")}
	}
	value, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return number{fraction: text}
	}
	return number{fraction: strconv.FormatFloat(value, 'g', -1, 64)}
}
