package journal

import (
	"maps"
	"slices"
	"time"
)

// State is what the events of a journal amount to.
type State struct {
	// Phase is the last word on first boot: "" before it, then "running", "pending", "failed", "degraded", "done".
	Phase string
	// Droplet is the id of the Droplet that it is about; Address its address at the last run.
	Droplet, Address string
	// ClonedFrom is the Droplet whose finished state this one took over.
	ClonedFrom string
	// Steps are in the order in which they were first begun.
	Steps []Step
	// Message is why it is pending or failed.
	Message string
	// Next is when a pending run is tried again.
	Next time.Time
	// Since is when the state became pending for its present reason; Attempts counts the runs that ended so.
	Since    time.Time
	Attempts int
	// Began and Ended are the first run's start and the last run's end.
	Began, Ended time.Time
	digests      map[string]string
}

// Step is what became of one step.
type Step struct {
	ID, State string // running, done, skipped, degraded, failed
	Message   string
	Began     time.Time
	Seconds   float64
}

func (s State) clone() State {
	s.Steps = slices.Clone(s.Steps)
	s.digests = maps.Clone(s.digests)
	return s
}

// IsDone reports whether the step with this digest needs no further run.
func (s *State) IsDone(id, digest string) bool {
	i := s.index(id)
	return i >= 0 && s.digests[id] == digest && s.Steps[i].State == "done"
}

// IsOver reports whether a run has nothing more to do for the step with this digest: it is done, did not apply, or was
// optional and failed.
func (s *State) IsOver(id, digest string) bool {
	i := s.index(id)
	return s.IsDone(id, digest) || i >= 0 && (s.Steps[i].State == "skipped" || s.Steps[i].State == "degraded")
}

// WasBegun reports whether the step with this digest was begun by an earlier run and did not end.
func (s *State) WasBegun(id, digest string) bool {
	i := s.index(id)
	return i >= 0 && s.digests[id] == digest && s.Steps[i].State != "done"
}

// Finished reports whether first boot is complete.
func (s *State) Finished() bool { return s.Phase == "done" || s.Phase == "degraded" }

func (s *State) index(id string) int {
	return slices.IndexFunc(s.Steps, func(step Step) bool { return step.ID == id })
}

// phases are what a step's last event makes of it.
var phases = map[string]string{Begin: "running", Done: "done", Skipped: "skipped", Degraded: "degraded", StepFail: "failed", Note: "running"}

func (s *State) add(e Event) {
	if s.digests == nil {
		s.digests = map[string]string{}
	}
	if phase, isStep := phases[e.Event]; isStep {
		s.addStep(e, phase)
		return
	}
	switch e.Event {
	case Started:
		if s.Droplet != "" && s.Droplet != e.Droplet {
			// A copy of an unfinished Droplet: what was done there was done for another address.
			s.Steps, s.digests, s.Began, s.Attempts = nil, map[string]string{}, time.Time{}, 0
		}
		if s.Began.IsZero() {
			s.Began = e.Time
		}
		s.Phase, s.Droplet, s.Address, s.Next = "running", e.Droplet, e.Address, time.Time{}
	case Clone:
		s.ClonedFrom, s.Droplet, s.Address = s.Droplet, e.Droplet, e.Address
		s.Began, s.Ended = e.Time, e.Time
	case Renewed:
		s.Ended = e.Time
	case Rotated:
		s.Ended, s.ClonedFrom = e.Time, ""
	case Pending:
		if s.Message != e.Message {
			s.Since = e.Time
		}
		s.Attempts++
		s.Phase, s.Message, s.Next, s.Ended = "pending", e.Message, e.Next, e.Time
	case Failed:
		s.Phase, s.Message, s.Ended = "failed", e.Message, e.Time
	case Completed:
		s.Phase, s.Message, s.Attempts, s.Ended = "done", "", 0, e.Time
		if slices.ContainsFunc(s.Steps, func(step Step) bool { return step.State == "degraded" }) {
			s.Phase = "degraded"
		}
	}
}

func (s *State) addStep(e Event, phase string) {
	i := s.index(e.Step)
	if i < 0 {
		i = len(s.Steps)
		s.Steps = append(s.Steps, Step{ID: e.Step})
	}
	step := &s.Steps[i]
	step.State, step.Message = phase, e.Message
	if e.Event == Begin {
		step.Began = e.Time
	}
	if e.Digest != "" {
		s.digests[e.Step] = e.Digest
	}
	if e.Seconds > 0 {
		step.Seconds = e.Seconds
	}
}
