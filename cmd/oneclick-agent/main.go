// Command oneclick-agent sets up a DigitalOcean Droplet made from a Marketplace image: at its first boot, at the
// first login, and afterwards.
package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"

	"github.com/spf13/cobra"

	"oneclick-agent/agent/commandline"
	"oneclick-agent/agent/firstboot"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/journal"
	"oneclick-agent/agent/state"
	"oneclick-agent/agent/status"
)

// memoryLimit is from where on garbage is collected as often as need be, in bytes: the smallest Droplet has 512 MB.
const memoryLimit = 96 << 20

// What 3 stands for, told apart by status --detailed-exit-code.
const (
	exitRunning  = 5
	exitPerson   = 6
	exitDatabase = 7
	exitLater    = 8 // something else outside, or the next boot
)

func main() {
	// Runs are short, and a Droplet waits for them: collecting garbage less often makes first boot a tenth faster.
	debug.SetGCPercent(400)
	debug.SetMemoryLimit(memoryLimit)
	os.Exit(run(context.Background(), os.Args, os.Stdout, os.Stderr))
}

// run is main without the process around it.
func run(ctx context.Context, arguments []string, stdout, stderr io.Writer) int {
	a := &agent{revealed: stdout}
	a.Program = commandline.New("oneclick-agent", "sets up a Droplet made from a Marketplace image", stdout, stderr)
	if filepath.Base(arguments[0]) == firstboot.GeneratorName {
		return a.generate(arguments[1:])
	}
	for _, add := range []func(*agent){
		(*agent).addFirstBoot, (*agent).addFirstLogin, (*agent).addStatus, (*agent).addLint, (*agent).addDatabase, (*agent).addSecrets,
		(*agent).addRotate, (*agent).addPreSnapshot, (*agent).addSupport, (*agent).addPublish, (*agent).addMessage, (*agent).addSchema,
	} {
		add(a)
	}
	a.AddVersion()
	typed := arguments[1:]
	if len(typed) > 0 && typed[0] == "--pre-snapshot" { // as the Marketplace's vendors write it
		typed = append([]string{"pre-snapshot"}, typed[1:]...)
	}
	return a.Execute(ctx, typed)
}

// agent is one run of the program: what its flags say.
type agent struct {
	*commandline.Program
	// revealed is standard output for a secret that was asked for.
	revealed                 io.Writer
	tree, manifest, metadata string
	noColor                  bool
}

// addToTree adds a command that reads a tree, with the flags that all of these take.
func (a *agent) addToTree(c commandline.Command) *cobra.Command {
	return a.treeFlags(a.Add(a.Root(), c))
}

// treeFlags gives a command, and those below it, the flags that say which tree it reads and how it prints.
func (a *agent) treeFlags(command *cobra.Command) *cobra.Command {
	flags := command.PersistentFlags()
	flags.StringVar(&a.tree, "root", "/", "work on this `DIRECTORY` tree as if it were /")
	flags.StringVar(&a.manifest, "manifest", state.Manifest, "the image's manifest, a `FILE` in that tree")
	flags.StringVar(&a.metadata, "metadata", "", "`ADDRESS` of the metadata service, or none")
	flags.BoolVar(&a.JSON, "json", false, "print one JSON document on standard output")
	flags.BoolVar(&a.noColor, "no-color", false, "print without colours")
	return command
}

// setupEnds are the exit codes of what carries a setup out, or tells how it stands.
var setupEnds = map[int]string{
	commandline.ExitFailed:   "failed",
	commandline.ExitPending:  "not finished: it waits for a person, for a database or for something else outside",
	commandline.ExitDegraded: "done, with something optional degraded",
}

// open opens the machine, or the tree of --root.
func (a *agent) open() (*host.Host, error) {
	h, err := host.Open(a.tree)
	if err != nil {
		return nil, commandline.Input(err)
	}
	return h, nil
}

// manifestPath is the manifest's path in the tree.
func (a *agent) manifestPath() string { return a.inTree(a.manifest) }

// inTree makes a path that is relative to the working directory absolute, when the tree is this machine.
func (a *agent) inTree(path string) string {
	if absolute, err := filepath.Abs(path); err == nil && a.tree == "/" {
		return absolute
	}
	return filepath.Join("/", path)
}

// exitCode is the exit code of the phase that a setup is in.
func exitCode(phase journal.Phase) int {
	switch phase {
	case journal.Done, firstboot.NotDue:
		return commandline.ExitDone
	case journal.Degraded:
		return commandline.ExitDegraded
	case journal.Pending:
		return commandline.ExitPending
	}
	return commandline.ExitFailed
}

// detailedCode is the exit code of a status, with one of its own for each way of not being finished.
func detailedCode(s status.Status) int {
	code := statusCode(s)
	switch {
	case code != commandline.ExitPending:
		return code
	case s.State == status.Running || s.State == status.Fresh && s.Waits == "":
		return exitRunning
	case s.Waits == journal.ForPerson:
		return exitPerson
	case s.Waits == journal.ForDatabase:
		return exitDatabase
	}
	return exitLater
}

// statusCode is the exit code of a status.
func statusCode(s status.Status) int {
	switch {
	case s.State == status.Broken:
		return commandline.ExitInput
	case s.State == status.Failed:
		return commandline.ExitFailed
	case !s.State.Complete():
		return commandline.ExitPending
	case s.Missing:
		return commandline.ExitDegraded
	}
	return commandline.ExitDone
}
