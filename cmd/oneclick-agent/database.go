package main

import (
	"context"
	"errors"
	"fmt"

	"oneclick-agent/agent/database"
	"oneclick-agent/agent/droplet"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/problem"
)

func (a *agent) database(ctx context.Context, arguments []string) int {
	reveal := a.flags.Bool("reveal", false, "show the password too")
	rest, code, ok := a.parse(arguments)
	if !ok {
		return code
	}
	if len(rest) != 1 || rest[0] != "url" && rest[0] != "test" && rest[0] != "show" {
		return a.refuse("use database url, database test or database show")
	}
	h, err := a.open()
	if err != nil {
		return a.fail(err)
	}
	defer h.Close()
	a.metadata = droplet.NoMetadata
	setup, err := a.gather(ctx, h)
	if err != nil {
		return a.fail(err)
	}
	if setup.Unusable != nil {
		return a.fail(setup.Unusable)
	}
	c, ok := setup.Database()
	if !ok {
		reason := "no managed database was chosen for this Droplet"
		if setup.Awaited != "" {
			reason = setup.Awaited
		}
		a.fail(errors.New(problem.OneLine(reason)))
		return exitPending
	}
	switch rest[0] {
	case "url":
		if a.json {
			a.stdout = a.revealed
			return a.writeJSON(map[string]string{"url": c.URL().Reveal()})
		}
		fmt.Fprintln(a.revealed, c.URL().Reveal())
		return exitDone
	case "show":
		return a.showDatabase(c, *reveal)
	}
	return a.testDatabase(ctx, h, c)
}

func (a *agent) showDatabase(c database.Connection, reveal bool) int {
	password := c.Password.String()
	if reveal {
		password, a.stdout = c.Password.Reveal(), a.revealed
	}
	if a.json {
		return a.writeJSON(map[string]any{"engine": c.Engine, "host": c.Host, "port": c.Port, "user": c.User, "password": password,
			"name": c.Name, "ca": c.CA, "tls": c.TLS})
	}
	fmt.Fprintf(a.stdout, "engine:   %s\nhost:     %s\nport:     %d\nuser:     %s\npassword: %s\nname:     %s\ntls:      %s\n",
		c.Engine, problem.OneLine(c.Host), c.Port, problem.OneLine(c.User), password, problem.OneLine(c.Name), c.Verified())
	return exitDone
}

func (a *agent) testDatabase(ctx context.Context, h *host.Host, c database.Connection) int {
	version, err := database.Login(ctx, h, c)
	var failed *database.LoginError
	if err != nil && !errors.As(err, &failed) {
		return a.fail(err)
	}
	if a.json {
		answer := map[string]any{"ok": err == nil, "version": version, "tls": c.Verified()}
		if failed != nil {
			answer["layer"], answer["message"], answer["next"] = failed.Layer, failed.Reason, failed.Advice
		}
		a.writeJSON(answer)
	} else if failed != nil {
		fmt.Fprintf(a.stdout, "%s\n%s\n", problem.OneLine(failed.Reason), problem.OneLine(failed.Advice))
	} else {
		fmt.Fprintf(a.stdout, "%s answers; %s\n", problem.OneLine(version), c.Verified())
	}
	if failed != nil {
		return exitPending
	}
	return exitDone
}
