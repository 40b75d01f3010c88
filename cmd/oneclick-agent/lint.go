package main

import (
	"context"

	"oneclick-agent/agent/commandline"
	"oneclick-agent/agent/lint"
	"oneclick-agent/agent/manifest"
	"oneclick-agent/agent/step"
)

func (a *agent) addLint() {
	var report lint.Report
	command := a.addToTree(commandline.Command{
		Use: "lint [FILE]", Does: "check a manifest and everything it names", Most: 1, Brief: true,
		About:    "All problems are told at once, each with its place, and with what was probably meant.",
		Examples: []string{"oneclick-agent lint app.yaml", "oneclick-agent lint --json app.yaml  # for editors and CI"},
		Ends:     commandline.FailedEnd,
		Run: func(_ context.Context, rest []string) int {
			file := a.manifestPath()
			if len(rest) > 0 {
				file = a.inTree(rest[0])
			}
			h, err := a.open()
			if err != nil {
				return a.Fail(err)
			}
			defer h.Close()
			_, err = lint.Whole(h, file)
			return report.Tell(a.Program, file, err)
		},
	})
	report.Flags(command)
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
