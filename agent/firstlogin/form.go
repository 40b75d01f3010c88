package firstlogin

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"charm.land/huh/v2"
	"github.com/charmbracelet/x/ansi"

	"oneclick-agent/agent/problem"
)

// formFront asks with huh's fields, one small form a question: so each answer can be kept at once, and the way back
// leads to any of them. A form is taken off the terminal when it ends.
type formFront struct {
	in       *os.File
	out      io.Writer
	terminal *Terminal
	screen   Screen
	active   func() // told of each key: somebody is there
	quiet    bool   // what is typed between two forms is not shown
	asked    bool   // the terminal was asked for its background
	// answered is when y or n answered at once: an Enter that follows, as many people press it, is not for the next form.
	answered time.Time
}

// enterAfterKey is how long after y or n an Enter is taken for a part of that answer.
const enterAfterKey = 700 * time.Millisecond

// Say prints a line that stays.
func (f *formFront) Say(text string) {
	f.screen.Columns = f.terminal.columns()
	fmt.Fprint(f.out, indent(f.screen.text(text, nil)))
}

// Busy turns a spinner.
func (f *formFront) Busy(text string) (done func()) {
	f.screen.Columns = f.terminal.columns()
	return spin(f.out, f.screen, text)
}

// fastest is how often the screen is drawn a second, if it changed: the most that bubbletea does. The first drawing waits
// for the next of these moments, too.
const fastest = 120

// Prepare begins, beside whatever else there is to do before the first page, what drawing it would wait for: a table of how
// wide each character is, which is made when the first one that is not Latin is drawn.
func Prepare() {
	if Unicode() && !PlainTerminal() {
		go ansi.StringWidthWc("─")
	}
}

// Ask shows one form. Only a form that was completed is an answer: huh also ends without an error when it is
// interrupted.
func (f *formFront) Ask(ctx context.Context, p Prompt) (string, error) {
	f.screen.Columns, f.screen.Rows = f.terminal.size()
	m := newFormModel(f, p)
	if !f.terminal.fits() || !m.fits() {
		return "", f.small()
	}
	if !f.quiet {
		f.terminal.keys()
		f.quiet = true
	}
	if !f.asked {
		f.paint(m)
	}
	program := tea.NewProgram(m, tea.WithInput(f.in), tea.WithOutput(f.out), tea.WithoutSignalHandler(), tea.WithFPS(fastest),
		tea.WithColorProfile(f.screen.profile()))
	stop := context.AfterFunc(ctx, func() { program.Send(leaveMessage{}) })
	_, err := program.Run()
	stop()
	f.screen.Light, f.asked = m.screen.Light, true
	switch {
	case ctx.Err() != nil:
		return "", context.Cause(ctx)
	case err != nil:
		return "", err
	case m.end == ErrSmall:
		return "", f.small()
	case m.end != nil:
		return "", m.end
	case m.form.State != huh.StateCompleted:
		return "", ErrLeave
	}
	return m.value, nil
}

// paint draws the first page at once, and moves back to where it begins. bubbletea draws the same page there, after it has
// looked at the terminal and at its clock: a third of the time that somebody who logs in waits.
func (f *formFront) paint(m *formModel) {
	page := m.View().Content
	fmt.Fprintf(f.out, "%s\r\x1b[%dA", page, strings.Count(page, "\n"))
}

// small gives the terminal up, for another front.
func (f *formFront) small() error {
	f.terminal.Restore()
	f.quiet = false
	return ErrSmall
}

// leaveMessage ends a form from outside.
type leaveMessage struct{}

// formModel is one question on the terminal: huh's field, with our head, words and keys around it.
type formModel struct {
	front   *formFront
	screen  Screen
	prompt  Prompt
	form    *huh.Form
	begin   tea.Cmd     // what huh wants to be done first
	fields  *huh.Styles // see Theme.fields
	value   string
	problem string // what is wrong with what was entered
	over    bool
	end     error // why it is over, without an answer
}

func newFormModel(f *formFront, p Prompt) *formModel {
	m := &formModel{front: f, screen: f.screen, prompt: p, value: p.Value}
	m.screen.Stays = false
	if p.Kind == Hidden {
		m.value = ""
	}
	m.fields = m.screen.fields()
	// The theme is asked for several times at each drawing: the terminal may say later that its background is light.
	theme := huh.ThemeFunc(func(bool) *huh.Styles { return m.fields })
	m.form = huh.NewForm(
		huh.NewGroup(m.field()),
	).WithTheme(
		theme,
	).WithShowHelp(
		false,
	).WithShowErrors(
		false,
	).WithKeyMap(
		keyMap(len(p.Options) > manyOptions),
	)
	m.form.SubmitCmd, m.form.CancelCmd = tea.Quit, tea.Quit
	m.form.WithWidth(m.screen.width())
	m.begin = m.form.Init() // which gives the field the focus, so that the page can be drawn
	return m
}

// manyOptions is from how many options on one can search among them.
const manyOptions = 10

func (m *formModel) field() huh.Field {
	p := m.prompt
	if p.Kind == Choose || p.Kind == YesNo {
		var options []huh.Option[string]
		for i, label := range m.labels() {
			options = append(options, huh.NewOption(label, p.Options[i].Value))
		}
		choice := huh.NewSelect[string]().Options(options...).Value(&m.value)
		if len(options) > manyOptions {
			choice.Title("Press / to search.")
		}
		return choice
	}
	input := huh.NewInput().Value(&m.value).Prompt(m.screen.pointer + " ")
	if p.Kind == Hidden {
		input.EchoMode(huh.EchoModePassword)
	}
	if p.Check != nil {
		input.Validate(p.Check)
	}
	return input
}

// labels are the options, each on one line; their details are aligned where all of them have room.
func (m *formModel) labels() []string {
	widest, labels := 0, []string{}
	for _, option := range m.prompt.Options {
		widest = max(widest, columnsOf(problem.OneLine(option.Label)))
		labels = append(labels, problem.OneLine(option.String()))
	}
	aligned := slices.Clone(labels)
	for i, option := range m.prompt.Options {
		if option.Detail == "" {
			continue
		}
		aligned[i] = pad(problem.OneLine(option.Label), widest) + "  " + problem.OneLine(option.Detail)
		if columnsOf(aligned[i]) > m.screen.width()-2 {
			return labels
		}
	}
	return aligned
}

// keyMap lets every arrow key move in a choice.
func keyMap(search bool) *huh.KeyMap {
	keys := huh.NewDefaultKeyMap()
	keys.Select.Filter.SetEnabled(search)
	keys.Select.Up.SetKeys("up", "left", "k", "ctrl+p")
	keys.Select.Down.SetKeys("down", "right", "j", "ctrl+n")
	keys.Quit.SetEnabled(false) // ours
	return keys
}

func (m *formModel) Init() tea.Cmd {
	if m.front.asked {
		return m.begin
	}
	return tea.Batch(tea.RequestBackgroundColor, m.begin)
}

// leave ends the form without an answer.
func (m *formModel) leave(why error) (tea.Model, tea.Cmd) {
	m.over, m.end = true, why
	return m, tea.Quit
}

func (m *formModel) Update(message tea.Msg) (tea.Model, tea.Cmd) {
	if m.over {
		return m, nil // what comes now, as an answer of the terminal, draws nothing any more
	}
	switch message := message.(type) {
	case leaveMessage:
		return m.leave(ErrLeave)
	case tea.BackgroundColorMsg:
		m.screen.Light = !message.IsDark()
		m.fields = m.screen.fields()
	case tea.WindowSizeMsg:
		m.screen.Columns, m.screen.Rows = message.Width, message.Height
		m.form.WithWidth(m.screen.width())
		if !fits(message.Width, message.Height) || !m.fits() {
			return m.leave(ErrSmall)
		}
		return m, nil
	case tea.PasteMsg:
		m.front.active()
		if message.Content, m.problem = pasted(message.Content); m.problem != "" {
			return m, nil
		}
		return m.pass(message)
	case tea.KeyPressMsg:
		m.front.active()
		return m.key(message)
	}
	return m.pass(message)
}

// pass gives a message to huh.
func (m *formModel) pass(message tea.Msg) (tea.Model, tea.Cmd) {
	if isBlink(message) {
		return m, nil // a cursor that stands still costs a slow connection nothing
	}
	form, command := m.form.Update(message)
	m.form = form.(*huh.Form)
	m.over = m.form.State != huh.StateNormal
	return m, command
}

// isBlink tells the message that turns a cursor on and off.
func isBlink(message tea.Msg) bool { return strings.HasPrefix(fmt.Sprintf("%T", message), "cursor.") }

func (m *formModel) key(key tea.KeyPressMsg) (tea.Model, tea.Cmd) {
	m.problem = ""
	if name := key.String(); name == "enter" && time.Since(m.front.answered) < enterAfterKey {
		m.front.answered = time.Time{}
		return m, nil
	}
	m.front.answered = time.Time{}
	choice, _ := m.form.GetFocusedField().(*huh.Select[string])
	switch name := key.String(); name {
	case "esc", "shift+tab":
		if choice != nil && choice.GetFiltering() {
			return m.pass(key)
		}
		if m.prompt.CanGoBack {
			return m.leave(ErrBack)
		}
		return m, nil
	case "ctrl+c", "ctrl+d", "ctrl+z", `ctrl+\`:
		return m.leave(ErrLeave)
	case "y", "Y", "n", "N":
		if m.prompt.Kind == YesNo {
			m.value = m.prompt.Options[0].Value
			if strings.EqualFold(name, "n") {
				m.value = m.prompt.Options[1].Value
			}
			m.form.State, m.over, m.front.answered = huh.StateCompleted, true, time.Now()
			return m, tea.Quit
		}
	}
	return m.pass(key)
}

// pasted is pasted text as it can be entered: on one line. Nothing is taken out of its middle, because it may be a
// password.
func pasted(text string) (usable, problem string) {
	text = strings.TrimRight(text, "\r\n")
	if strings.ContainsAny(text, "\r\n") {
		return "", "What you pasted has more than one line. Paste one line."
	}
	if strings.ContainsFunc(text, untypable) {
		return "", "What you pasted holds characters that cannot be typed. Paste plain text."
	}
	return text, ""
}
