package manifest

import (
	"fmt"
	"iter"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"oneclick-agent/agent/pattern"
)

// longestStep is the most that one step may take: longer, and a first boot would look like one that hangs.
const longestStep = 12 * time.Hour

// Validation is what a kind's Validate sees of one step. Keys are those of the step.
type Validation struct {
	Manifest *Manifest
	// Login tells whether it is a step of first login, Conditional whether it has a condition.
	Login, Conditional bool

	decoder *decoder
	at      string
}

// Report adds a problem with the value of key, "" for the step as a whole.
func (v *Validation) Report(key, hint, format string, arguments ...any) {
	v.decoder.report(v.place(key), hint, format, arguments...)
}

func (v *Validation) place(key string) string {
	if key == "" {
		return v.at
	}
	return join(v.at, key)
}

// Wrote reports whether the key was written, or one that is probably a misspelled form of it.
func (v *Validation) Wrote(key string) bool {
	return v.decoder.present[v.place(key)] || v.Misspelled(key)
}

// Misspelled reports whether a key was written that probably stands for one of these.
func (v *Validation) Misspelled(keys ...string) bool {
	return slices.ContainsFunc(keys, func(key string) bool { return v.decoder.misspelled[v.place(key)] })
}

// Path wants one path of the image.
func (v *Validation) Path(key string, text Template) {
	v.decoder.path(text.Text, v.place(key))
	v.NoPattern(key, text)
}

// NoPattern wants a text in which nothing stands for other names: a pattern would find nothing here, and say nothing.
func (v *Validation) NoPattern(key string, text Template) {
	if strings.ContainsAny(action().ReplaceAllString(text.Text, ""), patternCharacters) {
		v.Report(key, "only remove: and directory: take patterns; name each path in a step of its own", "cannot be a pattern: %q", text.Text)
	}
}

// action is an action of a template.
var action = pattern.New(`(?s)\{\{.*?\}\}`)

// PathOrPattern wants a path of the image, or a pattern that says what it is about: a pattern that begins in the first
// part of the path reaches the whole system, and what is filled in could be anything.
func (v *Validation) PathOrPattern(key string, text Template) {
	if text.isDynamic() {
		v.NoPattern(key, text)
		return
	}
	v.decoder.path(text.Text, v.place(key))
	if !text.IsPattern() {
		return
	}
	first, _, _ := strings.Cut(strings.TrimPrefix(text.Text, "/"), "/")
	switch {
	case strings.ContainsAny(first, patternCharacters):
		v.Report(key, "name a directory first, as in /opt/app/*.tmp", "would reach through the whole system: %q", text.Text)
	case strings.Contains(text.Text, "**"):
		v.Report(key, "write one * for each part of the path", "cannot be a pattern: ** has no meaning here: %q", text.Text)
	}
}

// Beside wants a file beside the manifest, or an absolute path.
func (v *Validation) Beside(key, text string) {
	if strings.HasPrefix(path.Clean(text), "..") {
		v.Report(key, "put the file into the manifest's directory", "must not lead out of the manifest's directory: %q", text)
	}
}

// Unit wants the name of a unit.
func (v *Validation) Unit(key string, text Template) { v.decoder.unit(text.Text, v.place(key)) }

var ownerPattern = pattern.New(`^([A-Za-z0-9_.-]+(:[A-Za-z0-9_.-]+)?)?$`)

// Owner checks the key owner.
func (v *Validation) Owner(owner string) {
	if !ownerPattern().MatchString(owner) {
		v.Report("owner", "write it as user:group", "cannot be an owner: %q", owner)
	}
}

// Regexp wants a regular expression, and returns it; nil where it is none.
func (v *Validation) Regexp(key, text string) *regexp.Regexp {
	return v.decoder.regexp(text, v.place(key))
}

// Command wants a list of arguments.
func (v *Validation) Command(key string, command Command) { v.decoder.command(command, v.place(key)) }

func (d *decoder) command(command Command, at string) {
	switch {
	case len(command) == 0 || command[0].IsZero():
		d.report(at, "", "names no command")
	case len(command) == 1 && strings.Contains(command[0].Text, " ") && !strings.Contains(command[0].Text, "{{"):
		d.report(at, "write each argument as an entry of the list", "a command is a list of arguments, not a shell's line")
	}
}

// maxPatterns is how large all regular expressions of a manifest may be together, in characters, with what is repeated a
// counted number of times written out.
const maxPatterns = 1_000_000

var repetition = pattern.New(`\{[0-9,]*?([0-9]+)\}`)

// regexp compiles a regular expression; nil where it is none.
func (d *decoder) regexp(text, at string) *regexp.Regexp {
	repeated := 1
	for _, match := range repetition().FindAllStringSubmatch(text, -1) {
		count, _ := strconv.Atoi(match[1])
		repeated = max(repeated, min(count, maxPatterns))
	}
	if d.patterns += len(text) * repeated; d.patterns > maxPatterns {
		d.report(at, "use * or + in place of a count such as {1000}", "is too large, together with the regular expressions before it")
		return nil
	}
	compiled, err := regexp.Compile(text)
	if err != nil {
		d.report(at, "", "is not a regular expression: %s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		return nil
	}
	return compiled
}

func (d *decoder) units(units []string, at string) {
	for i, unit := range units {
		d.unit(unit, index(at, i))
		if slices.Index(units, unit) < i {
			d.report(index(at, i), "", "%s is here twice", unit)
		}
	}
}

func (d *decoder) unit(unit, at string) {
	if !slices.Contains(d.manifest.units, unit) {
		d.manifest.units = append(d.manifest.units, unit)
	}
	if unitPattern().MatchString(unit) || strings.Contains(unit, "{{") {
		return
	}
	hint := ""
	if !strings.Contains(unit, ".") {
		hint = "write its type too: " + unit + ".service"
	}
	d.report(at, hint, "is not the name of a systemd unit: %q", unit)
}

// path wants a path of the image, absolute and with nothing to tidy. Templates are left to the run.
func (d *decoder) path(text, at string) {
	switch {
	case !strings.HasPrefix(text, "/") && !strings.HasPrefix(text, "{{"):
		d.report(at, "", "must be an absolute path, not %q", text)
	case strings.Contains(text, "{{"):
	case path.Clean(text) != text:
		d.report(at, "write "+path.Clean(text), "is not a plain path: %q", text)
	case text == "/":
		d.report(at, "", "must not be the root directory")
	}
}

// validateWhen wants a condition that can be true or false: a bare word is one that lost its braces.
func validateWhen(d *decoder, when Template) {
	text := strings.TrimSpace(when.Text)
	if text == "" || strings.Contains(text, "{{") || text == "true" || text == "false" {
		return
	}
	d.report(when.Path, fmt.Sprintf("write \"{{ %s }}\"", text), "is neither true nor false, whatever the Droplet: %q", text)
}

// Steps are all steps that say what they do, in the order in which they run.
func (m *Manifest) Steps() iter.Seq[*Step] {
	return func(yield func(*Step) bool) {
		lists := [][]Step{m.FirstBoot}
		if m.FirstLogin != nil {
			lists = append(lists, m.FirstLogin.Steps)
		}
		for _, list := range lists {
			for i := range list {
				if list[i].Spec != nil && !yield(&list[i]) {
					return
				}
			}
		}
	}
}

// validateStep checks what all steps share, and has the step's kind check the rest.
func (m *Manifest) validateStep(d *decoder, s *Step) {
	v := &Validation{Manifest: m, Login: s.Login, Conditional: !s.When.IsZero(), decoder: d, at: s.Path}
	validateWhen(d, s.When)
	if s.Name != "" && (!namePattern().MatchString(s.Name) || len(s.Name) > longestName) {
		v.Report("name", nameHint, "cannot be the name of a step: %q", s.Name)
	}
	for other := range m.Steps() {
		if other == s {
			break
		}
		if s.Name != "" && other.Name == s.Name {
			v.Report("name", "", "the step %s has this name already", other.Path)
		}
	}
	if s.Within.Duration() > longestStep {
		v.Report("within", "", "must be at most 12h: nobody waits longer for one step")
	}
	if v.Wrote("tries") && (s.Tries < 1 || s.Tries > 100) {
		v.Report("tries", "", "must be 1 to 100")
	}
	s.Spec.Validate(v)
}

// validateConflicts finds steps that would undo one another. Steps with different conditions may share a path: at
// most one of them may turn out to apply, which the run checks.
func (m *Manifest) validateConflicts(d *decoder) {
	for _, login := range []bool{false, true} {
		writers := map[string][]*Step{}
		keys := map[string]*Step{}
		for s := range m.Steps() {
			if s.Login != login {
				continue
			}
			told := false // one other step is enough to name
			clash := func(other *Step, what string) {
				if !told && (other.When.IsZero() || s.When.IsZero() || other.When.Text == s.When.Text) {
					told = true
					d.report(s.Path, "join the two steps, or give them different conditions with when:", "%s", what+other.Path)
				}
			}
			effects := s.Spec.Effects()
			for _, target := range effects.Writes {
				for _, other := range writers[target.Text] {
					clash(other, target.Text+" is written already by ")
				}
				writers[target.Text] = append(writers[target.Text], s)
			}
			if target := effects.Edits.Text; target != "" {
				for _, other := range writers[target] {
					clash(other, target+" is edited here and written as a whole by ")
				}
				for _, key := range effects.Keys {
					told = false
					if other, ok := keys[target+"\x00"+key]; ok {
						clash(other, fmt.Sprintf("%s of %s is changed already by ", key, target))
					}
					keys[target+"\x00"+key] = s
				}
			}
		}
		m.validateUndone(d, login, writers)
	}
}

// validateUndone finds files that are edited first and written as a whole by a later step.
func (m *Manifest) validateUndone(d *decoder, login bool, writers map[string][]*Step) {
	for s := range m.Steps() {
		target := s.Spec.Effects().Edits
		if s.Login != login || target.IsZero() {
			continue
		}
		for _, other := range writers[target.Text] {
			if s.scope.number < other.scope.number {
				d.report(other.Path, "write the file first, or say everything in one template", "%s would undo the edit of %s", target, s.Path)
			}
		}
	}
}
