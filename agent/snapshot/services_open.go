package snapshot

import (
	"regexp"
	"strings"

	"oneclick-agent/agent/pattern"
)

// openSetting is a program that one setting leaves open: what it looks like, and what beside it keeps people out.
type openSetting struct {
	name, reason, remedy string
	files                []string
	ports                []int
	open, unless         func() *regexp.Regexp // of the file without its comments; unless may be nil
	message              string
	status               Status
}

// everyAddress is how programs write that they listen on all addresses.
const everyAddress = `(?:0\.0\.0\.0|\[?::\]?|\*)`

var openSettings = []openSetting{
	{
		name: "consul", reason: "everybody can read and change Consul's records, and run commands by its checks",
		remedy: `client_addr = "127.0.0.1", or acl { enabled = true }`, files: []string{"/etc/consul.d/*.hcl", "/etc/consul.d/*.json",
			"/etc/consul/*.hcl", "/etc/consul/*.json"}, ports: []int{8500},
		open: pattern.New(`"?client_addr"?\s*[=:]\s*"` + everyAddress + `"`), unless: pattern.New(`acl"?\s*[:={]+[^}]*enabled"?\s*[=:]\s*true`),
		message: "Consul takes commands of everybody: client_addr, and no acl", status: Fail,
	},
	{
		name: "kubelet", reason: "everybody can run commands in the containers of the kubelet",
		remedy: "anonymous: {enabled: false}, and authorization: {mode: Webhook}", files: []string{"/var/lib/kubelet/config.yaml",
			"/etc/kubernetes/kubelet/*.json", "/etc/kubernetes/kubelet.conf.d/*"}, ports: []int{10250},
		open:    pattern.New(`anonymous"?:\s*\{?\s*"?enabled"?:\s*true|mode"?:\s*"?AlwaysAllow`),
		message: "the kubelet takes commands of everybody", status: Fail,
	},
	{
		name: "vnc", reason: "everybody sees and controls the screen", remedy: "SecurityTypes VncAuth, or -localhost",
		files: []string{"/etc/systemd/system/*vnc*.service", "/etc/systemd/system/*vnc*.service.d/*.conf", "~/.vnc/config",
			"/etc/tigervnc/*", "/etc/x11vnc*"}, ports: []int{5900, 5901},
		open:    pattern.New(`(?i)SecurityTypes[\s=]+"?None|x11vnc\b[^\n]*\s-nopw|\$SecurityTypes\s*=\s*"None`),
		unless:  pattern.New(`(?mi)[\s-]localhost(?:\s+(?:yes|1)|\s*$|\s+-)|-localhost\b(?:$|\s+[^n\s])`),
		message: "the screen is open to everybody", status: Fail,
	},
	{
		name: "supervisor", reason: "everybody can start programs by supervisor's web page", remedy: "port=127.0.0.1:9001, and a password",
		files: []string{"/etc/supervisor/supervisord.conf", "/etc/supervisord.conf", "/etc/supervisor/conf.d/*.conf"}, ports: []int{9001},
		open:    pattern.New(`(?s)\[inet_http_server\][^\[]*\bport\s*=\s*` + everyAddress + `?:\d+`),
		unless:  pattern.New(`(?s)\[inet_http_server\][^\[]*\bpassword\s*=`),
		message: "supervisor's web page takes commands of everybody: inet_http_server without a password", status: Fail,
	},
	{
		name: "web_terminals", reason: "everybody gets a shell in the browser", remedy: "ask for a login, or listen on 127.0.0.1",
		files:   []string{"/etc/systemd/system/*.service", "/usr/local/lib/systemd/system/*.service", "/etc/default/ttyd"},
		ports:   []int{7681, 8080},
		open:    pattern.New(`\b(?:ttyd|gotty|webssh2?|wetty)\s[^\n]*`),
		unless:  pattern.New(`\s(?:-c|--credential|--credential=)\S*\s*\S+:|127\.0\.0\.1|localhost|\blogin\b|--auth-header`),
		message: "everybody gets a shell in the browser, without a login", status: Fail,
	},
	{
		name: "mosquitto", reason: "everybody can read and send messages", remedy: "allow_anonymous false, and a password_file at first boot",
		files: []string{"/etc/mosquitto/mosquitto.conf", "/etc/mosquitto/conf.d/*.conf"}, ports: []int{1883},
		open: pattern.New(`(?m)^\s*allow_anonymous\s+true`), unless: pattern.New(`(?m)^\s*listener\s+\d+\s+(?:127\.|localhost|::1)`),
		message: "Mosquitto lets everybody in: allow_anonymous true", status: Fail,
	},
	{
		name: "neo4j", reason: "everybody can read and write everything", remedy: "dbms.security.auth_enabled=true",
		files: []string{"/etc/neo4j/neo4j.conf"}, ports: []int{7474, 7687},
		open: pattern.New(`(?m)^\s*dbms\.security\.auth_enabled\s*=\s*false`), message: "Neo4j asks nobody for a password", status: Fail,
	},
	{
		name: "traefik", reason: "everybody sees how the proxy is set up", remedy: "api: {insecure: false}",
		files: []string{"/etc/traefik/*.yml", "/etc/traefik/*.yaml", "/etc/traefik/*.toml"}, ports: []int{8080},
		open:    pattern.New(`(?s)\bapi\b\]?:?\s*[^\n]*\n?\s*(?:[\w.]+\s*[:=][^\n]*\n\s*){0,3}insecure\s*[:=]\s*true`),
		message: "everybody sees Traefik's dashboard: insecure", status: Warn,
	},
	{
		name: "vault", reason: "Vault's tokens cross the network in plain text", remedy: "tls_cert_file and tls_key_file, made at first boot",
		files: []string{"/etc/vault.d/*.hcl", "/etc/vault/*.hcl"}, ports: []int{8200},
		open: pattern.New(`(?s)address\s*=\s*"` + everyAddress + `:\d+"[^}]*tls_disable\s*=\s*"?(?:1|true)|` +
			`tls_disable\s*=\s*"?(?:1|true)[^}]*address\s*=\s*"` + everyAddress),
		message: "Vault listens to the world without TLS", status: Warn,
	},
	{
		name: "x11", reason: "everybody sees and controls the screen", remedy: "take -ac and -listen tcp out",
		files: []string{"/etc/systemd/system/*.service", "/etc/X11/xinit/xserverrc"}, ports: []int{6000},
		open:    pattern.New(`\bX(?:org|vfb|vnc)?\s[^\n]*-listen\s+tcp[^\n]*-ac\b|\bX(?:org|vfb|vnc)?\s[^\n]*-ac\b[^\n]*-listen\s+tcp`),
		message: "the screen is open to everybody", status: Fail,
	},
	{
		name: "php", reason: "a request can have the web server run a file of another machine", remedy: "allow_url_include = Off",
		files:   []string{"/etc/php/*/*/php.ini", "/etc/php/*/*/conf.d/*.ini", "/etc/php.ini", "/etc/php.d/*.ini"},
		open:    pattern.New(`(?mi)^\s*allow_url_include\s*=\s*(?:on|1|true|yes)`),
		message: "PHP runs files of other machines: allow_url_include", status: Warn,
	},
	{
		name: "registry", reason: "everybody can put container images there", remedy: "auth: {htpasswd: ...}, made at first boot",
		files: []string{"/etc/docker/registry/config.yml", "/etc/docker-registry/config.yml", "/etc/distribution/config.yml"}, ports: []int{5000},
		open: pattern.New(`(?m)^\s*addr:\s*"?(?:` + everyAddress + `)?:\d+`), unless: pattern.New(`(?m)^auth:`),
		message: "the registry takes images of everybody", status: Warn,
	},
}

// openServices has a service for each of openSettings.
func openServices() (services []service) {
	for _, s := range openSettings {
		services = append(services, service{s.name, s.files, s.reason, s.remedy, s.ports, func(i *Image, file string) verdict {
			text := strings.Join(i.textLines(file), "\n")
			if i.packages.vouches(file) || !s.open().MatchString(text) || s.unless != nil && s.unless().MatchString(text) {
				return verdict{}
			}
			return verdict{s.status, s.message}
		}})
	}
	return services
}
