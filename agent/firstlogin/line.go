package firstlogin

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// lineFront asks one question a line, without moving the cursor: for screen readers, serial consoles and small
// windows.
type lineFront struct {
	terminal *Terminal
	out      io.Writer
	wanted   chan struct{} // asks the reader for a line: between questions the input belongs to others
	lines    chan string   // closed at the end of the input
	asked    bool          // a line was asked for and has not come
	active   func()        // told of each line: somebody is there
}

// newLineFront reads all lines with one reader, so that none is lost between questions.
func newLineFront(t *Terminal, in io.Reader, out io.Writer, active func()) *lineFront {
	f := &lineFront{terminal: t, out: out, wanted: make(chan struct{}, 1), lines: make(chan string), active: active}
	go func() {
		defer close(f.lines)
		reader := bufio.NewReader(io.LimitReader(in, 1<<20))
		for range f.wanted {
			line, err := reader.ReadString('\n')
			if err != nil {
				return // what stands before an end without a line break is no answer
			}
			f.lines <- strings.TrimRight(line, "\r\n")
		}
	}()
	return f
}

// Say prints text, wrapped at its words.
func (f *lineFront) Say(text string) { Screen{Columns: f.terminal.columns()}.say(f.out, text) }

// Busy says what is waited for.
func (f *lineFront) Busy(text string) (done func()) {
	f.Say(text)
	return func() {}
}

// Ask asks until an answer is good.
func (f *lineFront) Ask(ctx context.Context, p Prompt) (string, error) {
	if p.Note != "" {
		f.Say(p.Note)
	}
	fmt.Fprintln(f.out)
	for _, text := range []string{p.Problem, p.Title, p.Help} {
		if text != "" {
			f.Say(text)
		}
	}
	names := 0
	for _, row := range p.Table {
		names = max(names, columnsOf(row.Name))
	}
	for _, row := range p.Table {
		f.Say(pad(row.Name, names) + "  " + row.Value)
	}
	for i, option := range p.Options {
		f.Say(fmt.Sprintf("  %d  %s", i+1, option))
	}
	for {
		answer, err := f.once(ctx, p)
		if errors.Is(err, errCut) {
			f.Say(err.Error())
			continue
		}
		if err != nil {
			return "", err
		}
		if answer, err = f.take(p, answer); err == nil {
			return answer, nil
		}
		if errors.Is(err, errAgain) {
			continue
		}
		if errors.Is(err, ErrBack) || errors.Is(err, ErrLeave) {
			return "", err
		}
		f.Say(err.Error())
	}
}

// longestLine is what a terminal passes on of a line; what is longer it cuts without a word.
const longestLine = 4095

var (
	// errAgain asks the same once more, without a complaint.
	errAgain = errors.New("again")
	errCut   = fmt.Errorf("That line is too long for this terminal, which passes on %d characters at most.", longestLine-1)
)

func (f *lineFront) once(ctx context.Context, p Prompt) (string, error) {
	fmt.Fprint(f.out, spoken(invitation(p), f.terminal.columns()-1)+" ")
	if p.Kind == Hidden {
		defer f.terminal.hide()()
		defer fmt.Fprintln(f.out)
	}
	if !f.asked {
		f.asked = true
		f.wanted <- struct{}{}
	}
	select {
	case <-ctx.Done():
		return "", context.Cause(ctx)
	case line, ok := <-f.lines:
		f.asked = false
		if !ok {
			fmt.Fprintln(f.out)
			return "", ErrLeave
		}
		f.active()
		if len(line) >= longestLine {
			return "", errCut
		}
		return line, nil
	}
}

// invitation says in words what an empty line does.
func invitation(p Prompt) string {
	var said string
	switch {
	case p.Kind == Hidden && p.Empty != "":
		said = fmt.Sprintf("nothing will appear while you type; press Enter %s", p.Empty)
	case p.Kind == Hidden:
		said = "nothing will appear while you type"
	case p.Value != "" && (p.Kind == Choose || p.Kind == YesNo):
		for i, option := range p.Options {
			if option.Value == p.Value {
				said = fmt.Sprintf("press Enter for %d", i+1)
			}
		}
	case p.Value != "":
		said = "press Enter for " + p.Value
	case p.Empty != "":
		said = "press Enter " + p.Empty
	}
	if p.Kind == YesNo {
		said = strings.TrimSuffix("y or n, "+said, ", ")
	}
	if said == "" {
		said = "? for help"
	} else {
		said += ", ? for help"
	}
	return "[" + said + "]"
}

// take makes an answer of a line, or says what is wrong with it.
func (f *lineFront) take(p Prompt, line string) (string, error) {
	switch trimmed := strings.TrimSpace(line); {
	case trimmed == "?":
		f.Say("Enter an answer. b goes back, q leaves; everything so far is kept. A single ?, b or q is typed as ?? , bb or qq.")
		return "", errAgain
	case trimmed == "b" && p.CanGoBack:
		return "", ErrBack
	case trimmed == "q":
		return "", ErrLeave
	case trimmed == "??" || trimmed == "bb" || trimmed == "qq":
		line = trimmed[:1]
	case line == "" && p.Kind != Hidden:
		line = p.Value
	}
	if p.Kind == Choose || p.Kind == YesNo {
		if number, err := strconv.Atoi(strings.TrimSpace(line)); err == nil && number >= 1 && number <= len(p.Options) {
			return p.Options[number-1].Value, nil
		}
		for _, option := range p.Options {
			first := p.Kind == YesNo && len(line) == 1 && strings.EqualFold(line, option.Label[:1])
			if line != "" && (line == option.Value || strings.EqualFold(line, option.Label) || first) {
				return option.Value, nil
			}
		}
		if p.Kind == YesNo {
			return "", errors.New("Enter y or n.")
		}
		return "", fmt.Errorf("Enter a number from 1 to %d.", len(p.Options))
	}
	if p.Check != nil {
		if err := p.Check(line); err != nil {
			return "", err
		}
	}
	return line, nil
}
