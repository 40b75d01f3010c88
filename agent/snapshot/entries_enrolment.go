package snapshot

import (
	"path"
	"slices"
	"strings"

	"oneclick-agent/agent/state"
)

func enrolmentEntries() []Entry {
	return []Entry{
		{
			ID:       "enrolment.subscriptions",
			Severity: High,
			Mode:     ReportOnly,
			Reason:   "the build machine's subscription, which every Droplet would use",
			Remedy:   "run pro detach, or subscription-manager unregister, before the snapshot",
			Touches: []string{
				"/var/lib/ubuntu-advantage/private/*",
				"/etc/pki/consumer/*.pem",
				"/etc/pki/entitlement/*.pem",
				"/var/lib/landscape/client/broker.bpickle",
				"/etc/zypp/credentials.d/SCCcredentials",
			},
			Holds: func(i *Image, file string) bool { return filled(i, file) && path.Base(file) != "public" },
		},
		{
			ID:       "enrolment.directory",
			Severity: High,
			Mode:     Optional,
			Action:   Remove,
			Reason:   "the build machine's membership of a directory service",
			Touches: []string{
				"/etc/krb5.keytab",
				"/etc/ipa/default.conf",
				"/etc/ipa/ca.crt",
				"/var/lib/ipa-client/sysrestore/*",
				"/var/lib/sss/db/*",
				"/var/lib/sss/secrets/.secrets.mkey",
				"/var/lib/sss/secrets/secrets.ldb",
				"/var/lib/samba/private/secrets.tdb",
				"/var/kerberos/krb5kdc/principal*",
			},
		},
		{
			ID:       "enrolment.agents",
			Severity: Critical,
			Mode:     ReportOnly,
			Reason:   "the build machine's identity towards a management or monitoring service",
			Remedy:   "remove it before the snapshot, and enrol at first boot",
			Touches: []string{
				"/var/lib/puppet/ssl/private_keys/*", "/etc/puppetlabs/puppet/ssl/private_keys/*", "/etc/salt/pki/minion/minion.pem",
				"/etc/salt/minion_id",
				"/etc/zabbix/*.psk", "/var/lib/tailscale/tailscaled.state",
				"/var/lib/netdata/registry/netdata.public.unique.id", "/opt/consul/node-id",
				"/var/lib/consul/node-id",
				"/var/lib/rancher/k3s/server/token", "/var/lib/rancher/k3s/server/node-token", "/var/lib/kubelet/pki/*",
				"/etc/kubernetes/pki/*.key", "/etc/kubernetes/admin.conf", "/var/lib/cloudflared/*.json", "/etc/cloudflared/*.json",
				"/var/lib/waagent/provisioned", "/var/lib/amazon/ssm/registration", "/var/lib/netdata/cloud.d/*",
				"/var/lib/zerotier-one/identity.secret", "/var/lib/zerotier-one/authtoken.secret", "/var/ossec/etc/client.keys",
				"/opt/consul/serf/*.keyring", "/var/lib/consul/serf/*.keyring", "/opt/consul/data/node-id", "/opt/consul/data/serf/*.keyring",
				"/opt/nomad/client/client-id", "/opt/nomad/data/client/client-id",
				"/var/lib/nomad/client/client-id", "/opt/nomad/client/secret-id", "/opt/nomad/data/client/secret-id", "/var/lib/nomad/client/secret-id",
				"~~/**/.credentials_rsaparams", "/opt/**/.credentials_rsaparams", "/srv/**/.credentials_rsaparams", "~~/**/.runner",
				"~~/**/actions-runner*/.credentials", "/opt/**/actions-runner*/.credentials",
				"/srv/**/actions-runner*/.credentials",
				"/opt/**/.runner", "/srv/**/.runner", "~/.cloudflared/*.json", "~/.cloudflared/cert.pem",
				"/etc/osquery/*enroll_secret*",
				"/var/opt/azcmagent/agentconfig.json", "/var/opt/azcmagent/certs/*", "/etc/opt/omi/ssl/omikey.pem",
				"/var/lib/amazon/ssm/Vault/Store/*",
				"/var/opt/microsoft/*/mdatp.onboarded", "/etc/opt/microsoft/mdatp/mdatp_onboard.json",
				"/var/lib/teleport/proc/*", "/var/lib/teleport/host_uuid",
				"/var/lib/elastic-agent/fleet.enc",
				"/etc/elastic-agent/fleet.enc", "/opt/Elastic/Agent/fleet.enc", "/var/lib/filebeat/registry/filebeat/meta.json",
				"/var/lib/filebeat/meta.json",
				"/opt/CrowdStrike/falconstore", "/opt/splunkforwarder/etc/instance.cfg", "/opt/splunk/etc/auth/splunk.secret",
				"/opt/splunkforwarder/etc/auth/splunk.secret", "/etc/chef/*.pem", "/etc/cinc/*.pem", "/etc/salt/pki/master/master.pem",
				"/var/lib/mackerel-agent/id",
				"/var/snap/microk8s/current/credentials/*", "/var/lib/k0s/pki/*.key", "/etc/nebula/*.key", "/var/lib/headscale/*.key",
				"/etc/foreman-proxy/*.key", "/var/lib/one-context/*",
			},
			Holds: filled,
		},
		{
			ID:       "enrolment.insights",
			Severity: High,
			Mode:     Default,
			Action:   Remove,
			Reason:   "the build machine's identity towards Red Hat, under which every Droplet would report",
			Touches: []string{
				"/etc/insights-client/machine-id",
				"/etc/insights-client/.registered",
				"/etc/insights-client/.unregistered",
				"/etc/insights-client/.lastupload",
				"/etc/redhat-access-insights/machine-id",
				"/var/lib/insights/*",
				"/var/lib/rhsm/facts/*",
				"/var/lib/rhsm/cache/*",
				"/var/lib/rhsm/packages/*",
			},
		},
		{
			ID:       "enrolment.snap_login",
			Severity: Critical,
			Mode:     ReportOnly,
			Reason:   "the builder's login to the snap store, or the machine's",
			Remedy:   "snap logout, and build on a Droplet whose snapd is not yet registered",
			Touches:  []string{"/var/lib/snapd/state.json", "~/.snap/auth.json"},
			Holds: func(i *Image, file string) bool {
				return containing(`"macaroon":"`, `"session-macaroon":"`, `"macaroon": "`, `"session-macaroon": "`)(i, file)
			},
		},
		{
			ID:       "enrolment.remote_editors",
			Severity: High,
			Mode:     Default,
			Action:   Remove,
			Reason:   "the server of the builder's editor, with its token, its logs and what it knows of the builder's machine",
			Touches: []string{
				"~/.vscode-server",
				"~/.vscode-server-insiders",
				"~/.vscode-remote",
				"~/.vscode-cli",
				"~/.cursor-server",
				"~/.windsurf-server",
				"~/.codeium",
				"~/.trae-server",
				"~/.positron-server",
				"~/.cache/JetBrains",
				"~/.config/JetBrains",
				"~/.zed_server",
			},
		},
		{
			ID:       "enrolment.automation",
			Severity: Medium,
			Mode:     Default,
			Action:   Remove,
			Reason:   "temporary files of the program that built the image",
			Touches: []string{
				"~/.ansible/tmp",
				"~/.ansible/cp",
				"~/.ansible/galaxy_token",
				"~/.ansible_async",
				"~/.ansible_galaxy",
				"/etc/ansible/facts.d/*.tmp",
				"~/.chef/cache",
				"~/.vagrant.d",
				"~/.packer.d",
				"~/.config/packer",
			},
		},
		{
			ID:       "enrolment.agent_keys",
			Severity: Critical,
			Mode:     ReportOnly,
			Reason:   "a key of a monitoring service, of a runner or of a network",
			Remedy:   "take the key out, and ask for it at first login",
			Touches: []string{
				"/etc/datadog-agent/datadog.yaml",
				"/etc/wireguard/*.conf",
				"/etc/newrelic-infra.yml",
				"/etc/newrelic/newrelic.cfg",
				"/etc/php/*/*/conf.d/newrelic.ini",
				"/etc/gitlab-runner/config.toml",
				"~/.gitlab-runner/config.toml",
				"/etc/buildkite-agent/buildkite-agent.cfg",
				"/etc/consul.d/*.hcl",
				"/etc/consul.d/*.json",
				"/etc/nomad.d/*.hcl",
				"/etc/netdata/claim.conf",
				"/etc/netdata/stream.conf",
				"/etc/mackerel-agent/mackerel-agent.conf",
				"/etc/sysdig/dragent.yaml",
				"/opt/draios/etc/dragent.yaml",
				"/etc/rsyslog.d/22-loggly.conf",
				"/etc/act_runner/config.yaml",
				"/etc/tailscale/*.env",
				"/etc/default/tailscaled",
				"/etc/landscape/client.conf",
				"/etc/telegraf/telegraf.d/*.conf",
				"/etc/vector/*.toml",
				"/etc/vector/*.yaml",
				"/etc/promtail/*.yml",
				"/etc/otelcol*/*.yaml",
			},
			Holds: func(i *Image, file string) bool {
				return slices.ContainsFunc(i.textLines(file), func(line string) bool {
					key, value, _ := strings.Cut(strings.ReplaceAll(line, ":", "="), "=")
					key, value = strings.Trim(strings.ToLower(key), ` "'`), strings.Trim(value, ` "',`)
					return slices.Contains(agentKeys, strings.TrimPrefix(key, "newrelic.")) && len(value) >= 16 &&
						!strings.Contains(value, "your") &&
						!strings.Contains(value, "REPLACE") &&
						!strings.Contains(value, "<")
				})
			},
		},
		{
			ID:       "keys.system",
			Severity: Critical,
			Mode:     ReportOnly,
			Reason:   "a private key that everybody with a Droplet of the image would have",
			Remedy:   "remove it, and make it at first boot: secrets: {NAME: {format: certificate, ...}}",
			Touches: []string{
				"/etc/pki/tls/private/*.key", "/etc/pki/CA/private/*", "/etc/ssl/private/*", "/etc/letsencrypt/accounts/**/private_key.json",
				"/etc/letsencrypt/archive/**/privkey*.pem", "/etc/letsencrypt/live/*/privkey.pem",
				"/etc/nginx/**/*.key", "/etc/apache2/**/*.key", "/etc/httpd/**/*.key", "/etc/caddy/**/*.key",
				"/var/lib/caddy/.local/share/caddy/**/*.key", "/root/.acme.sh/**/*.key", "/root/.local/share/caddy/**/*.key", "/etc/Pegasus/*.pem",
			},
			Holds: func(i *Image, file string) bool {
				key := strings.HasSuffix(file, ".key") || strings.Contains(path.Base(file), "private_key") ||
					strings.Contains(path.Base(file), "privkey")
				return i.isFile(file) && path.Base(file) != snakeOil && !i.regenerates(file) &&
					(key || containing("PRIVATE KEY")(i, file))
			},
		},
		{
			ID:       "keys.snakeoil",
			Severity: Medium,
			Mode:     ReportOnly,
			Reason: "the self-signed key that Debian's ssl-cert made when it was installed; every Droplet of the image " +
				"would have the same",
			Touches: []string{
				"/etc/ssl/private/" + snakeOil,
			}, Remedy: "run make-ssl-cert generate-default-snakeoil --force-overwrite at first boot, or purge ssl-cert",
			Holds: func(i *Image, file string) bool { return !i.regenerates(file) && !i.regenerates("make-ssl-cert") },
		},
		{
			ID:       "secrets.of_packages",
			Severity: Critical,
			Mode:     ReportOnly,
			Reason:   "a package made this secret when it was installed, and every Droplet of the image would have the same",
			Remedy:   "have first boot make it anew, or remove it in pre_snapshot.remove where the program makes it again",
			Touches: []string{
				"/var/lib/mysql/auto.cnf", "/var/lib/mysql/*-key.pem", "/var/lib/mysql/private_key.pem", "/etc/mysql/debian.cnf",
				"/var/lib/rabbitmq/.erlang.cookie", "/var/lib/jenkins/secrets/*",
				"/var/lib/jenkins/identity*", "/etc/gitlab/gitlab-secrets.json",
				"/etc/opensearch/opensearch.keystore", "/etc/elasticsearch/elasticsearch.keystore", "/etc/elasticsearch/certs/*.p12",
				"/var/lib/dovecot/ssl-parameters.dat", "/etc/phpmyadmin/config-db.php",
				"/var/lib/phpmyadmin/blowfish_secret.inc.php",
				"/etc/roundcube/debian-db.php", "/var/lib/redis/.secret", "/etc/couchdb/local.ini", "/var/lib/couchdb/.erlang.cookie",
				"/etc/powerdns/pdns.d/*", "/etc/bind/rndc.key", "/etc/unbound/unbound_*.key",
			},
			Holds: func(i *Image, file string) bool {
				if !i.hasContent(file) || i.regenerates(file) {
					return false
				}
				switch path.Base(file) {
				case "debian.cnf", "config-db.php", "debian-db.php", "local.ini": // they can come without a password
					return passwordSetting(i, file)
				}
				return true
			},
		},
	}
}

// agentKeys are the names of settings with a key of a service.
var agentKeys = []string{
	"api_key",
	"apikey",
	"privatekey",
	"presharedkey",
	"api key",
	"registration_key",
	"license_key",
	"license",
	"token",
	"access_key",
	"encrypt",
	"customerid",
	"ts_authkey",
	"ts_auth_key",
}

const snakeOil = "ssl-cert-snakeoil.key"

// passwordSetting reports whether a file sets a password that is not empty.
func passwordSetting(i *Image, file string) bool {
	return slices.ContainsFunc(i.textLines(file), func(line string) bool {
		key, value, ok := strings.Cut(line, "=")
		key = strings.ToLower(strings.Trim(key, " \t$"))
		return ok && (strings.HasSuffix(key, "password") || strings.HasSuffix(key, "pass") || strings.HasSuffix(key, "secret")) &&
			strings.Trim(value, " \t'\";") != ""
	})
}

// regenerates reports whether first boot makes a file anew: the manifest or a per-instance script names it.
func (i *Image) regenerates(file string) bool {
	for _, script := range append(i.perInstanceScripts(), state.Manifest) {
		if strings.Contains(i.text(script), file) {
			return true
		}
	}
	return false
}
