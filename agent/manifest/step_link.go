package manifest

import (
	"fmt"
	"path"
)

// Link makes a symbolic link.
type Link struct {
	Path Template `yaml:"link" kind:"link" for:"name" doc:"Makes this symbolic link."`
	To   Template `yaml:"to" for:"name" doc:"What the link points to."`
}

// Subject is the path.
func (l *Link) Subject(p Preview) string { return p.Show(l.Path) }

// Summary says what points where.
func (l *Link) Summary(p Preview) string {
	return fmt.Sprintf("link %s to %s", p.Show(l.Path), p.Show(l.To))
}

// Effects are the link itself.
func (l *Link) Effects() Effects { return Effects{Writes: []Template{l.Path}} }

// Validate wants to know where it points.
func (l *Link) Validate(v *Validation) {
	v.Path("link", l.Path)
	v.NoPattern("to", l.To)
	if l.To.IsZero() && !v.Misspelled("to") {
		v.Report("", "add to: PATH", "a link needs what it points to")
	}
	target := l.To.Text
	if !path.IsAbs(target) {
		target = path.Join(path.Dir(l.Path.Text), target)
	}
	if !l.To.IsZero() && path.Clean(target) == path.Clean(l.Path.Text) {
		v.Report("to", "", "points to the link itself: %q", l.To.Text)
	}
}
