package terminal

import (
	"strings"

	uv "github.com/charmbracelet/ultraviolet"
	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/vt"
)

// Style is how a part of a line looks. Colour is one of the terminal's 16 by its number, -1 for its own.
type Style struct {
	Colour               int
	Bold, Faint, Reverse bool
}

// Run is text in one style, from a column on.
type Run struct {
	Column int
	Text   string
	Style  Style
}

// Screen is what a person sees: lines of runs. Spaces at the end of a line are none.
type Screen struct {
	Columns, Rows int
	Lines         [][]Run
}

// Draw is the screen at the end of what was written to a terminal.
func Draw(written string, columns, rows int) Screen {
	emulator := vt.NewEmulator(columns, rows)
	defer emulator.Close()
	go func() { // the answers to questions, for nobody
		var nobody [256]byte
		for {
			if _, err := emulator.Read(nobody[:]); err != nil {
				return
			}
		}
	}()
	emulator.WriteString(written)
	s := Screen{Columns: columns, Rows: rows}
	for y := range rows {
		s.Lines = append(s.Lines, line(emulator, y, columns))
	}
	return s
}

func line(emulator *vt.Emulator, y, columns int) (runs []Run) {
	for x := 0; x < columns; x++ {
		cell := emulator.CellAt(x, y)
		if cell == nil || cell.Width == 0 {
			continue
		}
		content, look := cell.Content, styleOf(cell.Style)
		if content == "" {
			content = " "
		}
		if content == " " && !look.Reverse {
			look = Style{Colour: -1} // an empty place looks the same in every colour
		}
		if n := len(runs); n > 0 && (runs[n-1].Style == look || content == " " && !look.Reverse && !runs[n-1].Style.Reverse) {
			runs[n-1].Text += content
			continue
		}
		runs = append(runs, Run{x, content, look})
	}
	for len(runs) > 0 && !runs[len(runs)-1].Style.Reverse {
		end := &runs[len(runs)-1]
		if end.Text = strings.TrimRight(end.Text, " "); end.Text != "" {
			break
		}
		runs = runs[:len(runs)-1]
	}
	return runs
}

func styleOf(s uv.Style) Style {
	look := Style{Colour: -1, Bold: s.Attrs&uv.AttrBold != 0, Faint: s.Attrs&uv.AttrFaint != 0, Reverse: s.Attrs&uv.AttrReverse != 0}
	switch c := s.Fg.(type) {
	case ansi.BasicColor:
		look.Colour = int(c)
	case ansi.IndexedColor:
		look.Colour = int(c)
	case nil:
	default:
		look.Colour = 255 // not one of the 16
	}
	return look
}

// Text is the screen without its looks.
func (s Screen) Text() string { return s.text(func(r Run) string { return r.Text }) }

// names are the colours of a terminal by number.
func names() []string {
	return []string{"black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"}
}

// Marked is the screen with its looks in words: ⟦bold cyan⟧text⟦⟧.
func (s Screen) Marked() string {
	return s.text(func(r Run) string {
		var words []string
		for _, word := range []struct {
			there bool
			name  string
		}{{r.Style.Bold, "bold"}, {r.Style.Faint, "faint"}, {r.Style.Reverse, "reverse"}} {
			if word.there {
				words = append(words, word.name)
			}
		}
		switch c := r.Style.Colour; {
		case c >= 16:
			words = append(words, "not one of the 16 colours")
		case c >= 8:
			words = append(words, "bright "+names()[c-8])
		case c >= 0:
			words = append(words, names()[c])
		}
		if len(words) == 0 {
			return r.Text
		}
		text := strings.TrimRight(r.Text, " ")
		if r.Style.Reverse {
			text = r.Text
		}
		return "⟦" + strings.Join(words, " ") + "⟧" + text + "⟦⟧" + r.Text[len(text):]
	})
}

func (s Screen) text(show func(Run) string) string {
	var lines []string
	for _, runs := range s.Lines {
		text := ""
		column := 0
		for _, run := range runs {
			text += strings.Repeat(" ", max(0, run.Column-column)) + show(run)
			column = run.Column + ansi.StringWidth(run.Text)
		}
		lines = append(lines, text)
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n") + "\n"
}
