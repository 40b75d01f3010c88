package step

import (
	"context"
	"fmt"
	"slices"
	"time"

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
			return s.said(ctx, h, err)
		}
	}
	if !s.starts() || !h.Units.Running() {
		return nil
	}
	if err := s.running(ctx, h); err != nil {
		return s.said(ctx, h, err)
	}
	return nil
}

const (
	// staysUp is how long a unit that is active as soon as its process exists has to stay so: a wrong setting, or a port
	// that is taken, ends most programs within a moment.
	staysUp    = time.Second
	staysLooks = 100 * time.Millisecond
)

// running makes sure that a started unit runs, or, if it is one that ends by itself, ended well.
func (s *Service) running(ctx context.Context, h *host.Host) error {
	first, err := h.Units.State(ctx, s.Unit)
	if err != nil {
		return err
	}
	if err := s.judge(first); err != nil || first.Active != "active" || !slices.Contains(activeAtOnce, first.Type) {
		return err
	}
	for until := time.Now().Add(staysUp); time.Now().Before(until); {
		if err := host.Sleep(ctx, staysLooks); err != nil {
			return err
		}
		state, err := h.Units.State(ctx, s.Unit)
		if err != nil {
			return err
		}
		if state.Restarts > first.Restarts || state.Active == "activating" {
			return fmt.Errorf("cannot keep %s running: it ends right after its start; see: journalctl -u %s", s.Unit, s.Unit)
		}
		if err := s.judge(state); err != nil {
			return err
		}
	}
	return nil
}

// activeAtOnce are the types of services that systemd calls active as soon as it has started their process.
var activeAtOnce = []string{"simple", "exec", "idle"}

// judge says what is wrong with a unit that was started.
func (s *Service) judge(state host.UnitState) error {
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

const (
	unitLines  = "30"
	unitWithin = 5 * time.Second
)

// said adds to a failure of the unit what its processes said last, which the journal of systemd has.
func (s *Service) said(ctx context.Context, h *host.Host, failure error) error {
	if !h.Live() {
		return failure
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), unitWithin)
	defer cancel()
	printed, err := h.Run(ctx, host.Command{Argv: []string{"journalctl", "--quiet", "--no-pager", "--boot", "--output", "cat",
		"--lines", unitLines, "_SYSTEMD_UNIT=" + s.Unit}})
	if err != nil || len(printed) == 0 {
		return failure // the words of systemd have to do
	}
	file, err := keepOutput(h, "service "+s.Unit, printed)
	if err != nil {
		return err
	}
	return &Printed{failure, printed, file}
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
