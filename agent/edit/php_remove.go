package edit

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
)

func (phpEditor) unset(data []byte, key Key) ([]byte, error) {
	if phpOpenTag().FindIndex(data) == nil {
		return nil, notThis("the file has no <?php")
	}
	places := parsePHP(data)
	path, err := phpPath(key, places)
	if err != nil {
		return nil, err
	}
	place, err := onePHP(data, places, path)
	if err != nil || place == nil {
		return data, err
	}
	out := removeStatement(data, place.from, place.to)
	if place.entry {
		above := findPHP(places, path[:len(path)-1])
		out = removeEntry(data, above[0].array, place.from)
	}
	return out, verifyPHP(data, out, path, nil, true)
}

// removeStatement takes out a statement, and its line where nothing else is in it.
func removeStatement(data []byte, from, to int) []byte {
	start := bytes.LastIndexByte(data[:from], '\n') + 1
	end := len(data)
	if i := bytes.IndexByte(data[to:], '\n'); i >= 0 {
		end = to + i + 1
	}
	behind := strings.TrimSpace(string(data[to:end]))
	comment := strings.HasPrefix(behind, "//") || strings.HasPrefix(behind, "#")
	if strings.TrimSpace(string(data[start:from])) == "" && (behind == "" || comment) && !strings.Contains(behind, "?>") {
		return splice(data, start, end, "")
	}
	return splice(data, from, to, "")
}

// removeEntry takes an entry out of an array, with the comma behind it and the line that is only its own.
func removeEntry(data []byte, array *phpArray, from int) []byte {
	i := slices.IndexFunc(array.entries, func(e phpPlace) bool { return e.from == from })
	e := array.entries[i]
	stop := array.close
	if i+1 < len(array.entries) {
		stop = array.entries[i+1].from
	}
	to := e.to
	if comma := bytes.IndexByte(phpCode(data[to:stop]), ','); comma >= 0 {
		to += comma + 1
	} else if i > 0 && !bytes.ContainsRune(data[array.entries[i-1].end:from], '\n') {
		return splice(data, array.entries[i-1].end, to, "") // the last one of a line, with the comma before it
	}
	start := bytes.LastIndexByte(data[:from], '\n') + 1
	end := stop
	if line := bytes.IndexByte(data[to:stop], '\n'); line >= 0 {
		end = to + line + 1
		if strings.TrimSpace(string(data[start:from])) == "" && strings.TrimSpace(string(phpCode(data[to:end]))) == "" {
			return splice(data, start, end, "")
		}
	}
	return splice(data, from, skip(data, to, " \t"), "")
}

// verifyPHP proves that an edit gave one place its value, and left what every other place holds as it was.
func verifyPHP(before, after []byte, path []string, value any, remove bool) error {
	have, now := parsePHP(before), parsePHP(after)
	found := findPHP(now, path)
	if remove != (len(found) == 0) || len(found) > 1 {
		return errLayout
	}
	if !remove {
		if got, known := found[0].value(after); !known || !equalPHP(got, value) {
			return errLayout
		}
	}
	if !slices.Equal(otherPHP(before, have, path), otherPHP(after, now, path)) {
		return errLayout
	}
	return nil
}

// equalPHP compares as PHP has it: an empty mapping is an empty list, and one with the keys 0, 1, … a list.
func equalPHP(a, b any) bool {
	table, isTable := b.(map[string]any)
	if list, isList := a.([]any); isList && isTable {
		for i := range list {
			if item, there := table[strconv.Itoa(i)]; !there || !equalPHP(list[i], item) {
				return false
			}
		}
		return len(list) == len(table)
	}
	return equal(a, b)
}

// otherPHP is what the places hold that neither are the one at path, nor above it, nor inside of it.
func otherPHP(data []byte, places []phpPlace, path []string) []string {
	var all []string
	for _, p := range places {
		n := min(len(p.path), len(path))
		if !slices.Equal(p.path[:n], path[:n]) {
			all = append(all, strings.Join(p.path, ".")+"="+string(data[p.start:p.end]))
		}
	}
	return all
}
