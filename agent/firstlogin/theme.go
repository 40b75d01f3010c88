package firstlogin

import (
	"os"

	"charm.land/huh/v2"
	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/colorprofile"
)

// Theme is how things look on one terminal. Colour never is the only sign of anything.
type Theme struct {
	// Plain writes no escape sequences at all.
	Plain bool
	// Colour uses the terminal's own colours: one accent, and red for what failed.
	Colour bool
	// Light tells that the terminal said its background is light. One that says nothing is taken for dark.
	Light bool
	marks
}

// marks are the signs of a theme, each one column wide.
type marks struct {
	done, failed, skipped, waiting string
	pointer, bar, line, dot, mask  string
	up, down                       string
	between                        string // keys
	spinner                        []string
}

// NewTheme is the look for the terminal of this process.
func NewTheme(plain, colour bool) Theme {
	t := Theme{Plain: plain, Colour: colour && !plain && os.Getenv("NO_COLOR") == "" && os.Getenv("CLICOLOR") != "0"}
	// The console of a virtual machine has a font of 256 or 512 signs.
	if Unicode() && !plain && os.Getenv("TERM") != "linux" {
		t.marks = marks{
			done: "✓", failed: "✗", skipped: "–", waiting: "·", pointer: "❯", bar: "━", line: "─", dot: "·", mask: "•", up: "↑",
			down:    "↓",
			between: " · ",
			spinner: []string{"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"},
		}
		return t
	}
	t.marks = marks{
		done: "+", failed: "x", skipped: "-", waiting: ".", pointer: ">", bar: "=", line: "-", dot: "-", mask: "*", up: "Up",
		down: "Down", between: ", ",
		spinner: []string{"|", "/", "-", `\`},
	}
	return t
}

// The accent is one of the 16 colours that the person chose for their terminal: cyan stands out on nearly every dark
// background, blue on every light one.
const (
	accentOnDark  = "6"
	accentOnLight = "4"
	red           = "1"
)

func (t Theme) accentColour() string {
	if t.Light {
		return accentOnLight
	}
	return accentOnDark
}

// sgr writes text in a style, by the numbers of Select Graphic Rendition.
func (t Theme) sgr(style, text string) string {
	if t.Plain || text == "" || style == "" {
		return text
	}
	return "\x1b[" + style + "m" + text + "\x1b[0m"
}

func (t Theme) coloured(colour string) string {
	if !t.Colour {
		return ""
	}
	return "3" + colour
}

func (t Theme) bold(text string) string  { return t.sgr("1", text) }
func (t Theme) faint(text string) string { return t.sgr("2", text) }

// accent marks what a person should look at: the mark of the chosen one, what is done.
func (t Theme) accent(text string) string { return t.sgr(t.coloured(t.accentColour()), text) }

// title is the accent, and bold.
func (t Theme) title(text string) string {
	if !t.Colour {
		return t.bold(text)
	}
	return t.sgr("1;"+t.coloured(t.accentColour()), text)
}

// wrong marks what failed; the words say so too.
func (t Theme) wrong(text string) string { return t.sgr(t.coloured(red), text) }

// profile is what bubbletea may write; otherwise it would look the terminal up in terminfo's database.
func (t Theme) profile() colorprofile.Profile {
	if t.Colour {
		return colorprofile.ANSI
	}
	return colorprofile.ASCII
}

// fields are the styles of huh's fields. Making them takes longer than drawing the page.
func (t Theme) fields() *huh.Styles {
	styles, plain := huh.ThemeBase(!t.Light), lipgloss.NewStyle()
	accent := plain
	if t.Colour {
		accent = plain.Foreground(lipgloss.Color(t.accentColour()))
	}
	field := &styles.Focused
	field.Base, field.Title, field.Description = plain, plain, plain
	field.SelectSelector = accent.SetString(t.pointer + " ")
	field.SelectedOption, field.UnselectedOption = accent.Bold(true), plain
	field.TextInput.Prompt = accent
	styles.Blurred = styles.Focused
	return styles
}
