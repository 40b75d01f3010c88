package snapshot

import (
	"path"
	"slices"
	"strings"

	"oneclick-agent/agent/pattern"
)

// consoleServices are web consoles: whoever gets in governs the app, and often the machine.
func consoleServices() []service {
	const own = "have first boot make the password: secrets: {NAME: {}}"
	return []service{
		{
			"tomcat",
			[]string{
				"/etc/tomcat*/tomcat-users.xml",
				"/opt/tomcat*/conf/tomcat-users.xml",
				"/opt/apache-tomcat*/conf/tomcat-users.xml",
				"/usr/share/tomcat*/conf/tomcat-users.xml",
				"/var/lib/tomcat*/conf/tomcat-users.xml",
			},
			"whoever knows the usual password installs programs through Tomcat's console",
			own,
			[]int{8080},
			judgeTomcat,
		},
		{
			"grafana",
			[]string{"/etc/grafana/grafana.ini", "/etc/grafana/*.ini"},
			"whoever knows the usual password governs Grafana",
			own,
			[]int{3000},
			judgeGrafana,
		},
		{
			"rabbitmq",
			[]string{"/etc/rabbitmq/rabbitmq.conf", "/etc/rabbitmq/rabbitmq.config", "/etc/rabbitmq/conf.d/*.conf"},
			"RabbitMQ lets guest in from everywhere, with the password guest",
			"take loopback_users out",
			[]int{5672, 15672},
			judgeRabbitMQ,
		},
		{
			"activemq",
			[]string{
				"/etc/activemq/*/jetty-realm.properties",
				"/opt/*activemq*/conf/jetty-realm.properties",
				"/etc/activemq/jetty-realm.properties",
				"/opt/*activemq*/conf/users.properties",
			},
			"whoever knows the usual password governs ActiveMQ",
			own,
			[]int{8161},
			judgeActiveMQ,
		},
		{
			"jenkins",
			[]string{"/var/lib/jenkins/config.xml"},
			"everybody can run commands through Jenkins",
			"turn its security on",
			[]int{8080},
			judgeJenkins,
		},
		{
			"phpmyadmin",
			[]string{
				"/etc/phpmyadmin/config.inc.php",
				"/etc/phpmyadmin/conf.d/*.php",
				"/etc/phpMyAdmin/config.inc.php",
				"/usr/share/phpmyadmin/config.inc.php",
				"/var/www/**/phpmyadmin/config.inc.php",
				"/var/www/**/phpMyAdmin/config.inc.php",
			},
			"phpMyAdmin lets everybody into the database",
			"auth_type cookie, and AllowNoPassword false",
			nil,
			judgePHPMyAdmin,
		},
		{
			"notebooks",
			[]string{
				"~/.jupyter/jupyter*_config.py",
				"/etc/jupyter/jupyter*_config.py",
				"/usr/local/etc/jupyter/jupyter*_config.py",
				"~/.jupyter/jupyter*_config.json",
			},
			"everybody can run commands through the notebook server",
			"have first boot set a token or a password",
			[]int{8888},
			judgeNotebooks,
		},
		{
			"code_server",
			[]string{"~/.config/code-server/config.yaml", "/etc/code-server/config.yaml"},
			"everybody can run commands through the editor",
			"auth: password, with a password of first boot",
			[]int{8080},
			judgeCodeServer,
		},
		{
			"object_storage",
			[]string{"/etc/default/minio", "/etc/minio/*", "/etc/sysconfig/minio"},
			"whoever knows the usual password has all objects",
			own,
			[]int{9000},
			judgeMinIO,
		},
		{
			"web_logins",
			[]string{
				"/etc/webmin/miniserv.users",
				"/opt/wildfly*/standalone/configuration/mgmt-users.properties",
				"/etc/zabbix/web/zabbix.conf.php",
				"/etc/monit/monitrc",
				"/etc/monitrc",
				"/etc/haproxy/haproxy.cfg",
				"/etc/supervisor/supervisord.conf",
				"/etc/supervisord.conf",
				"/opt/**/application.properties",
				"/etc/airflow/airflow.cfg",
				"/etc/keycloak/keycloak.conf",
				"/opt/keycloak*/conf/keycloak.conf",
			},
			"whoever knows the usual password is let in",
			own,
			nil,
			judgeWebLogin,
		},
	}
}

// usualPasswords are the ones that are tried first.
var usualPasswords = []string{
	"",
	"admin",
	"administrator",
	"password",
	"passw0rd",
	"changeme",
	"change_me",
	"changeit",
	"change-me",
	"secret",
	"s3cret",
	"tomcat",
	"root",
	"toor",
	"guest",
	"test",
	"demo",
	"default",
	"letmein",
	"welcome",
	"manager",
	"user",
	"pass",
	"123",
	"1234",
	"12345",
	"123456",
	"12345678",
	"123456789",
	"qwerty",
	"minioadmin",
	"minio",
	"monit",
	"prom-operator",
	"postgres",
	"mysql",
	"redis",
	"rabbitmq",
	"zabbix",
	"nagios",
	"cacti",
	"airflow",
	"keycloak",
	"jenkins",
	"grafana",
	"elastic",
	"mypass",
	"thisisbad",
	"must-be-changed",
}

// isUsual reports whether a password is one that is tried first.
func isUsual(password, user string) bool {
	password = strings.ToLower(strings.Trim(password, ` "';`))
	return slices.Contains(usualPasswords, password) || password == strings.ToLower(user)
}

var (
	tomcatUser     = pattern.New(`<user\b[^>]*>`)
	tomcatName     = pattern.New(`\b(?:username|name)="([^"]*)"`)
	tomcatPassword = pattern.New(`\bpassword="([^"]*)"`)
)

func judgeTomcat(i *Image, file string) verdict {
	for _, user := range tomcatUser().FindAllString(withoutComments(i.text(file)), -1) {
		name, password := tomcatName().FindStringSubmatch(user), tomcatPassword().FindStringSubmatch(user)
		if name != nil && password != nil &&
			(isUsual(password[1], name[1]) || strings.Contains(strings.ToLower(password[1]), "must-be-changed")) {
			return failing("Tomcat lets %s in with a usual password", name[1])
		}
	}
	return verdict{}
}

func judgeGrafana(i *Image, file string) verdict {
	s := i.assignments(file)
	switch {
	case isOn(s.last("auth.anonymous.enabled")) && strings.EqualFold(s.last("auth.anonymous.org_role"), "Admin"):
		return failing("everybody is Grafana's administrator: auth.anonymous")
	case s.has("security.admin_password") && isUsual(s.last("security.admin_password"), s.last("security.admin_user")):
		return failing("Grafana's administrator has a usual password")
	case isOn(s.last("auth.anonymous.enabled")):
		return warning("everybody can look at Grafana: auth.anonymous")
	case !s.has("security.admin_password") && path.Base(file) == "grafana.ini" && !i.Files.Exists("/var/lib/grafana/grafana.db") &&
		!i.regenerates(file) && !i.regenerates("grafana"):
		return warning("Grafana's first start makes the administrator admin with the password admin")
	}
	return verdict{}
}

func judgeRabbitMQ(i *Image, file string) verdict {
	text := strings.Join(strings.Fields(strings.Join(i.textLines(file), "\n")), "")
	if strings.Contains(text, "loopback_users=none") || strings.Contains(text, "loopback_users.guest=false") ||
		strings.Contains(text, "{loopback_users,[]}") {
		return failing("RabbitMQ lets guest in from everywhere, with the password guest")
	}
	return verdict{}
}

func judgeActiveMQ(i *Image, file string) verdict {
	for _, line := range i.textLines(file) {
		user, rest, ok := strings.Cut(strings.ReplaceAll(line, "=", ":"), ":")
		password, _, _ := strings.Cut(rest, ",")
		if ok && isUsual(password, strings.TrimSpace(user)) {
			return failing("ActiveMQ lets %s in with a usual password", strings.TrimSpace(user))
		}
	}
	return verdict{}
}

func judgeJenkins(i *Image, file string) verdict {
	text := withoutComments(i.text(file))
	if strings.Contains(text, "<useSecurity>false<") || strings.Contains(text, "AuthorizationStrategy$Unsecured") {
		return failing("everybody can run commands through Jenkins: its security is off")
	}
	return verdict{}
}

func judgePHPMyAdmin(i *Image, file string) (worst verdict) {
	for _, line := range i.textLines(file) {
		if strings.HasPrefix(line, "//") {
			continue
		}
		flat := strings.ToLower(strings.Join(strings.Fields(line), ""))
		switch {
		case strings.Contains(flat, "['allownopassword']=true"):
			worst = worseOf(worst, failing("phpMyAdmin lets in accounts without a password: AllowNoPassword"))
		case strings.Contains(flat, "['auth_type']='config'"):
			worst = worseOf(worst, failing("phpMyAdmin logs everybody in by itself: auth_type config"))
		}
	}
	return worst
}

var (
	noToken    = pattern.New(`(?i)(?:token|password)["']?\s*[=:]\s*(?:u?""|u?'')\s*,?\s*$`)
	hasPassKey = pattern.New(`(?i)password["']?\s*[=:]\s*u?["'][^"']+["']`)
)

func judgeNotebooks(i *Image, file string) verdict {
	empty := slices.ContainsFunc(i.textLines(file), func(line string) bool { return noToken().MatchString(line) })
	if empty && !hasPassKey().MatchString(strings.Join(i.textLines(file), "\n")) {
		return failing("the notebook server asks for no token and no password")
	}
	return verdict{}
}

func judgeCodeServer(i *Image, file string) verdict {
	s := i.yaml(file)
	switch {
	case s.last("auth") == "none" && !isLocal(s.last("bind-addr")):
		return failing("everybody can run commands through the editor: auth: none")
	case s.last("auth") == "none":
		return warning("every account of the machine can run commands through the editor: auth: none")
	}
	return verdict{}
}

func judgeMinIO(i *Image, file string) verdict {
	s := i.assignments(file)
	password := s.last("minio_root_password", "minio_secret_key", "export minio_root_password")
	if password != "" && isUsual(password, s.last("minio_root_user", "minio_access_key")) {
		return failing("the object storage's root has a usual password")
	}
	return verdict{}
}

// webLogin is a user and a password as programs' settings have them: "allow admin:monit", "stats auth admin:admin",
// "password=admin", "KEYCLOAK_ADMIN_PASSWORD: admin".
var webLogin = pattern.New(
	`(?i)(?:^|[\s_.-])(?:allow|stats\s+auth)\s+"?([\w.-]+)"?:"?([^\s:"]+)"?|` +
		`(?:^|[\w.]*[_.-])(?:admin[_.-]?password|password)\s*[=:]\s*["']?([^\s"'#;]+)`,
)

func judgeWebLogin(i *Image, file string) verdict {
	for _, line := range i.textLines(file) {
		match := webLogin().FindStringSubmatch(line)
		if match != nil && (match[1] != "" && isUsual(match[2], match[1]) || match[3] != "" && isUsual(match[3], "")) {
			return failing("it lets in whoever knows a usual password")
		}
	}
	return verdict{}
}
