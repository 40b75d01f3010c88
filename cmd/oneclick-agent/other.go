package main

import (
	"context"
	"fmt"
	"runtime"

	"oneclick-agent/agent/firstboot"
	"oneclick-agent/agent/motd"
	"oneclick-agent/agent/state"
)

// buildVersion and buildCommit are set by the build.
var (
	buildVersion = "development"
	buildCommit  = "unknown"
)

func (a *agent) version(_ context.Context, arguments []string) int {
	if code, ok := a.parseFlags(arguments); !ok {
		return code
	}
	if a.json {
		return a.writeJSON(map[string]string{"version": buildVersion, "commit": buildCommit, "go": runtime.Version()})
	}
	fmt.Fprintln(a.stdout, versionLine())
	return exitDone
}

func versionLine() string {
	return fmt.Sprintf("oneclick-agent %s, commit %s, %s", buildVersion, buildCommit, runtime.Version())
}

// motd always exits with 0: a failing script would freeze the whole system's message of the day.
func (a *agent) motd(_ context.Context, arguments []string) int {
	if _, ok := a.parseFlags(arguments); !ok {
		return exitDone
	}
	h, err := a.open()
	if err != nil {
		return exitDone
	}
	defer h.Close()
	if a.json {
		a.writeJSON(map[string]string{"message": motd.Read(h.Files)})
	} else {
		fmt.Fprint(a.stdout, motd.Read(h.Files))
	}
	return exitDone
}

// generate is the program under its other name: systemd runs it before any unit, with the directory to write to.
func (a *agent) generate(arguments []string) int {
	if len(arguments) == 0 {
		fmt.Fprintln(a.stderr, firstboot.GeneratorName+": systemd runs this with the directory to write to")
		return exitInput
	}
	a.root = "/"
	h, err := a.open()
	if err != nil {
		return a.fail(err)
	}
	defer h.Close()
	if !h.Files.Exists(state.Manifest) {
		return exitDone
	}
	if err := firstboot.WriteGates(h, state.Manifest, arguments[0]); err != nil {
		return a.fail(err)
	}
	return exitDone
}
