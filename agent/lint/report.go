package lint

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"oneclick-agent/agent/commandline"
	"oneclick-agent/agent/problem"
	"oneclick-agent/agent/sarif"
)

// formats are the ways in which problems can be printed besides text, each on standard output.
var formats = map[string]func(w io.Writer, problems problem.List) error{
	"json":   func(w io.Writer, problems problem.List) error { return problems.WriteJSON(w) },
	"github": writeGitHub,
	"sarif":  writeSARIF,
}

// Report is how what lint found is printed.
type Report struct{ format string }

// Flags adds the flag that says how.
func (r *Report) Flags(command *cobra.Command) {
	others := strings.Join(slices.Sorted(maps.Keys(formats)), ", ")
	command.Flags().StringVar(&r.format, "format", "text", "print text, or for programs "+others)
}

// Tell prints what is wrong with the manifest in a file, and returns the exit code that goes with it.
func (r *Report) Tell(p *commandline.Program, file string, err error) int {
	format := r.format
	if p.JSON {
		format = "json"
	}
	var problems problem.List
	write, other := formats[format]
	switch {
	case !other && format != "text":
		return p.Refuse("there is no format %q; %s", problem.OneLine(format),
			problem.DidYouMean(format, append(slices.Sorted(maps.Keys(formats)), "text")))
	case err != nil && !errors.As(err, &problems), err != nil && !other:
		return p.Fail(err)
	case !other:
		fmt.Fprintf(p.Stdout, "%s: no problems\n", file)
		return commandline.ExitDone
	}
	if failed := write(p.Stdout, problems); failed != nil {
		return p.Fail(fmt.Errorf("cannot print the problems: %w", failed))
	}
	if len(problems) > 0 {
		return commandline.ExitInput
	}
	return commandline.ExitDone
}

// The workflow commands of GitHub's runners (docs.github.com, "Workflow commands for GitHub Actions") keep a line's end and a
// percent sign only in this form, and within a property a colon and a comma, too.
var (
	forMessage  = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	forProperty = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

func writeGitHub(w io.Writer, problems problem.List) error {
	for _, p := range problems {
		where := "file=" + forProperty.Replace(p.File)
		if p.Line > 0 {
			where += fmt.Sprintf(",line=%d,col=%d", p.Line, max(1, p.Column))
		}
		if _, err := fmt.Fprintf(w, "::error %s::%s\n", where, forMessage.Replace(text(p))); err != nil {
			return err
		}
	}
	return nil
}

func writeSARIF(w io.Writer, problems problem.List) error {
	var results []sarif.Result
	for _, p := range problems {
		results = append(results, sarif.Result{Rule: "manifest", Why: "A manifest must say what can be done.", Level: "error",
			Message: text(p), File: p.File, Line: p.Line, Column: p.Column})
	}
	return sarif.Write(w, "oneclick lint", commandline.BuildVersion, results)
}

// text is a problem without its place.
func text(p problem.Problem) string {
	message := problem.Printable(p.Message)
	if p.Path != "" {
		message = p.Path + ": " + message
	}
	if p.Hint != "" {
		message += "\n" + problem.Printable(p.Hint)
	}
	return message
}
