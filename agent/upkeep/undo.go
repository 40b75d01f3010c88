package upkeep

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"slices"

	"oneclick-agent/agent/host"
	"oneclick-agent/agent/journal"
	"oneclick-agent/agent/step"
)

// stays is why a step that does not apply any more is left.
const stays = "it does not apply any more, and what it did cannot be taken back"

// undo takes away what a step made that does not apply any more, or writes elsewhere now: where everything in that place
// was made by steps and still is as they made it. Anything else stays, and is named.
func (w *work) undo(ctx context.Context, report *Report, p *piece) error {
	h := w.Now.Host
	if p.item.Acts() {
		return w.leave(report, p, stays)
	}
	if _, rewrites := p.was.step.(step.Rewriter); rewrites {
		return w.undoWriting(report, p)
	}
	if w.isWritten(p.was.touched.Writes[0]) {
		return nil // by a step that applies now
	}
	link, ok := p.was.step.(*step.Link)
	if state, err := p.was.step.Check(ctx, h); !ok || !p.created || err != nil || state != step.Met {
		return w.leave(report, p, stays)
	}
	return w.takeAway(report, p, link.Path)
}

func (w *work) takeAway(report *Report, p *piece, target string) error {
	p.affected = true
	report.Renewed = append(report.Renewed, "took away "+target)
	if moved(p) { // should this change be cut off and taken back, it has to be made again
		if err := w.journal(p.login).Append(journal.Event{Event: journal.TakenAway, Step: p.wasID}, true); err != nil {
			return err
		}
	}
	return w.Now.Host.Files.Remove(target)
}

// undoWriting gives a file the content that it would have without the step: that of the steps that apply now.
func (w *work) undoWriting(report *Report, p *piece) error {
	target := p.was.step.(step.Rewriter).Target()
	have, err := w.Now.Host.Files.ReadFile(target, maxRewritten)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	then := w.writers(target, func(p *piece) version { return p.was }, nil)
	want, err := rewritten(nil, then)
	ours := bytes.Equal(want, have) || slices.Contains(w.contents(target), step.ContentOf(w.Now.Host, target))
	if err != nil || !ours || !w.madeFromNothing(target, then[0]) {
		if whole := w.wholeWriter(target); whole != nil && whole.was.key != whole.is.key {
			return nil // the file is written anew as a whole
		}
		return w.leave(report, p, stays)
	}
	now := w.writers(target, func(p *piece) version { return p.is }, nil)
	if len(now) == 0 {
		return w.takeAway(report, p, target)
	}
	if whole := w.wholeWriter(target); whole != nil {
		whole.redo, whole.affected = true, true
		return nil
	}
	if want, err = rewritten(nil, now); err != nil {
		return err
	}
	p.affected = true
	report.Renewed = append(report.Renewed, "took "+p.item.ID+" back")
	_, err = w.Now.Host.Files.WriteFile(target, want, host.Attributes{})
	return err
}

// madeFromNothing reports whether a file holds nothing but what steps wrote: the first of them writes it as a whole, or
// it was not there before.
func (w *work) madeFromNothing(target string, first step.Rewriter) bool {
	if _, whole := first.(*step.File); whole {
		return true
	}
	return slices.ContainsFunc(w.pieces, func(p *piece) bool {
		writer, ok := p.was.step.(step.Rewriter)
		return ok && writer.Target() == target && p.created
	})
}

// wholeWriter is the step that applies now and writes a file as a whole, nil for none.
func (w *work) wholeWriter(target string) *piece {
	for _, p := range w.pieces {
		if file, ok := p.is.step.(*step.File); ok && p.is.applies && file.Target() == target {
			return p
		}
	}
	return nil
}

// isWritten reports whether a step that applies now writes a path. Where a link at that path leads does not count: many
// may lead to one place.
func (w *work) isWritten(path string) bool {
	return slices.ContainsFunc(w.pieces, func(p *piece) bool {
		return p.is.applies && len(p.is.touched.Writes) > 0 && p.is.touched.Writes[0] == path
	})
}
