// Package host is the only door to the machine: files below a root directory, commands, systemd units,
// accounts, the clock, HTTP. Everything else in the program reaches the machine through it, so that the
// same code works on a running Droplet, on a directory tree, and in a test that cuts the power.
package host

import (
	"context"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Host is one machine, or one directory tree that stands for one.
type Host struct {
	Files *Root
	Units Units
	Now   func() time.Time
	// Redact takes secrets out of a text that leaves the program. It is nil as long as none are known.
	Redact func(text string) string
	// Progress receives one line about what is going on, redacted, and the step that it is about, "" for none. It may
	// be nil.
	Progress func(line, step string)
	// Terminal is the terminal that commands may be given; nil where nobody sits at one.
	Terminal *os.File
	// StandIn carries commands out in the place of Run, for a trial on a tree that has none of its own. It is nil elsewhere.
	StandIn func(ctx context.Context, command Command) ([]byte, error)
	// Held is told the name of a unit whose start has to wait for another unit first. It may be nil.
	Held func(unit string)
}

// Open returns the machine whose files are below dir. With "/" it is this machine, and units are handled by
// its systemd; anywhere else units are only enabled, on disk, and nothing of this machine is touched.
func Open(dir string) (*Host, error) {
	files, err := OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	h := &Host{Files: files, Now: time.Now}
	if files.IsMachine() {
		h.Units = &liveUnits{host: h}
	} else {
		h.Units = &offlineUnits{files: files}
	}
	return h, nil
}

// Live reports whether the tree is this running machine, so that services can be started and addresses asked.
func (h *Host) Live() bool { return h.Files.IsMachine() }

// Close lets go of the tree and of systemd.
func (h *Host) Close() error {
	h.Units.Close()
	return h.Files.Close()
}

// Report passes one line of progress on.
func (h *Host) Report(line string) { h.ReportStep(line, "") }

// ReportStep passes one line about a step on.
func (h *Host) ReportStep(line, step string) {
	if h.Progress != nil {
		h.Progress(h.Redacted(line), step)
	}
}

// Redacted is a text without secrets.
func (h *Host) Redacted(text string) string {
	if h.Redact == nil {
		return text
	}
	return h.Redact(text)
}

// Sleep waits for d, or returns ctx's error when that ends first.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// privileged reports whether this process may give files away and enter a chroot.
func privileged() bool { return ownUID == 0 }

// ownUID and ownGID are whom this process acts as, for its whole life: each file that is looked at asks for them.
var ownUID, ownGID = os.Geteuid(), os.Getegid()

// KernelRelease is the version of the kernel that runs, as uname -r prints it.
func KernelRelease() string {
	var name unix.Utsname
	if unix.Uname(&name) != nil {
		return ""
	}
	return unix.ByteSliceToString(name.Release[:])
}
