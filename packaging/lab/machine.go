package lab

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"
)

const (
	macAddress = "52:54:00:12:34:56"
	memory     = "1024"
	// bootOptions leave out what only costs time on an emulated machine, and nothing that a Droplet has.
	bootOptions = "quiet mitigations=off tsc=reliable clocksource=tsc apparmor=0 systemd.mask=e2scrub_reap.service" +
		" systemd.mask=apt-daily.timer systemd.mask=apt-daily-upgrade.timer"
	// sshEvery stays below what "limit 22/tcp" of the firewall allows: five connections in 30 seconds.
	sshEvery = 7 * time.Second
	sshTry   = 10 * time.Second
	// On a busy machine the kernel's own repetitions count for that rule, too. Who is refused so often waits until it is over.
	sshPatience = 4
	sshLimit    = 35 * time.Second
)

// Lab is a network with a metadata service, and the key that opens its Droplets.
type Lab struct {
	Network   *Network
	Metadata  *Metadata
	dns       net.PacketConn
	directory string
	private   ed25519.PrivateKey
	signer    ssh.Signer
}

// Open makes a lab that keeps its disks in directory. Close ends everything that it started.
func Open(ctx context.Context, directory string) (*Lab, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	l := &Lab{directory: directory, private: private}
	if l.signer, err = ssh.NewSignerFromKey(private); err != nil {
		return nil, err
	}
	if l.Network, err = NewNetwork(ctx); err != nil {
		return nil, err
	}
	if l.Metadata, err = l.Network.ServeMetadata(); err != nil {
		l.Network.Close()
		return nil, err
	}
	if l.dns, err = l.Network.ServeDNS(); err != nil {
		l.Metadata.Close()
		l.Network.Close()
		return nil, err
	}
	return l, nil
}

// Close ends the lab.
func (l *Lab) Close() error { return errors.Join(l.dns.Close(), l.Metadata.Close(), l.Network.Close()) }

// publicKey is the lab's key as metadata gives it to a Droplet.
func (l *Lab) publicKey() string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(l.signer.PublicKey())))
}

// Overlay returns a new disk that begins as the build's and keeps what a Droplet writes.
func (l *Lab) Overlay(ctx context.Context, b Build, name string) (string, error) {
	overlay := filepath.Join(l.directory, name+".qcow2")
	return overlay, command(ctx, "qemu-img", "create", "-q", "-f", "qcow2", "-b", b.Disk, "-F", "raw", overlay)
}

// Machine is a running Droplet.
type Machine struct {
	lab     *Lab
	process *exec.Cmd
	ended   chan struct{}
	console console
	Started time.Time
	monitor string // QEMU's control socket
	client  *ssh.Client
}

// frozen is the name of the state that Freeze leaves in a disk.
const frozen = "frozen"

// Freeze writes the Droplet's whole state, memory included, into its disk and ends it.
func (m *Machine) Freeze(ctx context.Context) error {
	return m.tellQEMU(ctx, "stop\nsavevm "+frozen+"\nquit\n", "cannot freeze the Droplet: QEMU did not end in time")
}

// tellQEMU types commands into its monitor that end the Droplet, and waits for that.
func (m *Machine) tellQEMU(ctx context.Context, commands, late string) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", m.monitor)
	if err != nil {
		return fmt.Errorf("cannot reach QEMU: %w", err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, commands); err != nil {
		return fmt.Errorf("cannot reach QEMU: %w", err)
	}
	go io.Copy(io.Discard, conn)
	return m.waitForEnd(ctx, late)
}

func (m *Machine) waitForEnd(ctx context.Context, late string) error {
	select {
	case <-m.ended:
		return nil
	case <-ctx.Done():
		return errors.New(late)
	}
}

type console struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.Write(p)
}

func (c *console) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.String()
}

// Boot starts a Droplet from a disk. It is dead when ctx ends.
func (l *Lab) Boot(ctx context.Context, b Build, disk string, d Droplet) (*Machine, error) {
	return l.start(ctx, b, disk, d)
}

// Resume starts a Droplet where Freeze stopped one that had this disk.
func (l *Lab) Resume(ctx context.Context, b Build, disk string, d Droplet) (*Machine, error) {
	return l.start(ctx, b, disk, d, "-loadvm", frozen)
}

func (l *Lab) start(ctx context.Context, b Build, disk string, d Droplet, more ...string) (*Machine, error) {
	d.PublicKey = l.publicKey()
	if err := l.Metadata.Describe(d); err != nil {
		return nil, err
	}
	m := &Machine{lab: l, ended: make(chan struct{}), Started: time.Now(), monitor: disk + ".monitor"}
	m.process = l.Network.Command(ctx, "qemu-system-x86_64", append([]string{
		"-accel", "tcg,thread=multi", "-smp", "1", "-m", memory, "-nodefaults", "-display", "none", "-no-reboot",
		"-serial", "stdio", "-device", "virtio-rng-pci",
		"-drive", "file=" + disk + ",if=virtio,format=qcow2,cache=unsafe",
		"-netdev", "tap,id=net0,ifname=" + tap + ",script=no,downscript=no", "-device", "virtio-net-pci,netdev=net0,mac=" + macAddress,
		"-smbios", fmt.Sprintf("type=1,manufacturer=DigitalOcean,product=Droplet,serial=%d", d.ID),
		"-kernel", b.Kernel, "-initrd", b.Initrd, "-append", "root=/dev/vda rw console=ttyS0 net.ifnames=0 panic=-1 " + bootOptions,
		"-monitor", "unix:" + m.monitor + ",server,nowait"}, more...)...)
	m.process.Stdout, m.process.Stderr = &m.console, &m.console
	m.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started := make(chan error, 1)
	go func() {
		// The kernel kills the machine when the thread that started it ends, so the thread stays as long as it.
		runtime.LockOSThread()
		defer close(m.ended)
		err := m.process.Start()
		if started <- err; err == nil {
			m.process.Wait()
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("cannot start qemu-system-x86_64: %w", err)
	}
	return m, nil
}

// CutPower ends the Droplet at once, as a power cut does: what it had not written is gone.
func (m *Machine) CutPower() {
	m.process.Process.Kill()
	<-m.ended
}

// Console is what the Droplet wrote to its serial console so far.
func (m *Machine) Console() string { return m.console.String() }

// Run runs a shell command on the Droplet by SSH, as root, and returns what it printed. It waits for sshd until
// ctx ends.
func (m *Machine) Run(ctx context.Context, line string) (string, error) {
	if m.client == nil {
		client, err := m.dial(ctx)
		if err != nil {
			return "", err
		}
		m.client = client // kept, because a new connection takes seconds on an emulated machine
	}
	session, err := m.client.NewSession()
	if err != nil {
		return "", err
	}
	defer session.Close()
	stop := context.AfterFunc(ctx, func() { session.Close() })
	defer stop()
	out, err := session.CombinedOutput(line)
	return string(out), err
}

func (m *Machine) dial(ctx context.Context) (*ssh.Client, error) {
	var last error
	refused := 0
	for {
		client, err := m.tryDial(ctx)
		if err == nil {
			return client, nil
		}
		last = err
		pause := sshEvery
		if errors.Is(err, syscall.ECONNREFUSED) {
			if refused++; refused%sshPatience == 0 {
				pause = sshLimit
			}
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("cannot reach the Droplet by SSH: %w", last)
		case <-m.ended:
			return nil, errors.New("the Droplet is off")
		case <-time.After(pause):
		}
	}
}

func (m *Machine) tryDial(ctx context.Context) (*ssh.Client, error) {
	ctx, cancel := context.WithTimeout(ctx, sshTry)
	defer cancel()
	conn, err := m.lab.Network.Dial(ctx, DropletAddress+":22")
	if err != nil {
		return nil, err
	}
	conn.SetDeadline(time.Now().Add(sshTry))
	connection, channels, requests, err := ssh.NewClientConn(conn, DropletAddress, &ssh.ClientConfig{
		User: "root", Auth: []ssh.AuthMethod{ssh.PublicKeys(m.lab.signer)},
		HostKeyCallback: ssh.InsecureIgnoreHostKey(), // a Droplet of this lab's own network, with keys made a second ago
	})
	if err != nil {
		conn.Close()
		return nil, err
	}
	conn.SetDeadline(time.Time{})
	return ssh.NewClient(connection, channels, requests), nil
}

// Shell hands this terminal over to a root shell on the Droplet, until that ends.
func (m *Machine) Shell(ctx context.Context) error {
	client, err := m.dial(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	session, err := client.NewSession()
	if err != nil {
		return err
	}
	defer session.Close()
	session.Stdin, session.Stdout, session.Stderr = os.Stdin, os.Stdout, os.Stderr
	terminal := int(os.Stdin.Fd())
	if size, err := unix.IoctlGetWinsize(terminal, unix.TIOCGWINSZ); err == nil {
		restore, err := rawTerminal(terminal)
		if err != nil {
			return err
		}
		defer restore()
		if err := session.RequestPty(os.Getenv("TERM"), int(size.Row), int(size.Col), ssh.TerminalModes{}); err != nil {
			return err
		}
	}
	if err := session.Shell(); err != nil {
		return err
	}
	session.Wait() // its exit status is the last command's, and nothing to report
	return nil
}

// rawTerminal passes every key on; the returned function puts the terminal back.
func rawTerminal(terminal int) (restore func(), err error) {
	before, err := unix.IoctlGetTermios(terminal, unix.TCGETS)
	if err != nil {
		return nil, err
	}
	raw := *before
	raw.Iflag &^= unix.BRKINT | unix.ICRNL | unix.INPCK | unix.ISTRIP | unix.IXON
	raw.Oflag &^= unix.OPOST
	raw.Lflag &^= unix.ECHO | unix.ICANON | unix.IEXTEN | unix.ISIG
	raw.Cc[unix.VMIN], raw.Cc[unix.VTIME] = 1, 0
	return func() { unix.IoctlSetTermios(terminal, unix.TCSETS, before) }, unix.IoctlSetTermios(terminal, unix.TCSETS, &raw)
}

// notOff says that a Droplet did not go off.
const notOff = "the Droplet did not shut down in time"

// PressPower presses the power button, upon which the Droplet shuts down by itself, and waits for that.
func (m *Machine) PressPower(ctx context.Context) error {
	return m.tellQEMU(ctx, "system_powerdown\n", notOff)
}

// PowerOff shuts the Droplet down properly and waits for it.
func (m *Machine) PowerOff(ctx context.Context) error {
	m.Run(ctx, "systemctl poweroff")
	return m.waitForEnd(ctx, notOff)
}
