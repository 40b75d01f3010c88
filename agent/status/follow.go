package status

import (
	"context"
	"fmt"
	"io"
	"time"

	"oneclick-agent/agent/host"
	"oneclick-agent/agent/journal"
	"oneclick-agent/agent/problem"
)

// look is how often a status that is followed is read.
const look = 200 * time.Millisecond

// Follow reads the status again and again until the setup is over, waits for a person, or ctx ends, and tells each step
// whose state changed to w. It returns the last status.
func Follow(ctx context.Context, read func() (Status, error), w io.Writer) (Status, error) {
	shown := map[string]journal.StepState{}
	message := ""
	for {
		status, err := read()
		if err != nil {
			return status, err
		}
		for _, step := range status.Steps {
			if step.State != journal.StepWaiting && shown[step.ID] != step.State {
				shown[step.ID] = step.State
				writeStep(w, step)
			}
		}
		if status.State == Pending && status.Message != message {
			fmt.Fprintf(w, "  pending          %s\n", problem.OneLine(status.Message))
		}
		message = status.Message
		over := status.Waits == journal.ForPerson || status.State != Fresh && status.State != Running && status.State != Pending
		if over || host.Sleep(ctx, look) != nil {
			return status, nil
		}
	}
}
