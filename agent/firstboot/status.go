package firstboot

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"oneclick-agent/agent/host"
	"oneclick-agent/agent/journal"
	"oneclick-agent/agent/problem"
)

// Status is how the setup of a Droplet stands.
type Status struct {
	State   string       `json:"state"` // fresh, running, pending, done, degraded, failed, clone
	Droplet string       `json:"droplet"`
	Steps   []StatusStep `json:"steps"`
	Next    string       `json:"next"`
	Message string       `json:"message,omitempty"`
	// ClonedFrom is the Droplet that this one is a copy of.
	ClonedFrom string  `json:"cloned_from,omitempty"`
	Seconds    float64 `json:"seconds"`
	phase      string
	person     bool // it waits for somebody, and following it has no end
}

// StatusStep is how one step stands: waiting, running, done, skipped, degraded or failed.
type StatusStep struct {
	ID      string  `json:"id"`
	State   string  `json:"state"`
	Seconds float64 `json:"seconds"`
	Message string  `json:"message"`
	// Within is how many seconds a running step may take, 0 where that is not known.
	Within float64 `json:"within,omitempty"`
}

// ReadStatus reads how things stand. It changes nothing and asks nothing outside the machine. The setup tells which
// steps are still to come; it may be nil, so that the status of a broken image is shown all the same.
func ReadStatus(h *host.Host, s *Setup) (Status, error) {
	state, err := journal.Read(h.Files, journal.Path)
	if err != nil {
		return Status{}, err
	}
	status := Status{State: state.Phase, Droplet: state.Droplet, Message: state.Message, ClonedFrom: state.ClonedFrom, phase: state.Phase, Steps: []StatusStep{}}
	var plan []Item
	droplet := ""
	if s != nil {
		plan, droplet = s.Plan(), s.Droplet.ID
	}
	status.addSteps(state, plan, h.Now())
	if !state.Began.IsZero() {
		end := state.Ended
		if state.Phase == "running" {
			end = h.Now()
		}
		status.Seconds = max(0, end.Sub(state.Began).Seconds())
	}
	status.judge(state, h.Files.Locked(lockPath))
	if state.Finished() && droplet != "" && droplet != state.Droplet {
		status.State, status.Droplet = "running", droplet
		status.Message, status.Next = "a copy of Droplet "+state.Droplet+", which is about to be taken over", "follow it with: oneclick-agent status --wait"
	} else if s != nil && s.Manifest.FirstLogin != nil && state.Finished() {
		return status, status.addLogin(h, s)
	}
	return status, nil
}

// addLogin adds how first login stands to the status of a finished first boot.
func (s *Status) addLogin(h *host.Host, setup *Setup) error {
	setup.Answers, _ = readAnswers(h.Files) // they change while the status is followed
	state, err := LoginState(h.Files)
	if err != nil {
		return err
	}
	if state.Phase == "" && setup.Answers.Choice == Never {
		s.Next = "the questions of first login were refused; offer them again with: oneclick-agent first-login --reset"
		return nil
	}
	s.addSteps(state, setup.LoginPlan(), h.Now())
	switch {
	case state.Finished():
		if state.Phase == "degraded" {
			s.State, s.phase, s.Next = "degraded", "degraded", "see the steps that are marked degraded"
		}
		return nil
	case h.Files.Locked(loginLock):
		s.State, s.Message, s.Next = "running", "the answers are being applied", "follow it with: oneclick-agent status --wait"
		return nil
	case state.Phase == "failed":
		s.State, s.Message, s.Next = "failed", state.Message, "mend the cause, then: oneclick-agent first-login"
	case state.Phase == "pending":
		s.State, s.Message, s.Next = "pending", state.Message, "go on with: oneclick-agent first-login"
	default:
		s.State, s.Message, s.Next = "pending", "questions of first login are not answered yet", "log in as root, or: oneclick-agent first-login"
	}
	s.person = true
	return nil
}

// addSteps lists the plan's steps in their order, then what an earlier manifest did.
func (s *Status) addSteps(state journal.State, plan []Item, now time.Time) {
	recorded := state.Steps
	add := func(r journal.Step, within time.Duration) {
		step := StatusStep{ID: r.ID, State: r.State, Seconds: r.Seconds, Message: r.Message}
		if r.State == "running" {
			step.Seconds, step.Within = now.Sub(r.Began).Seconds(), within.Seconds()
		}
		s.Steps = append(s.Steps, step)
	}
	for _, item := range plan {
		i := slices.IndexFunc(recorded, func(r journal.Step) bool { return r.ID == item.ID })
		switch {
		case i >= 0:
			add(recorded[i], item.Within)
			recorded = slices.Delete(slices.Clone(recorded), i, i+1)
		case !state.Finished():
			s.Steps = append(s.Steps, StatusStep{ID: item.ID, State: "waiting"})
		}
	}
	for _, r := range recorded {
		add(r, 0)
	}
}

// judge finds the word for the whole, and what comes next.
func (s *Status) judge(state journal.State, locked bool) {
	switch {
	case state.Phase == "" && !locked:
		s.State, s.Next = "fresh", "cloud-init starts first boot; by hand: oneclick-agent first-boot"
	case locked && !state.Finished():
		s.State, s.Next = "running", "follow it with: oneclick-agent status --wait"
	case state.Phase == "running":
		s.State, s.Message = "pending", "first boot was interrupted"
		s.Next = "it resumes at the next boot; now: oneclick-agent first-boot"
	case state.Phase == "pending":
		s.Next = "tried again at " + state.Next.Format("15:04:05 MST") + "; now: oneclick-agent first-boot"
	case state.Phase == "failed":
		s.Next = "mend the cause, then: oneclick-agent first-boot"
	case state.ClonedFrom != "":
		s.State, s.Message = "clone", "a copy of Droplet "+state.ClonedFrom+", with the same secrets"
		s.Next = "make new secrets with: oneclick-agent rotate --all"
	case state.Phase == "degraded":
		s.Next = "see the steps that are marked degraded"
	default:
		s.Next = "nothing is left to do"
	}
}

// WaitsForPerson reports whether somebody has to answer, or to sit at a terminal.
func (s Status) WaitsForPerson() bool { return s.person }

// Outcome is the outcome that the status stands for.
func (s Status) Outcome() Outcome {
	switch s.State {
	case "done":
		return Finished
	case "clone":
		if s.phase == "degraded" {
			return Degraded
		}
		return Finished
	case "degraded":
		return Degraded
	case "failed":
		return Broken
	}
	return Waiting
}

// WriteText prints the status for people.
func (s Status) WriteText(w io.Writer) {
	fmt.Fprintf(w, "State:    %s", s.State)
	if s.Seconds > 0 {
		fmt.Fprintf(w, ", after %.1f s", s.Seconds)
	}
	fmt.Fprintln(w)
	if s.Droplet != "" {
		fmt.Fprintf(w, "Droplet:  %s\n", problem.OneLine(s.Droplet))
	}
	if s.Message != "" {
		fmt.Fprintf(w, "Reason:   %s\n", problem.OneLine(s.Message))
	}
	fmt.Fprintf(w, "Next:     %s\n", s.Next)
	for i, step := range s.Steps {
		if i == 0 {
			fmt.Fprintln(w, "Steps:")
		}
		writeStep(w, step)
	}
}

func writeStep(w io.Writer, step StatusStep) {
	seconds := "      "
	if step.Seconds >= 0.05 {
		seconds = fmt.Sprintf("%5.1fs", step.Seconds)
	}
	line := fmt.Sprintf("  %-8s %s  %s", step.State, seconds, problem.OneLine(step.ID))
	if step.Message != "" {
		line += ": " + problem.OneLine(step.Message)
	}
	fmt.Fprintln(w, line)
}

// Follow reads the status again and again until first boot is over or ctx ends, and tells each step whose state
// changed to w. It returns the last status.
func Follow(ctx context.Context, read func() (Status, error), w io.Writer) (Status, error) {
	const look = 200 * time.Millisecond
	shown := map[string]string{}
	message := ""
	for {
		status, err := read()
		if err != nil {
			return status, err
		}
		for _, step := range status.Steps {
			if step.State != "waiting" && shown[step.ID] != step.State {
				shown[step.ID] = step.State
				writeStep(w, step)
			}
		}
		if status.State == "pending" && status.Message != message {
			fmt.Fprintf(w, "  pending          %s\n", problem.OneLine(status.Message))
		}
		message = status.Message
		over := status.person || status.State != "fresh" && status.State != "running" && status.State != "pending"
		if over || host.Sleep(ctx, look) != nil {
			return status, nil
		}
	}
}

// WriteJSON prints the status as one document.
func (s Status) WriteJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(s)
}
