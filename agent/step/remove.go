package step

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"oneclick-agent/agent/facts"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/manifest"
)

// Remove is the kind that takes files and directories away.
func (kinds) Remove() Kind { return as(Traits{Within: QuickWithin, Tries: 1}, newRemove) }

func newRemove(spec *manifest.Remove, f *facts.Filling) (Step, error) {
	target, err := f.Text(spec.Path)
	return &Remove{Path: target, Pattern: spec.Path.IsPattern()}, err
}

// Remove takes a file or directory away, or all that match a pattern.
type Remove struct {
	Path    string
	Pattern bool
	removed int
}

// targets are what is there of what is to go.
func (r *Remove) targets(h *host.Host) ([]string, error) {
	if r.Pattern {
		return h.Files.Glob(r.Path)
	}
	if _, err := h.Files.Lstat(r.Path); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return []string{r.Path}, nil
}

// Check reports whether it is gone.
func (r *Remove) Check(_ context.Context, h *host.Host) (State, error) {
	if there, err := r.targets(h); err != nil || len(there) > 0 {
		return Unmet, err
	}
	return Met, nil
}

// Apply removes it, everything below included.
func (r *Remove) Apply(_ context.Context, h *host.Host) error {
	there, err := r.targets(h)
	if err != nil {
		return err
	}
	for _, target := range there {
		if err := h.Files.Remove(target); err != nil {
			return err
		}
		r.removed++
	}
	return nil
}

// Told is how much a pattern matched: nobody can see it afterwards.
func (r *Remove) Told() string {
	if !r.Pattern {
		return ""
	}
	return fmt.Sprintf("removed %d", r.removed)
}
