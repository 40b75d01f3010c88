package step

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"

	"oneclick-agent/agent/edit"
	"oneclick-agent/agent/facts"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/manifest"
)

// maxEdited is the largest file that is edited, in bytes.
const maxEdited = 16 << 20

// Edit is the kind that changes values in a file.
func (kinds) Edit() Kind { return as(Traits{Within: QuickWithin, Tries: 1}, newEdit) }

func newEdit(spec *manifest.Edit, f *facts.Filling) (Step, error) {
	target, err := f.Text(spec.Path)
	if err != nil {
		return nil, err
	}
	e := &Edit{Path: target, Format: spec.FormatOf(), Owner: spec.Owner, Mode: (*fs.FileMode)(spec.Mode)}
	fill := func(t manifest.Template) (string, error) {
		text, secrets, err := f.Tell(t)
		e.Private = e.Private || len(secrets) > 0
		return text, err
	}
	switch {
	case spec.Line != nil:
		if e.Pattern, err = regexp.Compile(spec.Line.Match); err == nil {
			e.Line, err = fill(spec.Line.Set)
		}
	case spec.Block != nil:
		var block string
		block, err = fill(*spec.Block)
		e.Block = &block
	default:
		e.Change = edit.Change{Set: map[string]any{}, Unset: spec.Unset}
		for _, key := range slices.Sorted(maps.Keys(spec.Set)) {
			if e.Change.Set[key], err = spec.Set[key].Fill(fill); err != nil {
				return nil, fmt.Errorf("cannot set %s: %w", key, err)
			}
		}
	}
	return e, err
}

// Edit changes values in a file and keeps the rest. Exactly one of Change, Pattern and Block is used.
type Edit struct {
	Path    string
	Format  string
	Change  edit.Change
	Pattern *regexp.Regexp // the line to replace …
	Line    string         // … by this one
	Old     string         // the line that stood there by an earlier Line, "" for none
	Block   *string
	Owner   string // "user:group"; "" keeps it
	Mode    *fs.FileMode
	// Private tells that a secret is in what is written: where Mode is nil, nobody but its owner and group may read it.
	Private bool
	created bool
}

// Rewrite is the file as it should be, from what it is.
func (e *Edit) Rewrite(have []byte) (want []byte, err error) {
	switch {
	case e.Pattern != nil:
		want, err = e.replaceLine(have)
	case e.Block != nil:
		want, err = edit.Block(have, e.Path, *e.Block)
	default:
		want, err = edit.Apply(e.Format, have, e.Change)
	}
	if err != nil {
		return nil, lasting("cannot edit %s: %w", e.Path, err)
	}
	return want, nil
}

func (e *Edit) replaceLine(have []byte) ([]byte, error) {
	want, err := edit.Line(have, e.Pattern, e.Line)
	if err == nil || e.Old == "" {
		return want, err
	}
	old, compileError := regexp.Compile("^" + regexp.QuoteMeta(e.Old) + "$")
	if compileError != nil {
		return nil, err
	}
	if again, oldError := edit.Line(have, old, e.Line); oldError == nil {
		return again, nil
	}
	return nil, err
}

// edited is the file as it should be, and as it is.
func (e *Edit) edited(h *host.Host) (want, have []byte, err error) {
	have, err = h.Files.ReadFile(e.Path, maxEdited)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, err
	}
	want, err = e.Rewrite(have)
	return want, have, err
}

func (e *Edit) attributes(h *host.Host) (host.Attributes, error) {
	mode := e.Mode
	if mode == nil {
		var err error
		if mode, err = quietMode(h, e.Path, e.Private); err != nil {
			return host.Attributes{}, err
		}
	}
	return attributes(h, e.Owner, mode)
}

// Check reports whether editing would change nothing.
func (e *Edit) Check(_ context.Context, h *host.Host) (State, error) {
	want, have, err := e.edited(h)
	if err != nil {
		return Unmet, err
	}
	if !bytes.Equal(want, have) || !h.Files.Exists(e.Path) {
		return Unmet, nil
	}
	attributes, err := e.attributes(h)
	if err != nil {
		return Unmet, err
	}
	if h.Files.Matches(e.Path, have, attributes) {
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
	attributes, err := e.attributes(h)
	if err != nil {
		return err
	}
	e.created = h.Files.Missing(e.Path)
	return write(h, e.Path, want, attributes)
}

// Created reports whether nothing was there before.
func (e *Edit) Created() bool { return e.created }

// Target is the file.
func (e *Edit) Target() string { return e.Path }
