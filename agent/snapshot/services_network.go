package snapshot

import (
	"encoding/json"
	"path"
	"slices"
	"strings"

	"oneclick-agent/agent/pattern"
)

// networkServices are programs that share files, the machine, or its network.
func networkServices() []service {
	return []service{
		{
			"docker",
			[]string{
				"/etc/docker/daemon.json",
				"/etc/default/docker",
				"/etc/sysconfig/docker",
				"/etc/systemd/system/docker.service",
				"/etc/systemd/system/docker.service.d/*.conf",
				"/etc/systemd/system/docker.socket",
				"/etc/systemd/system/docker.socket.d/*.conf",
			},
			"Docker takes commands over the network, which is root for whoever connects",
			"have it listen on its socket only, or ask clients for certificates: tlsverify",
			[]int{2375, 2376},
			judgeDocker,
		},
		{
			"nfs",
			[]string{"/etc/exports", "/etc/exports.d/*.exports"},
			"NFS gives files to everybody",
			"name the hosts that may mount it",
			[]int{2049},
			judgeNFS,
		},
		{"samba", []string{"/etc/samba/smb.conf"}, "Samba gives files to everybody", "guest ok = no", []int{445}, judgeSamba},
		{
			"rsync",
			[]string{"/etc/rsyncd.conf"},
			"rsync gives files to everybody",
			"auth users and secrets file, or hosts allow",
			[]int{873},
			judgeRsync,
		},
		{
			"ftp",
			[]string{"/etc/vsftpd.conf", "/etc/vsftpd/vsftpd.conf"},
			"the FTP server lets everybody in",
			"anonymous_enable=NO",
			[]int{21},
			judgeFTP,
		},
		{
			"snmp",
			[]string{"/etc/snmp/snmpd.conf", "/etc/snmp/snmpd.conf.d/*.conf"},
			"SNMP tells everybody about the Droplet who knows the usual word",
			"agentaddress 127.0.0.1,[::1], or SNMPv3 with passwords of first boot",
			nil,
			judgeSNMP,
		},
		{
			"telnet",
			[]string{
				"/etc/inetd.conf",
				"/etc/xinetd.d/*",
				"/etc/systemd/system/sockets.target.wants/telnet.socket",
				"/etc/systemd/system/sockets.target.wants/r*.socket",
			},
			"passwords cross the network in plain text",
			"use SSH",
			[]int{23, 512, 513, 514},
			judgeTelnet,
		},
		{
			"proxy",
			[]string{"/etc/squid/squid.conf", "/etc/squid/conf.d/*.conf", "/etc/squid3/squid.conf", "/etc/tinyproxy/tinyproxy.conf"},
			"everybody can use the Droplet to reach others, in the customer's name",
			"allow only the networks that need it",
			[]int{3128, 8888},
			judgeProxy,
		},
		{
			"mail_relay",
			[]string{"/etc/postfix/main.cf"},
			"everybody can send mail through the Droplet, in the customer's name",
			"mynetworks = 127.0.0.0/8 [::1]/128",
			[]int{25},
			judgeRelay,
		},
		{
			"resolver",
			[]string{
				"/etc/bind/named.conf.options",
				"/etc/bind/named.conf",
				"/etc/named.conf",
				"/etc/unbound/unbound.conf",
				"/etc/unbound/unbound.conf.d/*.conf",
			},
			"everybody can use the Droplet's name server to flood others",
			"allow-recursion { localhost; localnets; };",
			[]int{53},
			judgeResolver,
		},
	}
}

// dockerAddress is a -H or --host of dockerd on TCP.
var dockerAddress = pattern.New(`(?:-H|--host)[=\s]*["']?tcp://([^\s"',]*)`)

func judgeDocker(i *Image, file string) (worst verdict) {
	var addresses []string
	verifies := false
	if path.Ext(file) == ".json" {
		var daemon struct {
			Hosts     []string `json:"hosts"`
			TLSVerify bool     `json:"tlsverify"`
		}
		if json.Unmarshal([]byte(i.text(file)), &daemon) != nil {
			return verdict{}
		}
		verifies = daemon.TLSVerify
		for _, host := range daemon.Hosts {
			if address, ok := strings.CutPrefix(host, "tcp://"); ok {
				addresses = append(addresses, address)
			}
		}
	} else {
		text := strings.Join(i.textLines(file), "\n")
		verifies = strings.Contains(text, "--tlsverify")
		for _, match := range dockerAddress().FindAllStringSubmatch(text, -1) {
			addresses = append(addresses, match[1])
		}
		if strings.HasSuffix(file, ".socket") || strings.Contains(file, "docker.socket.d/") {
			for _, value := range i.assignments(file)["socket.listenstream"] {
				if value != "" && !strings.HasPrefix(value, "/") && !strings.HasPrefix(value, "%t") {
					addresses = append(addresses, value)
				}
			}
		}
	}
	for _, address := range addresses {
		switch {
		case verifies:
		case isLocal(address):
			worst = worseOf(worst, warning("every account of the machine becomes root through Docker on tcp://%s", address))
		default:
			worst = worseOf(worst, failing("Docker takes commands of everybody on tcp://%s, which is root for whoever connects", address))
		}
	}
	return worst
}

// judgeNFS reads exports(5): a directory, and clients with their options.
func judgeNFS(i *Image, file string) (worst verdict) {
	for _, line := range i.textLines(file) {
		fields := strings.Fields(line)
		clients := fields[1:]
		if len(clients) == 0 {
			clients = []string{"*()"}
		}
		for _, client := range clients {
			host, options, _ := strings.Cut(strings.TrimSuffix(client, ")"), "(")
			if host != "" && host != "*" && host != "0.0.0.0/0" && host != "::/0" && host != "0.0.0.0/0.0.0.0" ||
				strings.HasPrefix(client, "-") {
				continue
			}
			words := strings.Split(options, ",")
			if slices.Contains(words, "rw") || slices.Contains(words, "no_root_squash") {
				worst = worseOf(worst, failing("NFS lets everybody write to %s", fields[0]))
			} else {
				worst = worseOf(worst, failing("NFS gives %s to everybody", fields[0]))
			}
		}
	}
	return worst
}

func judgeSamba(i *Image, file string) (worst verdict) {
	s := i.assignments(file)
	for _, key := range keysOf(s) {
		section, name, _ := strings.Cut(key, ".")
		if (name != "guest ok" && name != "public") || !isOn(s.last(key)) || section == "global" {
			continue
		}
		writable := isOn(s.last(section+".writable", section+".writeable", section+".write ok")) ||
			s.has(section+".read only") && !isOn(s.last(section+".read only"))
		if writable {
			worst = worseOf(worst, failing("Samba lets everybody write to the share %s", section))
		} else if !isOn(s.last(section + ".printable")) {
			worst = worseOf(worst, warning("Samba gives the share %s to everybody", section))
		}
	}
	return worst
}

func judgeRsync(i *Image, file string) (worst verdict) {
	s := i.assignments(file)
	for _, key := range keysOf(s) {
		module, name, found := strings.Cut(key, ".")
		if !found || name != "path" || s.has(module+".auth users") || s.has("auth users") || s.has(module+".hosts allow") ||
			s.has("hosts allow") {
			continue
		}
		if only := s.last(module+".read only", "read only"); only != "" && !isOn(only) {
			worst = worseOf(worst, failing("rsync lets everybody write to the module %s", module))
		} else {
			worst = worseOf(worst, warning("rsync gives the module %s to everybody", module))
		}
	}
	return worst
}

func judgeFTP(i *Image, file string) verdict {
	s := i.assignments(file)
	switch {
	case !isOn(s.last("anonymous_enable")):
		return verdict{}
	case isOn(s.last("anon_upload_enable")) && isOn(s.last("write_enable")):
		return failing("the FTP server lets everybody write")
	}
	return warning("the FTP server lets everybody in to read")
}

func judgeSNMP(i *Image, file string) (worst verdict) {
	main := i.directives("/etc/snmp/snmpd.conf")
	addresses := separated(main.last("agentaddress"))
	for n, address := range addresses {
		addresses[n] = strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(address, "udp6:"), "udp:"), "tcp:")
	}
	local := allLocal(addresses)
	for _, line := range i.textLines(file) {
		fields := strings.Fields(line)
		kind := strings.ToLower(fields[0])
		if len(fields) < 2 || !slices.Contains([]string{"rocommunity", "rwcommunity", "rocommunity6", "rwcommunity6", "com2sec"}, kind) {
			continue
		}
		word, source := fields[1], "default"
		if kind == "com2sec" && len(fields) >= 4 {
			word, source = fields[3], fields[2]
		} else if len(fields) >= 3 {
			source = fields[2]
		}
		usual := word == "public" || word == "private" || word == "community"
		switch {
		case isLocal(source) || !usual || source != "default" && !strings.HasPrefix(source, "0.0.0.0") && !strings.HasPrefix(source, "::/0"):
		case local && strings.HasPrefix(kind, "rw"):
			worst = worseOf(worst, warning("every account of the machine can change its settings by SNMP with the word %s", word))
		case local:
		case strings.HasPrefix(kind, "rw"):
			worst = worseOf(worst, failing("everybody can change the Droplet's settings by SNMP with the word %s", word))
		default:
			worst = worseOf(worst, failing("everybody can read about the Droplet by SNMP with the word %s", word))
		}
	}
	return worst
}

func judgeTelnet(i *Image, file string) verdict {
	if strings.HasSuffix(file, ".socket") {
		return failing("it is started at boot: passwords cross the network in plain text")
	}
	text := i.textLines(file)
	if strings.HasPrefix(file, "/etc/xinetd.d/") {
		name := path.Base(file)
		on := !slices.ContainsFunc(text, func(line string) bool {
			return strings.ReplaceAll(line, " ", "") == "disable=yes" || strings.Contains(line, "disable\t\t= yes")
		})
		if on && slices.Contains([]string{"telnet", "rsh", "rlogin", "rexec", "tftp"}, name) {
			return failing("%s is started at boot: passwords cross the network in plain text", name)
		}
		return verdict{}
	}
	for _, line := range text {
		if fields := strings.Fields(line); slices.Contains([]string{"telnet", "shell", "login", "exec"}, fields[0]) {
			return failing("inetd starts %s: passwords cross the network in plain text", fields[0])
		}
	}
	return verdict{}
}

func judgeProxy(i *Image, file string) verdict {
	lines := i.textLines(file)
	if strings.Contains(file, "tinyproxy") {
		s := i.directives(file)
		if listen := s.last("listen"); !s.has("allow") && !s.has("basicauth") && (listen == "" || !isLocal(listen)) {
			return failing("everybody can use the proxy: no Allow line")
		}
		return verdict{}
	}
	for _, line := range lines {
		words := strings.Fields(line)
		if len(words) < 3 || words[0] != "http_access" {
			continue
		}
		if words[1] == "allow" && words[2] == "all" {
			return failing("everybody can use the proxy: http_access allow all")
		}
		if words[1] == "deny" && words[2] == "all" {
			return verdict{}
		}
	}
	return verdict{}
}

func judgeRelay(i *Image, file string) verdict {
	s := i.assignments(file)
	for _, network := range separated(s.last("mynetworks")) {
		if network == "0.0.0.0/0" || network == "::/0" || network == "::" {
			return failing("everybody can send mail through the Droplet: mynetworks has %s", network)
		}
	}
	return verdict{}
}

var openRecursion = pattern.New(
	`allow-recursion\s*\{[^}]*\bany\b|allow-query-cache\s*\{[^}]*\bany\b|access-control:\s*(?:0\.0\.0\.0/0|::/?0)\s+allow`,
)

func judgeResolver(i *Image, file string) verdict {
	text := strings.Join(slices.DeleteFunc(i.textLines(file), func(line string) bool { return strings.HasPrefix(line, "//") }), "\n")
	if openRecursion().MatchString(text) {
		return failing("everybody can use the Droplet's name server, and flood others with its answers")
	}
	return verdict{}
}
