package main

import (
	"context"
	"fmt"
	"os"

	"oneclick-agent/agent/firstboot"
	"oneclick-agent/agent/firstlogin"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/problem"
)

func (a *agent) firstBoot(ctx context.Context, arguments []string) int {
	dryRun := a.flags.Bool("dry-run", false, "print the plan and change nothing")
	whenDue := a.flags.Bool("when-due", false, "do nothing unless cloud-init handed this Droplet over; for the unit")
	kick := a.flags.Bool("kick", false, "start the unit and wait for it within a bound; for cloud-init's hook")
	if _, code, ok := a.parse(arguments); !ok {
		return code
	}
	h, err := a.open()
	if err != nil {
		return a.fail(err)
	}
	defer h.Close()
	a.logProgress(h)
	if outcome, already := firstboot.AlreadyFinished(ctx, h); already && !*dryRun && !*kick && !a.json {
		fmt.Fprintf(a.stdout, "first boot: %s\n", outcome)
		return exitCode(outcome)
	}
	if !*dryRun {
		if err := firstlogin.TakeCA(h, firstlogin.AnswersPath); err != nil {
			fmt.Fprintln(a.stderr, "warning: "+problem.OneLine(err.Error()))
		}
	}
	if *kick {
		// cloud-init wrote the SSH host keys seconds ago and never will again: a power cut now must not empty them.
		if err := h.Files.SyncAll(); err != nil {
			fmt.Fprintln(a.stderr, "warning: "+err.Error())
		}
	}
	setup, err := a.prepare(ctx, h)
	if err != nil {
		return a.fail(err)
	}
	switch {
	case *dryRun:
		if err := setup.WritePlan(a.stdout); err != nil {
			return a.fail(err)
		}
		return exitDone
	case *kick:
		line, failed := firstboot.Kick(ctx, setup)
		fmt.Fprintln(a.stdout, "oneclick-agent: "+problem.OneLine(line))
		if failed {
			return exitFailed
		}
		return exitDone
	}
	outcome, err := firstboot.Run(ctx, setup, *whenDue)
	if outcome == firstboot.Finished || outcome == firstboot.Degraded {
		a.presetAnswers(ctx, setup)
	}
	return a.tellOutcome(h, setup, outcome, err)
}

// logProgress sends progress to the systemd journal when systemd started us, else to standard error.
func (a *agent) logProgress(h *host.Host) {
	h.Progress = func(line, step string) {
		if os.Getenv("INVOCATION_ID") == "" || !h.Log(problem.OneLine(line), step) {
			fmt.Fprintln(a.stderr, problem.OneLine(line))
		}
	}
}

// prepare reads the manifest and finds out which Droplet this is.
func (a *agent) prepare(ctx context.Context, h *host.Host) (*firstboot.Setup, error) {
	m, err := firstboot.ReadManifest(h, a.manifestPath())
	if err != nil {
		return nil, err
	}
	return firstboot.Prepare(ctx, h, m, a.manifestPath(), a.metadata)
}

func (a *agent) tellOutcome(h *host.Host, setup *firstboot.Setup, outcome firstboot.Outcome, reason error) int {
	if a.json {
		status, err := firstboot.ReadStatus(h, setup)
		if err == nil {
			err = status.WriteJSON(a.stdout)
		}
		if err != nil {
			return a.fail(err)
		}
		return exitCode(outcome)
	}
	line := "first boot: " + string(outcome)
	if reason != nil {
		line += ": " + problem.Printable(reason.Error())
	}
	fmt.Fprintln(a.stdout, line)
	return exitCode(outcome)
}
