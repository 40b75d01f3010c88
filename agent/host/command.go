package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"
)

// searchPath is where a command without a slash is looked for, and the PATH that commands get.
const searchPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

const (
	// MaxOutput is how much of a command's output is kept, in bytes: its beginning and its end, because the cause of a
	// failure is printed last.
	MaxOutput = 1 << 20
	// outputGrace is how long a finished command's children may hold its output open.
	outputGrace = 5 * time.Second
	// politely is how long a command that has the terminal may take to put it right when it is told to end.
	politely = 400 * time.Millisecond
	// endWithin is how long after its context a command is waited for. What the kernel cannot end is left behind.
	endWithin = 700 * time.Millisecond
)

// ErrNoChroot says that a command of a tree cannot be run, because entering the tree needs root.
var ErrNoChroot = errors.New("commands of another root directory run only as root")

// Command is a program to run: an argument list, never a shell's line. Argv must not hold secrets, because
// every user of the machine can read it; Stdin and Env may.
type Command struct {
	Argv  []string
	As    *Account // nil is the user this process runs as
	Dir   string   // "" is the account's home directory, or "/"
	Env   map[string]string
	Stdin []byte
	// Together puts what goes to standard error among what goes to standard output, in the order of writing.
	Together bool
	// Terminal gives the command the host's terminal for its input and output; nothing is kept of what it prints.
	Terminal bool
	// Into, when set, is the command's standard output, without a detour through this process: what the command
	// prints is there, whatever becomes of us. Run returns nothing of it then.
	Into *os.File
}

// CommandError says how a command ended that did not end well. Its text holds nothing that the command printed.
type CommandError struct {
	Name   string
	Status int    // exit status; -1 when a signal ended it
	Reason string // "exited with status 1", "was killed by SIGTERM", "did not end in time"
	// Printed is what went to standard output, and then what went to standard error. It may hold secrets: redact it before
	// it is shown.
	Printed []byte
}

func (e *CommandError) Error() string { return fmt.Sprintf("%s %s", e.Name, e.Reason) }

// Run runs a command to its end and returns its standard output, at most 1 MiB of it. When ctx ends first, the
// command and everything in its process group are killed, and Run is over within a second. In a tree that
// is not this machine's own root it runs in a chroot; ErrNoChroot says that it cannot.
func (h *Host) Run(ctx context.Context, command Command) ([]byte, error) {
	if len(command.Argv) == 0 {
		return nil, errors.New("cannot run an empty command")
	}
	name := command.Argv[0]
	if h.StandIn != nil {
		if err := h.Files.before("run", name); err != nil {
			return nil, err
		}
		return h.StandIn(ctx, command)
	}
	if !h.Live() && !privileged() {
		return nil, ErrNoChroot
	}
	executable, err := h.Files.lookCommand(name)
	if err != nil {
		return nil, fmt.Errorf("cannot run %s: %w", name, err)
	}
	if err := h.Files.before("run", name); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, executable)
	cmd.Args = command.Argv
	cmd.Err = nil // the path was looked up in the tree, not on this machine
	var stdout, stderr output
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if command.Together {
		cmd.Stderr = &stdout
	}
	if command.Into != nil {
		cmd.Stdout = command.Into
	}
	cmd.Stdin = bytes.NewReader(command.Stdin)
	h.confine(cmd, command)
	if command.Terminal && h.Terminal != nil {
		// In our own process group, which is the terminal's foreground one.
		cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.SysProcAttr.Setpgid = h.Terminal, h.Terminal, h.Terminal, false
		cmd.Cancel = func() error {
			time.AfterFunc(politely, func() { cmd.Process.Kill() })
			return cmd.Process.Signal(syscall.SIGTERM)
		}
		cmd.Env = append(cmd.Env, "TERM="+os.Getenv("TERM"))
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("cannot run %s: %w", name, plain(err))
	}
	err, ended := wait(ctx, cmd)
	printed := stdout.take()
	everything := slices.Concat(printed, stderr.take())
	switch {
	case !ended:
		return printed, &CommandError{Name: name, Status: -1, Reason: notInTime, Printed: everything}
	case err == nil, errors.Is(err, exec.ErrWaitDelay) && cmd.ProcessState.Success():
		return printed, nil // a daemon that it left behind may still hold its output open
	}
	return printed, describe(ctx, name, cmd, everything)
}

// wait waits for a command's end. After its context's end it waits a moment longer, for a command that was killed, and
// tells that it gave up: somebody may hold the output open, and no signal ends a process that waits for a broken disk.
func wait(ctx context.Context, cmd *exec.Cmd) (err error, ended bool) {
	over := make(chan error, 1)
	go func() { over <- cmd.Wait() }()
	select {
	case err := <-over:
		return err, true
	case <-ctx.Done():
	}
	select {
	case err := <-over:
		return err, true
	case <-time.After(endWithin):
		return nil, false
	}
}

// confine sets up what surrounds the command: its environment, directory, account, root and process group.
func (h *Host) confine(cmd *exec.Cmd, command Command) {
	home, user := "/root", "root"
	attributes := &syscall.SysProcAttr{Setpgid: true}
	if as := command.As; as != nil {
		home, user = as.Home, as.Name
		if privileged() {
			attributes.Credential = &syscall.Credential{Uid: uint32(as.UID), Gid: uint32(as.GID), Groups: as.Groups}
		}
	}
	if !h.Live() {
		attributes.Chroot = h.Files.Dir()
	}
	cmd.SysProcAttr = attributes
	cmd.Dir = command.Dir
	if cmd.Dir == "" {
		cmd.Dir = "/"
		if h.Files.Exists(home) {
			cmd.Dir = home
		}
	}
	environment := map[string]string{
		"PATH": searchPath, "HOME": home, "USER": user, "LOGNAME": user, "LANG": "C.UTF-8",
		"DEBIAN_FRONTEND": "noninteractive",
	}
	for key, value := range command.Env {
		environment[key] = value
	}
	for key, value := range environment {
		cmd.Env = append(cmd.Env, key+"="+value)
	}
	slices.Sort(cmd.Env)
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = outputGrace
}

const notInTime = "did not end in time"

func describe(ctx context.Context, name string, cmd *exec.Cmd, printed []byte) error {
	failure := &CommandError{Name: name, Status: cmd.ProcessState.ExitCode(), Printed: printed}
	status, _ := cmd.ProcessState.Sys().(syscall.WaitStatus)
	switch {
	case ctx.Err() != nil:
		failure.Reason = notInTime
	case status.Signaled():
		failure.Reason = "was killed by " + signalName(status.Signal())
	default:
		failure.Reason = fmt.Sprintf("exited with status %d", failure.Status)
	}
	return failure
}

func signalName(signal syscall.Signal) string {
	switch signal {
	case syscall.SIGKILL:
		return "SIGKILL"
	case syscall.SIGTERM:
		return "SIGTERM"
	case syscall.SIGSEGV:
		return "SIGSEGV"
	}
	return signal.String()
}

// HasCommand reports whether the tree has an executable of this name.
func (h *Host) HasCommand(name string) bool {
	_, err := h.Files.lookCommand(name)
	return err == nil
}

// lookCommand finds an executable in the tree.
func (r *Root) lookCommand(name string) (string, error) {
	candidates := []string{name}
	if !strings.Contains(name, "/") {
		candidates = nil
		for _, directory := range strings.Split(searchPath, ":") {
			candidates = append(candidates, path.Join(directory, name))
		}
	}
	for _, candidate := range candidates {
		info, err := r.Stat(candidate)
		if err != nil {
			continue
		}
		if !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
			return "", fmt.Errorf("%s is not an executable file", candidate)
		}
		return candidate, nil
	}
	return "", errNoCommand{}
}

// errNoCommand says that a command is not there. It is fs.ErrNotExist.
type errNoCommand struct{}

func (errNoCommand) Error() string { return "there is no such command on this image" }
func (errNoCommand) Unwrap() error { return fs.ErrNotExist }
