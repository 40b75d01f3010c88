package edit

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"oneclick-agent/agent/pattern"
)

var (
	iniHeader = pattern.New(`^\s*\[([^\[\]]+)\]\s*(?:[;#].*)?$`)
	iniFlag   = pattern.New(`^(\s*[A-Za-z0-9][\w.-]*)(\s*(?:#.*)?)$`) // a key without a value, as MySQL has
)

// iniEntry is a section's header, or one key with its value.
type iniEntry struct {
	from, to     int // lines, to is behind the last
	header       bool
	section, key string
	lead         string   // the first line up to the end of its key
	separator    string   // with the white space around it; "" for a key without a value
	value        string   // as it stands, with its quotes; the lines of a longer one joined
	comment      string   // what stands behind the value, white space too
	notes        []string // comment lines inside of a value of several lines
}

// iniFile is what a file of sections and keys holds.
type iniFile struct {
	dialect dialect
	entries []iniEntry
}

func (d dialect) scan(parts []string) (iniFile, error) {
	f := iniFile{dialect: d}
	section := ""
	for i := 0; i < len(parts); {
		text := strings.TrimSpace(parts[i])
		header := iniHeader().FindStringSubmatch(body(parts[i]))
		switch {
		case text == "" || d.isComment(parts[i]) || d.flags && text[0] == '!':
			i++
		case header != nil:
			section = strings.TrimSpace(header[1])
			f.entries = append(f.entries, iniEntry{from: i, to: i + 1, header: true, section: section})
			i++
		default:
			e, err := d.entry(parts, i)
			if err != nil {
				return f, err
			}
			e.section = section
			f.entries = append(f.entries, e)
			i = e.to
		}
	}
	return f, f.plausible()
}

// plausible refuses a file whose lines could be read, but mean something else: YAML has colons and no sections.
func (f iniFile) plausible() error {
	colons := len(f.entries) > 0
	for _, e := range f.entries {
		colons = colons && !e.header && strings.TrimSpace(e.separator) == ":"
	}
	if colons {
		return notThis("the file has no sections, and a colon behind each key")
	}
	return nil
}

func (d dialect) isComment(line string) bool {
	text := strings.TrimSpace(line)
	return text != "" && strings.IndexByte(d.comments, text[0]) >= 0
}

// entry reads the entry that begins in line i.
func (d dialect) entry(parts []string, i int) (iniEntry, error) {
	line := body(parts[i])
	e := iniEntry{from: i, to: i + 1}
	at := strings.IndexAny(line, d.separators)
	if at < 0 {
		if match := iniFlag().FindStringSubmatch(line); match != nil && d.flags {
			e.lead, e.key, e.comment = match[1], strings.TrimSpace(match[1]), match[2]
			return e, nil
		}
	}
	if at < 0 || strings.TrimSpace(line[:at]) == "" || strings.ContainsAny(strings.TrimSpace(line)[:1], "[<") || strings.Contains(line, "\r") {
		return e, notThis("line %d is no section, no key with its value, and no comment", i+1)
	}
	e.lead = strings.TrimRight(line[:at], " \t")
	e.key = strings.TrimSpace(e.lead)
	rest := line[at+1:]
	value := strings.TrimLeft(rest, " \t")
	e.separator = line[len(e.lead) : len(line)-len(value)]
	if value == "" { // the white space belongs to the end of the line
		e.separator = line[len(e.lead) : at+1]
		value = rest
	}
	return e, d.extent(parts, &e, value)
}

// plainExtent reads a value that ends with its line.
func plainExtent(_ []string, e *iniEntry, rest string) error {
	e.value = strings.TrimRight(rest, " \t")
	e.comment = rest[len(e.value):]
	return nil
}

// indentedExtent reads a value that goes on over lines that are indented deeper than its key.
func indentedExtent(parts []string, e *iniEntry, rest string) error {
	var notes []string
	depth := depthOf(e.lead)
	texts := []string{strings.TrimSpace(rest)}
	for i := e.from + 1; i < len(parts); i++ {
		text := strings.TrimSpace(parts[i])
		switch {
		case text == "":
			continue
		case text[0] == '#' || text[0] == ';':
			notes = append(notes, parts[i])
			continue
		case depthOf(parts[i]) <= depth:
			return joined(e, texts, rest)
		}
		texts = append(texts, text)
		e.notes, notes = append(e.notes, notes...), nil
		e.to = i + 1
	}
	return joined(e, texts, rest)
}

// depthOf counts the white space that a line begins with, as Python does.
func depthOf(line string) int {
	return utf8.RuneCountInString(line) - utf8.RuneCountInString(strings.TrimLeftFunc(line, unicode.IsSpace))
}

// backslashExtent reads a value that goes on behind a line that ends in a backslash.
func backslashExtent(parts []string, e *iniEntry, rest string) error {
	texts := []string{strings.TrimSpace(rest)}
	goesOn := oddBackslashes(rest)
	for goesOn && e.to < len(parts) {
		line := body(parts[e.to])
		e.to++
		if text := strings.TrimSpace(line); text != "" && (text[0] == '#' || text[0] == ';') {
			e.notes = append(e.notes, parts[e.to-1])
			continue
		}
		texts = append(texts, line)
		goesOn = oddBackslashes(line)
	}
	return joined(e, texts, rest)
}

// oddBackslashes reports whether the last character of text is a backslash that no other one takes the meaning from.
func oddBackslashes(text string) bool {
	return (len(text)-len(strings.TrimRight(text, `\`)))%2 == 1
}

// joined is the value of several lines. What stands behind the value of a single one is kept.
func joined(e *iniEntry, texts []string, rest string) error {
	if len(texts) == 1 && e.to == e.from+1 {
		return plainExtent(nil, e, rest)
	}
	e.value = strings.Join(texts, "\n")
	return nil
}

// find are the entries of a key.
func (f iniFile) find(section, name string) []iniEntry {
	return slices.DeleteFunc(slices.Clone(f.entries), func(e iniEntry) bool {
		return e.header || e.section != section || f.dialect.fold(e.key) != f.dialect.fold(name)
	})
}

// headers counts the sections of a name; of "", all.
func (f iniFile) headers(section string) int {
	n := 0
	for _, e := range f.entries {
		if e.header && (section == "" || e.section == section) {
			n++
		}
	}
	return n
}

// holders are the sections that have a key.
func (f iniFile) holders(name string) []string {
	var sections []string
	for _, e := range f.entries {
		if !e.header && f.dialect.fold(e.key) == f.dialect.fold(name) && !slices.Contains(sections, e.section) {
			sections = append(sections, e.section)
		}
	}
	return sections
}

// noPlace says that a file has no such key and that it is not clear where a new one would stand.
type noPlace string

func (n noPlace) Error() string { return string(n) }

// target tells a key's section and name apart.
func (f iniFile) target(key Key) (section, name string, err error) {
	plain := key.plain()
	if holders := f.holders(plain); plain != "" && len(key) > 1 && slices.Contains(holders, "") {
		return "", plain, nil
	} else if f.dialect.loose && plain != "" && len(holders) > 0 || f.dialect.loose && len(key) == 1 {
		if plain == "" {
			plain = key[0].Name
		}
		section, err = f.anywhere(plain)
		return section, plain, err
	}
	if len(key) == 1 {
		return "", key[0].Name, f.checkTop(key[0])
	}
	if exact, ok := key.dotted(0, func(name string) bool { return f.headers(name) > 0 || len(f.holders(name)) > 0 }); ok {
		has := exact[0].Name
		if f.headers(has) == 0 {
			exact = append(Key{{f.holders(has)[0], false}}, exact...)
		}
		return "", "", fmt.Errorf("the file has %s; write %s", has, exact)
	}
	section, name = key[0].Name, key[1].Name
	if exact, ok := key.dotted(1, func(name string) bool { return len(f.find(section, name)) > 0 }); ok {
		return "", "", fmt.Errorf("the file has the key %s; write %s", exact[1].Name, exact)
	}
	switch {
	case section == "":
		return "", "", errors.New("the name of its section is empty")
	case len(key) > 2:
		return "", "", noPlace(`the file has sections and keys, and no third level; write a name that has a dot in quotes: "a.b".c`)
	case f.dialect.strict && f.headers(section) > 1:
		return "", "", fmt.Errorf("the section [%s] stands %d times, which its readers refuse; make one of them", section, f.headers(section))
	case f.dialect.loose && f.headers(section) == 0 && !key[0].Quoted:
		return "", "", noPlace(fmt.Sprintf("the file has neither the section %s nor the key %s.%s; "+
			"write %s for the key, %q.%s to make the section", section, section, name, key.joined(0, 2), section, name))
	}
	return section, name, nil
}

// anywhere is the section that has a key where sections do not matter, or that gets it.
func (f iniFile) anywhere(name string) (string, error) {
	switch holders := f.holders(name); {
	case len(holders) > 1:
		return "", fmt.Errorf("the file has %s in %d sections; write section.%s", name, len(holders), Part{Name: name})
	case len(holders) == 1:
		return holders[0], nil
	case f.headers("PHP") > 0:
		return "PHP", nil
	case f.headers("") == 1 && f.entries[0].header:
		return f.entries[0].section, nil
	case f.headers("") == 0:
		return "", nil
	}
	return "", noPlace("no section is named, and the file has several; write section.key, a name that has a dot in quotes")
}

// checkTop refuses a key without a section where none can stand.
func (f iniFile) checkTop(part Part) error {
	holders := f.holders(part.Name)
	switch {
	case slices.Contains(holders, ""), f.dialect.top && f.headers("") == 0:
		return nil
	case len(holders) > 0:
		return fmt.Errorf("the file has it in a section; write %s", Key{{Name: holders[0]}, part})
	case f.dialect.top && !f.entries[0].header:
		return nil
	}
	return noPlace("its keys stand in sections; write section." + part.String())
}
