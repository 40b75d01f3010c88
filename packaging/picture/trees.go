package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// takes is how long the sample image's steps take.
var takes = map[string]time.Duration{
	"core download": 900 * time.Millisecond, "config create": 400 * time.Millisecond, "core install": 3800 * time.Millisecond,
	"plugin install": 1200 * time.Millisecond,
}

const instanceData = `{"v1": {"instance_id": "2756294", "local_hostname": "garden", "region": "nyc3"},
 "ds": {"meta_data": {"hostname": "garden", "interfaces": {"public": [{"ipv4": {"ip_address": "203.0.113.10"}}]}}}}`

// customerTree is a Droplet that was just made from the sample image.
var customerTree = map[string]string{
	"etc/passwd":   "root:x:0:0:root:/root:/bin/bash\nwww-data:x:33:33::/var/www:/usr/sbin/nologin\n",
	"etc/group":    "root:x:0:\nwww-data:x:33:\n",
	"root/.bashrc": "", "run/cloud-init/instance-data.json": instanceData, "etc/caddy/Caddyfile": "", "var/www/.keep": "",
	"etc/oneclick/usual.json": `{"run /usr/local/bin/wp core install": 4}`,
	"etc/oneclick/app.yaml": `version: 1
app: {name: WordPress, version: "6.9", docs: "https://example.com/docs/wordpress"}
secrets:
  db_password: {}
first_boot:
  - run: [/usr/local/bin/wp, core, download]
    title: Download WordPress
    within: 5m
  - file: /var/www/wp-config.php
    content: "<?php define('DB_PASSWORD', {{ .secrets.db_password | php }});\n"
    owner: www-data:www-data
    mode: "0640"
    title: Write down the database's password
  - run: [/usr/local/bin/wp, config, create]
    title: Make its configuration
    within: 5m
  - run: [/usr/local/bin/wp, core, install]
    title: Install WordPress
    within: 5m
  - run: [/usr/local/bin/wp, plugin, install]
    title: Install its plugins
    within: 5m
first_login:
  questions:
    - {name: domain, ask: Domain name, type: domain, optional: true,
       help: "The name of your site; without one it is reached by its address."}
    - {name: email, ask: Admin email, type: email, help: WordPress sends notices there.}
    - {name: admin_password, ask: Admin password, type: password, min: 12, generate: true}
    - {name: edition, ask: Edition, type: choice, options: [blog, shop, magazine]}
    - {name: statistics, ask: "Send usage statistics?", type: confirm, default: false}
  steps:
    - file: /etc/caddy/Caddyfile
      content: "{{ .answers.domain }} {\n\troot * /var/www\n\tphp_fastcgi unix//run/php/php-fpm.sock\n}\n"
motd: |
  Your site: https://{{ .answers.domain }}
  Log in at https://{{ .answers.domain }}/wp-admin as {{ .answers.email }}.
  The password is in /root/.digitalocean_passwords
`,
}

// vendorTree is an image that somebody built by hand, with what is usually left behind.
var vendorTree = map[string]string{
	"etc/passwd": "root:x:0:0:root:/root:/bin/bash\ndeploy:x:1000:1000::/home/deploy:/bin/bash\n", "etc/group": "root:x:0:\ndeploy:x:1000:\n",
	"etc/shadow": "root:*:20000:0:99999:7:::\ndeploy:$6$saltsalt$0123456789:20000:0:99999:7:::\n",
	"etc/os-release": "NAME=\"Debian GNU/Linux\"\nID=debian\nVERSION_ID=\"13\"\nPRETTY_NAME=\"Debian GNU/Linux 13 " +
		"(trixie)\"\n", "etc/sudoers.d/deploy": "deploy ALL=(ALL) NOPASSWD: " +
		"ALL\n", "root/.ssh/config": "Host *\n", "etc/debian_version": "13.2\n",
	"etc/oneclick/app.yaml": "version: 1\napp: {name: Sample}\nfirst_boot:\n  - {file: /etc/sample.conf, content: x}\n  - firewall: " +
		"[22/tcp limit, 443/tcp]\n", "bin/sh": "",
	"root/.bash_history": "mysql -p\n", "root/.ssh/authorized_keys": "ssh-ed25519 " +
		"AAAAC3NzaC1lZDI1NTE5AAAAIE5vdEFLZXlCdXRMb29rc0xpa2VPbmUwMTIzNDU2Nzg5 rose@laptop\n",
	"home/deploy/.aws/credentials": "[default]\naws_access_key_id = " +
		"AKIAQ3EGTQZJ5W7VK2XD\naws_secret_access_key = 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\n",
	"etc/machine-id": "0123456789abcdef0123456789abcdef\n",
	"var/log/syslog": "Nov 24 10:00:00 build sshd[1]: Accepted publickey for root\n",
	"etc/ssh/ssh_host_ed25519_key": "-----BEGIN OPENSSH PRIVATE " +
		"KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQ\n-----END OPENSSH PRIVATE KEY-----\n",
	"var/lib/cloud/scripts/per-instance/000-oneclick": "#!/bin/sh\nexec /usr/bin/oneclick-agent first-boot\n",
	"var/lib/dpkg/status":                             dpkgStatus,
	"usr/bin/cloud-init":                              "#!/bin/sh\n",
	"lib/systemd/system/cloud-init.service":           "[Unit]\n",
	"etc/apt/apt.conf.d/20auto-upgrades": "APT::Periodic::Update-Package-Lists " +
		"\"1\";\nAPT::Periodic::Unattended-Upgrade \"1\";\n",
	"root/.cache/motd.legal-displayed":                    "",
	"var/lib/apt/lists/deb.debian.org_trixie_InRelease":   "Origin: Debian\n",
	"var/cache/apt/archives/curl_8.14.1-2_amd64.deb":      "!<arch>\n",
	"etc/cloud/cloud.cfg.d/90_dpkg.cfg":                   "datasource_list: [ ConfigDrive, DigitalOcean, NoCloud, None ]\n",
	"usr/lib/systemd/system/oneclick-first-boot.service":  "[Unit]\n",
	"etc/systemd/system/multi-user.target.wants/.placeho": "",
}

const dpkgStatus = `Package: cloud-init
Status: install ok installed
Version: 25.1

Package: unattended-upgrades
Status: install ok installed
Version: 2.12

Package: oneclick-agent
Status: install ok installed
Version: 0.1.0
`

// plant makes a tree.
func plant(files map[string]string) string {
	root, err := os.MkdirTemp("", "picture")
	check(err)
	for name, content := range files {
		check(os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o755))
		mode := os.FileMode(0o644)
		if filepath.Ext(name) == "" && (filepath.Base(filepath.Dir(name)) == "bin" || filepath.Base(name) == "000-oneclick") {
			mode = 0o755
		}
		check(os.WriteFile(filepath.Join(root, name), []byte(content), mode))
	}
	return root
}

// copyProgram puts this program into a tree, under the name of one that its steps run.
func copyProgram(target string) {
	check(os.MkdirAll(filepath.Dir(target), 0o755))
	ours, err := os.Open("/proc/self/exe")
	check(err)
	defer ours.Close()
	theirs, err := os.OpenFile(target, os.O_CREATE|os.O_WRONLY, 0o755)
	check(err)
	_, err = io.Copy(theirs, ours)
	check(err)
	check(theirs.Close())
}

// background runs a command beside the terminal; the channel is closed at its end.
func (d *drawing) background(argv ...string) <-chan struct{} {
	command := exec.Command(argv[0], argv[1:]...)
	var out writer
	command.Stdout, command.Stderr = &out, &out
	check(command.Start())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := command.Wait(); err != nil {
			d.Fatalf("%v: %v: %s", argv, err, out)
		}
	}()
	return ended
}

// writer keeps what is written.
type writer []byte

func (w *writer) Write(data []byte) (int, error) {
	*w = append(*w, data...)
	return len(data), nil
}
