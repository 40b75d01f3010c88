package step

import (
	"context"
	"errors"
	"io/fs"

	"oneclick-agent/agent/facts"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/manifest"
)

// Remove is the kind that takes a file or a directory away.
func (kinds) Remove() Kind { return as(Traits{Within: QuickWithin, Tries: 1}, newRemove) }

func newRemove(spec *manifest.Remove, f *facts.Filling) (Step, error) {
	target, err := f.Text(spec.Path)
	return &Remove{Path: target}, err
}

// Remove takes a file or directory away.
type Remove struct{ Path string }

// Check reports whether it is gone.
func (r *Remove) Check(_ context.Context, h *host.Host) (State, error) {
	if _, err := h.Files.Lstat(r.Path); errors.Is(err, fs.ErrNotExist) {
		return Met, nil
	}
	return Unmet, nil
}

// Apply removes it, everything below included.
func (r *Remove) Apply(_ context.Context, h *host.Host) error { return h.Files.Remove(r.Path) }
