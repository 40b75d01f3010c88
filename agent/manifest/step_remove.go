package manifest

// Remove takes a file or a directory away.
type Remove struct {
	Path Template `yaml:"remove" kind:"remove" for:"name" doc:"Removes this file or directory, everything below it included."`
}

// Subject is the path.
func (r *Remove) Subject(p Preview) string { return p.Show(r.Path) }

// Summary says what goes.
func (r *Remove) Summary(p Preview) string { return "remove " + p.Show(r.Path) }

// Effects are what goes.
func (r *Remove) Effects() Effects { return Effects{Writes: []Template{r.Path}} }

// Validate checks the path.
func (r *Remove) Validate(v *Validation) { v.Path("remove", r.Path) }
