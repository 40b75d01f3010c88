package render

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"strconv"
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
		return func(values ...any) (string, error) { return limited(by(values...)) }
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
		"printf":   func(format string, values ...any) (string, error) { return limited(fmt.Sprintf(format, values...)) },
		"len":      length,
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
func slice(value any, indexes ...int) (any, error) {
	v := reflect.ValueOf(opened(value))
	if v.Kind() != reflect.String && v.Kind() != reflect.Slice {
		return nil, fmt.Errorf("a value of type %T has no parts", value)
	}
	from, to := 0, v.Len()
	switch len(indexes) {
	case 0:
	case 1:
		from = indexes[0]
	case 2:
		from, to = indexes[0], indexes[1]
	default:
		return nil, errors.New("slice takes at most two indexes")
	}
	if from < 0 || to < from || to > v.Len() {
		return nil, errors.New("the index is out of range")
	}
	return v.Slice(from, to).Interface(), nil
}

// equal reports whether the first value equals one of the others.
func equal(first any, others ...any) (bool, error) {
	if len(others) == 0 {
		return false, errors.New("eq needs a value to compare with")
	}
	found := false
	for _, other := range others {
		result, err := compare(opened(first), opened(other))
		if err != nil {
			return false, err
		}
		found = found || result == 0
	}
	return found, nil
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
	}
	xNumber, xOK := number(x)
	yNumber, yOK := number(y)
	if xOK && yOK {
		return cmp.Compare(xNumber, yNumber), nil
	}
	return 0, errors.New("a number, a text and a truth value cannot be compared with one another")
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
