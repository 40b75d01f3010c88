// Command oneclick-agent sets up a DigitalOcean Droplet made from a Marketplace image: at its first boot, at the
// first login, and afterwards.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"

	"oneclick-agent/agent/firstboot"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/journal"
	"oneclick-agent/agent/problem"
	"oneclick-agent/agent/state"
	"oneclick-agent/agent/status"
)

// memoryLimit is from where on garbage is collected as often as need be, in bytes: the smallest Droplet has 512 MB.
const memoryLimit = 96 << 20

// Exit codes; people and CI rely on them.
const (
	exitDone     = 0
	exitFailed   = 1
	exitInput    = 2 // nothing was changed
	exitPending  = 3
	exitDegraded = 4

	// What 3 stands for, told apart by status --detailed-exit-code.
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
	a := &agent{stdout: stdout, stderr: stderr, revealed: stdout}
	if filepath.Base(arguments[0]) == firstboot.GeneratorName {
		return a.generate(arguments[1:])
	}
	return a.dispatch(ctx, arguments[1:])
}

// agent is one run of the program: its flags and where it writes.
type agent struct {
	stdout, stderr io.Writer
	// revealed is standard output for a secret that was asked for.
	revealed       io.Writer
	flags          *flag.FlagSet
	root, manifest string
	metadata       string
	json, noColor  bool
}

// command is one of the program's commands; each has a file of its own.
type command struct {
	name, does string
	run        func(*agent, context.Context, []string) int
	// brief commands change nothing, so that a signal may end them where they stand: none of them has to look at one.
	brief bool
}

func commands() []command {
	return []command{
		{"first-boot", "run, or resume, the first boot of this Droplet", (*agent).firstBoot, false},
		{"first-login", "ask what only the customer knows, and apply the answers", (*agent).firstLogin, false},
		{"status", "what happened and what happens next", (*agent).status, false},
		{"lint", "check a manifest and everything it names", (*agent).lint, true},
		{"database", "show, test or print the database's address", (*agent).database, false},
		{"secrets", "list the secrets, show one, or bring lost ones back", (*agent).secrets, true},
		{"rotate", "new values for secrets, and again every step that uses them", (*agent).rotate, false},
		{"pre-snapshot", "clean the image, and check it; the last thing run before a snapshot", (*agent).preSnapshot, false},
		{"support", "write one archive for a support person, every secret taken out", (*agent).support, false},
		{"publish", "submit a snapshot to the Marketplace's Vendor Portal", (*agent).publish, false},
		{"motd", "print the message of the day", (*agent).motd, true},
		{"schema", "print the manifest's JSON Schema", (*agent).schema, true},
		{"version", "version, commit, Go version", (*agent).version, true},
	}
}

func (a *agent) dispatch(ctx context.Context, arguments []string) int {
	if len(arguments) == 0 || slices.Contains([]string{"help", "-h", "-help", "--help"}, arguments[0]) {
		a.usage(a.stdout)
		return exitDone
	}
	all := commands()
	name := arguments[0]
	if name == "--pre-snapshot" { // as the Marketplace's vendors write it
		name = "pre-snapshot"
	}
	for _, c := range all {
		if c.name == name {
			a.flags = a.flagSet(c)
			if !c.brief {
				// An interrupted setup ends at once and in good order; a later run resumes it.
				var stop context.CancelFunc
				ctx, stop = signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
				defer stop()
			}
			return c.run(a, ctx, arguments[1:])
		}
	}
	var names []string
	for _, c := range all {
		names = append(names, c.name)
	}
	return a.refuse("there is no command %q; %s", problem.OneLine(arguments[0]), problem.DidYouMean(arguments[0], names))
}

func (a *agent) usage(w io.Writer) {
	fmt.Fprintln(w, "oneclick-agent sets up a Droplet made from a Marketplace image.\n\nCommands:")
	for _, c := range commands() {
		fmt.Fprintf(w, "  %-12s %s\n", c.name, c.does)
	}
	fmt.Fprintln(w, "\nFlags of a command: oneclick-agent COMMAND --help")
}

// flagSet has the flags that every command takes.
func (a *agent) flagSet(c command) *flag.FlagSet {
	flags := flag.NewFlagSet(c.name, flag.ContinueOnError)
	flags.SetOutput(a.stderr)
	flags.StringVar(&a.root, "root", "/", "work on this directory tree as if it were /")
	flags.StringVar(&a.manifest, "manifest", state.Manifest, "the image's manifest")
	flags.StringVar(&a.metadata, "metadata", "", "address of the metadata service, or none")
	flags.BoolVar(&a.json, "json", false, "print one JSON document on standard output")
	flags.BoolVar(&a.noColor, "no-color", false, "print without colours")
	flags.Usage = func() {
		fmt.Fprintf(a.stderr, "oneclick-agent %s: %s\n", c.name, c.does)
		flags.PrintDefaults()
	}
	return flags
}

// parse reads flags that may stand before or behind the other arguments, and returns those.
func (a *agent) parse(arguments []string) (rest []string, code int, ok bool) {
	for {
		if err := a.flags.Parse(arguments); errors.Is(err, flag.ErrHelp) {
			return nil, exitDone, false
		} else if err != nil {
			return nil, exitInput, false
		}
		arguments = a.flags.Args()
		if len(arguments) == 0 {
			return rest, 0, true
		}
		rest = append(rest, arguments[0])
		arguments = arguments[1:]
	}
}

// parseFlags reads the flags of a command that takes no arguments.
func (a *agent) parseFlags(arguments []string) (code int, ok bool) {
	_, code, ok = a.parseUpTo(0, arguments)
	return code, ok
}

// parseUpTo reads the flags of a command that takes so many arguments at most, and returns those.
func (a *agent) parseUpTo(most int, arguments []string) (rest []string, code int, ok bool) {
	if rest, code, ok = a.parse(arguments); ok && len(rest) > most {
		name := a.flags.Name()
		return nil, a.refuse("%s takes no argument %q; see: oneclick-agent %s --help", name, problem.OneLine(rest[most]), name), false
	}
	return rest, code, ok
}

// errInput is an error of what was typed: nothing was changed.
type errInput struct{ error }

// refuse reports what is wrong with what was typed, and returns its exit code.
func (a *agent) refuse(format string, arguments ...any) int {
	return a.fail(errInput{fmt.Errorf(format, arguments...)})
}

// refuseJSON refuses --json where there is no document to print.
func (a *agent) refuseJSON(what string) (code int, refused bool) {
	if !a.json {
		return 0, false
	}
	a.json = false
	return a.refuse("%s takes no --json: it has no document to print", what), true
}

// open opens the machine, or the tree of --root.
func (a *agent) open() (*host.Host, error) {
	h, err := host.Open(a.root)
	if err != nil {
		return nil, errInput{err}
	}
	return h, nil
}

// manifestPath is the manifest's path in the tree.
func (a *agent) manifestPath() string { return a.inTree(a.manifest) }

// inTree makes a path that is relative to the working directory absolute, when the tree is this machine.
func (a *agent) inTree(path string) string {
	if absolute, err := filepath.Abs(path); err == nil && a.root == "/" {
		return absolute
	}
	return filepath.Join("/", path)
}

// fail reports an error and returns the exit code that goes with it.
func (a *agent) fail(err error) int {
	var problems problem.List
	if errors.As(err, &problems) {
		if a.json {
			problems.WriteJSON(a.stdout)
		} else {
			problems.WriteText(a.stderr)
			count := fmt.Sprintf("%d problems", len(problems))
			if len(problems) == 1 {
				count = "1 problem"
			}
			fmt.Fprintf(a.stderr, "%s; nothing was changed\n", count)
		}
		return exitInput
	}
	text := problem.Printable(strings.TrimSpace(err.Error()))
	fmt.Fprintf(a.stderr, "oneclick-agent: %s\n", text)
	if a.json {
		a.writeJSON(map[string]string{"error": text})
	}
	var input errInput
	if errors.As(err, &input) {
		return exitInput
	}
	return exitFailed
}

// exitCode is the exit code of the phase that a setup is in.
func exitCode(phase journal.Phase) int {
	switch phase {
	case journal.Done, firstboot.NotDue:
		return exitDone
	case journal.Degraded:
		return exitDegraded
	case journal.Pending:
		return exitPending
	}
	return exitFailed
}

// detailedCode is the exit code of a status, with one of its own for each way of not being finished.
func detailedCode(s status.Status) int {
	code := statusCode(s)
	switch {
	case code != exitPending:
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
		return exitInput
	case s.State == status.Failed:
		return exitFailed
	case !s.State.Complete():
		return exitPending
	case s.Missing:
		return exitDegraded
	}
	return exitDone
}
