package edit

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

// Line replaces the one line that pattern matches. A file in which no line matches, but the new line stands, was
// changed before and stays as it is.
func Line(data []byte, pattern *regexp.Regexp, replacement string) ([]byte, error) {
	if strings.ContainsAny(replacement, "\r\n") {
		return nil, errors.New("the new line holds a line break")
	}
	parts := lines(data)
	var matches []int
	stands := false
	for i, line := range parts {
		if pattern.MatchString(body(line)) {
			matches = append(matches, i)
		}
		stands = stands || body(line) == replacement
	}
	switch {
	case len(matches) == 1:
		i := matches[0]
		parts[i] = replacement + ending(parts[i])
		return unlines(parts), nil
	case len(matches) == 0 && stands:
		return data, nil
	case len(matches) == 0:
		return nil, fmt.Errorf("no line matches %s", pattern)
	}
	return nil, fmt.Errorf("%d lines match %s, the first two are lines %d and %d; make the pattern narrower",
		len(matches), pattern, matches[0]+1, matches[1]+1)
}

// blockName stands in the marker lines.
const blockName = "oneclick-agent"

// marks are how a comment begins and ends in files of no format of ours, by extension.
var marks = map[string][2]string{
	".js": {"//"}, ".mjs": {"//"}, ".ts": {"//"}, ".java": {"//"}, ".c": {"//"}, ".go": {"//"}, ".vcl": {"//"},
	".sql": {"--"}, ".lua": {"--"}, ".hs": {"--"}, ".vim": {`"`}, ".tex": {"%"}, ".erl": {"%"}, ".config": {"%"}, ".bat": {"rem"},
	".xml": {"<!--", " -->"}, ".html": {"<!--", " -->"}, ".htm": {"<!--", " -->"}, ".md": {"<!--", " -->"}, ".svg": {"<!--", " -->"},
	".css": {"/*", " */"},
}

// blockMarks are the lines around a block in file.
func blockMarks(file string) (begin, end string, err error) {
	mark, ok := marks[path.Ext(file)]
	if !ok {
		f, _ := formatNamed(FormatOf(file))
		if mark[0] = f.mark; mark[0] == "" {
			return "", "", errors.New("JSON has no comments that could mark a block; use set:")
		}
	}
	return mark[0] + " BEGIN " + blockName + mark[1], mark[0] + " END " + blockName + mark[1], nil
}

// Block keeps text between two marker lines of ours: in place of what stands there, or at the end of the file. The
// file's name decides how a comment is written. Empty text takes the block out.
func Block(data []byte, file, text string) ([]byte, error) {
	begin, end, err := blockMarks(file)
	if err != nil {
		return nil, err
	}
	lineEnd, parts := lineEnding(data), lines(data)
	isBegin := func(line string) bool { return body(line) == begin }
	isEnd := func(line string) bool { return body(line) == end }
	from, to := slices.IndexFunc(parts, isBegin), slices.IndexFunc(parts, isEnd)
	more := from >= 0 && to >= 0 && (slices.ContainsFunc(parts[from+1:], isBegin) || slices.ContainsFunc(parts[to+1:], isEnd))
	if (from < 0) != (to < 0) || to < from || more {
		return nil, fmt.Errorf("the lines %q and %q do not stand in one pair; take them out by hand", begin, end)
	}
	var block []string
	if text != "" {
		block = append(block, begin+lineEnd)
		for _, line := range strings.Split(strings.TrimRight(text, "\r\n"), "\n") {
			if line = strings.TrimSuffix(line, "\r"); line == begin || line == end {
				return nil, errors.New("the block holds a marker line of its own")
			}
			block = append(block, line+lineEnd)
		}
		block = append(block, end+lineEnd)
	}
	switch {
	case from >= 0:
		last := ending(parts[to])
		parts = slices.Replace(parts, from, to+1, block...)
		if last == "" && len(block) > 0 {
			parts[len(parts)-1] = end
		}
	case len(block) > 0:
		if parts, err = addBlock(parts, block, file, lineEnd); err != nil {
			return nil, err
		}
	}
	return unlines(parts), nil
}

// addBlock puts a block at the end of a file; in a PHP file before the tag that ends PHP, behind which it would be
// sent to the browser.
func addBlock(parts, block []string, file, lineEnd string) ([]string, error) {
	place := len(parts)
	if FormatOf(file) == "php" && len(parts) > 0 {
		tokens := scanPHP(unlines(parts))
		if last := tokens[len(tokens)-1]; last.kind == phpOutside {
			for place > 0 && strings.TrimSpace(parts[place-1]) == "" {
				place--
			}
			if place == 0 || strings.TrimSpace(parts[place-1]) != "?>" {
				return nil, errors.New("PHP ends before the end of the file, and so a block there would be sent to the browser; use line:")
			}
			place--
		}
	}
	return slices.Insert(finished(parts, lineEnd), place, block...), nil
}
