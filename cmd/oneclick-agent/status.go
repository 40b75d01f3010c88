package main

import (
	"context"
	"time"

	"oneclick-agent/agent/commandline"
	"oneclick-agent/agent/droplet"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/status"
)

// followWithin is how long status --wait follows where --timeout does not say.
const followWithin = 30 * time.Minute

// statusFlags are what status can be told.
type statusFlags struct {
	wait, detailed bool
	timeout        time.Duration
}

func (a *agent) addStatus() {
	var f statusFlags
	command := a.addToTree(commandline.Command{
		Use: "status", Does: "say what happened and what happens next", Ends: setupEnds,
		Examples: []string{
			"oneclick-agent status --wait --timeout 10m  # in a script that needs the Droplet to be ready",
			"oneclick-agent status --json | jq -r .state",
		},
		Run: func(ctx context.Context, _ []string) int { return a.status(ctx, f) },
	})
	flags := command.Flags()
	flags.BoolVar(&f.wait, "wait", false, "follow first boot until it is over")
	flags.DurationVar(&f.timeout, "timeout", followWithin, "how long --wait follows")
	flags.BoolVar(&f.detailed, "detailed-exit-code", false, "in place of 3, exit with 5 where a run is at work or about to begin, "+
		"6 where a person has to do something, 7 where it waits for a database, 8 where it waits for something else")
}

func (a *agent) status(ctx context.Context, f statusFlags) int {
	h, err := a.open()
	if err != nil {
		return a.Fail(err)
	}
	defer h.Close()
	read := a.statusReader(ctx, h)
	stands, err := read()
	if err == nil && f.wait {
		ctx, cancel := context.WithTimeout(ctx, f.timeout)
		defer cancel()
		stands, err = status.Follow(ctx, read, a.Stderr)
	}
	if err != nil {
		return a.Fail(err)
	}
	code := a.tellStatus(stands)
	if f.detailed && code != commandline.ExitFailed {
		return detailedCode(stands)
	}
	return code
}

// statusReader reads how things stand, also where the manifest, or what else a setup is made from, cannot be read.
func (a *agent) statusReader(ctx context.Context, h *host.Host) func() (status.Status, error) {
	a.metadata = droplet.NoMetadata
	gathered, cause := a.gather(ctx, h)
	return func() (status.Status, error) {
		if cause != nil {
			return status.ReadWithout(h, cause)
		}
		return status.Read(h, gathered)
	}
}

// tellStatus prints a status, and returns its exit code.
func (a *agent) tellStatus(stands status.Status) int {
	if !a.JSON {
		stands.WriteText(a.Stdout)
	} else if err := stands.WriteJSON(a.Stdout); err != nil {
		return a.Fail(err)
	}
	return statusCode(stands)
}
