// Package servers starts real database servers with TLS for tests, from Debian's packages.
package servers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Server is a running server with one administrator, doadmin, and one database, defaultdb, as DigitalOcean's clusters
// have.
type Server struct {
	Address  string
	Port     int
	Password string
	CA       string // PEM
	Socket   string // for administration on the machine itself
	name     string
	process  *exec.Cmd
	ended    chan struct{}
	// accepts asks a server that listens before it lets anybody in; nil for the others.
	accepts func(ctx context.Context) bool
}

// Options say where a server listens and how it is reached.
type Options struct {
	Directory string // empty, the server's own
	Address   string
	Port      int      // 0 is a free one
	Names     []string // in its certificate
	Password  string
	// Plain lets clients in without TLS too, as a server of a Droplet's own does.
	Plain bool
	// Command makes a command, in another network namespace perhaps; nil is exec.CommandContext.
	Command func(ctx context.Context, name string, arguments ...string) *exec.Cmd
}

// prepare fills in what is not said, and writes the certificate, all for the server's own user.
func prepare(o *Options, name, account string) (*Server, *syscall.Credential, error) {
	if o.Command == nil {
		o.Command = exec.CommandContext
	}
	if o.Port == 0 {
		port, err := freePort(o.Address)
		if err != nil {
			return nil, nil, err
		}
		o.Port = port
	}
	s := &Server{Address: o.Address, Port: o.Port, Password: o.Password, name: name, ended: make(chan struct{})}
	found, err := user.Lookup(account)
	if err != nil {
		return nil, nil, err
	}
	uid, _ := strconv.Atoi(found.Uid)
	gid, _ := strconv.Atoi(found.Gid)
	ca, cert, key, err := certificate(o.Names)
	if err != nil {
		return nil, nil, err
	}
	s.CA = ca
	for name, content := range map[string]string{"server.crt": cert, "server.key": key, "ca.crt": ca, "password": o.Password} {
		if err := os.WriteFile(filepath.Join(o.Directory, name), []byte(content), 0o600); err != nil {
			return nil, nil, err
		}
		if err := os.Chown(filepath.Join(o.Directory, name), uid, gid); err != nil {
			return nil, nil, err
		}
	}
	for directory := o.Directory; directory != os.TempDir() && directory != "/"; directory = filepath.Dir(directory) {
		os.Chmod(directory, 0o755)
	}
	return s, &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, os.Chown(o.Directory, uid, gid)
}

func freePort(address string) (int, error) {
	listener, err := net.Listen("tcp", net.JoinHostPort(address, "0"))
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

// tool runs one of the server's own programs to its end, as its user.
func tool(ctx context.Context, o Options, credential *syscall.Credential, stdin, name string, arguments ...string) error {
	cmd := exec.CommandContext(ctx, name, arguments...)
	cmd.Stdin, cmd.Dir, cmd.SysProcAttr = strings.NewReader(stdin), o.Directory, &syscall.SysProcAttr{Credential: credential}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("cannot run %s: %w: %s", name, err, out)
	}
	return nil
}

// start runs the server, as its user, until ctx ends or Stop is called.
func (s *Server) start(ctx context.Context, o Options, credential *syscall.Credential, program string, arguments ...string) error {
	s.process = o.Command(
		ctx,
		"setpriv",
		append([]string{"--reuid=" + strconv.Itoa(int(credential.Uid)), "--regid=" + strconv.Itoa(int(credential.Gid)),
			"--clear-groups", "--pdeathsig=KILL", program}, arguments...)...)
	s.process.Dir = o.Directory
	log, err := os.Create(filepath.Join(o.Directory, "log"))
	if err != nil {
		return err
	}
	defer log.Close()
	s.process.Stdout, s.process.Stderr = log, log
	started := make(chan error, 1)
	go func() {
		// The kernel kills the server when the thread that started it ends, so the thread stays as long as it.
		runtime.LockOSThread()
		defer close(s.ended)
		err := s.process.Start()
		if started <- err; err == nil {
			s.process.Wait()
		}
	}()
	return <-started
}

// Ready waits until the server accepts connections by dial; nil dials from here.
func (s *Server) Ready(ctx context.Context, dial func(ctx context.Context, address string) (net.Conn, error)) error {
	if dial == nil {
		dial = func(ctx context.Context, address string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", address)
		}
	}
	for {
		conn, err := dial(ctx, net.JoinHostPort(s.Address, strconv.Itoa(s.Port)))
		if err == nil {
			conn.Close()
			if s.accepts == nil || s.accepts(ctx) {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the %s server does not come up: %w", s.name, err)
		case <-s.ended:
			log, _ := os.ReadFile(filepath.Join(s.process.Dir, "log"))
			return errors.New("the " + s.name + " server ended: " + string(log))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Stop ends the server.
func (s *Server) Stop() {
	s.process.Process.Signal(syscall.SIGQUIT)
	select {
	case <-s.ended:
	case <-time.After(5 * time.Second):
		s.process.Process.Kill()
		<-s.ended
	}
}
