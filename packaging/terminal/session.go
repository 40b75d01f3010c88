// Package terminal runs the real program on a real terminal, and shows what a person sees there: for tests and pictures.
package terminal

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

const (
	patience = 60 * time.Second // for what has to appear
	look     = 2 * time.Millisecond
	poll     = 20 * time.Millisecond
)

// Failer ends a test, or a program that draws pictures.
type Failer interface {
	Helper()
	Fatalf(format string, arguments ...any)
	Cleanup(func())
}

// Options are what kind of terminal it is.
type Options struct {
	Environment   []string
	Columns, Rows int
	// Answers tells whether the terminal answers what programs ask of it, and Light that its background is white.
	Answers, Light bool
}

// Session is a program on a terminal.
type Session struct {
	// Process is the program, Terminal our end of the terminal.
	Process  *exec.Cmd
	Terminal *os.File
	// Ended is closed once the program has ended. Before are the terminal's settings before the program had it.
	Ended  chan struct{}
	Before unix.Termios

	t       Failer
	options Options
	other   *os.File // the program's end, for the settings
	once    sync.Once
	mu      sync.Mutex
	seen    bytes.Buffer
	frames  []Frame
	began   time.Time
	hangUp  chan struct{} // closed to end the reading
	blind   chan struct{} // closed once nothing is read any more
}

// Frame is what the program had written by a moment.
type Frame struct {
	After  time.Duration
	Length int
}

// Start starts a program on a terminal.
func Start(t Failer, o Options, argv ...string) *Session {
	t.Helper()
	ours, theirs, err := pty.Open()
	if err != nil {
		t.Fatalf("no terminal: %v", err)
	}
	s := &Session{
		t:        t,
		options:  o,
		Terminal: ours,
		other:    theirs,
		Ended:    make(chan struct{}),
		hangUp:   make(chan struct{}),
		blind:    make(chan struct{}),
		began:    time.Now(),
	}
	s.Resize(o.Columns, o.Rows)
	s.Before = s.Settings()
	s.Process = exec.Command(argv[0], argv[1:]...)
	s.Process.Stdin, s.Process.Stdout, s.Process.Stderr = theirs, theirs, theirs
	s.Process.Env = o.Environment
	s.Process.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := s.Process.Start(); err != nil {
		t.Fatalf("cannot start %s: %v", argv[0], err)
	}
	go s.read()
	go func() { s.Process.Wait(); close(s.Ended) }()
	t.Cleanup(func() {
		s.Process.Process.Kill()
		<-s.Ended
		s.Close()
	})
	return s
}

// read keeps what the program writes, and answers for a terminal that does: its colours, its cursor, what it is.
func (s *Session) read() {
	buffer := make([]byte, 4096)
	fd := int(s.Terminal.Fd())
	defer close(s.blind)
	background := "0000/0000/0000"
	if s.options.Light {
		background = "ffff/ffff/ffff"
	}
	for {
		// Polled, so that nobody is in the middle of a read when the terminal is to be closed.
		if n, _ := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(poll.Milliseconds())); n <= 0 {
			select {
			case <-s.hangUp:
				return
			default:
				continue
			}
		}
		n, err := unix.Read(fd, buffer)
		if err != nil || n <= 0 {
			return
		}
		s.mu.Lock()
		s.seen.Write(buffer[:n])
		s.frames = append(s.frames, Frame{time.Since(s.began), s.seen.Len()})
		s.mu.Unlock()
		if !s.options.Answers {
			continue
		}
		for question, answer := range map[string]string{
			"\x1b]11;?": "\x1b]11;rgb:" + background + "\x1b\\", "\x1b[6n": "\x1b[1;1R", "\x1b[c": "\x1b[?62;c",
			"\x1b[?2026$p": "\x1b[?2026;2$y", "\x1b[?u": "\x1b[?0u",
		} {
			if bytes.Contains(buffer[:n], []byte(question)) {
				s.Terminal.Write([]byte(answer))
			}
		}
	}
}

// Close ends the connection, as a lost network does.
func (s *Session) Close() {
	s.once.Do(func() {
		close(s.hangUp)
		<-s.blind
		s.other.Close()
		s.Terminal.Close()
	})
}

// Text is all that the program has written.
func (s *Session) Text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen.String()
}

// Frames are the moments at which it was written.
func (s *Session) Frames() []Frame {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Frame{}, s.frames...)
}

// See waits until the program has written something.
func (s *Session) See(what string) {
	s.t.Helper()
	s.until(what, func() bool { return strings.Contains(s.Text(), what) })
}

// Shows waits until something stands on the screen.
func (s *Session) Shows(what string) {
	s.t.Helper()
	s.until(what, func() bool { return strings.Contains(s.Screen().Text(), what) })
}

func (s *Session) until(what string, there func() bool) {
	s.t.Helper()
	deadline := time.Now().Add(patience)
	for !there() {
		select {
		case <-s.Ended:
			s.settle()
			if !there() {
				s.t.Fatalf("the program ended before it wrote %q:\n%q", what, last(s.Text()))
			}
		case <-time.After(look):
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("%q does not come:\n%s\n%q", what, s.Screen().Text(), last(s.Text()))
		}
	}
}

// settle waits until nothing came for longer than a poll takes.
func (s *Session) settle() {
	for before := -1; before != len(s.Text()); time.Sleep(3 * poll) {
		before = len(s.Text())
	}
}

// last is the end of a text, for a message.
func last(text string) string { return text[max(0, len(text)-2000):] }

// Press types keys.
func (s *Session) Press(keys string) { s.Terminal.Write([]byte(keys)) }

// Resize changes the window.
func (s *Session) Resize(columns, rows int) {
	pty.Setsize(s.Terminal, &pty.Winsize{Cols: uint16(columns), Rows: uint16(rows)})
	s.options.Columns, s.options.Rows = columns, rows
}

// Code waits for the end, and for what was written last to be read.
func (s *Session) Code() int {
	s.t.Helper()
	select {
	case <-s.Ended:
	case <-time.After(patience):
		s.t.Fatalf("the program does not end:\n%q", s.Text())
	}
	s.settle()
	return s.Process.ProcessState.ExitCode()
}

// Settings are the terminal's settings.
func (s *Session) Settings() unix.Termios {
	settings, err := unix.IoctlGetTermios(int(s.other.Fd()), unix.TCGETS)
	if err != nil {
		s.t.Fatalf("no settings of the terminal: %v", err)
	}
	return *settings
}

// Screen is what a person sees now.
func (s *Session) Screen() Screen { return Draw(s.Text(), s.options.Columns, s.options.Rows) }
