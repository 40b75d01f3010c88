package render

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"text/template"
)

// functions are what a template can call. Those of text/template that look into a value, or could write without end,
// are replaced by our own.
func functions(engine string) template.FuncMap {
	quote := func(by func(any) (string, error)) func(any) (string, error) {
		return func(value any) (string, error) {
			text, err := by(value)
			if err != nil {
				return "", err
			}
			return limited(text)
		}
	}
	escape := func(by func(...any) string) func(...any) (string, error) {
		return func(values ...any) (string, error) { return written(values, 0, by) }
	}
	count := func(operation func(x, y int64) (int64, error)) func(a, b any) (int64, error) {
		return func(a, b any) (int64, error) { return calculate(a, b, operation) }
	}
	order := func(holds func(int) bool) func(a, b any) (bool, error) {
		return func(a, b any) (bool, error) {
			result, err := compare(opened(a), opened(b))
			return err == nil && holds(result), err
		}
	}
	return template.FuncMap{
		"sh": quote(Shell), "dotenv": quote(Dotenv), "json": quote(JSON), "yaml": quote(YAML), "ini": quote(INI),
		"php": quote(PHP), "nginx": quote(Nginx), "xml": quote(XML),
		"sql":      quote(func(value any) (string, error) { return SQL(value, engine) }),
		"html":     escape(template.HTMLEscaper),
		"js":       escape(template.JSEscaper),
		"urlquery": escape(template.URLQueryEscaper),
		"print":    escape(fmt.Sprint),
		"println":  escape(fmt.Sprintln),
		"printf":   printf,
		"len":      length,
		"index":    index,
		"call":     func(...any) (string, error) { return "", errors.New("there is nothing to call") }, // text/template's tells the value
		"slice":    slice,
		"eq":       equal,
		"ne":       order(func(result int) bool { return result != 0 }),
		"lt":       order(func(result int) bool { return result < 0 }),
		"le":       order(func(result int) bool { return result <= 0 }),
		"gt":       order(func(result int) bool { return result > 0 }),
		"ge":       order(func(result int) bool { return result >= 0 }),
		"add":      count(func(x, y int64) (int64, error) { return x + y, nil }),
		"sub":      count(func(x, y int64) (int64, error) { return x - y, nil }),
		"mul":      count(func(x, y int64) (int64, error) { return x * y, nil }),
		"min":      count(func(x, y int64) (int64, error) { return min(x, y), nil }),
		"max":      count(func(x, y int64) (int64, error) { return max(x, y), nil }),
		"div": count(func(x, y int64) (int64, error) {
			if y == 0 {
				return 0, errors.New("division by zero")
			}
			return x / y, nil
		}),
	}
}

// JavaScript escapes a text as the function js does.
func JavaScript(text string) string { return template.JSEscapeString(text) }

// limited refuses a text that has grown over what a template may produce.
func limited(text string) (string, error) {
	if len(text) > maxRendered {
		return "", fmt.Errorf("the text grows over %d bytes", maxRendered)
	}
	return text, nil
}

// written is what by makes of the values. By and what fmt does inside it know no bound, so one is kept before: more is
// the number of times that each value may be written beyond the first.
func written(values []any, more int, by func(...any) string) (string, error) {
	plain, all, longest := make([]any, len(values)), 0, 0
	for i, value := range values {
		plain[i] = opened(value) // two texts are printed without a space between them, and two Values would not be
		if text, ok := plain[i].(string); ok {
			all, longest = all+len(text), max(longest, len(text))
		}
	}
	if all > maxRendered || more > maxWritten/max(longest, widest) {
		return "", fmt.Errorf("the text grows over %d bytes", maxRendered)
	}
	return limited(by(plain...))
}

const (
	// widest is how far fmt widens a value, in bytes.
	widest = 1_000_000
	// maxWritten is the most that printf may come to, in bytes, before it is known what it comes to.
	maxWritten = 2 * maxRendered
)

// printf is that of fmt, but for what could grow without end before its length is known: wide columns, and long values
// that many verbs repeat.
func printf(format string, values ...any) (string, error) {
	return written(values, strings.Count(format, "%"), func(plain ...any) string { return fmt.Sprintf(format, plain...) })
}

func calculate(a, b any, operation func(x, y int64) (int64, error)) (int64, error) {
	x, err := strconv.ParseInt(fmt.Sprint(a), 10, 64)
	if err != nil {
		return 0, errors.New("the first value is not a whole number")
	}
	y, err := strconv.ParseInt(fmt.Sprint(b), 10, 64)
	if err != nil {
		return 0, errors.New("the second value is not a whole number")
	}
	return operation(x, y)
}

// length is how many bytes, entries or keys a value has.
func length(value any) (int, error) {
	switch v := reflect.ValueOf(opened(value)); v.Kind() {
	case reflect.String, reflect.Slice, reflect.Array, reflect.Map:
		return v.Len(), nil
	}
	return 0, fmt.Errorf("a value of type %T has no length", value)
}

// slice is the part of a text or a list between two indexes.
func slice(value any, indexes ...any) (any, error) {
	v := reflect.ValueOf(opened(value))
	if v.Kind() != reflect.String && v.Kind() != reflect.Slice {
		return nil, fmt.Errorf("a value of type %T has no parts", value)
	}
	if len(indexes) > 2 {
		return nil, errors.New("slice takes at most two indexes")
	}
	bounds := []int{0, v.Len()}
	for i, index := range indexes {
		var err error
		if bounds[i], err = whole(index, v.Len()); err != nil {
			return nil, err
		}
	}
	if bounds[1] < bounds[0] {
		return nil, errOutOfRange
	}
	return v.Slice(bounds[0], bounds[1]).Interface(), nil
}

var errOutOfRange = errors.New("the index is out of range")

// whole is an index between 0 and most.
func whole(index any, most int) (int, error) {
	switch v := reflect.ValueOf(index); {
	case v.CanInt() && v.Int() >= 0 && v.Int() <= int64(most):
		return int(v.Int()), nil
	case v.CanUint() && v.Uint() <= uint64(most):
		return int(v.Uint()), nil
	case v.CanInt(), v.CanUint():
		return 0, errOutOfRange
	}
	return 0, fmt.Errorf("a value of type %T is no index", index)
}

// index is the entry of a list, or the value of a mapping, at a key, and so on with each further key. Unlike that of
// text/template it takes a key that is not there for an error, as the dot does.
func index(value any, keys ...any) (any, error) {
	for _, key := range keys {
		v := reflect.ValueOf(opened(value))
		switch v.Kind() {
		case reflect.Map:
			k := reflect.ValueOf(opened(key))
			if !k.IsValid() || !k.Type().AssignableTo(v.Type().Key()) {
				return nil, fmt.Errorf("a value of type %T is no key of a mapping", key)
			}
			if v = v.MapIndex(k); !v.IsValid() {
				return nil, errors.New("nothing has this key")
			}
		case reflect.Slice, reflect.Array, reflect.String:
			i, err := whole(key, v.Len()-1)
			if err != nil {
				return nil, err
			}
			v = v.Index(i)
		default:
			return nil, fmt.Errorf("a value of type %T has no entries", value)
		}
		value = v.Interface()
	}
	return value, nil
}

// equal reports whether the first value equals one of the others.
func equal(first any, others ...any) (bool, error) {
	if len(others) == 0 {
		return false, errors.New("eq needs a value to compare with")
	}
	for _, other := range others {
		if result, err := compare(opened(first), opened(other)); err != nil || result == 0 {
			return err == nil, err
		}
	}
	return false, nil
}

// compare orders two single values: negative where a comes before b, 0 where they are equal.
func compare(a, b any) (int, error) {
	x, y := reflect.ValueOf(a), reflect.ValueOf(b)
	switch {
	case !x.IsValid() || !y.IsValid():
		if x.IsValid() == y.IsValid() {
			return 0, nil
		}
		return 1, nil
	case x.Kind() == reflect.String && y.Kind() == reflect.String:
		return cmp.Compare(x.String(), y.String()), nil
	case x.Kind() == reflect.Bool && y.Kind() == reflect.Bool:
		if x.Bool() == y.Bool() {
			return 0, nil
		}
		return 1, nil
	case x.CanInt() && y.CanInt():
		return cmp.Compare(x.Int(), y.Int()), nil
	case x.CanUint() && y.CanUint():
		return cmp.Compare(x.Uint(), y.Uint()), nil
	case x.CanInt() && y.CanUint():
		return compareSigned(x.Int(), y.Uint()), nil
	case x.CanUint() && y.CanInt():
		return -compareSigned(y.Int(), x.Uint()), nil
	}
	xNumber, xOK := number(x)
	yNumber, yOK := number(y)
	if xOK && yOK {
		return cmp.Compare(xNumber, yNumber), nil
	}
	return 0, errors.New("a number, a text and a truth value cannot be compared with one another")
}

func compareSigned(a int64, b uint64) int {
	if a < 0 {
		return -1
	}
	return cmp.Compare(uint64(a), b)
}

func number(v reflect.Value) (float64, bool) {
	switch {
	case v.CanInt():
		return float64(v.Int()), true
	case v.CanUint():
		return float64(v.Uint()), true
	case v.CanFloat():
		return v.Float(), true
	}
	return 0, false
}
