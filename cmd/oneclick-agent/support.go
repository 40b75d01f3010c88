package main

import (
	"context"

	"oneclick-agent/agent/state"
	"oneclick-agent/agent/support"
)

func (a *agent) support(ctx context.Context, arguments []string) int {
	output := a.flags.String("output", "", "write the archive to this file; "+state.Support+" where nothing is said")
	if code, ok := a.parseFlags(arguments); !ok {
		return code
	}
	h, err := a.open()
	if err != nil {
		return a.fail(err)
	}
	defer h.Close()
	file := ""
	if *output != "" {
		file = a.inTree(*output)
	}
	contents, err := support.Write(ctx, support.Case{Host: h, Manifest: a.manifestPath(), Program: versionLine()}, file)
	if err != nil {
		return a.fail(err)
	}
	if !a.json {
		contents.WriteText(a.stdout)
	} else if err := contents.WriteJSON(a.stdout); err != nil {
		return a.fail(err)
	}
	return exitDone
}
