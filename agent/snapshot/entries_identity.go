package snapshot

import (
	"bytes"
	"context"
	"io"
	"net/netip"
	"slices"
	"strings"

	"oneclick-agent/agent/host"
)

func identityEntries() []Entry {
	return []Entry{
		{
			ID: "identity.machine_id", Severity: High, Mode: Default, Action: Empty,
			Reason:  "every Droplet of the image would have the same machine id, and with it the same DHCP identity, journal and app ids",
			Touches: []string{"/etc/machine-id"},
			Holds: func(i *Image, file string) bool {
				return strings.TrimSpace(i.text(file)) != "" && strings.TrimSpace(i.text(file)) != "uninitialized"
			}, Clean: emptyMachineID,
		},
		{
			ID: "identity.dbus_machine_id", Severity: High, Mode: Default, Action: Remove,
			Reason:  "systemd takes the old machine id back from it on every Droplet",
			Touches: []string{"/var/lib/dbus/machine-id"}, Holds: regular,
		},
		{
			ID: "identity.random_seed", Severity: High, Mode: Default, Action: Remove, Returns: true,
			Reason: "every Droplet of the image would begin with the same seed of its random numbers",
			Touches: []string{
				"/var/lib/systemd/random-seed",
				"/var/lib/random-seed",
				"/var/lib/urandom/random-seed",
				"/boot/efi/loader/random-seed",
				"/boot/loader/random-seed",
				"/efi/loader/random-seed",
			},
			Prepare: stopping("systemd-random-seed.service"),
		},
		{
			ID: "identity.credential_secret", Severity: High, Mode: Guarded, Action: Remove,
			Reason:  "every Droplet of the image would encrypt systemd's credentials with the same key",
			Touches: []string{"/var/lib/systemd/credential.secret"},
			Guard: func(i *Image) string {
				if len(i.expand("/etc/credstore.encrypted/*")) > 0 || len(i.expand("/var/lib/credstore.encrypted/*")) > 0 {
					return "credentials in /etc/credstore.encrypted would be lost with it"
				}
				for _, unit := range append(i.expand("/etc/systemd/system/*.service"), i.expand("/etc/systemd/system/*.d/*.conf")...) {
					if containing("LoadCredentialEncrypted", "SetCredentialEncrypted")(i, unit) {
						return unit + " has a credential that would be lost with it"
					}
				}
				return ""
			},
		},
		{
			ID: "identity.hosts", Severity: Medium, Mode: Default, Action: Edit, Reason: "it gives the build machine's name an address",
			Touches: []string{"/etc/hosts"}, Holds: hasLineFor(namesBuildHost), Clean: forgetBuildHost,
		},
		{
			ID:       "identity.hostname",
			Severity: Medium,
			Mode:     Default,
			Action:   Empty,
			Reason:   "the build machine's name; cloud-init gives each Droplet its own",
			Touches:  []string{"/etc/hostname"},
			Holds: func(i *Image, file string) bool {
				name := strings.TrimSpace(i.text(file))
				return name != "" && name != "localhost"
			},
		},
		{
			ID:       "identity.build_machine",
			Severity: Medium,
			Mode:     ReportOnly,
			Reason:   "it names the build machine, or an address of it",
			Touches:  []string{"/etc/**", "/opt/**", "/srv/**", "/var/www/**"},
			Remedy:   "have first boot write it with {{ .droplet.name }} or {{ .droplet.ipv4 }}",
			Find:     func(ctx context.Context, i *Image) ([]Subject, error) { return i.treeFindings(ctx, walkBuildMachine) },
		},
		{
			ID:       "identity.host_settings",
			Severity: Medium,
			Mode:     Default,
			Action:   Edit,
			Reason:   "the build machine's name",
			Touches:  []string{"/etc/sysconfig/network"},
			Holds:    hasLineFor(isHostSetting), Clean: dropLines(isHostSetting),
		},
	}
}

// storageAndProductEntries are identities of single programs and kinds of storage.
func storageAndProductEntries() []Entry {
	return []Entry{
		{
			ID:       "identity.initiators",
			Severity: Medium,
			Mode:     Optional,
			Action:   Remove,
			Reason:   "storage initiators must have a name of their own on each machine; nothing makes them again by itself",
			Touches: []string{
				"/var/lib/iscsi/nodes",
				"/var/lib/iscsi/send_targets",
				"/var/lib/iscsi/ifaces",
				"/etc/iscsi/initiatorname.iscsi",
				"/etc/nvme/hostnqn",
				"/etc/nvme/hostid",
				"/etc/multipath/wwids",
				"/etc/multipath/bindings",
			},
		},
		{
			ID: "identity.lvm_devices", Severity: Low, Mode: Default, Action: Remove, Reason: "LVM's memory of the build machine's disks",
			Touches: []string{
				"/etc/lvm/devices/system.devices",
				"/etc/lvm/cache/.cache",
				"/etc/blkid.tab",
				"/etc/blkid.tab.old",
				"/etc/blkid/blkid.tab",
				"/etc/blkid/blkid.tab.old",
				"/var/lib/blkid/blkid.tab",
			},
		},
		{
			ID:       "identity.docker",
			Severity: Medium,
			Mode:     Default,
			Action:   Remove,
			Reason:   "the container engine's id; it makes a new one at its next start",
			Touches:  []string{"/etc/docker/key.json", "/var/lib/docker/engine-id"}, Prepare: stopping("docker.socket", "docker.service"),
		},
		{
			ID:       "identity.docker_swarm",
			Severity: High,
			Mode:     ReportOnly,
			Reason:   "the keys of a Docker swarm",
			Touches:  []string{"/var/lib/docker/swarm/*"},
			Remedy:   "docker swarm leave --force on the build machine, and begin the swarm at first boot",
		},
		{
			ID:       "identity.snapd",
			Severity: Medium,
			Mode:     ReportOnly,
			Reason:   "snapd's identity in the store",
			Touches:  []string{"/var/lib/snapd/device/private-keys-v1/*"},
			Remedy:   "build on a fresh Droplet whose snapd has not yet registered; editing its state breaks it",
		},
		{
			ID:       "identity.uefi",
			Severity: Low,
			Mode:     Default,
			Action:   Remove,
			Reason:   "a dump of the build machine's UEFI variables",
			Touches:  []string{"/boot/efi/NvVars"},
		},
		{
			ID:       "identity.update_ids",
			Severity: Low,
			Mode:     Default,
			Action:   Remove,
			Reason:   "the id under which the package manager asks for updates",
			Touches: []string{
				"/var/lib/yum/uuid",
				"/etc/sysconfig/rhn/systemid",
				"/etc/sysconfig/rhn/osad-auth.conf",
				"/etc/smolt/uuid",
				"/etc/sysconfig/smolt/uuid",
				"/var/lib/whoopsie/whoopsie-id",
				"/var/lib/dnf/countme",
				"/var/lib/dnf/repos/*/countme",
				"/var/cache/dnf/*/countme",
				"/var/lib/PackageKit/offline-update-*",
			},
		},
		{
			ID:       "identity.popularity",
			Severity: Low,
			Mode:     Default,
			Action:   Edit,
			Reason:   "the id under which package statistics are sent",
			Touches:  []string{"/etc/popularity-contest.conf"},
			Holds:    hasLineFor(isPopularityID), Clean: dropLines(isPopularityID),
		},
		{
			ID:       "identity.clock",
			Severity: Medium,
			Mode:     Default,
			Action:   Remove,
			Returns:  true,
			Reason:   "the build machine's clock: timers would catch up during first boot",
			Touches: []string{
				"/var/lib/systemd/timers/stamp-*",
				"/var/lib/systemd/timesync/clock",
				"/var/lib/chrony/drift",
				"/var/lib/chrony/chrony.drift",
				"/var/lib/ntp/ntp.drift",
				"/var/lib/ntpsec/ntp.drift",
			},
		},
		{
			ID:       "identity.chrony_keys",
			Severity: Medium,
			Mode:     ReportOnly,
			Reason:   "keys of a time server",
			Touches:  []string{"/etc/chrony.keys", "/etc/chrony/chrony.keys"},
			Remedy:   "empty it, or accept it", Holds: func(i *Image, file string) bool { return len(i.textLines(file)) > 0 },
		},
		{
			ID:       "identity.boot_entries",
			Severity: Low,
			Mode:     ReportOnly,
			Reason:   "boot entries are named by the old machine id",
			Touches:  []string{"/boot/loader/entries/*.conf"},
			Silent:   true,
		},
	}
}

// emptyMachineID leaves an empty file: systemd then makes a new id without taking the boot for the first of a new
// system, which would enable units that the vendor disabled (machine-id(5)).
func emptyMachineID(_ context.Context, i *Image, file string) error {
	_, err := i.Files.WriteFile(file, nil, host.Mode(0o444))
	return err
}

// namesBuildHost reports whether a line of /etc/hosts gives the build machine's name an address.
func namesBuildHost(i *Image, line string) bool {
	after, keep := i.withoutBuildHost(line)
	return !keep || after != line
}

// withoutBuildHost is a line of /etc/hosts without the build machine's name; keep is false where nothing else is left.
func (i *Image) withoutBuildHost(line string) (after string, keep bool) {
	fields := strings.Fields(line)
	if len(fields) < 2 || strings.HasPrefix(fields[0], "#") {
		return line, true
	}
	if fields[0] == "127.0.1.1" { // Debian's place for the machine's own name
		return "", false
	}
	short, _, _ := strings.Cut(i.buildName, ".")
	own := func(name string) bool {
		return short != "" && short != "localhost" && (name == short || name == i.buildName)
	}
	if !slices.ContainsFunc(fields[1:], own) {
		return line, true
	}
	names := slices.DeleteFunc(fields[1:], own)
	return fields[0] + " " + strings.Join(names, " "), len(names) > 0
}

func forgetBuildHost(_ context.Context, i *Image, file string) error {
	return i.editLines(file, i.withoutBuildHost)
}

func isPopularityID(_ *Image, line string) bool {
	return strings.HasPrefix(strings.TrimSpace(line), "MY_HOSTID=")
}

func isHostSetting(_ *Image, line string) bool {
	line = strings.TrimSpace(line)
	return strings.HasPrefix(line, "HOSTNAME=") || strings.HasPrefix(line, "DHCP_HOSTNAME=")
}

// commonNames are host names that say nothing, and stand in many files for other reasons.
var commonNames = []string{
	"localhost",
	"debian",
	"ubuntu",
	"centos",
	"rocky",
	"almalinux",
	"fedora",
	"linux",
	"server",
	"host",
	"hostname",
	"test",
	"root",
	"docker",
	"example",
	"image",
	"build",
	"droplet",
}

// ownWords are the name and the public addresses of the build machine: of the machine itself, and of what cloud-init wrote
// for it into a tree.
func (i *Image) ownWords() []string {
	i.ownOnce.Do(func() {
		short, _, _ := strings.Cut(i.buildName, ".")
		if len(short) >= 4 && !slices.Contains(commonNames, short) {
			i.ownNames = append(i.ownNames, short)
		}
		addresses := i.Addresses()
		if !i.Live() {
			addresses = nil
			for _, place := range []string{
				"/etc/netplan/50-cloud-init.yaml", "/etc/network/interfaces.d/50-cloud-init*",
				"/etc/systemd/network/10-cloud-init-*", "/etc/sysconfig/network-scripts/ifcfg-eth*",
				"/run/cloud-init/instance-data.json", "/etc/network/interfaces",
			} {
				for _, file := range i.expand(place) {
					addresses = append(
						addresses,
						strings.FieldsFunc(i.text(file), func(r rune) bool { return strings.ContainsRune(" \t\n\"',=/[]{}-", r) })...)
				}
			}
		}
		for _, text := range addresses {
			if a, err := netip.ParseAddr(text); err == nil && a.IsGlobalUnicast() && !a.IsPrivate() && !a.IsLinkLocalUnicast() &&
				!slices.Contains(i.ownNames, text) {
				i.ownNames = append(i.ownNames, text)
			}
		}
	})
	return i.ownNames
}

const (
	// maxNamed is the largest file in which the build machine's name is looked for, in bytes: settings are smaller.
	maxNamed = 64 << 10
)

// toldElsewhere are files with an entry of their own about the build machine.
var toldElsewhere = []string{
	"/etc/hostname",
	"/etc/hosts",
	"/etc/resolv.conf",
	"/etc/machine-info",
	"/etc/sysconfig/network",
	"/etc/network/interfaces",
}

// namesBuildMachine says which word of the build machine's a file of settings has in it, "" for none.
func (i *Image) namesBuildMachine(entry *host.Entry) string {
	words := i.ownWords()
	if len(words) == 0 || entry.Stat.Size == 0 || entry.Stat.Size > maxNamed || directoryOf(entry.Path, []string{
		"/etc", "/opt", "/srv", "/var/www",
	}) == "" || slices.Contains(toldElsewhere, entry.Path) ||
		strings.Contains(entry.Path, "cloud-init") || strings.HasPrefix(entry.Path, "/etc/ssl/certs/") ||
		strings.HasPrefix(entry.Path, "/etc/ssh/ssh_host_") {
		return ""
	}
	content, err := entry.Content()
	if err != nil {
		return ""
	}
	data, err := io.ReadAll(io.NewSectionReader(content, 0, maxNamed))
	if err != nil || bytes.IndexByte(data, 0) >= 0 {
		return ""
	}
	for _, word := range words {
		if containsWord(string(data), word) {
			return "it names the build machine: " + word
		}
	}
	return ""
}

// containsWord reports whether a word stands in the text and is not part of a longer number.
func containsWord(text, word string) bool {
	for at := 0; ; {
		n := strings.Index(text[at:], word)
		if n < 0 {
			return false
		}
		begin, end := at+n, at+n+len(word)
		inside := func(b byte) bool { // what a longer number, name or address goes on with
			letter := b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b == '-' || b == '_'
			return letter || b == '.' && strings.Contains(word, ".") || b == ':' && strings.Contains(word, ":")
		}
		endOfSentence := end < len(text) && text[end] == '.' && (end+1 == len(text) || !inside(text[end+1]))
		if (begin == 0 || !inside(text[begin-1])) && (end == len(text) || !inside(text[end]) || endOfSentence) {
			return true
		}
		at = end
	}
}
