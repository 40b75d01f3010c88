package manifest

// TTY hands the terminal over to a program; its exit status decides.
type TTY struct {
	Command Command `yaml:"tty" kind:"tty" for:"argument" doc:"Hands the terminal to this program; only at first login."`
	Process `yaml:",inline"`
}

// Subject is the command.
func (t *TTY) Subject(p Preview) string { return shorten(t.Command.Line(p)) }

// Summary says what gets the terminal.
func (t *TTY) Summary(p Preview) string { return "hand the terminal to " + t.Command.Line(p) }

// Effects of a program can be anything.
func (t *TTY) Effects() Effects { return Effects{Acts: true} }

// Validate wants a person to be there.
func (t *TTY) Validate(v *Validation) {
	v.Command("tty", t.Command)
	t.Process.validate(v)
	if !v.Login {
		v.Report("", "move it to first_login.steps", "nobody is at a terminal during first boot")
	}
}
