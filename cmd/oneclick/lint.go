package main

import (
	"context"
	"path/filepath"

	"oneclick-agent/agent/commandline"
	"oneclick-agent/agent/lint"
	"oneclick-agent/agent/trial"
)

func (o *oneclick) addLint() {
	var report lint.Report
	var image bool
	command := o.add(commandline.Command{
		Use: "lint [DIRECTORY]", Does: "check the manifest in a directory and everything it names", Most: 1, Brief: true,
		About: "All problems are told at once, each with its place, and with what was probably meant. Files that the build puts into the " +
			"image are looked for in files and packer/files, and in test/image.",
		Examples: []string{
			"oneclick lint",
			"oneclick lint --format github my-app  # marks the lines of a pull request",
			"oneclick lint --image my-image        # the mistakes of an image whose first boot is shell",
		},
		Ends: commandline.FailedEnd,
		Run: func(_ context.Context, arguments []string) int {
			where := directory(arguments)
			if image {
				return o.importImage(where, "")
			}
			checked, err := trial.New(where)
			if err == nil {
				defer checked.Close()
			}
			return report.Tell(o.Program, filepath.Join(where, manifestName), err)
		},
	})
	report.Flags(command)
	command.Flags().BoolVar(&image, "image", false, "read the shell of an image as import does, and tell its mistakes; writes nothing")
}
