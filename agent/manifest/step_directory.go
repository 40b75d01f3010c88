package manifest

// Directory makes a directory.
type Directory struct {
	Path      Template `yaml:"directory" kind:"directory" for:"name" doc:"Makes this directory."`
	Owner     string   `yaml:"owner" doc:"user:group; what the directory has, or root:root, where nothing is said."`
	Mode      *Mode    `yaml:"mode" doc:"Permissions, in octal; a new directory gets 0755."`
	Recursive bool     `yaml:"recursive" doc:"Gives everything below the same owner; links are not followed."`
}

// Subject is the path.
func (d *Directory) Subject(p Preview) string { return p.Show(d.Path) }

// Summary says what is made.
func (d *Directory) Summary(p Preview) string {
	return "make the directory " + p.Show(d.Path) + " " + ownership(d.Owner, d.Mode, "0755")
}

// Effects are the directory and everything below it.
func (d *Directory) Effects() Effects {
	return Effects{Writes: []Template{d.Path}}.readsAccounts(d.Owner)
}

// Validate checks the path.
func (d *Directory) Validate(v *Validation) {
	v.Path("directory", d.Path)
	v.Owner(d.Owner)
}
