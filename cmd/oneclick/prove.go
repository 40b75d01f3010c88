package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"oneclick-agent/agent/commandline"
	"oneclick-agent/packaging/prove"
)

// proving is what prove can be told besides what boot can.
type proving struct {
	booting
	cuts   int
	seed   uint64
	report []string
}

func (o *oneclick) addProve() {
	var p proving
	command := o.add(commandline.Command{
		Use: "prove [DIRECTORY]", Does: "boot an image as Droplets, and report what is proved about it", Most: 1,
		About: "It makes the image as boot does, cleans and checks it, and then proves by real boots: the first boot and the first login, that " +
			"no secret is where others can read it, that every command can be run twice, a rotation, a copy, a second Droplet with keys " +
			"and secrets of its own, and that after power cuts at random moments the next boot completes the setup. It needs what " +
			"boot needs, and some minutes.",
		Examples: []string{
			"sudo oneclick prove my-app",
			"sudo oneclick prove --cuts 20 --report proof.html --report proof.md my-app",
		},
		Ends: map[int]string{commandline.ExitFailed: "a claim does not hold, or nothing could be proved"},
		Run:  func(ctx context.Context, arguments []string) int { return o.prove(ctx, directory(arguments), p) },
	})
	flags := command.Flags()
	p.flags(flags)
	flags.IntVar(&p.cuts, "cuts", 3, "how many Droplets lose their power during the first boot")
	flags.Uint64Var(&p.seed, "seed", 0, "the `NUMBER` that the moments are drawn from; one of the clock where nothing is said")
	flags.StringArrayVar(&p.report, "report", nil, "write the report as this `FILE`, .md or .html; can be said more than once")
}

// writers are how a report is written, by the end of its file's name.
var writers = map[string]func(prove.Report, io.Writer) error{".md": prove.Report.WriteMarkdown, ".html": prove.Report.WriteHTML}

func (o *oneclick) prove(ctx context.Context, where string, p proving) int {
	for _, file := range p.report {
		if writers[filepath.Ext(file)] == nil {
			return o.Refuse("cannot write a report as %s; its name must end with .md or .html", file)
		}
	}
	if p.line != "" || p.userData != "" {
		return o.Refuse("prove takes neither --run nor --user-data: what it does on the Droplets is its own")
	}
	// The answers are given over SSH, as a customer does.
	answers, err := readOptional(p.answers)
	p.answers = ""
	if err != nil {
		return o.Fail(commandline.Input(err))
	}
	image, contents, err := o.prepare(where, &p.booting)
	if err != nil {
		return o.Fail(err)
	}
	directory, err := os.MkdirTemp("", "oneclick-prove-")
	if err != nil {
		return o.Fail(err)
	}
	defer os.RemoveAll(directory)
	report, err := prove.Run(ctx, image, contents, directory, prove.Options{
		Cuts: p.cuts, Seed: cmp.Or(p.seed, uint64(time.Now().UnixNano())), Answers: answers, Database: p.database, Password: databasePassword,
		Progress: func(line string) { fmt.Fprintln(o.Stderr, line) },
	})
	report.Image = where
	if err == nil {
		err = writeReports(report, p.report)
	}
	if err != nil {
		return o.Fail(err)
	}
	return o.tellProofs(report)
}

func writeReports(report prove.Report, files []string) error {
	for _, file := range files {
		var text strings.Builder
		err := writers[filepath.Ext(file)](report, &text)
		if err == nil {
			err = os.WriteFile(file, []byte(text.String()), 0o644)
		}
		if err != nil {
			return fmt.Errorf("cannot write the report %s: %w", file, err)
		}
	}
	return nil
}

func (o *oneclick) tellProofs(report prove.Report) int {
	if o.JSON {
		o.WriteJSON(report)
	} else if err := report.WriteMarkdown(o.Stdout); err != nil {
		return o.Fail(err)
	}
	if !report.Holds() {
		return commandline.ExitFailed
	}
	return commandline.ExitDone
}
