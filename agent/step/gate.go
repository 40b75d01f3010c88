package step

import (
	"context"
	"errors"
	"path"
	"slices"

	"oneclick-agent/agent/host"
	"oneclick-agent/agent/state"
)

// GateFile is what opens the gate of a unit. The generator makes units wait for theirs.
func GateFile(unit string) string { return path.Join(state.Gate, unit) }

// OpenGate lets a gated unit start from now on.
func OpenGate(h *host.Host, unit string) error {
	if err := h.Files.MakeDirectory(state.Gate, host.Attributes{}); err != nil {
		return err
	}
	_, err := h.Files.WriteFile(GateFile(unit), nil, host.Attributes{})
	return err
}

// startedAtBoot are systemd's words for units that a boot starts.
var startedAtBoot = []string{"enabled", "static", "enabled-runtime", "generated"}

// Gate opens the gate for what is still held back, and starts it.
type Gate struct{ Units []string }

// Check looks for the gate files.
func (g *Gate) Check(_ context.Context, h *host.Host) (State, error) {
	for _, unit := range g.Units {
		if !h.Files.Exists(GateFile(unit)) {
			return Unmet, nil
		}
	}
	return Met, nil
}

// Apply opens and starts each unit that would have started at boot.
func (g *Gate) Apply(ctx context.Context, h *host.Host) error {
	var failures []error
	for _, unit := range g.Units {
		if h.Files.Exists(GateFile(unit)) {
			continue
		}
		unitState, err := h.Units.State(ctx, unit)
		if err != nil {
			return err
		}
		verbs := []host.Verb{host.Start}
		if !slices.Contains(startedAtBoot, unitState.AtBoot) {
			verbs = nil // nothing would have started it, so the gate does not either
		}
		service := Service{Unit: unit, Do: verbs, Gated: true}
		if err := OpenGate(h, unit); err != nil {
			return err
		}
		failures = append(failures, service.Apply(ctx, h))
	}
	return errors.Join(failures...)
}
