package commandline

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// helpWidth is how wide the help is at most, in columns: that of the narrowest usual terminal.
const helpWidth = 80

// anywhere is what ExitInput means for every command.
const anywhere = "bad input; nothing was changed"

func (p *Program) helper() Command {
	run := func(_ context.Context, arguments []string) int {
		command, rest, err := p.root.Find(arguments)
		if err != nil || len(rest) > 0 {
			return p.Refuse("there is no command %q; see: %s help", strings.Join(arguments, " "), p.Name)
		}
		p.help(command)
		return ExitDone
	}
	return Command{Use: "help [COMMAND...]", Does: "say how a command is used", Any: true, Brief: true, Run: run}
}

// help prints how a command is used.
func (p *Program) help(command *cobra.Command) {
	if command == p.root {
		p.overview(p.Stdout)
		return
	}
	c := p.described[command]
	fmt.Fprintf(p.Stdout, "Usage: %s\n\n%s\n", usage(command), sentence(c.Does))
	if c.About != "" {
		fmt.Fprintf(p.Stdout, "%s\n", wrap(c.About))
	}
	if below := visible(command); len(below) > 0 {
		fmt.Fprintln(p.Stdout, "\nCommands:")
		list(p.Stdout, below)
	}
	if len(c.Examples) > 0 {
		fmt.Fprintf(p.Stdout, "\nExamples:\n  %s\n", strings.Join(c.Examples, "\n  "))
	}
	own, common := flagsOf(command)
	for title, flags := range orderly(own, common) {
		fmt.Fprintf(p.Stdout, "\n%s:\n%s", title, flags.FlagUsagesWrapped(helpWidth))
	}
	fmt.Fprintln(p.Stdout, "\nExit codes:")
	for code, means := range ends(c) {
		fmt.Fprintf(p.Stdout, "  %d  %s\n", code, means)
	}
}

// overview prints which commands there are.
func (p *Program) overview(w io.Writer) {
	fmt.Fprintf(w, "%s %s\n\nCommands:\n", p.Name, p.Does)
	list(w, visible(p.root))
	fmt.Fprintf(w, "\nHow one is used: %s COMMAND --help\n", p.Name)
}

// list prints commands, each with what it does.
func list(w io.Writer, commands []*cobra.Command) {
	width := 0
	for _, command := range commands {
		width = max(width, len(command.Name()))
	}
	for _, command := range commands {
		fmt.Fprintf(w, "  %-*s  %s\n", width, command.Name(), command.Short)
	}
}

func visible(above *cobra.Command) []*cobra.Command {
	return slices.DeleteFunc(slices.Clone(above.Commands()), func(c *cobra.Command) bool { return c.Hidden })
}

// usage is the line that says how a command is typed.
func usage(command *cobra.Command) string {
	line := command.CommandPath()
	if _, takes, ok := strings.Cut(command.Use, " "); ok {
		line += " " + takes
	}
	if own, common := flagsOf(command); own.HasAvailableFlags() || common.HasAvailableFlags() {
		line += " [flags]"
	}
	return line
}

// flagsOf are the flags of a command alone, and those that others take, too.
func flagsOf(command *cobra.Command) (own, common *pflag.FlagSet) {
	own, common = pflag.NewFlagSet("", pflag.ContinueOnError), pflag.NewFlagSet("", pflag.ContinueOnError)
	command.InitDefaultHelpFlag()
	command.LocalFlags().VisitAll(func(flag *pflag.Flag) {
		switch {
		case flag.Name == "help":
		case command.PersistentFlags().Lookup(flag.Name) != nil:
			common.AddFlag(flag)
		default:
			own.AddFlag(flag)
		}
	})
	common.AddFlagSet(command.InheritedFlags())
	return own, common
}

// orderly gives the kinds of flags that a command has, with their titles.
func orderly(own, common *pflag.FlagSet) func(func(string, *pflag.FlagSet) bool) {
	return func(yield func(string, *pflag.FlagSet) bool) {
		if own.HasAvailableFlags() && !yield("Flags", own) {
			return
		}
		if common.HasAvailableFlags() {
			yield("Flags of most commands", common)
		}
	}
}

// ends gives the exit codes in their order.
func ends(c Command) func(func(int, string) bool) {
	all := map[int]string{ExitDone: "done", ExitInput: anywhere}
	maps.Copy(all, c.Ends)
	if c.Harmless {
		all = map[int]string{ExitDone: "always"}
	}
	return func(yield func(int, string) bool) {
		for _, code := range slices.Sorted(maps.Keys(all)) {
			if !yield(code, all[code]) {
				return
			}
		}
	}
}

// sentence makes one of what a command does.
func sentence(does string) string { return wrap(strings.ToUpper(does[:1]) + does[1:] + ".") }

// wrap breaks text at words.
func wrap(text string) string {
	var out strings.Builder
	column := 0
	for word := range strings.FieldsSeq(text) {
		switch {
		case column == 0:
		case column+1+len(word) > helpWidth:
			out.WriteString("\n")
			column = 0
		default:
			out.WriteString(" ")
			column++
		}
		out.WriteString(word)
		column += len(word)
	}
	return out.String()
}

// WriteReference prints the page of every command, in Markdown.
func (p *Program) WriteReference(w io.Writer) {
	fmt.Fprintf(w, "# %s\n\n%s %s\n\n| command | does |\n| --- | --- |\n", p.Name, p.Name, strings.TrimSuffix(p.Does, ".")+".")
	commands := every(p.root)
	for _, command := range commands {
		path := command.CommandPath()
		fmt.Fprintf(w, "| [`%s`](#%s) | %s |\n", p.within(command), strings.ReplaceAll(path, " ", "-"), command.Short)
	}
	for _, command := range commands {
		p.page(w, command)
	}
}

// every is each visible command below one, those that only have others below them left out.
func every(above *cobra.Command) (all []*cobra.Command) {
	for _, command := range visible(above) {
		if below := every(command); len(below) > 0 {
			all = append(all, below...)
		} else {
			all = append(all, command)
		}
	}
	return all
}

// page prints the page of one command.
func (p *Program) page(w io.Writer, command *cobra.Command) {
	c := p.described[command]
	about := strings.Join(strings.Fields(sentence(c.Does)+" "+c.About), " ")
	fmt.Fprintf(w, "\n## %s\n\n    %s\n\n%s\n", command.CommandPath(), usage(command), about)
	own, common := flagsOf(command)
	for title, flags := range orderly(own, common) {
		fmt.Fprintf(w, "\n%s:\n\n| flag | does |\n| --- | --- |\n", title)
		flags.VisitAll(func(flag *pflag.Flag) {
			if !flag.Hidden {
				fmt.Fprintf(w, "| `%s` | %s |\n", spelled(flag), described(flag))
			}
		})
	}
	if len(c.Examples) > 0 {
		fmt.Fprintf(w, "\nExamples:\n\n    %s\n", strings.Join(c.Examples, "\n    "))
	}
	fmt.Fprint(w, "\nExit codes:\n\n| code | stands for |\n| --- | --- |\n")
	for code, means := range ends(c) {
		fmt.Fprintf(w, "| %d | %s |\n", code, means)
	}
}

// spelled is a flag as it is typed.
func spelled(flag *pflag.Flag) string {
	value, _ := pflag.UnquoteUsage(flag)
	return strings.TrimSpace("--" + flag.Name + " " + value)
}

// described says what a flag does, and what holds without it.
func described(flag *pflag.Flag) string {
	_, does := pflag.UnquoteUsage(flag)
	if !slices.Contains([]string{"", "false", "0", "[]"}, flag.DefValue) {
		does += fmt.Sprintf(" (%s where nothing is said)", flag.DefValue)
	}
	return does
}
