package host

import (
	"context"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
)

// A context that ends ends a command within a second, whatever the command does against it.
func TestACommandIsOverWithinASecondOfItsContext(t *testing.T) {
	t.Parallel()
	h, err := Open("/")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	for name, script := range map[string]string{
		"it ignores signals":                        `trap "" TERM INT HUP; sleep 7 & while :; do sleep 7; done`,
		"a child outside of its group has the pipe": `setsid sleep 7 & sleep 7`,
		"it is over and a daemon has the pipe":      `setsid sleep 7 & exit 0`,
		"it never reads its input":                  `sleep 7`,
		"it prints for ever":                        `while :; do echo yes; done`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			var ended time.Time
			time.AfterFunc(300*time.Millisecond, func() { ended = time.Now(); cancel() })
			_, err := h.Run(ctx, Command{Argv: []string{"sh", "-c", script}, Stdin: make([]byte, 1<<20)})
			if took := time.Since(ended); err == nil || err.Error() != "sh did not end in time" || took > time.Second {
				t.Errorf("%v after its context ended: %v", took, err)
			}
		})
	}
}

// So does one that has the terminal, after a moment in which it may put the terminal right.
func TestACommandWithTheTerminalIsOverWithinASecondOfItsContext(t *testing.T) {
	t.Parallel()
	machine, err := Open("/")
	if err != nil {
		t.Fatal(err)
	}
	defer machine.Close()
	master, terminal, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	defer terminal.Close()
	h := *machine
	h.Terminal = terminal
	for script, want := range map[string]string{
		`trap "" TERM; while :; do sleep 0.1; done`:                       "sh did not end in time",
		`trap "echo put right; exit 0" TERM; while :; do sleep 0.1; done`: "",
	} {
		ctx, cancel := context.WithCancel(t.Context())
		var ended time.Time
		time.AfterFunc(300*time.Millisecond, func() { ended = time.Now(); cancel() })
		_, err := h.Run(ctx, Command{Argv: []string{"sh", "-c", script}, Terminal: true})
		got := ""
		if err != nil {
			got = err.Error()
		}
		if took := time.Since(ended); got != want && !strings.Contains(got, "did not end in time") || took > time.Second {
			t.Errorf("%s: %v after its context ended: %v", script, took, err)
		}
	}
}

// What a command started in its own group is gone as well.
func TestWhatACommandStartedEndsWithIt(t *testing.T) {
	t.Parallel()
	h, err := Open("/")
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	file := t.TempDir() + "/pid"
	h.Run(ctx, Command{Argv: []string{"sh", "-c", "sleep 60 & echo $! >" + file + "; wait"}})
	pid, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	number := 0
	for _, digit := range strings.TrimSpace(string(pid)) {
		number = 10*number + int(digit-'0')
	}
	for try := 0; syscall.Kill(number, 0) == nil; try++ {
		if state, err := os.ReadFile("/proc/" + strings.TrimSpace(string(pid)) + "/stat"); err == nil && strings.Contains(string(state), ") Z ") {
			break // ended, and not yet waited for by whoever inherited it
		}
		if try > 100 {
			t.Fatalf("process %d still runs", number)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
