package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"oneclick-agent/agent/commandline"
	"oneclick-agent/agent/facts"
	"oneclick-agent/agent/problem"
	"oneclick-agent/agent/secret"
)

func (a *agent) addSecrets() {
	group := a.treeFlags(a.Group("secrets", "list the secrets, show one, or bring lost ones back"))
	a.Add(group, commandline.Command{
		Use: "list", Does: "list the names of the secrets", Brief: true, Ends: commandline.FailedEnd,
		Run: func(context.Context, []string) int { return a.withStore(func(int) bool { return true }, a.listSecrets) },
	})
	a.Add(group, commandline.Command{
		Use: "show NAME", Does: "print one secret, or one part of it", Most: 1, Brief: true, Ends: commandline.FailedEnd,
		Completes: a.secretNames,
		Examples:  []string{"oneclick-agent secrets show admin_password", "oneclick-agent secrets show deploy_key.public"},
		Run: func(_ context.Context, names []string) int {
			if len(names) == 0 {
				return a.Refuse("secrets show wants the name of a secret; see: oneclick-agent secrets list")
			}
			nothing := func(stored int) bool { return stored == 0 }
			return a.withStore(nothing, func(store *secret.Store) int { return a.showSecret(store, names[0]) })
		},
	})
	a.Add(group, commandline.Command{
		Use: "restore [NAME]", Does: "bring back what the store lost", Most: 1,
		About: "Without a name it takes what " + secret.PasswordsPath + " has; with one it takes the value on standard input.",
		Ends:  map[int]string{commandline.ExitFailed: "failed", commandline.ExitPending: "some secrets are still lost"},
		Run:   a.restoreSecrets,
	})
}

// withStore does something with the store. That secrets are lost matters where lossMatters says so, told how many there are.
func (a *agent) withStore(lossMatters func(stored int) bool, use func(*secret.Store) int) int {
	h, err := a.open()
	if err != nil {
		return a.Fail(err)
	}
	defer h.Close()
	store, err := secret.Open(h.Files)
	if err != nil {
		return a.Fail(err)
	}
	if lost := facts.CheckStore(h.Files, store); lost != nil && lossMatters(len(store.Names())) {
		return a.Fail(lost)
	}
	return use(store)
}

// secretNames are the secrets of this Droplet, for completion in a shell; none where they cannot be read.
func (a *agent) secretNames() []string {
	h, err := a.open()
	if err != nil {
		return nil
	}
	defer h.Close()
	store, err := secret.Open(h.Files)
	if err != nil {
		return nil
	}
	return store.Names()
}

func (a *agent) listSecrets(store *secret.Store) int {
	names := store.Names()
	if a.JSON {
		return a.WriteJSON(map[string]any{"secrets": append([]string{}, names...)})
	}
	for _, name := range names {
		fields, _ := store.Get(name)
		line := name
		if _, plain := fields[""]; !plain {
			line += "  (" + strings.Join(slices.Sorted(maps.Keys(fields)), ", ") + ")"
		}
		fmt.Fprintln(a.Stdout, line)
	}
	return commandline.ExitDone
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
		return a.Refuse("there is no secret %q; %s", problem.OneLine(name), problem.DidYouMean(name, store.Names()))
	}
	if a.JSON {
		revealed := map[string]string{}
		for key, value := range fields {
			revealed[key] = value.Reveal()
		}
		return a.WriteJSON(revealed)
	}
	value, ok := fields[field]
	if !ok {
		parts := strings.Join(slices.Sorted(maps.Keys(fields)), ", "+name+".")
		return a.Refuse("%s has parts; name one: %s.%s", name, name, parts)
	}
	fmt.Fprintln(a.Stdout, strings.TrimSuffix(value.Reveal(), "\n"))
	return commandline.ExitDone
}
