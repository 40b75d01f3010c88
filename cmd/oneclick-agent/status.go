package main

import (
	"context"
	"time"

	"oneclick-agent/agent/droplet"
	"oneclick-agent/agent/facts"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/status"
)

// followWithin is how long status --wait follows where --timeout does not say.
const followWithin = 30 * time.Minute

func (a *agent) status(ctx context.Context, arguments []string) int {
	wait := a.flags.Bool("wait", false, "follow first boot until it is over")
	timeout := a.flags.Duration("timeout", followWithin, "how long --wait follows")
	if code, ok := a.parseFlags(arguments); !ok {
		return code
	}
	h, err := a.open()
	if err != nil {
		return a.fail(err)
	}
	defer h.Close()
	gathered := a.gatherOrNil(ctx, h)
	read := func() (status.Status, error) { return status.Read(h, gathered) }
	stands, err := read()
	if err == nil && *wait {
		ctx, cancel := context.WithTimeout(ctx, *timeout)
		defer cancel()
		stands, err = status.Follow(ctx, read, a.stderr)
	}
	if err != nil {
		return a.fail(err)
	}
	if a.json {
		if err := stands.WriteJSON(a.stdout); err != nil {
			return a.fail(err)
		}
	} else {
		stands.WriteText(a.stdout)
	}
	return statusCode(stands)
}

// gatherOrNil is what is true of this Droplet, or nil where that cannot be told.
func (a *agent) gatherOrNil(ctx context.Context, h *host.Host) *facts.Facts {
	a.metadata = droplet.NoMetadata
	gathered, err := a.gather(ctx, h)
	if err != nil {
		return nil
	}
	return gathered
}
