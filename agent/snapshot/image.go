package snapshot

import (
	"debug/elf"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"

	"oneclick-agent/agent/host"
	"oneclick-agent/agent/manifest"
	"oneclick-agent/agent/problem"
	"oneclick-agent/agent/state"
)

const (
	// maxText is the largest configuration file that is read, in bytes.
	maxText = 4 << 20
	// maxDepth is how deep "**" goes.
	maxDepth = 40
)

// Image is the machine, or the directory tree, that a snapshot is to be made of.
type Image struct {
	*host.Host
	// Manifest is the vendor's; nil without one. Problems is what is wrong with it.
	Manifest *manifest.Manifest
	Problems problem.List
	// Known are secret values that must stand nowhere in the image, by name.
	Known map[string]string
	// SkipSecrets leaves the secret scan out; its checks are then unknown.
	SkipSecrets bool

	ownOnce     sync.Once
	ownNames    []string // see ownWords
	machineOnce sync.Once
	machineIs   elf.Machine
	accounts    []account
	shadow      map[string]string
	homes       []string
	real        map[string]string
	names       map[string][]fs.DirEntry
	packages    packages
	sshd        *sshdConfig
	updates     *updates
	foreign     map[string]bool
	buildName   string       // of the build machine, from /etc/hostname
	walk        *walk        // nil until it begins
	used        map[int]bool // the manifest's acceptances, by number, that a finding was accepted by
	ranHere     string       // why it is known that first boot has run here
}

// account is one line of /etc/passwd.
type account struct {
	name, field string // field is the password field
	uid         int
	group       string
	home, shell string
}

// Look reads what everything else is judged by.
func Look(h *host.Host) (*Image, error) {
	image := &Image{
		Host:    h,
		names:   map[string][]fs.DirEntry{},
		real:    map[string]string{},
		foreign: map[string]bool{},
		shadow:  map[string]string{},
	}
	passwd, err := h.Files.ReadFile("/etc/passwd", maxText)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, line := range lines(passwd) {
		fields := strings.Split(line, ":")
		if len(fields) < 7 {
			continue
		}
		uid, err := strconv.Atoi(fields[2])
		if err != nil {
			continue
		}
		image.accounts = append(image.accounts, account{fields[0], fields[1], uid, fields[3], path.Clean("/" + fields[5]), fields[6]})
	}
	shadow, _ := h.Files.ReadFile("/etc/shadow", maxText) // without it, the passwords are in /etc/passwd
	for _, line := range lines(shadow) {
		if fields := strings.Split(line, ":"); len(fields) >= 2 {
			image.shadow[fields[0]] = fields[1]
		}
	}
	image.buildName = strings.TrimSpace(image.text("/etc/hostname"))
	for _, home := range append([]string{"/root"}, image.homesOf()...) {
		if info, err := h.Files.Stat(home); err == nil && info.IsDir() && home != "/" && !slices.Contains(image.homes, home) {
			image.homes = append(image.homes, home)
		}
	}
	image.packages.image = image
	for _, trace := range []string{
		state.RanOnImage, state.Journal, state.Secrets, state.DatabaseEnvironment,
	} {
		if h.Files.Exists(trace) && image.ranHere == "" {
			image.ranHere = trace
		}
	}
	return image, nil
}

func (i *Image) homesOf() (homes []string) {
	for _, a := range i.accounts {
		homes = append(homes, a.home)
	}
	return homes
}

// people are the homes that somebody works in, rather than the directory of a daemon.
func (i *Image) people() []string {
	homes := []string{"/root"}
	for _, a := range i.accounts {
		if (a.uid >= 1000 && a.uid < 60000 || a.uid == 0) && slices.Contains(i.homes, a.home) && !slices.Contains(homes, a.home) {
			homes = append(homes, a.home)
		}
	}
	return homes
}

// lines splits a file; the last one may lack its line break.
func lines(data []byte) []string {
	if len(data) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(strings.ReplaceAll(string(data), "\r\n", "\n"), "\n"), "\n")
}

// text reads a file of the image, "" where there is none.
func (i *Image) text(path string) string {
	data, err := i.Files.ReadFile(path, maxText)
	if err != nil {
		return ""
	}
	return string(data)
}

// textLines reads a file of the image line by line, without comments and without space around.
func (i *Image) textLines(path string) (found []string) {
	for _, line := range lines([]byte(i.text(path))) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' && line[0] != ';' {
			found = append(found, line)
		}
	}
	return found
}

// joinedLines are textLines where a backslash at the end of a line joins the next one to it.
func (i *Image) joinedLines(path string) (found []string) {
	joins := false
	for _, line := range i.textLines(path) {
		rest, more := strings.CutSuffix(line, "\\")
		if joins {
			found[len(found)-1] += " " + rest
		} else {
			found = append(found, rest)
		}
		joins = more
	}
	return found
}

func (i *Image) isFile(path string) bool {
	info, err := i.Files.Lstat(path)
	return err == nil && info.Mode().IsRegular()
}

func (i *Image) hasContent(path string) bool {
	info, err := i.Files.Lstat(path)
	return err == nil && info.Mode().IsRegular() && info.Size() > 0
}

// expand lists the paths that a pattern of the catalogue stands for.
func (i *Image) expand(touch string) []string {
	if rest, ok := strings.CutPrefix(touch, "~~/"); ok {
		return i.below(i.people(), rest)
	}
	if rest, ok := strings.CutPrefix(touch, "~/"); ok {
		return i.below(i.homes, rest)
	}
	return i.match("/", strings.Split(strings.Trim(touch, "/"), "/"), 0)
}

func (i *Image) below(homes []string, rest string) (found []string) {
	for _, home := range homes {
		found = append(found, i.match(home, strings.Split(rest, "/"), 0)...)
	}
	return found
}

// match follows a pattern part by part.
func (i *Image) match(directory string, parts []string, depth int) (found []string) {
	if len(parts) == 0 {
		return []string{directory}
	}
	part, rest := parts[0], parts[1:]
	if part == "**" {
		found = i.match(directory, rest, depth)
		for _, entry := range i.list(directory) {
			if entry.IsDir() && depth < maxDepth {
				found = append(found, i.match(path.Join(directory, entry.Name()), parts, depth+1)...)
			}
		}
		return found
	}
	if !strings.ContainsAny(part, "*?[") {
		entries := i.list(directory) // sorted, and without what is mounted
		if _, there := slices.BinarySearchFunc(entries, part, func(entry fs.DirEntry,
			name string) int {
			return strings.Compare(entry.Name(), name)
		}); !there {
			return nil
		}
		return i.match(path.Join(directory, part), rest, depth)
	}
	for _, entry := range i.list(directory) {
		if ok, _ := path.Match(part, entry.Name()); ok {
			found = append(found, i.match(path.Join(directory, entry.Name()), rest, depth)...)
		}
	}
	return found
}

// mounted reports whether something is mounted at path that does not go into the snapshot, or that cannot be told.
func (i *Image) mounted(path string) bool {
	known, ok := i.foreign[path]
	if !ok {
		own, err := i.Files.IsOwnPath(path)
		known = err != nil || !own
		i.foreign[path] = known
	}
	return known
}

// list is what is in a directory and goes into the snapshot, kept until something is cleaned.
func (i *Image) list(directory string) []fs.DirEntry {
	entries, ok := i.names[directory]
	if !ok {
		entries, _ = i.Files.ReadOwn(directory) // what is no directory holds nothing
		i.names[directory] = entries
	}
	return entries
}

// usualLinks are links that systems have in the place of directories, and where they lead.
var usualLinks = map[string]string{
	"/bin":            "/usr/bin",
	"/sbin":           "/usr/sbin",
	"/lib":            "/usr/lib",
	"/var/run":        "/run",
	"/var/lock":       "/run/lock",
	"/var/mail":       "/var/spool/mail",
	"/var/spool/mail": "/var/mail",
	"/usr/tmp":        "/var/tmp",
}

// throughLink is where a path really is when a link in the place of one of its directories leads somewhere else, "" where
// it is where it says. What the catalogue says of one directory must not be done in another. A home may be a link.
func (i *Image) throughLink(name string) string {
	directory := path.Dir(name)
	expected := directory
	if home := homeOf(i, name); home != "" {
		if real, err := i.Files.Resolve(home); err == nil {
			expected = real + strings.TrimPrefix(directory, home)
		}
	}
	for link, target := range usualLinks {
		if directory == link || strings.HasPrefix(directory, link+"/") {
			if real, err := i.Files.Resolve(link); err == nil && real == target {
				expected = target + strings.TrimPrefix(directory, link)
			}
		}
	}
	real, err := i.Files.Resolve(directory)
	if err != nil || real == expected {
		return ""
	}
	return path.Join(real, path.Base(name))
}

// realPath is where a path is when the links to its directory are followed: two names of one file have the same.
func (i *Image) realPath(name string) string {
	directory := path.Dir(name)
	real, known := i.real[directory]
	if !known {
		var err error
		if real, err = i.Files.Resolve(directory); err != nil {
			real = directory
		}
		i.real[directory] = real
	}
	return path.Join(real, path.Base(name))
}

// changed forgets what was listed.
func (i *Image) changed() {
	clear(i.names)
	clear(i.real)
	i.sshd, i.walk = nil, nil
}

// protected are the paths that an image is made for. No cleaning removes or empties them.
var protected = []string{
	"/var/lib/cloud/scripts", state.Manifest, "/etc/update-motd.d", "/var/lib/digitalocean/application.info",
	"/etc/ufw", "/etc/firewalld", "/etc/sysconfig/iptables", "/etc/iptables", "/etc/nftables.conf",
	"/var/spool/cron/crontabs", "/var/spool/cron/root", "/etc/crontab",
	"/usr/bin/oneclick-agent",
}

func isProtected(name string) bool {
	return slices.ContainsFunc(protected, func(kept string) bool {
		return name == kept || strings.HasPrefix(name, kept+"/") || strings.HasPrefix(kept, name+"/")
	})
}
