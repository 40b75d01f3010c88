package edit

import (
	"slices"
	"strings"

	"oneclick-agent/agent/pattern"
	"oneclick-agent/agent/render"
)

var dotenvEntry = pattern.New(`^(\s*(?:export\s+)?)([A-Za-z_][A-Za-z0-9_.-]*)(\s*=)(.*)$`)

// dotenvSpan is the lines that one entry of a .env file takes: a quoted value may go over several.
type dotenvSpan struct {
	from, to     int // lines, to is behind the last
	prefix, name string
	comment      string // behind the value, with the white space before it
}

func dotenvSpans(parts []string) []dotenvSpan {
	var spans []dotenvSpan
	for i := 0; i < len(parts); i++ {
		match := dotenvEntry().FindStringSubmatch(body(parts[i]))
		if match == nil {
			continue
		}
		span := dotenvSpan{from: i, to: i + 1, prefix: match[1] + match[2] + match[3], name: match[2]}
		value := strings.TrimLeft(match[4], " \t")
		if value != "" && (value[0] == '"' || value[0] == '\'') {
			for last := i; last < len(parts); last++ {
				if last > i {
					value += "\n" + body(parts[last])
				}
				if end := closingQuote(value); end > 0 {
					span.to = last + 1
					span.comment = trailingComment(value[end:])
					i = last
					break
				}
			}
		} else {
			span.comment = trailingComment(value)
		}
		spans = append(spans, span)
	}
	return spans
}

// closingQuote is the place behind the quote that closes the one a value begins with, or -1.
func closingQuote(value string) int {
	for i := 1; i < len(value); i++ {
		switch {
		case value[i] == '\\' && value[0] == '"':
			i++
		case value[i] == value[0]:
			return i + 1
		}
	}
	return -1
}

// trailingComment is the " # …" behind a value, or "".
func trailingComment(rest string) string {
	for i := 1; i < len(rest); i++ {
		if rest[i] == '#' && (rest[i-1] == ' ' || rest[i-1] == '\t') {
			start := len(strings.TrimRight(rest[:i], " \t"))
			return rest[start:]
		}
	}
	return ""
}

func setDotenv(data []byte, key string, value any) ([]byte, error) {
	text, err := scalar(value)
	if err != nil {
		return nil, err
	}
	quoted := ""
	if text != "" {
		if quoted, err = render.Dotenv(text); err != nil {
			return nil, err
		}
	}
	parts, ending := lines(data), lineEnding(data)
	spans := dotenvSpans(parts)
	found := false
	// Every entry of the name gets the value: readers differ in whether the first or the last one counts.
	for _, span := range slices.Backward(spans) {
		if span.name == key {
			found = true
			parts = slices.Replace(parts, span.from, span.to, strings.TrimRight(span.prefix, " \t")+quoted+span.comment+ending)
		}
	}
	if !found {
		parts = append(parts, key+"="+quoted+ending)
	}
	return unlines(parts, ending), nil
}

func unsetDotenv(data []byte, key string) ([]byte, error) {
	parts := lines(data)
	found := false
	for _, span := range slices.Backward(dotenvSpans(parts)) {
		if span.name == key {
			found = true
			parts = slices.Delete(parts, span.from, span.to)
		}
	}
	if !found {
		return data, nil
	}
	return unlines(parts, lineEnding(data)), nil
}
