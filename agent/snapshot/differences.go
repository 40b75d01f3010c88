package snapshot

// differences are where img_check 1.8.1 and we judge differently, with the reason, by the entry that is ours.
var differences = []Difference{
	{
		"loses every finding about accounts other than root: the loop over them runs in a subshell",
		"each is a finding, and counts",
		"users.password",
	},
	{"never sees the SSH keys of other accounts: its pattern is quoted", "reads every account's .ssh", "ssh.authorized_keys"},
	{"looks for homes in /home/NAME", "takes the home from /etc/passwd", "ssh.authorized_keys"},
	{"looks at accounts from id 1000 on only", "looks at every account; a second one with id 0 fails", "users.root_twin"},
	{"passes over accounts called centos and nfsnobody", "no name is an excuse", "users.password"},
	{"takes only id_rsa for a private key", "every kind by name, and any file by its content", "ssh.private_keys"},
	{
		"does not know authorized_keys2, AuthorizedKeysFile, AuthorizedKeysCommand and TrustedUserCAKeys",
		"reads sshd's settings",
		"ssh.key_sources",
	},
	{
		"lets keys below 50 bytes, histories below 200 and logs below 50 pass",
		"any content counts; a token has fewer bytes",
		"history.shells",
	},
	{"knows only .bash_history", "knows every shell's, database client's and interpreter's", "history.shells"},
	{
		"fails an account that is locked in another way (!*), and says that an empty field is a password",
		"no password passes, an empty one fails, a locked hash is a warning",
		"users.password",
	},
	{
		"passes firewalld on CloudLinux and the like when it is off, and warns of csf and of Debian's firewalld when they are on",
		"reads what is enabled at boot",
		"firewall.active",
	},
	{"on Debian takes the module ip_tables for a firewall", "reads ufw's, firewalld's and nftables' settings", "firewall.active"},
	{
		"takes a failing apt-get update or yum for no updates",
		"what could not be determined is unknown, and never a pass",
		"updates.security",
	},
	{
		"counts lines with the word security, advertisements and package names included, and halves the number",
		"counts packages by their origin",
		"updates.security",
	},
	{"does not see kernels and others that upgrade keeps back", "works out dist-upgrade, and compares kernels", "updates.reboot"},
	{"takes any name of a dash and eight characters for a dated log", "knows rotation by its suffix", "logs.rotated"},
	{
		"looks at three patterns in the top of /var/log, and stops at the first dangling link",
		"every file below it, the journal included",
		"logs.text",
	},
	{"prints private keys and whole logs", "shows the place, the kind and a redacted sample", "secrets.private_key"},
	{"hangs on a FIFO called *.log", "opens regular files only", "logs.text"},
	{
		"fails an empty /opt/digitalocean, and calls the agent the monitoring agent",
		"removes the package, its timers, and the empty directory",
		"digitalocean.agents",
	},
	{"passes a cloud-init that is installed and disabled", "fails: the customer's key would never arrive", "cloud_init.ready"},
	{"does not look at host keys, machine id, random seed, sudoers, sshd's settings, swap, cron", "an entry for each", "ssh.host_keys"},
	{"never looks at /tmp, though its documents say so", "cleans it, and looks", "temporary.files"},
	{
		"changes the image: apt lists, apt's logs, the mode of /tmp",
		"looks updates up in a directory in memory, and changes nothing",
		"updates.security",
	},
	{
		"takes AlmaLinux and CloudLinux 7.9, Ubuntu 22.10 and others that are out of support",
		"passes what is supported on the day, and warns of the rest",
		"system.supported",
	},
	{"does not know Ubuntu 26.04, nor AlmaLinux, Rocky and CentOS Stream 10", "says that the script fails it", "system.supported"},
	{"sees Packer's own key as a leftover", "removes it with the others; the connection stays", "ssh.authorized_keys"},
	{"never fails on a warning", "pre-snapshot --strict does", "firewall.active"},
}
