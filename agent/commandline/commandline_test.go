package commandline

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/spf13/cobra"

	"oneclick-agent/agent/problem"
)

// program is one with a command that takes a flag and one argument, and a group.
func program(run func([]string) int) (p *Program, stdout, stderr *bytes.Buffer) {
	stdout, stderr = &bytes.Buffer{}, &bytes.Buffer{}
	p = New("sample", "shows how commands are read", stdout, stderr)
	sow := p.Add(p.Root(), Command{Use: "sow [PLANT]", Does: "sow one plant", Most: 1, Run: func(_ context.Context, arguments []string) int {
		return run(arguments)
	}})
	sow.Flags().Bool("deep", false, "sow it deep")
	group := p.Group("bed", "do something with a bed")
	p.Add(group, Command{Use: "dig", Does: "dig it", Run: func(context.Context, []string) int { return ExitPending }})
	p.Add(p.Root(), Command{Use: "greet", Does: "greet", Harmless: true, Run: func(context.Context, []string) int { return ExitFailed }})
	return p, stdout, stderr
}

func TestWhatIsTypedIsCarriedOutOrRefused(t *testing.T) {
	for _, test := range []struct {
		typed []string
		code  int
		said  string
	}{
		{[]string{"sow", "rose", "--deep"}, ExitDegraded, ""},
		{[]string{"sow", "--deep", "rose"}, ExitDegraded, ""},
		{[]string{"sow", "rose", "lily"}, ExitInput, "sample: sow takes no argument \"lily\"; see: sample sow --help\n"},
		{[]string{"sow", "--deap"}, ExitInput, "sample: sow takes no flag \"--deap\"; did you mean \"--deep\"?\n"},
		{[]string{"sow", "-x"}, ExitInput, "sample: sow takes no flag \"-x\"; see: sample sow --help\n"},
		{[]string{"sow", "--deep=perhaps"}, ExitInput, "sample: sow: invalid argument \"perhaps\" for \"--deep\" flag: strconv.ParseBool: " +
			"parsing \"perhaps\": invalid syntax; see: sample sow --help\n"},
		{[]string{"sew"}, ExitInput, "sample: there is no command \"sew\"; did you mean \"sow\"?\n"},
		{[]string{"s\x1b[2J"}, ExitInput, "sample: there is no command \"s\\\\x1b[2J\"; known here: sow, bed, greet, completion, help\n"},
		{[]string{"bed"}, ExitInput, "sample: bed wants one of its commands: dig\n"},
		{[]string{"bed", "dgi"}, ExitInput, "sample: bed has no command \"dgi\"; did you mean \"dig\"?\n"},
		{[]string{"bed", "dig"}, ExitPending, ""},
		{[]string{"greet"}, ExitDone, ""},
		{[]string{"greet", "loudly"}, ExitDone, "sample: greet takes no argument \"loudly\"; see: sample greet --help\n"},
		{[]string{"--version"}, ExitDone, ""},
		{[]string{"--verison"}, ExitInput, "sample: sample takes no flag \"--verison\"; did you mean \"--version\"?\n"},
	} {
		p, _, stderr := program(func([]string) int { return ExitDegraded })
		if code := p.Execute(t.Context(), test.typed); code != test.code || stderr.String() != test.said {
			t.Errorf("%q ended with %d and said %q; want %d and %q", test.typed, code, stderr, test.code, test.said)
		}
	}
}

func TestAnErrorIsToldOnceAndInTheFormThatWasAskedFor(t *testing.T) {
	t.Parallel()
	problems := problem.List{{Position: problem.Position{File: "app.yaml", Line: 3, Column: 1}, Message: "is wrong", Hint: "mend it"}}
	for _, test := range []struct {
		err                  error
		json                 bool
		code                 int
		wantStdout, wantSaid string
	}{
		{errors.New("the disk is gone\n"), false, ExitFailed, "", "sample: the disk is gone\n"},
		{errors.New("\x1b[31mred"), true, ExitFailed, "{\n  \"error\": \"\\\\x1b[31mred\"\n}\n", "sample: \\x1b[31mred\n"},
		{Refusal("no %s", "such thing"), false, ExitInput, "", "sample: no such thing\n"},
		{problems, false, ExitInput, "", "app.yaml:3:1: is wrong\n    mend it\n1 problem; nothing was changed\n"},
	} {
		var stdout, stderr bytes.Buffer
		o := Output{Name: "sample", Stdout: &stdout, Stderr: &stderr, JSON: test.json}
		if code := o.Fail(test.err); code != test.code || stdout.String() != test.wantStdout || stderr.String() != test.wantSaid {
			t.Errorf("%v ended with %d, printed %q and said %q", test.err, code, &stdout, &stderr)
		}
	}
}

func TestAPageSaysAllOfACommand(t *testing.T) {
	var out bytes.Buffer
	p := New("sample", "shows a page", &out, &out)
	command := p.Add(p.Root(), Command{
		Use: "sow PLANT", Does: "sow one plant", About: "It grows by itself.", Examples: []string{"sample sow rose"},
		Ends: map[int]string{ExitFailed: "it did not grow"}, Run: func(context.Context, []string) int { return 0 },
	})
	command.Flags().Int("depth", 2, "how deep, in `CENTIMETRES`")
	p.page(&out, command)
	const want = `
## sample sow

    sample sow PLANT [flags]

Sow one plant. It grows by itself.

Flags:

| flag | does |
| --- | --- |
| ` + "`--depth CENTIMETRES`" + ` | how deep, in CENTIMETRES (2 where nothing is said) |

Examples:

    sample sow rose

Exit codes:

| code | stands for |
| --- | --- |
| 0 | done |
| 1 | it did not grow |
| 2 | bad input; nothing was changed |
`
	if out.String() != want {
		t.Errorf("the page is %s", &out)
	}
}

// TestEveryShellGetsACompletion: what a shell is given is that shell's own.
func TestEveryShellGetsACompletion(t *testing.T) {
	for shell, generate := range completions {
		var out bytes.Buffer
		if err := generate(&cobra.Command{Use: "sample"}, &out); err != nil || !bytes.Contains(out.Bytes(), []byte(shell+" completion")) {
			t.Errorf("%s: %v, %.80q", shell, err, &out)
		}
	}
}
