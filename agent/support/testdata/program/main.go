// Command program is, by the name that it is run under, a step's command or the journalctl of a test's tree.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	if filepath.Base(os.Args[0]) == "journalctl" {
		journal()
		return
	}
	// What a careless program does: it prints what it was given.
	fmt.Println("token: t0ken-of-the-app-1234")
	fmt.Println("the password is", os.Getenv("PASSWORD"))
	fmt.Fprintln(os.Stderr, "connecting with", os.Getenv("PASSWORD"))
}

// journal prints the file of the unit backwards, as journalctl does with --reverse.
func journal() {
	unit := ""
	for _, argument := range os.Args[1:] {
		name, value, _ := strings.Cut(argument, "=")
		switch name {
		case "--unit":
			unit = value
		case "--no-pager", "--quiet", "--utc", "--output", "--reverse", "--since", "--lines":
		default:
			fmt.Fprintln(os.Stderr, "journalctl: unrecognized option", argument)
			os.Exit(1)
		}
	}
	text, err := os.ReadFile("/var/log/journal/" + unit)
	if err != nil {
		return
	}
	entries := strings.SplitAfter(string(text), "\n")
	slices.Reverse(entries)
	fmt.Print(strings.Join(entries, ""))
}
