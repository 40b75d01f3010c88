package firstlogin

import (
	"context"
	"strings"

	"oneclick-agent/agent/status"
)

// MayMend reports whether a person can have a first boot that failed go on.
func MayMend(stands status.Status) bool { return stands.State == status.Failed && !stands.BootComplete }

// Mend begins with what failed at first boot, and offers to try again or to leave it. It returns how things stand then.
func (s *Session) Mend(ctx context.Context, stands status.Status) (status.Status, error) {
	for MayMend(stands) {
		again, err := s.wantsAgain(ctx, stands)
		if err != nil || !again {
			s.Terminal.Restore()
			return stands, nil // what it says, and what to do, was read
		}
		s.began("First boot is tried again. It goes on by itself, even when this connection ends.", nil)
		if err := s.runUnit(ctx, bootUnit); err != nil {
			return stands, s.leave(err)
		}
		if stands, err = status.Read(s.Setup.Host, s.Setup); err != nil {
			return stands, err
		}
	}
	s.Tell(stands)
	return stands, nil
}

func (s *Session) wantsAgain(ctx context.Context, stands status.Status) (bool, error) {
	if s.Idle > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, s.Idle, idleError(s.Idle))
		defer cancel()
	}
	w := &Wizard{Setup: s.Setup, Front: s.front(), Small: s.lineFront}
	answer, err := w.ask(ctx, Prompt{Problem: strings.Join(stands.Says, "\n"), Title: "First boot did not come to its end.", Kind: Choose,
		Value: "again", Of: 1, Options: []Option{{Value: "again", Label: "Try again now"}, {Value: "leave", Label: "Leave it for now"}}})
	return answer == "again", err
}
