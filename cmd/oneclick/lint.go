package main

import (
	"context"
	"fmt"
	"path/filepath"

	"oneclick-agent/agent/commandline"
	"oneclick-agent/agent/problem"
	"oneclick-agent/agent/trial"
)

func (o *oneclick) addLint() {
	o.add(commandline.Command{
		Use: "lint [DIRECTORY]", Does: "check the manifest in a directory and everything it names", Most: 1, Brief: true, Run: o.lint,
		About: "All problems are told at once, each with its place, and with what was probably meant. Files that the build puts into the " +
			"image are looked for in files and packer/files, and in test/image.",
		Examples: []string{"oneclick lint", "oneclick lint --json my-app  # for editors and CI"},
		Ends:     commandline.FailedEnd,
	})
}

func (o *oneclick) lint(_ context.Context, arguments []string) int {
	where := directory(arguments)
	image, err := trial.New(where)
	if err != nil {
		return o.Fail(err)
	}
	defer image.Close()
	if o.JSON {
		problem.List{}.WriteJSON(o.Stdout)
		return commandline.ExitDone
	}
	fmt.Fprintf(o.Stdout, "%s: no problems\n", filepath.Join(where, manifestName))
	return commandline.ExitDone
}
