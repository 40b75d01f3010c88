package step

import (
	"context"
	"path"

	"oneclick-agent/agent/facts"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/manifest"
)

// Link is the kind that makes a symbolic link.
func (kinds) Link() Kind { return as(Traits{Within: QuickWithin, Tries: 1}, newLink) }

func newLink(spec *manifest.Link, f *facts.Filling) (Step, error) {
	target, err := f.Text(spec.Path)
	if err != nil {
		return nil, err
	}
	to, err := f.Text(spec.To)
	return &Link{Path: target, To: to}, err
}

// Link makes a symbolic link.
type Link struct {
	Path, To string
	created  bool
}

// Check compares where the link points.
func (l *Link) Check(_ context.Context, h *host.Host) (State, error) {
	if target, err := h.Files.Readlink(l.Path); err == nil && target == l.To {
		return Met, nil
	}
	return Unmet, nil
}

// Apply makes the link in place of a link or file that is there.
func (l *Link) Apply(_ context.Context, h *host.Host) error {
	if h.Files.Missing(path.Dir(l.Path)) {
		if err := h.Files.MakeDirectory(path.Dir(l.Path), host.Attributes{}); err != nil {
			return err
		}
	}
	l.created = h.Files.Missing(l.Path)
	return h.Files.Symlink(l.To, l.Path)
}

// Created reports whether nothing was there before.
func (l *Link) Created() bool { return l.created }

// Target is the link.
func (l *Link) Target() string { return l.Path }
