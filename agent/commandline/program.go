// Package commandline is what a command line is made of: how a command is described, how its help reads, how an error is
// told, and with which code the program ends.
package commandline

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"oneclick-agent/agent/problem"
)

// Exit codes; people and CI rely on them.
const (
	ExitDone     = 0
	ExitFailed   = 1
	ExitInput    = 2 // nothing was changed
	ExitPending  = 3
	ExitDegraded = 4
)

// FailedEnd are the exit codes of what either works or does not.
var FailedEnd = map[int]string{ExitFailed: "failed"}

// Command describes one command of a program.
type Command struct {
	// Use is its name and what it takes, such as "rotate [NAME...]".
	Use string
	// Does says in one sentence what it does. About says what else somebody has to know, "" for nothing.
	Does, About string
	// Examples are command lines, each with what it is for behind two spaces and a number sign.
	Examples []string
	// Ends are the exit codes, and what each stands for; ExitInput means the same everywhere.
	Ends map[int]string
	// Most is how many arguments it takes at most, and Any tells that there is no such bound.
	Most int
	Any  bool
	// Completes lists what an argument may be, for completion in a shell.
	Completes func() []string
	// Brief commands change nothing, so that a signal may end them where they stand: none of them has to look at one.
	Brief bool
	// Harmless commands end with ExitDone whatever happens.
	Harmless bool
	// Hidden commands are not listed.
	Hidden bool
	// Run carries the command out, and returns its exit code.
	Run func(ctx context.Context, arguments []string) int
}

// Program is one run of a program: its commands and where it writes.
type Program struct {
	Output
	// Does says in one sentence what it does.
	Does      string
	root      *cobra.Command
	described map[*cobra.Command]Command
	code      int
}

// Commands stand in the order in which somebody needs them, which only a variable of cobra's says.
func init() { cobra.EnableCommandSorting = false }

// New is a program without commands yet.
func New(name, does string, stdout, stderr io.Writer) *Program {
	p := &Program{Output: Output{Name: name, Stdout: stdout, Stderr: stderr}, Does: does, described: map[*cobra.Command]Command{}}
	p.root = &cobra.Command{
		Use: name, SilenceErrors: true, SilenceUsage: true, CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		Args: func(command *cobra.Command, arguments []string) error {
			if len(arguments) == 0 {
				return nil
			}
			return Refusal("there is no command %q; %s", problem.OneLine(arguments[0]), problem.DidYouMean(arguments[0], names(command)))
		},
	}
	asked := p.root.Flags().Bool("version", false, "print which version this is")
	p.root.Run = func(command *cobra.Command, _ []string) {
		if *asked {
			p.code = p.version()
			return
		}
		command.Help()
	}
	p.root.SetOut(stdout)
	p.root.SetErr(stderr)
	p.root.SetHelpFunc(func(command *cobra.Command, _ []string) { p.help(command) })
	p.root.SetFlagErrorFunc(wrongFlag)
	return p
}

// Root is what top-level commands are added to.
func (p *Program) Root() *cobra.Command { return p.root }

// Add adds a command below another, and returns it, so that it can be given flags.
func (p *Program) Add(above *cobra.Command, c Command) *cobra.Command {
	command := &cobra.Command{Use: c.Use, Short: c.Does, Hidden: c.Hidden}
	command.Args = func(command *cobra.Command, arguments []string) error {
		if c.Any || len(arguments) <= c.Most {
			return nil
		}
		path := p.within(command)
		return Refusal("%s takes no argument %q; see: %s %s --help", path, problem.OneLine(arguments[c.Most]), p.Name, path)
	}
	command.Run = func(command *cobra.Command, arguments []string) {
		ctx := command.Context()
		if !c.Brief {
			// An interrupted command ends at once and in good order; a later run resumes it.
			var stop context.CancelFunc
			ctx, stop = signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
			defer stop()
		}
		p.code = c.Run(ctx, arguments)
	}
	command.ValidArgsFunction = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		if c.Completes == nil {
			return nil, cobra.ShellCompDirectiveDefault
		}
		return c.Completes(), cobra.ShellCompDirectiveNoFileComp
	}
	p.described[command] = c
	above.AddCommand(command)
	return command
}

// Group adds a command that only has others below it.
func (p *Program) Group(name, does string) *cobra.Command {
	var group *cobra.Command
	group = p.Add(p.root, Command{Use: name, Does: does, Any: true, Brief: true, Run: func(_ context.Context, arguments []string) int {
		if len(arguments) == 0 {
			return p.Refuse("%s wants one of its commands: %s", name, strings.Join(names(group), ", "))
		}
		return p.Refuse("%s has no command %q; %s", name, problem.OneLine(arguments[0]), problem.DidYouMean(arguments[0], names(group)))
	}})
	return group
}

// names are the commands below one that can be typed.
func names(above *cobra.Command) (names []string) {
	for _, command := range above.Commands() {
		if !command.Hidden {
			names = append(names, command.Name())
		}
	}
	return names
}

// within is how a command is called, without the name of the program.
func (p *Program) within(command *cobra.Command) string {
	return strings.TrimPrefix(command.CommandPath(), p.Name+" ")
}

// Execute carries out what the arguments say, and returns the exit code.
func (p *Program) Execute(ctx context.Context, arguments []string) int {
	p.root.SetHelpCommand(p.Add(p.root, p.helper()))
	p.Add(p.root, p.completion())
	p.Add(p.root, Command{Use: "reference", Does: "print the page of every command, in Markdown", Hidden: true, Brief: true,
		Run: func(context.Context, []string) int {
			p.WriteReference(p.Stdout)
			return ExitDone
		}})
	p.root.SetArgs(append([]string{}, arguments...)) // with nil it would take the process's own
	p.code = ExitDone
	command, err := p.root.ExecuteContextC(ctx)
	if err != nil {
		p.code = p.Fail(err)
	}
	if p.described[command].Harmless {
		return ExitDone
	}
	return p.code
}

// completions are the shells that commands, flags and names can be completed in.
var completions = map[string]func(*cobra.Command, io.Writer) error{
	"bash": func(root *cobra.Command, w io.Writer) error { return root.GenBashCompletionV2(w, true) },
	"zsh":  (*cobra.Command).GenZshCompletion,
	"fish": func(root *cobra.Command, w io.Writer) error { return root.GenFishCompletion(w, true) },
}

func (p *Program) completion() Command {
	shells := slices.Sorted(maps.Keys(completions))
	return Command{
		Use: "completion SHELL", Does: "print the completion of commands, flags and names for " + strings.Join(shells, ", "),
		About:    "The packages install it for each of these shells.",
		Examples: []string{"source <(" + p.Name + " completion bash)  # in this shell only"},
		Most:     1, Brief: true, Completes: func() []string { return shells },
		Run: func(_ context.Context, arguments []string) int {
			if len(arguments) == 0 {
				return p.Refuse("completion wants a shell: %s", strings.Join(shells, ", "))
			}
			generate, ok := completions[arguments[0]]
			if !ok {
				return p.Refuse("there is no completion for %q; %s", problem.OneLine(arguments[0]), problem.DidYouMean(arguments[0], shells))
			}
			if err := generate(p.root, p.Stdout); err != nil {
				return p.Fail(fmt.Errorf("cannot print the completion for %s: %w", arguments[0], err))
			}
			return ExitDone
		},
	}
}
