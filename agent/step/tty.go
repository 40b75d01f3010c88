package step

import (
	"context"

	"oneclick-agent/agent/host"
)

// TTY hands the terminal over to a program; its exit status decides.
type TTY struct{ Run }

// Apply needs somebody at a terminal.
func (t *TTY) Apply(ctx context.Context, h *host.Host) error {
	if h.Terminal == nil {
		return &Wait{t.Command.Argv[0] + " needs a terminal", "log in as root, or run: oneclick-agent first-login"}
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
