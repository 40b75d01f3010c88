package snapshot

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// key is a line of an authorized_keys, longer than what the Marketplace's script lets pass.
const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEvnZ2l0aHViLWtleS1mb3ItdGVzdHMtb25seSE= builder\n"

// privateKey has the shape of a private key, and is none.
var privateKey = "-----BEGIN OPENSSH PRIVATE KEY-----\n" + strings.Repeat(
	"b3BlbnNzaC1rZXktdjEAAAAABG5vbmU",
	8,
) + "\n-----END OPENSSH PRIVATE KEY-----\n"

// TestEachMistakeOfTheMarketplacesScriptHasTheRightVerdict has a row for each known mistake of img_check 1.8.1, by its
// number in the list that the catalogue was made from: what the image has, what the script says, and what is right.
func TestEachMistakeOfTheMarketplacesScriptHasTheRightVerdict(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		number  int
		name    string
		image   func(*tree)
		script  Status
		check   string
		want    Status
		subject string
	}{
		{1, "a user with a password", shadow("deploy:$6$salt$hash"), Pass, "users.password", Fail, "deploy"},
		{
			1, "a user with keys", file("/home/deploy/.ssh/authorized_keys", key), Pass,
			"ssh.authorized_keys", Fail, "/home/deploy/.ssh/authorized_keys",
		},
		{
			1, "a user with a long history",
			file("/home/deploy/.bash_history", strings.Repeat("x", 5000)), Pass, "history.shells", Fail,
			"/home/deploy/.bash_history",
		},
		{2, "firewalld installed and not enabled on Rocky", rocky, Pass, "firewall.active", Warn, "firewall"},
		{3, "firewalld enabled on Debian", firewalld, Pass, "firewall.active", Pass, ""},
		{
			4, "keys of a user, which a quoted pattern hides",
			file("/home/deploy/.ssh/id_rsa", privateKey), Pass, "ssh.private_keys", Fail,
			"/home/deploy/.ssh/id_rsa",
		},
		{
			5, "a home that is not below /home", file("/srv/app/.ssh/authorized_keys", key), Pass,
			"ssh.authorized_keys", Fail, "/srv/app/.ssh/authorized_keys",
		},
		{6, "a second account with id 0", append_("/etc/passwd", "toor:x:0:0::/root:/bin/bash\n"), Pass, "users.root_twin", Fail, "toor"},
		{6, "keys of a daemon", daemonWithKeys, Pass, "ssh.authorized_keys", Fail, "/srv/daemon/.ssh/authorized_keys"},
		{
			7, "an account called centos with a password",
			both(append_("/etc/passwd", "centos:x:1005:1005::/home/centos:/bin/bash\n"), append_("/etc/shadow", "centos:$6$salt$hash:1::::::\n")),
			Pass, "users.password", Fail, "centos",
		},
		{
			8, "root's key of another kind", file("/root/.ssh/id_ed25519", privateKey), Pass,
			"ssh.private_keys", Fail, "/root/.ssh/id_ed25519",
		},
		{
			8, "root's key under another name", file("/root/.ssh/deploy.pem", privateKey), Pass,
			"ssh.other_keys", Fail, "/root/.ssh/deploy.pem",
		},
		{
			9, "authorized_keys2", file("/root/.ssh/authorized_keys2", key), Pass, "ssh.authorized_keys",
			Fail, "/root/.ssh/authorized_keys2",
		},
		{
			9, "keys where sshd is told to look",
			both(file("/etc/ssh/sshd_config", "AuthorizedKeysFile /etc/ssh/keys/%u\n"), file("/etc/ssh/keys/root", key)),
			Pass, "ssh.authorized_keys", Fail, "/etc/ssh/keys/root",
		},
		{
			9, "an authority that vouches for users",
			file("/etc/ssh/sshd_config", "TrustedUserCAKeys /etc/ssh/ca.pub\nPasswordAuthentication no\n"),
			Pass, "ssh.key_sources", Fail, "TrustedUserCAKeys /etc/ssh/ca.pub",
		},
		{
			10, "a short history with a token",
			file("/root/.bash_history", "export DO_TOKEN=dop_v1_"+strings.Repeat("a1", 32)+"\n"), Pass,
			"history.shells", Fail, "/root/.bash_history",
		},
		{
			10, "a key shorter than the limit",
			file("/root/.ssh/authorized_keys", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5\n"), Pass,
			"ssh.authorized_keys", Fail, "/root/.ssh/authorized_keys",
		},
		{
			11, "the history of a database client", file("/root/.mysql_history", "set password\n"), Pass,
			"history.shells", Fail, "/root/.mysql_history",
		},
		{12, "root locked in another way", shadow("root:!*"), Fail, "users.password", Pass, ""},
		{12, "root with an empty password", shadow("root:"), Fail, "users.password", Fail, "root"},
		{12, "root with a locked hash", shadow("root:!$6$salt$hash"), Fail, "users.password", Warn, "root"},
		{13, "no firewall, which changes no verdict", remove("/etc/ufw/ufw.conf"), Pass, "firewall.active", Warn, "firewall"},
		{14, "nftables on Debian", nftables, Pass, "firewall.active", Pass, ""},
		{15, "ufw installed and off", file("/etc/ufw/ufw.conf", "ENABLED=no\n"), Pass, "firewall.active", Warn, "firewall"},
		{16, "updates that cannot be looked up", nothing, Unknown, "updates.security", Unknown, ""},
		{
			24, "cloud-init's log, which is no dated one",
			file("/var/log/cloud-init.log", "cloud-init ran\n"), Pass, "logs.rotated", Pass, "",
		},
		{24, "a directory whose name looks dated", file("/var/log/unattended-upgrades/dpkg.log", ""), Pass, "logs.text", Pass, ""},
		{
			25, "a log below a directory", file("/var/log/nginx/access.log", "192.0.2.1 GET /\n"), Pass,
			"logs.text", Warn, "/var/log/nginx/access.log",
		},
		{25, "logs that end with no .log", file("/var/log/syslog", "a line\n"), Pass, "logs.text", Warn, "/var/log/syslog"},
		{
			25, "the journal", file("/var/log/journal/0123/system.journal", "LPKSHHRH"), Pass,
			"logs.journal", Warn, "/var/log/journal/0123",
		},
		{25, "a rotated log with two digits", file("/var/log/app.log.10.gz", "gz"), Pass, "logs.rotated", Fail, "/var/log/app.log.10.gz"},
		{
			26, "a dangling link before a log",
			both(link("/var/log/0.log", "/nowhere"), file("/var/log/zz.log", strings.Repeat("line\n", 50))),
			Pass, "logs.text", Warn, "/var/log/zz.log",
		},
		{28, "a FIFO called *.log", fifo("/var/log/pipe.log"), Fail, "logs.text", Pass, ""},
		{
			29, "an agent's directory that is empty", directory("/opt/digitalocean"), Fail,
			"digitalocean.directory", Fail, "/opt/digitalocean",
		},
		{
			29, "an agent that dpkg knows",
			append_("/var/lib/dpkg/status", "\nPackage: droplet-agent\nStatus: install ok installed\n"),
			Pass, "digitalocean.agents", Fail, "droplet-agent",
		},
		{
			30, "cloud-init installed and disabled", file("/etc/cloud/cloud-init.disabled", ""), Pass,
			"cloud_init.ready", Fail, "/etc/cloud/cloud-init.disabled",
		},
		{
			30, "cloud-init that looks elsewhere",
			file("/etc/cloud/cloud.cfg.d/90_dpkg.cfg", "datasource_list: [ NoCloud, None ]\n"), Pass,
			"cloud_init.ready", Fail, "/etc/cloud/cloud.cfg.d/90_dpkg.cfg",
		},
		{31, "host keys", file("/etc/ssh/ssh_host_rsa_key", privateKey), Pass, "ssh.host_keys", Fail, "/etc/ssh/ssh_host_rsa_key"},
		{
			31, "a machine id", file("/etc/machine-id", "0123456789abcdef0123456789abcdef\n"), Pass,
			"identity.machine_id", Fail, "/etc/machine-id",
		},
		{
			31, "a random seed", file("/var/lib/systemd/random-seed", "seed"), Pass,
			"identity.random_seed", Fail, "/var/lib/systemd/random-seed",
		},
		{
			31, "a rule that makes a user root",
			file("/etc/sudoers.d/packer", "packer ALL=(ALL) NOPASSWD: ALL\n"), Pass, "sudo.rules", Fail,
			"/etc/sudoers.d/packer",
		},
		{32, "a file in /tmp", file("/tmp/.build", "x"), Pass, "temporary.files", Warn, "/tmp/.build"},
		{
			35, "an os-release that would run a command",
			file("/etc/os-release", "NAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\nEVIL=$(touch /evil)\n"),
			Pass, "system.supported", Pass, "",
		},
		{
			40, "Ubuntu 22.10, which is out of support",
			file("/etc/os-release", "NAME=\"Ubuntu\"\nVERSION_ID=\"22.10\"\n"), Pass, "system.supported",
			Warn, "Ubuntu 22.10",
		},
		{
			40, "AlmaLinux 7.9, which a loose pattern lets through",
			file("/etc/os-release", "NAME=\"AlmaLinux\"\nVERSION_ID=\"7.9\"\n"), Pass,
			"system.supported", Fail, "AlmaLinux 7.9",
		},
		{
			40, "Ubuntu 26.04, which the script does not know",
			file("/etc/os-release", "NAME=\"Ubuntu\"\nVERSION_ID=\"26.04\"\n"), Fail, "system.supported",
			Warn, "Ubuntu 26.04",
		},
		{
			40, "Fedora", file("/etc/os-release", "NAME=\"Fedora Linux\"\nVERSION_ID=\"44\"\n"), Fail,
			"system.supported", Fail, "Fedora Linux 44",
		},
	} {
		t.Run(fmt.Sprintf("%d %s", test.number, test.name), func(t *testing.T) {
			t.Parallel()
			tr := newTree(t)
			test.image(tr)
			image := tr.look()
			if test.number != 16 {
				image.updates = &updates{} // looked up, and there are none
			}
			report, err := Run(t.Context(), image, Options{CheckOnly: true})
			if err != nil {
				t.Fatal(err)
			}
			if report.Marketplace.Status != test.script {
				t.Errorf(
					"the script is said to say %s, for %v; it says %s",
					report.Marketplace.Status,
					report.Marketplace.Reasons,
					test.script,
				)
			}
			worst, subjects := report.verdict(test.check)
			if worst != test.want || !slices.Contains(subjects, test.subject) {
				t.Errorf("%s is %s on %q; want %s on %q", test.check, worst, subjects, test.want, test.subject)
			}
			if tr.exists("/evil") {
				t.Error("a file of the image was run")
			}
		})
	}
}

func nothing(*tree) {}

func file(name, content string) func(*tree) { return func(tr *tree) { tr.write(name, content) } }

func append_(name, content string) func(*tree) {
	return func(tr *tree) { tr.write(name, tr.read(name)+content) }
}

func remove(name string) func(*tree) { return func(tr *tree) { os.Remove(tr.path(name)) } }

func directory(name string) func(*tree) {
	return func(tr *tree) { os.MkdirAll(tr.path(name), 0o755) }
}

func link(name, target string) func(*tree) {
	return func(tr *tree) {
		tr.write(name+".beside", "")
		os.Symlink(target, tr.path(name))
	}
}

func fifo(name string) func(*tree) {
	return func(tr *tree) {
		tr.write(name+".beside", "")
		syscall.Mkfifo(tr.path(name), 0o644)
	}
}

func both(a, b func(*tree)) func(*tree) { return func(tr *tree) { a(tr); b(tr) } }

// shadow replaces the password field of an account: "root:!*".
func shadow(account string) func(*tree) {
	return func(tr *tree) {
		name, field, _ := strings.Cut(account, ":")
		var lines []string
		for line := range strings.Lines(tr.read("/etc/shadow")) {
			if fields := strings.SplitN(line, ":", 3); fields[0] == name {
				line = name + ":" + field + ":" + fields[2]
			}
			lines = append(lines, line)
		}
		tr.write("/etc/shadow", strings.Join(lines, ""))
	}
}

func rocky(tr *tree) {
	tr.write("/etc/os-release", "NAME=\"Rocky Linux\"\nVERSION_ID=\"9.6\"\n")
	os.Remove(tr.path("/etc/ufw/ufw.conf"))
	tr.write("/usr/lib/systemd/system/firewalld.service", "[Service]\n")
}

func firewalld(tr *tree) {
	os.Remove(tr.path("/etc/ufw/ufw.conf"))
	tr.write("/usr/lib/systemd/system/firewalld.service", "[Service]\n")
	tr.write("/etc/systemd/system/multi-user.target.wants/beside", "")
	os.Symlink("/usr/lib/systemd/system/firewalld.service", tr.path("/etc/systemd/system/multi-user.target.wants/firewalld.service"))
}

func nftables(tr *tree) {
	os.Remove(tr.path("/etc/ufw/ufw.conf"))
	tr.write("/etc/nftables.conf", "table inet filter { chain input { type filter hook input priority 0; policy drop; } }\n")
	tr.write("/etc/systemd/system/sysinit.target.wants/beside", "")
	os.Symlink("/usr/lib/systemd/system/nftables.service", tr.path("/etc/systemd/system/sysinit.target.wants/nftables.service"))
}

func daemonWithKeys(tr *tree) {
	append_("/etc/passwd", "svc:x:999:999::/srv/daemon:/bin/bash\n")(tr)
	tr.write("/srv/daemon/.ssh/authorized_keys", key)
}

// TestUpdatesAreToldByTheirOrigin is about mistakes 17 to 23: lines, names and adverts that are no updates.
func TestUpdatesAreToldByTheirOrigin(t *testing.T) {
	t.Parallel()
	out := `NOTE: This is only a simulation!
The following security updates require Ubuntu Pro with 'esm-infra' enabled:
Inst libapache2-mod-security2 [2.9.5-1] (2.9.7-1 Debian:12.5/stable [amd64])
Inst openssl [3.0.11-1] (3.0.14-1 Debian-Security:12/stable-security [amd64])
Inst linux-image-amd64 [6.1.1] (6.1.2 Ubuntu:22.04/jammy-updates, Ubuntu:22.04/jammy-security [amd64])
Inst fresh (1.0 Debian:12.5/stable [all])
Conf openssl (3.0.14-1 Debian-Security:12/stable-security [amd64])
`
	if got, want := securityUpdates(out), []string{"openssl 3.0.14-1", "linux-image-amd64 6.1.2"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestNoFailureOfTheScriptIsMissed: whatever the script fails, one of ours fails or warns of too.
func TestNoFailureOfTheScriptIsMissed(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		image func(*tree)
		check string
	}{
		"a system that is not supported": {file("/etc/os-release", "NAME=\"Arch Linux\"\n"), "system.supported"},
		"a release that is not":          {file("/etc/os-release", "NAME=\"Ubuntu\"\nVERSION_ID=\"23.10\"\n"), "system.supported"},
		"no cloud-init":                  {remove("/usr/bin/cloud-init"), "cloud_init.ready"},
		"root's password":                {shadow("root:$6$salt$hash"), "users.password"},
		"root's keys":                    {file("/root/.ssh/authorized_keys", key), "ssh.authorized_keys"},
		"root's private key":             {file("/root/.ssh/id_rsa", privateKey), "ssh.private_keys"},
		"root's history":                 {file("/root/.bash_history", strings.Repeat("ls\n", 100)), "history.shells"},
		"the agent's directory":          {file("/opt/digitalocean/bin/droplet-agent", "x"), "digitalocean.directory"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tr := newTree(t)
			test.image(tr)
			report := tr.run(Options{CheckOnly: true})
			if report.Marketplace.Status != Fail || len(report.Marketplace.Reasons) == 0 {
				t.Errorf("the script is said to pass it")
			}
			if worst, _ := report.verdict(test.check); worst != Fail {
				t.Errorf("%s is %s", test.check, worst)
			}
		})
	}
}
