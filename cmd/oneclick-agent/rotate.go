package main

import (
	"context"
	"fmt"

	"oneclick-agent/agent/firstboot"
	"oneclick-agent/agent/problem"
)

func (a *agent) rotate(ctx context.Context, arguments []string) int {
	all := a.flags.Bool("all", false, "every secret of this Droplet")
	names, code, ok := a.parse(arguments)
	if !ok {
		return code
	}
	h, err := a.open()
	if err != nil {
		return a.fail(err)
	}
	defer h.Close()
	a.logProgress(h)
	gathered, err := a.gather(ctx, h)
	if err != nil {
		return a.fail(err)
	}
	if *all && len(names) > 0 {
		fmt.Fprintf(a.stderr, "oneclick-agent: rotate --all takes no argument %q; name secrets, or say --all\n", problem.OneLine(names[0]))
		return exitInput
	}
	if *all {
		names = firstboot.Rotatable(gathered)
	}
	if len(names) == 0 {
		fmt.Fprintln(a.stderr, "oneclick-agent rotate: name the secrets to rotate, or say --all; see: oneclick-agent secrets list")
		return exitInput
	}
	if err := firstboot.CheckRotation(gathered, names); err != nil {
		return a.fail(err)
	}
	phase, err := firstboot.Rotate(ctx, gathered, names)
	if err != nil {
		fmt.Fprintf(a.stderr, "oneclick-agent: %s\n", problem.Printable(err.Error()))
	} else {
		fmt.Fprintf(a.stdout, "rotate: %s\n", phase)
	}
	return exitCode(phase)
}
