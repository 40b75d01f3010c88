package host

import "context"

// Verb is what can be asked of a unit.
type Verb string

// The verbs of units. The first four act on a running system; the others on what happens at boot.
const (
	Start      Verb = "start"
	Stop       Verb = "stop"
	Restart    Verb = "restart"
	TryRestart Verb = "try-restart" // restarts what runs, leaves alone what does not
	ReloadUnit Verb = "reload"

	Enable  Verb = "enable"
	Disable Verb = "disable"
	Mask    Verb = "mask"
)

// AtBoot reports whether the verb is about what happens at boot, and so works on a tree that does not run.
func (v Verb) AtBoot() bool { return v == Enable || v == Disable || v == Mask }

// UnitState is systemd's view of a unit, in systemd's own words.
type UnitState struct {
	Load   string // loaded, not-found, masked, …
	Active string // active, inactive, failed, activating, …
	Sub    string
	Result string // success, exit-code, timeout, …
	// Type is simple, exec, notify, forking, oneshot, …; "" for what is no service.
	Type string
	// Restarts is how often systemd started it again because it died.
	Restarts uint32
	// Condition is false when systemd last declined to start it because of a Condition…= line.
	Condition bool
	// AtBoot is enabled, disabled, static, masked, …
	AtBoot string
}

// Units handles systemd's units.
type Units interface {
	// Do carries out a verb and waits until it is done.
	Do(ctx context.Context, verb Verb, unit string) error
	State(ctx context.Context, unit string) (UnitState, error)
	// DaemonReload makes systemd read unit files and drop-ins again.
	DaemonReload(ctx context.Context) error
	// Running reports whether units can be started: whether this is a running system.
	Running() bool
	Close()
}
