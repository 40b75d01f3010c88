package step

import (
	"context"
	"fmt"
	"slices"

	"oneclick-agent/agent/facts"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/manifest"
)

// Service is the kind that acts on a unit.
func (kinds) Service() Kind { return as(Traits{Within: ServiceWithin, Tries: 3}, newService) }

func newService(spec *manifest.Service, f *facts.Filling) (Step, error) {
	unit, err := f.Text(spec.Unit)
	if err != nil {
		return nil, err
	}
	service := &Service{Unit: unit}
	for _, verb := range spec.Do {
		service.Do = append(service.Do, host.Verb(verb))
	}
	if gate := f.Facts().Manifest.Gate; gate != nil {
		service.Gated = slices.Contains(gate.Services, unit)
	}
	return service, nil
}

// Service acts on a unit.
type Service struct {
	Unit string
	Do   []host.Verb
	// Gated units are let through before they are started.
	Gated bool
}

func (s *Service) starts() bool {
	return slices.Contains(s.Do, host.Start) || slices.Contains(s.Do, host.Restart)
}

// Check can tell enable, disable, mask, start and stop; whether a restart was done cannot be seen.
func (s *Service) Check(ctx context.Context, h *host.Host) (State, error) {
	if slices.Contains(s.Do, host.Restart) || slices.Contains(s.Do, host.ReloadUnit) {
		return Unknowable, nil
	}
	state, err := h.Units.State(ctx, s.Unit)
	if err != nil {
		return Unmet, err
	}
	for _, verb := range s.Do {
		met := true
		switch verb {
		case host.Enable:
			met = state.AtBoot == "enabled" || state.AtBoot == "static" || state.AtBoot == "alias" || state.AtBoot == "indirect"
		case host.Disable:
			met = state.AtBoot != "enabled"
		case host.Mask:
			met = state.AtBoot == "masked"
		case host.Start:
			met = state.Active == "active" || !h.Units.Running()
		case host.Stop:
			met = state.Active == "inactive" || state.Active == "failed"
		}
		if !met {
			return Unmet, nil
		}
	}
	return Met, nil
}

// Apply does the verbs in order. In a tree that does not run, only those about the next boot.
func (s *Service) Apply(ctx context.Context, h *host.Host) error {
	if s.Gated && s.starts() {
		if err := OpenGate(h, s.Unit); err != nil {
			return err
		}
	}
	for _, verb := range s.Do {
		if !verb.AtBoot() && !h.Units.Running() {
			continue
		}
		if err := h.Units.Do(ctx, verb, s.Unit); err != nil {
			return err
		}
	}
	if !s.starts() || !h.Units.Running() {
		return nil
	}
	return s.running(ctx, h)
}

// running makes sure that a started unit runs, or, if it is one that ends by itself, ended well.
func (s *Service) running(ctx context.Context, h *host.Host) error {
	state, err := h.Units.State(ctx, s.Unit)
	if err != nil {
		return err
	}
	switch {
	case state.Active == "active" || state.Active == "reloading":
		return nil
	case !state.Condition:
		return fmt.Errorf("cannot start %s: a condition of its unit is not met; see: systemctl status %s", s.Unit, s.Unit)
	case state.Active == "inactive" && (state.Result == "success" || state.Result == ""):
		return nil
	}
	return fmt.Errorf("cannot start %s: it is %s (%s); see: journalctl -u %s", s.Unit, state.Active, state.Result, s.Unit)
}

// Refresh restarts those of the units that run, so that they see a changed environment.
type Refresh struct{ Units []string }

// Check cannot tell.
func (r *Refresh) Check(context.Context, *host.Host) (State, error) { return Unknowable, nil }

// Apply restarts what runs.
func (r *Refresh) Apply(ctx context.Context, h *host.Host) error {
	if !h.Units.Running() {
		return nil
	}
	for _, unit := range r.Units {
		if err := h.Units.Do(ctx, host.TryRestart, unit); err != nil {
			return err
		}
	}
	return nil
}
