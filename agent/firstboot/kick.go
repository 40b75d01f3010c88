package firstboot

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"

	"oneclick-agent/agent/engine"
	"oneclick-agent/agent/facts"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/journal"
	"oneclick-agent/agent/state"
	"oneclick-agent/agent/status"
)

const (
	// Unit is the service that carries first boot out.
	Unit = "oneclick-first-boot.service"
	// HookPath is our script among cloud-init's per-instance scripts.
	HookPath = "/var/lib/cloud/scripts/per-instance/000-oneclick"
	// semaphore is what cloud-init writes before it runs the per-instance scripts of an instance.
	semaphore = "/var/lib/cloud/instances/%s/sem/config_scripts_per_instance"

	// hookWithin is how long the hook holds cloud-init up for a first boot.
	hookWithin = 10 * time.Minute
	hookAsks   = 250 * time.Millisecond
)

// marked reports whether the hook left its mark for this Droplet.
func marked(f *facts.Facts) bool {
	data, err := f.Host.Files.ReadFile(state.Due, 1<<10)
	return err == nil && strings.TrimSpace(string(data)) == f.Droplet.ID
}

// handedOver closes the gap between cloud-init's semaphore, which says that the per-instance scripts need no
// further run, and our mark: a power cut there would lose the hook for good. The semaphore counts when it is
// younger than our hook's arrival; on the machine that the image is built on, it is older.
func handedOver(f *facts.Facts) bool {
	sem, err := f.Host.Files.Stat(fmt.Sprintf(semaphore, f.Droplet.ID))
	if err != nil {
		return false
	}
	hook, err := f.Host.Files.Stat(HookPath)
	if err != nil {
		return false
	}
	arrival, ok := hook.Sys().(*syscall.Stat_t)
	return ok && sem.ModTime().After(time.Unix(arrival.Ctim.Unix()))
}

// Kick is the whole work of cloud-init's hook: it leaves a durable mark, starts our unit, and waits for it within
// a bound, so that "cloud-init status --wait" covers a normal first boot. It returns one line for the log and
// whether first boot failed.
func Kick(ctx context.Context, f *facts.Facts) (line string, failed bool) {
	h := f.Host
	if err := state.MakeDirectory(h.Files); err != nil {
		return err.Error(), true
	}
	if _, err := h.Files.WriteFile(state.Due, []byte(f.Droplet.ID+"\n"), host.Mode(0o600)); err != nil {
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
			return kicked(f, err)
		case <-ask.C:
			// A unit that first boot starts may be ordered after cloud-init, which waits for this hook: letting
			// go here unties the knot.
			if record, err := journal.Read(h.Files, state.Journal); err == nil && held(record) {
				return inOneLine(f)
			}
		}
	}
}

func held(record journal.State) bool {
	return slices.ContainsFunc(record.Steps, func(step journal.Step) bool {
		return step.State == journal.StepRunning && step.Message == engine.Held
	})
}

// kicked is the hook's line about how first boot stands.
func kicked(f *facts.Facts, startError error) (line string, failed bool) {
	if record, err := journal.Read(f.Host.Files, state.Journal); err == nil && record.Phase == journal.Fresh {
		if startError == nil {
			startError = errors.New("it left no trace")
		}
		return fmt.Sprintf("first boot could not begin: %v; see: journalctl -u %s", startError, Unit), true
	}
	return inOneLine(f)
}

// inOneLine is how the setup stands, and whether it failed.
func inOneLine(f *facts.Facts) (line string, failed bool) {
	stands, err := status.Read(f.Host, f)
	if err != nil {
		return err.Error(), true
	}
	return stands.Line(), stands.State == status.Failed
}

// KickWithout is the hook's line where the manifest, or what else a setup is made from, cannot be read.
func KickWithout(h *host.Host, cause error) string {
	stands, err := status.ReadWithout(h, cause)
	if err != nil {
		return err.Error()
	}
	return stands.Line()
}
