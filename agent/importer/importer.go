// Package importer reads the directory of an image of today, whose first boot and first login are shell, and says what that shell
// does as a manifest. It runs nothing: it reads the scripts with a parser of the shell, follows what their variables stand
// for, and tells what it understood, what it left as shell, what it took out, and which mistakes it saw.
package importer

import (
	"cmp"
	"fmt"
	"slices"

	"oneclick-agent/agent/problem"
)

// Result is what became of an image.
type Result struct {
	// Files are app.yaml and the templates that it names, by their path beside it.
	Files map[string][]byte
	// Findings are the mistakes that the shell has. The hint says what the agent does instead.
	Findings problem.List
	// Dropped are parts that the manifest does not say, each with the reason.
	Dropped problem.List
	Lines   Lines
}

// Lines are how many lines of shell there are that run on a Droplet, without white space and comments, and what became of them.
type Lines struct {
	// Typed are said by steps, secrets and the message of the day; Commands are commands with their arguments, which need no shell.
	Typed    int `json:"typed"`
	Commands int `json:"commands"`
	// Left are still shell. Dropped are those of Result.Dropped, which the agent or the build does, or nobody needs.
	Left    int `json:"left"`
	Dropped int `json:"dropped"`
}

// All is their sum.
func (l Lines) All() int { return l.Typed + l.Commands + l.Left + l.Dropped }

// Read reads an image's directory: files, as they are copied to /, scripts, which run when it is built, and template.json. What is
// only hard to read becomes a part of the result; an error tells that there is nothing to read.
func Read(directory string) (*Result, error) {
	source, err := open(directory)
	if err != nil {
		return nil, err
	}
	t := newTranslator(source)
	for _, script := range source.boot {
		t.run(script)
	}
	t.flush()
	t.login()
	for _, script := range source.messages {
		t.message(script)
	}
	for _, script := range source.all() {
		t.findMistakes(script)
	}
	result, err := t.result()
	if err != nil {
		return nil, fmt.Errorf("cannot import %s: what it says cannot be a manifest: %w", directory, err)
	}
	return result, nil
}

func (t *translator) result() (*Result, error) {
	r := &Result{Lines: t.lines, Findings: t.findings, Dropped: t.dropped}
	var err error
	if r.Files, err = t.write(&r.Lines); err != nil {
		return nil, err
	}
	byPlace := func(a, b problem.Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	}
	slices.SortStableFunc(r.Findings, byPlace)
	slices.SortStableFunc(r.Dropped, byPlace)
	return r, nil
}
