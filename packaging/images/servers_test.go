// Package images holds tests on root file systems with real packages: whatever pre-snapshot says of a system that was
// only installed has to be true.
package images

import (
	"context"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"oneclick-agent/agent/host"
	"oneclick-agent/agent/snapshot"
	"oneclick-agent/packaging/lab"
)

var enabled = flag.Bool("images", false, "build root file systems and check them; needs root and mmdebstrap")

// servers are usual servers and languages, as vendors install them.
var servers = []string{
	"apache2", "nginx", "mariadb-server", "postgresql", "redis-server", "memcached", "docker.io", "php-fpm", "php-mysql",
	"nodejs", "npm", "python3-pip", "default-jre-headless", "ruby", "golang-go", "tomcat10",
	"postfix", "dovecot-imapd", "prometheus", "prometheus-node-exporter", "rabbitmq-server", "haproxy", "varnish", "squid",
	"bind9", "unbound", "vsftpd", "samba", "nfs-kernel-server", "snmpd", "rsync", "etcd-server",
	"monit", "supervisor", "fail2ban", "certbot", "mosquitto", "slapd", "openvpn", "wireguard-tools", "git",
	"unattended-upgrades", "cron", "sudo", "polkitd", "ssl-cert", "zabbix-agent", "munin-node",
}

// trueFindings are what is really wrong with an image that has these packages as they were installed, each with why.
var trueFindings = map[string]string{
	"secrets.of_packages /etc/bind/rndc.key": "BIND's package makes the key when it is installed, and who has it governs the name server",
	"secrets.of_packages /var/lib/rabbitmq/.erlang.cookie": "RabbitMQ's package makes the cookie when it is installed, and " +
		"it lets in whoever has it",
}

// TestADebianWithUsualServersHasNoFalseAlarm installs the servers, cleans, and looks at every check that failed.
func TestADebianWithUsualServersHasNoFalseAlarm(t *testing.T) {
	if !*enabled {
		t.Skip("builds a root file system, which takes long; make test-servers gives -images")
	}
	cache, err := filepath.Abs("../../build/images")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("DROPLET_LAB_CACHE", cache)
	for _, suite := range []string{"bookworm", "trixie"} {
		t.Run(suite, func(t *testing.T) {
			archive, err := lab.Image{Name: "servers-" + suite, Suite: suite, Packages: servers}.Archive(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			directory := t.TempDir()
			if out, err := exec.Command("tar", "-C", directory, "-xf", archive).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			report := clean(t, directory)
			seen := map[string]bool{}
			for _, check := range report.Checks {
				key := check.ID + " " + check.Subject
				seen[key] = true
				switch {
				case check.Status == snapshot.Fail && trueFindings[key] == "":
					t.Errorf("a false alarm: %s: %s", key, check.Message)
				case check.Status == snapshot.Warn || check.Status == snapshot.Unknown:
					t.Logf("%s: %s: %s", check.Status, key, check.Message)
				}
			}
			for key, why := range trueFindings {
				if !seen[key] {
					t.Errorf("%s is not found, though %s", key, why)
				}
			}
		})
	}
}

// clean has pre-snapshot clean the tree, as an image builder would that has a script of first boot.
func clean(t *testing.T, directory string) snapshot.Report {
	t.Helper()
	script := directory + "/var/lib/cloud/scripts/per-instance/001_onboot"
	os.MkdirAll(directory+"/var/lib/cloud/scripts/per-instance", 0o755)
	if err := os.WriteFile(script, []byte("#!/bin/sh\nexit 0\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	hardened, err := os.ReadFile("../packer/files/etc/ssh/sshd_config.d/10-marketplace.conf")
	if err == nil {
		err = os.WriteFile(directory+"/etc/ssh/sshd_config.d/10-marketplace.conf", hardened, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	h, err := host.Open(directory)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	image, err := snapshot.Look(h)
	if err != nil {
		t.Fatal(err)
	}
	report, err := snapshot.Run(t.Context(), image, snapshot.Options{NoErase: true})
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	report.WriteText(&text)
	t.Log(text.String())
	return report
}
