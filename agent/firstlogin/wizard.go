package firstlogin

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"oneclick-agent/agent/facts"
	"oneclick-agent/agent/firstboot"
	"oneclick-agent/agent/manifest"
	"oneclick-agent/agent/secret"
)

// Wizard asks the questions of one manifest.
type Wizard struct {
	Setup *facts.Facts
	Front Front
	// Small gives the front for a window that is too small for Front.
	Small func() Front
}

// Ask asks everything that is not answered yet, with a way back, and ends with a summary. It returns whether the
// answers are complete and may be applied. Each answer is durable before the next question.
func (w *Wizard) Ask(ctx context.Context, offer bool) (apply bool, err error) {
	if offer {
		if goOn, err := w.offer(ctx); err != nil || !goOn {
			return false, err
		}
	}
	for at := w.firstOpen(); ; {
		at, err = w.askFrom(ctx, at)
		if err != nil {
			return false, err
		}
		switch answer, err := w.ask(ctx, w.summary()); {
		case errors.Is(err, ErrBack) || answer == "change":
			at = w.last()
			if answer == "change" {
				at = 0
			}
		case err != nil:
			return false, err
		case answer == "apply":
			return true, firstboot.Decide(w.Setup, facts.Ready)
		default:
			return false, firstboot.Decide(w.Setup, facts.Later)
		}
	}
}

// ask passes a prompt on, to the other front when the window is too small for the first.
func (w *Wizard) ask(ctx context.Context, p Prompt) (string, error) {
	answer, err := w.Front.Ask(ctx, p)
	if errors.Is(err, ErrSmall) && w.Small != nil {
		w.Front, w.Small = w.Small(), nil
		return w.ask(ctx, p)
	}
	return answer, err
}

// offer is the first question of all.
func (w *Wizard) offer(ctx context.Context) (goOn bool, err error) {
	questions := w.questions()
	title := fmt.Sprintf("%s has %d questions for you before it is ready.", w.Setup.Manifest.App.Name, len(questions))
	if len(questions) == 1 {
		title = fmt.Sprintf("%s has one question for you before it is ready.", w.Setup.Manifest.App.Name)
	}
	if at := w.firstOpen(); at > 0 && at < len(questions) {
		title = fmt.Sprintf("You stopped at question %d of %d. Your answers so far are kept.", at+1, len(questions))
	} else if at > 0 {
		title = "All your answers are kept; they are not applied yet."
	}
	answer, err := w.ask(ctx, Prompt{Title: title, Kind: Choose, Value: "now", Options: []Option{
		{"now", "Set it up now"}, {"later", "Later: ask again at the next login"}, {"never", "Never ask again"},
	}, Help: "You can begin at any time with: oneclick-agent first-login"})
	switch {
	case err != nil:
		return false, err
	case answer == "never":
		w.Front.Say("You will not be asked again. To be asked after all: oneclick-agent first-login --reset")
		return false, firstboot.Decide(w.Setup, facts.Never)
	case answer == "later":
		return false, firstboot.Decide(w.Setup, facts.Later)
	}
	return true, nil
}

// questions are those that apply, with the answers so far.
func (w *Wizard) questions() []manifest.Question {
	var asked []manifest.Question
	for _, q := range w.Setup.Manifest.FirstLogin.Questions {
		if applies, err := w.Setup.Asked(context.Background(), q); err == nil && applies {
			asked = append(asked, q)
		}
	}
	return asked
}

func (w *Wizard) last() int { return max(0, len(w.questions())-1) }

// firstOpen is the first question without an answer.
func (w *Wizard) firstOpen() int {
	questions := w.questions()
	for i, q := range questions {
		if _, answered := w.Setup.Answer(q); !answered {
			return i
		}
	}
	return len(questions)
}

// askFrom asks the questions from one on. An answer can bring questions up or take them away, so they are listed anew
// each time.
func (w *Wizard) askFrom(ctx context.Context, at int) (int, error) {
	for {
		questions := w.questions()
		if at >= len(questions) {
			return at, nil
		}
		switch err := w.question(ctx, questions[at], at, len(questions)); {
		case errors.Is(err, ErrBack):
			at = max(0, at-1)
		case err != nil:
			return at, err
		default:
			at++
		}
	}
}

// question asks one question until its answer is good, also where that is tried out, and keeps it.
func (w *Wizard) question(ctx context.Context, q manifest.Question, at, of int) error {
	options, err := Options(ctx, w.Setup, q)
	problem := ""
	if err != nil {
		problem = "The choices cannot be listed: " + err.Error() + ". Type one."
		q.Type = "text"
	}
	for {
		p := w.prompt(q, options, at, of)
		p.Problem = problem
		answer, err := w.ask(ctx, p)
		if err != nil {
			return err
		}
		if answer == "" && q.Generate {
			if answer, err = secret.Random(); err != nil {
				return err
			}
			w.Front.Say("A password was generated. It will stand in " + secret.PasswordsPath)
		}
		if answer, err = Validate(q, answer, options); err != nil {
			problem = err.Error()
			continue
		}
		found := Try(ctx, w.Setup, q, answer)
		if found != "" {
			switch what, err := w.ask(ctx, Prompt{Title: found, Kind: Choose, Value: "again", CanGoBack: true, Options: []Option{
				{"again", "Try again"}, {"other", "Enter something else"}, {"keep", "Go on with it all the same"}, {"later", "Come back later"},
			}}); {
			case errors.Is(err, ErrBack) || what == "other":
				problem = ""
				continue
			case err != nil:
				return err
			case what == "later":
				return ErrLeave
			case what == "again":
				if again := Try(ctx, w.Setup, q, answer); again != "" {
					problem = again
					continue
				}
			}
		}
		return w.Setup.SetAnswer(q, answer)
	}
}

// prompt is a question as it is shown.
func (w *Wizard) prompt(q manifest.Question, options []string, at, of int) Prompt {
	p := Prompt{Title: fmt.Sprintf("%s (%d of %d)", q.Ask, at+1, of), Help: q.Help, CanGoBack: at > 0}
	if answer, ok := w.Setup.Answer(q); ok && !q.Hidden() {
		p.Value = answer
	} else if !ok {
		p.Value = defaultOf(q)
	}
	p.Check = func(entered string) error {
		if entered == "" && q.Generate {
			return nil
		}
		_, err := Validate(q, entered, options)
		return err
	}
	switch {
	case q.Hidden():
		p.Kind = Hidden
	case q.Type == "choice":
		p.Kind = Choose
		for _, option := range options {
			p.Options = append(p.Options, Option{option, option})
		}
	case q.Type == "confirm":
		p.Kind, p.Options = Choose, []Option{{"true", "Yes"}, {"false", "No"}}
	}
	switch {
	case q.Generate:
		p.Empty = emptyGenerates
	case q.Optional:
		p.Empty = emptyStays
	}
	return p
}

// What an empty answer does, behind "press Enter".
const (
	emptyGenerates = "to generate one"
	emptyStays     = "to leave it empty"
)

// defaultOf is what the manifest fills in.
func defaultOf(q manifest.Question) string {
	if q.Default == nil || q.Default.Any == nil {
		return ""
	}
	return fmt.Sprint(q.Default.Any)
}

// summary shows all answers before anything is done with them.
func (w *Wizard) summary() Prompt {
	var lines []string
	questions := w.questions()
	width := 0
	for _, q := range questions {
		width = max(width, len(q.Ask))
	}
	for _, q := range questions {
		answer, _ := w.Setup.Answer(q)
		switch {
		case answer == "":
			answer = "(empty)"
		case q.Hidden():
			answer = "(set)"
		case q.Type == "confirm":
			answer = map[string]string{"true": "yes", "false": "no"}[answer]
		}
		lines = append(lines, fmt.Sprintf("%-*s  %s", width, q.Ask, answer))
	}
	return Prompt{Title: "These are your answers.", Help: strings.Join(lines, "\n"), Kind: Choose, Value: "apply", CanGoBack: true, Options: []Option{
		{"apply", "Set it up with them"}, {"change", "Change something"}, {"later", "Later: ask again at the next login"},
	}}
}

// Options are the choices of a question: the manifest's, or what a command of it prints, one a line.
func Options(ctx context.Context, s *facts.Facts, q manifest.Question) ([]string, error) {
	if len(q.OptionsFrom) == 0 {
		return q.Options, nil
	}
	printed, err := output(ctx, s, q.OptionsFrom)
	if err != nil {
		return nil, err
	}
	var options []string
	for line := range strings.Lines(printed) {
		if line = strings.TrimSpace(line); line != "" && !slices.Contains(options, line) && len(options) < maxOptions {
			options = append(options, line)
		}
	}
	if len(options) == 0 {
		return nil, errors.New("the command printed none")
	}
	return options, nil
}

// maxOptions is how many choices are offered at most.
const maxOptions = 100

// hostOf is the host part of an address, for messages that may be seen.
func hostOf(address string) string {
	if parsed, err := url.Parse(address); err == nil && parsed.Host != "" {
		return parsed.Host
	}
	return "the server"
}
