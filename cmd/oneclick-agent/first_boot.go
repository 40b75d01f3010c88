package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"oneclick-agent/agent/commandline"
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

func (a *agent) addFirstBoot() {
	var f bootFlags
	command := a.addToTree(commandline.Command{
		Use: "first-boot", Does: "run, or resume, the first boot of this Droplet", Ends: setupEnds,
		About: "A first boot that is complete ends at once. cloud-init and systemd run this by themselves; somebody at a terminal needs it " +
			"to try again after a failure.",
		Examples: []string{
			"oneclick-agent first-boot            # after what stood in the way is mended",
			"oneclick-agent first-boot --dry-run  # what would be done",
			"oneclick-agent first-boot --skip 'run certbot'",
		},
		Run: func(ctx context.Context, _ []string) int { return a.firstBoot(ctx, f) },
	})
	flags := command.Flags()
	flags.BoolVar(&f.dryRun, "dry-run", false, "print the plan and change nothing")
	flags.BoolVar(&f.whenDue, "when-due", false, "do nothing unless cloud-init handed this Droplet over; for the unit")
	flags.BoolVar(&f.kick, "kick", false, "start the unit and wait for it within a bound; for cloud-init's hook")
	flags.StringVar(&f.skip, "skip", "", "leave this `STEP` out, by its name in status, and go on behind it")
	flags.StringVar(&f.retry, "retry", "", "do this `STEP` again, by its name in status, whatever came of it before")
	hide(command, "when-due", "kick")
}

// hide takes flags out of the help that nobody types: they are for units and hooks of ours.
func hide(command *cobra.Command, names ...string) {
	for _, name := range names {
		command.Flags().Lookup(name).Hidden = true
	}
}

func (a *agent) firstBoot(ctx context.Context, f bootFlags) int {
	if f.chosen() > 1 {
		return a.Refuse("--dry-run, --when-due, --kick, --skip and --retry are different things; say one of them")
	}
	if f.kick {
		if code, refused := a.RefuseJSON("first-boot --kick"); refused {
			return code
		}
	}
	h, err := a.open()
	if err != nil {
		return a.Fail(err)
	}
	defer h.Close()
	a.logProgress(h)
	if phase, already := firstboot.AlreadyComplete(ctx, h); already && (f.chosen() == 0 || f.whenDue) && !a.JSON {
		fmt.Fprintf(a.Stdout, "first boot: %s\n", phase)
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
		fmt.Fprintln(a.Stderr, "warning: "+problem.OneLine(err.Error()))
	}
	if kick {
		// cloud-init wrote the SSH host keys seconds ago and never will again: a power cut now must not empty them.
		if err := h.Files.SyncAll(); err != nil {
			fmt.Fprintln(a.Stderr, "warning: "+err.Error())
		}
	}
}

// cannotBegin reports that the manifest, or what else a setup is made from, cannot be read, to everybody who asks.
func (a *agent) cannotBegin(h *host.Host, f bootFlags, cause error) int {
	if !f.dryRun {
		firstboot.ShowWithout(h, cause)
	}
	if f.kick {
		fmt.Fprintln(a.Stdout, "oneclick-agent: "+firstboot.KickWithout(h, cause))
	}
	return a.Fail(cause)
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
		fmt.Fprintln(a.Stdout, "oneclick-agent: "+problem.OneLine(line))
		if failed {
			return commandline.ExitFailed
		}
		return commandline.ExitDone
	case f.skip != "":
		phase, err = firstboot.Skip(ctx, gathered, f.skip)
	case f.retry != "":
		phase, err = firstboot.Retry(ctx, gathered, f.retry)
	default:
		phase, err = firstboot.Run(ctx, gathered, f.whenDue)
	}
	if unknown := (problem.List)(nil); errors.As(err, &unknown) {
		return a.Fail(err)
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
	if a.JSON {
		return a.WriteJSON(shown)
	}
	if err := shown.Write(a.Stdout); err != nil {
		return a.Fail(err)
	}
	return commandline.ExitDone
}

// logProgress sends progress to the systemd journal when systemd started us, else to standard error.
func (a *agent) logProgress(h *host.Host) {
	h.Progress = func(line, step string) {
		if os.Getenv("INVOCATION_ID") == "" || !h.Log(problem.OneLine(line), step) {
			fmt.Fprintln(a.Stderr, problem.OneLine(line))
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
		a.Stdout, a.Stderr = gathered.Redact.Writer(a.Stdout), gathered.Redact.Writer(a.Stderr)
	}
	return gathered, err
}

// tellPhase prints how something ended that changes this Droplet, and of a failure what to do now.
func (a *agent) tellPhase(h *host.Host, f *facts.Facts, what string, phase journal.Phase, reason error) int {
	stands, err := status.Read(h, f)
	if err != nil {
		return a.Fail(err)
	}
	if a.JSON {
		if err := stands.WriteJSON(a.Stdout); err != nil {
			return a.Fail(err)
		}
		return exitCode(phase)
	}
	line := what + ": " + string(phase)
	if reason != nil {
		line += ": " + problem.Printable(reason.Error())
	}
	fmt.Fprintln(a.Stdout, line)
	if phase == journal.Failed && stands.State == status.Failed {
		for _, said := range stands.Says[1:] {
			fmt.Fprintln(a.Stdout, said)
		}
	}
	return exitCode(phase)
}
