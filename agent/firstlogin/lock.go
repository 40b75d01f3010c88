package firstlogin

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"oneclick-agent/agent/host"
	"oneclick-agent/agent/state"
)

const (
	// answerWithin is how long a holder may take to answer; after that it is ended.
	answerWithin = 3 * time.Second
	// freeWithin is how long the lock may take to come free once its holder was told to leave.
	freeWithin = 5 * time.Second
)

// ErrTakenOver is why a wizard ends that somebody else took over. Its answers are kept.
var ErrTakenOver = errors.New("somebody took this setup over at another terminal")

// Holder is who has the wizard open.
type Holder struct {
	Terminal string    `json:"terminal"`
	From     string    `json:"from"`
	Since    time.Time `json:"since"`
	Active   time.Time `json:"active"`
}

// String says it in words.
func (h Holder) String() string {
	text := "on " + h.Terminal
	if h.From != "" {
		text += " from " + h.From
	}
	return fmt.Sprintf("%s, since %s, last active %s ago", text, h.Since.Format("15:04"), time.Since(h.Active).Round(time.Second))
}

// Hold is the wizard's lock. The kernel frees it with the process; its holder answers on a socket.
type Hold struct {
	host     *host.Host
	lock     *os.File
	listener net.Listener
	holder   Holder
	active   atomic.Int64
	// Lost is called when somebody takes over.
	lost func()
}

// Take takes the lock, or returns host.ErrLocked.
func Take(h *host.Host, lost func()) (*Hold, error) {
	if err := h.Files.MakeDirectory("/run/oneclick", host.Mode(0o755)); err != nil {
		return nil, err
	}
	lock, err := h.Files.Lock(state.WizardLock)
	if err != nil {
		return nil, err
	}
	listener, err := h.ListenUnix(state.WizardSocket)
	if err != nil {
		lock.Close()
		return nil, err
	}
	terminal, _ := os.Readlink("/proc/self/fd/0")
	from, _, _ := strings.Cut(os.Getenv("SSH_CONNECTION"), " ")
	held := &Hold{
		host:     h,
		lock:     lock,
		listener: listener,
		lost:     lost,
		holder:   Holder{Terminal: strings.TrimPrefix(terminal, "/dev/"), From: from, Since: time.Now()},
	}
	held.Active()
	go held.serve()
	return held, nil
}

// Active notes that somebody is there.
func (h *Hold) Active() { h.active.Store(time.Now().UnixNano()) }

// Idle is how long nobody was.
func (h *Hold) Idle() time.Duration { return time.Since(time.Unix(0, h.active.Load())) }

// Release lets go of the lock.
func (h *Hold) Release() {
	h.host.Files.Remove(state.WizardSocket)
	h.listener.Close()
	h.lock.Close()
}

func (h *Hold) serve() {
	for {
		conn, err := h.listener.Accept()
		if err != nil {
			return
		}
		go h.answer(conn)
	}
}

// answer tells who holds the lock, and leaves when it is asked to. Only root can ask: the socket is 0600.
func (h *Hold) answer(conn net.Conn) {
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(answerWithin))
	line, err := bufio.NewReaderSize(conn, 64).ReadString('\n')
	if err != nil {
		return
	}
	holder := h.holder
	holder.Active = time.Unix(0, h.active.Load())
	json.NewEncoder(conn).Encode(holder)
	if line == "leave\n" {
		h.lost()
	}
}

// WhoHolds asks the holder of the lock.
func WhoHolds(ctx context.Context, h *host.Host) (Holder, error) {
	holder, _, err := ask(ctx, h, "who\n")
	return holder, err
}

// TakeOver makes the holder save and leave, and takes the lock. A holder that does not answer is ended: the kernel
// says which process it is.
func TakeOver(ctx context.Context, h *host.Host, lost func()) (*Hold, error) {
	if _, process, err := ask(ctx, h, "leave\n"); err != nil && process > 0 {
		unix.Kill(process, unix.SIGTERM)
	}
	deadline := time.Now().Add(freeWithin)
	for {
		held, err := Take(h, lost)
		if !errors.Is(err, host.ErrLocked) || time.Now().After(deadline) {
			return held, err
		}
		if err := host.Sleep(ctx, 50*time.Millisecond); err != nil {
			return nil, err
		}
	}
}

func ask(ctx context.Context, h *host.Host, what string) (holder Holder, process int, err error) {
	conn, err := h.DialUnix(state.WizardSocket, nil)
	if err != nil {
		return holder, 0, err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(answerWithin))
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if raw, err := conn.(*net.UnixConn).SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) {
			if peer, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
				process = int(peer.Pid)
			}
		})
	}
	if _, err := conn.Write([]byte(what)); err != nil {
		return holder, process, err
	}
	return holder, process, json.NewDecoder(conn).Decode(&holder)
}
