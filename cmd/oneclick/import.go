package main

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"

	"oneclick-agent/agent/commandline"
	"oneclick-agent/agent/importer"
	"oneclick-agent/agent/problem"
	"oneclick-agent/agent/starter"
)

func (o *oneclick) addImport() {
	o.add(commandline.Command{
		Use: "import DIRECTORY [TO]", Does: "write the manifest of an image whose first boot is shell", Most: 2,
		About: "It reads the scripts below files that run at the first boot, at the first login and for the message of the day, and writes " +
			"app.yaml and its templates into the directory, or into another one. What no step can say stays a run step with that " +
			"piece of shell. It tells what it took out, and which mistakes the shell has, each with what the agent does instead.",
		Examples: []string{
			"oneclick import my-image             # then: oneclick try my-image",
			"oneclick lint --image my-image       # only tells, and writes nothing",
			"oneclick import my-image my-app-new",
		},
		Ends: commandline.FailedEnd,
		Run: func(_ context.Context, arguments []string) int {
			if len(arguments) == 0 {
				return o.Refuse("import wants the directory of an image")
			}
			return o.importImage(filepath.Clean(arguments[0]), filepath.Clean(arguments[len(arguments)-1]))
		},
	})
}

// imported is what an import tells.
type imported struct {
	Lines    importer.Lines `json:"lines"`
	Dropped  problem.List   `json:"dropped"`
	Mistakes problem.List   `json:"mistakes"`
	Files    []string       `json:"files"`
}

// importImage writes the manifest of an image into a directory, "" for nowhere, and tells what it is.
func (o *oneclick) importImage(from, to string) int {
	result, err := importer.Read(from)
	if err != nil {
		return o.Fail(commandline.Input(err))
	}
	files := map[string]starter.File{}
	told := imported{Lines: result.Lines, Dropped: result.Dropped, Mistakes: result.Findings, Files: []string{}}
	for name, content := range result.Files {
		files[name] = starter.File{Content: content, Mode: fs.FileMode(0o644)}
	}
	if to != "" {
		if told.Files, err = writeNew(to, files); err != nil {
			return o.Fail(err)
		}
	}
	if o.JSON {
		return o.WriteJSON(told)
	}
	told.write(o, from, to)
	return commandline.ExitDone
}

func (i imported) write(o *oneclick, from, to string) {
	section := func(title string, problems problem.List) {
		if len(problems) > 0 {
			fmt.Fprintf(o.Stdout, "%s:\n", title)
			for n := range problems {
				problems[n].File = filepath.Join(from, problems[n].File)
			}
			problems.WriteText(o.Stdout)
			fmt.Fprintln(o.Stdout)
		}
	}
	section("Mistakes of the shell, and what the agent does instead", i.Mistakes)
	section("Not in the manifest, and why", i.Dropped)
	fmt.Fprintf(o.Stdout, "Of %s of shell %d are said by steps, %d are commands without a shell, %d are not in it, %d are still shell.\n",
		problem.Count(i.Lines.All(), "line"), i.Lines.Typed, i.Lines.Commands, i.Lines.Dropped, i.Lines.Left)
	if to != "" {
		fmt.Fprintf(o.Stdout, "%s written into %s. Read app.yaml, take the scripts that it replaces out of files, then: oneclick try %[2]s\n",
			problem.Count(len(i.Files), "file"), to)
	}
}
