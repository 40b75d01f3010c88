package step

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"path"
	"regexp"

	"oneclick-agent/agent/edit"
	"oneclick-agent/agent/host"
)

// maxEdited is the largest file that is edited, in bytes.
const maxEdited = 16 << 20

// File writes a whole file.
type File struct {
	Path    string
	Content []byte
	Owner   string // "user:group"; "" keeps it, or root's
	Mode    *fs.FileMode
	// NewMode is the mode of a file that is not there yet, where Mode is nil.
	NewMode fs.FileMode
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
		if mode, err = modeIfNew(h, f.Path, f.NewMode); err != nil {
			return host.Attributes{}, err
		}
	}
	return attributes(h, f.Owner, mode)
}

// modeIfNew is mode where nothing is at file, and nil, which keeps its mode, where something is. Not to know is an
// error: a guess could make a secret readable by everyone.
func modeIfNew(h *host.Host, file string, mode fs.FileMode) (*fs.FileMode, error) {
	_, err := h.Files.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return &mode, nil
	}
	return nil, err
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
	return write(h, f.Path, f.Content, want)
}

func write(h *host.Host, file string, content []byte, want host.Attributes) error {
	if h.Files.Missing(path.Dir(file)) {
		if err := h.Files.MakeDirectory(path.Dir(file), host.Attributes{}); err != nil {
			return err
		}
	}
	_, err := h.Files.WriteFile(file, content, want)
	return err
}

// Edit changes values in a file and keeps the rest. Exactly one of Change, Pattern and Block is used.
type Edit struct {
	Path    string
	Format  string
	Change  edit.Change
	Pattern *regexp.Regexp // the line to replace …
	Line    string         // … by this one
	Block   *string
	// NewMode is the mode of a file that is not there yet.
	NewMode fs.FileMode
}

// edited is the file as it should be, and as it is.
func (e *Edit) edited(h *host.Host) (want, have []byte, err error) {
	have, err = h.Files.ReadFile(e.Path, maxEdited)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, err
	}
	switch {
	case e.Pattern != nil:
		want, err = edit.Line(have, e.Pattern, e.Line)
	case e.Block != nil:
		want, err = edit.Block(have, e.Path, *e.Block)
	default:
		want, err = edit.Apply(e.Format, have, e.Change)
	}
	if err != nil {
		return nil, nil, lasting("cannot edit %s: %w", e.Path, err)
	}
	return want, have, nil
}

// Check reports whether editing would change nothing.
func (e *Edit) Check(_ context.Context, h *host.Host) (State, error) {
	want, have, err := e.edited(h)
	if err != nil {
		return Unmet, err
	}
	if bytes.Equal(want, have) && h.Files.Exists(e.Path) {
		return Met, nil
	}
	return Unmet, nil
}

// Apply edits the file.
func (e *Edit) Apply(_ context.Context, h *host.Host) error {
	want, _, err := e.edited(h)
	if err != nil {
		return err
	}
	mode, err := modeIfNew(h, e.Path, e.NewMode)
	if err != nil {
		return err
	}
	return write(h, e.Path, want, host.Attributes{Mode: mode})
}
