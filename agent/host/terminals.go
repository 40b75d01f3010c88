package host

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// EndTerminals ends the programs of this machine that sit at a terminal, shells among them, as the loss of the
// connection would; what does not end in time is killed. Only the end of a machine is the time for it.
func (h *Host) EndTerminals(ctx context.Context, within time.Duration) {
	if !h.Live() {
		return
	}
	const look = 50 * time.Millisecond
	signalAll := func(signal syscall.Signal) {
		for _, pid := range atTerminals() {
			syscall.Kill(pid, signal)
		}
	}
	signalAll(syscall.SIGHUP)
	signalAll(syscall.SIGCONT) // a stopped one hears nothing else
	for deadline := time.Now().Add(within); len(atTerminals()) > 0 && time.Now().Before(deadline); {
		if Sleep(ctx, look) != nil {
			return
		}
	}
	signalAll(syscall.SIGKILL)
}

// atTerminals are the processes with a controlling terminal, but for this one (proc_pid_stat(5)).
func atTerminals() (pids []int) {
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		_, after, ok := strings.Cut(string(data), ") ") // the name may hold anything
		for strings.Contains(after, ") ") {
			_, after, _ = strings.Cut(after, ") ")
		}
		const terminal = 4 // behind the name: state, parent, group, session, terminal
		if fields := strings.Fields(after); ok && len(fields) > terminal && fields[terminal] != "0" && pid != os.Getpid() {
			pids = append(pids, pid)
		}
	}
	return pids
}

// CommandLines are the arguments of this machine's processes of a name, as /proc shows it.
func (h *Host) CommandLines(name string) (found [][]string) {
	if !h.Live() {
		return nil
	}
	files, _ := filepath.Glob("/proc/[0-9]*/comm")
	for _, file := range files {
		if comm, err := os.ReadFile(file); err != nil || strings.TrimSpace(string(comm)) != name {
			continue
		}
		if line, err := os.ReadFile(filepath.Join(filepath.Dir(file), "cmdline")); err == nil {
			found = append(found, strings.Split(strings.TrimRight(string(line), "\x00"), "\x00"))
		}
	}
	return found
}
