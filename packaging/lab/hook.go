package lab

import (
	"context"
	"errors"
	"strings"
)

// WaitForHook waits until our program asks for metadata, as cloud-init's hook has it do; its start at each boot asks before
// that, when first boot is not due yet.
func (m *Machine) WaitForHook(ctx context.Context) error {
	for asked := 0; asked < 2; {
		select {
		case agent := <-m.lab.Metadata.Asked:
			if strings.HasPrefix(agent, "Go-http-client") {
				asked++
			}
		case <-m.ended:
			return errors.New("the Droplet went off before its first boot")
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
