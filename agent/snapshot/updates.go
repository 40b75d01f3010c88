package snapshot

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"oneclick-agent/agent/disk"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/pattern"
)

// updates is what the package manager has newer versions of, looked up without a change to the image.
type updates struct {
	security []string // package and version
	// scriptCount is what the Marketplace's script would count (see marketplace.go).
	scriptCount int
	err         error // why it could not be determined
}

const (
	updatesWithin = 5 * time.Minute
	// inMemory is where lists of packages are kept while they are needed: no snapshot holds it, and there is more room
	// than in /run. Everybody may write to it, so that the directory has a name that nobody can guess.
	inMemory = "/dev/shm"
)

// errForeign is why nothing of a tree is run: its programs are as hostile as its files, and a chroot does not hold root.
var errForeign = errors.New("programs of a directory tree are not run; run this on the machine itself")

// errTree is why updates of a tree are not known.
var errTree = errors.New("updates are only looked up on a running machine; run this on the build Droplet")

// lookForUpdates asks once; the lists go into a directory of our own.
func (i *Image) lookForUpdates(ctx context.Context) *updates {
	if i.updates != nil {
		return i.updates
	}
	i.updates = &updates{}
	if !i.Live() {
		i.updates.err = errTree
		return i.updates
	}
	ctx, cancel := context.WithTimeout(ctx, updatesWithin)
	defer cancel()
	private := path.Join(inMemory, "oneclick-"+rand.Text())
	if err := i.Files.MakeDirectory(private, host.Mode(0o700)); err != nil {
		i.updates.err = err
		return i.updates
	}
	defer disk.Discard(i.Files, private, false)
	if i.packages.debian() {
		i.updates.err = i.updates.apt(ctx, i, private)
	} else {
		i.updates.err = i.updates.dnf(ctx, i, private)
	}
	return i.updates
}

func (u *updates) apt(ctx context.Context, i *Image, private string) error {
	for _, directory := range []string{"/lists", "/lists/partial", "/cache", "/cache/archives", "/cache/archives/partial", "/log"} {
		if err := i.Files.MakeDirectory(private+directory, host.Attributes{}); err != nil {
			return err
		}
	}
	options := []string{
		"apt-get", "--quiet", "-o", "Dir::State::Lists=" + private + "/lists", "-o", "Dir::Cache=" + private + "/cache", "-o",
		"Dir::Log=" + private + "/log",
		"-o", "Dir::Cache::pkgcache=", "-o", "Dir::Cache::srcpkgcache=", "-o", "Acquire::Languages=none", "-o",
		"Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false",
		"-o", "APT::Sandbox::User=root", "-o", "Acquire::Retries=2", "-o", "Acquire::http::Timeout=20", "-o",
		"APT::Update::Post-Invoke-Success=", "-o", "APT::Update::Post-Invoke=", "-o",
		"Debug::NoLocking=1",
	}
	run := func(arguments ...string) (string, error) {
		out, err := i.Run(ctx, host.Command{Argv: append(slices.Clone(options), arguments...), Env: map[string]string{"LC_ALL": "C"}})
		return string(out), err
	}
	out, err := run("-o", "APT::Update::Error-Mode=any", "update")
	if err != nil || strings.Contains(out, "\nW: Failed to fetch") || strings.Contains(out, "\nErr:") {
		return fmt.Errorf("the package lists cannot be fetched: %s", reasonOf(err, out))
	}
	if out, err = run("--just-print", "dist-upgrade"); err != nil {
		return fmt.Errorf("apt-get cannot work the upgrade out: %s", reasonOf(err, out))
	}
	u.security = securityUpdates(out)
	if out, err = run("--just-print", "upgrade"); err == nil {
		u.scriptCount = strings.Count(strings.ToLower(onlyLines(out, "security")), "\n") / 2
	}
	return nil
}

// installLine is "Inst name [old] (new Origin:Suite [architecture])" of apt-get --just-print.
var installLine = pattern.New(`^Inst (\S+) (?:\[[^]]*\] )?\((\S+) ([^)]*?)(?: \[[^]]*\])?\)`)

// securityUpdates are the packages that come from a security archive, told by their origin and not by their name.
func securityUpdates(simulated string) (found []string) {
	for line := range strings.Lines(simulated) {
		match := installLine().FindStringSubmatch(line)
		if match == nil {
			continue
		}
		origin := strings.ToLower(match[3])
		if strings.Contains(origin, "-security") || strings.Contains(origin, "debian-security") || strings.Contains(origin, "esm") {
			found = append(found, match[1]+" "+match[2])
		}
	}
	return found
}

func (u *updates) dnf(ctx context.Context, i *Image, private string) error {
	manager := "dnf"
	if !i.HasCommand("dnf") {
		manager = "yum"
	}
	if !i.HasCommand(manager) {
		return errors.New("the image has neither apt-get, nor dnf, nor yum")
	}
	options := []string{
		manager,
		"--quiet",
		"--setopt=cachedir=" + private,
		"--setopt=logdir=" + private,
		"--setopt=persistdir=" + private,
	}
	out, err := i.Run(ctx, host.Command{Argv: append(slices.Clone(options), "updateinfo", "list", "--security", "--available")})
	if err != nil {
		return fmt.Errorf("%s cannot look for updates: %s", manager, reasonOf(err, string(out)))
	}
	for line := range strings.Lines(string(out)) { // RHSA-2026:1234 Important/Sec. openssl-3.0.7-1.el9.x86_64
		if fields := strings.Fields(line); len(fields) >= 3 && strings.Contains(fields[1], "Sec") {
			u.security = append(u.security, fields[2])
		}
	}
	slices.Sort(u.security)
	u.security = slices.Compact(u.security)
	if !i.HasCommand("yum") {
		return nil // the script only asks yum, and takes its absence for no updates
	}
	listed, err := i.Run(ctx, host.Command{Argv: append(slices.Clone(options), "check-update", "--security")})
	if failed := new(host.CommandError); err != nil && (!errors.As(err, &failed) || failed.Status != updatesThere) {
		return fmt.Errorf("%s cannot look for updates: %s", manager, reasonOf(err, string(listed)))
	}
	u.scriptCount = strings.Count(string(listed), "\n") // every line counts: the empty one, "Security:", "Obsoleting Packages"
	return nil
}

// updatesThere is the exit status of check-update where there are updates.
const updatesThere = 100

func findUpdates(ctx context.Context, i *Image) (subjects []Subject, _ error) {
	u := i.lookForUpdates(ctx)
	if u.err != nil {
		return nil, u.err
	}
	for _, update := range u.security {
		name, version, _ := strings.Cut(update, " ")
		subjects = append(
			subjects,
			Subject{Name: name, Message: strings.TrimSpace("the security update " + version + " is not installed")},
		)
	}
	return subjects, nil
}

// onlyLines are the lines of a text with a word in them.
func onlyLines(text, word string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		if strings.Contains(strings.ToLower(line), word) {
			out.WriteString(line)
		}
	}
	return out.String()
}

// reasonOf is the last thing that a command said about its failure.
func reasonOf(err error, out string) string {
	var failed *host.CommandError
	if errors.As(err, &failed) {
		out = string(failed.Printed)
	}
	rows := slices.DeleteFunc(strings.Split(out, "\n"), func(line string) bool { return strings.TrimSpace(line) == "" })
	for _, row := range slices.Backward(rows) {
		if strings.HasPrefix(row, "E:") || strings.HasPrefix(row, "W:") || strings.HasPrefix(row, "Err:") ||
			strings.HasPrefix(row, "Error") {
			return strings.TrimSpace(row)
		}
	}
	if err != nil {
		return err.Error()
	}
	return "the program said nothing of the cause"
}

// command runs a program of the image and returns all that it printed.
func (i *Image) command(ctx context.Context, argv ...string) (string, error) {
	if !i.Live() {
		return "", errForeign
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	out, err := i.Run(ctx, host.Command{Argv: argv, Env: map[string]string{"LC_ALL": "C"}})
	var failed *host.CommandError
	if errors.As(err, &failed) {
		return string(failed.Printed), err
	}
	return string(out), err
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return line
}
