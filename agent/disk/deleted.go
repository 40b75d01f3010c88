package disk

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"oneclick-agent/agent/host"
)

const deletedMark = " (deleted)"

// DeletedFiles are files below a directory of this machine that were deleted while a process has them open: they are
// still on the disk, and still grow.
func DeletedFiles(h *host.Host, below string) []string {
	var found []string
	eachDeleted(h, below, func(_, name string) { found = append(found, name) })
	slices.Sort(found)
	return slices.Compact(found)
}

// EmptyDeleted empties a deleted file that DeletedFiles found, in whatever process has it open.
func EmptyDeleted(h *host.Host, name string) error {
	if err := h.Files.Announce("truncate", name); err != nil {
		return err
	}
	var failure error
	eachDeleted(h, name, func(handle, found string) {
		if found != name {
			return
		}
		if err := emptyHandle(handle); err != nil {
			failure = fmt.Errorf("cannot empty %s, which was deleted and is still open: %w", name, host.Cause(err))
		}
	})
	return failure
}

// emptyHandle empties the file behind an entry of /proc/PID/fd, if it still is a deleted one: the number may be another
// file's by now.
func emptyHandle(handle string) error {
	file, err := os.OpenFile(handle, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); !ok || stat.Nlink > 0 || !info.Mode().IsRegular() {
		return nil
	}
	return file.Truncate(0)
}

func eachDeleted(h *host.Host, below string, do func(handle, name string)) {
	if !h.Live() {
		return
	}
	handles, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, handle := range handles {
		target, err := os.Readlink(handle)
		if err != nil || !strings.HasPrefix(target, below) {
			continue
		}
		if name, deleted := strings.CutSuffix(target, deletedMark); deleted {
			if info, err := os.Stat(handle); err == nil && info.Mode().IsRegular() && info.Size() > 0 {
				do(handle, name)
			}
		}
	}
}
