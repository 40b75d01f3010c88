package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"oneclick-agent/agent/facts"
	"oneclick-agent/agent/firstboot"
	"oneclick-agent/agent/firstlogin"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/journal"
	"oneclick-agent/agent/lint"
	"oneclick-agent/agent/plan"
	"oneclick-agent/agent/problem"
	"oneclick-agent/agent/state"
	"oneclick-agent/agent/status"
)

// bootFlags are what first-boot can be told.
type bootFlags struct {
	dryRun, whenDue, kick bool
	skip, retry           string
}

// chosen is how many of the flags are given that exclude one another.
func (f bootFlags) chosen() int {
	count := 0
	for _, given := range []bool{f.dryRun, f.whenDue, f.kick, f.skip != "", f.retry != ""} {
		if given {
			count++
		}
	}
	return count
}

func (a *agent) firstBoot(ctx context.Context, arguments []string) int {
	var f bootFlags
	a.flags.BoolVar(&f.dryRun, "dry-run", false, "print the plan and change nothing")
	a.flags.BoolVar(&f.whenDue, "when-due", false, "do nothing unless cloud-init handed this Droplet over; for the unit")
	a.flags.BoolVar(&f.kick, "kick", false, "start the unit and wait for it within a bound; for cloud-init's hook")
	a.flags.StringVar(&f.skip, "skip", "", "leave this `STEP` out, by its name in status, and go on behind it")
	a.flags.StringVar(&f.retry, "retry", "", "do this `STEP` again, by its name in status, whatever came of it before")
	if code, ok := a.parseFlags(arguments); !ok {
		return code
	}
	if f.chosen() > 1 {
		return a.refuse("--dry-run, --when-due, --kick, --skip and --retry are different things; say one of them")
	}
	if f.kick {
		if code, refused := a.refuseJSON("first-boot --kick"); refused {
			return code
		}
	}
	h, err := a.open()
	if err != nil {
		return a.fail(err)
	}
	defer h.Close()
	a.logProgress(h)
	if phase, already := firstboot.AlreadyComplete(ctx, h); already && (f.chosen() == 0 || f.whenDue) && !a.json {
		fmt.Fprintf(a.stdout, "first boot: %s\n", phase)
		return exitCode(phase)
	}
	if !f.dryRun {
		a.prepare(h, f.kick)
	}
	gathered, err := a.gather(ctx, h)
	if err != nil {
		return a.cannotBegin(h, f, err)
	}
	return a.boot(ctx, h, gathered, f)
}

// prepare does what comes before the manifest is looked at.
func (a *agent) prepare(h *host.Host, kick bool) {
	if err := firstlogin.TakeCA(h, state.GivenAnswers); err != nil {
		fmt.Fprintln(a.stderr, "warning: "+problem.OneLine(err.Error()))
	}
	if kick {
		// cloud-init wrote the SSH host keys seconds ago and never will again: a power cut now must not empty them.
		if err := h.Files.SyncAll(); err != nil {
			fmt.Fprintln(a.stderr, "warning: "+err.Error())
		}
	}
}

// cannotBegin reports that the manifest, or what else a setup is made from, cannot be read, to everybody who asks.
func (a *agent) cannotBegin(h *host.Host, f bootFlags, cause error) int {
	if !f.dryRun {
		firstboot.ShowWithout(h, cause)
	}
	if f.kick {
		fmt.Fprintln(a.stdout, "oneclick-agent: "+firstboot.KickWithout(h, cause))
	}
	return a.fail(cause)
}

// boot does what first-boot was told to do.
func (a *agent) boot(ctx context.Context, h *host.Host, gathered *facts.Facts, f bootFlags) int {
	var phase journal.Phase
	var err error
	switch {
	case f.dryRun:
		return a.tellPlan(plan.Show(gathered.Filling(ctx), false))
	case f.kick:
		line, failed := firstboot.Kick(ctx, gathered)
		fmt.Fprintln(a.stdout, "oneclick-agent: "+problem.OneLine(line))
		if failed {
			return exitFailed
		}
		return exitDone
	case f.skip != "":
		phase, err = firstboot.Skip(ctx, gathered, f.skip)
	case f.retry != "":
		phase, err = firstboot.Retry(ctx, gathered, f.retry)
	default:
		phase, err = firstboot.Run(ctx, gathered, f.whenDue)
	}
	if unknown := (problem.List)(nil); errors.As(err, &unknown) {
		return a.fail(err)
	}
	if phase.Complete() {
		firstlogin.Preset(ctx, gathered)
		if ctx.Err() != nil {
			phase, err = journal.Pending, errors.New(
				"applying the answers was interrupted; it resumes at the next boot, or now with: oneclick-agent first-login",
			)
		}
	}
	return a.tellPhase(h, gathered, "first boot", phase, err)
}

// tellPlan prints what would be done.
func (a *agent) tellPlan(shown plan.Shown) int {
	if a.json {
		return a.writeJSON(shown)
	}
	if err := shown.Write(a.stdout); err != nil {
		return a.fail(err)
	}
	return exitDone
}

// logProgress sends progress to the systemd journal when systemd started us, else to standard error.
func (a *agent) logProgress(h *host.Host) {
	h.Progress = func(line, step string) {
		if os.Getenv("INVOCATION_ID") == "" || !h.Log(problem.OneLine(line), step) {
			fmt.Fprintln(a.stderr, problem.OneLine(line))
		}
	}
}

// gather reads the manifest and finds out what is true of this Droplet. From then on nothing that is printed shows a
// secret, but for what is written to revealed. A secret that is lost is an error, but for those that are to be made anew.
func (a *agent) gather(ctx context.Context, h *host.Host, anew ...string) (*facts.Facts, error) {
	m, err := lint.Read(h, a.manifestPath())
	if err != nil {
		return nil, err
	}
	gathered, err := facts.Gather(ctx, h, m, a.manifestPath(), a.metadata, anew...)
	if err == nil {
		a.stdout, a.stderr = gathered.Redact.Writer(a.stdout), gathered.Redact.Writer(a.stderr)
	}
	return gathered, err
}

// tellPhase prints how something ended that changes this Droplet, and of a failure what to do now.
func (a *agent) tellPhase(h *host.Host, f *facts.Facts, what string, phase journal.Phase, reason error) int {
	stands, err := status.Read(h, f)
	if err != nil {
		return a.fail(err)
	}
	if a.json {
		if err := stands.WriteJSON(a.stdout); err != nil {
			return a.fail(err)
		}
		return exitCode(phase)
	}
	line := what + ": " + string(phase)
	if reason != nil {
		line += ": " + problem.Printable(reason.Error())
	}
	fmt.Fprintln(a.stdout, line)
	if phase == journal.Failed && stands.State == status.Failed {
		for _, said := range stands.Says[1:] {
			fmt.Fprintln(a.stdout, said)
		}
	}
	return exitCode(phase)
}
