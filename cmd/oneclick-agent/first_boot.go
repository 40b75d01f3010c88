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

func (a *agent) firstBoot(ctx context.Context, arguments []string) int {
	dryRun := a.flags.Bool("dry-run", false, "print the plan and change nothing")
	whenDue := a.flags.Bool("when-due", false, "do nothing unless cloud-init handed this Droplet over; for the unit")
	kick := a.flags.Bool("kick", false, "start the unit and wait for it within a bound; for cloud-init's hook")
	if code, ok := a.parseFlags(arguments); !ok {
		return code
	}
	h, err := a.open()
	if err != nil {
		return a.fail(err)
	}
	defer h.Close()
	a.logProgress(h)
	if phase, already := firstboot.AlreadyComplete(ctx, h); already && !*dryRun && !*kick && !a.json {
		fmt.Fprintf(a.stdout, "first boot: %s\n", phase)
		return exitCode(phase)
	}
	if !*dryRun {
		if err := firstlogin.TakeCA(h, state.GivenAnswers); err != nil {
			fmt.Fprintln(a.stderr, "warning: "+problem.OneLine(err.Error()))
		}
	}
	if *kick {
		// cloud-init wrote the SSH host keys seconds ago and never will again: a power cut now must not empty them.
		if err := h.Files.SyncAll(); err != nil {
			fmt.Fprintln(a.stderr, "warning: "+err.Error())
		}
	}
	gathered, err := a.gather(ctx, h)
	if err != nil {
		return a.fail(err)
	}
	switch {
	case *dryRun:
		if err := plan.Write(a.stdout, gathered.Filling(ctx), false); err != nil {
			return a.fail(err)
		}
		return exitDone
	case *kick:
		line, failed := firstboot.Kick(ctx, gathered)
		fmt.Fprintln(a.stdout, "oneclick-agent: "+problem.OneLine(line))
		if failed {
			return exitFailed
		}
		return exitDone
	}
	phase, err := firstboot.Run(ctx, gathered, *whenDue)
	if phase.Complete() {
		firstlogin.Preset(ctx, gathered)
		if ctx.Err() != nil {
			phase, err = journal.Pending, errors.New(
				"applying the answers was interrupted; it resumes at the next boot, or now with: oneclick-agent first-login",
			)
		}
	}
	return a.tellPhase(h, gathered, phase, err)
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
// secret, but for what is written to revealed.
// gather finds out what is true. A secret that is lost is an error, but for those that are to be made anew.
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

func (a *agent) tellPhase(h *host.Host, f *facts.Facts, phase journal.Phase, reason error) int {
	if a.json {
		stands, err := status.Read(h, f)
		if err == nil {
			err = stands.WriteJSON(a.stdout)
		}
		if err != nil {
			return a.fail(err)
		}
		return exitCode(phase)
	}
	line := "first boot: " + string(phase)
	if reason != nil {
		line += ": " + problem.Printable(reason.Error())
	}
	fmt.Fprintln(a.stdout, line)
	return exitCode(phase)
}
