package snapshot

import (
	"context"
	"io/fs"
	"path"
	"slices"
	"strings"

	"oneclick-agent/agent/pattern"
	"oneclick-agent/agent/state"
)

// sshKeyEntries are what lets people in, or out to other machines.
func sshKeyEntries() []Entry {
	return []Entry{
		{
			ID: "ssh.host_keys", Severity: High, Mode: Default, Action: Remove,
			Reason: "every Droplet of the image would have the same SSH host keys",
			Touches: []string{
				"/etc/ssh/ssh_host_*_key",
				"/etc/ssh/ssh_host_*_key.pub",
				"/etc/ssh/ssh_host_*_key-cert.pub",
				"/etc/ssh/ssh_host_key",
				"/etc/ssh/ssh_host_key.pub",
			},
		},
		{
			ID: "ssh.authorized_keys", Severity: Critical, Mode: Default, Action: Remove,
			Reason:  "who has this key could log in to every Droplet of the image",
			Touches: []string{"~/.ssh/authorized_keys", "~/.ssh/authorized_keys2", "sshd's AuthorizedKeysFile"},
			Find:    findAuthorizedKeys,
		},
		{
			ID: "ssh.other_key_files", Severity: Critical, Mode: Default, Action: Remove,
			Reason:  "whom sshd trusts for all accounts is decided on each Droplet; the Marketplace's own cleaning removes it too",
			Touches: []string{"/etc/ssh/*key*", "/etc/ssh/authorized_keys/*", "/etc/ssh/keys/*", "/etc/ssh/*.pub"},
			Holds: func(i *Image, file string) bool { // without the file that RevokedKeys names, sshd takes no key at all
				return filled(i, file) && !strings.HasPrefix(path.Base(file), "ssh_host_") &&
					file != i.sshdConfiguration().get("RevokedKeys") &&
					!i.namedForKeys(file)
			},
		},
		{
			ID: "ssh.private_keys", Severity: Critical, Mode: Default, Action: Remove,
			Reason: "a private SSH key that everybody with a Droplet of the image would have",
			Touches: []string{
				"~/.ssh/id_rsa", "~/.ssh/id_dsa", "~/.ssh/id_ecdsa", "~/.ssh/id_ed25519", "~/.ssh/id_ecdsa_sk", "~/.ssh/id_ed25519_sk",
				"~/.ssh/id_xmss", "~/.ssh/identity",
				"~/.ssh/id_*.pub", "~/.ssh/id_*-cert.pub",
			},
		},
		{
			ID: "ssh.other_keys", Severity: Critical, Mode: ReportOnly,
			Reason:  "it holds a private key, or a setting with one",
			Touches: []string{"~/.ssh/*"},
			Remedy:  "remove it, or name it in pre_snapshot.remove",
			Holds: func(i *Image, file string) bool {
				return !strings.HasPrefix(path.Base(file), "id_") && containing("PRIVATE KEY", "PuTTY-User-Key-File")(i, file)
			},
		},
		{
			ID: "ssh.records", Severity: Medium, Mode: Default, Action: Remove,
			Reason: "which machines the image's builder spoke with",
			Touches: []string{
				"~/.ssh/known_hosts",
				"~/.ssh/known_hosts.old",
				"~/.ssh/known_hosts2",
				"~/.ssh/environment",
				"~/.ssh/cm-*",
				"~/.ssh/control-*",
				"~/.ssh/sockets/*",
			},
		},
		{
			ID:       "ssh.client_config",
			Severity: Medium,
			Mode:     ReportOnly,
			Reason:   "the builder's own SSH settings",
			Touches:  []string{"~/.ssh/config"},
			Remedy:   "remove it, or accept it where the app needs it", Holds: filled,
		},
	}
}

// sshdEntries are how sshd is set up.
func sshdEntries() []Entry {
	return []Entry{
		{
			ID: "ssh.cloud_init_config", Severity: High, Mode: Default, Action: Remove,
			Reason:  "cloud-init wrote it for the build machine; it can allow logins by password",
			Touches: []string{"/etc/ssh/sshd_config.d/50-cloud-init.conf"},
		},
		{
			ID: "ssh.key_sources", Severity: Critical, Mode: ReportOnly,
			Reason: "sshd lets in whom this command, authority or principal vouches for", Touches: []string{"/etc/ssh/sshd_config"},
			Remedy: "take the line out, or accept the finding with its reason", Find: findKeySources,
		},
		{
			ID:       "ssh.settings",
			Severity: High,
			Mode:     ReportOnly,
			Reason:   "sshd's settings in effect",
			Touches:  []string{"/etc/ssh/sshd_config", "/etc/ssh/sshd_config.d/*.conf"},
			Find:     findSSHSettings,
		},
		{
			ID:       "ssh.lock",
			Severity: Critical,
			Mode:     ReportOnly,
			Touches:  []string{"/etc/ssh/sshd_config", "/etc/ssh/sshd_config.d/*.conf"},
			Reason:   "it turns away whoever logs in, and nothing in the image takes it out again",
			Remedy:   "remove the ForceCommand; the agent shows early logins what it is doing instead", Find: findSSHLock,
		},
		{
			ID: "ssh.host_keys_return", Severity: Critical, Mode: ReportOnly, Touches: []string{"/usr/lib/systemd/system", "/etc/cloud"},
			Reason: "nothing in the image makes new SSH host keys, so that its Droplets would have no sshd",
			Remedy: "enable cloud-init's ssh module, or a unit that runs ssh-keygen -A", Find: findHostKeyMaker,
		},
		{
			ID: "ssh.hosts_equiv", Severity: Critical, Mode: ReportOnly, Reason: "it lets other machines in without a password",
			Touches: []string{"~/.rhosts", "~/.shosts", "/etc/hosts.equiv", "/etc/shosts.equiv"}, Remedy: "remove it",
		},
	}
}

// keyLine is a line of an authorized_keys file (sshd(8)).
var keyLine = pattern.New(
	`(?m)(^|[\s,"])(ssh-(rsa|dss|ed25519)|ecdsa-sha2-nistp[0-9]+|sk-(ssh-ed25519|ecdsa-sha2-nistp256)@openssh\.com)\s+\S`,
)

func findAuthorizedKeys(_ context.Context, i *Image) ([]Subject, error) {
	return i.authorizedKeys(), nil
}

// authorizedKeys are the files that sshd takes keys from, and where links in their place lead.
func (i *Image) authorizedKeys() (subjects []Subject) {
	for _, pattern := range i.sshdConfiguration().keyFiles() {
		usual := strings.HasPrefix(pattern, ".ssh/authorized_keys")
		for _, a := range append([]account{{name: "root", home: "/root"}}, i.accounts...) {
			file := strings.NewReplacer("%%", "%", "%h", a.home, "%u", a.name, "%U", "").Replace(pattern)
			if !strings.HasPrefix(file, "/") {
				file = path.Join(a.home, file)
			}
			info, err := i.Files.Lstat(file)
			if err != nil || !info.Mode().IsRegular() && info.Mode()&fs.ModeSymlink == 0 || strings.HasPrefix(file, "/dev/") {
				continue
			}
			if usual || strings.Contains(file, "authorized") || keyLine().MatchString(i.text(file)) { // anything may be named there
				subjects = append(subjects, Subject{Name: file})
			}
			if target, err := i.Files.Resolve(file); err == nil && target != file && keyLine().MatchString(i.text(target)) {
				subjects = append(subjects, Subject{Name: target}) // the link goes, and what it leads to
			}
		}
	}
	return subjects
}

// namedForKeys reports whether ssh.authorized_keys tells of the file already.
func (i *Image) namedForKeys(file string) bool {
	return slices.ContainsFunc(i.authorizedKeys(), func(s Subject) bool { return s.Name == file })
}

func findKeySources(_ context.Context, i *Image) (subjects []Subject, _ error) {
	c := i.sshdConfiguration()
	for _, key := range []string{
		"AuthorizedKeysCommand", "TrustedUserCAKeys", "AuthorizedPrincipalsCommand",
		"AuthorizedPrincipalsFile",
	} {
		for _, s := range c.settings {
			if s.key == strings.ToLower(key) && s.value != "none" {
				found := Subject{Name: key + " " + s.value}
				if strings.HasPrefix(key, "AuthorizedPrincipals") {
					found.Status = Warn // it only counts beside an authority
				}
				subjects = append(subjects, found)
			}
		}
	}
	return subjects, nil
}

// findSSHSettings judges by the rule of the field: root by key, nobody by password.
func findSSHSettings(ctx context.Context, i *Image) (subjects []Subject, _ error) {
	c := i.sshdConfiguration()
	if !c.found {
		return nil, nil
	}
	add := func(name string, status Status, message, remedy string) {
		subjects = append(subjects, Subject{Name: name, Status: status, Message: message, Remedy: remedy})
	}
	status, message := Warn, "sshd takes passwords, which bots guess all day; no account has one yet"
	if slices.ContainsFunc(i.accounts, func(a account) bool { return i.passwordState(a) == usable || i.passwordState(a) == noPassword }) {
		status, message = Fail, "sshd takes passwords, and an account has one or needs none"
	}
	const remedy = "write PasswordAuthentication no into a file in /etc/ssh/sshd_config.d"
	if c.get("PasswordAuthentication") != "no" {
		add("PasswordAuthentication yes", status, message, remedy)
	} else if c.get("KbdInteractiveAuthentication") == "yes" && c.get("UsePAM") == "yes" {
		add("KbdInteractiveAuthentication yes", status, message, "write KbdInteractiveAuthentication no as well")
	}
	if c.get("PermitEmptyPasswords") == "yes" {
		add("PermitEmptyPasswords yes", Fail, "sshd lets accounts without a password in", "write PermitEmptyPasswords no")
	}
	for _, danger := range sshdDangers {
		if c.get(danger.key) == danger.value {
			add(danger.key+" "+danger.value, danger.status, danger.message, "take the line out")
		}
	}
	if users := c.get("AllowUsers"); users != "" && !matchesRoot(users) {
		add(
			"AllowUsers "+users,
			Fail,
			"the customer's key is root's, and root is not among those who may log in",
			"take the line out, or name root",
		)
	}
	if users := c.get("DenyUsers"); matchesRoot(users) {
		add("DenyUsers "+users, Fail, "the customer's key is root's, and root may not log in", "take the line out")
	}
	if c.get("PermitRootLogin") == "no" {
		add(
			"PermitRootLogin no",
			Fail,
			"the customer's key is root's, and root may not log in",
			"write PermitRootLogin prohibit-password",
		)
	}
	for _, key := range []string{"PasswordAuthentication", "PermitEmptyPasswords", "KbdInteractiveAuthentication"} {
		for _, s := range c.inBlocks(key) {
			if s.value == "yes" {
				add(key+" yes", status, "a Match block in "+s.file+" has it (Match "+s.match+"): "+message, "take it out of the block")
			}
		}
	}
	return append(subjects, i.sshdTest(ctx)...), nil
}

// sshdDangers are single settings that let somebody in, or keep the customer out.
var sshdDangers = []struct {
	key, value string
	status     Status
	message    string
}{
	{"HostbasedAuthentication", "yes", Fail, "sshd lets other machines in without a password or a key of the account"},
	{"IgnoreRhosts", "no", Fail, "sshd lets in whom a file in a home names"},
	{"AuthenticationMethods", "none", Fail, "sshd lets everybody in without a password or a key"},
	{"PubkeyAuthentication", "no", Fail, "the customer comes in with a key, and sshd takes none"},
	{"StrictModes", "no", Warn, "sshd takes keys from files that other accounts can change"},
	{"PermitUserEnvironment", "yes", Warn, "an account can have sshd load a library of its own"},
}

// matchesRoot reports whether a list of names, as AllowUsers has it, is about root.
func matchesRoot(list string) bool {
	return slices.ContainsFunc(strings.Fields(list), func(pattern string) bool {
		user, _, _ := strings.Cut(pattern, "@")
		ok, _ := path.Match(user, "root")
		return ok
	})
}

// sshdTest has sshd itself read its settings; keys that are no longer there are no mistake.
func (i *Image) sshdTest(ctx context.Context) []Subject {
	if !i.Live() || !i.HasCommand("/usr/sbin/sshd") {
		return nil
	}
	out, err := i.command(ctx, "/usr/sbin/sshd", "-t")
	if err == nil || strings.Contains(out, "no hostkeys available") {
		return nil
	}
	return []Subject{
		{
			Name:    "sshd -t",
			Status:  Fail,
			Message: "sshd does not accept its own settings: " + firstLine(out),
			Remedy:  "mend what it names, and run sshd -t",
		},
	}
}

// findSSHLock looks for a ForceCommand on root, and for what opens it again.
func findSSHLock(_ context.Context, i *Image) (subjects []Subject, _ error) {
	for _, lock := range i.sshdConfiguration().locks() {
		opener := i.opensLock(lock)
		if opener == "" {
			subjects = append(subjects, Subject{Name: lock.file})
			continue
		}
		subjects = append(subjects, Subject{
			Name:    lock.file,
			Status:  Warn,
			Message: "it turns away whoever logs in until " + opener + " takes it out; when that fails, nobody can log in",
		})
	}
	return subjects, nil
}

// opensLock is the script of first boot that edits the file with the lock, "" for none.
func (i *Image) opensLock(lock sshdSetting) string {
	for _, script := range append(i.perInstanceScripts(), state.Manifest) {
		if text := i.text(script); strings.Contains(text, path.Base(lock.file)) || strings.Contains(text, "ForceCommand") {
			return script
		}
	}
	return ""
}

// findHostKeyMaker wants cloud-init, which makes them for each instance, or a unit that does.
func findHostKeyMaker(_ context.Context, i *Image) (subjects []Subject, _ error) {
	if !i.Files.Exists("/usr/sbin/sshd") || i.HasCommand("cloud-init") && !i.cloudInitOff() && i.cloudInitMakesKeys() {
		return nil, nil
	}
	for _, unit := range []string{
		"sshd-keygen@.service", "sshd-keygen.target", "sshd-keygen.service", "ssh-keygen.service",
		"regenerate_ssh_host_keys.service",
	} {
		for _, directory := range []string{"/usr/lib/systemd/system", "/lib/systemd/system", "/etc/systemd/system"} {
			if i.Files.Exists(path.Join(directory, unit)) {
				return nil, nil
			}
		}
	}
	return []Subject{{Name: "/etc/ssh"}}, nil
}
