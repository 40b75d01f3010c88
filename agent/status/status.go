// Package status says how the setup of a Droplet stands, in one set of words for everybody who asks: the status command,
// the message of the day, cloud-init's hook, the wizard, and programs that read JSON.
package status

import (
	"cmp"
	"errors"
	"math"
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
	Broken   State = "broken"   // the manifest has mistakes, so nothing can be done
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
	// Next is what to do, or what happens next.
	Next string `json:"next"`
	// Cause is why it is pending, failed, broken or degraded. Its advice is a part of Next.
	journal.Cause
	// Step is the step that the cause is about, "" for none.
	Step string `json:"step,omitempty"`
	// Docs is where the app's vendor helps.
	Docs string `json:"docs,omitempty"`
	// Problems are the mistakes of a broken manifest.
	Problems problem.List `json:"problems,omitempty"`
	// Says is all of it in sentences, as people read them everywhere.
	Says []string `json:"says"`
	// ClonedFrom is the Droplet that this one is a copy of.
	ClonedFrom string  `json:"cloned_from,omitempty"`
	Seconds    float64 `json:"seconds"`
	// Missing tells that something optional failed.
	Missing bool `json:"missing,omitempty"`
	// BootComplete tells whether first boot is complete, whatever is left of first login.
	BootComplete bool `json:"-"`
	// OfLogin tells that the words are about first login.
	OfLogin bool `json:"-"`
}

// Step is how one step stands.
type Step struct {
	ID      string            `json:"id"`
	Title   string            `json:"title,omitempty"`
	State   journal.StepState `json:"state"`
	Seconds float64           `json:"seconds"`
	Message string            `json:"message"`
	// Output is the file with all that the step's program printed when it failed.
	Output string `json:"output,omitempty"`
	// ByHand tells that a person had the step left out (skip), or done again (retry).
	ByHand journal.Kind `json:"by_hand,omitempty"`
	// Within is how many seconds a running step may take, 0 where that is not known.
	Within float64 `json:"within,omitempty"`
	// Usual is how many seconds a running step took in the vendor's trial of the image, 0 where nobody recorded it.
	Usual float64 `json:"usual,omitempty"`
	// name is what people call it, and advice what helps where it failed.
	name, advice string
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
	s.addUsual(h)
	if !record.Began.IsZero() {
		end := record.Ended
		if record.Phase == journal.Running {
			end = h.Now()
		}
		s.Seconds = max(0, end.Sub(record.Began).Seconds())
	}
	if err := s.judge(h, record, items, locked); err != nil {
		return s, err
	}
	switch {
	case f == nil || !record.Phase.Complete():
	case f.Droplet.ID != "" && f.Droplet.ID != record.Droplet:
		s.Droplet = f.Droplet.ID
		if s.State.Complete() {
			s.State = Running
			s.tell("a copy of Droplet "+record.Droplet+", which is about to be taken over", "follow it with: "+followCommand)
		}
	case f.Manifest.FirstLogin != nil && s.State.Complete():
		if err := s.addLogin(h, f, locked); err != nil {
			return s, err
		}
	}
	if f != nil && s.State == Done && f.Unusable != nil {
		s.State, s.Missing = Degraded, true
		s.tell(f.Unusable.Error(), "mend the cause, then: "+bootCommand)
	}
	if f != nil && s.stuck() {
		s.Docs = f.Manifest.App.Docs
	}
	s.Says = s.sentences()
	return s, nil
}

// ReadWithout reads how things stand where the facts could not be gathered, which is the cause. A manifest with mistakes
// is a state of its own; while a run that began before them is at work, that is told.
func ReadWithout(h *host.Host, cause error) (Status, error) {
	s, err := Read(h, nil)
	if err != nil || s.State == Running {
		return s, err
	}
	var problems problem.List
	isList := errors.As(cause, &problems)
	isMissing := isList && len(problems) == 1 && problems[0].Line == 0 && h.Files.Missing(problems[0].File)
	switch {
	case !isList:
		s.State = Failed
		s.Cause, s.Step = journal.Cause{Message: cause.Error()}, ""
		s.Next = "mend the cause, then: " + bootCommand
	case isMissing && s.State == Fresh:
		s.tell("there is no manifest at "+problems[0].File, "write it when the image is built; then cloud-init starts the setup")
		s.Waits = journal.ForPerson
	default:
		s.breakBy(problems)
		if isMissing {
			s.Next = "put it back, then: " + bootCommand
		}
	}
	s.Says = s.sentences()
	return s, nil
}

// tell says why things stand as they do, and what comes next.
func (s *Status) tell(message, next string) { s.Cause, s.Next = journal.Cause{Message: message}, next }

// judge finds the word for first boot, and what comes next.
func (s *Status) judge(h *host.Host, record journal.State, items []plan.Item, locked bool) error {
	changing := record.Phase.Complete() && !record.Troubled && !h.Files.Missing(state.Changing)
	switch {
	case changing && locked:
		s.State = Running
		s.tell("a change is being taken up", "follow it with: "+followCommand)
	case changing:
		s.State = Pending
		s.tell("a change was interrupted", "it resumes at the next boot; now: "+bootCommand)
		s.Waits = journal.ForBoot
	case record.Phase == journal.Fresh && !locked:
		s.State, s.Next = Fresh, "cloud-init starts it; by hand: "+bootCommand
	case locked && (record.Phase == journal.Fresh || record.Phase == journal.Running):
		s.State, s.Next = Running, "follow it with: "+followCommand
	case record.Phase == journal.Running:
		s.State = Pending
		s.tell("first boot was interrupted", "it resumes at the next boot; now: "+bootCommand)
		s.Waits = journal.ForBoot
	case record.Phase == journal.Pending:
		s.wait(record, items)
	case record.Phase == journal.Failed:
		s.fail(record, items, bootCommand)
	case record.Troubled && !record.Next.IsZero():
		s.wait(record, items)
	case record.Troubled:
		again, err := againBy(h, record)
		s.fail(record, items, again)
		return err
	default:
		s.complete(record)
	}
	return nil
}

// againBy is the command that tries a complete setup's trouble again: a change as a whole, or the one step that a person
// had done again.
func againBy(h *host.Host, record journal.State) (string, error) {
	login, err := journal.Read(h.Files, state.LoginJournal)
	for _, r := range []journal.State{record, login} {
		if step, ok := r.Step(record.At); ok && step.ByHand == journal.Retried && h.Files.Missing(state.Changing) {
			return retryCommand(step.ID), err
		}
	}
	return bootCommand, err
}

// wait finds the words for a record of something that waits for the outside.
func (s *Status) wait(record journal.State, items []plan.Item) {
	s.State, s.Cause, s.Step = Pending, record.Cause, called(items, record.At)
	s.Waits = cmp.Or(record.Waits, journal.ForOutside)
	s.Next = "it is tried again at " + record.Next.Format("15:04:05 MST") + "; now: " + bootCommand
	if s.Advice != "" {
		s.Next = s.Advice + "; " + s.Next
	}
}

// fail finds the words for a record of a failure.
func (s *Status) fail(record journal.State, items []plan.Item, again string) {
	s.State, s.Cause, s.Step = Failed, record.Cause, called(items, record.At)
	s.Next = cmp.Or(s.Advice, "mend the cause") + ", then: " + again
}

// complete finds the words for a setup of which nothing is left to do.
func (s *Status) complete(record journal.State) {
	s.Missing = s.Missing || record.Phase == journal.Degraded
	switch {
	case record.ClonedFrom != "":
		s.State = Clone
		s.tell("it has the same passwords as Droplet "+record.ClonedFrom, "make new ones with: oneclick-agent rotate --all")
	case s.Missing:
		s.degrade()
	default:
		s.State, s.Next = Done, "nothing is left to do"
	}
}

// degrade finds the words for a setup of which something optional is missing: the first of it.
func (s *Status) degrade() {
	s.State, s.Next = Degraded, "see the steps that are marked degraded"
	i := slices.IndexFunc(s.Steps, func(step Step) bool { return step.State == journal.StepDegraded })
	if i < 0 {
		return
	}
	step := s.Steps[i]
	s.Cause, s.Step = journal.Cause{Message: step.Message, Advice: step.advice, Output: step.Output}, step.name
	s.Next = cmp.Or(s.Advice, "mend the cause") + ", then: " + retryCommand(step.ID)
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
	items := plan.Login(f)
	s.addSteps(record, items, h.Now(), locked)
	s.addUsual(h)
	if record.Phase.Complete() {
		s.Missing = s.Missing || record.Phase == journal.Degraded
		if s.Missing && s.State == Done {
			s.degrade()
		}
		return nil
	}
	s.OfLogin, s.Step = true, ""
	s.judgeLogin(record, items, locked)
	if record.Phase == journal.Fresh {
		s.open(answers.Given, len(f.Manifest.FirstLogin.Questions))
	}
	return nil
}

// open finds the words for a first login that nobody began. Given says why answers that were given in advance do not do.
func (s *Status) open(given string, questions int) {
	s.State = Pending
	if s.tell(cmp.Or(given, "a few questions are left"), "answer them with: "+loginCommand); questions == 0 {
		s.tell(cmp.Or(given, "the rest of the setup is done at the first login"), "log in as root, or: "+loginCommand)
	}
	s.Waits = journal.ForPerson
}

// judgeLogin finds the word for a first login that is not complete.
func (s *Status) judgeLogin(record journal.State, items []plan.Item, locked bool) {
	switch {
	case locked && record.Phase == journal.Running:
		s.State = Running
		s.tell("the answers are being applied", "follow it with: "+followCommand)
	case record.Phase == journal.Failed:
		s.fail(record, items, loginCommand)
	case record.Phase == journal.Pending:
		s.State, s.Cause, s.Step, s.Next = Pending, record.Cause, called(items, record.At), "go on with: "+loginCommand
		s.Waits = cmp.Or(record.Waits, journal.ForPerson)
	case record.Phase == journal.Running:
		s.State = Pending
		s.tell("applying the answers was interrupted", "it resumes at the next boot; now: "+loginCommand)
		s.Waits = journal.ForBoot
	}
}

// called is a step as people know it: by the title that the vendor gave it, and by its name.
func called(items []plan.Item, id string) string {
	for _, item := range items {
		if item.ID == id && item.Title != item.Summary {
			return item.Title + " (" + id + ")"
		}
	}
	return id
}

// addSteps lists the plan's steps in their order; without a plan, what was recorded. Without anybody at work, a step that
// was begun waits to be begun again.
func (s *Status) addSteps(record journal.State, items []plan.Item, now time.Time, locked bool) {
	if items == nil {
		for _, r := range record.Steps {
			items = append(items, plan.Item{ID: r.ID})
		}
	}
	for _, item := range items {
		r, recorded := record.Step(item.ID)
		step := Step{ID: item.ID, Title: item.Title, State: journal.StepWaiting, name: called(items, item.ID)}
		switch {
		case !recorded && record.Phase.Complete() && (item.Path == "" || len(record.Steps) == 0):
			continue // of an agent that came later, or nothing is known of any step
		case !recorded && record.Phase.Complete():
			step.State, step.Message = journal.StepSkipped, "it is new in the manifest, and was never carried out here"
		case !recorded:
		case r.State == journal.StepRunning && !locked:
			step.Message = "it was interrupted"
		default:
			step.State, step.Seconds, step.Message, step.Output, step.advice = r.State, r.Seconds, cmp.Or(r.Message, r.Left), r.Output, r.Advice
			step.ByHand = r.ByHand
			if r.State == journal.StepRunning {
				step.Seconds, step.Within = now.Sub(r.Began).Seconds(), item.Within.Seconds()
			}
		}
		s.Steps = append(s.Steps, step)
	}
}

// addUsual tells of running steps how long they took in the vendor's trial. It is a help and no more: what the file says of
// other steps, in another form, or against the step's own limit is passed over.
func (s *Status) addUsual(h *host.Host) {
	if !slices.ContainsFunc(s.Steps, func(step Step) bool { return step.State == journal.StepRunning }) {
		return
	}
	usual := map[string]float64{}
	if _, err := state.Read(h.Files, state.Usual, &usual, ""); err != nil {
		return
	}
	for i, step := range s.Steps {
		if took := usual[step.ID]; step.State == journal.StepRunning && took > 0 && (step.Within == 0 || took <= step.Within) {
			s.Steps[i].Usual = took
		}
	}
}

// Recorded is how long the steps took that took a second or more, by their IDs: what a trial of the image keeps for Usual.
func (s *Status) Recorded() map[string]float64 {
	recorded := map[string]float64{}
	for _, step := range s.Steps {
		if step.State == journal.StepDone && step.Seconds >= 1 {
			recorded[step.ID] = math.Round(step.Seconds)
		}
	}
	return recorded
}
