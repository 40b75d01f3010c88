package firstlogin

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"
	"charm.land/huh/v2"
)

// page is one question as it stands on the terminal, part by part from the top. Where the window is too low, what can be
// spared is left out.
type page struct {
	head, answered, note, problem, title, help, table, field, state, keys []string
}

// lines joins the parts, with an empty line before those that begin something.
func (p page) lines(spaced bool) []string {
	var lines []string
	for _, part := range []struct {
		lines  []string
		begins bool
	}{
		{p.head, true}, {p.answered, true}, {p.note, true}, {p.problem, true}, {p.title, true}, {p.help, false},
		{p.table, true}, {p.field, len(p.table) > 0}, {p.state, false}, {p.keys, true},
	} {
		if spaced && part.begins && len(part.lines) > 0 && len(lines) > 0 {
			lines = append(lines, "")
		}
		lines = append(lines, part.lines...)
	}
	return lines
}

// View draws the page; nothing once the form is over.
func (m *formModel) View() tea.View {
	if m.over {
		return tea.NewView("")
	}
	lines, _ := m.fitted()
	return tea.NewView("\n" + strings.TrimSuffix(indent(lines), "\n"))
}

// fits tells whether the window has room for the page.
func (m *formModel) fits() bool {
	_, fit := m.fitted()
	return fit
}

// leastOptions is how many options of a choice have to be seen at least.
const leastOptions = 3

// fitted is the page with as much as the window has room for.
func (m *formModel) fitted() (lines []string, fit bool) {
	p, spaced := m.page(), true
	choice, chooses := m.form.GetFocusedField().(*huh.Select[string])
	height := m.choiceHeight()
	if chooses {
		choice.Height(height)
	}
	p.field = m.fieldLines()
	room := m.screen.Rows - 2 // the empty line above, and the last one of the window
	over := func() int { return len(p.lines(spaced)) - room }
	for _, give := range []func(){ // what can be spared, the least loss first
		func() { p.answered = nil },
		func() { p.note = nil },
		func() { spaced = false },
		func() { p.head = nil },
		func() {
			if len(p.table) > 0 {
				p.help = nil
			}
		},
		func() { p.keys = nil },
	} {
		if over() > 0 {
			give()
		}
	}
	if rest := over(); chooses && rest > 0 && height-rest >= leastOptions {
		choice.Height(height - rest)
		p.field = m.fieldLines()
	}
	return p.lines(spaced), over() <= 0
}

// choiceHeight is how many lines all options take.
func (m *formModel) choiceHeight() int {
	height := 0
	for _, label := range m.labels() {
		height += len(m.screen.wrap(label, m.screen.width()-2))
	}
	if len(m.prompt.Options) > manyOptions {
		height++ // the line for the search
	}
	return height
}

// fieldLines is huh's part of the page.
func (m *formModel) fieldLines() []string {
	view := m.form.GetFocusedField().View()
	if m.prompt.Kind == Hidden && m.screen.mask != "*" {
		view = strings.ReplaceAll(view, "*", m.screen.mask)
	}
	return strings.Split(view, "\n")
}

func (m *formModel) page() page {
	s, p := m.screen, m.prompt
	made := page{head: s.head(max(0, p.At-1), p.Of), title: s.text(p.Title, s.title)}
	if len(p.Answered) > 0 {
		made.answered = s.table(p.Answered, s.done)
	}
	if len(p.Table) > 0 {
		made.table = s.table(p.Table, "")
	}
	if p.Note != "" {
		made.note = s.text(p.Note, nil)
	}
	if p.Help != "" {
		made.help = s.text(p.Help, nil)
	}
	if p.Problem != "" {
		reason, rest, more := strings.Cut(p.Problem, "\n")
		made.problem = s.marked(s.wrong(s.failed), reason, s.wrong)
		if more {
			made.problem = append(made.problem, s.marked(" ", rest, nil)...)
		}
	}
	made.state, made.keys = m.state(), s.keys(m.keys())
	return made
}

// state is the line below the field: what is wrong, or how good the answer is.
func (m *formModel) state() []string {
	s, p := m.screen, m.prompt
	if m.problem != "" {
		return s.marked(s.wrong(s.failed), m.problem, s.wrong)
	}
	for _, err := range m.form.Errors() {
		return s.marked(s.wrong(s.failed), err.Error(), s.wrong)
	}
	if p.Judge != nil && m.value != "" {
		count := "1 character"
		if n := utf8.RuneCountInString(m.value); n != 1 {
			count = fmt.Sprintf("%d characters", n)
		}
		return s.marked(" ", count+", "+p.Judge(m.value), nil)
	}
	if p.Empty != "" && m.value == "" {
		return s.marked(" ", "Press Enter "+p.Empty+".", nil)
	}
	return nil
}

// keys say what the keys do.
func (m *formModel) keys() []string {
	s, p := m.screen, m.prompt
	var keys []string
	switch p.Kind {
	case YesNo:
		keys = []string{"y or n answers"}
	case Choose:
		keys = []string{s.up + " and " + s.down + " choose"}
	}
	keys = append(keys, "Enter goes on")
	if p.CanGoBack {
		keys = append(keys, "Esc goes back")
	}
	return slices.Concat(keys, []string{"Ctrl-C leaves for later"})
}
