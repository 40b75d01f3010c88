package snapshot

import (
	"context"
	"errors"
	"fmt"
	"time"

	"oneclick-agent/agent/disk"
	"oneclick-agent/agent/host"
)

// finalUnit is a unit in memory that does nothing while the machine runs. It is ordered before everything that writes
// while it stops, and so is stopped after it: its end is the last chance to clean. The next boot knows nothing of it.
const (
	finalUnit     = "oneclick-final-sweep.service"
	finalUnitPath = "/run/systemd/system/" + finalUnit
	finalUnitText = `[Unit]
Description=Clean what the shutdown writes before the snapshot (oneclick-agent)
DefaultDependencies=no
After=local-fs.target
Before=systemd-random-seed.service systemd-update-utmp.service systemd-user-sessions.service systemd-logind.service
Before=systemd-timesyncd.service chrony.service chronyd.service
Before=rsyslog.service syslog-ng.service auditd.service systemd-journal-flush.service
Before=systemd-networkd.service NetworkManager.service networking.service
Before=ssh.service sshd.service cron.service multi-user.target
Conflicts=umount.target
Before=umount.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/true
ExecStop=/usr/bin/oneclick-agent pre-snapshot --final-sweep
TimeoutStopSec=120
StandardOutput=tty
StandardError=tty
TTYPath=/dev/console
`
)

// shellsWithin is how long shells that are still open may take to end.
const shellsWithin = 5 * time.Second

// Arm prepares the end of the cleaning, which comes with the shutdown, and returns what the operator has to do next.
func Arm(ctx context.Context, i *Image, ready bool) []string {
	if !i.Live() {
		return nil
	}
	next := "Next: shut this machine down now (systemctl poweroff), then take the snapshot. Do not reboot it, and do not log in again."
	if !ready {
		next = "Next: mend what failed, and run this again; it is not fit for a snapshot yet."
	}
	if err := arm(ctx, i.Host); err != nil {
		return []string{"warning: what the shutdown writes will not be cleaned: " + err.Error(), next}
	}
	return []string{"What the shutdown still writes (histories of open shells, logs, the random seed) is cleaned at its end.", next}
}

func arm(ctx context.Context, h *host.Host) error {
	if err := h.Files.MakeDirectory("/run/systemd/system", host.Attributes{}); err != nil {
		return err
	}
	if _, err := h.Files.WriteFile(finalUnitPath, []byte(finalUnitText), host.Mode(0o644)); err != nil {
		return err
	}
	if err := h.Units.DaemonReload(ctx); err != nil {
		return err
	}
	return h.Units.Do(ctx, host.Start, finalUnit)
}

// FinalSweep cleans what a machine writes until it is off. What it removes is overwritten first, because nothing erases
// free space afterwards.
func FinalSweep(ctx context.Context, image *Image) error {
	var failures []error
	image.EndTerminals(ctx, shellsWithin) // a shell writes its history down when it ends
	for _, entry := range Catalogue() {
		if !entry.Returns || entry.LiveOnly {
			continue
		}
		subjects, err := entry.find(ctx, image)
		failures = append(failures, err)
		for _, s := range subjects {
			if image.accepted(entry.ID, s.Name) != nil {
				continue
			}
			if err := entry.clean(ctx, image, s.Name, true); err != nil {
				failures = append(failures, fmt.Errorf("%s: %w", entry.ID, err))
			}
		}
		image.changed()
	}
	failures = append(failures, image.Files.SyncAll())
	disk.Checkpoint(image.Files, image.Files.SnapshotMounts())
	return errors.Join(failures...)
}
