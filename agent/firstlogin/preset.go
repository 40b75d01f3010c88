package firstlogin

import (
	"context"
	"slices"
	"strings"

	"oneclick-agent/agent/facts"
	"oneclick-agent/agent/firstboot"
	"oneclick-agent/agent/journal"
	"oneclick-agent/agent/manifest"
	"oneclick-agent/agent/state"
)

// Preset takes the answers that the customer gave by cloud-init, or in /etc/environment, into a first boot that has just
// become complete, and carries out the steps with them where they are complete. What is wrong with them, or missing, is told,
// kept for whoever asks how things stand, and left to the wizard.
func Preset(ctx context.Context, f *facts.Facts) {
	if f.Manifest.FirstLogin == nil {
		return
	}
	record, err := journal.Read(f.Host.Files, state.LoginJournal)
	if err != nil || f.Answers.Choice == facts.Never {
		return
	}
	switch {
	case !f.Host.Files.Missing(state.Apply): // they were to be applied, and the power went
	case record.Phase != journal.Fresh:
		return
	case f.Answers.Choice != facts.Ready && !takePreset(ctx, f):
		return
	}
	phase, err := firstboot.ApplyAnswers(ctx, f)
	line := "first login: " + string(phase)
	if err != nil {
		line += ": " + err.Error()
	}
	f.Host.Report(line)
}

// takePreset keeps the answers given in advance, and reports whether they are complete.
func takePreset(ctx context.Context, f *facts.Facts) (complete bool) {
	if f.Host.Files.Exists(state.GivenAnswers) || len(environment(f)) > 0 {
		open, err := take(ctx, f, state.GivenAnswers, false)
		complete = err == nil && len(open) == 0
		reason := ""
		switch {
		case err != nil:
			reason = "the answers given in advance are not used: " + f.Redact.Redact(err.Error())
		case !complete:
			reason = "the answers given in advance leave open: " + strings.Join(open, ", ")
		}
		if reason != "" {
			f.Host.Report("warning: " + reason)
			if err := firstboot.NoteGiven(f, reason); err != nil {
				f.Host.Report("warning: " + err.Error())
			}
		}
	}
	if err := f.Host.Files.Remove(state.Preset); err != nil {
		f.Host.Report("warning: " + err.Error()) // they are looked at again, which changes nothing
	}
	return complete
}

// TakeAnswers takes the answers of a file, and those of /etc/environment, as the customer's decision. Every question that applies
// must have its answer.
func TakeAnswers(ctx context.Context, f *facts.Facts, file string) error {
	if err := TakeCA(f.Host, file); err != nil {
		return err
	}
	_, err := take(ctx, f, file, true)
	return err
}

// take keeps the answers of a file, all in one while no other process can, and decides to apply them where they are complete.
func take(ctx context.Context, f *facts.Facts, file string, all bool) (open []string, err error) {
	err = f.Answering(func() error {
		if open, err = Read(ctx, f, file, all); err != nil || len(open) > 0 {
			return err
		}
		return firstboot.Decide(f, facts.Ready)
	})
	return open, err
}

// Answered reports whether every question that applies has its answer.
func Answered(ctx context.Context, f *facts.Facts) bool {
	return !slices.ContainsFunc(f.Manifest.FirstLogin.Questions, func(q manifest.Question) bool {
		applies, err := f.Asked(ctx, q)
		_, answered := f.Answer(q)
		return err != nil || applies && !answered
	})
}
