package firstlogin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	tea "charm.land/bubbletea/v2"
	"charm.land/huh/v2"
	"charm.land/lipgloss/v2"

	"oneclick-agent/agent/problem"
)

// formFront asks with huh, one small form a question: so each answer can be kept at once, and the way back leads to
// any of them.
type formFront struct {
	in      *os.File
	out     io.Writer
	unicode bool
	active  func() // told of each key: somebody is there
}

// Say prints a line that stays.
func (f *formFront) Say(text string) { fmt.Fprintln(f.out, problem.Printable(text)) }

// Ask shows one form. Only a form that was completed is an answer: huh also ends without an error when it is
// interrupted.
func (f *formFront) Ask(ctx context.Context, p Prompt) (string, error) {
	value, end := p.Value, error(nil)
	if p.Kind == Hidden {
		value = ""
	}
	form := huh.NewForm(huh.NewGroup(f.field(p, &value))).WithTheme(f.theme()).WithShowHelp(false).WithInput(f.in).WithOutput(f.out)
	form.WithProgramOptions(tea.WithoutSignalHandler(), tea.WithFilter(func(_ tea.Model, message tea.Msg) tea.Msg {
		switch m := message.(type) {
		case tea.WindowSizeMsg:
			if !fits(m.Width, m.Height) {
				end = ErrSmall
				return tea.QuitMsg{}
			}
		case tea.KeyPressMsg:
			f.active()
			switch m.String() {
			case "esc", "shift+tab":
				if p.CanGoBack {
					end = ErrBack
					return tea.QuitMsg{}
				}
			case "ctrl+d", "ctrl+c":
				end = ErrLeave
				return tea.QuitMsg{}
			}
		}
		return message
	}))
	err := form.RunWithContext(ctx)
	switch {
	case ctx.Err() != nil:
		return "", context.Cause(ctx)
	case end != nil:
		return "", end
	case errors.Is(err, huh.ErrUserAborted):
		return "", ErrLeave
	case err != nil:
		return "", err
	case form.State != huh.StateCompleted:
		return "", ErrLeave
	}
	separator := ": "
	if strings.HasSuffix(p.Title, ".") {
		separator = " "
	}
	f.Say(problem.OneLine(p.Title) + separator + shown(p, value))
	return value, nil
}

// shown is an answer as it stays on the terminal.
func shown(p Prompt, answer string) string {
	for _, option := range p.Options {
		if option.Value == answer {
			return option.Label
		}
	}
	switch {
	case answer == "" && p.Empty == emptyGenerates:
		return "(generated)"
	case answer == "":
		return "(empty)"
	case p.Kind == Hidden:
		return "(set)"
	}
	return answer
}

func (f *formFront) field(p Prompt, value *string) huh.Field {
	title, help := problem.OneLine(p.Title), f.help(p)
	if p.Kind == Choose {
		var options []huh.Option[string]
		for _, option := range p.Options {
			options = append(options, huh.NewOption(problem.OneLine(option.Label), option.Value))
		}
		return huh.NewSelect[string]().Title(title).Description(help).Options(options...).Value(value)
	}
	input := huh.NewInput().Title(title).Description(help).Value(value).CharLimit(maxAnswer)
	if p.Kind == Hidden {
		input.EchoMode(huh.EchoModePassword)
	}
	if p.Check != nil {
		input.Validate(p.Check)
	}
	return input
}

// help is what stands below the title: what was wrong, what it is about, and the keys.
func (f *formFront) help(p Prompt) string {
	text := ""
	for _, line := range []string{p.Problem, p.Help} {
		if line != "" {
			text += problem.Printable(line) + "\n"
		}
	}
	keys := "Enter goes on"
	if p.CanGoBack {
		keys += ", Esc goes back"
	}
	keys += ", Ctrl-C leaves for later."
	if p.Empty != "" {
		keys = "Press Enter " + p.Empty + ". " + keys
	}
	return text + keys
}

// theme uses the terminal's own colours, and ASCII where the locale has nothing else.
func (f *formFront) theme() huh.Theme {
	return huh.ThemeFunc(func(dark bool) *huh.Styles {
		styles := huh.ThemeBase(dark)
		border := lipgloss.NormalBorder()
		if !f.unicode {
			border = lipgloss.ASCIIBorder()
		}
		styles.Focused.Base = styles.Focused.Base.BorderStyle(border)
		styles.Focused.Title = styles.Focused.Title.Bold(true)
		styles.Focused.ErrorMessage = styles.Focused.ErrorMessage.Foreground(lipgloss.Color("1"))
		styles.Focused.SelectSelector = styles.Focused.SelectSelector.SetString("> ")
		return styles
	})
}
