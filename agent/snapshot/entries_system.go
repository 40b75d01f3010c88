package snapshot

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"oneclick-agent/agent/manifest"
)

// systemTable is the systems that the Marketplace takes, with the end of their free support, and whether the
// Marketplace's own script (img_check 1.8.1) accepts them. Sources: marketplace-partners README and script; the
// distributions' release pages.
//
//go:embed systems.json
var systemTable []byte

// system is one release of a distribution.
type system struct {
	Name, Version, End string
	Script             bool
}

func systems() (all []system) {
	if err := json.Unmarshal(systemTable, &all); err != nil {
		panic("the table of systems in the program is damaged: " + err.Error())
	}
	return all
}

// release is what os-release says, of the first of its two places that has it (os-release(5)). It is read as data:
// sourcing it would run it.
func (i *Image) release() (name, version string) {
	for _, file := range []string{"/etc/os-release", "/usr/lib/os-release"} {
		if !i.Files.Exists(file) {
			continue
		}
		v := sourced(strings.ReplaceAll(i.text(file), "\r\n", "\n"), map[string]string{})
		return v.values["NAME"], v.values["VERSION_ID"]
	}
	return "", ""
}

// isRelease compares a version with the table's: of the RHEL family the table has the major number.
func (s system) isRelease(name, version string) bool {
	major, _, _ := strings.Cut(version, ".")
	return s.Name == name && (s.Version == version || s.Name != "Ubuntu" && s.Version == major)
}

const (
	leastFree   = 1 << 30  // bytes that must be free on the root file system
	largestDisk = 26 << 30 // of a root file system that fits on the smallest Droplets (25 GB)
)

func systemEntries() []Entry {
	return []Entry{
		{
			ID:       "system.supported",
			Severity: High,
			Mode:     ReportOnly,
			Reason:   "the Marketplace takes images of supported systems only",
			Touches:  []string{"/etc/os-release"},
			Remedy:   "build on a supported release; docs/pre-snapshot.md lists them", Find: findUnsupported,
		},
		{
			ID:       "system.failed_units",
			Severity: Medium,
			Mode:     ReportOnly,
			LiveOnly: true,
			Reason:   "the unit failed",
			Remedy:   "see systemctl status {subject}; mend it, or disable it",
			Touches:  []string{"systemd"},
			Find: func(ctx context.Context, i *Image) (subjects []Subject, _ error) {
				out, err := i.command(ctx, "systemctl", "list-units", "--state=failed", "--plain", "--no-legend", "--no-pager")
				if err != nil {
					return nil, fmt.Errorf("systemd does not tell which units failed: %s", firstLine(out))
				}
				for line := range strings.Lines(out) {
					if fields := strings.Fields(line); len(fields) > 0 {
						subjects = append(subjects, Subject{Name: fields[0]})
					}
				}
				return subjects, nil
			},
		},
		{
			ID:       "system.disk",
			Severity: Medium,
			Mode:     ReportOnly,
			LiveOnly: true,
			Reason:   "an image cannot be made smaller than the disk that it was built on",
			Touches:  []string{"/"},
			Remedy:   "build on the smallest Droplet",
			Find:     findDisk,
		},
		{
			ID:       "system.setuid",
			Severity: High,
			Mode:     ReportOnly,
			Left:     Warn,
			Reason:   "it runs as its owner for whoever starts it, and no package brought it",
			Remedy:   "chmod u-s,g-s {subject}, or accept it",
			Touches:  []string{"/**"},
			Find:     func(ctx context.Context, i *Image) ([]Subject, error) { return i.treeFindings(ctx, walkSetuid) },
		},
		{
			ID:       "system.capabilities",
			Severity: Critical,
			Mode:     ReportOnly,
			Reason:   "whoever starts it has rights of root, and no package gave it them",
			Remedy:   "setcap -r {subject}, or accept it",
			Touches:  []string{"/**"},
			Find:     func(ctx context.Context, i *Image) ([]Subject, error) { return i.treeFindings(ctx, walkCapability) },
		},
		{
			ID:       "system.world_writable",
			Severity: High,
			Mode:     ReportOnly,
			Left:     Warn,
			Reason:   "every account can change it, and programs are run from there",
			Remedy:   "chmod o-w {subject}",
			Touches:  []string{"/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin", "/etc"},
			Find:     func(ctx context.Context, i *Image) ([]Subject, error) { return i.treeFindings(ctx, walkWritable) },
		},
		{
			ID:       "system.architecture",
			Severity: High,
			Mode:     ReportOnly,
			Left:     Warn,
			Reason:   "it was built for another processor than Droplets have",
			Remedy:   "build it for this architecture, without -march=native",
			Touches:  []string{"/opt/**", "/usr/local/**", "/srv/**", "/root/**", "/home/**"},
			Find:     func(ctx context.Context, i *Image) ([]Subject, error) { return i.treeFindings(ctx, walkArchitecture) },
		},
	}
}

func findUnsupported(_ context.Context, i *Image) ([]Subject, error) {
	name, version := i.release()
	if name == "" {
		return []Subject{{Name: "/etc/os-release", Message: "it does not tell which system this is"}}, nil
	}
	label := strings.TrimSpace(name + " " + version)
	for _, s := range systems() {
		if !s.isRelease(name, version) {
			continue
		}
		if end, err := time.Parse(time.DateOnly, s.End); err == nil && i.Now().After(end) {
			status := Warn
			message := fmt.Sprintf("its free support ended on %s; the Marketplace's script still takes it", s.End)
			if !s.Script {
				status, message = Fail, fmt.Sprintf("its free support ended on %s", s.End)
			}
			return []Subject{{Name: label, Status: status, Message: message}}, nil
		}
		if !s.Script {
			return []Subject{
				{Name: label, Status: Warn, Message: "it is supported, but the Marketplace's script does not know it yet and fails it"},
			}, nil
		}
		return nil, nil
	}
	return []Subject{{Name: label}}, nil
}

func findDisk(_ context.Context, i *Image) (subjects []Subject, _ error) {
	total, free, err := i.Files.Space("/")
	if err != nil {
		return nil, err
	}
	if free < leastFree {
		subjects = append(
			subjects,
			Subject{Name: "/", Message: fmt.Sprintf("only %d MB are free on it", free>>20), Remedy: "make room: at least 1 GB"},
		)
	}
	if total > largestDisk {
		subjects = append(
			subjects,
			Subject{Name: "/", Message: fmt.Sprintf("the disk has %d GB, so that the image fits on no smaller Droplet", total>>30)},
		)
	}
	return subjects[:min(len(subjects), 1)], nil
}

func firewallEntries() []Entry {
	return []Entry{
		{
			ID:       "firewall.active",
			Severity: Medium,
			Mode:     ReportOnly,
			Reason:   "no firewall is on when a Droplet of the image boots",
			Touches:  []string{"/etc/ufw/ufw.conf", "firewalld.service", "nftables.service"},
			Remedy:   "write a firewall step into the manifest's first_boot: - firewall: [22/tcp limit, 80/tcp, 443/tcp]",
			Find: func(_ context.Context, i *Image) ([]Subject, error) {
				if i.firewall() != "" {
					return nil, nil
				}
				return []Subject{{Name: "firewall"}}, nil
			},
		},
		{
			ID:       "firewall.ports",
			Severity: Medium,
			Mode:     ReportOnly,
			LiveOnly: true,
			Reason:   "a program listens there, and the firewall lets nobody in",
			Touches:  []string{"/proc/net/tcp", "/etc/ufw/user.rules"},
			Remedy:   "add the port to the manifest's firewall step, or have the program listen on 127.0.0.1", Find: findClosedPorts,
		},
		{
			ID:       "firewall.docker",
			Severity: High,
			Mode:     ReportOnly,
			Left:     Warn,
			Reason:   "Docker opens the port past the firewall",
			Touches:  []string{"compose files in /opt, /srv, /root, /home, /var/www", "docker-proxy"},
			Remedy:   `publish it on 127.0.0.1: "127.0.0.1:8080:80"`, Find: findDockerPorts,
		},
	}
}

// firewall is what will be on when a Droplet boots, "" for nothing.
func (i *Image) firewall() string {
	ufw := slices.ContainsFunc(i.textLines("/etc/ufw/ufw.conf"), func(line string) bool { return strings.EqualFold(line, "ENABLED=yes") })
	open := slices.ContainsFunc(i.textLines("/etc/default/ufw"), func(line string) bool {
		return strings.HasPrefix(line, "DEFAULT_INPUT_POLICY=") && strings.Contains(line, "ACCEPT")
	})
	if ufw && !open {
		return "ufw"
	}
	for _, unit := range []string{
		"firewalld.service", "nftables.service", "netfilter-persistent.service", "iptables.service",
		"csf.service",
	} {
		if len(i.expand("/etc/systemd/system/*.wants/"+unit)) > 0 && (unit != "nftables.service" || i.nftablesClose()) {
			return unit
		}
	}
	if i.Manifest != nil {
		for _, step := range i.Manifest.FirstBoot {
			if _, ok := step.Spec.(*manifest.Firewall); ok {
				return "the manifest's firewall step"
			}
		}
	}
	return ""
}

// nftablesClose reports whether Debian's nftables.conf keeps anything out: as it is installed it has no rule.
func (i *Image) nftablesClose() bool {
	text := strings.Join(i.textLines("/etc/nftables.conf"), "\n")
	return strings.Contains(text, "hook input") && (strings.Contains(text, "drop") || strings.Contains(text, "reject")) ||
		strings.Contains(text, "include ")
}

// findClosedPorts compares who listens to the world with what ufw lets in.
func findClosedPorts(_ context.Context, i *Image) (subjects []Subject, _ error) {
	rules := i.text("/etc/ufw/user.rules")
	if rules == "" || i.firewall() != "ufw" {
		return nil, nil
	}
	for _, port := range i.Listening() {
		if port != 22 && !ufwOpens(rules, port) {
			subjects = append(subjects, Subject{Name: fmt.Sprintf("%d/tcp", port)})
		}
	}
	return subjects, nil
}

// ufwOpens reads the rules as ufw itself notes them: "### tuple ### allow tcp 80,443,8000:8010 0.0.0.0/0 any ...".
func ufwOpens(rules string, port int) bool {
	for line := range strings.Lines(rules) {
		tuple, ok := strings.CutPrefix(strings.TrimSpace(line), "### tuple ### ")
		fields := strings.Fields(tuple)
		if !ok || len(fields) < 3 || fields[0] != "allow" && fields[0] != "limit" || fields[1] != "tcp" && fields[1] != "any" {
			continue
		}
		for part := range strings.SplitSeq(fields[2], ",") {
			from, to, isRange := strings.Cut(part, ":")
			first, err := strconv.Atoi(from)
			last := first
			if isRange {
				last, _ = strconv.Atoi(to)
			}
			if part == "any" || err == nil && first <= port && port <= last {
				return true
			}
		}
	}
	return false
}

// findDockerPorts reads compose files for ports that are published to the world.
func findDockerPorts(_ context.Context, i *Image) (subjects []Subject, _ error) {
	for _, place := range []string{"/opt", "/srv", "/root", "/home", "/var/www"} {
		for _, name := range []string{"compose.yml", "compose.yaml", "docker-compose.yml", "docker-compose.yaml"} {
			for _, file := range append(i.expand(place+"/"+name), append(i.expand(place+"/*/"+name), i.expand(place+"/*/*/"+name)...)...) {
				if ports := publishedPorts(i.text(file)); len(ports) > 0 {
					subjects = append(
						subjects,
						Subject{Name: file, Message: "Docker publishes " + strings.Join(ports, ", ") + " past the firewall"},
					)
				}
			}
		}
	}
	for _, arguments := range i.CommandLines("docker-proxy") { // what runs already, compose file or not
		at, port := slices.Index(arguments, "-host-ip"), slices.Index(arguments, "-host-port")
		if at >= 0 && port >= 0 && at+1 < len(arguments) && port+1 < len(arguments) && !strings.HasPrefix(arguments[at+1], "127.") &&
			arguments[at+1] != "::1" {
			subjects = append(subjects, Subject{Name: arguments[port+1] + "/tcp"})
		}
	}
	return subjects, nil
}

// publishedPorts are the entries of a compose file's ports: that are not bound to the Droplet itself, in each of the
// three ways to write them (docs.docker.com/reference/compose-file/services/#ports).
func publishedPorts(text string) (ports []string) {
	inside, indent, bound := false, 0, false
	for line := range strings.Lines(text) {
		trimmed := strings.TrimSpace(line)
		depth := len(line) - len(strings.TrimLeft(line, " "))
		if trimmed == "" || trimmed[0] == '#' {
			continue
		}
		if list, ok := strings.CutPrefix(trimmed, "ports:"); ok {
			inside, indent = true, depth
			for item := range strings.SplitSeq(strings.Trim(list, " []"), ",") {
				ports = appendPublished(ports, item)
			}
			continue
		}
		item, isItem := strings.CutPrefix(trimmed, "- ")
		if !inside || depth < indent || depth == indent && !isItem {
			inside = false
			continue
		}
		key, value, _ := strings.Cut(item, ":")
		switch {
		case isItem && !isWord(key):
			ports = appendPublished(ports, item)
		case key == "host_ip":
			bound = strings.Contains(value, "127.0.0.1") || strings.Contains(value, "::1")
		case key == "published" && !bound:
			ports = append(ports, strings.Trim(value, ` "'`))
		}
		if isItem {
			bound = false
		}
	}
	return ports
}

// isWord reports whether a key of the long form stands there, and not a port or an address.
func isWord(key string) bool {
	return slices.Contains([]string{"target", "published", "protocol", "mode", "host_ip", "name", "app_protocol"}, key)
}

func appendPublished(ports []string, item string) []string {
	item = strings.Trim(strings.TrimSpace(item), `"'`)
	if strings.Contains(item, ":") && !strings.HasPrefix(item, "127.") && !strings.HasPrefix(item, "[::1]") &&
		!strings.HasPrefix(item, "localhost") {
		return append(ports, item)
	}
	return ports
}
