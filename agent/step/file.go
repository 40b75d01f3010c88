package step

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"oneclick-agent/agent/facts"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/manifest"
)

// File is the kind that writes a whole file.
func (kinds) File() Kind { return as(Traits{Within: QuickWithin, Tries: 1}, newFile) }

func newFile(spec *manifest.File, f *facts.Filling) (Step, error) {
	target, err := f.Text(spec.Path)
	if err != nil {
		return nil, err
	}
	file := &File{Path: target, Owner: spec.Owner, Mode: (*fs.FileMode)(spec.Mode)}
	if spec.Copy != "" {
		return file, file.copyFrom(f.Facts(), spec.Copy)
	}
	content := manifest.Template{}
	if spec.Content != nil {
		content = *spec.Content
	} else if content, err = f.Facts().Source(spec.Template, spec.Path.Path); err != nil {
		return nil, err
	}
	text, secrets, err := f.Tell(content)
	if err != nil {
		return nil, fmt.Errorf("cannot write %s: %w", target, err)
	}
	file.Content, file.Private = []byte(text), len(secrets) > 0
	return file, nil
}

// copyFrom takes a file's content. What it holds is no input of this step: whoever wrote that is. A copy is no more public than
// its source, in which a secret may be.
func (f *File) copyFrom(known *facts.Facts, source string) (err error) {
	const everybody = 0o007
	if f.Content, err = known.File(source); err != nil {
		return err
	}
	info, err := known.Host.Files.Stat(known.Beside(source))
	if err == nil {
		f.Private = info.Mode()&everybody == 0
	}
	return err
}

// File writes a whole file.
type File struct {
	Path    string
	Content []byte
	Owner   string // "user:group"; "" keeps it, or root's
	Mode    *fs.FileMode
	// Private tells that a secret is in it: where Mode is nil, nobody but its owner may read it.
	Private bool
	created bool
}

func attributes(h *host.Host, owner string, mode *fs.FileMode) (host.Attributes, error) {
	want := host.Attributes{Mode: mode}
	if owner == "" {
		return want, nil
	}
	var err error
	if want.Owner, err = h.Owner(owner); err != nil {
		return want, &Lasting{err}
	}
	return want, nil
}

func (f *File) attributes(h *host.Host) (host.Attributes, error) {
	mode := f.Mode
	if mode == nil {
		var err error
		if mode, err = quietMode(h, f.Path, f.Private); err != nil {
			return host.Attributes{}, err
		}
	}
	return attributes(h, f.Owner, mode)
}

// quietMode is the mode of a file where the manifest says none. A new one gets 0644, and 0600 where a secret is in it; one
// that is there keeps its mode, but a file that a secret comes into is closed to everybody who is neither its owner
// nor in its group. Not to know is an error: a guess could make a secret readable by everyone.
func quietMode(h *host.Host, file string, private bool) (*fs.FileMode, error) {
	const everybody = 0o007
	info, err := h.Files.Stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist) && private:
		return new(fs.FileMode(0o600)), nil
	case errors.Is(err, fs.ErrNotExist):
		return new(fs.FileMode(0o644)), nil
	case err != nil:
		return nil, err
	case private && info.Mode()&everybody != 0:
		return new(info.Mode() &^ everybody), nil
	}
	return nil, nil
}

// Check compares content, owner and mode.
func (f *File) Check(_ context.Context, h *host.Host) (State, error) {
	want, err := f.attributes(h)
	if err != nil {
		return Unmet, err
	}
	if h.Files.Matches(f.Path, f.Content, want) {
		return Met, nil
	}
	return Unmet, nil
}

// Apply writes the file, and the directories above it where they are missing.
func (f *File) Apply(_ context.Context, h *host.Host) error {
	want, err := f.attributes(h)
	if err != nil {
		return err
	}
	f.created = h.Files.Missing(f.Path)
	return write(h, f.Path, f.Content, want)
}

// Created reports whether nothing was there before.
func (f *File) Created() bool { return f.created }

// Target is the file.
func (f *File) Target() string { return f.Path }

// Rewrite is the content, whatever was there.
func (f *File) Rewrite([]byte) ([]byte, error) { return f.Content, nil }

func write(h *host.Host, file string, content []byte, want host.Attributes) error {
	if h.Files.Missing(path.Dir(file)) {
		if err := h.Files.MakeDirectory(path.Dir(file), host.Attributes{}); err != nil {
			return err
		}
	}
	_, err := h.Files.WriteFile(file, content, want)
	return err
}

// Before is the file as it is once later steps changed it, so that one write brings about what all of them do.
func (f *File) Before(later []Rewriter) (*File, error) {
	whole := *f
	for _, step := range later {
		var err error
		if whole.Content, err = step.Rewrite(whole.Content); err != nil {
			return nil, err
		}
		if edit, ok := step.(*Edit); ok {
			whole.Private = whole.Private || edit.Private
		}
	}
	return &whole, nil
}
