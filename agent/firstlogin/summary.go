package firstlogin

import (
	"context"
	"slices"
	"strings"

	"oneclick-agent/agent/manifest"
)

// answered are the answers so far, as they may be shown.
func (w *Wizard) answered() []Row {
	var rows []Row
	for _, q := range w.questions() {
		if answer, ok := w.Setup.Answer(q); ok {
			rows = append(rows, Row{q.Ask, w.shown(q, answer)})
		}
	}
	return rows
}

// shown is an answer as it may be shown: of one that is secret, only how good it is.
func (w *Wizard) shown(q manifest.Question, answer string) string {
	switch {
	case answer == "":
		return "(empty)"
	case q.Hidden() && w.Setup.Generated(q):
		return "(generated)"
	case q.Type == "password":
		return "(set, " + w.strength(answer) + ")"
	case q.Hidden():
		return "(set)"
	case q.Type == "confirm":
		return map[string]string{"true": "Yes", "false": "No"}[answer]
	}
	return answer
}

// summary shows all answers before anything is done with them.
func (w *Wizard) summary() Prompt {
	p := Prompt{Title: "These are your answers.", Table: w.answered(), Kind: Choose, Value: "apply", CanGoBack: true, Options: []Option{
		{
			Value: "apply",
			Label: "Set it up with them",
		}, {Value: "change", Label: "Change something"}, {Value: "later", Label: "Later: ask again at the next login"},
	}}
	if len(w.Failed) > 0 {
		p.Problem = strings.Join(w.Failed, "\n")
		p.Options[0].Label, p.Options[1].Label, p.Options[2].Label = "Try again with them", "Change the answers", "Leave it for now"
	}
	if len(p.Table) == 0 { // nothing was asked, so this is only shown after a failure
		p.Title, p.CanGoBack = "The steps of first login can be done again.", false
		p.Options = []Option{{Value: "apply", Label: "Try again"}, p.Options[2]}
	}
	for _, q := range w.questions() {
		if q.Hidden() {
			p.Help = "Passwords are not shown here. To see one: " + showCommand(q)
			break
		}
	}
	return p
}

// change lets one answer be chosen and given anew; all others stay as they are.
func (w *Wizard) change(ctx context.Context) error {
	questions := w.questions()
	at := 0
	if len(questions) > 1 {
		p := Prompt{Title: "Which answer do you want to change?", Help: "All others stay as they are.", Kind: Choose, CanGoBack: true}
		for i, row := range w.answered() {
			p.Options = append(p.Options, Option{Value: questions[i].Name, Label: row.Name, Detail: row.Value})
		}
		p.Value = questions[0].Name
		name, err := w.ask(ctx, p)
		if err != nil {
			return err
		}
		at = slices.IndexFunc(questions, func(q manifest.Question) bool { return q.Name == name })
	}
	return w.question(ctx, questions[at], at, len(questions))
}
