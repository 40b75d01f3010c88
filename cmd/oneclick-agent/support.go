package main

import (
	"context"

	"oneclick-agent/agent/commandline"
	"oneclick-agent/agent/state"
	"oneclick-agent/agent/support"
)

func (a *agent) addSupport() {
	var output string
	command := a.addToTree(commandline.Command{
		Use: "support", Does: "write one archive for a support person, every secret taken out",
		About: "It says what it put into the archive, so that you can look before you send it.", Ends: commandline.FailedEnd,
		Run: func(ctx context.Context, _ []string) int { return a.support(ctx, output) },
	})
	command.Flags().StringVar(&output, "output", "", "write the archive to this `FILE`; "+state.Support+" where nothing is said")
}

func (a *agent) support(ctx context.Context, output string) int {
	h, err := a.open()
	if err != nil {
		return a.Fail(err)
	}
	defer h.Close()
	file := ""
	if output != "" {
		file = a.inTree(output)
	}
	contents, err := support.Write(ctx, support.Case{Host: h, Manifest: a.manifestPath(), Program: a.VersionLine()}, file)
	if err != nil {
		return a.Fail(err)
	}
	if !a.JSON {
		contents.WriteText(a.Stdout)
	} else if err := contents.WriteJSON(a.Stdout); err != nil {
		return a.Fail(err)
	}
	return commandline.ExitDone
}
