package main

import (
	"fmt"
	"html"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"oneclick-agent/packaging/terminal"
)

// The measures of a picture, in pixels. The width of a column is set for each piece of text, so that the columns stand
// below each other with any font.
const (
	size    = 14.0
	column  = 8.4
	row     = 20.0
	side    = 22.0
	bar     = 38.0 // with the window's title
	bottom  = 16.0
	ascent  = 14.5 // from the top of a row to the foot of its letters
	rounded = 10
)

// Colours of the terminal in the picture: its own two, and its 16.
const (
	paper = "#0f141b"
	frame = "#1b222c"
	edge  = "#2c3542"
	ink   = "#dbe2ea"
	soft  = "#8b97a6"
)

func palette(n int) string {
	return [...]string{
		"#1b222c", "#ff7b72", "#7ee08a", "#e3c66b", "#7aa2f7", "#d2a8ff", "#56d4dd", "#dbe2ea",
		"#5c6773", "#ffa198", "#a5f0ae", "#f2d98b", "#a5c4ff", "#e5cfff", "#8ee9f0", "#ffffff",
	}[min(max(n, 0), 15)]
}

// picture is one screen, as high as what stands on it.
func picture(title, alternative string, s terminal.Screen) string {
	last := 0
	for y, line := range s.Lines {
		if len(line) > 0 {
			last = y + 1
		}
	}
	var b strings.Builder
	begin(&b, title, alternative, s.Columns, last, "")
	for y, line := range s.Lines {
		b.WriteString(drawLine(line, side, bar+float64(y)*row))
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// begin writes the window that a screen stands in.
func begin(b *strings.Builder, title, alternative string, columns, rows int, more string) (width, height float64) {
	width, height = float64(columns)*column+2*side, bar+float64(rows)*row+bottom
	fmt.Fprintf(
		b,
		`<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="%.0f" height="%.0f"
 viewBox="0 0 %.0f %.0f" role="img" aria-label="%s">
<title>%s</title>
<style>text{font:%.0fpx ui-monospace,monospace;fill:%s;white-space:pre}.b{font-weight:700}.f{opacity:.62}%s</style>
<rect x=".5" y=".5" width="%.0f" height="%.0f" rx="%d" fill="%s" stroke="%s"/>
<path d="M.5 %.1fh%.0f" stroke="%s"/>
`,
		width,
		height,
		width,
		height,
		html.EscapeString(alternative),
		html.EscapeString(alternative),
		size,
		ink,
		more,
		width-1,
		height-1,
		rounded,
		paper,
		edge,
		bar-10,
		width-1,
		edge,
	)
	for i, colour := range []string{"#ff5f57", "#febc2e", "#28c840"} {
		fmt.Fprintf(b, `<circle cx="%d" cy="14.5" r="5" fill="%s"/>`, 20+i*18, colour)
	}
	fmt.Fprintf(
		b,
		"\n<text x=\"%.0f\" y=\"19\" text-anchor=\"middle\" style=\"font-size:12px;fill:%s\">%s</text>\n",
		width/2,
		soft,
		html.EscapeString(title),
	)
	return width, height
}

// drawLine draws the runs of a line whose top left corner is at x and y.
func drawLine(line []terminal.Run, x, y float64) string {
	var b strings.Builder
	for _, run := range line {
		left := x + float64(run.Column)*column
		colour := ink
		if run.Style.Colour >= 0 {
			colour = palette(run.Style.Colour)
		}
		text := strings.TrimRight(run.Text, " ")
		cells := float64(ansi.StringWidth(run.Text))
		if run.Style.Reverse {
			fmt.Fprintf(&b, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.0f" fill="%s"/>`, left, y, cells*column, row-1, colour)
			colour = paper
		}
		class := ""
		switch {
		case run.Style.Bold:
			class = ` class="b"`
		case run.Style.Faint:
			class = ` class="f"`
		}
		for _, piece := range pieces(text) {
			at, wide := left+float64(piece.column)*column, float64(ansi.StringWidth(piece.text))*column
			switch kind(piece.text) {
			case "━":
				fmt.Fprintf(&b, `<rect%s x="%.1f" y="%.1f" width="%.1f" height="3" rx="1.5" fill="%s"/>`, class, at, y+row/2-1.5, wide, colour)
				continue
			case "─":
				fmt.Fprintf(&b, `<rect%s x="%.1f" y="%.1f" width="%.1f" height="1" fill="%s"/>`, class, at, y+row/2-.5, wide, colour)
				continue
			}
			fill := ""
			if colour != ink {
				fill = fmt.Sprintf(` fill="%s" style="fill:%s"`, colour, colour)
			}
			fmt.Fprintf(&b, `<text%s%s x="%.1f" y="%.1f" textLength="%.1f" lengthAdjust="spacingAndGlyphs" xml:space="preserve">%s</text>`,
				class, fill, at, y+ascent, wide, html.EscapeString(piece.text))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// piece is a part of a run that is drawn in one way.
type piece struct {
	column int
	text   string
}

// pieces parts lines from letters, and letters where there is room between them: each part begins at its own column.
func pieces(text string) (parts []piece) {
	const gap = "  "
	column := 0
	for text != "" {
		n := len(text)
		for i := range text {
			if i > 0 && kind(text[i:]) != kind(text) || strings.HasPrefix(text[i:], gap) {
				n = i
				break
			}
		}
		if n == 0 {
			n = len(text) - len(strings.TrimLeft(text, " "))
			column, text = column+n, text[n:]
			continue
		}
		parts = append(parts, piece{column, text[:n]})
		column += ansi.StringWidth(text[:n])
		text = text[n:]
	}
	return parts
}

// kind tells the two lines from everything else.
func kind(text string) string {
	for _, line := range []string{"━", "─"} {
		if strings.HasPrefix(text, line) {
			return line
		}
	}
	return ""
}
