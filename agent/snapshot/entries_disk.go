package snapshot

import (
	"context"
	"errors"
	"fmt"
	"time"

	"oneclick-agent/agent/disk"
)

// diskEntries come when nothing is deleted any more.
func diskEntries() []Entry {
	return []Entry{{
		ID: eraseEntry, Severity: High, Mode: Default, Action: Zero, Silent: true,
		Reason:  "deleted files are still on the disk, and in the snapshot, until something else is written there",
		Touches: []string{"every writable file system of the Droplet's own disk"},
		Find: func(_ context.Context, i *Image) (subjects []Subject, _ error) {
			for _, mount := range i.Files.SnapshotMounts() {
				subjects = append(subjects, Subject{Name: mount.Point})
			}
			if i.Live() && len(subjects) == 0 {
				return nil, errors.New("the root file system is on no disk that is known here, and its free space was not erased")
			}
			return subjects, nil
		},
		Clean: func(ctx context.Context, i *Image, point string) error {
			for _, mount := range i.Files.SnapshotMounts() {
				if mount.Point != point {
					continue
				}
				done, err := disk.EraseFree(ctx, i.Files, mount, i.eraseProgress(point))
				if err == nil {
					i.Report(
						fmt.Sprintf(
							"%s: %d MB free, of which %d MB held something and were overwritten; discarded: %t; journal cleared: %t",
							point,
							done.Free>>20,
							done.Zeroed>>20,
							done.Trimmed,
							done.Journal,
						),
					)
				}
				return err
			}
			return nil
		},
	}}
}

const progressEvery = 2 * time.Second

// eraseProgress tells how far the erasing is, and when it will be done.
func (i *Image) eraseProgress(point string) func(done, total int64) {
	began := time.Now()
	last := began
	return func(done, total int64) {
		if now := time.Now(); done > 0 && now.Sub(last) > progressEvery {
			last = now
			left := time.Duration(float64(now.Sub(began)) * float64(total-done) / float64(done))
			i.Report(
				fmt.Sprintf(
					"erasing the free space of %s: %d of %d MB, about %s left",
					point,
					done>>20,
					total>>20,
					left.Round(time.Second),
				),
			)
		}
	}
}
