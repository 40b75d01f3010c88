package main

import (
	"context"
	"fmt"

	"oneclick-agent/agent/firstboot"
	"oneclick-agent/agent/problem"
)

func (a *agent) rotate(ctx context.Context, arguments []string) int {
	all := a.flags.Bool("all", false, "every secret of this Droplet")
	lost := a.flags.Bool("lost", false, "secrets that the store lost and that are nowhere any more, to be made anew")
	names, code, ok := a.parse(arguments)
	if !ok {
		return code
	}
	if *all && *lost {
		fmt.Fprintln(a.stderr, "oneclick-agent: rotate --lost takes the names of what is lost; see: oneclick-agent secrets restore")
		return exitInput
	}
	h, err := a.open()
	if err != nil {
		return a.fail(err)
	}
	defer h.Close()
	a.logProgress(h)
	var anew []string
	if *lost {
		anew = names
	}
	gathered, err := a.gather(ctx, h, anew...)
	if err != nil {
		return a.fail(err)
	}
	if *all && len(names) > 0 {
		return a.refuse("rotate --all takes no argument %q; name secrets, or say --all", problem.OneLine(names[0]))
	}
	if *all {
		names = firstboot.Rotatable(gathered)
	}
	if len(names) == 0 {
		return a.refuse("rotate wants names of secrets, or --all; see: oneclick-agent secrets list")
	}
	if err := firstboot.CheckRotation(gathered, names, *lost); err != nil {
		return a.fail(err)
	}
	phase, err := firstboot.Rotate(ctx, gathered, names)
	if err == nil || a.json {
		return a.tellPhase(h, gathered, "rotate", phase, err)
	}
	fmt.Fprintf(a.stderr, "oneclick-agent: %s\n", problem.Printable(err.Error()))
	return exitCode(phase)
}
