package main

import (
	"context"
	"fmt"
	"runtime"

	"oneclick-agent/agent/commandline"
	"oneclick-agent/agent/firstboot"
	"oneclick-agent/agent/motd"
	"oneclick-agent/agent/state"
)

// buildVersion and buildCommit are set by the build.
var (
	buildVersion = "development"
	buildCommit  = "unknown"
)

func (a *agent) addVersion() {
	command := a.Add(a.Root(), commandline.Command{
		Use: "version", Does: "print version, commit and Go version", Brief: true,
		Run: func(context.Context, []string) int { return a.version() },
	})
	command.Flags().BoolVar(&a.JSON, "json", false, "print one JSON document on standard output")
}

func (a *agent) version() int {
	if a.JSON {
		return a.WriteJSON(map[string]string{"version": buildVersion, "commit": buildCommit, "go": runtime.Version()})
	}
	fmt.Fprintln(a.Stdout, versionLine())
	return commandline.ExitDone
}

func versionLine() string {
	return fmt.Sprintf("oneclick-agent %s, commit %s, %s", buildVersion, buildCommit, runtime.Version())
}

// addMessage adds a command that is harmless: a failing script would freeze the whole system's message of the day.
func (a *agent) addMessage() {
	a.addToTree(commandline.Command{Use: "motd", Does: "print the message of the day", Brief: true, Harmless: true, Run: a.message})
}

func (a *agent) message(context.Context, []string) int {
	h, err := a.open()
	if err != nil {
		return commandline.ExitDone
	}
	defer h.Close()
	if a.JSON {
		a.WriteJSON(map[string]string{"message": motd.Read(h.Files)})
	} else {
		fmt.Fprint(a.Stdout, motd.Read(h.Files))
	}
	return commandline.ExitDone
}

// generate is the program under its other name: systemd runs it before any unit, with the directory to write to.
func (a *agent) generate(arguments []string) int {
	if len(arguments) == 0 {
		fmt.Fprintln(a.Stderr, firstboot.GeneratorName+": systemd runs this with the directory to write to")
		return commandline.ExitInput
	}
	a.tree = "/"
	h, err := a.open()
	if err != nil {
		return a.Fail(err)
	}
	defer h.Close()
	if !h.Files.Exists(state.Manifest) {
		return commandline.ExitDone
	}
	if err := firstboot.WriteGates(h, state.Manifest, arguments[0]); err != nil {
		return a.Fail(err)
	}
	return commandline.ExitDone
}
