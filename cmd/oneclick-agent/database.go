package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"oneclick-agent/agent/commandline"
	"oneclick-agent/agent/database"
	"oneclick-agent/agent/droplet"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/problem"
)

func (a *agent) addDatabase() {
	group := a.treeFlags(a.Group("database", "show, test or print the database's address"))
	waits := map[int]string{commandline.ExitFailed: "failed", commandline.ExitPending: "there is no managed database, or it does not answer"}
	add := func(name, does string, use func(context.Context, *host.Host, database.Connection) int) *cobra.Command {
		return a.Add(group, commandline.Command{Use: name, Does: does, Ends: waits, Run: func(ctx context.Context, _ []string) int {
			return a.database(ctx, use)
		}})
	}
	add("url", "print the database's address, the password in it", a.databaseURL)
	add("test", "log in to the database, and say what stands in the way", a.testDatabase)
	var reveal bool
	show := add("show", "show what is known of the database", func(_ context.Context, _ *host.Host, c database.Connection) int {
		return a.showDatabase(c, reveal)
	})
	show.Flags().BoolVar(&reveal, "reveal", false, "show the password too")
}

// database does something with the managed database of this Droplet.
func (a *agent) database(ctx context.Context, use func(context.Context, *host.Host, database.Connection) int) int {
	h, err := a.open()
	if err != nil {
		return a.Fail(err)
	}
	defer h.Close()
	a.metadata = droplet.NoMetadata
	setup, err := a.gather(ctx, h)
	if err != nil {
		return a.Fail(err)
	}
	if setup.Unusable != nil {
		return a.Fail(setup.Unusable)
	}
	c, ok := setup.Database()
	if !ok {
		reason := "no managed database was chosen for this Droplet"
		if setup.Awaited != "" {
			reason = setup.Awaited
		}
		a.Fail(errors.New(problem.OneLine(reason)))
		return commandline.ExitPending
	}
	return use(ctx, h, c)
}

func (a *agent) databaseURL(_ context.Context, _ *host.Host, c database.Connection) int {
	if a.JSON {
		a.Stdout = a.revealed
		return a.WriteJSON(map[string]string{"url": c.URL().Reveal()})
	}
	fmt.Fprintln(a.revealed, c.URL().Reveal())
	return commandline.ExitDone
}

func (a *agent) showDatabase(c database.Connection, reveal bool) int {
	password := c.Password.String()
	if reveal {
		password, a.Stdout = c.Password.Reveal(), a.revealed
	}
	if a.JSON {
		return a.WriteJSON(map[string]any{"engine": c.Engine, "host": c.Host, "port": c.Port, "user": c.User, "password": password,
			"name": c.Name, "ca": c.CA, "tls": c.TLS})
	}
	fmt.Fprintf(a.Stdout, "engine:   %s\nhost:     %s\nport:     %d\nuser:     %s\npassword: %s\nname:     %s\ntls:      %s\n",
		c.Engine, problem.OneLine(c.Host), c.Port, problem.OneLine(c.User), password, problem.OneLine(c.Name), c.Verified())
	return commandline.ExitDone
}

func (a *agent) testDatabase(ctx context.Context, h *host.Host, c database.Connection) int {
	version, err := database.Login(ctx, h, c)
	var failed *database.LoginError
	if err != nil && !errors.As(err, &failed) {
		return a.Fail(err)
	}
	if a.JSON {
		answer := map[string]any{"ok": err == nil, "version": version, "tls": c.Verified()}
		if failed != nil {
			answer["layer"], answer["message"], answer["next"] = failed.Layer, failed.Reason, failed.Advice
		}
		a.WriteJSON(answer)
	} else if failed != nil {
		fmt.Fprintf(a.Stdout, "%s\n%s\n", problem.OneLine(failed.Reason), problem.OneLine(failed.Advice))
	} else {
		fmt.Fprintf(a.Stdout, "%s answers; %s\n", problem.OneLine(version), c.Verified())
	}
	if failed != nil {
		return commandline.ExitPending
	}
	return commandline.ExitDone
}
