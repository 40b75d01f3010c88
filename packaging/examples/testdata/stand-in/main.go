// Command stand-in takes the place of every command that the example images run. It records how it was called, and
// does what /stand-ins.json says of that call.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	logPath   = "/stand-in.log"
	rulesPath = "/stand-ins.json"
)

// rule says what a call does. The first one whose command the call begins with counts.
type rule struct {
	Command string            `json:"command"`
	Prints  string            `json:"prints"`
	Makes   map[string]string `json:"makes"`
	// Until is the call that has to come first: without it this one fails, as an "is it there yet" does.
	Until string `json:"until"`
	// Once says that a second call fails, as that of a program that has made what cannot be made twice.
	Once bool `json:"once"`
}

// ordinary are variables that every command gets.
var ordinary = []string{"PATH", "HOME", "USER", "LOGNAME", "LANG", "DEBIAN_FRONTEND", "TERM"}

func main() {
	call := append([]string{filepath.Base(os.Args[0])}, os.Args[1:]...)
	before, _ := os.ReadFile(logPath)
	if err := record(call); err != nil {
		fail(err)
	}
	if err := makeAccount(call); err != nil {
		fail(err)
	}
	rule, err := find(strings.Join(call, " "))
	if err != nil {
		fail(err)
	}
	called := func(command string) bool { return strings.Contains(string(before), ": "+command) }
	if rule.Until != "" && !called(rule.Until) || rule.Once && called(rule.Command) {
		os.Exit(1)
	}
	for file, content := range rule.Makes {
		err := os.MkdirAll(filepath.Dir(file), 0o755)
		if err == nil {
			err = os.WriteFile(file, []byte(content), 0o644)
		}
		if err != nil {
			fail(err)
		}
	}
	fmt.Print(rule.Prints)
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "stand-in:", err)
	os.Exit(99)
}

func find(call string) (rule, error) {
	data, err := os.ReadFile(rulesPath)
	if err != nil {
		return rule{}, err
	}
	var rules []rule
	if err := json.Unmarshal(data, &rules); err != nil {
		return rule{}, err
	}
	for _, r := range rules {
		if strings.HasPrefix(call, r.Command) {
			return r, nil
		}
	}
	return rule{}, nil
}

// record adds the call to the log: who made it, its arguments, its own variables and what it reads.
func record(call []string) error {
	var text strings.Builder
	fmt.Fprintf(&text, "%s: %s\n", os.Getenv("USER"), shown(call))
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); !slices.Contains(ordinary, name) {
			fmt.Fprintf(&text, "    with %s\n", variable)
		}
	}
	if info, err := os.Stdin.Stat(); err == nil && info.Mode()&os.ModeCharDevice == 0 {
		input, err := io.ReadAll(os.Stdin)
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(input)) {
			fmt.Fprintf(&text, "    reads %s\n", strings.TrimSuffix(line, "\n"))
		}
	}
	log, err := os.OpenFile(logPath, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer log.Close()
	_, err = log.WriteString(text.String())
	return err
}

func shown(call []string) string {
	words := slices.Clone(call)
	for i, word := range words {
		if word == "" || strings.ContainsAny(word, " \n\"") {
			words[i] = fmt.Sprintf("%q", word)
		}
	}
	return strings.Join(words, " ")
}

// makeAccount is what useradd would do to the account files.
func makeAccount(call []string) error {
	if call[0] != "useradd" {
		return nil
	}
	name := call[len(call)-1]
	users, err := os.ReadFile("/etc/passwd")
	if err != nil {
		return err
	}
	id := 1000 + strings.Count(string(users), "\n")
	home, shell := "/home/"+name, "/bin/sh"
	for i, word := range call[:len(call)-1] {
		switch word {
		case "--home-dir":
			home = call[i+1]
		case "--shell":
			shell = call[i+1]
		}
	}
	if err := os.MkdirAll(home, 0o755); err != nil {
		return err
	}
	for file, line := range map[string]string{
		"/etc/group":  fmt.Sprintf("%s:x:%d:\n", name, id),
		"/etc/passwd": fmt.Sprintf("%s:x:%d:%d::%s:%s\n", name, id, id, home, shell),
	} {
		old, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if err := os.WriteFile(file, append(old, line...), 0o644); err != nil {
			return err
		}
	}
	return os.Chown(home, id, id)
}
