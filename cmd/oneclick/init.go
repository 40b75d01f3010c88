package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"charm.land/huh/v2"

	"oneclick-agent/agent/commandline"
	"oneclick-agent/agent/firstlogin"
	"oneclick-agent/agent/problem"
	"oneclick-agent/agent/starter"
)

// noDatabase is how somebody says that there is none.
const noDatabase = "none"

func (o *oneclick) addInit() {
	var choice starter.Choice
	command := o.Add(o.Root(), commandline.Command{
		Use: "init [DIRECTORY]", Does: "write a directory that an image begins with", Most: 1,
		About: "It asks four questions, or takes the answers as flags: the app's name, its kind, its database, and whether the " +
			"customer is asked " +
			"for a domain. What it writes lints, can be tried at once, and has what Packer builds it with. No file that is there is overwritten.",
		Examples: []string{
			"oneclick init my-app",
			"oneclick init --name 'Acme Notes' --kind go --database postgresql --domain my-app",
		},
		Ends: commandline.FailedEnd,
		Run: func(ctx context.Context, arguments []string) int {
			return o.initialise(ctx, directory(arguments), choice)
		},
	})
	flags := command.Flags()
	flags.StringVar(&choice.Name, "name", "", "the app's `NAME`, as people read it")
	flags.StringVar(&choice.Kind, "kind", "", "what the app is: "+strings.Join(starter.KindNames(), ", "))
	flags.StringVar(&choice.Database, "database", "", "its database: "+strings.Join(databases(), ", "))
	flags.BoolVar(&choice.Domain, "domain", false, "ask the customer for a domain")
}

// databases are what can be said of a database.
func databases() []string { return append([]string{noDatabase}, starter.Databases()...) }

func (o *oneclick) initialise(ctx context.Context, where string, choice starter.Choice) int {
	if choice.Name == "" || choice.Kind == "" {
		if !firstlogin.AtTerminal() {
			return o.Refuse("--name and --kind are missing, and there is no terminal to ask at")
		}
		if err := ask(ctx, &choice); errors.Is(err, huh.ErrUserAborted) {
			return o.Refuse("nothing was written")
		} else if err != nil {
			return o.Fail(fmt.Errorf("cannot ask: %w", err))
		}
	}
	if choice.Database == noDatabase {
		choice.Database = ""
	}
	if err := choice.Validate(); err != nil {
		return o.Fail(commandline.Input(err))
	}
	files, err := choice.Files()
	if err != nil {
		return o.Fail(err)
	}
	written, err := writeNew(where, files)
	if err != nil {
		return o.Fail(err)
	}
	fmt.Fprintf(o.Stdout, "%s written into %s; read app.yaml, then: oneclick try %[2]s\n", problem.Count(len(written), "file"), where)
	return commandline.ExitDone
}

// ask asks for what was not said.
func ask(ctx context.Context, choice *starter.Choice) error {
	var kinds []huh.Option[string]
	for _, kind := range starter.Kinds() {
		kinds = append(kinds, huh.NewOption(kind.Name+": "+kind.Does, kind.Name))
	}
	isName := func(text string) error {
		return starter.Choice{Name: text, Kind: starter.Kinds()[0].Name}.Validate()
	}
	return huh.NewForm(huh.NewGroup(
		huh.NewInput().Title("What is the app called?").Value(&choice.Name).Validate(isName),
		huh.NewSelect[string]().Title("What is it?").Options(kinds...).Value(&choice.Kind),
		huh.NewSelect[string]().Title("Which database does it need?").Options(huh.NewOptions(databases()...)...).Value(&choice.Database),
		huh.NewConfirm().Title("Is the customer asked for a domain?").Value(&choice.Domain),
	)).WithAccessible(os.Getenv("ACCESSIBLE") != "").RunWithContext(ctx)
}
