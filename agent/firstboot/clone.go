package firstboot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"oneclick-agent/agent/droplet"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/journal"
	"oneclick-agent/agent/manifest"
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
		if !errors.Is(err, host.ErrPower) {
			err = errors.New(s.Redact.Redact(err.Error()))
		}
		return Broken, err
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
	s.showState(state)
	return finished(state), nil
}

// renewAddresses applies the file and edit steps that name the Droplet, where they still stand as the old Droplet
// made them, and restarts what runs of the manifest's services when anything changed.
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
	for _, item := range s.Plan() {
		if !item.Address {
			continue
		}
		changed, err := renew(ctx, s, item, before.Data())
		if err != nil {
			return renewed, err
		}
		if changed {
			renewed++
		}
	}
	if renewed == 0 {
		return 0, nil
	}
	var units []string
	for _, m := range s.Manifest.FirstBoot {
		if restarts(m) && !slices.Contains(units, m.Service) {
			units = append(units, m.Service)
		}
	}
	return renewed, (&step.Refresh{Units: units}).Apply(ctx, s.Host)
}

func restarts(m manifest.Step) bool {
	return slices.Contains(m.Do, "restart") || slices.Contains(m.Do, "reload") || slices.Contains(m.Do, "start")
}

// renew applies one item anew if what it made for the old Droplet still stands.
func renew(ctx context.Context, s *Setup, item Item, before map[string]any) (changed bool, err error) {
	if applies, err := s.applies(item, before); err != nil || !applies {
		return false, err
	}
	built, err := item.Build(before)
	if err != nil {
		return false, err
	}
	if state, err := built.Check(ctx, s.Host); err != nil || state != step.Met {
		return false, nil // somebody changed it: it is theirs
	}
	if built, err = item.Build(s.Data()); err != nil {
		return false, err
	}
	if state, err := built.Check(ctx, s.Host); err != nil || state == step.Met {
		return false, err
	}
	return true, built.Apply(ctx, s.Host)
}
