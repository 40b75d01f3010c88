package status

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"oneclick-agent/agent/journal"
	"oneclick-agent/agent/problem"
)

// Commands that the words name.
const (
	followCommand = "oneclick-agent status --wait"
	bootCommand   = "oneclick-agent first-boot"
	loginCommand  = "oneclick-agent first-login"
)

// retryCommand does one step again.
func retryCommand(step string) string {
	return bootCommand + " --retry '" + strings.ReplaceAll(step, "'", `'\''`) + "'"
}

// words say each state. The reason stands behind them.
var words = map[State]string{
	Fresh:    "Setup has not begun",
	Running:  "Setup is running",
	Pending:  "Setup is waiting",
	Failed:   "Setup FAILED",
	Broken:   "The manifest is BROKEN",
	Degraded: "Setup is done, but something optional failed",
	Done:     "Setup is done",
	Clone:    "Setup is done, on a copy of another Droplet",
}

// stuck reports whether somebody needs help.
func (s Status) stuck() bool {
	waits := s.State == Pending && (s.Waits == journal.ForDatabase || s.Waits == journal.ForOutside)
	return waits || s.State == Failed || s.State == Broken || s.State == Degraded
}

// detail is what is to be known besides the state and its reason.
type detail struct{ label, text string }

func (s Status) details() (details []detail) {
	add := func(label, text string) {
		if text != "" {
			details = append(details, detail{label, problem.OneLine(text)})
		}
	}
	for i, p := range s.Problems {
		if i > 0 && i < mostProblems {
			add("Also", inWords(p))
		}
	}
	add("Step", s.Step)
	add("Next", s.Next)
	add("Output", s.Output)
	add("Help", s.Docs)
	return details
}

// sentences say how the setup stands and what to do next, one sentence a line, the reason first. The message of the day,
// cloud-init's hook, the wizard and JSON all have these, so that one state is told in one way.
func (s Status) sentences() []string {
	first := words[s.State] + "."
	if s.Message != "" {
		first = words[s.State] + ": " + problem.OneLine(s.Message)
	}
	said := []string{first}
	if s.State == Done {
		return said
	}
	for _, d := range s.details() {
		said = append(said, d.label+": "+d.text)
	}
	return said
}

// Line is all of it on one line, for logs.
func (s Status) Line() string {
	line := strings.TrimSuffix(s.Says[0], ".")
	for _, said := range s.Says[1:] {
		line += "; " + said
	}
	return line
}

const (
	// mostProblems is how many mistakes of a manifest are told, and longestProblem how much of one, in characters.
	mostProblems   = 3
	longestProblem = 400
)

// breakBy makes it the status of a manifest with mistakes.
func (s *Status) breakBy(problems problem.List) {
	s.State, s.Problems, s.Step = Broken, problems, ""
	s.Cause = journal.Cause{Message: inWords(problems[0])}
	s.Next = "correct it, then: " + bootCommand
	if len(problems) > 1 {
		s.Next = fmt.Sprintf("see all %d mistakes with: oneclick-agent lint; correct them, then: %s", len(problems), bootCommand)
	}
}

// inWords is a mistake with its place and its hint.
func inWords(p problem.Problem) string {
	text := p.String()
	if p.Hint != "" {
		text += "; " + p.Hint
	}
	text = problem.OneLine(text)
	if runes := []rune(text); len(runes) > longestProblem {
		return string(runes[:longestProblem]) + "..."
	}
	return text
}

// WriteText prints the status for people.
func (s Status) WriteText(w io.Writer) {
	fmt.Fprintf(w, "State:    %s", s.State)
	if s.Seconds > 0 {
		fmt.Fprintf(w, ", after %.1f s", s.Seconds)
	}
	fmt.Fprintln(w)
	details := s.details()
	if s.Message != "" {
		details = append([]detail{{"Reason", problem.OneLine(s.Message)}}, details...)
	}
	if s.Droplet != "" {
		details = append([]detail{{"Droplet", problem.OneLine(s.Droplet)}}, details...)
	}
	for _, d := range details {
		fmt.Fprintf(w, "%-9s %s\n", d.label+":", d.text)
	}
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
	if step.ByHand == journal.Retried {
		line += " (tried again by hand)"
	}
	if step.Message != "" {
		line += ": " + problem.OneLine(step.Message)
	}
	fmt.Fprintln(w, line)
}

// WriteJSON prints the status as one document.
func (s Status) WriteJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(s)
}
