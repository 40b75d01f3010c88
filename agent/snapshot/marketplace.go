package snapshot

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"unicode/utf8"
)

// Marketplace is what the Marketplace's own script, img_check.sh 1.8.1 of digitalocean/marketplace-partners, would say
// of the image, mistakes included: a submission is judged by it. docs/pre-snapshot.md lists where our verdict differs.
// The status is unknown where the script would pass the image if only what was not looked up is in order; the reasons
// then say what that is.
type Marketplace struct {
	Status  Status   `json:"status"`
	Reasons []string `json:"reasons"`
}

const (
	scriptKeys    = 50  // bytes of an authorized_keys that the script lets pass
	scriptHistory = 200 // bytes of a history that the script lets pass, less one
)

// prediction collects what decides the script's exit status: a failure does whatever else is not known.
type prediction struct{ failures, unknown []string }

func (p *prediction) fail(format string, arguments ...any) {
	p.failures = append(p.failures, fmt.Sprintf(format, arguments...))
}

func (p *prediction) open(format string, arguments ...any) {
	p.unknown = append(p.unknown, fmt.Sprintf(format, arguments...))
}

// judgeAsScript works out the script's verdict. Only what changes its exit status is a reason.
func (i *Image) judgeAsScript(ctx context.Context) Marketplace {
	var p prediction
	if i.scriptKnowsSystem(ctx, &p) {
		if !i.scriptFinds("cloud-init") {
			p.fail("cloud-init is not installed")
		}
		i.scriptLooksForUpdates(ctx, &p)
		i.scriptReadsLogs(&p)
		i.scriptReadsRoot(&p)
		if info, err := i.Files.Stat("/opt/digitalocean"); err == nil && info.IsDir() {
			p.fail("/opt/digitalocean is there: the DigitalOcean agent")
		}
	}
	switch {
	case len(p.failures) > 0:
		return Marketplace{Fail, p.failures}
	case len(p.unknown) > 0:
		return Marketplace{Unknown, p.unknown}
	}
	return Marketplace{Pass, []string{}}
}

// scriptKnowsSystem is false where the script ends at once, because it does not know the distribution, or because the file
// that should say which it is ends the shell.
func (i *Image) scriptKnowsSystem(ctx context.Context, p *prediction) bool {
	s := i.scriptSystem(ctx)
	switch {
	case s.ends && s.exit == "":
		p.open("how it ends: the file that says which system it is ends the script")
		return false
	case s.ends && s.exit != "0":
		p.fail("the file that says which system it is ends the script with the status %s", s.exit)
		return false
	case s.ends:
		return false
	case s.unsure != "":
		p.open("which system it is: %s", s.unsure)
		return true
	}
	known, accepted := scriptAccepts(s.name, s.version)
	if !known {
		p.fail("%q is not a supported operating system; the script looks at nothing else", s.name)
		return false
	}
	if !accepted {
		p.fail("%s %q is not a supported release", s.name, s.version)
	}
	if s.status == "2" {
		p.fail("the file that says which system it is sets the script's own variable STATUS to 2")
	}
	return true
}

// scriptedSystem is the distribution and its release, or why they are not known. What the script runs as a part of itself can end
// it, or set its own variable STATUS.
type scriptedSystem struct {
	name, version, unsure string
	ends                  bool
	exit, status          string
}

// scriptSystem is the system as the script finds it: the first of these files that is there decides, and two of them are
// run as a part of the script.
func (i *Image) scriptSystem(ctx context.Context) scriptedSystem {
	isFile := func(file string) bool {
		info, err := i.Files.Stat(file)
		return err == nil && info.Mode().IsRegular()
	}
	switch {
	case isFile("/etc/os-release"):
		return i.scriptSources("/etc/os-release", "NAME", "VERSION_ID")
	case i.scriptFinds("lsb_release"):
		name, nameErr := i.command(ctx, "lsb_release", "-si")
		version, versionErr := i.command(ctx, "lsb_release", "-sr")
		if nameErr != nil || versionErr != nil {
			return scriptedSystem{unsure: "there is no /etc/os-release, and the script runs lsb_release, whose answer is not known here"}
		}
		return scriptedSystem{name: strings.TrimRight(name, "\n"), version: strings.TrimRight(version, "\n")}
	case i.scriptSees("lsb_release"): // bash's type takes it for a command, which then cannot be run
		return scriptedSystem{}
	case isFile("/etc/lsb-release"):
		return i.scriptSources("/etc/lsb-release", "DISTRIB_ID", "DISTRIB_RELEASE")
	case isFile("/etc/debian_version"):
		return scriptedSystem{name: "Debian", version: strings.TrimRight(i.text("/etc/debian_version"), "\n")}
	case isFile("/etc/SuSe-release"):
		return scriptedSystem{}
	case isFile("/etc/redhat-release"):
		first, third := redhatRelease(strings.TrimRight(i.text("/etc/redhat-release"), "\n"))
		if first == "CentOS" {
			return scriptedSystem{name: "CentOS Linux", version: third}
		}
		return scriptedSystem{version: third}
	}
	return scriptedSystem{name: "Linux"}
}

// redhatRelease cuts the first and the third word out of each line, up to its first dot, as the script does.
func redhatRelease(text string) (first, third string) {
	var ones, threes []string
	for line := range strings.SplitSeq(text, "\n") {
		words := strings.Split(line, " ")
		word := func(n int) string {
			if len(words) == 1 {
				n = 0 // cut prints a line without a separator whole
			}
			if n >= len(words) {
				return ""
			}
			before, _, _ := strings.Cut(words[n], ".")
			return before
		}
		ones, threes = append(ones, word(0)), append(threes, word(2))
	}
	return strings.TrimRight(strings.Join(ones, "\n"), "\n"), strings.TrimRight(strings.Join(threes, "\n"), "\n")
}

func (i *Image) scriptSources(file, nameKey, versionKey string) scriptedSystem {
	v := sourced(i.text(file), map[string]string{"VERSION": "v. 1.8.1"})
	s := scriptedSystem{ends: v.exits, exit: v.exit, status: v.values["STATUS"]}
	s.name, s.unsure = v.get(nameKey)
	for _, name := range []string{versionKey, "STATUS", "PATH"} {
		value, unsure := v.get(name)
		if name == versionKey {
			s.version = value
		} else if name == "PATH" && value != "" {
			unsure = "it changes where programs are looked for"
		}
		s.unsure = cmp.Or(s.unsure, unsure)
	}
	if s.unsure != "" {
		s.unsure = "the script runs " + file + ", and " + s.unsure
	}
	return s
}

// scriptReleases are the releases that the script accepts by their exact name.
var scriptReleases = map[string][]string{
	"Ubuntu":        {"24.04", "22.10", "22.04", "20.04", "18.04", "16.04"},
	"Debian":        {"9", "10", "11", "12", "13"},
	"CentOS Linux":  {"6", "7", "8"},
	"CentOS Stream": {"8", "9"},
}

// scriptAccepts reports whether the script knows the distribution, and accepts the release. Its patterns for AlmaLinux
// and CloudLinux match wherever an 8 or a 9 stands, and it takes any name with Debian in it.
func scriptAccepts(name, version string) (known, accepted bool) {
	switch {
	case name == "AlmaLinux" || name == "CloudLinux":
		return true, strings.ContainsAny(version, "89")
	case name == "Rocky Linux":
		return true, strings.Contains(version, "8.") || strings.Contains(version, "9.")
	case name != "Ubuntu" && strings.Contains(name, "Debian"):
		name = "Debian"
	}
	releases, known := scriptReleases[name]
	return known, slices.Contains(releases, version)
}

// scriptFinds reports whether the script's shell finds a program: an executable file in one of its directories.
func (i *Image) scriptFinds(program string) bool { return i.inSearchPath(program, 0o111) }

// scriptSees reports whether there is a file of that name at least.
func (i *Image) scriptSees(program string) bool { return i.inSearchPath(program, 0o777) }

func (i *Image) inSearchPath(program string, mode fs.FileMode) bool {
	for _, directory := range []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin", "/snap/bin"} {
		info, err := i.Files.Stat(path.Join(directory, program))
		if err == nil && info.Mode().IsRegular() && info.Mode()&mode != 0 {
			return true
		}
	}
	return false
}

func (i *Image) scriptLooksForUpdates(ctx context.Context, p *prediction) {
	u := i.lookForUpdates(ctx)
	switch {
	case u.err != nil:
		p.open("whether security updates are missing: %s", u.err)
	case u.scriptCount > 0:
		p.fail("there are %d pending security updates, as it counts them", u.scriptCount)
	}
}

// scriptReadsLogs looks for what the script would wait for without end: logs only make it warn.
func (i *Image) scriptReadsLogs(p *prediction) {
	names := i.list("/var/log")
	for _, matches := range []func(string) bool{looksDated, looksNumbered, func(name string) bool { return path.Ext(name) == ".log" }} {
		for _, entry := range names { // in the order of their names, as the shell has them
			file := path.Join("/var/log", entry.Name())
			if strings.HasPrefix(entry.Name(), ".") || !matches(entry.Name()) {
				continue
			}
			info, err := i.Files.Stat(file)
			if err != nil {
				break // at a link that leads nowhere the script's loop ends
			}
			i.scriptReads(file, info, p)
		}
	}
}

// looksDated is the script's *-????????.
func looksDated(name string) bool {
	runes := []rune(name)
	return utf8.ValidString(name) && len(runes) >= 9 && runes[len(runes)-9] == '-'
}

// looksNumbered is the script's *.[0-9].
func looksNumbered(name string) bool {
	return len(name) >= 2 && name[len(name)-2] == '.' && name[len(name)-1] >= '0' && name[len(name)-1] <= '9'
}

// scriptReads is how many bytes the script reads of a file; what is no file holds none, or holds the script up.
func (i *Image) scriptReads(file string, info fs.FileInfo, p *prediction) int64 {
	switch mode := info.Mode(); {
	case mode&fs.ModeNamedPipe != 0:
		p.fail("it never ends: it reads %s, which is a FIFO that nobody writes to", file)
	case mode&fs.ModeDevice != 0:
		p.open("it reads the device %s, which may never end", file)
	case mode.IsRegular():
		return info.Size()
	}
	return 0
}

// scriptReadsRoot is the script's look at the root account: its password as it splits /etc/shadow into words, the two
// key files that it knows, and the history.
func (i *Image) scriptReadsRoot(p *prediction) {
	if info, err := i.Files.Stat("/etc/shadow"); err == nil {
		i.scriptReads("/etc/shadow", info, p)
	}
	for _, word := range strings.FieldsFunc(i.text("/etc/shadow"), func(r rune) bool { return r == ' ' || r == '\t' || r == '\n' }) {
		fields := append(strings.Split(strings.ReplaceAll(word, "\x00", ""), ":"), "")
		if fields[0] == "root" && fields[1] != "!" && fields[1] != "!!" && fields[1] != "*" {
			p.fail("root has a password, by a line of /etc/shadow whose second field is not exactly !, !! or *")
		}
	}
	for _, name := range []string{"authorized_keys", "id_rsa", "known_hosts"} {
		file := path.Join("/root/.ssh", name)
		info, err := i.Files.Stat(file)
		if err != nil {
			continue
		}
		size := i.scriptReads(file, info, p)
		if name == "authorized_keys" && size > scriptKeys {
			p.fail("root has a populated authorized_keys")
		} else if name == "id_rsa" && size > 0 {
			p.fail("root has a private key, id_rsa")
		}
	}
	if info, err := i.Files.Stat("/root/.bash_history"); err == nil && info.Mode().IsRegular() && info.Size() >= scriptHistory {
		p.fail("root has a bash history of %d bytes", info.Size())
	}
}

// Difference is one place where our verdict is not that of the Marketplace's script.
type Difference struct{ Script, Ours, Check string }

// Differences are all of them, for the docs.
func Differences() []Difference {
	return slices.Clone(differences)
}
