package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"oneclick-agent/agent/commandline"
	"oneclick-agent/agent/facts"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/lint"
	"oneclick-agent/agent/secret"
	"oneclick-agent/agent/state"
)

const (
	// restoreWithin is how long a restoration waits for a setup that is at work.
	restoreWithin = 5 * time.Minute
	// maxEntered is the longest value that is taken from standard input, in bytes: a chain of certificates.
	maxEntered = 1 << 20
)

// restoreSecrets brings back what the store lost: with a name the value on standard input, else all that the list for people
// has. Secrets that are computed from those are made again then.
func (a *agent) restoreSecrets(ctx context.Context, names []string) int {
	h, err := a.open()
	if err != nil {
		return a.Fail(err)
	}
	defer h.Close()
	store, _ := secret.Open(h.Files) // a damaged one is what this is for
	m, err := lint.Read(h, a.manifestPath())
	if err != nil {
		return a.Fail(err)
	}
	lock, err := h.Files.Acquire(ctx, state.Lock, host.Wish{Doing: "secrets restore", Within: restoreWithin, Told: func(holder host.Holder) {
		fmt.Fprintln(a.Stderr, "waiting for "+holder.String())
	}})
	if err != nil {
		return a.Fail(err)
	}
	defer lock.Close()
	var restored []string
	if len(names) == 0 {
		restored, err = store.Restore(m)
	} else {
		var entered []byte
		if entered, err = io.ReadAll(io.LimitReader(os.Stdin, maxEntered)); err == nil {
			restored, err = names, store.RestoreOne(m, names[0], string(entered))
		}
	}
	if err != nil {
		return a.Fail(err)
	}
	lost, err := facts.Remake(ctx, h, m, a.manifestPath())
	if err != nil {
		return a.Fail(err)
	}
	return a.tellRestored(restored, lost)
}

func (a *agent) tellRestored(restored, lost []string) int {
	code := commandline.ExitDone
	if len(lost) > 0 {
		code = commandline.ExitPending
	}
	for i := range restored {
		restored[i] = strings.TrimPrefix(restored[i], "answers.")
	}
	if a.JSON {
		a.WriteJSON(map[string]any{"restored": append([]string{}, restored...), "lost": append([]string{}, lost...)})
		return code
	}
	switch {
	case len(restored) > 0:
		fmt.Fprintf(a.Stdout, "restored %s\n", strings.Join(restored, ", "))
	case len(lost) == 0:
		fmt.Fprintln(a.Stdout, "nothing is lost")
	}
	if len(lost) > 0 {
		fmt.Fprintf(a.Stderr, "oneclick-agent: %s does not have %s; find each where the app keeps it, and enter it on standard input of: "+
			"oneclick-agent secrets restore NAME; what is nowhere any more is made anew with: oneclick-agent rotate --lost NAME\n",
			secret.PasswordsPath, strings.Join(lost, ", "))
	} else if len(restored) > 0 {
		fmt.Fprintln(a.Stdout, "nothing is lost any more; if a setup stopped, go on with: oneclick-agent first-boot")
	}
	return code
}
