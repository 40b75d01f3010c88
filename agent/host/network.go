package host

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// maxBody is the most of an HTTP answer that is read, in bytes.
const maxBody = 1 << 20

// Get fetches a URL without a proxy and without following redirects, and returns the status and at most 1 MiB
// of the body. The deadline is ctx's.
func (h *Host) Get(ctx context.Context, address string) (status int, body []byte, err error) {
	return send(ctx, call{address: address})
}

// GetUnverified is Get for a server whose certificate nobody can verify, such as this Droplet's own.
func (h *Host) GetUnverified(ctx context.Context, address string) (status int, body []byte, err error) {
	return send(ctx, call{address: address, unverified: true})
}

// GetWith is Get with headers, which are never in its errors.
func (h *Host) GetWith(ctx context.Context, address string, headers map[string]string) (status int, body []byte, err error) {
	return send(ctx, call{address: address, headers: headers})
}

// Patch sends a body with the method PATCH. The headers are never in its errors.
func (h *Host) Patch(ctx context.Context, address string, headers map[string]string, body []byte) (status int, answer []byte, err error) {
	return send(ctx, call{method: http.MethodPatch, address: address, headers: headers, body: body})
}

// GetUnix fetches a path over a UNIX socket of the tree, as Docker's API is served.
func (h *Host) GetUnix(ctx context.Context, socket, path string) (status int, body []byte, err error) {
	return send(ctx, call{address: "http://localhost" + path, dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}})
}

// call is one HTTP request.
type call struct {
	method  string // GET where it is empty
	address string
	headers map[string]string
	body    []byte
	// unverified takes any certificate.
	unverified bool
	dial       func(ctx context.Context, network, address string) (net.Conn, error)
}

func send(ctx context.Context, c call) (int, []byte, error) {
	fail := func(err error) (int, []byte, error) {
		var urlError *url.Error
		if errors.As(err, &urlError) {
			err = urlError.Err
		}
		return 0, nil, fmt.Errorf("cannot %s %s: %w", strings.ToLower(cmp.Or(c.method, http.MethodGet)), c.address, err)
	}
	client := http.Client{
		Transport: &http.Transport{
			DisableKeepAlives: true, DialContext: c.dial, ResponseHeaderTimeout: 30 * time.Second,
			TLSClientConfig: &tls.Config{InsecureSkipVerify: c.unverified},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	request, err := http.NewRequestWithContext(ctx, c.method, c.address, bytes.NewReader(c.body))
	if err != nil {
		return fail(err)
	}
	for name, value := range c.headers {
		if name != "" {
			request.Header.Set(name, value)
		}
	}
	response, err := client.Do(request)
	if err != nil {
		return fail(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBody))
	if err != nil {
		return fail(err)
	}
	return response.StatusCode, body, nil
}

// Dial opens and closes a connection: it answers whether something listens.
func (h *Host) Dial(ctx context.Context, network, address string) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return err
	}
	return conn.Close()
}

// Lookup resolves a name to its addresses.
func (h *Host) Lookup(ctx context.Context, name string) ([]netip.Addr, error) {
	addresses, err := net.DefaultResolver.LookupNetIP(ctx, "ip", name)
	for i := range addresses {
		addresses[i] = addresses[i].Unmap()
	}
	return addresses, err
}

// unixWithin is how long a connection to a socket of this machine may wait to be accepted.
const unixWithin = 10 * time.Second

// DialUnix connects to a UNIX socket of this machine. With an account the server sees that one's user id behind the
// connection, as it would see a process of that user (unix(7), SO_PEERCRED): root only.
func (h *Host) DialUnix(socket string, as *Account) (net.Conn, error) {
	type result struct {
		conn net.Conn
		err  error
	}
	name, release, err := h.socketName(socket)
	if err != nil {
		return nil, err
	}
	defer release()
	done := make(chan result)
	go func() {
		runtime.LockOSThread() // never unlocked: a thread with another user id must not serve anybody else
		conn, err := dialUnix(name, as)
		done <- result{conn, err}
	}()
	r := <-done
	return r.conn, r.err
}

func dialUnix(socket string, as *Account) (net.Conn, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), socket)
	defer file.Close()
	const keep = ^uintptr(0)
	if as != nil && as.UID != ownUID {
		// The raw call changes this thread alone; Go's own would change all.
		if _, _, number := unix.RawSyscall(unix.SYS_SETRESUID, keep, uintptr(as.UID), keep); number != 0 {
			return nil, fmt.Errorf("cannot become the user %s: %w", as.Name, number)
		}
	}
	// A server that does not accept lets connections wait without end (unix(7)); this bounds the wait.
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &unix.Timeval{Sec: int64(unixWithin / time.Second)}); err != nil {
		return nil, err
	}
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: socket}); err != nil {
		return nil, fmt.Errorf("cannot connect to %s: %w", filepath.Base(socket), err)
	}
	return net.FileConn(file)
}

// ListenUnix listens on a UNIX socket of the tree that only this process's user can connect to. One that nobody listens
// on any more is replaced. Remove it before the listener is closed.
func (h *Host) ListenUnix(socket string) (net.Listener, error) {
	if err := h.Files.Remove(socket); err != nil {
		return nil, err
	}
	name, release, err := h.socketName(socket)
	if err != nil {
		return nil, err
	}
	defer release()
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: name, Net: "unix"})
	if err == nil {
		listener.SetUnlinkOnClose(false) // its name leads through a descriptor that is closed by then
		err = os.Chmod(name, 0o600)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w", socket, plain(err))
	}
	return listener, nil
}

// socketName is a name for a socket that is short enough for the kernel, which takes 107 bytes (unix(7)), however deep
// the tree lies.
func (h *Host) socketName(socket string) (name string, release func(), err error) {
	p, err := h.Files.locate(socket, way{follow: true})
	if err != nil {
		return "", nil, err
	}
	return fmt.Sprintf("/proc/self/fd/%d/%s", p.dir, p.name), p.close, nil
}

// Addresses are the addresses of this machine's network interfaces; none of a tree that is not this machine.
func (h *Host) Addresses() (found []string) {
	if !h.Live() {
		return nil
	}
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	for _, address := range addresses {
		if prefix, err := netip.ParsePrefix(address.String()); err == nil {
			found = append(found, prefix.Addr().String())
		}
	}
	return found
}

// Listening are the TCP ports on which programs of this machine listen for everybody, sorted (proc_pid_net(5)).
func (h *Host) Listening() (ports []int) {
	if !h.Live() {
		return nil
	}
	const listen = "0A"
	for _, file := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		data, _ := os.ReadFile(file)
		for line := range strings.Lines(string(data)) {
			fields := strings.Fields(line)
			if len(fields) < 4 || fields[3] != listen {
				continue
			}
			address, port, _ := strings.Cut(fields[1], ":")
			number, err := strconv.ParseUint(port, 16, 16)
			loopback := strings.HasSuffix(address, "7F") ||
				len(address) == 32 && strings.HasPrefix(address, strings.Repeat("0", 24)) && strings.HasSuffix(address, "01000000")
			if err == nil && !loopback && !slices.Contains(ports, int(number)) {
				ports = append(ports, int(number))
			}
		}
	}
	slices.Sort(ports)
	return ports
}
