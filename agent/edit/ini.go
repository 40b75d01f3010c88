package edit

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// set changes the entry of a key, or adds one to its section. Where the dialect has repeated keys, a list is all the
// entries of the key.
func (d dialect) set(data []byte, key Key, value any) ([]byte, error) {
	values, list := value.([]any)
	switch {
	case !list:
		values = []any{value}
	case !d.repeats:
		return nil, errSingle
	case len(values) == 0:
		return nil, errors.New("the list is empty; take the key out with unset:")
	}
	parts := lines(data)
	file, err := d.scan(parts)
	if err != nil {
		return nil, err
	}
	section, name, err := file.target(key)
	if err != nil {
		return nil, err
	}
	entries := file.find(section, name)
	if !list && len(entries) > 1 {
		return nil, d.repeated(name, entries)
	}
	texts := make([]string, len(values))
	for i, value := range values {
		have := ""
		if i < len(entries) {
			have = entries[i].value
		}
		if texts[i], err = scalar(value); err == nil {
			texts[i], err = d.write(texts[i], have)
		}
		if err != nil {
			return nil, err
		}
	}
	return file.rewrite(parts, lineEnding(data), section, name, entries, texts)
}

// repeated refuses one value for a key that has several.
func (d dialect) repeated(name string, entries []iniEntry) error {
	var at []string
	for _, e := range entries {
		at = append(at, fmt.Sprint(e.from+1))
	}
	if d.repeats {
		return fmt.Errorf("the file has %s %d times, in lines %s; give a list of all its values", name, len(entries), strings.Join(at, ", "))
	}
	return fmt.Errorf("the file has %s %d times, in lines %s; all but one must go", name, len(entries), strings.Join(at, ", "))
}

// rewrite gives the entries the texts, one each; surplus entries go, surplus texts follow the last one.
func (f iniFile) rewrite(parts []string, lineEnd, section, name string, entries []iniEntry, texts []string) ([]byte, error) {
	if len(entries) == 0 {
		return f.insert(parts, lineEnd, section, name, texts)
	}
	for i, e := range slices.Backward(entries) {
		if i >= len(texts) {
			parts = slices.Delete(parts, e.from, e.to)
			continue
		}
		written := texts[i : i+1]
		if i == len(entries)-1 {
			written = texts[i:]
		}
		parts = f.replace(parts, lineEnd, e, written)
	}
	return unlines(parts), nil
}

// replace writes an entry anew, and behind it those of more texts. Comments inside of a value of several lines stay.
func (f iniFile) replace(parts []string, lineEnd string, e iniEntry, texts []string) []string {
	if len(texts) == 1 && f.dialect.same(e, texts[0]) {
		return parts
	}
	last := ending(parts[e.to-1])
	var written []string
	for i, text := range texts {
		comment := ""
		if i == 0 {
			comment = e.comment
		}
		written = append(written, strings.TrimRight(e.lead+f.separator(e, text), " \t")+comment+lineEnd)
		if text != "" {
			written[i] = e.lead + f.separator(e, text) + text + comment + lineEnd
		}
	}
	for _, note := range e.notes {
		written = append(written, body(note)+lineEnd)
	}
	written[len(written)-1] = body(written[len(written)-1]) + last
	return slices.Replace(parts, e.from, e.to, written...)
}

// separator is what stands between an entry's key and its value.
func (f iniFile) separator(e iniEntry, text string) string {
	before := e.separator != strings.TrimLeft(e.separator, " \t")
	behind := e.separator != strings.TrimRight(e.separator, " \t")
	switch {
	case e.separator == "":
		return f.style("").separator
	case (e.value == "" || e.value[0] == '\n') && before && !behind:
		return e.separator + " " // as the white space before it
	}
	return e.separator
}

// style is the entry that a new one of the section is written like: the section's last, else the file's last.
func (f iniFile) style(section string) iniEntry {
	like := iniEntry{separator: f.dialect.separator}
	for _, e := range f.entries {
		if !e.header && e.separator != "" && !(e.section != section && like.section == section && like.key != "") {
			like = e
		}
	}
	if like.section != section {
		like.lead = ""
	}
	return like
}

// insert adds entries behind the last one of their section, or a section at the end of the file.
func (f iniFile) insert(parts []string, lineEnd, section, name string, texts []string) ([]byte, error) {
	if err := f.dialect.checkName(name); err != nil {
		return nil, err
	}
	like := f.style(section)
	var written []string
	for _, text := range texts {
		line := indentation(like.lead) + name + f.separator(like, text) + text
		if text == "" {
			line = strings.TrimRight(line, " \t")
		}
		written = append(written, line+lineEnd)
	}
	place, known := 0, section == ""
	for _, e := range f.entries {
		if e.section == section {
			place, known = e.to, true
		}
	}
	if section == "" && place == 0 {
		place = f.top(parts)
	}
	parts = finished(parts, lineEnd)
	if known {
		return unlines(slices.Insert(parts, place, written...)), nil
	}
	if !f.dialect.sectionName().MatchString(section) {
		return nil, fmt.Errorf("%q cannot be the name of a section", section)
	}
	if len(parts) > 0 && strings.TrimSpace(parts[len(parts)-1]) != "" {
		parts = append(parts, lineEnd)
	}
	return unlines(slices.Concat(parts, []string{"[" + section + "]" + lineEnd}, written)), nil
}

// top is where the first key of a file is put that has only comments before its first section, or at all.
func (f iniFile) top(parts []string) int {
	first := len(parts)
	if len(f.entries) > 0 {
		first = f.entries[0].from
	}
	for first > 0 && f.dialect.isComment(parts[first-1]) && len(f.entries) > 0 {
		first-- // a comment over a section belongs to it
	}
	return first
}

func (d dialect) unset(data []byte, key Key) ([]byte, error) {
	parts := lines(data)
	file, err := d.scan(parts)
	if err != nil {
		return nil, err
	}
	section, name, err := file.target(key)
	if _, nowhere := errors.AsType[noPlace](err); nowhere {
		return data, nil
	}
	if err != nil {
		return nil, err
	}
	for _, e := range slices.Backward(file.find(section, name)) {
		parts = slices.Replace(parts, e.from, e.to, e.notes...)
	}
	return unlines(parts), nil
}
