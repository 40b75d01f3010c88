package firstlogin

import (
	"context"
	"slices"

	"oneclick-agent/agent/firstboot"
	"oneclick-agent/agent/manifest"
	"oneclick-agent/agent/problem"
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
	case firstboot.Hidden(q) && w.Setup.Generated(q):
		return "(generated)"
	case q.Type == "password":
		return "(set, " + w.strength(answer) + ")"
	case firstboot.Hidden(q):
		return "(set)"
	case q.Type == "confirm":
		return map[string]string{"true": "Yes", "false": "No"}[answer]
	}
	return answer
}

// summary shows all answers before anything is done with them.
func (w *Wizard) summary() Prompt {
	p := Prompt{Title: "These are your answers.", Table: w.answered(), Kind: Choose, Value: "apply", CanGoBack: true, Options: []Option{
		{"apply", "Set it up with them"}, {"change", "Change something"}, {"later", "Later: ask again at the next login"},
	}}
	if w.Failed != "" {
		p.Problem, p.Options[0].Label = "The setup FAILED: "+w.Failed, "Try again with them"
	}
	for _, q := range w.questions() {
		if firstboot.Hidden(q) {
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
		rows := w.answered()
		p := Prompt{Title: "Which answer do you want to change?", Help: "All others stay as they are.", Kind: Choose, CanGoBack: true}
		for i, label := range alignedLabels(rows) {
			p.Options = append(p.Options, Option{questions[i].Name, label})
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

// alignedLabels are rows as the options of a choice.
func alignedLabels(rows []Row) []string {
	width := 0
	for _, row := range rows {
		width = max(width, columnsOf(problem.OneLine(row.Name)))
	}
	if width > widest/2 {
		width = 0
	}
	var labels []string
	for _, row := range rows {
		labels = append(labels, pad(problem.OneLine(row.Name), width)+"  "+problem.OneLine(row.Value))
	}
	return labels
}
