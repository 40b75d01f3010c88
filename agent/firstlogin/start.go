package firstlogin

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"oneclick-agent/agent/firstboot"
	"oneclick-agent/agent/host"
)

// Verdict is whether the wizard may start where it was called.
type Verdict int

// The verdicts.
const (
	Silent Verdict = iota // no person is there: not one byte may be printed
	Hint                  // a person is there, and does something else: one line
	Start
)

// otherPlaces are variables of terminals inside something else, where a question would come as a surprise.
var otherPlaces = []string{
	"TMUX",
	"STY",
	"VSCODE_IPC_HOOK_CLI",
	"VSCODE_GIT_IPC_HANDLE",
	"VSCODE_INJECTION",
	"INSIDE_EMACS",
	"SUDO_USER",
	"CI",
}

// MayStart decides by what is really there: the user, the terminal, the process in front of it. Somebody who typed the
// command is asked wherever there is a terminal; the line in .bashrc only where somebody has just logged in.
func MayStart(typed bool) Verdict {
	if os.Geteuid() != 0 || !AtTerminal() {
		return Silent
	}
	if typed {
		return Start
	}
	for _, name := range otherPlaces {
		if os.Getenv(name) != "" {
			return Hint
		}
	}
	for _, variable := range os.Environ() {
		if strings.HasPrefix(variable, "ANSIBLE_") {
			return Silent
		}
	}
	if os.Getenv("TERM_PROGRAM") == "vscode" || loggedInAsSomebodyElse() {
		return Hint
	}
	if !fromLoginShell() {
		return Silent
	}
	return Start
}

// AtTerminal reports whether somebody sits at a terminal that this process has to itself.
func AtTerminal() bool { return oneTerminal() && inForeground() }

// oneTerminal reports whether input, output and errors are one and the same terminal, which is also the process's own.
func oneTerminal() bool {
	var first unix.Stat_t
	for fd := range 3 {
		var stat unix.Stat_t
		if _, err := unix.IoctlGetTermios(fd, unix.TCGETS); err != nil || unix.Fstat(fd, &stat) != nil {
			return false
		}
		if fd == 0 {
			first = stat
		} else if stat.Rdev != first.Rdev {
			return false
		}
	}
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return false
	}
	tty.Close()
	return true
}

func inForeground() bool {
	group, err := unix.IoctlGetInt(0, unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

// loggedInAsSomebodyElse reports whether this session began as another user's, by su for example (audit's loginuid).
func loggedInAsSomebodyElse() bool {
	const unset = "4294967295"
	data, err := os.ReadFile("/proc/self/loginuid")
	id := string(bytes.TrimSpace(data))
	return err == nil && id != "0" && id != unset && id != ""
}

// fromLoginShell reports whether the shell that reads .bashrc is a login shell: "-bash", "bash -l".
func fromLoginShell() bool {
	data, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(os.Getppid()), "cmdline"))
	if err != nil {
		return false
	}
	arguments := strings.Split(string(data), "\x00")
	if strings.HasPrefix(arguments[0], "-") {
		return true
	}
	for _, argument := range arguments[1:] {
		if argument == "-l" || argument == "--login" {
			return true
		}
	}
	return false
}

// IsOpen reports, quickly, whether there may be anything left to ask.
func IsOpen(h *host.Host) bool { return firstboot.LoginOpen(h.Files) }
