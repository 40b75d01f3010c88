package snapshot

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
)

// Marketplace is what the Marketplace's own script, img_check.sh 1.8.1 of digitalocean/marketplace-partners, would say
// of the image, mistakes included: a submission is judged by it. docs/pre-snapshot.md lists where our verdict differs.
type Marketplace struct {
	Status  Status   `json:"status"`
	Reasons []string `json:"reasons"`
}

const (
	scriptKeys    = 50  // bytes of an authorized_keys that the script lets pass
	scriptHistory = 200 // bytes of a history that the script lets pass, less one
)

// judgeAsScript works out the script's verdict. Only what changes its exit status is a reason.
func (i *Image) judgeAsScript(ctx context.Context) Marketplace {
	m := Marketplace{Status: Pass, Reasons: []string{}}
	fail := func(format string, arguments ...any) {
		m.Status = Fail
		m.Reasons = append(m.Reasons, fmt.Sprintf(format, arguments...))
	}
	known, accepted := i.scriptKnows()
	name, version := i.release()
	if !known {
		fail("%s is not a supported operating system; the script looks at nothing else", name)
		return m
	}
	if !accepted {
		fail("%s %s is not a supported release", name, version)
	}
	if !i.HasCommand("cloud-init") {
		fail("cloud-init is not installed")
	}
	if u := i.lookForUpdates(ctx); u.err == nil && u.scriptCount > 0 {
		fail("there are %d pending security updates", u.scriptCount)
	}
	if hash, ok := i.shadow["root"]; ok && hash != "!" && hash != "!!" && hash != "*" {
		fail("root has a password")
	}
	for _, file := range i.expand("/root/.ssh/*") {
		info, err := i.Files.Stat(file)
		if err != nil || strings.HasPrefix(path.Base(file), ".") {
			continue
		}
		if base := path.Base(file); base == "authorized_keys" && info.Size() > scriptKeys {
			fail("root has a populated authorized_keys")
		} else if base == "id_rsa" && info.Size() > 0 {
			fail("root has a private key, id_rsa")
		}
	}
	if info, err := i.Files.Stat("/root/.bash_history"); err == nil && info.Size() >= scriptHistory {
		fail("root has a bash history of %d bytes", info.Size())
	}
	if info, err := i.Files.Stat("/opt/digitalocean"); err == nil && info.IsDir() {
		fail("/opt/digitalocean is there: the DigitalOcean agent")
	}
	return m
}

// scriptKnows reports whether the script knows the distribution, and accepts the release. Its patterns for AlmaLinux
// and CloudLinux match wherever an 8 or a 9 stands, and it takes any name with Debian in it.
func (i *Image) scriptKnows() (known, accepted bool) {
	name, version := i.release()
	switch {
	case name == "AlmaLinux" || name == "CloudLinux":
		return true, strings.ContainsAny(version, "89")
	case name == "Rocky Linux":
		return true, strings.Contains(version, "8.") || strings.Contains(version, "9.")
	case strings.Contains(name, "Debian"):
		name = "Debian GNU/Linux"
	}
	for _, s := range systems() {
		if s.Name == name {
			known = true
			accepted = accepted || s.Script && s.Version == version
		}
	}
	return known, accepted
}

// Difference is one place where our verdict is not that of the Marketplace's script.
type Difference struct{ Script, Ours, Check string }

// Differences are all of them, for the docs.
func Differences() []Difference {
	return slices.Clone(differences)
}
