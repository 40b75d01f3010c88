package manifest

// Remove takes files and directories away.
type Remove struct {
	Path Template `yaml:"remove" kind:"remove" for:"name" doc:"Removes this file or directory, everything below it included; a pattern such as /opt/app/*.tmp removes all that it matches."`
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
