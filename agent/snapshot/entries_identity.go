package snapshot

import (
	"context"
	"net/netip"
	"path"
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
			Reason:  "every Droplet of the image would begin with the same seed of its random numbers",
			Touches: []string{"/var/lib/systemd/random-seed", "/var/lib/random-seed", "/var/lib/urandom/random-seed", "/boot/efi/loader/random-seed", "/boot/loader/random-seed", "/efi/loader/random-seed"},
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
			ID: "identity.hostname", Severity: Medium, Mode: Default, Action: Empty, Reason: "the build machine's name; cloud-init gives each Droplet its own",
			Touches: []string{"/etc/hostname"},
			Holds: func(i *Image, file string) bool {
				name := strings.TrimSpace(i.text(file))
				return name != "" && name != "localhost"
			},
		},
		{
			ID: "identity.mail_name", Severity: Medium, Mode: ReportOnly, Reason: "the build machine's name", Touches: []string{"/etc/mailname", "/etc/postfix/main.cf", "/etc/machine-info"},
			Remedy: "have first boot write it with {{ .droplet.name }}",
			Holds: func(i *Image, file string) bool {
				name := i.buildName
				return name != "" && slices.ContainsFunc(i.textLines(file), func(line string) bool {
					return line == name || strings.HasPrefix(line, "myhostname") && strings.HasSuffix(line, name) || strings.HasPrefix(line, "PRETTY_HOSTNAME")
				})
			},
		},
		{
			ID: "identity.own_addresses", Severity: Medium, Mode: ReportOnly, Reason: "it names an address of the build machine", LiveOnly: true,
			Touches: []string{"/etc/**"}, Remedy: "have first boot write it with {{ .droplet.ipv4 }}", Find: findOwnAddresses,
		},
	}
}

// storageAndProductEntries are identities of single programs and kinds of storage.
func storageAndProductEntries() []Entry {
	return []Entry{
		{
			ID: "identity.initiators", Severity: Medium, Mode: Optional, Action: Remove, Reason: "storage initiators must have a name of their own on each machine; nothing makes them again by itself",
			Touches: []string{"/var/lib/iscsi/nodes", "/var/lib/iscsi/send_targets", "/var/lib/iscsi/ifaces", "/etc/iscsi/initiatorname.iscsi", "/etc/nvme/hostnqn", "/etc/nvme/hostid", "/etc/multipath/wwids", "/etc/multipath/bindings"},
		},
		{
			ID: "identity.lvm_devices", Severity: Low, Mode: Default, Action: Remove, Reason: "LVM's memory of the build machine's disks",
			Touches: []string{"/etc/lvm/devices/system.devices", "/etc/lvm/cache/.cache", "/etc/blkid.tab", "/etc/blkid.tab.old", "/etc/blkid/blkid.tab", "/etc/blkid/blkid.tab.old", "/var/lib/blkid/blkid.tab"},
		},
		{
			ID: "identity.docker", Severity: Medium, Mode: Default, Action: Remove, Reason: "the container engine's id; it makes a new one at its next start",
			Touches: []string{"/etc/docker/key.json", "/var/lib/docker/engine-id"}, Prepare: stopping("docker.socket", "docker.service"),
		},
		{
			ID: "identity.docker_swarm", Severity: High, Mode: ReportOnly, Reason: "the keys of a Docker swarm", Touches: []string{"/var/lib/docker/swarm/*"},
			Remedy: "docker swarm leave --force on the build machine, and begin the swarm at first boot",
		},
		{
			ID: "identity.snapd", Severity: Medium, Mode: ReportOnly, Reason: "snapd's identity in the store", Touches: []string{"/var/lib/snapd/device/private-keys-v1/*"},
			Remedy: "build on a fresh Droplet whose snapd has not yet registered; editing its state breaks it",
		},
		{
			ID: "identity.uefi", Severity: Low, Mode: Default, Action: Remove, Reason: "a dump of the build machine's UEFI variables", Touches: []string{"/boot/efi/NvVars"},
		},
		{
			ID: "identity.update_ids", Severity: Low, Mode: Default, Action: Remove, Reason: "the id under which the package manager asks for updates",
			Touches: []string{"/var/lib/yum/uuid", "/etc/sysconfig/rhn/systemid", "/etc/sysconfig/rhn/osad-auth.conf", "/etc/smolt/uuid", "/etc/sysconfig/smolt/uuid", "/var/lib/whoopsie/whoopsie-id", "/var/lib/dnf/countme"},
		},
		{
			ID: "identity.popularity", Severity: Low, Mode: Default, Action: Edit, Reason: "the id under which package statistics are sent", Touches: []string{"/etc/popularity-contest.conf"},
			Holds: hasLineFor(isPopularityID), Clean: dropLines(isPopularityID),
		},
		{
			ID: "identity.clock", Severity: Medium, Mode: Default, Action: Remove, Returns: true, Reason: "the build machine's clock: timers would catch up during first boot",
			Touches: []string{"/var/lib/systemd/timers/stamp-*", "/var/lib/systemd/timesync/clock", "/var/lib/chrony/drift", "/var/lib/chrony/chrony.drift", "/var/lib/ntp/ntp.drift", "/var/lib/ntpsec/ntp.drift"},
		},
		{
			ID: "identity.chrony_keys", Severity: Medium, Mode: ReportOnly, Reason: "keys of a time server", Touches: []string{"/etc/chrony.keys", "/etc/chrony/chrony.keys"},
			Remedy: "empty it, or accept it", Holds: func(i *Image, file string) bool { return len(i.textLines(file)) > 0 },
		},
		{
			ID: "identity.boot_entries", Severity: Low, Mode: ReportOnly, Reason: "boot entries are named by the old machine id", Touches: []string{"/boot/loader/entries/*.conf"}, Silent: true,
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

// findOwnAddresses looks for the machine's public addresses in the settings of programs.
func findOwnAddresses(_ context.Context, i *Image) (subjects []Subject, _ error) {
	var own []string
	for _, text := range i.Addresses() {
		if a, err := netip.ParseAddr(text); err == nil && a.IsGlobalUnicast() && !a.IsPrivate() && !a.IsLinkLocalUnicast() {
			own = append(own, text)
		}
	}
	if len(own) == 0 {
		return nil, nil
	}
	for _, file := range i.expand("/etc/**/*") {
		if base := path.Base(file); strings.HasPrefix(base, ".") || strings.HasPrefix(file, "/etc/ssl/") || !i.isFile(file) {
			continue
		}
		text := i.text(file)
		if slices.ContainsFunc(own, func(address string) bool { return containsWord(text, address) }) {
			subjects = append(subjects, Subject{Name: file})
		}
	}
	return subjects, nil
}

// containsWord reports whether a word stands in the text and is not part of a longer number.
func containsWord(text, word string) bool {
	for at := 0; ; {
		n := strings.Index(text[at:], word)
		if n < 0 {
			return false
		}
		begin, end := at+n, at+n+len(word)
		inside := func(b byte) bool { return b >= '0' && b <= '9' || b >= 'a' && b <= 'f' || b == '.' || b == ':' }
		endOfSentence := end < len(text) && text[end] == '.' && (end+1 == len(text) || !inside(text[end+1]))
		if (begin == 0 || !inside(text[begin-1])) && (end == len(text) || !inside(text[end]) || endOfSentence) {
			return true
		}
		at = end
	}
}
