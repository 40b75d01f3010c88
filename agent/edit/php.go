package edit

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"oneclick-agent/agent/pattern"
	"oneclick-agent/agent/render"
)

// phpDefine is where define('KEY', begins; a line that is a comment does not count.
func phpDefine(key string) *regexp.Regexp {
	return regexp.MustCompile(`(?m)^(?:[^#\n/*]|/[^/*\n])*?\bdefine\s*\(\s*(?:'` + regexp.QuoteMeta(key) + `'|"` + regexp.QuoteMeta(key) + `")\s*,\s*`)
}

// phpSpan is where a define's value and the whole statement stand.
type phpSpan struct{ start, value, valueEnd, end int }

func phpSpans(data []byte, key string) ([]phpSpan, error) {
	var spans []phpSpan
	for _, match := range phpDefine(key).FindAllIndex(data, -1) {
		end := phpClosing(data, match[1])
		if end < 0 {
			return nil, errors.New("its define( has no end")
		}
		statement := end + 1
		for statement < len(data) && data[statement] != '\n' && data[statement-1] != ';' {
			statement++
		}
		spans = append(spans, phpSpan{match[0], match[1], len(strings.TrimRight(string(data[:end]), " \t\n")), statement})
	}
	return spans, nil
}

// phpClosing is the place of the parenthesis that closes the one before from, quotes minded.
func phpClosing(data []byte, from int) int {
	depth := 1
	for i := from; i < len(data); i++ {
		switch data[i] {
		case '(', '[':
			depth++
		case ')', ']':
			if depth--; depth == 0 {
				return i
			}
		case '\'', '"':
			quote := data[i]
			for i++; i < len(data) && data[i] != quote; i++ {
				if data[i] == '\\' {
					i++
				}
			}
		}
	}
	return -1
}

func phpValue(value any) (string, error) {
	switch v := value.(type) {
	case nil:
		return "null", nil
	case bool:
		return fmt.Sprint(v), nil
	case json.Number:
		return v.String(), nil
	case string:
		return render.PHP(v)
	}
	return "", errors.New("the format holds single values, not lists or mappings")
}

func setPHP(data []byte, key string, value any) ([]byte, error) {
	quoted, err := phpValue(value)
	if err != nil {
		return nil, err
	}
	spans, err := phpSpans(data, key)
	if err != nil {
		return nil, err
	}
	if len(spans) > 1 {
		return nil, errors.New("it is defined more than once")
	}
	if len(spans) == 1 {
		return slices.Concat(data[:spans[0].value], []byte(quoted), data[spans[0].valueEnd:]), nil
	}
	name, err := render.PHP(key)
	if err != nil {
		return nil, err
	}
	return insertPHP(data, "define( "+name+", "+quoted+" );")
}

var (
	anyDefine = pattern.New(`(?m)^\s*define\s*\(`)
	phpOpen   = pattern.New(`<\?php[^\n]*\n`)
)

// insertPHP puts a statement behind the last define, or behind the opening tag.
func insertPHP(data []byte, statement string) ([]byte, error) {
	ending := lineEnding(data)
	place := -1
	if defines := anyDefine().FindAllIndex(data, -1); len(defines) > 0 {
		if end := phpClosing(data, defines[len(defines)-1][1]); end > 0 {
			place = lineBehind(data, end)
		}
	}
	if place < 0 {
		open := phpOpen().FindIndex(data)
		if open == nil {
			return nil, errors.New("the file does not begin with <?php")
		}
		place = open[1]
	}
	if data[place-1] != '\n' {
		statement = ending + statement
	}
	return slices.Concat(data[:place], []byte(statement+ending), data[place:]), nil
}

func lineBehind(data []byte, from int) int {
	for from < len(data) && data[from] != '\n' {
		from++
	}
	return min(from+1, len(data))
}

func unsetPHP(data []byte, key string) ([]byte, error) {
	spans, err := phpSpans(data, key)
	if err != nil {
		return nil, err
	}
	for _, span := range slices.Backward(spans) {
		end := span.end
		if strings.TrimSpace(string(data[span.end:lineBehind(data, span.end)])) == "" {
			end = lineBehind(data, span.end)
		}
		data = slices.Concat(data[:span.start], data[end:])
	}
	return data, nil
}
