// Package postgresql starts a real PostgreSQL server with TLS for tests, from Debian's package.
package postgresql

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Server is a running server with one role, doadmin, and one database, defaultdb, as DigitalOcean's clusters have.
type Server struct {
	Address  string
	Port     int
	Password string
	CA       string // PEM
	process  *exec.Cmd
	ended    chan struct{}
}

// Options say where a server listens and how it is reached.
type Options struct {
	Directory string // empty, the server's own
	Address   string
	Port      int
	Names     []string // in its certificate
	Password  string
	// Command makes a command, in another network namespace perhaps; nil is exec.CommandContext.
	Command func(ctx context.Context, name string, arguments ...string) *exec.Cmd
}

// Start makes a database cluster and starts its server. It ends with ctx, or by Stop.
func Start(ctx context.Context, o Options) (*Server, error) {
	if o.Command == nil {
		o.Command = exec.CommandContext
	}
	programs, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if len(programs) == 0 {
		return nil, errors.New("there is no PostgreSQL server here; install Debian's package postgresql")
	}
	bin := filepath.Dir(programs[len(programs)-1])
	data := filepath.Join(o.Directory, "data")
	s := &Server{Address: o.Address, Port: o.Port, Password: o.Password, ended: make(chan struct{})}
	credential, err := s.prepare(o)
	if err != nil {
		return nil, err
	}
	run := func(stdin, name string, arguments ...string) error {
		cmd := exec.CommandContext(ctx, filepath.Join(bin, name), arguments...)
		cmd.Stdin, cmd.Dir, cmd.SysProcAttr = strings.NewReader(stdin), o.Directory, &syscall.SysProcAttr{Credential: credential}
		out, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("cannot run %s: %w: %s", name, err, out)
		}
		return nil
	}
	if err := run("", "initdb", "--pgdata", data, "--username=doadmin", "--auth=scram-sha-256", "--pwfile="+filepath.Join(o.Directory, "password"), "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8"); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(data, "pg_hba.conf"), []byte("hostssl all all all scram-sha-256\n"), 0o600); err != nil {
		return nil, err
	}
	if err := os.Chown(filepath.Join(data, "pg_hba.conf"), int(credential.Uid), int(credential.Gid)); err != nil {
		return nil, err
	}
	if err := run("CREATE DATABASE defaultdb;\n", "postgres", "--single", "-D", data, "postgres"); err != nil {
		return nil, err
	}
	setup := []string{"-D", data, "-c", "listen_addresses=" + o.Address, "-c", "port=" + strconv.Itoa(o.Port), "-c", "unix_socket_directories=",
		"-c", "ssl=on", "-c", "ssl_cert_file=" + filepath.Join(o.Directory, "server.crt"), "-c", "ssl_key_file=" + filepath.Join(o.Directory, "server.key"), "-c", "fsync=off"}
	s.process = o.Command(ctx, "setpriv", append([]string{"--reuid=" + strconv.Itoa(int(credential.Uid)), "--regid=" + strconv.Itoa(int(credential.Gid)), "--clear-groups", "--pdeathsig=KILL", filepath.Join(bin, "postgres")}, setup...)...)
	s.process.Dir = o.Directory
	if err := s.process.Start(); err != nil {
		return nil, err
	}
	go func() { s.process.Wait(); close(s.ended) }()
	return s, nil
}

// prepare writes the certificate and the password, all for the server's own user.
func (s *Server) prepare(o Options) (*syscall.Credential, error) {
	account, err := user.Lookup("postgres")
	if err != nil {
		return nil, err
	}
	uid, _ := strconv.Atoi(account.Uid)
	gid, _ := strconv.Atoi(account.Gid)
	ca, cert, key, err := certificate(o.Names)
	if err != nil {
		return nil, err
	}
	s.CA = ca
	for name, content := range map[string]string{"server.crt": cert, "server.key": key, "password": o.Password} {
		if err := os.WriteFile(filepath.Join(o.Directory, name), []byte(content), 0o600); err != nil {
			return nil, err
		}
		if err := os.Chown(filepath.Join(o.Directory, name), uid, gid); err != nil {
			return nil, err
		}
	}
	for directory := o.Directory; directory != os.TempDir() && directory != "/"; directory = filepath.Dir(directory) {
		os.Chmod(directory, 0o755)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, os.Chown(o.Directory, uid, gid)
}

// Ready waits until the server accepts connections by dial.
func (s *Server) Ready(ctx context.Context, dial func(ctx context.Context, address string) (net.Conn, error)) error {
	for {
		conn, err := dial(ctx, net.JoinHostPort(s.Address, strconv.Itoa(s.Port)))
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the PostgreSQL server does not come up: %w", err)
		case <-s.ended:
			return errors.New("the PostgreSQL server ended")
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Stop ends the server.
func (s *Server) Stop() {
	s.process.Process.Signal(syscall.SIGQUIT)
	<-s.ended
}

// certificate makes a private CA, and a server certificate of it.
func certificate(names []string) (ca, cert, key string, err error) {
	encode := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	now := time.Now()
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", "", err
	}
	authority := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Lab CA"}, NotBefore: now.Add(-24 * time.Hour),
		NotAfter: now.Add(48 * time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	caDER, err := x509.CreateCertificate(rand.Reader, authority, authority, caKey.Public(), caKey)
	if err != nil {
		return "", "", "", err
	}
	leafKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", "", err
	}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "lab"}, NotBefore: authority.NotBefore, NotAfter: authority.NotAfter,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, DNSNames: names}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, authority, leafKey.Public(), caKey)
	if err != nil {
		return "", "", "", err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(leafKey)
	return encode("CERTIFICATE", caDER), encode("CERTIFICATE", leafDER), encode("PRIVATE KEY", keyDER), err
}

// NewAuthority returns the certificate of a CA that signed nothing.
func NewAuthority() (string, error) {
	ca, _, _, err := certificate(nil)
	return ca, err
}
