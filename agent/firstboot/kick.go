package firstboot

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"syscall"
	"time"

	"oneclick-agent/agent/host"
	"oneclick-agent/agent/journal"
)

const (
	// Unit is the service that carries first boot out.
	Unit = "oneclick-first-boot.service"
	// duePath is what the hook leaves: the id of the Droplet that cloud-init handed over.
	duePath = "/var/lib/oneclick/due"
	// HookPath is our script among cloud-init's per-instance scripts.
	HookPath = "/var/lib/cloud/scripts/per-instance/000-oneclick"
	// semaphore is what cloud-init writes before it runs the per-instance scripts of an instance.
	semaphore = "/var/lib/cloud/instances/%s/sem/config_scripts_per_instance"

	// hookWithin is how long the hook holds cloud-init up for a first boot.
	hookWithin = 10 * time.Minute
	hookAsks   = 250 * time.Millisecond
	// heldMessage stands in the journal when a unit's start waits for another unit, which may be cloud-init itself.
	heldMessage = "its start waits for another unit"
)

// marked reports whether the hook left its mark for this Droplet.
func marked(s *Setup) bool {
	data, err := s.Host.Files.ReadFile(duePath, 1<<10)
	return err == nil && strings.TrimSpace(string(data)) == s.Droplet.ID
}

// handedOver closes the gap between cloud-init's semaphore, which says that the per-instance scripts need no
// further run, and our mark: a power cut there would lose the hook for good. The semaphore counts when it is
// younger than our hook's arrival; on the machine that the image is built on, it is older.
func handedOver(s *Setup) bool {
	sem, err := s.Host.Files.Stat(fmt.Sprintf(semaphore, s.Droplet.ID))
	if err != nil {
		return false
	}
	hook, err := s.Host.Files.Stat(HookPath)
	if err != nil {
		return false
	}
	arrival, ok := hook.Sys().(*syscall.Stat_t)
	return ok && sem.ModTime().After(time.Unix(arrival.Ctim.Unix()))
}

// Kick is the whole work of cloud-init's hook: it leaves a durable mark, starts our unit, and waits for it within
// a bound, so that "cloud-init status --wait" covers a normal first boot. It returns one line for the log and
// whether first boot failed.
func Kick(ctx context.Context, s *Setup) (line string, failed bool) {
	h := s.Host
	if err := h.Files.MakeDirectory(path.Dir(duePath), host.Mode(0o700)); err != nil {
		return err.Error(), true
	}
	if _, err := h.Files.WriteFile(duePath, []byte(s.Droplet.ID+"\n"), host.Mode(0o600)); err != nil {
		return err.Error(), true
	}
	ctx, cancel := context.WithTimeout(ctx, hookWithin)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- h.Units.Do(ctx, host.Start, Unit) }()
	ask := time.NewTicker(hookAsks)
	defer ask.Stop()
	for {
		select {
		case err := <-done:
			return kicked(h, err)
		case <-ask.C:
			// A unit that first boot starts may be ordered after cloud-init, which waits for this hook: letting
			// go here unties the knot.
			if state, err := journal.Read(h.Files, journal.Path); err == nil && held(state) {
				return "first boot goes on in the background; follow it with: oneclick-agent status --wait", false
			}
		}
	}
}

func held(state journal.State) bool {
	for _, step := range state.Steps {
		if step.State == "running" && step.Message == heldMessage {
			return true
		}
	}
	return false
}

func kicked(h *host.Host, startError error) (line string, failed bool) {
	state, err := journal.Read(h.Files, journal.Path)
	if err != nil {
		return err.Error(), true
	}
	switch state.Phase {
	case "done", "degraded":
		return fmt.Sprintf("first boot is %s after %.0f s", state.Phase, state.Ended.Sub(state.Began).Seconds()), false
	case "pending":
		return "first boot is pending: " + state.Message, false
	case "failed":
		return "first boot failed: " + state.Message + "; see: oneclick-agent status", true
	case "running":
		return "first boot goes on in the background; follow it with: oneclick-agent status --wait", false
	}
	if startError == nil {
		startError = errors.New("it left no trace")
	}
	return fmt.Sprintf("first boot could not begin: %v; see: journalctl -u %s", startError, Unit), true
}
