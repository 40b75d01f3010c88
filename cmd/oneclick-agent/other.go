package main

import (
	"context"
	"fmt"

	"oneclick-agent/agent/commandline"
	"oneclick-agent/agent/firstboot"
	"oneclick-agent/agent/lint"
	"oneclick-agent/agent/motd"
	"oneclick-agent/agent/publish"
	"oneclick-agent/agent/state"
)

// addPublish adds the command that vendors have in the program of their own, too.
func (a *agent) addPublish() {
	publish.AddCommand(a.Program, a.addToTree, func() (publish.Place, error) {
		h, err := a.open()
		place := publish.Place{Host: h, Path: a.inTree}
		if err != nil {
			return place, err
		}
		if m, err := lint.Read(h, a.manifestPath()); err == nil {
			place.Version = m.App.Version
		}
		return place, nil
	})
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
