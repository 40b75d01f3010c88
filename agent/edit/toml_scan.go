package edit

import (
	"slices"
	"strconv"
	"strings"
)

// tomlNode is where a key and its value stand, a header, or an item of a list.
type tomlNode struct {
	path                 []string // from the top; the items of lists by their number
	table                []string // of an entry: the path of the table that it is written in
	keyStart, start, end int
	header               bool
	open                 byte // of an inline table {, of a list [
	children             []tomlNode
}

// tomlScanner walks a file that the decoder has accepted.
type tomlScanner struct {
	text   string
	at     int
	counts map[string]int // how many tables a list of tables has so far, by its path
}

// scanTOML is the file's headers and entries in their order.
func scanTOML(data []byte) []tomlNode {
	s := tomlScanner{text: string(data), counts: map[string]int{}}
	var all []tomlNode
	var table []string
	for {
		s.skip(" \t\r\n")
		switch {
		case s.at >= len(s.text):
			return all
		case s.text[s.at] == '[':
			start := s.at
			list := strings.HasPrefix(s.text[s.at:], "[[")
			s.at += 1
			if list {
				s.at++
			}
			table = s.resolve(s.key(), list)
			s.line()
			all = append(all, tomlNode{path: table, keyStart: start, start: start, end: s.at, header: true})
		default:
			all = append(all, s.entry(table))
			s.line()
		}
	}
}

// resolve gives a header's path the numbers of the lists of tables on it.
func (s *tomlScanner) resolve(names []string, list bool) []string {
	var path []string
	for i, name := range names {
		path = append(path, name)
		place := strings.Join(path, "\x00")
		if list && i == len(names)-1 {
			s.counts[place]++
		}
		if n := s.counts[place]; n > 0 {
			path = append(path, strconv.Itoa(n-1))
		}
	}
	return path
}

// skip goes over white space and comments.
func (s *tomlScanner) skip(space string) {
	for s.at < len(s.text) {
		switch {
		case s.text[s.at] == '#' && strings.Contains(space, "\n"):
			s.line()
		case strings.IndexByte(space, s.text[s.at]) >= 0:
			s.at++
		default:
			return
		}
	}
}

// line goes to the end of the line, before its line break.
func (s *tomlScanner) line() {
	if i := strings.IndexByte(s.text[s.at:], '\n'); i >= 0 {
		s.at += i
	} else {
		s.at = len(s.text)
	}
	if s.at > 0 && s.at < len(s.text) && s.text[s.at-1] == '\r' {
		s.at--
	}
}

// key reads a dotted key.
func (s *tomlScanner) key() []string {
	var names []string
	for {
		s.skip(" \t")
		start := s.at
		if s.at < len(s.text) && (s.text[s.at] == '"' || s.text[s.at] == '\'') {
			s.at = s.valueEnd()
			names = append(names, tomlUnquote(s.text[start:s.at]))
		} else {
			for s.at < len(s.text) && strings.IndexByte(" \t\r\n.=]", s.text[s.at]) < 0 {
				s.at++
			}
			names = append(names, s.text[start:s.at])
		}
		s.skip(" \t")
		if s.at >= len(s.text) || s.text[s.at] != '.' {
			return names
		}
		s.at++
	}
}

func (s *tomlScanner) entry(table []string) tomlNode {
	n := tomlNode{keyStart: s.at, table: table}
	n.path = slices.Concat(table, s.key())
	s.at = min(s.at+1, len(s.text)) // =
	s.skip(" \t")
	s.value(&n)
	return n
}

// value reads a value, and what is in it.
func (s *tomlScanner) value(n *tomlNode) {
	n.start = s.at
	if s.at < len(s.text) && (s.text[s.at] == '[' || s.text[s.at] == '{') {
		n.open = s.text[s.at]
		for s.at++; ; {
			s.skip(" \t\r\n,")
			if s.at >= len(s.text) || s.text[s.at] == ']' || s.text[s.at] == '}' {
				s.at = min(s.at+1, len(s.text))
				break
			}
			if n.open == '{' {
				n.children = append(n.children, s.entry(n.path))
				continue
			}
			item := tomlNode{path: append(slices.Clone(n.path), strconv.Itoa(len(n.children))), keyStart: s.at}
			s.value(&item)
			n.children = append(n.children, item)
		}
	} else {
		s.at = s.valueEnd()
	}
	n.end = s.at
}

// valueEnd is behind the single value at the scanner's place.
func (s *tomlScanner) valueEnd() int {
	rest := s.text[s.at:]
	for _, quote := range []string{`"""`, "'''"} {
		if strings.HasPrefix(rest, quote) {
			for i := 3; i < len(rest); i++ {
				switch {
				case rest[i] == '\\' && quote == `"""`:
					i++
				case strings.HasPrefix(rest[i:], quote):
					for i += 3; i < len(rest) && rest[i] == quote[0]; i++ { // up to two quotes belong to the text
					}
					return s.at + i
				}
			}
			return len(s.text)
		}
	}
	if rest != "" && (rest[0] == '"' || rest[0] == '\'') {
		if end := closingQuote(rest); end > 0 {
			return s.at + end
		}
		return len(s.text)
	}
	end := strings.IndexAny(rest, ",]}#\r\n")
	if end < 0 {
		end = len(rest)
	}
	return s.at + max(len(strings.TrimRight(rest[:end], " \t")), min(1, len(rest)))
}

// findTOML is the entry or item that has a path.
func findTOML(all []tomlNode, path []string) *tomlNode {
	for i := range all {
		switch n := &all[i]; {
		case n.header || len(n.path) > len(path) || !slices.Equal(n.path, path[:len(n.path)]):
		case len(n.path) == len(path):
			return n
		default:
			if found := findTOML(n.children, path); found != nil {
				return found
			}
		}
	}
	return nil
}
