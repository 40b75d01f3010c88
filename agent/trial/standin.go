package trial

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"oneclick-agent/agent/host"
	"oneclick-agent/agent/problem"
)

// rule says what a call of a command does. The first one whose command the call begins with counts; without one, a call
// succeeds and prints nothing.
type rule struct {
	Command string            `yaml:"command"`
	Prints  string            `yaml:"prints"`
	Makes   map[string]string `yaml:"makes"`
	// Until is the call that has to come first: without it this one fails, as an "is it there yet" does.
	Until string `yaml:"until"`
	// Once says that a second call fails, as that of a program that has made what cannot be made twice.
	Once bool `yaml:"once"`
	// Fails says that the call prints what it prints, and fails.
	Fails bool `yaml:"fails"`
}

// ruleKeys are the keys of a rule.
var ruleKeys = []string{"command", "prints", "makes", "until", "once", "fails"}

// parseRules reads what the vendor says of the commands in a file; there may be nothing to say.
func parseRules(data []byte, file string) (rules []rule, err error) {
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, nil
	}
	var written []map[string]yaml.Node
	if err := yaml.Load(data, &written); err != nil {
		return nil, problem.List{
			{Position: problem.Position{File: file}, Message: "cannot read this as a list of rules: " + problem.OneLine(err.Error()),
				Hint: "write each as {command: WORDS, prints: TEXT}"},
		}
	}
	var problems problem.List
	for _, rule := range written {
		for key, value := range rule {
			if !slices.Contains(ruleKeys, key) {
				problems = append(problems, problem.Problem{Position: problem.Position{File: file, Line: value.Line, Column: value.Column},
					Message: fmt.Sprintf("unknown key %q", key), Hint: problem.DidYouMean(key, ruleKeys)})
			}
		}
	}
	if problems.Sort(); len(problems) > 0 {
		return nil, problems
	}
	if err := yaml.Load(data, &rules); err != nil {
		return nil, problem.List{{Position: problem.Position{File: file}, Message: "cannot read a rule: " + problem.OneLine(err.Error())}}
	}
	return rules, nil
}

// standIn takes the place of every command on a tree: it records how it was called, and does what the rules say of that call.
type standIn struct {
	files *host.Root
	rules []rule
}

// Run is host.Host's.
func (s *standIn) Run(_ context.Context, command host.Command) ([]byte, error) {
	call := slices.Clone(command.Argv)
	call[0] = path.Base(call[0])
	before, err := os.ReadFile(s.place("/" + callsFile))
	if err != nil {
		return nil, err
	}
	if err := record(s.files, describe(call, command)); err != nil {
		return nil, err
	}
	if err := s.makeAccount(call); err != nil {
		return nil, err
	}
	rule := s.find(strings.Join(call, " "))
	called := func(name string) bool { return strings.Contains(string(before), ": "+name) }
	if rule.Until != "" && !called(rule.Until) || rule.Once && called(rule.Command) {
		return nil, &host.CommandError{Name: command.Argv[0], Status: 1, Reason: "exited with status 1"}
	}
	for _, file := range slices.Sorted(maps.Keys(rule.Makes)) {
		if err := s.make(file, rule.Makes[file], command.As); err != nil {
			return nil, err
		}
	}
	printed := []byte(rule.Prints)
	if command.Into != nil {
		_, err = command.Into.Write(printed)
	}
	if rule.Fails {
		return printed, &host.CommandError{Name: command.Argv[0], Status: 1, Reason: "exited with status 1", Printed: printed}
	}
	return printed, err
}

func (s *standIn) find(call string) rule {
	for _, rule := range s.rules {
		if strings.HasPrefix(call, rule.Command) {
			return rule
		}
	}
	return rule{}
}

// place is where a path of the tree is on this machine. What is above the tree cannot be named.
func (s *standIn) place(name string) string {
	return filepath.Join(s.files.Dir(), path.Join("/", name))
}

// make makes a file that a command would make, as whoever runs it, and the directories that it is in.
func (s *standIn) make(file, content string, as *host.Account) error {
	var made []string
	for name := s.place(file); name != s.files.Dir(); name = filepath.Dir(name) {
		if _, err := os.Lstat(name); errors.Is(err, fs.ErrNotExist) {
			made = append(made, name)
		}
	}
	if err := write(s.place(file), []byte(content), 0o644); err != nil || as == nil || os.Geteuid() != 0 {
		return err
	}
	for _, name := range made {
		if err := os.Chown(name, as.UID, as.GID); err != nil {
			return err
		}
	}
	return nil
}

// describe tells of a call who made it, its arguments, its own variables and what it reads.
func describe(call []string, command host.Command) string {
	user := "root"
	if command.As != nil {
		user = command.As.Name
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%s: %s\n", user, shown(call))
	for _, name := range slices.Sorted(maps.Keys(command.Env)) {
		fmt.Fprintf(&text, "    with %s=%s\n", name, command.Env[name])
	}
	for line := range strings.Lines(string(command.Stdin)) {
		fmt.Fprintf(&text, "    reads %s\n", strings.TrimSuffix(line, "\n"))
	}
	return text.String()
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

// record adds to the log of all calls.
func record(files *host.Root, text string) error {
	log, err := os.OpenFile(filepath.Join(files.Dir(), callsFile), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer log.Close()
	_, err = log.WriteString(text)
	return err
}

// makeAccount is what useradd would do to the account files.
func (s *standIn) makeAccount(call []string) error {
	if call[0] != "useradd" {
		return nil
	}
	name := call[len(call)-1]
	users, err := os.ReadFile(s.place("/etc/passwd"))
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
	if err := os.MkdirAll(s.place(home), 0o755); err != nil {
		return err
	}
	for file, line := range map[string]string{
		"/etc/group":  fmt.Sprintf("%s:x:%d:\n", name, id),
		"/etc/passwd": fmt.Sprintf("%s:x:%d:%d::%s:%s\n", name, id, id, home, shell),
	} {
		old, err := os.ReadFile(s.place(file))
		if err != nil {
			return err
		}
		if err := os.WriteFile(s.place(file), append(old, line...), 0o644); err != nil {
			return err
		}
	}
	if os.Geteuid() != 0 {
		return nil
	}
	return os.Chown(s.place(home), id, id)
}
