package lab

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// The addresses of the lab's network: a documentation range, and the metadata service's link-local address.
const (
	Gateway         = "203.0.113.1"
	DropletAddress  = "203.0.113.10"
	MetadataAddress = "169.254.169.254"
	tap             = "tap0"
)

// Network is a network namespace of its own with a bridge, on which a Droplet, its metadata service and its
// database server meet. Nothing in it reaches any other network.
type Network struct{ name string }

// networks numbers the namespaces of this process; making one is not safe beside another on a machine that never
// had any, because each ip(8) then mounts /run/netns.
var (
	networks atomic.Int64
	making   sync.Mutex
)

// NewNetwork makes the namespace. Close takes it away with everything in it.
func NewNetwork(ctx context.Context) (*Network, error) {
	n := &Network{name: fmt.Sprintf("droplet-lab-%d-%d", os.Getpid(), networks.Add(1))}
	making.Lock()
	defer making.Unlock()
	command(ctx, "ip", "netns", "delete", n.name) // of a run that was killed
	for _, arguments := range [][]string{
		{"netns", "add", n.name},
		{"-n", n.name, "link", "set", "lo", "up"},
		// Always the same hardware address: a frozen Droplet remembers it.
		{"-n", n.name, "link", "add", "bridge0", "address", "02:00:00:00:00:01", "type", "bridge"},
		{"-n", n.name, "address", "add", MetadataAddress + "/16", "dev", "bridge0"},
		{"-n", n.name, "address", "add", Gateway + "/24", "dev", "bridge0"},
		{"-n", n.name, "link", "set", "bridge0", "up"},
		{"-n", n.name, "tuntap", "add", tap, "mode", "tap"},
		{"-n", n.name, "link", "set", tap, "master", "bridge0"},
		{"-n", n.name, "link", "set", tap, "up"},
	} {
		if err := command(ctx, "ip", arguments...); err != nil {
			n.Close()
			return nil, err
		}
	}
	return n, nil
}

// Close removes the namespace.
func (n *Network) Close() error {
	return command(context.Background(), "ip", "netns", "delete", n.name)
}

// Command is a command that runs inside the namespace.
func (n *Network) Command(ctx context.Context, name string, arguments ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", n.name, name}, arguments...)...)
}

// Listen opens a listening socket inside the namespace; it stays there.
func (n *Network) Listen(address string) (net.Listener, error) {
	var listener net.Listener
	err := n.inside(func() (err error) {
		listener, err = net.Listen("tcp", address)
		return err
	})
	return listener, err
}

// Dial connects from inside the namespace.
func (n *Network) Dial(ctx context.Context, address string) (net.Conn, error) {
	var conn net.Conn
	err := n.inside(func() (err error) {
		conn, err = (&net.Dialer{}).DialContext(ctx, "tcp", address)
		return err
	})
	return conn, err
}

// inside runs a function on a thread that has entered the namespace. The thread is given up afterwards.
func (n *Network) inside(do func() error) error {
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		namespace, err := os.Open(filepath.Join("/run/netns", n.name))
		if err != nil {
			result <- err
			return
		}
		defer namespace.Close()
		if err := unix.Setns(int(namespace.Fd()), unix.CLONE_NEWNET); err != nil {
			result <- fmt.Errorf("cannot enter the network namespace: %w", err)
			return
		}
		result <- do()
	}()
	return <-result
}
