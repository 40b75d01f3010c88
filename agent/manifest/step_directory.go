package manifest

// Directory makes a directory, or gives those that are there their owner and mode.
type Directory struct {
	Path Template `yaml:"directory" kind:"directory" for:"name" doc:"Makes this directory; a pattern finds those that are there."`
	Copy string   `yaml:"copy" doc:"Directory of the image whose whole tree is copied; what is only in the copy stays."`

	Owner         string `yaml:"owner" doc:"user:group, of what is copied too; what it has, or root:root, where nothing is said."`
	Mode          *Mode  `yaml:"mode" doc:"Permissions of the directory itself, in octal; a new one gets 0755."`
	Recursive     bool   `yaml:"recursive" doc:"Gives everything below the owner, file_mode and directory_mode; links are not followed."`
	FileMode      *Mode  `yaml:"file_mode" doc:"Of the files below, with recursive or copy; what they have where nothing is said."`
	DirectoryMode *Mode  `yaml:"directory_mode" doc:"The same of the directories below."`
}

// Subject is the path.
func (d *Directory) Subject(p Preview) string { return p.Show(d.Path) }

// Summary says what is made.
func (d *Directory) Summary(p Preview) string {
	summary := "make the directory " + p.Show(d.Path)
	if d.Copy != "" {
		summary = "copy the directory " + d.Copy + " to " + p.Show(d.Path)
	}
	summary += " " + ownership(p, d.Path, d.Owner, d.Mode, 0o755, false)
	if d.Path.IsPattern() {
		summary = "set up the directories that match " + p.Show(d.Path)
		if d.Owner != "" {
			summary += " " + d.Owner
		}
		if d.Mode != nil {
			summary += " " + d.Mode.String()
		}
	}
	if d.FileMode != nil {
		summary += ", files below " + d.FileMode.String()
	}
	if d.DirectoryMode != nil {
		summary += ", directories below " + d.DirectoryMode.String()
	}
	return summary
}

// Effects are the directory and everything below it.
func (d *Directory) Effects() Effects {
	e := Effects{Writes: []Template{d.Path}}
	if d.Copy != "" {
		e.Reads = append(e.Reads, Source{Name: d.Copy, Key: "copy", Tree: true})
	}
	return e.readsAccounts(d.Owner)
}

// Validate checks the path, and that what is said of things below the directory is done to them.
func (d *Directory) Validate(v *Validation) {
	v.PathOrPattern("directory", d.Path)
	v.Owner(d.Owner)
	v.Beside("copy", d.Copy)
	if d.Path.IsPattern() {
		if d.Copy != "" {
			v.Report("copy", "name the one directory", "needs one place to copy to, and %s is a pattern", d.Path)
		}
		if d.Owner == "" && d.Mode == nil && d.FileMode == nil && d.DirectoryMode == nil {
			v.Report("", "add owner: or mode:", "a pattern only finds directories that are there, and nothing is said to do with them")
		}
	}
	below := d.Recursive || d.Copy != ""
	for key, mode := range map[string]*Mode{"file_mode": d.FileMode, "directory_mode": d.DirectoryMode} {
		if mode != nil && !below {
			v.Report(key, "add recursive: true", "is about what is below the directory, which this step leaves alone")
		}
	}
	if d.Recursive && d.Owner == "" && d.FileMode == nil && d.DirectoryMode == nil {
		v.Report("recursive", "add owner:, file_mode: or directory_mode:", "says nothing to do with what is below the directory")
	}
}
