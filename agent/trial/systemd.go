package trial

import (
	"context"
	"fmt"
	"sync"

	"oneclick-agent/agent/host"
)

// systemd stands in for the systemd of a Droplet: units are enabled in the tree, as the agent itself does there, and
// starting one is noted in the log of all calls. A unit that the image does not have cannot be started.
type systemd struct {
	host.Units // enables on disk
	host       *host.Host
	mu         sync.Mutex
	active     map[string]bool
}

func (s *systemd) Running() bool { return true }

func (s *systemd) DaemonReload(context.Context) error {
	return record(s.host.Files, "systemctl daemon-reload\n")
}

func (s *systemd) Do(ctx context.Context, verb host.Verb, unit string) error {
	if before := s.host.Files.Before; before != nil {
		if err := before(host.Operation{Name: string(verb), Object: unit}); err != nil {
			return err
		}
	}
	if err := record(s.host.Files, fmt.Sprintf("systemctl %s %s\n", verb, unit)); err != nil {
		return err
	}
	if verb.AtBoot() {
		return s.Units.Do(ctx, verb, unit)
	}
	state, err := s.Units.State(ctx, unit)
	if err == nil && state.Load != "loaded" {
		err = fmt.Errorf("%s is %s", unit, state.Load)
	}
	if err != nil {
		return fmt.Errorf("cannot %s %s: %w", verb, unit, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch verb {
	case host.Start, host.Restart:
		s.active[unit] = true
	case host.Stop:
		delete(s.active, unit)
	}
	return nil
}

func (s *systemd) State(ctx context.Context, unit string) (host.UnitState, error) {
	state, err := s.Units.State(ctx, unit)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.active[unit] {
		state.Active = "active"
	}
	return state, err
}
