package step

import (
	"context"

	"oneclick-agent/agent/facts"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/journal"
	"oneclick-agent/agent/manifest"
)

// TTY is the kind that hands the terminal to a program.
func (kinds) TTY() Kind { return as(Traits{Within: TTYWithin, Tries: 1, Terminal: true}, newTTY) }

func newTTY(spec *manifest.TTY, f *facts.Filling) (Step, error) {
	r, err := newProcess(spec.Command, &spec.Process, f)
	if err != nil {
		return nil, err
	}
	return &TTY{Run: *r}, nil
}

// TTY hands the terminal over to a program; its exit status decides.
type TTY struct{ Run }

// Apply needs somebody at a terminal.
func (t *TTY) Apply(ctx context.Context, h *host.Host) error {
	if h.Terminal == nil {
		return &Wait{t.Command.Argv[0] + " needs a terminal", "log in as root, or run: oneclick-agent first-login", journal.ForPerson}
	}
	command := t.Command
	command.Terminal = true
	if t.As != "" {
		account, err := h.Account(t.As)
		if err != nil {
			return &Lasting{err}
		}
		command.As = account
	}
	_, err := h.Run(ctx, command)
	return err
}
