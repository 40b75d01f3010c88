package edit

import (
	"bytes"
	"strings"
)

// lines splits data behind each line break. Each line keeps its own; the last may have none.
func lines(data []byte) []string {
	parts := strings.SplitAfter(string(data), "\n")
	if parts[len(parts)-1] == "" {
		return parts[:len(parts)-1]
	}
	return parts
}

// unlines joins lines again.
func unlines(parts []string) []byte { return []byte(strings.Join(parts, "")) }

// lineEnding is the line break that the file uses.
func lineEnding(data []byte) string {
	if i := bytes.IndexByte(data, '\n'); i > 0 && data[i-1] == '\r' {
		return "\r\n"
	}
	return "\n"
}

// body is a line without its line break.
func body(line string) string { return strings.TrimRight(line, "\r\n") }

// ending is the line break of a line, "" for a last line without one.
func ending(line string) string { return line[len(body(line)):] }

// indentation is the white space that a line begins with.
func indentation(line string) string { return line[:len(line)-len(strings.TrimLeft(line, " \t"))] }

// finished gives the last line its line break, so that another can follow.
func finished(parts []string, ending string) []string {
	if last := len(parts) - 1; last >= 0 && !strings.HasSuffix(parts[last], "\n") {
		parts[last] += ending
	}
	return parts
}

// lineOf is the number of the line that place stands in, for people.
func lineOf(data []byte, place int) int { return 1 + bytes.Count(data[:place], []byte("\n")) }

// splice puts text in place of the bytes from start to before end.
func splice(data []byte, start, end int, text string) []byte {
	out := make([]byte, 0, len(data)+len(text))
	return append(append(append(out, data[:start]...), text...), data[end:]...)
}

// behindBreak is behind the line break at place.
func behindBreak(data []byte, place int) int {
	switch {
	case bytes.HasPrefix(data[place:], []byte("\r\n")):
		return place + 2
	case bytes.HasPrefix(data[place:], []byte("\n")):
		return place + 1
	}
	return place
}
