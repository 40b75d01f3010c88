package firstlogin

import (
	"context"

	"oneclick-agent/agent/facts"
	"oneclick-agent/agent/firstboot"
	"oneclick-agent/agent/journal"
	"oneclick-agent/agent/state"
)

// Preset takes the answers that the customer gave by cloud-init, or in /etc/environment, into a first boot that has just
// become complete, and carries out the steps with them where they are complete. What is wrong with them is told, and left
// to the wizard.
func Preset(ctx context.Context, f *facts.Facts) {
	if f.Manifest.FirstLogin == nil {
		return
	}
	record, err := journal.Read(f.Host.Files, state.LoginJournal)
	if err != nil || record.Phase != journal.Fresh || f.Answers.Choice == facts.Never {
		return
	}
	if f.Answers.Choice != facts.Ready {
		if !f.Host.Files.Exists(state.GivenAnswers) || !takePreset(ctx, f) {
			return
		}
	}
	phase, err := firstboot.ApplyAnswers(ctx, f)
	line := "first login: " + string(phase)
	if err != nil {
		line += ": " + err.Error()
	}
	f.Host.Report(line)
}

// takePreset keeps the answers given in advance, and reports whether they are complete.
func takePreset(ctx context.Context, f *facts.Facts) bool {
	if err := FromEnvironment(f); err != nil {
		f.Host.Report("warning: " + err.Error())
	}
	complete, err := Read(ctx, f, state.GivenAnswers, false)
	if err != nil {
		f.Host.Report("warning: the answers given in advance are not used: " + err.Error())
		return false
	}
	if !complete {
		return false
	}
	if err := firstboot.Decide(f, facts.Ready); err != nil {
		f.Host.Report("warning: " + err.Error())
		return false
	}
	return true
}
