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
	// Failed says how the answers were applied in vain before, and what to do.
	Failed []string
	note   string // news for the next prompt
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
		if err := w.askFrom(ctx, at); err != nil {
			return false, err
		}
		if len(w.questions()) == 0 && len(w.Failed) == 0 {
			return true, firstboot.Decide(w.Setup, facts.Ready) // there is nothing to look over
		}
		switch answer, err := w.ask(ctx, w.summary()); {
		case errors.Is(err, ErrBack):
			at = max(0, len(w.questions())-1)
			continue
		case err != nil:
			return false, err
		case answer == "change":
			err = w.change(ctx)
			if err != nil && !errors.Is(err, ErrBack) {
				return false, err
			}
		case answer == "apply":
			return true, firstboot.Decide(w.Setup, facts.Ready)
		default:
			return false, firstboot.Decide(w.Setup, facts.Later)
		}
		at = w.firstOpen() // an answer can bring up further questions
	}
}

// ask passes a prompt on, to the other front while the window is too small for the first.
func (w *Wizard) ask(ctx context.Context, p Prompt) (string, error) {
	p.Note = w.note
	if p.Of == 0 {
		p.At, p.Of = w.firstOpen()+1, len(w.questions())
	}
	answer, err := w.Front.Ask(ctx, p)
	if errors.Is(err, ErrSmall) && w.Small != nil {
		answer, err = w.Small().Ask(ctx, p)
	}
	w.note = ""
	return answer, err
}

// offer is the first question of all.
func (w *Wizard) offer(ctx context.Context) (goOn bool, err error) {
	questions := w.questions()
	title := fmt.Sprintf("%s has %d questions for you before it is ready.", w.Setup.Manifest.App.Name, len(questions))
	now := "Set it up now"
	switch len(questions) {
	case 0:
		title, now = w.Setup.Manifest.App.Name+" asks nothing, but has steps left before it is ready.", "Do them now"
	case 1:
		title = fmt.Sprintf("%s has one question for you before it is ready.", w.Setup.Manifest.App.Name)
	}
	if at := w.firstOpen(); at > 0 && at < len(questions) {
		title = fmt.Sprintf("You stopped at question %d of %d. Your answers so far are kept.", at+1, len(questions))
	} else if at > 0 {
		title = "All your answers are kept; they are not applied yet."
	}
	answer, err := w.ask(ctx, Prompt{Title: title, Kind: Choose, Value: "now", Answered: w.answered(), Options: []Option{
		{
			Value: "now",
			Label: now,
		}, {Value: "later", Label: "Later: ask again at the next login"}, {Value: "never", Label: "Never ask again"},
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

// askFrom asks one question, and then those that are open. An answer can bring questions up or take them away, so they
// are listed anew each time. The way back leads to the question before; its answer is kept unless another one is given.
func (w *Wizard) askFrom(ctx context.Context, at int) error {
	for {
		questions := w.questions()
		if at >= len(questions) {
			return nil
		}
		switch err := w.question(ctx, questions[at], at, len(questions)); {
		case errors.Is(err, ErrBack):
			at = max(0, at-1)
		case err != nil:
			return err
		default:
			at = w.firstOpen()
		}
	}
}

// question asks one question until its answer is good, also where that is tried out, and keeps it.
func (w *Wizard) question(ctx context.Context, q manifest.Question, at, of int) error {
	if stays, err := w.stays(ctx, q, at, of); stays || err != nil {
		return err
	}
	options, err := w.options(ctx, q)
	problem := ""
	if err != nil {
		problem = "The choices cannot be listed: " + err.Error() + ". Type one."
		q.Type = "text"
	}
	for {
		p := w.prompt(ctx, q, options, at, of)
		p.Problem = problem
		answer, err := w.ask(ctx, p)
		if err != nil {
			return err
		}
		generated := answer == "" && q.Generate
		if generated {
			if answer, err = secret.Random(); err != nil {
				return err
			}
		}
		if answer, err = Validate(q, answer, options); err != nil {
			problem = err.Error()
			continue
		}
		goOn, found, err := w.try(ctx, q, answer)
		if err != nil {
			return err
		}
		if !goOn {
			problem = found
			continue
		}
		return w.keep(q, answer, generated)
	}
}

// options lists the choices of a question, and shows that a command is asked for them.
func (w *Wizard) options(ctx context.Context, q manifest.Question) ([]string, error) {
	if len(q.OptionsFrom) > 0 {
		defer w.Front.Busy("Looking up the choices.")()
	}
	return Options(ctx, w.Setup, q)
}

// stays asks whether an answer stays that is not shown, so that it is never replaced by an empty line.
func (w *Wizard) stays(ctx context.Context, q manifest.Question, at, of int) (bool, error) {
	answer, answered := w.Setup.Answer(q)
	if !answered || !q.Hidden() {
		return false, nil
	}
	p := w.prompt(ctx, q, nil, at, of)
	p.Kind, p.Empty, p.Value, p.Check, p.Judge = Choose, "", "keep", nil, nil
	p.Options = []Option{{Value: "keep", Label: "Keep the one that is set"}, {Value: "other", Label: "Enter another one"}}
	if answer == "" {
		p.Options[0].Label = "Leave it empty"
	}
	if q.Generate {
		p.Options = append(p.Options, Option{Value: "generate", Label: "Have a new one generated"})
	}
	switch what, err := w.ask(ctx, p); {
	case err != nil:
		return false, err
	case what == "keep":
		return true, nil
	case what == "generate":
		made, err := secret.Random()
		if err != nil {
			return false, err
		}
		return true, w.keep(q, made, true)
	}
	return false, nil
}

// try tries an answer out where that can be done, and asks what to do about what it found. Otherwise another answer is
// wanted, and found says why.
func (w *Wizard) try(ctx context.Context, q manifest.Question, answer string) (goOn bool, found string, err error) {
	attempt := func() string {
		if w.Setup.Host.Live() && answer != "" && (q.Check != nil || q.Type == "domain") {
			defer w.Front.Busy("Trying the answer out.")()
		}
		return Try(ctx, w.Setup, q, answer)
	}
	for found = attempt(); found != ""; found = attempt() {
		switch what, err := w.ask(ctx, Prompt{Title: found, Answered: w.answered(), Kind: Choose, Value: "again", CanGoBack: true,
			Options: []Option{
				{Value: "again", Label: "Try again"}, {Value: "other", Label: "Enter something else"}, {Value: "keep", Label: "Go on with it " +
					"all the same"}, {Value: "later", Label: "Come back later"},
			}}); {
		case errors.Is(err, ErrBack) || what == "other":
			return false, "", nil
		case err != nil:
			return false, "", err
		case what == "later":
			return false, "", ErrLeave
		case what == "keep":
			return true, "", nil
		}
	}
	return true, "", nil
}

// keep makes an answer durable, and says what a person should know of one that is not shown.
func (w *Wizard) keep(q manifest.Question, answer string, generated bool) error {
	if err := w.Setup.SetAnswer(q, answer); err != nil {
		return err
	}
	if !q.Hidden() || answer == "" {
		return nil
	}
	if err := w.Setup.SetGenerated(q, generated); err != nil {
		return err
	}
	switch {
	case generated:
		w.note = "A password was generated. To see it: " + showCommand(q)
	case q.Type == "password":
		w.note = fmt.Sprintf("The password is set; it is %s. To see it: %s", w.strength(answer), showCommand(q))
	default:
		w.note = "It is set. To see it: " + showCommand(q)
	}
	return nil
}

// showCommand shows an answer that the wizard does not.
func showCommand(q manifest.Question) string { return "oneclick-agent secrets show " + q.Name }

// strength judges a password; what everybody can know of this setup does not count.
func (w *Wizard) strength(password string) string {
	known := []string{w.Setup.Manifest.App.Name}
	for _, value := range w.Setup.Answers.Values {
		known = append(append(known, value), strings.FieldsFunc(value, func(r rune) bool { return r == '@' || r == '.' })...)
	}
	return Strength(password, known...)
}

// prompt is a question as it is shown.
func (w *Wizard) prompt(ctx context.Context, q manifest.Question, options []string, at, of int) Prompt {
	p := Prompt{
		Title:     fmt.Sprintf("%s (%d of %d)", q.Ask, at+1, of),
		At:        at + 1,
		Of:        of,
		Answered:  w.answered(),
		Help:      q.Help,
		CanGoBack: at > 0,
	}
	if answer, ok := w.Setup.Answer(q); ok && !q.Hidden() {
		p.Value = answer
	} else if !ok {
		p.Value, _ = defaultOf(ctx, w.Setup, q) // nothing is proposed where that cannot be told
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
		if q.Type == "password" {
			p.Judge = w.strength
		}
	case q.Type == "choice":
		p.Kind = Choose
		for _, option := range options {
			p.Options = append(p.Options, Option{Value: option, Label: option})
		}
	case q.Type == "confirm":
		p.Kind, p.Options = YesNo, []Option{{Value: "true", Label: "Yes"}, {Value: "false", Label: "No"}}
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

// defaultOf is what the manifest proposes as the answer, with what is known so far filled in; "" for nothing.
func defaultOf(ctx context.Context, s *facts.Facts, q manifest.Question) (string, error) {
	if q.Default == nil || q.Default.Any == nil {
		return "", nil
	}
	value, err := q.Default.Fill(s.Filling(ctx).Text)
	return fmt.Sprint(value), err
}

// Options are the choices of a question: the manifest's, or what a command of it prints, one a line.
func Options(ctx context.Context, s *facts.Facts, q manifest.Question) ([]string, error) {
	if len(q.OptionsFrom) == 0 {
		return q.Options, nil
	}
	printed, err := output(ctx, s, q)
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
