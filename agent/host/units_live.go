package host

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/dbus"
)

// heldAfter is how long a job may wait in systemd's queue before that is reported. Waiting for a unit that only
// takes its time to start is no reason.
const heldAfter = 20 * time.Second

// liveUnits speaks with this machine's systemd over D-Bus.
type liveUnits struct {
	host *Host
	mu   sync.Mutex
	bus  *dbus.Conn
}

func (u *liveUnits) Running() bool { return true }

// connection goes by the system bus, and straight to systemd where no bus runs.
func (u *liveUnits) connection(ctx context.Context) (*dbus.Conn, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.bus != nil && u.bus.Connected() {
		return u.bus, nil
	}
	// The connection outlives the deadline of the first call that needs it.
	bus, err := dbus.NewWithContext(context.WithoutCancel(ctx))
	if err != nil {
		if bus, err = dbus.NewSystemdConnectionContext(context.WithoutCancel(ctx)); err != nil {
			return nil, fmt.Errorf("cannot reach systemd: %w", err)
		}
	}
	u.bus = bus
	return bus, nil
}

func (u *liveUnits) Close() {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.bus != nil {
		u.bus.Close()
		u.bus = nil
	}
}

func (u *liveUnits) DaemonReload(ctx context.Context) error {
	bus, err := u.connection(ctx)
	if err == nil {
		err = bus.ReloadContext(ctx)
	}
	if err != nil {
		return fmt.Errorf("cannot make systemd read its units again: %w", err)
	}
	return nil
}

func (u *liveUnits) State(ctx context.Context, unit string) (UnitState, error) {
	bus, err := u.connection(ctx)
	if err != nil {
		return UnitState{}, err
	}
	properties, err := bus.GetAllPropertiesContext(ctx, unit)
	if err != nil {
		return UnitState{}, fmt.Errorf("cannot ask systemd about %s: %w", unit, err)
	}
	text := func(name string) string {
		value, _ := properties[name].(string)
		return value
	}
	condition, known := properties["ConditionResult"].(bool)
	restarts, _ := properties["NRestarts"].(uint32)
	return UnitState{
		Load: text("LoadState"), Active: text("ActiveState"), Sub: text("SubState"), Result: text("Result"),
		Condition: condition || !known, AtBoot: text("UnitFileState"),
		Type: text("Type"), Restarts: restarts,
	}, nil
}

func (u *liveUnits) Do(ctx context.Context, verb Verb, unit string) error {
	if err := u.host.Files.before(string(verb), unit); err != nil {
		return err
	}
	bus, err := u.connection(ctx)
	if err != nil {
		return fmt.Errorf("cannot %s %s: %w", verb, unit, err)
	}
	if verb.AtBoot() {
		err = u.changeBoot(ctx, bus, verb, unit)
	} else {
		err = u.job(ctx, bus, verb, unit)
	}
	if err != nil {
		return fmt.Errorf("cannot %s %s: %w", verb, unit, err)
	}
	return nil
}

func (u *liveUnits) changeBoot(ctx context.Context, bus *dbus.Conn, verb Verb, unit string) error {
	var links []string
	switch verb {
	case Enable:
		_, changes, err := bus.EnableUnitFilesContext(ctx, []string{unit}, false, true)
		if err != nil {
			return err
		}
		for _, change := range changes {
			links = append(links, change.Filename)
		}
	case Disable:
		changes, err := bus.DisableUnitFilesContext(ctx, []string{unit}, false)
		if err != nil {
			return err
		}
		for _, change := range changes {
			links = append(links, change.Filename)
		}
	case Mask:
		changes, err := bus.MaskUnitFilesContext(ctx, []string{unit}, false, true)
		if err != nil {
			return err
		}
		for _, change := range changes {
			links = append(links, change.Filename)
		}
	}
	// systemd does not sync what it links.
	for _, link := range links {
		if directory := strings.TrimPrefix(filepath.Dir(link), "/"); u.host.Files.Exists(directory) {
			if err := u.host.Files.syncDirectory(directory); err != nil {
				return err
			}
		}
	}
	if len(links) == 0 {
		return nil
	}
	return bus.ReloadContext(ctx)
}

// job queues a job and waits for its end. systemd's word for the end is "done", "failed", "dependency", ….
func (u *liveUnits) job(ctx context.Context, bus *dbus.Conn, verb Verb, unit string) error {
	result := make(chan string, 1)
	queue := map[Verb]func(context.Context, string, string, chan<- string) (int, error){
		Start: bus.StartUnitContext, Stop: bus.StopUnitContext, Restart: bus.RestartUnitContext,
		TryRestart: bus.TryRestartUnitContext, ReloadUnit: bus.ReloadUnitContext,
	}[verb]
	if queue == nil {
		return errors.New("systemd knows no such verb")
	}
	id, err := queue(ctx, unit, "replace", result)
	if err != nil {
		if strings.Contains(err.Error(), "not found") {
			return errors.New("there is no such unit on this image; install it when the image is built")
		}
		return err
	}
	if id == 0 {
		return nil // nothing to do: try-restart of a unit that does not run
	}
	held := u.host.Held
	ask := time.NewTicker(heldAfter)
	defer ask.Stop()
	for {
		select {
		case <-ctx.Done():
			return errors.New("it was not done in time; see: systemctl list-jobs")
		case <-ask.C:
			if held != nil && waitsInQueue(ctx, bus, unit) {
				held(unit)
				held = nil
			}
		case word := <-result:
			return u.jobEnd(ctx, word, unit)
		}
	}
}

func waitsInQueue(ctx context.Context, bus *dbus.Conn, unit string) bool {
	jobs, err := bus.ListJobsContext(ctx)
	if err != nil {
		return false
	}
	for _, job := range jobs {
		if job.Unit == unit && job.Status == "waiting" {
			return true
		}
	}
	return false
}

func (u *liveUnits) jobEnd(ctx context.Context, word, unit string) error {
	switch word {
	case "done", "skipped":
		return nil
	case "dependency":
		return fmt.Errorf("a unit it needs failed; see: systemctl list-dependencies %s", unit)
	}
	state, err := u.State(ctx, unit)
	if err != nil {
		return fmt.Errorf("it ended as %q", word)
	}
	return fmt.Errorf("it ended as %q (%s, result %s); see: journalctl -u %s", word, state.Active, state.Result, unit)
}
