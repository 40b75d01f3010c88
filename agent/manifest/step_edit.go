package manifest

import (
	"cmp"
	"slices"
	"strings"

	"oneclick-agent/agent/edit"
)

// Edit changes values in a file and keeps the rest.
type Edit struct {
	Path   Template         `yaml:"edit" kind:"edit" for:"name" doc:"Changes values in this file and keeps the rest."`
	Format string           `yaml:"format" enum:"@formats" doc:"How the file is read, where its name does not tell."`
	Set    map[string]Value `yaml:"set" for:"content" doc:"Values to set, by key; a dot goes down a level."`
	Unset  []string         `yaml:"unset" doc:"Keys to take out."`
	Line   *Line            `yaml:"line" doc:"Replaces the one line that matches."`
	Block  *Template        `yaml:"block" for:"content" doc:"Text kept between two marker lines of ours."`
	Owner  string           `yaml:"owner" doc:"user:group; what the file has where nothing is said."`
	Mode   *Mode            `yaml:"mode" doc:"Permissions, in octal; what the file has where nothing is said."`
}

// Line is the replacement of one line.
type Line struct {
	Match string   `yaml:"match" required:"true" doc:"Regular expression, beginning with ^, that matches exactly one line."`
	Set   Template `yaml:"set" for:"content" required:"true" doc:"The whole new line."`
}

// FormatOf is the format that the file is read in: as said, or as its name tells; "text" otherwise.
func (e *Edit) FormatOf() string { return cmp.Or(e.Format, edit.FormatOf(e.Path.Text)) }

// Subject is the path with what is changed of it.
func (e *Edit) Subject(p Preview) string { return p.Show(e.Path) + " " + shorten(e.what()) }

// Summary says what is changed.
func (e *Edit) Summary(p Preview) string {
	summary := "edit " + p.Show(e.Path)
	if e.Owner != "" || e.Mode != nil {
		summary += " " + ownership(p, e.Path, e.Owner, e.Mode, 0o644, false)
	}
	return summary + ": " + e.what()
}

func (e *Edit) what() string {
	switch {
	case e.Line != nil:
		return "line " + e.Line.Match
	case e.Block != nil:
		return "block"
	}
	keys := append(sortedKeys(e.Set), e.Unset...)
	slices.Sort(keys)
	return strings.Join(keys, ", ")
}

// Effects are the parts of the file.
func (e *Edit) Effects() Effects {
	keys := append(sortedKeys(e.Set), e.Unset...)
	if e.Line != nil {
		keys = append(keys, "the line "+e.Line.Match)
	}
	if e.Block != nil {
		keys = append(keys, "the block")
	}
	return Effects{Edits: e.Path, Keys: keys}.readsAccounts(e.Owner)
}

// Validate wants one way to change the file, which its format knows.
func (e *Edit) Validate(v *Validation) {
	v.Path("edit", e.Path)
	v.Owner(e.Owner)
	if v.Misspelled("set", "unset", "line", "block") {
		return
	}
	keyed := len(e.Set) > 0 || len(e.Unset) > 0
	ways := 0
	for _, way := range []bool{keyed, e.Line != nil, e.Block != nil} {
		if way {
			ways++
		}
	}
	if ways != 1 {
		v.Report("", "use set and unset, or line, or block", "an edit needs exactly one way to change the file, and has %d", ways)
		return
	}
	format := e.FormatOf()
	if keyed && format == "text" {
		v.Report("", "add format: "+cmp.Or(edit.Likely(e.Path.Text), "dotenv")+", or change one line with line:",
			"set and unset need a format that has keys; %s is plain text", e.Path)
	}
	e.validateKeys(v, format)
	if e.Line == nil {
		return
	}
	if e.Line.Match != "" && !strings.HasPrefix(e.Line.Match, "^") {
		v.Report("line.match", "begin it with ^", "must be anchored, so that it cannot match in the middle of another line")
	}
	v.Regexp("line.match", e.Line.Match)
	if strings.Contains(e.Line.Set.Text, "\n") {
		v.Report("line.set", "use block:", "must be one line")
	}
}

// validateKeys wants keys that the format can hold, each changed in one way.
func (e *Edit) validateKeys(v *Validation, format string) {
	for _, key := range sortedKeys(e.Set) {
		if _, err := edit.CheckKey(format, key); err != nil && format != "text" {
			v.Report(join("set", key), "", "cannot be set: %s", err)
		}
		if slices.Contains(e.Unset, key) {
			v.Report(join("set", key), "", "is set and unset at once")
		}
		for _, other := range sortedKeys(e.Set) {
			if inner, err := edit.ParseKey(key); err == nil && inner.IsBelow(other) {
				v.Report(join("set", key), "set the values below it one by one, or it as a whole", "is a part of %q, which is set too", other)
			}
		}
	}
	for i, key := range e.Unset {
		if _, err := edit.CheckKey(format, key); err != nil && format != "text" {
			v.Report(index("unset", i), "", "cannot be taken out: %s", err)
		}
	}
}
