package main

import (
	"context"
	"time"

	"oneclick-agent/agent/droplet"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/status"
)

// followWithin is how long status --wait follows where --timeout does not say.
const followWithin = 30 * time.Minute

func (a *agent) status(ctx context.Context, arguments []string) int {
	wait := a.flags.Bool("wait", false, "follow first boot until it is over")
	timeout := a.flags.Duration("timeout", followWithin, "how long --wait follows")
	detailed := a.flags.Bool("detailed-exit-code", false, "in place of 3, exit with 5 where a run is at work or about to begin, "+
		"6 where a person has to do something, 7 where it waits for a database, 8 where it waits for something else")
	if code, ok := a.parseFlags(arguments); !ok {
		return code
	}
	h, err := a.open()
	if err != nil {
		return a.fail(err)
	}
	defer h.Close()
	read := a.statusReader(ctx, h)
	stands, err := read()
	if err == nil && *wait {
		ctx, cancel := context.WithTimeout(ctx, *timeout)
		defer cancel()
		stands, err = status.Follow(ctx, read, a.stderr)
	}
	if err != nil {
		return a.fail(err)
	}
	code := a.tellStatus(stands)
	if *detailed && code != exitFailed {
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
	if !a.json {
		stands.WriteText(a.stdout)
	} else if err := stands.WriteJSON(a.stdout); err != nil {
		return a.fail(err)
	}
	return statusCode(stands)
}
