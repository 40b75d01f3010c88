package main

import (
	"context"
	"time"

	"oneclick-agent/agent/droplet"
	"oneclick-agent/agent/firstboot"
	"oneclick-agent/agent/host"
)

// followWithin is how long status --wait follows where --timeout does not say.
const followWithin = 30 * time.Minute

func (a *agent) status(ctx context.Context, arguments []string) int {
	wait := a.flags.Bool("wait", false, "follow first boot until it is over")
	timeout := a.flags.Duration("timeout", followWithin, "how long --wait follows")
	if _, code, ok := a.parse(arguments); !ok {
		return code
	}
	h, err := a.open()
	if err != nil {
		return a.fail(err)
	}
	defer h.Close()
	setup := a.prepareOrNil(ctx, h)
	read := func() (firstboot.Status, error) { return firstboot.ReadStatus(h, setup) }
	status, err := read()
	if err == nil && *wait {
		ctx, cancel := context.WithTimeout(ctx, *timeout)
		defer cancel()
		status, err = firstboot.Follow(ctx, read, a.stderr)
	}
	if err != nil {
		return a.fail(err)
	}
	if a.json {
		if err := status.WriteJSON(a.stdout); err != nil {
			return a.fail(err)
		}
	} else {
		status.WriteText(a.stdout)
	}
	return exitCode(status.Outcome())
}

// prepareOrNil is what the manifest and this Droplet amount to, or nil where that cannot be told.
func (a *agent) prepareOrNil(ctx context.Context, h *host.Host) *firstboot.Setup {
	m, err := firstboot.ReadManifest(h, a.manifestPath())
	if err != nil {
		return nil
	}
	setup, err := firstboot.Prepare(ctx, h, m, a.manifestPath(), droplet.NoMetadata)
	if err != nil {
		return nil
	}
	return setup
}
