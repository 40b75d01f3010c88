package snapshot

import (
	"context"
	"path"
	"slices"
	"strings"

	"oneclick-agent/agent/pattern"
)

// listingEntries are what the Marketplace's README requires or recommends beyond security (see requirements.go).
func listingEntries() []Entry {
	return []Entry{
		{
			ID:       "cloud_init.version",
			Severity: High,
			Mode:     ReportOnly,
			Reason:   "this cloud-init is older than the Marketplace requires",
			Remedy:   "install cloud-init 0.79 or later",
			Touches:  []string{dpkgStatus, "/usr/lib/python3*/*-packages/cloudinit/version.py"},
			Find:     findOldCloudInit,
		},
		{
			ID:       "ssh.server",
			Severity: Critical,
			Mode:     ReportOnly,
			Reason:   "a Droplet is reached by SSH, and the image has no server for it",
			Remedy:   "install openssh-server and enable it",
			Touches:  []string{"/usr/sbin/sshd", "/etc/ssh/sshd_config"},
			Find:     findSSHServer,
		},
		{
			ID:       "network.build_features",
			Severity: Medium,
			Mode:     ReportOnly,
			Reason:   "it sets up the private network, IPv6 or fixed addresses of the build Droplet",
			Remedy:   "remove it: each Droplet gets its own network from cloud-init",
			Touches: []string{
				"/etc/netplan/*.yaml",
				"/etc/systemd/network/*.network",
				"/etc/sysconfig/network-scripts/ifcfg-eth1",
				"/etc/network/interfaces.d/*",
				"/etc/network/interfaces",
			}, Find: findBuildNetwork,
		},
		{
			ID:       "first_login.script",
			Severity: Low,
			Mode:     ReportOnly,
			Left:     Note,
			Reason:   "it runs at the first login",
			Remedy:   "put it under /opt, and let it end with: cp -f /etc/skel/.bashrc /root/.bashrc",
			Touches:  []string{"/root/.bashrc"},
			Find:     findLoginScript,
		},
		{
			ID:       "motd.introduction",
			Severity: Low,
			Mode:     ReportOnly,
			Left:     Note,
			Reason:   "nothing tells who logs in what the image is, and where its documentation is",
			Remedy:   "write motd: into the manifest, or a script /etc/update-motd.d/99-NAME",
			Touches:  []string{"/etc/update-motd.d/99-*", "/etc/motd.d/*", "/etc/motd"},
			Find:     findIntroduction,
		},
		{
			ID:       "vendor.application_info",
			Severity: Low,
			Mode:     ReportOnly,
			Left:     Note,
			Reason:   "nothing tells DigitalOcean which app and version the image is",
			Remedy: "write application_name, build_date, distro, distro_release, distro_codename, distro_arch and " +
				"application_version into it",
			Touches: []string{applicationInfo}, Find: findApplicationInfo,
		},
	}
}

var writtenTogether = pattern.New(`^0\.7(\d)\b`)

var cloudInitVersion = pattern.New(`__VERSION__ = ["']([0-9][0-9.]*)`)

func findOldCloudInit(_ context.Context, i *Image) ([]Subject, error) {
	if !i.HasCommand("cloud-init") {
		return nil, nil // which another check tells
	}
	version := i.packages.version("cloud-init")
	for _, place := range []string{
		"/usr/lib/python3*/dist-packages/cloudinit/version.py",
		"/usr/lib/python3*/site-packages/cloudinit/version.py",
	} {
		for _, file := range i.expand(place) {
			if match := cloudInitVersion().FindStringSubmatch(i.text(file)); match != nil && version == "" {
				version = match[1]
			}
		}
	}
	// The Marketplace writes 0.76 for what is called 0.7.6.
	written := writtenTogether().ReplaceAllString(version, "0.7.$1")
	switch {
	case version == "" || laterVersion(written, "0.7.8.99"):
		return nil, nil
	case laterVersion(written, "0.7.5.99"):
		return []Subject{{Name: "cloud-init " + version, Status: Warn, Message: "cloud-init 0.79 or later is recommended"}}, nil
	}
	return []Subject{{Name: "cloud-init " + version}}, nil
}

func findSSHServer(_ context.Context, i *Image) (subjects []Subject, _ error) {
	if !i.HasCommand("/usr/sbin/sshd") {
		s := Subject{Name: "sshd"}
		if !i.packages.debian() && !i.packages.rpm() { // the tree of something that is no whole system
			s.Status = Warn
		}
		return []Subject{s}, nil
	}
	for _, unit := range []string{"ssh.service", "sshd.service"} {
		if target, err := i.Files.Readlink("/etc/systemd/system/" + unit); err == nil && target == "/dev/null" {
			subjects = append(
				subjects,
				Subject{Name: unit, Message: "sshd is masked, so that nobody gets in", Remedy: "systemctl unmask {subject}"},
			)
		}
	}
	c := i.sshdConfiguration()
	if !c.found {
		return subjects, nil
	}
	program := ""
	for _, s := range c.settings {
		if name, rest, _ := strings.Cut(strings.ReplaceAll(s.value, "\t", " "), " "); s.key == "subsystem" && name == "sftp" {
			program, _, _ = strings.Cut(strings.TrimSpace(rest), " ")
		}
	}
	switch {
	case program == "":
		subjects = append(
			subjects,
			Subject{
				Name:    "sftp",
				Status:  Warn,
				Message: "sshd's settings have no sftp, so that files cannot be copied to a Droplet",
				Remedy:  "write Subsystem sftp internal-sftp",
			},
		)
	case program != "internal-sftp" && !i.HasCommand(program):
		subjects = append(
			subjects,
			Subject{
				Name:    "sftp",
				Status:  Warn,
				Message: "sshd starts " + program + " for sftp, which is not there",
				Remedy:  "write Subsystem sftp internal-sftp",
			},
		)
	}
	return subjects, nil
}

func findBuildNetwork(_ context.Context, i *Image) (subjects []Subject, _ error) {
	for _, place := range []string{
		"/etc/netplan/*.yaml", "/etc/systemd/network/*.network",
		"/etc/sysconfig/network-scripts/ifcfg-*", "/etc/network/interfaces.d/*",
		"/etc/network/interfaces",
	} {
		for _, file := range i.expand(place) {
			text := strings.Join(i.textLines(file), "\n")
			generated := strings.Contains(path.Base(file), "cloud-init") || strings.Contains(i.text(file), "cloud-init")
			if generated || i.packages.vouches(file) {
				continue
			}
			switch {
			case strings.Contains(text, "eth1") || strings.Contains(text, "ens4"):
				subjects = append(subjects, Subject{Name: file, Message: "it sets up the private network of the build Droplet"})
			case strings.Contains(strings.ToLower(text), "ipv6addr=") || strings.Contains(text, "inet6 static"):
				subjects = append(subjects, Subject{Name: file, Message: "it sets up the IPv6 address of the build Droplet"})
			case strings.Contains(text, "inet static") || strings.Contains(text, "IPADDR=") && !strings.HasSuffix(file, "ifcfg-lo") ||
				strings.Contains(text, "gateway4:") || strings.HasPrefix(text, "Address=") || strings.Contains(text, "\nAddress="):
				subjects = append(subjects, Subject{Name: file, Message: "it sets up a fixed address, as only the build Droplet has it"})
			}
		}
	}
	return subjects, nil
}

// findLoginScript looks at programs that root's .bashrc starts.
func findLoginScript(_ context.Context, i *Image) (subjects []Subject, _ error) {
	for _, line := range i.textLines("/root/.bashrc") {
		for word := range strings.FieldsSeq(line) {
			script := strings.Trim(word, `"';&`)
			if !strings.HasPrefix(script, "/") || strings.HasPrefix(script, "/usr/bin/") || strings.HasPrefix(script, "/bin/") ||
				strings.HasPrefix(script, "/etc/") ||
				strings.HasPrefix(script, "/dev/") ||
				!i.isFile(script) ||
				i.packages.owns(script) {
				continue
			}
			if !strings.Contains(i.text(script), ".bashrc") {
				subjects = append(
					subjects,
					Subject{
						Name:    script,
						Status:  Warn,
						Message: "root's .bashrc starts it at every login: it does not take its line out again",
					},
				)
			} else if !strings.HasPrefix(script, "/opt/") {
				subjects = append(subjects, Subject{
					Name:    script,
					Message: "it runs at the first login; the Marketplace recommends /opt for it",
				})
			}
		}
	}
	return subjects, nil
}

func findIntroduction(_ context.Context, i *Image) ([]Subject, error) {
	if i.Manifest != nil && !i.Manifest.MOTD.IsZero() {
		return nil, nil
	}
	scripts := append(append(i.expand("/etc/update-motd.d/99-*"), i.expand("/etc/motd.d/*")...), i.expand("/run/motd.d/*")...)
	if text := strings.TrimSpace(i.text("/etc/motd")); text != "" && !i.packages.vouches("/etc/motd") &&
		!strings.Contains(text, "Debian GNU/Linux comes with ABSOLUTELY NO WARRANTY") {
		scripts = append(scripts, "/etc/motd")
	}
	scripts = slices.DeleteFunc(scripts, func(file string) bool {
		return !i.isFile(file) || i.packages.owns(file) && !strings.Contains(file, "one-click")
	})
	if len(scripts) == 0 {
		return []Subject{{Name: "/etc/update-motd.d"}}, nil
	}
	for _, script := range scripts {
		if text := i.text(script); strings.Contains(text, "http") || strings.Contains(text, "oneclick-agent") ||
			strings.Contains(text, "www.") {
			return nil, nil
		}
	}
	return []Subject{{Name: scripts[0], Message: "the message of the day does not say where the image's documentation is"}}, nil
}

const applicationInfo = "/var/lib/digitalocean/application.info"

func findApplicationInfo(_ context.Context, i *Image) ([]Subject, error) {
	if !i.isFile(applicationInfo) {
		return []Subject{{Name: applicationInfo}}, nil
	}
	s := i.assignments(applicationInfo)
	if s.last("application_name") == "" || s.last("application_version") == "" {
		return []Subject{
			{Name: applicationInfo, Status: Warn, Message: "it does not say which app, or which version of it, the image is"},
		}, nil
	}
	return nil, nil
}
