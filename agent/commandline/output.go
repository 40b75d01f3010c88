package commandline

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"oneclick-agent/agent/problem"
)

// Output is where a program writes, and in which form.
type Output struct {
	// Name is the program's, before each of its errors.
	Name           string
	Stdout, Stderr io.Writer
	// JSON asks for one document on standard output.
	JSON bool
}

// InputError is an error of what was typed: nothing was changed.
type InputError struct{ error }

// Input marks an error as one of what was typed.
func Input(err error) error { return InputError{err} }

// Refusal is an error of what was typed, in words.
func Refusal(format string, arguments ...any) error {
	return InputError{fmt.Errorf(format, arguments...)}
}

// Refuse reports what is wrong with what was typed, and returns its exit code.
func (o *Output) Refuse(format string, arguments ...any) int {
	return o.Fail(Refusal(format, arguments...))
}

// RefuseJSON refuses --json where there is no document to print.
func (o *Output) RefuseJSON(what string) (code int, refused bool) {
	if !o.JSON {
		return 0, false
	}
	o.JSON = false
	return o.Refuse("%s takes no --json: it has no document to print", what), true
}

// Fail reports an error and returns the exit code that goes with it.
func (o *Output) Fail(err error) int {
	var problems problem.List
	if errors.As(err, &problems) {
		if o.JSON {
			problems.WriteJSON(o.Stdout)
			return ExitInput
		}
		problems.WriteText(o.Stderr)
		fmt.Fprintf(o.Stderr, "%s; nothing was changed\n", problem.Count(len(problems), "problem"))
		return ExitInput
	}
	text := problem.Printable(strings.TrimSpace(err.Error()))
	fmt.Fprintf(o.Stderr, "%s: %s\n", o.Name, text)
	if o.JSON {
		o.WriteJSON(map[string]string{"error": text})
	}
	var input InputError
	if errors.As(err, &input) {
		return ExitInput
	}
	return ExitFailed
}

// WriteJSON prints one indented document.
func (o *Output) WriteJSON(document any) int {
	encoder := json.NewEncoder(o.Stdout)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(document); err != nil {
		o.JSON = false // what cannot be written cannot be told there either
		return o.Fail(fmt.Errorf("cannot print the result: %w", err))
	}
	return ExitDone
}

// wrongFlag says of a flag what is wrong with it, and which one was probably meant.
func wrongFlag(command *cobra.Command, err error) error {
	path := strings.TrimPrefix(command.CommandPath(), command.Root().Name()+" ")
	see := fmt.Sprintf("see: %s --help", command.CommandPath())
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return Refusal("%s: %s; %s", path, problem.OneLine(err.Error()), see)
	}
	typed, given := unknown.GetSpecifiedName(), "--"+unknown.GetSpecifiedName()
	if short := unknown.GetSpecifiedShortnames(); short != "" {
		typed, given = short, "-"+short
	}
	var known []string
	command.Flags().VisitAll(func(flag *pflag.Flag) {
		if !flag.Hidden {
			known = append(known, flag.Name)
		}
	})
	if near := problem.Nearest(typed, known); near != "" {
		see = fmt.Sprintf("did you mean %q?", "--"+near)
	}
	return Refusal("%s takes no flag %q; %s", path, problem.OneLine(given), see)
}
