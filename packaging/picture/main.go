// Command picture draws what a customer and a vendor see, from real runs on a real terminal:
// go run ./packaging/picture build/oneclick-agent docs
//
// The sample image has steps that take a while. The programs that they run are this program itself, under other names.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"oneclick-agent/packaging/terminal"
)

const (
	columns = 80
	rows    = 24
)

func main() {
	if filepath.Base(os.Args[0]) == "wp" {
		time.Sleep(takes[strings.Join(os.Args[1:], " ")])
		return
	}
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "picture: name the program, and the folder to draw in")
		os.Exit(2)
	}
	program, err := filepath.Abs(os.Args[1])
	check(err)
	d := &drawing{program: program, folder: os.Args[2]}
	defer d.clean()
	d.customer()
	d.vendor()
}

// drawing is one run of this program.
type drawing struct {
	program, folder string
	ends            []func()
}

// Helper, Fatalf and Cleanup make it one that a terminal's session may end.
func (d *drawing) Helper() {}

// Fatalf ends the run.
func (d *drawing) Fatalf(format string, arguments ...any) {
	d.clean()
	fmt.Fprintf(os.Stderr, "picture: "+format+"\n", arguments...)
	os.Exit(1)
}

// Cleanup is done at the end.
func (d *drawing) Cleanup(do func()) { d.ends = append(d.ends, do) }

func (d *drawing) clean() {
	for _, do := range slices.Backward(d.ends) {
		do()
	}
	d.ends = nil
}

// shell is a shell on a terminal, whose oneclick-agent works on a tree.
func (d *drawing) shell(root, host string) *terminal.Session {
	commands := filepath.Join(root, "commands")
	check(os.MkdirAll(commands, 0o755))
	script := fmt.Sprintf("#!/bin/sh\nexec %q \"$@\" --root %q\n", d.program, root)
	check(os.WriteFile(filepath.Join(commands, "oneclick-agent"), []byte(script), 0o755))
	s := terminal.Start(d, terminal.Options{
		Environment: []string{
			"PATH=" + commands + ":/usr/bin:/bin",
			"LANG=C.UTF-8",
			"TERM=xterm-256color",
			"PS1=root@" + host + ":~# ",
			"HOME=/root",
			"HISTFILE=",
		},
		Columns: columns, Rows: rows, Answers: true,
	}, "bash", "--norc", "--noprofile", "-i")
	s.Shows("root@" + host)
	return s
}

// keyEvery is how fast somebody types.
const keyEvery = 55 * time.Millisecond

// types presses the keys of a text one by one.
func types(s *terminal.Session, text string) {
	for _, key := range text {
		s.Press(string(key))
		time.Sleep(keyEvery)
	}
}

// reads waits as long as somebody reads.
func reads(d time.Duration) { time.Sleep(d) }

// draw writes the screen as a picture.
func (d *drawing) draw(name, title, alternative string, s terminal.Screen) {
	d.write(name, picture(title, alternative, s))
}

func (d *drawing) write(name, svg string) {
	check(os.WriteFile(filepath.Join(d.folder, name+".svg"), []byte(svg), 0o644))
}

// customer draws a first login: while first boot is at work, the questions, the summary, the end; and the film of it all.
func (d *drawing) customer() {
	root := plant(customerTree)
	d.Cleanup(func() { os.RemoveAll(root) })
	copyProgram(filepath.Join(root, "usr/local/bin/wp"))
	const host, address = "garden", "root@garden: ~"
	boot := d.background(d.program, "first-boot", "--root", root)
	s := d.shell(root, host)
	started := len(s.Text())
	types(s, "oneclick-agent first-login\r")
	s.Shows("Install WordPress")
	reads(1500 * time.Millisecond)
	d.draw("progress", address, "The setup at work: the steps that are done, the one that runs, for how long, and how far all is", s.Screen())
	s.Shows("Domain name (1 of 5)")
	<-boot
	reads(900 * time.Millisecond)
	types(s, "garden.example.org\r")
	s.Shows("Admin email (2 of 5)")
	types(s, "rose@example\r")
	s.Shows("That is not an email address")
	reads(900 * time.Millisecond)
	types(s, ".org\r")
	s.Shows("Admin password (3 of 5)")
	reads(500 * time.Millisecond)
	types(s, "nine tulips by the gate")
	s.Shows("23 characters")
	reads(600 * time.Millisecond)
	d.draw("wizard", address, "The wizard: the answers so far, and a question for a password that is judged strong", lastPage(s.Screen()))
	s.Press("\r")
	s.Shows("Edition (4 of 5)")
	reads(700 * time.Millisecond)
	s.Press("\x1b[B")
	reads(500 * time.Millisecond)
	s.Press("\r")
	s.Shows("Send usage statistics? (5 of 5)")
	reads(900 * time.Millisecond)
	s.Press("n")
	s.Shows("These are your answers.")
	reads(1800 * time.Millisecond)
	d.draw(
		"summary",
		address,
		"The summary: all answers, with the choice to set it up, to change something, or to leave it for later",
		lastPage(s.Screen()),
	)
	s.Press("\r")
	s.Shows("is done.")
	s.Shows("root@" + host + ":~#")
	reads(300 * time.Millisecond)
	d.draw("end", address, "The end: the address to open, where the password is, and the next command", s.Screen())
	d.write("first-login", film(address, "A first login, from the progress of first boot to the finished site", s, started))
	s.Press("clear; oneclick-agent motd\r")
	s.Shows("WordPress 6.9  -")
	reads(300 * time.Millisecond)
	d.draw("motd", address, "The message of the day", s.Screen())
}

// lastPage is a screen from the last head on.
func lastPage(s terminal.Screen) terminal.Screen {
	for y, line := range slices.Backward(s.Lines) {
		if slices.ContainsFunc(line, func(r terminal.Run) bool { return r.Style.Bold && strings.HasPrefix(r.Text, "WordPress") }) {
			s.Lines = s.Lines[y:]
			break
		}
	}
	return s
}

// vendor draws the report on an image that is not fit for a snapshot yet.
func (d *drawing) vendor() {
	root := plant(vendorTree)
	d.Cleanup(func() { os.RemoveAll(root) })
	s := d.shell(root, "build")
	s.Resize(116, 40)
	reads(200 * time.Millisecond)
	s.Press("clear\r")
	reads(200 * time.Millisecond)
	types(s, "oneclick-agent pre-snapshot --check\r")
	s.Shows("would say")
	reads(500 * time.Millisecond)
	d.draw("report", "root@build: ~", "The report of pre-snapshot: what would fail the image, and what mends each", s.Screen())
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "picture:", err)
		os.Exit(1)
	}
}
