package snapshot

import (
	"bytes"
	"encoding/binary"
	"io"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"oneclick-agent/agent/host"
)

// usuallySetuid are the programs that packages of Debian, Ubuntu and the RHEL family bring with the set-user-id or
// set-group-id bit. dpkg does not record modes, so that a program that somebody gave the bit can only be told by its name.
var usuallySetuid = []string{
	"Xorg.wrap", "at", "auth_pam_tool", "bsd-write", "bwrap", "chage", "chfn", "chrome-sandbox", "chsh", "cockpit-session",
	"crontab", "dbus-daemon-launch-helper", "dma", "dmcrypt-get-device", "dotlockfile",
	"dumpcap", "exim4",
	"expiry", "firejail", "fusermount", "fusermount3", "gnome-keyring-daemon", "gpasswd", "grub2-set-bootflag",
	"kismet_cap_linux_wifi", "ksu", "locate", "lockfile", "mail-lock", "mail-touchlock",
	"mail-unlock", "mlocate", "mount",
	"mount.cifs", "mount.davfs", "mount.ecryptfs_private", "mount.nfs", "mtr", "newgidmap", "newgrp", "newuidmap", "ntfs-3g",
	"nvidia-modprobe", "opiesu", "opiepasswd", "pam_extrausers_chkpwd", "pam_timestamp_check",
	"passwd", "ping", "pkexec",
	"plocate", "polkit-agent-helper-1", "postdrop", "postqueue", "pppd", "procmail", "pt_chown", "qmail-queue", "screen",
	"sendmail", "sg", "slocate", "snap-confine", "spice-client-glib-usb-acl-helper", "ssh-agent",
	"ssh-keysign", "sssd_pam",
	"krb5_child", "ldap_child", "p11_child", "proxy_child", "selinux_child", "su", "sudo", "sudo.ws", "sudoedit", "suexec",
	"suexec-custom", "suexec-pristine", "traceroute6.iputils", "umount", "unix_chkpwd",
	"usernetctl", "userhelper", "utempter",
	"uuidd", "vmware-user-suid-wrapper", "vte-prober", "wall", "write", "write.ul", "xlock", "check_dhcp", "check_icmp",
	"check_ide_smart", "fping", "fping6", "arping", "cdrdao", "sensible-mda", "deliver",
	"doveadm", "gpg-check-pattern", "inndstart", "rnews", "uux", "lppasswd", "mailq", "staprun",
	"enlightenment_sys", "perl-suid",
	"camel-lock-helper-1.2", "utempter.static", "man", "mandb", "sudo-rs", "su-rs", "doas", "ssh-askpass", "authbind", "helper",
	"dumpcap", "iodined", "netreport", "kcheckpass", "vncsession-start", "crond", "rpc.statd",
	"msmtp", "slock", "physlock", "run-mailcap", "seunshare", "sandbox", "ecryptfs_umount",
	"lxc-user-nic", "virtfs-proxy-helper", "qemu-bridge-helper", "VBoxHeadless",
}

// givesShell are programs that run other programs, or read and write any file, for whoever starts them.
var givesShell = []string{
	"bash", "sh", "dash", "rbash", "zsh", "ksh", "mksh", "fish", "csh", "tcsh", "ash", "busybox", "env", "find", "xargs",
	"awk", "gawk", "mawk", "nawk", "sed", "perl", "python", "python2", "python3", "ruby", "node",
	"nodejs", "php", "lua", "tclsh", "expect", "java",
	"vi", "vim", "view", "nano", "emacs", "ed", "less", "more", "cat", "head", "tail", "cp", "mv", "dd", "tar", "cpio",
	"zip", "rsync", "scp", "ssh", "curl", "wget", "tee", "install", "ln", "chmod", "chown",
	"docker", "podman", "git", "make", "gcc", "gdb", "strace", "ltrace", "nmap",
	"tcpdump", "systemctl", "journalctl", "apt", "apt-get", "dpkg", "rpm", "dnf", "yum", "pip", "pip3", "npm", "mysql",
	"psql", "sqlite3", "socat", "nc", "ncat", "netcat", "screen.real", "tmux", "watch", "time",
	"timeout", "nice", "nohup", "setsid", "stdbuf", "taskset", "unshare", "nsenter", "chroot",
	"start-stop-daemon", "run-parts", "base64", "xxd", "openssl", "cut", "sort", "capsh",
	"setarch", "ionice", "flock", "cpulimit", "ip", "iptables", "mount.real", "openvpn",
}

// plainName is a program's name without a version behind it: python3.11, vim.basic.
func plainName(file string) string {
	name := path.Base(file)
	if cut := strings.TrimRight(name, "0123456789."); cut != "" {
		name = cut
	}
	for _, ending := range []string{".basic", ".tiny", ".nox", ".gtk3", ".traditional", ".openbsd", "-"} {
		name = strings.TrimSuffix(name, ending)
	}
	return name
}

// judgeSetuid is the finding about a program that runs as its owner or group.
func (i *Image) judgeSetuid(entry *host.Entry) Subject {
	name := path.Base(entry.Path)
	asRoot := entry.Stat.Mode&unix.S_ISUID != 0 && int(entry.Stat.Uid) == ownerOf(i, "/etc")
	owned := i.packages.owns(entry.Path)
	if mode, known := i.packages.mode(entry.Path); known &&
		mode&(unix.S_ISUID|unix.S_ISGID) == entry.Stat.Mode&(unix.S_ISUID|unix.S_ISGID) {
		return Subject{}
	} else if !known && owned && slices.Contains(usuallySetuid, name) || i.packages.overridden(entry.Path) {
		return Subject{}
	}
	s := Subject{Name: entry.Path, Message: "it runs as its owner for whoever starts it, and no package brought it"}
	switch shell := slices.Contains(givesShell, name) || slices.Contains(givesShell, plainName(name)) || i.isShell(entry); {
	case asRoot && shell:
		s.Status, s.Message = Fail, "whoever starts it is root: it runs other programs, or reads and writes any file, as its owner"
	case owned && asRoot:
		s.Status, s.Message = Fail, "its package did not make it run as root for whoever starts it; somebody did"
	case owned:
		s.Message = "its package did not make it run as its owner or group for whoever starts it; somebody did"
	}
	return s
}

// isShell reports whether a file is a shell under another name: by its own text, or by having exactly the size of one of
// the image's shells.
func (i *Image) isShell(entry *host.Entry) bool {
	if content, err := entry.Content(); err == nil {
		text, err := io.ReadAll(io.NewSectionReader(content, 0, maxText))
		for _, mark := range []string{"GNU bash, version", "BusyBox v", "zsh: command not found", "KSH_VERSION", "fish: Unknown command"} {
			if err == nil && bytes.Contains(text, []byte(mark)) {
				return true
			}
		}
	}
	for _, shell := range []string{"/bin/bash", "/bin/dash", "/bin/zsh", "/bin/busybox"} {
		if info, err := i.Files.Stat(shell); err == nil && info.Size() == int64(entry.Stat.Size) && info.Size() > 4096 {
			return true
		}
	}
	return false
}

// rootCapabilities are those that are as good as root (capabilities(7)), by number; netCapabilities let listen in.
var (
	rootCapabilities = map[int]string{
		0:  "cap_chown",
		1:  "cap_dac_override",
		2:  "cap_dac_read_search",
		3:  "cap_fowner",
		6:  "cap_setgid",
		7:  "cap_setuid",
		8:  "cap_setpcap",
		16: "cap_sys_module",
		17: "cap_sys_rawio",
		18: "cap_sys_chroot",
		19: "cap_sys_ptrace",
		21: "cap_sys_admin",
		27: "cap_mknod",
		31: "cap_setfcap",
		33: "cap_mac_admin",
		39: "cap_bpf",
	}
	// usuallyCapable are the programs that packages give such capabilities.
	usuallyCapable = []string{
		"newuidmap",
		"newgidmap",
		"snap-confine",
		"suexec",
		"gst-ptp-helper",
		"kwin_wayland",
		"gnome-shell",
		"systemd-nspawn",
		"dumpcap",
		"sssd_pam",
		"krb5_child",
		"ldap_child",
		"selinux_child",
		"proxy_child",
		"qemu-bridge-helper",
	}
)

// judgeCapabilities is the finding about a program with capabilities of its own.
func (i *Image) judgeCapabilities(entry *host.Entry) Subject {
	file, err := entry.Content()
	if err != nil {
		return Subject{}
	}
	var value [24]byte // struct vfs_ns_cap_data of linux/capability.h
	n, err := unix.Fgetxattr(int(file.Fd()), "security.capability", value[:])
	if err != nil || n < 12 || i.packages.owns(entry.Path) && slices.Contains(usuallyCapable, path.Base(entry.Path)) {
		return Subject{}
	}
	permitted := uint64(binary.LittleEndian.Uint32(value[4:]))
	if n >= 20 {
		permitted |= uint64(binary.LittleEndian.Uint32(value[12:])) << 32
	}
	var names []string
	for number, name := range rootCapabilities {
		if permitted&(1<<number) != 0 {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return Subject{}
	}
	slices.Sort(names)
	return Subject{Name: entry.Path, Message: "whoever starts it has rights of root: " + strings.Join(names, ", ")}
}
