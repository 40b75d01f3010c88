package snapshot

// Requirement is a sentence of the Marketplace's README, and the check that holds it.
type Requirement struct {
	Sentence string
	Check    string // "" where nothing can be checked
	Why      string // what is checked, or why nothing is
}

// Requirements are all of what the README of digitalocean/marketplace-partners asks of an image, for the docs.
func Requirements() []Requirement {
	return []Requirement{
		{"cloud-init 0.76 or higher is installed (0.79 recommended)", "cloud_init.version", "by the package, or by its own version file"},
		{"cloud-init brings the customer's key, so it is enabled", "cloud_init.ready", "installed, not disabled, looks for DigitalOcean"},
		{"openssh-server is installed, SFTP recommended", "ssh.server", "sshd is there, not masked, and has a program for sftp"},
		{"the release is supported", "system.supported", "by the table below"},
		{"software updates are installed", "updates.security", "looked up on a running machine"},
		{"a firewall is enabled", "firewall.active", "what is on after a boot"},
		{
			"official package repositories are used whenever possible, and DigitalOcean's mirrors stay",
			"packages.foreign_sources",
			"each source that is neither the distribution's nor DigitalOcean's",
		},
		{"packages are signed", "packages.unsigned", "apt and dnf"},
		{
			"features like monitoring, IPv6 and private networking are off on the build Droplet",
			"network.build_features",
			"what they leave in settings",
		},
		{"DigitalOcean's agents are removed", "digitalocean.agents", "by the package manager"},
		{"the smallest suitable disk is used", "system.disk", "on a running machine: a root file system above 26 GB"},
		{"scripts of first boot are in per-instance and executable", "first_boot.hook", "and the shell can read them"},
		{
			"the script of the first login is under /opt, and restores .bashrc",
			"first_login.script",
			"each program that root's .bashrc starts",
		},
		{
			"the message of the day is called 99-, introduces the image and says where its documentation is",
			"motd.introduction",
			"or the manifest's motd",
		},
		{
			"native extensions are built for every processor (no -march=native)",
			"system.architecture",
			"programs and libraries that say which processor they need",
		},
		{"application.info names the app and its version", "vendor.application_info", "name and version"},
		{"bash history is deleted", "history.shells", "every history, not only bash's"},
		{
			"log files and SSH keys of root are removed",
			"logs.text",
			"ssh.authorized_keys, ssh.private_keys, ssh.host_keys, logs.rotated, logs.journal as well",
		},
		{"no account has a password", "users.password", "every account"},
		{
			"passwords are made for each Droplet at first boot",
			"secrets.password",
			"none is in the image; the manifest's secrets make them",
		},
		{"the image is built with Packer", "", "how an image was built leaves no trace that could be checked"},
		{"the app works, and its services start on the smallest plan", "", "only a boot shows it: oneclick boot and prove do"},
		{"an image is submitted again when its software is updated", "", "a matter of the vendor's calendar"},
	}
}
