package database

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"oneclick-agent/agent/host"
	"oneclick-agent/agent/state"
)

// LoginWithin is how long one login may take, from the name's look-up to the answer of a query.
const LoginWithin = 15 * time.Second

// Layer is how far a login came.
type Layer string

// The layers, from the outside in.
const (
	DNS      Layer = "name"
	Refused  Layer = "refused"
	TimedOut Layer = "timeout"
	TLS      Layer = "tls"
	Password Layer = "login"
	Missing  Layer = "database"
	Full     Layer = "connections"
	Other    Layer = "protocol"
)

// LoginError says at which layer a login failed, and what to do. Its text holds no password.
type LoginError struct {
	Layer          Layer
	Reason, Advice string
}

func (e *LoginError) Error() string { return e.Reason + "; " + e.Advice }

// Login logs in as the application would and asks the server one question. It returns the server's version.
func Login(ctx context.Context, h *host.Host, c Connection) (version string, err error) {
	ctx, cancel := context.WithTimeout(ctx, LoginWithin)
	defer cancel()
	err = c.with(ctx, h, func(s session) error {
		version, err = s.version(ctx)
		return err
	})
	return version, err
}

// with opens a session and hands it over; every error says at which layer it failed.
func (c Connection) with(ctx context.Context, h *host.Host, use func(session) error) error {
	config, err := c.tlsConfig(h.Files)
	if err != nil {
		return err
	}
	if err := c.probe(ctx, h, config); err != nil {
		return c.classify(ctx, err)
	}
	s, err := c.open(ctx, h, config)
	if err != nil {
		return c.classify(ctx, c.explain(err))
	}
	defer s.close()
	err = use(s)
	if err == nil || errors.Is(err, errTaken) {
		return err
	}
	return c.classify(ctx, c.explain(err))
}

// probe goes as far as a server can be told apart without a driver, because drivers wrap and lose what failed.
func (c Connection) probe(ctx context.Context, h *host.Host, config *tls.Config) error {
	if c.SRV() {
		return nil // the driver finds the servers by their name
	}
	conn, err := c.dial(ctx, h)
	if err != nil {
		return err
	}
	defer conn.Close()
	if config == nil || c.Engine == "postgresql" || c.Engine == "mysql" {
		return nil // these two begin in their own protocol
	}
	return tls.Client(conn, config).HandshakeContext(ctx)
}

// dial connects, and lets the connection live as long as ctx: with it ends every driver, whatever it thinks of
// deadlines.
func (c Connection) dial(ctx context.Context, h *host.Host) (net.Conn, error) {
	var conn net.Conn
	var err error
	if c.Socket != "" {
		conn, err = h.DialUnix(c.Socket, c.PeerAs)
	} else {
		conn, err = (&net.Dialer{}).DialContext(ctx, "tcp", c.address())
	}
	if err != nil {
		return nil, err
	}
	return &boundConn{conn, context.AfterFunc(ctx, func() { conn.Close() })}, nil
}

// boundConn is closed when its context ends.
type boundConn struct {
	net.Conn
	stop func() bool
}

func (b *boundConn) Close() error {
	b.stop()
	return b.Conn.Close()
}

// tlsConfig is what TLS checks, nil where none is used: nothing, the chain, or the chain and the name.
func (c Connection) tlsConfig(files *host.Root) (*tls.Config, error) {
	if c.TLS == "" {
		return nil, nil
	}
	config := &tls.Config{ServerName: c.Host, MinVersion: tls.VersionTLS12}
	if c.CA != "" {
		bundle, err := files.ReadFile(c.CA, 1<<20)
		if err != nil {
			return nil, err
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(bundle) {
			return nil, &LoginError{TLS, "the CA file " + c.CA + " holds no certificate", "put the cluster's CA certificate there, in PEM"}
		}
	}
	if c.TLS == "verify-full" {
		return config, nil
	}
	config.InsecureSkipVerify = true // "require" encrypts and verifies nothing; status says so
	if c.TLS == "verify-ca" {
		roots := config.RootCAs
		config.VerifyConnection = func(state tls.ConnectionState) error {
			options := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool()}
			for _, certificate := range state.PeerCertificates[1:] {
				options.Intermediates.AddCert(certificate)
			}
			_, err := state.PeerCertificates[0].Verify(options)
			return err
		}
	}
	return config, nil
}

// classify turns an error of a driver into the layer that failed. Engines add what only they can tell.
func (c Connection) classify(ctx context.Context, err error) error {
	server, at := c.server(), c.address()
	if c.Local() {
		return c.classifyLocal(ctx, err)
	}
	var known *LoginError
	var dns *net.DNSError
	var authority x509.UnknownAuthorityError
	var hostname x509.HostnameError
	var invalid x509.CertificateInvalidError
	var record tls.RecordHeaderError
	var certificate *tls.CertificateVerificationError
	var alert tls.AlertError
	var network net.Error
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &dns) && dns.IsTimeout:
		return &LoginError{DNS, fmt.Sprintf("no name server answers for %s", c.Host), "check the Droplet's network and /etc/resolv.conf"}
	case errors.As(err, &dns):
		return &LoginError{DNS, fmt.Sprintf("the name %s does not resolve", c.Host),
			"wait until the cluster is ready, and check db_host in " + CredentialsPath}
	case errors.Is(err, syscall.ECONNREFUSED):
		return &LoginError{Refused, fmt.Sprintf("%s refuses connections at %s", server, at), "wait until the cluster is ready, and check db_port"}
	case errors.As(err, &authority), errors.As(err, &hostname), errors.As(err, &invalid), errors.As(err, &certificate):
		return &LoginError{TLS, fmt.Sprintf("the certificate of %s cannot be verified", server),
			"put the cluster's CA certificate into " + state.DatabaseCA}
	case errors.As(err, &record), errors.As(err, &alert):
		return &LoginError{TLS, fmt.Sprintf("%s does not speak TLS as expected", server), "check db_port in " + CredentialsPath}
	case ctx.Err() != nil,
		errors.Is(err, os.ErrDeadlineExceeded),
		errors.As(err, &network) && network.Timeout(),
		errors.Is(err, syscall.ETIMEDOUT):
		return &LoginError{TimedOut, fmt.Sprintf("%s does not answer at %s", server, at),
			"add this Droplet to the cluster's Trusted Sources in the control panel"}
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return &LoginError{TimedOut, fmt.Sprintf("there is no way to %s", server), "check the Droplet's network"}
	}
	return &LoginError{Other, fmt.Sprintf("%s ended the connection during the login", server),
		"check that db_protocol and db_port in " + CredentialsPath + " belong together"}
}

// classifyLocal speaks of the image's own server, where neither names, certificates nor Trusted Sources play a part.
func (c Connection) classifyLocal(ctx context.Context, err error) error {
	var known *LoginError
	switch {
	case errors.As(err, &known):
		return known
	case ctx.Err() != nil:
		return &LoginError{TimedOut, c.server() + " does not answer", "see its log with: journalctl -e"}
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ENOENT):
		return &LoginError{Refused, c.server() + " does not listen at " + c.address(), "see whether its unit runs: systemctl status"}
	}
	return &LoginError{Other, c.server() + " ended the connection during the login", "see its log with: journalctl -e"}
}
