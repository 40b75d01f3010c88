package firstlogin

import (
	"fmt"
	"io"
	"strings"

	"charm.land/lipgloss/v2"

	"oneclick-agent/agent/problem"
)

const (
	margin = "  "
	// widest is how wide text runs at most: longer lines are hard to read.
	widest = 78
)

// Screen lays out what is shown on one terminal. All screens have the same head, margin and tables.
type Screen struct {
	Theme
	// App is what is set up, and Place the machine that it is set up on.
	App, Place string
	// Columns and Rows are the size of the window.
	Columns, Rows int
	// Stays tells that what is laid out is printed and stays, so that the terminal may wrap what does not fit: a command
	// can be copied then.
	Stays bool
}

// width is how wide the text between the margins is.
func (s Screen) width() int { return max(1, min(s.Columns-1, widest)-len(margin)) }

// head names the app and the machine, above a line that shows how far one is.
func (s Screen) head(done, of int) []string {
	app, place := problem.OneLine(s.App), problem.OneLine(s.Place)
	first := cut(app, s.width())
	if gap := s.width() - columnsOf(app) - columnsOf(place); gap >= 3 && place != "" {
		return []string{s.bold(app) + strings.Repeat(" ", gap) + s.faint(place), s.progress(done, of)}
	}
	return []string{s.bold(first), s.progress(done, of)}
}

// progress is a line of which a part is done.
func (s Screen) progress(done, of int) string {
	filled := 0
	if of > 0 {
		filled = s.width() * min(done, of) / of
	}
	return s.accent(strings.Repeat(s.bar, filled)) + s.faint(strings.Repeat(s.line, s.width()-filled))
}

// text wraps text to the width, and gives each line its style.
func (s Screen) text(text string, style func(string) string) []string {
	var lines []string
	for _, line := range s.wrap(text, s.width()) {
		if style != nil {
			line = style(line)
		}
		lines = append(lines, line)
	}
	return lines
}

// marked is text behind a mark, its further lines below the first.
func (s Screen) marked(mark, text string, style func(string) string) []string {
	lines := s.wrap(text, s.width()-2)
	for i, line := range lines {
		if style != nil {
			line = style(line)
		}
		if i > 0 {
			mark = " "
		}
		lines[i] = mark + " " + line
	}
	return lines
}

// table aligns names and values, each name behind the mark where there is one. A value stands below a name that is too
// long for its column.
func (s Screen) table(rows []Row, mark string) []string {
	before, names := 0, 0
	if mark != "" {
		before = 2
	}
	for _, row := range rows {
		if n := columnsOf(problem.OneLine(row.Name)); n <= s.width()/2-before {
			names = max(names, n)
		}
	}
	var lines []string
	for _, row := range rows {
		name, prefix := problem.OneLine(row.Name), ""
		if mark != "" {
			prefix = s.accent(mark) + " "
		}
		values := s.wrap(row.Value, s.width()-before-names-2)
		if columnsOf(name) > names {
			lines, values = append(lines, prefix+s.faint(cut(name, s.width()-before))), append([]string{""}, values...)
		}
		for i, value := range values {
			if i > 0 {
				prefix, name = strings.Repeat(" ", before), ""
			}
			if columnsOf(name) <= names {
				lines = append(lines, prefix+s.faint(pad(name, names))+"  "+value)
			}
		}
	}
	return lines
}

// keys joins what the keys do, each whole on its line.
func (s Screen) keys(does []string) []string {
	var lines []string
	line := ""
	for _, one := range does {
		switch joined := line + s.between + one; {
		case line == "":
			line = one
		case columnsOf(joined) <= s.width():
			line = joined
		default:
			lines, line = append(lines, s.faint(line)), one
		}
	}
	return append(lines, s.faint(line))
}

// indent puts the margin before lines, and joins them.
func indent(lines []string) string {
	var b strings.Builder
	for _, line := range lines {
		if line != "" {
			b.WriteString(margin + line)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func pad(text string, width int) string {
	return text + strings.Repeat(" ", max(0, width-columnsOf(text)))
}

// cut keeps as much of a text as fits.
func cut(text string, columns int) string {
	if columns <= 0 || columnsOf(text) <= columns {
		return text
	}
	width := 0
	for i, r := range text {
		if width += columnsOf(string(r)); width > columns {
			return text[:i]
		}
	}
	return text
}

// commandName begins the commands that texts name.
const commandName = "oneclick-agent"

// say prints text as it is read aloud: without a margin or marks.
func (s Screen) say(out io.Writer, text string) { fmt.Fprintln(out, spoken(text, s.Columns)) }

// narrowest is how wide a window has to be for words to be kept whole; below, the terminal breaks lines itself.
const narrowest = 16

// spoken wraps text that is printed and may be longer than the window.
func spoken(text string, columns int) string {
	if columns < narrowest {
		return problem.Printable(text)
	}
	return strings.Join(wrap(problem.Printable(text), columns, true), "\n")
}

func (s Screen) wrap(text string, width int) []string {
	return wrap(problem.Printable(text), width, s.Stays)
}

// wrap breaks text at its spaces. A command that fits a line stands whole on one, because it is copied; what does not
// fit, as in languages without spaces, is broken where the line ends, unless long lines are fine.
func wrap(text string, width int, long bool) []string {
	width = max(1, width)
	var lines []string
	for paragraph := range strings.SplitSeq(text, "\n") {
		if columnsOf(paragraph) <= width {
			lines = append(lines, paragraph)
			continue
		}
		lead := paragraph[:len(paragraph)-len(strings.TrimLeft(paragraph, " "))]
		if columnsOf(lead) > width/2 {
			lead = ""
		}
		line, empty := lead, true
		for _, word := range words(paragraph, width-len(lead), long) {
			switch joined := line + " " + word; {
			case empty:
				line, empty = line+word, false
			case columnsOf(joined) <= width && word != commandName: // one that does not fit begins a line at least
				line = joined
			default:
				lines, line = append(lines, line), lead+word
			}
			for !long && columnsOf(line) > width {
				head := cut(line, width)
				if head == "" || head == line {
					break
				}
				lines, line = append(lines, head), line[len(head):]
			}
		}
		lines = append(lines, line)
	}
	return lines
}

// words splits a line of text at its spaces, but keeps commands whole that fit.
func words(line string, width int, long bool) []string {
	var parts []string
	fields := strings.Fields(line)
	for i := 0; i < len(fields); {
		end := i + 1
		if fields[i] == commandName {
			for end < len(fields) && !strings.ContainsAny(fields[end-1][len(fields[end-1])-1:], ";,.)") {
				end++
			}
			if !long && columnsOf(strings.Join(fields[i:end], " ")) > width {
				end = i + 1
			}
		}
		parts = append(parts, strings.Join(fields[i:end], " "))
		i = end
	}
	return parts
}

// columnsOf is how many columns of a terminal a text takes.
func columnsOf(text string) int { return lipgloss.Width(text) }
