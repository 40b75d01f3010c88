// Command oneclick is for vendors of 1-Click Apps, on a laptop or in CI: it checks, tries and boots what an image is made of, and
// submits it.
package main

import (
	"context"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"oneclick-agent/agent/commandline"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/lint"
	"oneclick-agent/agent/publish"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is main without the process around it.
func run(ctx context.Context, arguments []string, stdin *os.File, stdout, stderr io.Writer) int {
	o := &oneclick{Program: commandline.New("oneclick", "makes, tries and publishes Marketplace images", stdout, stderr), stdin: stdin}
	for _, add := range []func(*oneclick){
		(*oneclick).addInit, (*oneclick).addImport, (*oneclick).addLint, (*oneclick).addTry, (*oneclick).addBoot,
		(*oneclick).addProve, (*oneclick).addPublish,
	} {
		add(o)
	}
	o.AddVersion()
	return o.Execute(ctx, arguments)
}

// oneclick is one run of the program.
type oneclick struct {
	*commandline.Program
	stdin *os.File
}

// add adds a command that can print its result as JSON.
func (o *oneclick) add(c commandline.Command) *cobra.Command {
	command := o.Add(o.Root(), c)
	command.Flags().BoolVar(&o.JSON, "json", false, "print one JSON document on standard output")
	return command
}

// directory is the one that an argument names, the working directory where nothing is said. The manifest in it will do, too.
func directory(arguments []string) string {
	if len(arguments) == 0 {
		return "."
	}
	if filepath.Base(arguments[0]) == manifestName {
		return filepath.Dir(arguments[0])
	}
	return filepath.Clean(arguments[0])
}

const manifestName = "app.yaml"

func (o *oneclick) addPublish() {
	publish.AddCommand(o.Program, o.add, func() (publish.Place, error) {
		h, err := host.Open("/")
		if err != nil {
			return publish.Place{}, err
		}
		place := publish.Place{Host: h, Path: func(typed string) string {
			absolute, err := filepath.Abs(typed)
			if err != nil {
				return typed
			}
			return absolute
		}}
		if m, err := lint.Read(h, place.Path(manifestName)); err == nil {
			place.Version = m.App.Version
		}
		return place, nil
	})
}
