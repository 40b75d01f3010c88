package main

import (
	"fmt"
	"os"
	"testing"

	"oneclick-agent/packaging/terminal"
)

func TestPeek(t *testing.T) {
	program := buildProgram(t)
	for _, size := range [][2]int{{80, 24}, {40, 12}} {
		root := finishedDroplet(t, program, wordpress)
		os.MkdirAll(root+"/proc", 0o755)
		s := onTerminal(t, program, root, terminal.Options{Environment: []string{"PATH=/usr/bin:/bin", "LANG=C.UTF-8", "TERM=xterm-256color"}, Columns: size[0], Rows: size[1], Answers: true}, "first-login", "--from-bashrc")
		_ = s
		s = onTerminal(t, program, root, terminal.Options{Environment: []string{"PATH=/usr/bin:/bin", "LANG=C.UTF-8", "TERM=xterm-256color"}, Columns: size[0], Rows: size[1], Answers: true}, "first-login")
		show := func(what string) {
			s.Shows(what)
			fmt.Printf("---- %dx%d %s\n%s", size[0], size[1], what, s.Screen().Marked())
		}
		show("(1 of 4)")
		s.Press("garden.example.org\r")
		show("(2 of 4)")
		s.Press("rose\r")
		show("That is not")
		s.Press("\x15rose@example.org\r")
		show("(3 of 4)")
		s.Press("secret-canary-1")
		show("15 characters")
		s.Press("\r")
		show("(4 of 4)")
		s.Press("\r")
		show("These are")
		s.Press("\x1b[B\r")
		show("Which answer")
		s.Press("\x1b[B\x1b[B\r")
		show("Keep the one")
		s.Press("\x1b")
		show("These are")
		s.Press("\r")
		s.Code()
		show("done")
	}
}
