// Package lint reads a manifest and everything that it names, and finds all that is wrong with them at once.
package lint

import (
	"errors"
	"fmt"
	"io/fs"
	"path"

	"oneclick-agent/agent/facts"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/manifest"
	"oneclick-agent/agent/motd"
	"oneclick-agent/agent/plan"
	"oneclick-agent/agent/problem"
	"oneclick-agent/agent/snapshot"
	"oneclick-agent/agent/step"
)

// Parse reads the bytes of a manifest with every kind of step.
func Parse(data []byte, file string) (*manifest.Manifest, problem.List) {
	m, problems := manifest.Parse(data, file, step.Kinds())
	if len(problems) > 0 {
		return m, problems
	}
	longest := 0
	for _, text := range m.Messages() {
		longest = max(longest, len(motd.Lines(text)))
	}
	if longest > motd.MaxText {
		problems = append(problems, problem.Problem{
			Position: m.Position("motd"), Path: "motd", Hint: "say the rest in a file, and name that",
			Message: fmt.Sprintf("has %d lines, wrapped at 78 characters; a terminal shows %d at most", longest, motd.MaxText),
		})
	}
	return m, problems
}

// Read reads a manifest and everything it names. All problems are returned at once.
func Read(h *host.Host, file string) (*manifest.Manifest, error) {
	data, err := h.Files.ReadFile(file, manifest.MaxSize+1)
	if err != nil {
		hint := ""
		if errors.Is(err, fs.ErrNotExist) {
			hint = "write the image's manifest there, or name another with --manifest"
		}
		return nil, problem.List{{Position: problem.Position{File: file}, Message: err.Error(), Hint: hint}}
	}
	m, problems := Parse(data, file)
	problems = append(problems, named(h, m, path.Dir(file))...)
	return m, problems.Err()
}

// Whole reads a manifest, everything it names, and what only the check of an image looks at.
func Whole(h *host.Host, file string) (*manifest.Manifest, error) {
	m, err := Read(h, file)
	if m == nil {
		return nil, err
	}
	if wrong := snapshot.CheckManifest(m); len(wrong) > 0 {
		var problems problem.List
		errors.As(err, &problems)
		err = append(problems, wrong...).Err()
	}
	return m, err
}

// named reads the templates and copies that steps name. One that is not there is no problem where an earlier step may
// make it.
func named(h *host.Host, m *manifest.Manifest, directory string) (problems problem.List) {
	var earlier []manifest.Effects
	for s := range m.Steps() {
		effects := s.Spec.Effects()
		for _, source := range effects.Reads {
			if source.Key == "" {
				continue
			}
			file, at := facts.Beside(directory, source.Name), s.Path+"."+source.Key
			text, err := read(h, file, source.Tree)
			switch {
			case errors.Is(err, fs.ErrNotExist) && mayBeMade(file, earlier):
			case err != nil:
				problems = append(problems, problem.Problem{Position: m.Position(at), Path: at, Message: err.Error()})
			case source.Template:
				problems = append(problems, m.Check(s.Source(file, at, string(text)))...)
			}
		}
		earlier = append(earlier, effects)
	}
	return problems
}

// read reads a file that a step names, or makes sure that a directory is there.
func read(h *host.Host, file string, directory bool) ([]byte, error) {
	if !directory {
		return h.Files.ReadFile(file, facts.MaxSource)
	}
	info, err := h.Files.Stat(file)
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("cannot copy the directory %s: it is a file; write a file: step", file)
	}
	return nil, err
}

// mayBeMade reports whether one of the steps may make a file.
func mayBeMade(file string, steps []manifest.Effects) bool {
	for _, effects := range steps {
		if effects.Acts {
			return true
		}
		for _, target := range append([]manifest.Template{effects.Edits}, effects.Writes...) {
			if !target.IsZero() && plan.Within(file, target.Text) {
				return true
			}
		}
	}
	return false
}
