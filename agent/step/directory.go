package step

import (
	"context"
	"errors"
	"io/fs"
	"path"

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
	state := Met
	err = below(ctx, h, d.Path, func(entry string) error {
		if !h.Files.Has(entry, host.Attributes{Owner: want.Owner}) {
			state = Unmet
		}
		return nil
	})
	return state, err
}

// Apply makes the directory and sets owners.
func (d *Directory) Apply(ctx context.Context, h *host.Host) error {
	want, err := attributes(h, d.Owner, d.Mode)
	if err != nil {
		return err
	}
	if err := h.Files.MakeDirectory(d.Path, want); err != nil {
		return err
	}
	if !d.Recursive || want.Owner == nil {
		return nil
	}
	return below(ctx, h, d.Path, func(entry string) error {
		return h.Files.SetAttributes(entry, host.Attributes{Owner: want.Owner})
	})
}

// below visits everything under a directory; links are visited, not followed.
func below(ctx context.Context, h *host.Host, directory string, visit func(string) error) error {
	entries, err := h.Files.ReadDir(directory)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		here := path.Join(directory, entry.Name())
		if err := visit(here); err != nil {
			return err
		}
		if entry.IsDir() {
			if err := below(ctx, h, here, visit); err != nil {
				return err
			}
		}
	}
	return nil
}
