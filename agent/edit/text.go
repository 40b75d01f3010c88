package edit

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

// Line replaces the one line that pattern matches. A file in which no line matches, but the new line stands
// exactly once, was changed before and stays as it is.
func Line(data []byte, pattern *regexp.Regexp, replacement string) ([]byte, error) {
	parts := lines(data)
	var matches, present []int
	for i, line := range parts {
		if pattern.MatchString(body(line)) {
			matches = append(matches, i)
		}
		if body(line) == replacement {
			present = append(present, i)
		}
	}
	switch {
	case len(matches) == 1:
		ending := parts[matches[0]][len(body(parts[matches[0]])):]
		if ending == "" {
			ending = lineEnding(data)
		}
		if body(parts[matches[0]]) == replacement {
			return data, nil
		}
		parts[matches[0]] = replacement + ending
		return unlines(parts, lineEnding(data)), nil
	case len(matches) == 0 && len(present) == 1:
		return data, nil
	case len(matches) == 0:
		return nil, fmt.Errorf("no line matches %s", pattern)
	}
	return nil, fmt.Errorf("%d lines match %s, the first two are lines %d and %d; make the pattern narrower",
		len(matches), pattern, matches[0]+1, matches[1]+1)
}

// blockName stands in the marker lines.
const blockName = "oneclick-agent"

// commentMarks are how a line comment begins, by extension, where it is not "#".
var commentMarks = map[string]string{".php": "//", ".js": "//", ".ini": ";", ".sql": "--", ".lua": "--"}

// Block keeps text between two marker lines of ours: in place of what stands there, or at the end of the file.
// File's extension decides how a comment is written. Empty text takes the block out.
func Block(data []byte, file, text string) ([]byte, error) {
	mark := commentMarks[path.Ext(file)]
	if mark == "" {
		mark = "#"
	}
	begin, end := mark+" BEGIN "+blockName, mark+" END "+blockName
	ending := lineEnding(data)
	parts := lines(data)
	from := slices.IndexFunc(parts, func(line string) bool { return body(line) == begin })
	to := slices.IndexFunc(parts, func(line string) bool { return body(line) == end })
	if (from < 0) != (to < 0) || to < from {
		return nil, fmt.Errorf("the lines %q and %q do not stand in a pair; take them out by hand", begin, end)
	}
	var block []string
	if text != "" {
		block = append(block, begin+ending)
		for _, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
			block = append(block, line+ending)
		}
		block = append(block, end+ending)
	}
	if from < 0 {
		return unlines(append(parts, block...), ending), nil
	}
	return unlines(slices.Concat(parts[:from], block, parts[to+1:]), ending), nil
}
