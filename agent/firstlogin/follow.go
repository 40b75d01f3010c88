package firstlogin

import (
	"context"
	"fmt"
	"strings"
	"time"

	"oneclick-agent/agent/facts"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/journal"
	"oneclick-agent/agent/problem"
	"oneclick-agent/agent/status"
)

const (
	followEvery = 200 * time.Millisecond
	// plainEvery is how often a terminal that is read aloud hears that something still runs.
	plainEvery = 10 * time.Second
)

// Follower shows the progress of a setup on a terminal until it ends, a key is pressed, or the context ends.
type Follower struct {
	Host     *host.Host
	Setup    *facts.Facts
	Terminal *Terminal
	// Plain never moves the cursor.
	Plain bool
	// Over says whether a status is the end.
	Over func(status.Status) bool
}

// Follow returns the last status, and whether a key was pressed.
func (f *Follower) Follow(ctx context.Context) (stands status.Status, left bool, err error) {
	pressed := make(chan struct{})
	restore := f.Terminal.keys()
	defer restore()
	stop := f.watchKeys(pressed)
	defer stop()
	fmt.Fprintln(f.Terminal.file, "Press a key for the shell at any time; it goes on without you.")
	shown := map[string]journal.StepState{}
	var last time.Time
	for {
		if stands, err = status.Read(f.Host, f.Setup); err != nil {
			return stands, false, err
		}
		f.showEnded(stands, shown)
		if f.Over(stands) {
			f.clear()
			return stands, false, nil
		}
		if !f.Plain {
			f.line(running(stands))
		} else if time.Since(last) >= plainEvery {
			last = time.Now()
			fmt.Fprintln(f.Terminal.file, running(stands))
		}
		select {
		case <-ctx.Done():
			f.clear()
			return stands, true, context.Cause(ctx)
		case <-pressed:
			f.clear()
			return stands, true, nil
		case <-time.After(followEvery):
		}
	}
}

// watchKeys waits for a key by poll(2), so that nothing is read which belongs to the shell but that key.
func (f *Follower) watchKeys(pressed chan<- struct{}) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			ready := f.Terminal.ready(followEvery)
			select {
			case <-done:
				return // what is typed from now on belongs to the shell
			default:
			}
			if ready {
				var key [64]byte
				f.Terminal.file.Read(key[:])
				close(pressed)
				return
			}
		}
	}()
	return func() {
		close(done)
		<-ended
	}
}

// showEnded prints each step once it has ended.
func (f *Follower) showEnded(stands status.Status, shown map[string]journal.StepState) {
	for _, step := range stands.Steps {
		if step.State == journal.StepWaiting || step.State == journal.StepRunning || shown[step.ID] == step.State {
			continue
		}
		shown[step.ID] = step.State
		f.clear()
		line := fmt.Sprintf("  %-8s %s", step.State, problem.OneLine(step.ID))
		if step.Message != "" && step.State != journal.StepDone {
			line += ": " + problem.OneLine(step.Message)
		}
		fmt.Fprintln(f.Terminal.file, line)
	}
}

// running is the step at work, how long it has been, and how long it may take.
func running(stands status.Status) string {
	for i, step := range stands.Steps {
		if step.State == journal.StepRunning {
			text := fmt.Sprintf("%d/%d %s, %.0f s", i+1, len(stands.Steps), problem.OneLine(step.ID), step.Seconds)
			if step.Within > 0 {
				text += fmt.Sprintf(" of at most %.0f s", step.Within)
			}
			return text
		}
	}
	if stands.State == status.Pending {
		return "Waiting: " + problem.OneLine(stands.Message)
	}
	return "Getting ready"
}

// line replaces the last line of the terminal.
func (f *Follower) line(text string) {
	fmt.Fprint(f.Terminal.file, "\r\x1b[K"+cut(text, f.Terminal.columns()-1))
}

func (f *Follower) clear() {
	if !f.Plain {
		fmt.Fprint(f.Terminal.file, "\r\x1b[K")
	}
}

func cut(text string, columns int) string {
	if runes := []rune(text); columns > 0 && len(runes) > columns {
		return string(runes[:columns])
	}
	return text
}

// AtWork reports, from what lies ready, whether a login should be shown the first boot at work. It is asked at each
// login of root until first boot is finished.
func AtWork(h *host.Host, s *facts.Facts) bool {
	stands, err := status.Read(h, s)
	return err == nil && (stands.State == status.Running || stands.State == status.Fresh && !cloudInitIsDone(h))
}

func cloudInitIsDone(h *host.Host) bool { return h.Files.Exists("/run/cloud-init/result.json") }

// Words are the end of a first boot for somebody who watched it.
func Words(stands status.Status) string {
	switch stands.State {
	case status.Done, status.Clone:
		return "The setup of this Droplet is done."
	case status.Degraded:
		return "The setup of this Droplet is done, but something optional failed. See: oneclick-agent status"
	case status.Failed:
		return "The setup of this Droplet FAILED: " + problem.OneLine(stands.Message) + "\nNext: " + problem.OneLine(stands.Next)
	}
	return strings.TrimSpace("The setup of this Droplet waits: "+problem.OneLine(stands.Message)) + "\nNext: " + problem.OneLine(stands.Next)
}
