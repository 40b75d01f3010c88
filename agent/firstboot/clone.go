package firstboot

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"slices"

	"oneclick-agent/agent/droplet"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/journal"
	"oneclick-agent/agent/step"
)

// rememberedPath keeps who the Droplet was when its configuration was written, so that a clone can tell what it
// has to renew.
const rememberedPath = "/var/lib/oneclick/droplet.json"

func rememberDroplet(s *Setup) error {
	data, err := json.Marshal(s.Droplet)
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", rememberedPath, err)
	}
	_, err = s.Host.Files.WriteFile(rememberedPath, append(data, '\n'), host.Attributes{Mode: new(fs.FileMode(0o600)), Owner: &host.Owner{}})
	return err
}

// adopt takes over the finished state of another Droplet: this disk is a copy of its disk, full of data that
// belongs to its secrets. Every secret is kept. What was made from the old Droplet's address, and nobody changed
// since, is made anew; everything else stays as it is.
func adopt(ctx context.Context, s *Setup, j *journal.Journal) (Outcome, error) {
	renewed, err := renewAddresses(ctx, s)
	if err != nil {
		return Broken, s.redacted(err)
	}
	if err := rememberDroplet(s); err != nil {
		return Broken, err
	}
	message := fmt.Sprintf("all secrets are kept; %d places with the old address were renewed", renewed)
	if err := j.Append(journal.Event{Event: journal.Clone, Droplet: s.Droplet.ID, Address: s.Droplet.Address(), Message: message}, true); err != nil {
		return Broken, err
	}
	state := j.State()
	s.Host.Report(fmt.Sprintf("this Droplet is a copy of Droplet %s: %s", state.ClonedFrom, message))
	s.showMessage()
	return finished(state), nil
}

// renewAddresses makes anew what names the old Droplet, and restarts what uses it.
func renewAddresses(ctx context.Context, s *Setup) (renewed int, err error) {
	data, err := s.Host.Files.ReadFile(rememberedPath, 1<<20)
	var old droplet.Droplet
	if err == nil {
		err = json.Unmarshal(data, &old)
	}
	if err != nil {
		return 0, nil // nothing is known of the old Droplet, so nothing can be told apart from a person's change
	}
	before := *s
	before.Droplet = old
	done, err := s.renew(ctx, &before, func(item Item) bool { return item.Paths != nil && slices.Contains(item.Uses, "droplet") })
	if err != nil || len(done) == 0 {
		return len(done), err
	}
	return len(done), (&step.Refresh{Units: s.restartedUnits()}).Apply(ctx, s.Host)
}
