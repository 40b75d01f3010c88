package edit

import (
	"slices"
	"strings"

	"oneclick-agent/agent/pattern"
	"oneclick-agent/agent/render"
)

var (
	iniSection = pattern.New(`^\s*\[([^\]]*)\]\s*(?:[;#].*)?$`)
	iniEntry   = pattern.New(`^(\s*)([^=:\s;#\[][^=:]*?)(\s*[=:]\s*)(.*)$`)
	iniFlag    = pattern.New(`^\s*([^=:\s;#\[!][^=:\s]*)\s*$`) // a key without a value, as MySQL has
)

// iniLine is one line of an INI file that means something.
type iniLine struct {
	number            int
	section, key      string
	before, separator string
	comment           string
	header            bool
}

func iniLines(parts []string) []iniLine {
	var found []iniLine
	section := ""
	for i, line := range parts {
		text := body(line)
		if match := iniSection().FindStringSubmatch(text); match != nil {
			section = match[1]
			found = append(found, iniLine{number: i, section: section, header: true})
		} else if match := iniEntry().FindStringSubmatch(text); match != nil {
			found = append(found, iniLine{
				number: i, section: section, key: match[2], before: match[1] + match[2], separator: match[3],
				comment: iniComment(match[4]),
			})
		} else if match := iniFlag().FindStringSubmatch(text); match != nil {
			found = append(found, iniLine{number: i, section: section, key: match[1], before: strings.TrimRight(text, " \t"), separator: " = "})
		}
	}
	return found
}

// iniComment is the comment behind a value: white space, then ";" or "#".
func iniComment(value string) string {
	rest := value
	if strings.HasPrefix(value, `"`) {
		if end := closingQuote(value); end > 0 {
			rest = value[end:]
		}
	}
	for i := 1; i < len(rest); i++ {
		if (rest[i] == ';' || rest[i] == '#') && (rest[i-1] == ' ' || rest[i-1] == '\t') {
			return rest[len(strings.TrimRight(rest[:i], " \t")):]
		}
	}
	return ""
}

// iniTarget tells section and key apart: what stands literally in the file counts first, then the part before the
// first dot is the section. A leading dot means the lines before the first section.
func iniTarget(all []iniLine, key string) (section, name string) {
	for _, line := range all {
		if !line.header && line.key == key {
			return line.section, key
		}
	}
	if rest, ok := strings.CutPrefix(key, "."); ok {
		return "", rest
	}
	sections := []string{}
	for _, line := range all {
		if line.header {
			sections = append(sections, line.section)
		}
	}
	// The longest section name that fits: [a.b] and key c for a.b.c.
	for i := len(key) - 1; i > 0; i-- {
		if key[i] == '.' && slices.Contains(sections, key[:i]) {
			return key[:i], key[i+1:]
		}
	}
	if section, name, ok := strings.Cut(key, "."); ok {
		return section, name
	}
	return "", key
}

func setINI(data []byte, key string, value any) ([]byte, error) {
	text, err := scalar(value)
	if err != nil {
		return nil, err
	}
	quoted, err := render.INI(text)
	if err != nil {
		return nil, err
	}
	parts, ending := lines(data), lineEnding(data)
	all := iniLines(parts)
	section, name := iniTarget(all, key)
	separator, insert, known := " = ", -1, section == ""
	found := false
	for _, line := range all {
		if line.section != section {
			continue
		}
		known, insert = true, line.number+1
		if line.header {
			continue
		}
		separator = line.separator
		if line.key == name {
			found = true
			parts[line.number] = line.before + line.separator + quoted + line.comment + ending
		}
	}
	switch {
	case found:
	case !known:
		if len(parts) > 0 {
			parts = append(unfinished(parts, ending), ending)
		}
		parts = append(parts, "["+section+"]"+ending, name+separator+quoted+ending)
	case insert < 0: // before the first section
		insert = 0
		for insert < len(parts) && isINIComment(parts[insert]) {
			insert++
		}
		parts = slices.Insert(parts, insert, name+separator+quoted+ending)
	default:
		parts = slices.Insert(unfinished(parts, ending), insert, name+separator+quoted+ending)
	}
	return unlines(parts, ending), nil
}

// unfinished gives the last line its line break.
func unfinished(parts []string, ending string) []string {
	if last := len(parts) - 1; last >= 0 && !strings.HasSuffix(parts[last], "\n") {
		parts[last] += ending
	}
	return parts
}

func isINIComment(line string) bool {
	text := strings.TrimSpace(line)
	return strings.HasPrefix(text, "#") || strings.HasPrefix(text, ";")
}

func unsetINI(data []byte, key string) ([]byte, error) {
	parts := lines(data)
	all := iniLines(parts)
	section, name := iniTarget(all, key)
	found := false
	for _, line := range slices.Backward(all) {
		if !line.header && line.section == section && line.key == name {
			found = true
			parts = slices.Delete(parts, line.number, line.number+1)
		}
	}
	if !found {
		return data, nil
	}
	return unlines(parts, lineEnding(data)), nil
}
