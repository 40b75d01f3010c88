package journal

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// Phase is how a setup stands, the word that people and programs read.
type Phase string

// The phases of a setup.
const (
	Fresh    Phase = ""         // nothing was begun
	Running  Phase = "running"  // a run began, and did not end
	Pending  Phase = "pending"  // it waits for something outside, or for a person
	Failed   Phase = "failed"   // it gave up
	Degraded Phase = "degraded" // it is complete, but for something optional
	Done     Phase = "done"     // it is complete
)

// Complete reports whether nothing is left to do.
func (p Phase) Complete() bool { return p == Done || p == Degraded }

// StepState is how one step stands.
type StepState string

// The states of a step.
const (
	StepWaiting  StepState = "waiting" // its turn did not come yet
	StepRunning  StepState = "running"
	StepDone     StepState = "done"
	StepSkipped  StepState = "skipped"  // it does not apply
	StepDegraded StepState = "degraded" // it is optional, and failed
	StepFailed   StepState = "failed"
)

// State is what the events of a journal amount to.
type State struct {
	Phase Phase
	// Droplet is the id of the Droplet that it is about; Address its address at the last run.
	Droplet, Address string
	// ClonedFrom is the Droplet whose finished state this one took over.
	ClonedFrom string
	// Steps are in the order in which they were first begun.
	Steps []Step
	// Cause is why it is pending or failed, and At the step at which it stopped; "" for none.
	Cause
	At string
	// Troubled tells that a change of a complete setup did not reach everything; Cause says why.
	Troubled bool
	// Next is when a pending run is tried again.
	Next time.Time
	// Since is when the state became pending for its present reason; Attempts counts the runs that ended so.
	Since    time.Time
	Attempts int
	// Began and Ended are the first run's start and the last run's end.
	Began, Ended time.Time
	// Made names the secrets that were made or captured, and never may be made again unasked.
	Made []string
	// Replaced names the secrets that got new values since this Droplet became a copy of another one.
	Replaced []string
	digests  map[string]string
	steps    int // events of steps so far
}

// Step is what became of one step.
type Step struct {
	ID    string
	State StepState
	Cause
	// ByHand tells that a person had it left out, or done again; "" for neither.
	ByHand  Kind
	Began   time.Time
	Seconds float64
	// Created tells that what the step made was not there before.
	Created bool
	// Name is what later conditions call it. Key identifies everything that it was last made from, and Content the file
	// that it wrote; "" where that is not known.
	Name, Key, Content string
	// Writing identifies the file that it was about to write when it was last begun, "" once that is over.
	Writing string
	// Order is larger the later the last event of the step was, whatever the clock said.
	Order int
	// Left is why the last change that concerned it left it as it is, "" where it did not.
	Left string
	// before is how the step stood before a change of a complete setup tried it again, or before the setup was reopened.
	before StepState
}

// Stands is how what the step made stands: where it waits to be done anew, as it was done before.
func (s Step) Stands() StepState {
	if s.State == StepWaiting && s.before != "" {
		return s.before
	}
	return s.State
}

func (s State) clone() State {
	s.Steps = slices.Clone(s.Steps)
	s.Made, s.Replaced = slices.Clone(s.Made), slices.Clone(s.Replaced)
	s.digests = maps.Clone(s.digests)
	return s
}

// Step returns what became of a step.
func (s *State) Step(id string) (Step, bool) {
	if i := s.index(id); i >= 0 {
		return s.Steps[i], true
	}
	return Step{}, false
}

// IsDone reports whether the step with this digest needs no further run.
func (s *State) IsDone(id, digest string) bool {
	step, ok := s.Step(id)
	return ok && s.digests[id] == digest && step.State == StepDone
}

// StepStates is how the steps that have a name stand, by name.
func (s *State) StepStates() map[string]StepState {
	ended := map[string]StepState{}
	for _, step := range s.Steps {
		if step.Name != "" {
			ended[step.Name] = step.State
		}
	}
	return ended
}

// IsPassedOver reports whether a person had the step with this digest left out.
func (s *State) IsPassedOver(id, digest string) bool {
	step, ok := s.Step(id)
	return ok && s.digests[id] == digest && step.State == StepSkipped && step.ByHand == PassedOver
}

// IsOver reports whether a run has nothing more to do for the step with this digest: it is done, did not apply, or was
// optional and failed.
func (s *State) IsOver(id, digest string) bool {
	step, ok := s.Step(id)
	return s.IsDone(id, digest) || ok && (step.State == StepSkipped || step.State == StepDegraded)
}

func (s *State) index(id string) int {
	return slices.IndexFunc(s.Steps, func(step Step) bool { return step.ID == id })
}

// stepStates are what an event makes of its step.
var stepStates = map[Kind]StepState{
	PassedOver: StepSkipped, Retried: StepWaiting, Begun: StepRunning, Noted: StepRunning,
	Accomplished: StepDone, Skipped: StepSkipped, GaveWay: StepDegraded, Failure: StepFailed,
}

func (s *State) add(e Event) {
	if s.digests == nil {
		s.digests = map[string]string{}
	}
	if state, isStep := stepStates[e.Event]; isStep {
		s.addStep(e, state)
		return
	}
	if i := s.index(e.Step); e.Event == LeftAlone && i >= 0 {
		s.steps++
		s.Steps[i].Left, s.Steps[i].Order = e.Message, s.steps
		return
	}
	switch e.Event {
	case TakenAway:
		if i := s.index(e.Step); i >= 0 {
			s.Steps[i].State, s.Steps[i].before, s.Steps[i].Content = StepWaiting, "", ""
		}
	case Started:
		s.start(e)
	case Cloned:
		s.ClonedFrom, s.Droplet, s.Address, s.Began = s.Droplet, e.Droplet, e.Address, e.Time
		s.Replaced = nil
		s.settle(e)
	case Renewed:
		s.Replaced = slices.Compact(slices.Sorted(slices.Values(append(s.Replaced, e.Names...))))
		s.settle(e)
	case Rotated:
		s.ClonedFrom, s.Replaced = "", nil
		s.settle(e)
	case Reopened:
		s.reopen(e)
	case Troubled:
		s.Ended, s.Troubled, s.Cause, s.At, s.Next = e.Time, true, e.Cause, e.Step, e.Next
	case Made:
		for _, name := range e.Names {
			if !slices.Contains(s.Made, name) {
				s.Made = append(s.Made, name)
			}
		}
	case Postponed:
		if s.Cause.Message != e.Message {
			s.Since = e.Time
		}
		s.Attempts++
		s.Phase, s.Cause, s.At, s.Next, s.Ended = Pending, e.Cause, e.Step, e.Next, e.Time
	case GaveUp:
		s.Phase, s.Cause, s.At, s.Ended = Failed, e.Cause, e.Step, e.Time
	case Completed:
		s.Phase, s.Cause, s.At, s.Attempts, s.Ended = Done, Cause{}, "", 0, e.Time
		s.forget(e.Names)
		s.judge()
	}
}

// start begins a run: what failed before has its turn again, and why it failed is no news any more.
func (s *State) start(e Event) {
	if s.Droplet != "" && s.Droplet != e.Droplet {
		// A copy of an unfinished Droplet: what was done there was done for another address.
		s.Steps, s.digests, s.Began, s.Attempts = nil, map[string]string{}, time.Time{}, 0
	}
	if s.Began.IsZero() {
		s.Began = e.Time
	}
	for i := range s.Steps {
		if s.Steps[i].State == StepFailed || s.Steps[i].State == StepRunning {
			s.Steps[i].State, s.Steps[i].Cause = StepWaiting, Cause{}
		}
	}
	s.Phase, s.Droplet, s.Address, s.Next = Running, e.Droplet, e.Address, time.Time{}
}

// reopen has everything be done anew by the next run. What was done stands until then.
func (s *State) reopen(e Event) {
	for i := range s.Steps {
		step := &s.Steps[i]
		step.State, step.Cause, step.before = StepWaiting, Cause{}, step.Stands()
	}
	s.Made = slices.DeleteFunc(s.Made, func(name string) bool { return slices.Contains(e.Names, name) })
	s.Phase, s.Cause, s.At, s.Next, s.Attempts, s.digests = Fresh, Cause{}, "", time.Time{}, 0, map[string]string{}
}

// settle ends a change of a complete setup. A step that failed in it and was not needed in the end stands as it stood.
func (s *State) settle(e Event) {
	for i := range s.Steps {
		if step := &s.Steps[i]; step.State == StepFailed || step.State == StepRunning {
			step.State, step.Cause = cmp.Or(step.before, StepWaiting), Cause{}
		}
	}
	s.Ended, s.Troubled, s.Cause, s.At = e.Time, false, Cause{}, ""
	s.judge()
}

// forget takes out the steps of earlier manifests, where those of the present one are known: that one of them failed is no
// news about this setup.
func (s *State) forget(plan []string) {
	if len(plan) > 0 {
		s.Steps = slices.DeleteFunc(s.Steps, func(step Step) bool { return !slices.Contains(plan, step.ID) })
	}
}

// judge tells a complete setup from one with something optional missing.
func (s *State) judge() {
	if !s.Phase.Complete() {
		return
	}
	s.Phase = Done
	if slices.ContainsFunc(s.Steps, func(step Step) bool { return step.State == StepDegraded }) {
		s.Phase = Degraded
	}
}

func (s *State) addStep(e Event, state StepState) {
	i := s.index(e.Step)
	if i < 0 {
		i = len(s.Steps)
		s.Steps = append(s.Steps, Step{ID: e.Step})
	}
	step := &s.Steps[i]
	switch {
	case e.Event == PassedOver:
		step.ByHand = e.Event
	case e.Event == Retried:
		step.ByHand = e.Event
		if s.Phase.Complete() {
			return // it stands as it stood until it begins
		}
		delete(s.digests, e.Step)
	case e.Event == Begun && step.ByHand == PassedOver:
		step.ByHand = "" // the manifest has another step in its place
	}
	if s.Phase.Complete() && step.State != StepFailed && step.State != StepRunning {
		step.before = step.State
	}
	step.State, step.Cause = state, e.Cause
	step.Created = step.Created || e.Created
	if e.Name != "" {
		step.Name = e.Name
	}
	s.steps++
	step.Order = s.steps
	switch e.Event {
	case Accomplished:
		step.Key, step.Content, step.Writing, step.Left = e.Key, e.Content, "", ""
	case GaveWay:
		step.Content = e.Content // what was there instead
	}
	if e.Event == Begun {
		step.Began, step.Writing = e.Time, e.Content
	}
	if e.Digest != "" {
		s.digests[e.Step] = e.Digest
	}
	if e.Seconds > 0 {
		step.Seconds = e.Seconds
	}
}
