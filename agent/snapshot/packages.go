package snapshot

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"path"
	"strings"
	"sync"
	"time"

	"oneclick-agent/agent/host"
	"oneclick-agent/agent/rpmdb"
)

const (
	dpkgStatus = "/var/lib/dpkg/status"
	dpkgInfo   = "/var/lib/dpkg/info"
	// maxPackageFile is the largest file of the package manager that is read, in bytes.
	maxPackageFile = 256 << 20
	packagesWithin = 10 * time.Minute
)

// packages is what the package manager of the image knows.
type packages struct {
	image     *Image
	once      sync.Once
	versions  map[string]string
	status    map[string]string // package to its state, for dpkg: "install ok installed"
	rpms      []rpmdb.Package   // until their files are listed
	err       error             // why the packages are not known
	broken    []string          // packages that are not wholly installed
	listed    sync.Once
	sums      map[string]string // path to the checksum that its package gave it, "" for one that has none
	modes     map[string]uint16
	overrides map[string]bool // what dpkg-statoverride names
	verdict   sync.Map        // path to whether it is as its package made it
}

// load reads which packages there are.
func (p *packages) load() {
	p.once.Do(func() {
		p.status, p.versions = map[string]string{}, map[string]string{}
		data, err := p.image.Files.ReadFile(dpkgStatus, maxPackageFile)
		if err != nil {
			p.loadRPM()
			return
		}
		name := ""
		for line := range strings.Lines(string(data)) {
			if value, ok := strings.CutPrefix(line, "Package: "); ok {
				name = strings.TrimSpace(value)
			} else if value, ok := strings.CutPrefix(line, "Version: "); ok {
				p.versions[name] = strings.TrimSpace(value)
			} else if value, ok := strings.CutPrefix(line, "Status: "); ok {
				p.status[name] = strings.TrimSpace(value)
				if fields := strings.Fields(value); len(fields) == 3 && fields[2] != "installed" && fields[2] != "config-files" &&
					fields[2] != "not-installed" {
					p.broken = append(p.broken, name)
				}
			}
		}
	})
}

// rpmDatabases are where rpm has kept its database, the newest first.
var rpmDatabases = []string{
	"/usr/lib/sysimage/rpm/rpmdb.sqlite",
	"/var/lib/rpm/rpmdb.sqlite",
	"/usr/lib/sysimage/rpm/Packages.db",
	"/var/lib/rpm/Packages.db",
	"/usr/lib/sysimage/rpm/Packages",
	"/var/lib/rpm/Packages",
}

// loadRPM reads rpm's database itself: in a tree no program of the tree is run.
func (p *packages) loadRPM() {
	for _, file := range rpmDatabases {
		database, err := p.image.Files.ReadFile(file, maxPackageFile)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		var log []byte
		if err == nil && p.image.Files.Exists(file+"-wal") {
			log, err = p.image.Files.ReadFile(file+"-wal", maxPackageFile)
		}
		if err == nil {
			p.rpms, err = rpmdb.Parse(database, log)
		}
		if err != nil {
			p.err = fmt.Errorf("%w, of %s", err, file)
		}
		for _, installed := range p.rpms {
			p.status[installed.Name], p.versions[installed.Name] = "install ok installed", installed.Version
		}
		return
	}
	if p.rpm() {
		p.err = errors.New("rpm's database is not there")
	}
}

// unknown is why nothing is known of the packages, nil where they are known.
func (p *packages) unknown() error {
	p.load()
	return p.err
}

// debian reports whether dpkg keeps the packages.
func (p *packages) debian() bool { return p.image.Files.Exists(dpkgStatus) }

// version is the version of an installed package, "" where it is not known.
func (p *packages) version(name string) string {
	p.load()
	return p.versions[name]
}

// rpm reports whether rpm keeps the packages.
func (p *packages) rpm() bool {
	return p.image.Files.Exists("/var/lib/rpm") || p.image.Files.Exists("/usr/lib/sysimage/rpm")
}

func (p *packages) installed(name string) bool {
	p.load()
	state := p.status[name]
	return state != "" && !strings.HasSuffix(state, " not-installed")
}

// usable reports whether a package is wholly there, and not only its settings.
func (p *packages) usable(name string) bool {
	p.load()
	return strings.HasSuffix(p.status[name], " installed") && !strings.HasSuffix(p.status[name], " not-installed")
}

// purge has the package manager take a package away with its settings.
func (p *packages) purge(ctx context.Context, name string) error {
	if !p.image.Live() {
		return errForeign
	}
	ctx, cancel := context.WithTimeout(ctx, packagesWithin)
	defer cancel()
	argv := []string{"rpm", "--erase", name}
	if p.debian() {
		argv = []string{"dpkg", "--purge", name}
	}
	_, err := p.image.Run(ctx, host.Command{Argv: argv})
	if err != nil {
		return fmt.Errorf("cannot purge the package %s: %w", name, err)
	}
	p.forget()
	return nil
}

// forget has everything read again, after packages changed.
func (p *packages) forget() {
	p.once, p.listed, p.verdict = sync.Once{}, sync.Once{}, sync.Map{}
	p.broken, p.rpms, p.err = nil, nil, nil
}

// owns reports whether a package brought the file.
func (p *packages) owns(file string) bool {
	p.list()
	_, owned := p.sums[canonical(file)]
	return owned
}

// sum is the checksum that a package gave the file, "" where there is none.
func (p *packages) sum(file string) string {
	p.list()
	return p.sums[canonical(file)]
}

// vouches reports whether the file is, byte for byte, as its package made it.
func (p *packages) vouches(file string) bool {
	if known, ok := p.verdict.Load(file); ok {
		return known.(bool)
	}
	p.list()
	sum := p.sums[canonical(file)]
	verdict := sum != "" && p.checksum(file, len(sum)) == sum
	if source := compiledFrom(file); !verdict && source != "" {
		verdict = p.vouches(source)
	}
	p.verdict.Store(file, verdict)
	return verdict
}

// compiledFrom is the Python source behind a file in __pycache__, "" for any other file.
func compiledFrom(file string) string {
	directory, name := path.Split(file)
	module, rest, ok := strings.Cut(name, ".")
	if path.Base(directory) != "__pycache__" || !ok || !strings.HasSuffix(rest, ".pyc") {
		return ""
	}
	return path.Join(path.Dir(path.Clean(directory)), module+".py")
}

// canonical is a path as dpkg writes it, where /bin, /lib and /sbin are links to what is in /usr.
func canonical(file string) string { return strings.TrimPrefix(file, "/usr") }

// vouchesFor is vouches for a file that is open already.
func (p *packages) vouchesFor(file string, content io.Reader) bool {
	p.list()
	if sum := p.sums[canonical(file)]; sum != "" && digest(content, len(sum)) == sum {
		p.verdict.Store(file, true)
		return true
	}
	return compiledFrom(file) != "" && p.vouches(file)
}

func (p *packages) checksum(file string, length int) string {
	opened, err := p.image.Files.OpenRead(file)
	if err != nil {
		return ""
	}
	defer opened.Close()
	return digest(opened, length)
}

// digestBuffers hold what is read for checksums.
var digestBuffers = sync.Pool{New: func() any { return new([32 << 10]byte) }}

// digest is the checksum of some content, of so many hexadecimal digits as the package manager has.
func digest(content io.Reader, length int) string {
	var sum hash.Hash = md5.New() // what dpkg has; it is proof against accidents, which is what this is about
	if length == 2*sha256.Size {
		sum = sha256.New()
	}
	buffer := digestBuffers.Get().(*[32 << 10]byte)
	defer digestBuffers.Put(buffer)
	if _, err := io.CopyBuffer(sum, content, buffer[:]); err != nil {
		return ""
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// list reads which files the packages brought.
func (p *packages) list() {
	p.listed.Do(func() {
		p.sums, p.modes, p.overrides = map[string]string{}, map[string]uint16{}, map[string]bool{}
		if !p.debian() {
			p.listRPM()
			return
		}
		entries, _ := p.image.Files.ReadOwn(dpkgInfo) // what is no directory holds nothing
		for _, entry := range entries {
			name := entry.Name()
			if strings.HasSuffix(name, ".list") {
				p.eachLine(path.Join(dpkgInfo, name), func(line string) {
					if _, there := p.sums[canonical(line)]; !there {
						p.sums[canonical(line)] = ""
					}
				})
			}
			if strings.HasSuffix(name, ".md5sums") {
				p.eachLine(path.Join(dpkgInfo, name), func(line string) {
					if sum, file, ok := strings.Cut(line, "  "); ok {
						p.sums[canonical("/"+file)] = sum
					}
				})
			}
		}
		p.eachLine("/var/lib/dpkg/statoverride", func(line string) { // root messagebus 4754 /usr/lib/dbus-1.0/...
			if fields := strings.Fields(line); len(fields) == 4 {
				p.overrides[canonical(fields[3])] = true
			}
		})
		p.eachLine(dpkgStatus, func(line string) { // " /etc/adduser.conf 4a1b...": a configuration file
			if fields := strings.Fields(line); strings.HasPrefix(line, " /") && len(fields) >= 2 && len(fields[1]) == 2*md5.Size {
				p.sums[canonical(fields[0])] = fields[1]
			}
		})
	})
}

func (p *packages) eachLine(file string, do func(line string)) {
	data, _ := p.image.Files.ReadFile(file, maxPackageFile)
	for line := range strings.Lines(string(data)) {
		do(strings.TrimSuffix(line, "\n"))
	}
}

// listRPM takes the files out of rpm's database.
func (p *packages) listRPM() {
	p.load()
	for _, installed := range p.rpms {
		for _, file := range installed.Files {
			name := canonical(file.Path)
			p.sums[name] = ""
			if len(file.Digest) == 2*md5.Size || len(file.Digest) == 2*sha256.Size {
				p.sums[name] = file.Digest
			}
			p.modes[name] = file.Mode
		}
	}
	p.rpms = nil
}

// mode is the mode that a package gave a file; known is false where its package manager does not record modes.
func (p *packages) mode(file string) (mode uint16, known bool) {
	p.list()
	mode, known = p.modes[canonical(file)]
	return mode, known
}

// overridden reports whether the administrator told dpkg to give the file another mode (dpkg-statoverride(1)).
func (p *packages) overridden(file string) bool {
	p.list()
	return p.overrides[canonical(file)]
}
