package firstlogin

import (
	"cmp"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// The smallest window that a form is readable in.
const (
	leastColumns = 40
	leastRows    = 12
)

// Terminal is the terminal that the wizard talks on, and how it was before.
type Terminal struct {
	file   *os.File
	before unix.Termios
}

// OpenTerminal takes the terminal of this process. Restore puts it back.
func OpenTerminal(file *os.File) (*Terminal, error) {
	before, err := unix.IoctlGetTermios(int(file.Fd()), unix.TCGETS)
	if err != nil {
		return nil, err
	}
	return &Terminal{file, *before}, nil
}

// Restore puts the terminal back as it was found. It may be called at any time, and on a terminal that is gone.
func (t *Terminal) Restore() { unix.IoctlSetTermios(int(t.file.Fd()), unix.TCSETS, &t.before) }

// hide turns the echo off until the returned function is called.
func (t *Terminal) hide() (show func()) {
	quiet := t.before
	quiet.Lflag &^= unix.ECHO
	unix.IoctlSetTermios(int(t.file.Fd()), unix.TCSETS, &quiet)
	return t.Restore
}

// keys passes every key on at once, unseen and as it is, until the returned function is called; Ctrl-C still interrupts.
// Enter stays a carriage return: who types before a form is there has pressed Enter all the same.
func (t *Terminal) keys() (restore func()) {
	single := t.before
	single.Lflag &^= unix.ECHO | unix.ICANON
	single.Iflag &^= unix.ICRNL
	single.Cc[unix.VMIN], single.Cc[unix.VTIME] = 1, 0
	unix.IoctlSetTermios(int(t.file.Fd()), unix.TCSETS, &single)
	return t.Restore
}

// fits reports whether the window is large enough for a form. Serial consoles have none, 0x0.
func (t *Terminal) fits() bool {
	size, err := unix.IoctlGetWinsize(int(t.file.Fd()), unix.TIOCGWINSZ)
	return err == nil && fits(int(size.Col), int(size.Row))
}

func fits(columns, rows int) bool { return columns >= leastColumns && rows >= leastRows }

// PlainTerminal reports whether a form is out of place: for a screen reader, or on a terminal that cannot move its
// cursor as forms need it.
func PlainTerminal() bool {
	term := os.Getenv("TERM")
	plain := []string{"", "dumb", "unknown", "vt52", "vt100", "vt102", "vt220"}
	return os.Getenv("ACCESSIBLE") != "" || slices.Contains(plain, term)
}

// Unicode reports whether the locale's characters are UTF-8.
func Unicode() bool {
	locale := strings.ToUpper(cmp.Or(os.Getenv("LC_ALL"), os.Getenv("LC_CTYPE"), os.Getenv("LANG")))
	return strings.Contains(locale, "UTF-8") || strings.Contains(locale, "UTF8")
}

// ready waits until there is something to read, for d at most.
func (t *Terminal) ready(d time.Duration) bool {
	poll := []unix.PollFd{{Fd: int32(t.file.Fd()), Events: unix.POLLIN}}
	n, err := unix.Poll(poll, int(d.Milliseconds()))
	return err == nil && n > 0 && poll[0].Revents&unix.POLLIN != 0
}

// size is how many columns and rows the window has; 80x24 where it does not say.
func (t *Terminal) size() (columns, rows int) {
	size, err := unix.IoctlGetWinsize(int(t.file.Fd()), unix.TIOCGWINSZ)
	if err != nil || size.Col == 0 || size.Row == 0 {
		return 80, 24
	}
	return int(size.Col), int(size.Row)
}

func (t *Terminal) columns() int {
	columns, _ := t.size()
	return columns
}
