package disk

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"oneclick-agent/agent/host"
)

// swapHeader is the first page of a swap area: its id, its label, and its size. mkswap(8) writes nothing behind it.
const swapHeader = 4096

// ErrNoSwap says that a file is not used as swap.
var ErrNoSwap = errors.New("it is not in use as swap")

// Swap is how much of the swap is used, and how much memory is available, in bytes; zeros where that cannot be told.
func Swap(h *host.Host) (used, available int64) {
	data, err := os.ReadFile("/proc/meminfo")
	if err != nil || !h.Live() {
		return 0, 0
	}
	values := map[string]int64{}
	for line := range strings.Lines(string(data)) {
		if fields := strings.Fields(line); len(fields) >= 2 {
			kilobytes, _ := strconv.ParseInt(fields[1], 10, 64)
			values[strings.TrimSuffix(fields[0], ":")] = kilobytes << 10
		}
	}
	return values["SwapTotal"] - values["SwapFree"], values["MemAvailable"]
}

// SwapFiles are the files that this machine uses as swap.
func SwapFiles(h *host.Host) (files []string) {
	data, err := os.ReadFile("/proc/swaps")
	if err != nil || !h.Live() {
		return nil
	}
	for line := range strings.Lines(string(data)) {
		if fields := strings.Fields(line); len(fields) >= 2 && fields[1] == "file" {
			files = append(files, host.Unescape(fields[0]))
		}
	}
	return files
}

// IsSwap reports whether mkswap(8) made the file a swap area, hibernated or not.
func IsSwap(files *host.Root, path string) bool {
	file, err := files.OpenRead(path)
	if err != nil {
		return false
	}
	defer file.Close()
	return swapData(file) > 0
}

// SwapOff takes a swap file of this machine out of use. It returns ErrNoSwap where it is in none.
func SwapOff(path string) error {
	name, err := unix.BytePtrFromString(path)
	if err != nil {
		return err
	}
	_, _, errno := unix.Syscall(unix.SYS_SWAPOFF, uintptr(unsafe.Pointer(name)), 0, 0)
	switch errno {
	case 0:
		return nil
	case unix.EINVAL:
		return ErrNoSwap
	}
	return fmt.Errorf("cannot take the swap file %s out of use: %w", path, errno)
}

// swapData is where the data of a swap file begins: behind the header, if it has one.
func swapData(file *os.File) int64 {
	head := make([]byte, swapHeader)
	if _, err := file.ReadAt(head, 0); err != nil {
		return 0
	}
	for _, signature := range []string{"SWAPSPACE2", "S1SUSPEND\x00", "S2SUSPEND\x00"} {
		if strings.HasSuffix(string(head), signature) {
			return swapHeader
		}
	}
	return 0
}

// SwapHoldsData reports whether a swap file has anything but zeros behind its header.
func SwapHoldsData(files *host.Root, path string) (bool, error) {
	file, err := files.OpenRead(path)
	if err != nil {
		return false, err
	}
	defer file.Close()
	buffer := make([]byte, 1<<20)
	for at := swapData(file); ; {
		from, err := unix.Seek(int(file.Fd()), at, unix.SEEK_DATA)
		if err != nil {
			return false, nil // only a hole is left
		}
		n, err := file.ReadAt(buffer, max(at, from))
		if !allZero(buffer[:n]) {
			return true, nil
		}
		if err != nil {
			if errors.Is(err, io.EOF) {
				return false, nil
			}
			return false, fmt.Errorf("cannot read the swap file %s: %w", path, host.Cause(err))
		}
		at = max(at, from) + int64(n)
	}
}

// ZeroSwap overwrites what is behind a swap file's header. It refuses a file that is mounted there or has another name.
func ZeroSwap(files *host.Root, path string) error {
	file, err := files.OpenOwn(path, "zero")
	if err != nil {
		return fmt.Errorf("cannot overwrite the swap file %s: %w", path, host.Cause(err))
	}
	defer file.Close()
	info, err := file.Stat()
	for at := swapData(file); err == nil && at < info.Size(); {
		var n int
		n, err = file.WriteAt(zeros[:min(int64(len(zeros)), info.Size()-at)], at)
		at += int64(n)
	}
	if err == nil {
		err = file.Sync()
	}
	if err != nil {
		return fmt.Errorf("cannot overwrite the swap file %s: %w", path, host.Cause(err))
	}
	return nil
}
