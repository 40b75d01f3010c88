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
	d := &Directory{
		Path: target, Pattern: spec.Path.IsPattern(), Owner: spec.Owner, Mode: (*fs.FileMode)(spec.Mode), Recursive: spec.Recursive,
		FileMode: (*fs.FileMode)(spec.FileMode), DirectoryMode: (*fs.FileMode)(spec.DirectoryMode),
	}
	if spec.Copy != "" {
		d.Copy = f.Facts().Beside(spec.Copy)
	}
	return d, err
}

// Directory makes a directory, or finds those that match a pattern.
type Directory struct {
	Path    string
	Pattern bool
	// Copy is the directory whose tree is copied, "" for none.
	Copy  string
	Owner string
	Mode  *fs.FileMode
	// Recursive gives everything below the same owner, and these modes. Symbolic links are changed themselves, not followed.
	Recursive               bool
	FileMode, DirectoryMode *fs.FileMode
}

// wanted is what the directory itself, the files below it and the directories below it are to have.
type wanted struct{ itself, files, directories host.Attributes }

func (d *Directory) wanted(h *host.Host) (want wanted, err error) {
	want.itself, err = attributes(h, d.Owner, d.Mode)
	want.files = host.Attributes{Owner: want.itself.Owner, Mode: d.FileMode}
	want.directories = host.Attributes{Owner: want.itself.Owner, Mode: d.DirectoryMode}
	return want, err
}

// targets are the directories that the step is about.
func (d *Directory) targets(h *host.Host) (targets []string, err error) {
	if !d.Pattern {
		return []string{d.Path}, nil
	}
	matches, err := h.Files.Glob(d.Path)
	for _, match := range matches {
		if info, err := h.Files.Lstat(match); err == nil && info.IsDir() {
			targets = append(targets, match)
		}
	}
	if len(targets) == 0 && err == nil {
		return nil, lasting("cannot find a directory that matches %s; make it first, or correct the pattern", d.Path)
	}
	return targets, err
}

// Check compares the directories, and what is below them where that is set up too.
func (d *Directory) Check(ctx context.Context, h *host.Host) (State, error) {
	want, err := d.wanted(h)
	if err != nil {
		return Unmet, err
	}
	targets, err := d.targets(h)
	if err != nil {
		return Unmet, err
	}
	for _, target := range targets {
		if met, err := d.isMet(ctx, h, target, want); err != nil || !met {
			return Unmet, err
		}
	}
	return Met, nil
}

func (d *Directory) isMet(ctx context.Context, h *host.Host, target string, want wanted) (bool, error) {
	info, err := h.Files.Stat(target)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if !info.IsDir() {
		return false, lasting("cannot make the directory %s: a file is in its place; remove it first", target)
	}
	if !h.Files.Has(target, want.itself) {
		return false, nil
	}
	if d.Copy != "" {
		if has, err := h.Files.HasCopy(ctx, d.Copy, target, want.files, want.directories); err != nil || !has {
			return false, err
		}
	}
	if !d.Recursive {
		return true, nil
	}
	return h.Files.HasBelow(ctx, target, want.files, want.directories)
}

// Apply makes the directory, copies what belongs into it, and sets owners and modes.
func (d *Directory) Apply(ctx context.Context, h *host.Host) error {
	want, err := d.wanted(h)
	if err != nil {
		return err
	}
	targets, err := d.targets(h)
	if err != nil {
		return err
	}
	for _, target := range targets {
		if err := d.apply(ctx, h, target, want); err != nil {
			return err
		}
	}
	return nil
}

// apply gives the directory itself away last: before that, nobody else can put a link into it.
func (d *Directory) apply(ctx context.Context, h *host.Host, target string, want wanted) error {
	if h.Files.Missing(target) && (d.Copy != "" || d.Recursive) {
		if err := h.Files.MakeDirectory(target, host.Attributes{Mode: d.Mode}); err != nil {
			return err
		}
	}
	if d.Copy != "" {
		if err := h.Files.CopyTree(ctx, d.Copy, target, want.files, want.directories); err != nil {
			return err
		}
	}
	if d.Recursive {
		if err := h.Files.SetAttributesBelow(ctx, target, want.files, want.directories); err != nil {
			return err
		}
	}
	return h.Files.MakeDirectory(target, want.itself)
}
