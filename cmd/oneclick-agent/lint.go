package main

import (
	"context"
	"fmt"

	"oneclick-agent/agent/commandline"
	"oneclick-agent/agent/lint"
	"oneclick-agent/agent/manifest"
	"oneclick-agent/agent/problem"
	"oneclick-agent/agent/step"
)

func (a *agent) addLint() {
	a.addToTree(commandline.Command{
		Use: "lint [FILE]", Does: "check a manifest and everything it names", Most: 1, Brief: true, Run: a.lint,
		About:    "All problems are told at once, each with its place, and with what was probably meant.",
		Examples: []string{"oneclick-agent lint app.yaml", "oneclick-agent lint --json app.yaml  # for editors and CI"},
		Ends:     commandline.FailedEnd,
	})
}

func (a *agent) lint(_ context.Context, rest []string) int {
	file := a.manifestPath()
	if len(rest) > 0 {
		file = a.inTree(rest[0])
	}
	h, err := a.open()
	if err != nil {
		return a.Fail(err)
	}
	defer h.Close()
	if _, err := lint.Whole(h, file); err != nil {
		return a.Fail(err)
	}
	if a.JSON {
		problem.List{}.WriteJSON(a.Stdout)
		return commandline.ExitDone
	}
	fmt.Fprintf(a.Stdout, "%s: no problems\n", file)
	return commandline.ExitDone
}

func (a *agent) addSchema() {
	var markdown bool
	command := a.Add(a.Root(), commandline.Command{
		Use: "schema", Does: "print the manifest's JSON Schema", Brief: true,
		Run: func(context.Context, []string) int { return a.schema(markdown) },
	})
	command.Flags().BoolVar(&markdown, "markdown", false, "print the reference of all keys for people instead")
}

func (a *agent) schema(markdown bool) int {
	if markdown {
		if err := manifest.WriteReference(a.Stdout, step.Kinds()); err != nil {
			return a.Fail(err)
		}
		return commandline.ExitDone
	}
	schema, err := manifest.Schema(step.Kinds())
	if err != nil {
		return a.Fail(err)
	}
	a.Stdout.Write(schema)
	return commandline.ExitDone
}
