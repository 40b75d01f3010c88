package manifest

import "fmt"

// File writes a whole file.
type File struct {
	Path     Template  `yaml:"file" kind:"file" for:"name" doc:"Writes this file."`
	Template string    `yaml:"template" doc:"File beside the manifest whose template is the content."`
	Content  *Template `yaml:"content" for:"content" doc:"The content."`
	Copy     string    `yaml:"copy" doc:"File of the image whose bytes are the content."`
	Owner    string    `yaml:"owner" doc:"user:group; what the file has, or root:root, where nothing is said."`
	Mode     *Mode     `yaml:"mode" doc:"Permissions, in octal; a new file gets 0644, or 0600 when it holds a secret."`
}

// Subject is the path.
func (f *File) Subject(p Preview) string { return p.Show(f.Path) }

// Summary says what is written, and with which owner and mode.
func (f *File) Summary(p Preview) string {
	source, mode, private := "content", Mode(0o644), false
	switch {
	case f.Template != "":
		source = "template " + f.Template
		if text, err := p.Source(f.Template, f.Path.Path); err == nil && p.HoldsSecret(text) {
			mode, private = 0o600, true
		}
	case f.Copy != "":
		source = "copy of " + f.Copy
	case f.Content != nil && p.HoldsSecret(*f.Content):
		mode, private = 0o600, true
	}
	return fmt.Sprintf("write %s %s (%s)", p.Show(f.Path), ownership(p, f.Path, f.Owner, f.Mode, mode, private), source)
}

// Effects are the file, and what its content comes from.
func (f *File) Effects() Effects {
	e := Effects{Writes: []Template{f.Path}}
	if f.Template != "" {
		e.Reads = append(e.Reads, Source{Name: f.Template, Key: "template", Template: true})
	}
	if f.Copy != "" {
		e.Reads = append(e.Reads, Source{Name: f.Copy, Key: "copy"})
	}
	return e.readsAccounts(f.Owner)
}

// Validate wants one source.
func (f *File) Validate(v *Validation) {
	v.Path("file", f.Path)
	v.Owner(f.Owner)
	sources := 0
	for _, key := range []string{"template", "content", "copy"} {
		if v.Wrote(key) {
			sources++
		}
	}
	if sources != 1 {
		v.Report("", "keep one of template, content and copy", "a file needs exactly one source, and has %d", sources)
	}
	v.Beside("template", f.Template)
	v.Beside("copy", f.Copy)
}
