package manifest

import "cmp"

// Step is one thing to do: what all kinds of steps share, and the keys of its own kind.
type Step struct {
	Name     string   `yaml:"name" doc:"Later conditions ask by it how the step ended: {{ .steps.NAME }}."`
	Title    string   `yaml:"title" doc:"What the step does, in the words that the customer reads."`
	When     Template `yaml:"when" for:"condition" doc:"Done only where this is true."`
	Optional bool     `yaml:"optional" doc:"Its failure degrades the setup, and does not fail it."`
	Within   Duration `yaml:"within" doc:"How long the step may take, all its tries together."`
	Tries    int      `yaml:"tries" doc:"How often it is tried before it has failed; 3 for what starts or runs something, else 1."`

	// Kind reads Spec, which says what the step does. Both are nil where the manifest does not say it.
	Kind Kind
	Spec Spec
	// Key is the key that makes the step one of its kind: "file", "run".
	Key string
	// Path is where the step stands in the manifest; Digest changes when the manifest says something else of it.
	Path, Digest string
	// Login tells whether it is a step of first login.
	Login bool
	scope scope
	holder
}

// Kind is one kind of step, as far as the manifest is concerned. The package step has all of them.
type Kind interface {
	// New is an empty description, for the decoder to fill.
	New() Spec
}

// Spec is the description of one step. It is a pointer to a struct whose field with the tag kind names the key that
// makes a step this one. Each kind has a file of its own here, and one in the package step that carries it out.
type Spec interface {
	// Subject is what the step is about. With the kind's key it names the step in the journal.
	Subject(Preview) string
	// Summary says what will be done, for a plan.
	Summary(Preview) string
	// Effects are what carrying the step out touches.
	Effects() Effects
	// Validate reports what is wrong beyond types.
	Validate(*Validation)
}

// Preview shows templates as a plan does: filled in with what is known, and with names in the place of secrets.
type Preview interface {
	Show(Template) string
	// HoldsSecret reports whether a secret may stand in one of the templates.
	HoldsSecret(...Template) bool
	// There is whose what stands at a path now is, as user:group, with which mode; false where nothing does.
	There(path Template) (owner string, mode Mode, there bool)
	// Source is the template in a file beside the manifest, which the value at this place names.
	Source(name, at string) (Template, error)
}

// Effects are what a step touches, as far as its description tells.
type Effects struct {
	// Writes are the paths that it makes or removes as a whole, everything below them included.
	Writes []Template
	// Edits is the file of which it changes only the parts named by Keys.
	Edits Template
	Keys  []string
	// Reads are files that it looks at.
	Reads []Source
	// Runs are units that it starts or restarts.
	Runs []Template
	// Captures are the secrets that it fills.
	Captures []string
	// Lists are constants that people find beside the secrets.
	Lists map[string]string
	// Acts tells that it does more than its paths say: it runs a command, or asks and changes what runs. Such a step
	// may see and change anything.
	Acts bool
}

// Source is a file that a step looks at.
type Source struct {
	// Name is an absolute path, or one beside the manifest.
	Name string
	// Key is the step's key that names it, "" for a file of the system.
	Key string
	// Template tells whether its text is a template, Tree whether it is a directory.
	Template, Tree bool
}

// readsAccounts adds the account files to what a step reads, where it names an owner.
func (e Effects) readsAccounts(owner string) Effects {
	if owner != "" {
		e.Reads = append(e.Reads, Source{Name: "/etc/passwd"}, Source{Name: "/etc/group"})
	}
	return e
}

// ownership is owner and mode as a plan shows them: what the manifest says, else what is there, else what something new
// gets. A file that a secret comes into is closed to everybody.
func ownership(p Preview, target Template, owner string, mode *Mode, fresh Mode, private bool) string {
	const everybody = 0o007
	have, haveMode, there := p.There(target)
	switch {
	case !there:
		have, haveMode = "root:root", fresh
	case private:
		haveMode &^= everybody
	}
	if mode != nil {
		haveMode = *mode
	}
	return cmp.Or(owner, have) + " " + haveMode.String()
}

// longestSubject is how much of a command or of a list of keys a step's name repeats, in characters.
const longestSubject = 60

func shorten(text string) string {
	if runes := []rune(text); len(runes) > longestSubject {
		return string(runes[:longestSubject-3]) + "..."
	}
	return text
}
