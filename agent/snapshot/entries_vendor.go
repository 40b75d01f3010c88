package snapshot

import (
	"context"
	"path"
	"strings"

	"oneclick-agent/agent/disk"
)

// vendorRemove is the entry of what the manifest itself wants removed.
const vendorRemove = "vendor.remove"

func vendorEntries() []Entry {
	return []Entry{{
		ID: vendorRemove, Severity: Low, Mode: Default, Action: Remove, Left: Fail,
		Reason:  "the manifest's pre_snapshot.remove names it",
		Touches: []string{"pre_snapshot.remove"},
		Find: func(_ context.Context, i *Image) (subjects []Subject, _ error) {
			if i.Manifest == nil || i.Manifest.PreSnapshot == nil {
				return nil, nil
			}
			for _, pattern := range i.Manifest.PreSnapshot.Remove {
				for _, found := range i.expand(pattern) {
					subjects = append(subjects, Subject{Name: found})
				}
			}
			return subjects, nil
		},
	}}
}

// agentPackages are what DigitalOcean installs on a Droplet by itself, and what an image must not have.
var agentPackages = []string{"droplet-agent", "droplet-agent-keyring", "do-agent"}

func digitalOceanEntries() []Entry {
	const rule = "the Marketplace's check fails an image that has it; DigitalOcean installs it on each Droplet by itself"
	return []Entry{
		{
			ID: "digitalocean.agents", Severity: High, Mode: Default, Action: Purge, Reason: "a DigitalOcean agent: " + rule,
			Touches: []string{"packages droplet-agent, droplet-agent-keyring, do-agent"},
			Prepare: stopping(
				"droplet-agent-install-retry.timer",
				"droplet-agent-update.timer",
				"droplet-agent-install-retry.service",
				"droplet-agent-update.service",
				"droplet-agent.service",
				"do-agent.service",
			),
			Find: func(_ context.Context, i *Image) (subjects []Subject, _ error) {
				if err := i.packages.unknown(); err != nil {
					return nil, err
				}
				for _, name := range agentPackages {
					if i.packages.installed(name) {
						subjects = append(subjects, Subject{Name: name})
					}
				}
				return subjects, nil
			},
			Clean: func(ctx context.Context, i *Image, name string) error { return i.packages.purge(ctx, name) },
		},
		{
			ID: "digitalocean.agent_files", Severity: Medium, Mode: Default, Action: Remove,
			Reason: "left by the installer of a DigitalOcean agent, which would install it again before the snapshot",
			Touches: []string{
				"/etc/apt/sources.list.d/droplet-agent.list", "/etc/apt/sources.list.d/digitalocean-agent.list",
				"/etc/apt/preferences.d/droplet-agent.pref",
				"/usr/share/keyrings/droplet-agent-keyring.gpg", "/usr/share/keyrings/digitalocean-agent-keyring.gpg",
				"/etc/yum.repos.d/droplet-agent.repo", "/etc/yum.repos.d/digitalocean-agent.repo",
				"/var/lib/digitalocean/droplet-agent-install", "/etc/systemd/system/droplet-agent-install-retry.*",
				"/etc/systemd/system/*.wants/droplet-agent-install-retry.*",
				"/etc/cron.hourly/droplet-agent", "/etc/cron.hourly/droplet-agent-install", "/etc/init/droplet-agent.conf",
				"/var/log/droplet_agent.install.log",
			},
		},
		{
			ID: "digitalocean.directory", Severity: High, Mode: Default, Action: Remove, Reason: rule,
			Touches: []string{"/opt/digitalocean"},
			Remedy:  "purge the package that it belongs to, then remove what is left in it",
			Clean:   func(_ context.Context, i *Image, top string) error { return removeEmpty(i, top) },
		},
		{
			ID: "digitalocean.credentials", Severity: Critical, Mode: Default, Action: Remove,
			Reason:  "passwords that a first boot on the build machine wrote",
			Touches: []string{"/root/.digitalocean_*", "/root/.digitalocean_passwords", "/.digitalocean_*"},
		},
		{
			ID:       "digitalocean.other_credentials",
			Severity: Critical,
			Mode:     ReportOnly,
			Reason:   "by its name, a first boot on the build machine wrote passwords into it",
			Remedy:   "rm {subject}, and have first boot write it",
			Touches: []string{
				"/root/*_password.txt",
				"/root/*_passwords.txt",
				"/root/*_credentials.txt",
				"/root/.matrix-secrets",
				"/root/*_info.txt",
			}, Holds: filled,
		},
		{
			ID: "digitalocean.database_url", Severity: Critical, Mode: Default, Action: Edit,
			Reason:  "the address of a managed database, with its password",
			Touches: []string{"/etc/environment"},
			Holds:   hasLineFor(namesManagedDatabase), Clean: dropLines(namesManagedDatabase),
		},
	}
}

func namesManagedDatabase(_ *Image, line string) bool {
	return strings.HasPrefix(strings.TrimPrefix(strings.TrimSpace(line), "export "), "DATABASE_URL=") &&
		strings.Contains(line, ".ondigitalocean.com")
}

// removeEmpty removes a directory and those below it that hold nothing else: a package's removal leaves them.
func removeEmpty(i *Image, directory string) error {
	for _, entry := range i.list(directory) {
		if entry.IsDir() {
			removeEmpty(i, path.Join(directory, entry.Name()))
		}
	}
	i.changed()
	if len(i.list(directory)) > 0 {
		return nil // the check that follows says what is wrong with it
	}
	return disk.Discard(i.Files, directory, false)
}
