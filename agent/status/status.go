// Package status says how the setup of a Droplet stands, in one set of words for everybody who asks: the status command,
// the message of the day, cloud-init's hook, the wizard, and programs that read JSON.
package status

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"oneclick-agent/agent/facts"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/journal"
	"oneclick-agent/agent/plan"
	"oneclick-agent/agent/problem"
	"oneclick-agent/agent/state"
)

// State is the word for the whole.
type State string

// The states. CONTRACT.
const (
	Fresh    State = "fresh"    // nothing was begun
	Running  State = "running"  // a run is at work
	Pending  State = "pending"  // it waits for something outside, for a person, or for the next boot
	Failed   State = "failed"   // it gave up
	Degraded State = "degraded" // it is complete, but for something optional
	Done     State = "done"     // it is complete
	Clone    State = "clone"    // it is complete, on a copy of another Droplet
)

// Complete reports whether nothing is left to do.
func (s State) Complete() bool { return s == Done || s == Degraded || s == Clone }

// Status is how the setup of a Droplet stands.
type Status struct {
	State   State  `json:"state"`
	Droplet string `json:"droplet"`
	Steps   []Step `json:"steps"`
	Next    string `json:"next"`
	Message string `json:"message,omitempty"`
	// Waits says for whom or what a pending setup waits: person, outside or boot.
	Waits Waits `json:"waits_for,omitempty"`
	// ClonedFrom is the Droplet that this one is a copy of.
	ClonedFrom string  `json:"cloned_from,omitempty"`
	Seconds    float64 `json:"seconds"`
	// Missing tells that something optional failed.
	Missing bool `json:"missing,omitempty"`
	// BootComplete tells whether first boot is complete, whatever is left of first login.
	BootComplete bool `json:"-"`
	// login tells that the words are about first login.
	login bool
}

// Waits is what a pending setup waits for.
type Waits string

// What there is to wait for.
const (
	ForPerson  Waits = "person"  // somebody has to answer, or to sit at a terminal
	ForOutside Waits = "outside" // a database, or what the platform writes; it is tried again by itself
	ForBoot    Waits = "boot"    // a run was interrupted; the next boot resumes it
)

// Step is how one step stands.
type Step struct {
	ID      string            `json:"id"`
	Title   string            `json:"title,omitempty"`
	State   journal.StepState `json:"state"`
	Seconds float64           `json:"seconds"`
	Message string            `json:"message"`
	// Within is how many seconds a running step may take, 0 where that is not known.
	Within float64 `json:"within,omitempty"`
}

// Commands that the words name.
const (
	followCommand = "oneclick-agent status --wait"
	bootCommand   = "oneclick-agent first-boot"
	loginCommand  = "oneclick-agent first-login"
	statusCommand = "oneclick-agent status"
)

// What is left of a first login that nobody began: with questions, and without.
const (
	unanswered = "questions of first login are not answered yet"
	unfinished = "the rest of the setup is done at the first login"
)

// openSentences are the sentences for these.
var openSentences = map[string]string{
	unanswered: "A few questions are left. Answer them with: " + loginCommand,
	unfinished: "The setup is not finished yet. Finish it with: " + loginCommand,
}

// Read reads how things stand. It changes nothing and asks nothing outside the machine. The facts tell which steps are
// still to come; they may be nil, so that the status of a broken image is shown all the same.
func Read(h *host.Host, f *facts.Facts) (Status, error) {
	record, err := journal.Read(h.Files, state.Journal)
	if err != nil {
		return Status{}, err
	}
	s := Status{Droplet: record.Droplet, ClonedFrom: record.ClonedFrom, Steps: []Step{}, BootComplete: record.Phase.Complete()}
	var items []plan.Item
	if f != nil {
		items = plan.Boot(f)
	}
	locked := h.Files.Locked(state.Lock)
	s.addSteps(record, items, h.Now(), locked)
	if !record.Began.IsZero() {
		end := record.Ended
		if record.Phase == journal.Running {
			end = h.Now()
		}
		s.Seconds = max(0, end.Sub(record.Began).Seconds())
	}
	s.judge(record, locked)
	switch {
	case !record.Phase.Complete():
	case f != nil && f.Droplet.ID != "" && f.Droplet.ID != record.Droplet:
		s.State, s.Droplet = Running, f.Droplet.ID
		s.Message, s.Next = "a copy of Droplet "+record.Droplet+", which is about to be taken over", "follow it with: "+followCommand
	case f != nil && f.Manifest.FirstLogin != nil && record.Trouble == "":
		return s, s.addLogin(h, f, locked)
	}
	return s, nil
}

// judge finds the word for first boot, and what comes next.
func (s *Status) judge(record journal.State, locked bool) {
	switch {
	case record.Phase == journal.Fresh && !locked:
		s.State, s.Next = Fresh, "cloud-init starts it; by hand: "+bootCommand
	case locked && (record.Phase == journal.Fresh || record.Phase == journal.Running):
		s.State, s.Next = Running, "follow it with: "+followCommand
	case record.Phase == journal.Running:
		s.State, s.Waits, s.Message = Pending, ForBoot, "first boot was interrupted"
		s.Next = "it resumes at the next boot; now: " + bootCommand
	case record.Phase == journal.Pending:
		s.State, s.Waits, s.Message = Pending, ForOutside, record.Message
		s.Next = "tried again at " + record.Next.Format("15:04:05 MST") + "; now: " + bootCommand
	case record.Phase == journal.Failed:
		s.State, s.Message, s.Next = Failed, record.Message, "mend the cause, then: "+bootCommand
	case record.Trouble != "":
		s.State, s.Message, s.Next = Failed, record.Trouble, "mend the cause, then: "+bootCommand
		if !record.Next.IsZero() {
			s.State, s.Waits = Pending, ForOutside
			s.Next = "tried again at " + record.Next.Format("15:04:05 MST") + "; now: " + bootCommand
		}
	default:
		s.complete(record)
	}
}

// complete finds the words for a setup of which nothing is left to do.
func (s *Status) complete(record journal.State) {
	s.Missing = s.Missing || record.Phase == journal.Degraded
	switch {
	case record.ClonedFrom != "":
		s.State, s.Message = Clone, "a copy of Droplet "+record.ClonedFrom+", with the same secrets"
		s.Next = "make new secrets with: oneclick-agent rotate --all"
	case s.Missing:
		s.State, s.Next = Degraded, "see the steps that are marked degraded"
	default:
		s.State, s.Next = Done, "nothing is left to do"
	}
}

// addLogin adds how first login stands to the status of a complete first boot.
func (s *Status) addLogin(h *host.Host, f *facts.Facts, locked bool) error {
	answers, err := facts.ReadAnswers(h.Files) // it changes while the status is followed
	if err != nil {
		return err
	}
	record, err := journal.Read(h.Files, state.LoginJournal)
	if err != nil {
		return err
	}
	if record.Phase == journal.Fresh && answers.Choice == facts.Never {
		s.Next = "the questions of first login were refused; offer them again with: " + loginCommand + " --reset"
		return nil
	}
	s.addSteps(record, plan.Login(f), h.Now(), locked)
	if record.Phase.Complete() {
		s.Missing = s.Missing || record.Phase == journal.Degraded
		if s.Missing && s.State == Done {
			s.State, s.Next = Degraded, "see the steps that are marked degraded"
		}
		return nil
	}
	s.login = true
	switch {
	case locked && record.Phase == journal.Running:
		s.State, s.Message, s.Next = Running, "the answers are being applied", "follow it with: "+followCommand
		return nil
	case record.Phase == journal.Failed:
		s.State, s.Message, s.Next = Failed, record.Message, "mend the cause, then: "+loginCommand
	case record.Phase == journal.Pending:
		s.State, s.Message, s.Next = Pending, record.Message, "go on with: "+loginCommand
	case record.Phase == journal.Running:
		s.State, s.Message, s.Next = Pending, "applying the answers was interrupted", "it resumes at the next boot; now: "+loginCommand
		s.Waits = ForBoot
		return nil
	default:
		open := unanswered
		if len(f.Manifest.FirstLogin.Questions) == 0 {
			open = unfinished
		}
		s.State, s.Message = Pending, cmp.Or(answers.Given, open)
		s.Next = "log in as root, or: " + loginCommand
	}
	s.Waits = ForPerson
	return nil
}

// addSteps lists the plan's steps in their order, then what an earlier manifest did. Without anybody at work, a step that
// was begun waits to be begun again.
func (s *Status) addSteps(record journal.State, items []plan.Item, now time.Time, locked bool) {
	recorded := slices.Clone(record.Steps)
	add := func(r journal.Step, title string, within time.Duration) {
		step := Step{ID: r.ID, Title: title, State: r.State, Seconds: r.Seconds, Message: cmp.Or(r.Message, r.Left)}
		switch {
		case r.State == journal.StepRunning && !locked:
			step.State, step.Seconds, step.Message = journal.StepWaiting, 0, "it was interrupted"
		case r.State == journal.StepRunning:
			step.Seconds, step.Within = now.Sub(r.Began).Seconds(), within.Seconds()
		}
		s.Steps = append(s.Steps, step)
	}
	for _, item := range items {
		i := slices.IndexFunc(recorded, func(r journal.Step) bool { return r.ID == item.ID })
		switch {
		case i >= 0:
			add(recorded[i], item.Title, item.Within)
			recorded = slices.Delete(recorded, i, i+1)
		case !record.Phase.Complete():
			s.Steps = append(s.Steps, Step{ID: item.ID, Title: item.Title, State: journal.StepWaiting})
		}
	}
	for _, r := range recorded {
		if r.State != journal.StepWaiting {
			add(r, "", 0)
		}
	}
}

// Sentences say how the setup stands and what to do next, one sentence a line. A complete setup of which there is
// nothing to say has none.
func (s Status) Sentences() []string {
	switch s.State {
	case Fresh:
		return []string{"Setup has not begun. See: " + statusCommand}
	case Running:
		if s.login {
			return []string{"Your answers are being applied. Follow it with: " + followCommand}
		}
		return []string{"Setup is running. Follow it with: " + followCommand}
	case Failed:
		again := bootCommand
		if s.login {
			again = loginCommand
		}
		return []string{"Setup FAILED: " + s.Message, "Details: " + statusCommand + ". Try again with: " + again}
	case Pending:
		switch s.Waits {
		case ForPerson:
			if sentence, ok := openSentences[s.Message]; ok {
				return []string{sentence}
			}
			return []string{"Setup is waiting: " + s.Message, "Go on with: " + loginCommand}
		case ForBoot:
			return []string{"Setup is waiting: " + s.Message, capital(s.Next)}
		}
		return []string{"Setup is waiting: " + s.Message, "It is tried again by itself. Try now with: " + bootCommand}
	}
	var lines []string
	if s.State == Clone {
		lines = append(lines, "This Droplet is a copy of Droplet "+s.ClonedFrom+" and has the same passwords.",
			"Make new ones with: oneclick-agent rotate --all")
	}
	if s.Missing {
		lines = append(lines, "Setup is done, but something optional failed. See: "+statusCommand)
	}
	return lines
}

func capital(text string) string { return string(text[0]-'a'+'A') + text[1:] }

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

func writeStep(w io.Writer, step Step) {
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

// WriteJSON prints the status as one document.
func (s Status) WriteJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(s)
}
