package manifest

import (
	"slices"
	"strings"
)

// Service acts on a systemd unit.
type Service struct {
	Unit Template `yaml:"service" kind:"service" for:"name" doc:"Acts on this systemd unit."`
	Do   Words    `yaml:"do" enum:"enable,disable,start,stop,restart,reload,mask" doc:"What to do with the unit, in this order."`
}

// Subject is the unit with what is done to it.
func (s *Service) Subject(p Preview) string { return p.Show(s.Unit) + " " + strings.Join(s.Do, " ") }

// Summary says what is done.
func (s *Service) Summary(p Preview) string {
	return strings.Join(s.Do, " and ") + " " + p.Show(s.Unit)
}

// Starts reports whether the unit is meant to run with what was configured before.
func (s *Service) Starts() bool {
	return !slices.ContainsFunc(s.Do, func(verb string) bool { return verb == "stop" || verb == "disable" || verb == "mask" })
}

// Effects of what a unit runs can be anything.
func (s *Service) Effects() Effects {
	e := Effects{Acts: true}
	if s.Starts() {
		e.Runs = []Template{s.Unit}
	}
	return e
}

// Validate checks the unit's name.
func (s *Service) Validate(v *Validation) {
	v.Unit("service", s.Unit)
	if len(s.Do) == 0 && !v.Misspelled("do") {
		v.Report("", "add do: [enable, restart]", "says nothing to do with the unit")
	}
	starts := slices.Contains(s.Do, "start") || slices.Contains(s.Do, "restart")
	if gate := v.Manifest.Gate; starts && !v.Login && gate != nil && gate.Until == untilFirstLogin &&
		slices.Contains(gate.Services, s.Unit.Text) {
		v.Report("do", "move this step to first_login.steps", "%s is held back by the gate until first login, so it cannot start here", s.Unit)
	}
}
