package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"oneclick-agent/agent/facts"
	"oneclick-agent/agent/problem"
	"oneclick-agent/agent/secret"
)

func (a *agent) secrets(ctx context.Context, arguments []string) int {
	rest, code, ok := a.parse(arguments)
	if !ok {
		return code
	}
	h, err := a.open()
	if err != nil {
		return a.fail(err)
	}
	defer h.Close()
	store, err := secret.Open(h.Files)
	if len(rest) > 0 && len(rest) < 3 && rest[0] == "restore" { // works on a damaged store too
		return a.restoreSecrets(ctx, h, store, rest[1:])
	}
	if err != nil {
		return a.fail(err)
	}
	lost := facts.CheckStore(h.Files, store)
	switch {
	case lost != nil && len(rest) == 1 && rest[0] == "list", lost != nil && len(rest) == 2 && rest[0] == "show" && len(store.Names()) == 0:
		return a.fail(lost)
	case len(rest) == 1 && rest[0] == "list":
		return a.listSecrets(store)
	case len(rest) == 2 && rest[0] == "show":
		return a.showSecret(store, rest[1])
	}
	return a.refuse("use secrets list, secrets show NAME, or secrets restore [NAME]")
}

func (a *agent) listSecrets(store *secret.Store) int {
	names := store.Names()
	if a.json {
		return a.writeJSON(map[string]any{"secrets": append([]string{}, names...)})
	}
	for _, name := range names {
		fields, _ := store.Get(name)
		line := name
		if _, plain := fields[""]; !plain {
			line += "  (" + strings.Join(slices.Sorted(maps.Keys(fields)), ", ") + ")"
		}
		fmt.Fprintln(a.stdout, line)
	}
	return exitDone
}

// showSecret prints NAME, or one field of it: NAME.FIELD.
func (a *agent) showSecret(store *secret.Store, wanted string) int {
	name, field, _ := strings.Cut(wanted, ".")
	fields, ok := store.Get(name)
	for _, answer := range []string{wanted, "answers." + wanted} { // what was answered at first login
		if found, there := store.Get(answer); !ok && there {
			name, field, fields, ok = answer, "", found, true
		}
	}
	if !ok {
		return a.refuse("there is no secret %q; %s", problem.OneLine(name), problem.DidYouMean(name, store.Names()))
	}
	if a.json {
		revealed := map[string]string{}
		for key, value := range fields {
			revealed[key] = value.Reveal()
		}
		return a.writeJSON(revealed)
	}
	value, ok := fields[field]
	if !ok {
		parts := strings.Join(slices.Sorted(maps.Keys(fields)), ", "+name+".")
		return a.refuse("%s has parts; name one: %s.%s", name, name, parts)
	}
	fmt.Fprintln(a.stdout, strings.TrimSuffix(value.Reveal(), "\n"))
	return exitDone
}
