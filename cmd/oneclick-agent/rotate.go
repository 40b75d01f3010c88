package main

import (
	"context"
	"fmt"

	"oneclick-agent/agent/commandline"
	"oneclick-agent/agent/firstboot"
	"oneclick-agent/agent/problem"
)

func (a *agent) addRotate() {
	var all, lost bool
	command := a.addToTree(commandline.Command{
		Use: "rotate [NAME...]", Does: "make new values for secrets, and do every step again that uses them", Any: true, Ends: setupEnds,
		About:    "A rotation that is interrupted goes on where it was, and ends with one value everywhere.",
		Examples: []string{"oneclick-agent rotate admin_password", "oneclick-agent rotate --all  # on a copy of another Droplet"},
		Run:      func(ctx context.Context, names []string) int { return a.rotate(ctx, names, all, lost) }, Completes: a.secretNames,
	})
	command.Flags().BoolVar(&all, "all", false, "every secret of this Droplet")
	command.Flags().BoolVar(&lost, "lost", false, "secrets that the store lost and that are nowhere any more, to be made anew")
}

func (a *agent) rotate(ctx context.Context, names []string, all, lost bool) int {
	if all && lost {
		return a.Refuse("rotate --lost takes the names of what is lost; see: oneclick-agent secrets restore")
	}
	h, err := a.open()
	if err != nil {
		return a.Fail(err)
	}
	defer h.Close()
	a.logProgress(h)
	var anew []string
	if lost {
		anew = names
	}
	gathered, err := a.gather(ctx, h, anew...)
	if err != nil {
		return a.Fail(err)
	}
	if all && len(names) > 0 {
		return a.Refuse("rotate --all takes no argument %q; name secrets, or say --all", problem.OneLine(names[0]))
	}
	if all {
		names = firstboot.Rotatable(gathered)
	}
	if len(names) == 0 {
		return a.Refuse("rotate wants names of secrets, or --all; see: oneclick-agent secrets list")
	}
	if err := firstboot.CheckRotation(gathered, names, lost); err != nil {
		return a.Fail(err)
	}
	phase, err := firstboot.Rotate(ctx, gathered, names)
	if err == nil || a.JSON {
		return a.tellPhase(h, gathered, "rotate", phase, err)
	}
	fmt.Fprintf(a.Stderr, "oneclick-agent: %s\n", problem.Printable(err.Error()))
	return exitCode(phase)
}
