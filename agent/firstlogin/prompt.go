// Package firstlogin asks the customer what only they know, and sees to it that the answers are applied. One model of
// questions and one set of validators serve three fronts: a form, line by line, and a file of answers.
package firstlogin

import (
	"context"
	"errors"
	"strings"
)

// Kind is how a prompt is answered.
type Kind int

// The kinds of prompt.
const (
	Text   Kind = iota // a line of text
	Hidden             // a line that is not shown
	Choose             // one of the options
	YesNo              // one of two options, also by the keys y and n
)

// Option is one choice: what is stored, and what is shown; Detail is said behind the label.
type Option struct{ Value, Label, Detail string }

func (o Option) String() string {
	if o.Detail == "" {
		return o.Label
	}
	return ended(o.Label) + " " + o.Detail
}

// ended is a text that something follows: a question keeps its mark.
func ended(text string) string {
	return strings.TrimSuffix(text, ":") + map[bool]string{false: ":"}[strings.HasSuffix(text, "?")]
}

// Row is a name and what belongs to it, as one line of a table.
type Row struct{ Name, Value string }

// Prompt is one thing to ask, for every front.
type Prompt struct {
	Title string
	// At is the number of the question among Of; one more once all are answered.
	At, Of int
	// Answered are the questions that have their answers, for a front that shows where one is.
	Answered []Row
	// Table is what the prompt is about. Help is said below the title, Problem is what was wrong with the answer
	// before, Note is news that belongs to the answer before.
	Table               []Row
	Note, Help, Problem string
	Kind                Kind
	Options             []Option
	// Value is what is filled in: an earlier answer, or the default.
	Value string
	// Empty says what an empty answer means; "" where there has to be one.
	Empty string
	// Check tells what is wrong with an answer; its text is for people.
	Check func(string) error
	// Judge says how good an answer is while it is typed; nil where there is nothing to say.
	Judge func(string) string
	// CanGoBack tells whether there is a question before this one.
	CanGoBack bool
}

// The ends of a prompt that are no answer.
var (
	ErrBack  = errors.New("back to the question before")
	ErrLeave = errors.New("left for later") // Ctrl-C, Ctrl-D, the end of the input: never a yes
	// ErrSmall is a window too small for this front.
	ErrSmall = errors.New("the window is too small")
)

// Front asks.
type Front interface {
	// Ask returns an answer that Check takes, or ErrBack, ErrLeave, ErrSmall, or why the context ended.
	Ask(ctx context.Context, p Prompt) (string, error)
	// Say tells something that stays on the terminal.
	Say(text string)
	// Busy shows that something is looked up, until the returned function is called.
	Busy(text string) (done func())
}
