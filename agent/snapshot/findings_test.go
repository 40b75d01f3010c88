package snapshot

import (
	"os"
	"slices"
	"strings"
	"testing"

	"oneclick-agent/agent/manifest"
)

var (
	doToken     = "dop_v1_" + strings.Repeat("0123456789abcdef", 4)
	databaseURL = "postgresql://doadmin:aB3dE5gH7iJ9@db.example.com:25060/defaultdb"
)

// TestFindings has an image for each thing that is easily judged wrongly.
func TestFindings(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		image   func(*tree)
		check   string
		want    Status
		subject string
	}{
		{
			"a warning does not hide what fails in the same file",
			file("/opt/app/settings", "url = http://user:aB3dE5gH7@host\nreal = "+databaseURL+"\n"),
			"secrets.url_password", Fail, "/opt/app/settings",
		},
		{
			"another check's warning does not hide a token",
			file("/opt/app/compose.yml", "services:\n  web:\n    ports:\n      - \"80:80\"\n    token: "+doToken+"\n"),
			"secrets.token", Fail, "/opt/app/compose.yml",
		},
		{
			"a readable file with a token is two findings",
			file("/opt/app/.env", "PASSWORD=aB3dE5gH7iJ9kL\nTOKEN="+doToken+"\n"), "secrets.token", Fail,
			"/opt/app/.env",
		},
		{
			"sshd told to look at a device",
			file("/etc/ssh/sshd_config", "PasswordAuthentication no\nAuthorizedKeysFile /dev/null\n"),
			"ssh.authorized_keys", Pass, "",
		},
		{"keys behind a link", both(file("/etc/dotfiles/keys", key), func(tr *tree) {
			os.MkdirAll(tr.path("/root/.ssh"), 0o700)
			os.Symlink("/etc/dotfiles/keys", tr.path("/root/.ssh/authorized_keys"))
		}), "ssh.authorized_keys", Fail, "/etc/dotfiles/keys"},
		{"a module is no core dump", file("/srv/app/core.3f2a91.js", "export default 1\n"), "crash.dumps", Pass, ""},
		{
			"the core of a website in its account's home",
			both(append_("/etc/passwd", "www-data:x:33:33::/var/www:/usr/sbin/nologin\n"), file("/var/www/core/lib/Drupal.php", "<?php\n")),
			"crash.dumps", Pass, "",
		},
		{
			"a token in the package manager's directory", file("/var/lib/dpkg/leak.txt", doToken),
			"secrets.token", Fail, "/var/lib/dpkg/leak.txt",
		},
		{
			"an editor's copy in a daemon's home",
			both(append_("/etc/passwd", "svc:x:990:990::/var/lib/svc:/bin/bash\n"), file("/var/lib/svc/.x.conf.swp", "text")),
			"editor.swap", Fail, "/var/lib/svc/.x.conf.swp",
		},
		{"a core dump", file("/root/core.123", "\x7fELF and memory"), "crash.dumps", Fail, "/root/core.123"},
		{
			"the build machine among other names",
			both(file("/etc/hostname", "builder01\n"), file("/etc/hosts", "127.0.0.1 localhost builder01\n")),
			"identity.hosts", Warn, "/etc/hosts",
		},
		{
			"passwords allowed in a Match block",
			file("/etc/ssh/sshd_config", "PasswordAuthentication no\nMatch Address 0.0.0.0/0\n  PasswordAuthentication yes\n"),
			"ssh.settings", Warn, "PasswordAuthentication yes",
		},
		{
			"a lock in a block that names nobody",
			file("/etc/ssh/sshd_config", "PasswordAuthentication no\nMatch Address 0.0.0.0/0\n  ForceCommand echo wait\n"),
			"ssh.lock", Fail, "/etc/ssh/sshd_config",
		},
		{
			"a lock for all but root",
			file("/etc/ssh/sshd_config", "PasswordAuthentication no\nMatch User *,!root\n  ForceCommand echo wait\n"),
			"ssh.lock", Pass, "",
		},
		{
			"a lock that a per-instance script opens",
			both(file("/etc/ssh/sshd_config", "PasswordAuthentication no\nMatch User root\n  ForceCommand echo wait\n"),
				file("/var/lib/cloud/scripts/per-instance/001_onboot", "#!/bin/sh\nsed -i /ForceCommand/d "+
					"/etc/ssh/sshd_config\n")), "ssh.lock", Warn, "/etc/ssh/sshd_config",
		},
		{
			"the worst rule of a file",
			file("/etc/sudoers.d/both", "a ALL=(ALL) ALL\nb ALL=(ALL) NOPASSWD: ALL\n"), "sudo.rules",
			Fail, "/etc/sudoers.d/both",
		},
		{
			"a group without a password",
			file("/etc/sudoers.d/group", "%users ALL=(ALL) NOPASSWD: ALL\n"), "sudo.rules", Fail,
			"/etc/sudoers.d/group",
		},
		{"a group with one", file("/etc/sudoers.d/group", "%sudo ALL=(ALL:ALL) ALL\n"), "sudo.rules", Pass, ""},
		{
			"nftables as it is installed",
			both(nftables, file("/etc/nftables.conf", "flush ruleset\ntable inet filter {\n chain input {\n type filter hook "+
				"input priority filter;\n }\n}\n")),
			"firewall.active", Warn, "firewall",
		},
		{
			"a ufw that lets everything in",
			file("/etc/default/ufw", "DEFAULT_INPUT_POLICY=\"ACCEPT\"\n"), "firewall.active", Warn,
			"firewall",
		},
		{
			"ports of a compose file in one line",
			file("/srv/app/compose.yaml", "services:\n  web:\n    ports: [\"8080:80\", \"127.0.0.1:9000:9000\"]\n"),
			"firewall.docker", Warn, "/srv/app/compose.yaml",
		},
		{
			"ports of a compose file in the long form",
			file("/srv/app/compose.yaml", "services:\n  web:\n    ports:\n      - target: 80\n        published: 8080\n"),
			"firewall.docker", Warn, "/srv/app/compose.yaml",
		},
		{
			"ports on the Droplet itself",
			file("/srv/app/compose.yaml", "services:\n  web:\n    ports:\n      - \"127.0.0.1:8080:80\"\n      - target: "+
				"80\n        host_ip: 127.0.0.1\n        published: 8080\n    volumes:\n      - data:/data\n"),
			"firewall.docker", Pass, "",
		},
		{"parameters are no key", file("/etc/ssl/private/dhparam.pem", "-----BEGIN DH PARAMETERS-----\n"), "keys.system", Pass, ""},
		{"a key", file("/etc/ssl/private/site.pem", privateKey), "keys.system", Fail, "/etc/ssl/private/site.pem"},
		{"a swap file by its name and content", file("/swapfile", swapArea("memory")), "swap.content", Fail, "/swapfile"},
		{
			"one that hibernated",
			file("/swap.img", strings.Replace(swapArea("memory"), "SWAPSPACE2", "S1SUSPEND\x00", 1)),
			"swap.content", Fail, "/swap.img",
		},
		{
			"a swap file by fstab",
			both(file("/etc/fstab", "/var/swap none swap sw 0 0\n"), file("/var/swap", strings.Repeat("memory", 2000))),
			"swap.content", Fail, "/var/swap",
		},
		{"a swap file that is empty", file("/swapfile", swapArea("")), "swap.content", Pass, ""},
		{"a file with a swap file's name", file("/swapfile", strings.Repeat("data", 2000)), "swap.content", Pass, ""},
		{"which is told", file("/swapfile", strings.Repeat("data", 2000)), "swap.other_file", Warn, "/swapfile"},
		{"a database below the logs", file("/var/log/app/data.sqlite", "SQLite format 3\x00"), "logs.text", Pass, ""},
		{
			"which is told too", file("/var/log/app/data.sqlite", "SQLite format 3\x00"),
			"logs.other_files", Warn, "/var/log/app/data.sqlite",
		},
		{
			"a history that leads nowhere",
			func(tr *tree) { os.Symlink("/dev/null", tr.path("/root/.bash_history")) }, "history.shells",
			Pass, "",
		},
		{"a file called swap", file("/swap", strings.Repeat("x", 9000)), "swap.content", Pass, ""},
		{
			"updates that are turned off",
			file("/etc/apt/apt.conf.d/20auto-upgrades", "APT::Periodic::Unattended-Upgrade \"0\";\n"),
			"updates.automatic", Warn, "unattended-upgrades",
		},
		{
			"a package of which only the settings are left",
			file("/var/lib/dpkg/status", "Package: unattended-upgrades\nStatus: deinstall ok config-files\n"),
			"updates.automatic", Warn, "unattended-upgrades",
		},
		{
			"an interpreter that env does not find",
			file(perInstance+"/001_onboot", "#!/usr/bin/env python3\n"), "first_boot.hook", Fail,
			perInstance + "/001_onboot",
		},
		{
			"a hook that is not executable",
			func(tr *tree) { os.Chmod(tr.path(perInstance+"/001_onboot"), 0o644) }, "first_boot.hook",
			Fail, perInstance + "/001_onboot",
		},
		{
			"a hook without an interpreter", file(perInstance+"/001_onboot", "echo hello\n"),
			"first_boot.hook", Fail, perInstance + "/001_onboot",
		},
		{
			"a message that reads what is not there",
			both(file("/etc/update-motd.d/99-one-click", "#!/bin/sh\n. "+
				"/root/.digitalocean_password\n"), func(tr *tree) { os.Chmod(tr.path("/etc/update-motd.d/99-one-click"), 0o755) }),
			"motd.scripts", Fail, "/etc/update-motd.d/99-one-click",
		},
		{
			"a first login for everybody",
			file("/root/.bashrc", "if true; then :; fi\n/opt/app/setup --token="+doToken+"\n"),
			"first_login.guard", Fail, "/root/.bashrc",
		},
		{
			"one that is guarded",
			file("/root/.bashrc", "case $- in *i*) [ -t 0 ] && /opt/app/setup ;; esac\n[ -z \"$PS1\" ] && return\n/opt/app/setup\n"),
			"first_login.guard", Pass, "",
		},
		{
			"what every new account would get", file("/etc/skel/.ssh/authorized_keys", key),
			"skel.leftovers", Fail, "/etc/skel/.ssh/authorized_keys",
		},
		{
			"passwords of a first boot of another kind", file("/root/app_password.txt", "secret\n"),
			"digitalocean.other_credentials", Fail, "/root/app_password.txt",
		},
		{
			"a secret that a package made", file("/var/lib/rabbitmq/.erlang.cookie", "ABCDEFGHIJ"),
			"secrets.of_packages", Fail, "/var/lib/rabbitmq/.erlang.cookie",
		},
		{
			"one that first boot makes anew",
			both(file("/var/lib/rabbitmq/.erlang.cookie", "ABCDEFGHIJ"), file(perInstance+"/001_onboot", "#!/bin/sh\nrm "+
				"/var/lib/rabbitmq/.erlang.cookie\n")),
			"secrets.of_packages", Pass, "",
		},
		{"a program for another processor", foreignProgram, "system.architecture", Warn, "/opt/app/tool"},
		{"a program that runs as root", func(tr *tree) {
			tr.write("/opt/app/helper", "#!/bin/sh\n")
			os.Chmod(tr.path("/opt/app/helper"), 0o755|os.ModeSetuid)
		}, "system.setuid", Warn, "/opt/app/helper"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			tr := newTree(t)
			test.image(tr)
			report := tr.run(Options{CheckOnly: true})
			if worst, subjects := report.verdict(test.check); worst != test.want || !slices.Contains(subjects, test.subject) {
				t.Errorf("%s is %s on %q; want %s on %q", test.check, worst, subjects, test.want, test.subject)
			}
			for _, check := range report.Checks {
				if strings.Contains(check.Remedy, subjectMark) {
					t.Errorf("a remedy is not filled in: %+v", check)
				}
				if strings.Contains(check.Message+check.Subject+check.Remedy, doToken) || strings.Contains(check.Message, "aB3dE5gH7") {
					t.Errorf("a secret is told: %+v", check)
				}
			}
		})
	}
}

// swapArea is a swap file as mkswap makes it, with what was swapped out behind its header.
func swapArea(memory string) string {
	return strings.Repeat("\x00", 4096-10) + "SWAPSPACE2" + strings.Repeat(memory, 1000)
}

// TestWhatIsNoLeftoverStays has what looks like something that is cleaned, and is somebody's data.
func TestWhatIsNoLeftoverStays(t *testing.T) {
	t.Parallel()
	tr := newTree(t)
	kept := map[string]string{
		"/var/log/app/data.sqlite":           "SQLite format 3\x00rows",
		"/var/log/app/state":                 "SQLite format 3\x00rows",
		"/var/log/app/.htpasswd":             "admin:$apr1$x",
		"/var/log/report/index.html":         "<html></html>",
		"/var/log/app/data.db.1":             "SQLite format 3\x00rows",
		"/var/log/app/backup.sql.gz":         "gz",
		"/var/log/app/archive.tar.gz":        "gz",
		"/var/log/app/blob":                  "a\x00b",
		"/var/log/app/store.rdb":             "REDIS0011",
		"/var/lib/dhcp/dhcpd.leases":         "lease 192.0.2.9 {}",
		"/var/lib/dhcp/dhcpd.conf":           "subnet 192.0.2.0",
		"/swapfile":                          strings.Repeat("data", 2000),
		"/swap.img":                          strings.Repeat("data", 2000),
		"/root/site/.logo.swf":               "FWS\x05film",
		"/etc/app/.logo.swf":                 "CWS\x05film",
		"/root/.cache/ms-playwright/chrome":  "browser",
		"/root/.cache/huggingface/model.bin": "model",
		"/root/.cache/puppeteer/chrome":      "browser",
	}
	gone := map[string]string{
		"/var/log/app/app.log":          "line",
		"/var/log/app/app":              "a line",
		"/var/log/app/app.json":         "{}",
		"/var/log/app/holes.log":        "\x00\x00\x00line\x00",
		"/var/log/app/out.txt":          "line",
		"/var/log/app/app.log.1":        "line",
		"/var/log/app/app.log.2.gz":     "gz",
		"/root/site/.page.swp":          "text",
		"/root/site/.page.swm":          "b0VIM 9.0",
		"/root/.cache/pip/http/x":       "x",
		"/var/lib/dhcp/dhclient.leases": "lease",
		"/var/log/app/eve.json.old":     "{}",
	}
	for name, content := range kept {
		tr.write(name, content)
	}
	for name, content := range gone {
		tr.write(name, content)
	}
	tr.run(Options{})
	for name, content := range kept {
		if !tr.exists(name) || tr.read(name) != content {
			t.Errorf("%s was taken for a leftover", name)
		}
	}
	for name := range gone {
		if info, err := os.Stat(tr.path(name)); err == nil && info.Size() > 0 {
			t.Errorf("%s is left", name)
		}
	}
}

// foreignProgram has a program for this machine, and the same one with the number of another processor.
func foreignProgram(tr *tree) {
	program, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		tr.t.Fatal(err)
	}
	tr.write("/usr/bin/env", string(program))
	program = slices.Clone(program)
	program[18], program[19] = 0xf3, 0 // EM_RISCV
	tr.write("/opt/app/tool", string(program))
	os.Chmod(tr.path("/opt/app/tool"), 0o755)
	os.Remove(tr.path("/bin/sh"))
}

// TestMailIsRemovedWhicheverOfItsDirectoriesIsTheLink: Debian's /var/spool/mail is one, and /var/mail is elsewhere.
func TestMailIsRemovedWhicheverOfItsDirectoriesIsTheLink(t *testing.T) {
	t.Parallel()
	for link, directory := range map[string]string{"/var/spool/mail": "/var/mail", "/var/mail": "/var/spool/mail"} {
		tr := newTree(t)
		tr.write(directory+"/root", "a letter\n")
		os.MkdirAll(tr.path("/var/spool"), 0o755)
		os.Symlink(directory, tr.path(link))
		report := tr.run(Options{})
		if worst, subjects := report.verdict("mail.boxes"); worst != Pass || tr.exists(directory+"/root") {
			t.Errorf("with %s a link, mail.boxes is %s on %q", link, worst, subjects)
		}
	}
}

// TestAnInterruptionKeepsTheBuildMachinesName: the name is needed for /etc/hosts, and goes after it.
func TestAnInterruptionKeepsTheBuildMachinesName(t *testing.T) {
	t.Parallel()
	ids := IDs()
	if slices.Index(ids, "identity.hosts") > slices.Index(ids, "identity.hostname") {
		t.Error("the name is emptied before the lines that it is needed for are found")
	}
}

// TestWhatALinkLeadsToStays: a link in the place of a directory that is cleaned must not carry the cleaning elsewhere.
func TestWhatALinkLeadsToStays(t *testing.T) {
	t.Parallel()
	tr := newTree(t)
	tr.write("/etc/ufw/user.rules", "rules\n")
	tr.write("/opt/app/data/file", "data\n")
	os.Symlink("/etc/ufw", tr.path("/root/.cache"))
	os.RemoveAll(tr.path("/var/tmp"))
	os.Symlink("/opt/app/data", tr.path("/var/tmp"))
	report := tr.run(Options{})
	if tr.read("/etc/ufw/user.rules") != "rules\n" || tr.read("/opt/app/data/file") != "data\n" {
		t.Error("what the links lead to was cleaned")
	}
	if worst, subjects := report.verdict("temporary.files"); worst != Warn || !slices.Contains(subjects, "/var/tmp/file") {
		t.Errorf("temporary.files is %s on %q", worst, subjects)
	}
}

func TestTheBuildMachinesNameGoesFromHostsAndOthersStay(t *testing.T) {
	t.Parallel()
	tr := newTree(t)
	tr.write("/etc/hostname", "builder01\n")
	tr.write(
		"/etc/hosts",
		"# names\n127.0.0.1 localhost builder01\n127.0.1.1 builder01.example.com builder01\n203.0.113.9 "+
			"builder01\n203.0.113.7 db.internal\n::1 localhost\n",
	)
	tr.run(Options{})
	if got, want := tr.read("/etc/hosts"), "# names\n127.0.0.1 localhost\n203.0.113.7 db.internal\n::1 localhost\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestOptionalCleaningsAreChosenByName: an account of the build, one backup of two, and a finding that is accepted.
func TestOptionalCleaningsAreChosenByName(t *testing.T) {
	t.Parallel()
	tr := newTree(t)
	tr.write("/etc/passwd", passwd+"packer:x:1002:1002::/home/packer:/bin/bash\n")
	tr.write("/etc/group", "root:x:0:\nadm:x:4:deploy,packer\npacker:x:1002:\n")
	tr.write("/etc/shadow", tr.read("/etc/shadow")+"packer:$6$salt$hash:1::::::\n")
	tr.write("/home/packer/file", "x")
	tr.write("/etc/one.bak", "x")
	tr.write("/etc/two.bak", "x")
	image := tr.look()
	image.Manifest = &manifest.Manifest{PreSnapshot: &manifest.PreSnapshot{
		Clean:  []manifest.Choice{{ID: "users.build_account", Subject: "packer"}, {ID: "editor.backups", Subject: "/etc/one.bak"}},
		Accept: []manifest.Accept{{Check: "users.password", Subject: "nobody-here", Reason: "a mistake"}},
	}}
	report, err := Run(t.Context(), image, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(tr.read("/etc/passwd")+tr.read("/etc/shadow")+tr.read("/etc/group"), "packer") || tr.exists("/home/packer") {
		t.Error("the account is not gone")
	}
	if got := tr.read("/etc/group"); got != "root:x:0:\nadm:x:4:deploy\n" {
		t.Errorf("the groups are %q", got)
	}
	if tr.exists("/etc/one.bak") || !tr.exists("/etc/two.bak") || !tr.exists("/home/deploy") {
		t.Error("another one was cleaned than was named")
	}
	if worst, subjects := report.verdict("vendor.accept"); worst != Warn || !slices.Contains(subjects, "users.password nobody-here") {
		t.Errorf("an acceptance of nothing is %s on %q", worst, subjects)
	}
}
