package manifest

// Remove takes files and directories away.
type Remove struct {
	Path Template `yaml:"remove" kind:"remove" for:"name" doc:"Removes this and all below it; a pattern (/opt/app/*.tmp) all that it matches."`
}

// Subject is the path.
func (r *Remove) Subject(p Preview) string { return p.Show(r.Path) }

// Summary says what goes.
func (r *Remove) Summary(p Preview) string {
	if r.Path.IsPattern() {
		return "remove all that matches " + p.Show(r.Path)
	}
	return "remove " + p.Show(r.Path)
}

// Effects are what goes.
func (r *Remove) Effects() Effects { return Effects{Writes: []Template{r.Path}} }

// Validate checks the path.
func (r *Remove) Validate(v *Validation) { v.PathOrPattern("remove", r.Path) }
