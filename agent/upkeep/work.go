package upkeep

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io/fs"
	"maps"
	"slices"

	"oneclick-agent/agent/engine"
	"oneclick-agent/agent/facts"
	"oneclick-agent/agent/journal"
	"oneclick-agent/agent/manifest"
	"oneclick-agent/agent/plan"
	"oneclick-agent/agent/step"
)

// maxRewritten is the largest file that is compared, in bytes.
const maxRewritten = 16 << 20

// work is a change with all the steps that it may concern.
type work struct {
	*Upkeep
	pieces []*piece
}

// round decides on the steps and carries them out. Where some ended otherwise than before, another round is needed for those
// whose templates ask how others ended.
func (w *work) round(ctx context.Context, report *Report) (more bool, err error) {
	earlier := w.pieces
	if w.pieces, err = w.Upkeep.pieces(ctx); err != nil {
		return false, err
	}
	asks := false
	for i, p := range w.pieces {
		asks = asks || p.item.Looks
		if earlier != nil {
			p.follow(earlier[i])
		}
	}
	if err := w.decide(ctx, report); err != nil {
		return false, err
	}
	for _, login := range []bool{false, true} {
		if err := w.carryOut(ctx, login, report); err != nil {
			return false, err
		}
	}
	ends := maps.Clone(w.Now.Steps)
	for _, j := range []*journal.Journal{w.Boot, w.Login} {
		if j != nil {
			record := j.State()
			maps.Copy(w.Now.Steps, record.StepStates())
		}
	}
	return asks && !maps.Equal(ends, w.Now.Steps), nil
}

// follow takes over what an earlier round decided on the same step.
func (p *piece) follow(earlier *piece) {
	p.settled = (earlier.settled || earlier.redo || earlier.affected || earlier.left) && earlier.is.applies == p.is.applies
	p.affected, p.redone = earlier.affected, earlier.redo || earlier.redone
}

// decide finds the steps to do again. Those whose inputs changed are; and so is what reads or changes a file that one of
// these writes.
func (w *work) decide(ctx context.Context, report *Report) error {
	var written []plan.Touched
	acted := false
	for _, p := range w.pieces {
		follows := p.is.applies && slices.ContainsFunc(written, func(t plan.Touched) bool { return p.is.touched.Disturbs(t) })
		same := p.settled || p.was.applies == p.is.applies && p.was.key == p.is.key && !p.begun
		if same && !follows {
			if acted && p.mayBeRemade() {
				var err error
				if p.redo, err = w.stands(ctx, p); err != nil {
					return err
				}
			}
			continue
		}
		again, left, err := w.judge(ctx, report, p)
		if err == nil && left != "" {
			err = w.leave(report, p, left)
		}
		if err != nil {
			return err
		}
		if again {
			p.redo, p.affected = true, true
			written = append(written, plan.Touched{Writes: p.is.touched.Writes})
			acted = acted || p.item.Acts()
		}
	}
	return nil
}

// mayBeRemade reports whether a step copies or edits a file, which a command before it may have made anew.
func (p *piece) mayBeRemade() bool {
	effects := p.item.Effects
	reads := slices.ContainsFunc(effects.Reads, func(s manifest.Source) bool { return s.Key != "" })
	return p.recorded && p.was.applies && p.is.applies && !p.item.Acts() && (reads || !effects.Edits.IsZero())
}

// judge finds out whether a step whose inputs changed is done again. Left says why it is left as it is, "" where it just
// does not apply any more.
func (w *work) judge(ctx context.Context, report *Report, p *piece) (again bool, left string, err error) {
	if p.item.Terminal {
		return false, "it needs a person at a terminal; run: oneclick-agent first-login --reset", nil
	}
	if p.was.applies && (!p.is.applies || moved(p)) {
		if err := w.undo(ctx, report, p); err != nil {
			return false, "", err
		}
	}
	switch {
	case !p.is.applies:
		return false, "", nil
	case !p.recorded:
		return false, "it is new in the manifest, and was never carried out here", nil
	}
	if reason := w.notRepeated(ctx, p); p.was.applies && reason != "" {
		return false, reason, nil
	}
	mine, err := w.stands(ctx, p)
	if err == nil && !mine {
		left = "somebody changed it since it was made"
	}
	return mine, left, err
}

// notRepeated is why a command would not run again, by its own word; "" for one that does.
func (w *work) notRepeated(ctx context.Context, p *piece) string {
	run, ok := p.is.step.(*step.Run)
	if !ok {
		return ""
	}
	if state, err := run.Check(ctx, w.Now.Host); err != nil || state != step.Met {
		return ""
	}
	if len(run.Capture) > 0 {
		return "the secret that it prints is kept already"
	}
	return "its creates or unless says that it was done"
}

// leave names a step that is left as it is.
func (w *work) leave(report *Report, p *piece, reason string) error {
	p.left = true
	report.Left = append(report.Left, p.item.ID+": "+reason)
	w.Now.Host.Report("warning: left " + p.item.ID + " as it is: " + reason)
	return w.journal(p.login).Append(journal.Event{Event: journal.LeftAlone, Step: p.item.ID,
		Cause: journal.Cause{Message: "left as it is: " + reason}}, false)
}

func (w *work) isAnswered() bool { return w.Login != nil && w.Login.State().Phase.Complete() }

// journal is the record of first boot, or that of first login.
func (w *work) journal(login bool) *journal.Journal {
	if login {
		return w.Login
	}
	return w.Boot
}

// moved reports whether a step writes to another place now.
func moved(p *piece) bool {
	return p.is.applies && !p.item.Acts() && p.was.touched.Writes[0] != p.is.touched.Writes[0]
}

// stands reports whether what a step made still is as it made it, or is already as it is to be. Only then it is done again.
func (w *work) stands(ctx context.Context, p *piece) (bool, error) {
	h := w.Now.Host
	if p.item.Acts() {
		return true, nil
	}
	if !p.was.applies || moved(p) {
		writer, ok := p.is.step.(step.Rewriter)
		return !ok || w.isOurs(writer.Target()), nil
	}
	for _, b := range []version{p.was, p.is} {
		// A step whose check cannot tell, or cannot be made on what is there now, does not stand by itself.
		if state, err := b.step.Check(ctx, h); err == nil && state == step.Met {
			return true, nil
		}
	}
	rewriter, ok := p.was.step.(step.Rewriter)
	if !ok {
		return p.begun, nil
	}
	if content := step.ContentOf(h, rewriter.Target()); content != "" && slices.Contains(w.contents(rewriter.Target()), content) {
		return true, nil
	}
	have, err := h.Files.ReadFile(rewriter.Target(), maxRewritten)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	then := func(p *piece) version { return p.was }
	now := func(p *piece) version { return p.is }
	return unchanged(have, w.writers(rewriter.Target(), then, nil)) || unchanged(have, w.writers(rewriter.Target(), now, nil)), nil
}

// isOurs reports whether a place that a step writes to, and did not write to before, may be written: what is there is what
// steps once wrote there, or nobody knows that they ever did, and it is overwritten like on a first boot.
func (w *work) isOurs(target string) bool {
	content := step.ContentOf(w.Now.Host, target)
	known := []string{""}
	for _, p := range w.pieces {
		if writer, ok := p.is.step.(step.Rewriter); ok && writer.Target() == target && p.here != "" {
			known = append(known, p.here, p.writing)
		}
	}
	return len(known) == 1 || slices.Contains(known, content)
}

// contents identify what a file held when the last of the steps had written it that write it, and what a change that was cut
// off was about to write.
func (w *work) contents(target string) (contents []string) {
	last := ""
	for _, p := range w.pieces {
		if writer, ok := p.was.step.(step.Rewriter); ok && writer.Target() == target {
			contents, last = append(contents, p.writing), cmp.Or(p.content, last)
		}
	}
	return append(contents, last)
}

// writers are the steps that decide what a file holds, in their order; only those behind a step, where one is given.
func (w *work) writers(target string, at func(*piece) version, behind *piece) (writers []step.Rewriter) {
	begun := behind == nil
	for _, p := range w.pieces {
		if b := at(p); begun && b.applies {
			if writer, ok := b.step.(step.Rewriter); ok && writer.Target() == target {
				writers = append(writers, writer)
			}
		}
		begun = begun || p == behind
	}
	return writers
}

// unchanged reports whether a file holds what these steps make of it, one behind the other.
func unchanged(have []byte, writers []step.Rewriter) bool {
	want, err := rewritten(have, writers)
	return err == nil && bytes.Equal(want, have)
}

func rewritten(content []byte, writers []step.Rewriter) ([]byte, error) {
	for _, writer := range writers {
		var err error
		if content, err = writer.Rewrite(content); err != nil {
			return nil, err
		}
	}
	return content, nil
}

// carryOut does the steps of first boot, or those of first login, again.
func (w *work) carryOut(ctx context.Context, login bool, report *Report) error {
	e := &engine.Engine{Facts: w.Now, Journal: w.journal(login), Answered: w.isAnswered(), Again: true}
	if login {
		e.Facts = w.LoginNow
	}
	for _, p := range w.pieces {
		if p.redo && p.login == login {
			item := p.item
			item.Build = func(filling *facts.Filling) (step.Step, error) { return w.whole(p, filling) }
			e.Items = append(e.Items, item)
			report.Renewed = append(report.Renewed, item.ID)
		}
	}
	return e.Run(ctx)
}

// whole is the step to do again. A file is written with what later steps change in it, so that at no moment half of that
// is missing.
func (w *work) whole(p *piece, filling *facts.Filling) (step.Step, error) {
	built, err := p.item.Build(filling)
	if err != nil {
		return nil, err
	}
	succeed(built, p.was.step)
	file, ok := built.(*step.File)
	if !ok {
		return built, nil
	}
	return file.Before(w.writers(file.Target(), func(p *piece) version { return p.is }, p))
}

// succeed lets a step find the line that it wrote with the facts of before: its pattern need not match that any more.
func succeed(now, then step.Step) {
	edit, isEdit := now.(*step.Edit)
	old, wasEdit := then.(*step.Edit)
	if isEdit && wasEdit {
		edit.Old = old.Line
	}
}

// units are what runs with something that changed: the units of service steps behind a step that is affected, and those
// that the gate let through. What such a step restarts itself, behind all that changed, is restarted once.
func (w *work) units(ctx context.Context, units []string) []string {
	changed := false
	filling := w.Now.Filling(ctx)
	for _, p := range w.pieces {
		runs := p.item.Effects.Runs
		switch {
		case p.affected && len(runs) == 0:
			changed = true
		case p.is.applies && changed || p.affected:
			for _, template := range runs {
				unit, err := filling.Text(template)
				if err != nil {
					continue // its step failed already
				}
				units = slices.DeleteFunc(units, func(other string) bool { return other == unit })
				if !p.redo && !p.redone {
					units = append(units, unit)
				}
			}
		}
	}
	if gate := w.Now.Manifest.Gate; gate != nil && changed {
		units = append(units, gate.Services...)
	}
	slices.Sort(units)
	return slices.Compact(units)
}
