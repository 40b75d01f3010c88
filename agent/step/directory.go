package step

import (
	"context"
	"errors"
	"io/fs"

	"oneclick-agent/agent/facts"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/manifest"
)

// Directory is the kind that makes a directory.
func (kinds) Directory() Kind { return as(Traits{Within: QuickWithin, Tries: 1}, newDirectory) }

func newDirectory(spec *manifest.Directory, f *facts.Filling) (Step, error) {
	target, err := f.Text(spec.Path)
	return &Directory{Path: target, Owner: spec.Owner, Mode: (*fs.FileMode)(spec.Mode), Recursive: spec.Recursive}, err
}

// Directory makes a directory.
type Directory struct {
	Path  string
	Owner string
	Mode  *fs.FileMode
	// Recursive gives everything below the same owner. Symbolic links are changed themselves, not followed.
	Recursive bool
}

// Check compares the directory, and with Recursive everything below it.
func (d *Directory) Check(ctx context.Context, h *host.Host) (State, error) {
	want, err := attributes(h, d.Owner, d.Mode)
	if err != nil {
		return Unmet, err
	}
	info, err := h.Files.Stat(d.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return Unmet, nil
	}
	if err != nil {
		return Unmet, err
	}
	if !info.IsDir() {
		return Unmet, lasting("cannot make the directory %s: a file is in its place; remove it first", d.Path)
	}
	if !h.Files.Has(d.Path, want) {
		return Unmet, nil
	}
	if !d.Recursive || want.Owner == nil {
		return Met, nil
	}
	below := host.Attributes{Owner: want.Owner}
	if has, err := h.Files.HasBelow(ctx, d.Path, below, below); err != nil || !has {
		return Unmet, err
	}
	return Met, nil
}

// Apply makes the directory and sets owners.
func (d *Directory) Apply(ctx context.Context, h *host.Host) error {
	want, err := attributes(h, d.Owner, d.Mode)
	if err != nil {
		return err
	}
	if !d.Recursive || want.Owner == nil {
		return h.Files.MakeDirectory(d.Path, want)
	}
	// The directory itself is given away last: before that, nobody else can put a link into it.
	if h.Files.Missing(d.Path) {
		if err := h.Files.MakeDirectory(d.Path, host.Attributes{Mode: d.Mode}); err != nil {
			return err
		}
	}
	below := host.Attributes{Owner: want.Owner}
	if err := h.Files.SetAttributesBelow(ctx, d.Path, below, below); err != nil {
		return err
	}
	return h.Files.MakeDirectory(d.Path, want)
}
