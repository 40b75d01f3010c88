package snapshot

import (
	"slices"
	"strings"
)

// databaseServices are programs that keep data.
func databaseServices() []service {
	return []service{
		{
			"postgresql",
			[]string{
				"/etc/postgresql/*/*/pg_hba.conf",
				"/var/lib/pgsql/data/pg_hba.conf",
				"/var/lib/pgsql/*/data/pg_hba.conf",
				"/var/lib/postgresql/data/pg_hba.conf",
				"/var/lib/postgresql/*/*/pg_hba.conf",
				"/opt/**/pg_hba.conf",
				"/srv/**/pg_hba.conf",
			},
			"PostgreSQL lets in without a password whoever can connect",
			"write scram-sha-256 in the place of trust",
			[]int{5432},
			judgePostgreSQL,
		},
		{
			"mysql",
			[]string{
				"/etc/my.cnf",
				"/etc/my.cnf.d/*.cnf",
				"/etc/mysql/my.cnf",
				"/etc/mysql/*.cnf",
				"/etc/mysql/conf.d/*.cnf",
				"/etc/mysql/mariadb.conf.d/*.cnf",
				"/etc/mysql/mysql.conf.d/*.cnf",
			},
			"MySQL or MariaDB asks nobody for a password",
			"take skip-grant-tables out",
			[]int{3306},
			judgeMySQL,
		},
		{"mysql_accounts", []string{"/var/lib/mysql/mysql/global_priv.MAD", "/var/lib/mysql/mysql/user.MYD"},
			"an account of MySQL or MariaDB has no password", "ALTER USER ... IDENTIFIED VIA unix_socket, or DROP " +
				"USER", []int{3306}, judgeMySQLAccounts},
		{
			"redis",
			[]string{
				"/etc/redis/*.conf",
				"/etc/redis.conf",
				"/etc/valkey/*.conf",
				"/etc/valkey.conf",
				"/etc/keydb/*.conf",
				"/opt/**/redis.conf",
				"/srv/**/redis.conf",
			},
			"Redis or Valkey takes commands of everybody, which is enough to become root",
			"bind 127.0.0.1 -::1, protected-mode yes, and requirepass at first boot",
			[]int{6379},
			judgeRedis,
		},
		{
			"mongodb",
			[]string{"/etc/mongod.conf", "/etc/mongodb.conf"},
			"MongoDB lets everybody read and write everything",
			"bindIp: 127.0.0.1, and security: {authorization: enabled}",
			[]int{27017},
			judgeMongoDB,
		},
		{
			"elasticsearch",
			[]string{"/etc/elasticsearch/elasticsearch.yml", "/opt/elasticsearch*/config/elasticsearch.yml"},
			"Elasticsearch lets everybody read and write everything",
			"xpack.security.enabled: true, or network.host: 127.0.0.1",
			[]int{9200},
			judgeSearch("xpack.security.enabled", false),
		},
		{
			"opensearch",
			[]string{"/etc/opensearch/opensearch.yml", "/opt/opensearch*/config/opensearch.yml"},
			"OpenSearch lets everybody read and write everything",
			"plugins.security.disabled: false, or network.host: 127.0.0.1",
			[]int{9200},
			judgeSearch("plugins.security.disabled", true),
		},
		{
			"couchdb",
			[]string{"/etc/couchdb/local.ini", "/opt/couchdb/etc/local.ini", "/opt/couchdb/etc/local.d/*.ini"},
			"CouchDB lets everybody in",
			"bind_address = 127.0.0.1, and an administrator at first boot",
			[]int{5984},
			judgeCouchDB,
		},
		{
			"cassandra",
			[]string{"/etc/cassandra/cassandra.yaml", "/etc/cassandra/conf/cassandra.yaml"},
			"Cassandra lets everybody in",
			"authenticator: PasswordAuthenticator, or rpc_address: 127.0.0.1",
			[]int{9042},
			judgeCassandra,
		},
		{
			"clickhouse",
			[]string{"/etc/clickhouse-server/config.xml", "/etc/clickhouse-server/config.d/*.xml"},
			"ClickHouse listens to the world, and its account default has no password",
			"take the listen_host out, or set a password at first boot",
			[]int{8123},
			judgeClickHouse,
		},
		{
			"influxdb",
			[]string{"/etc/influxdb/influxdb.conf"},
			"InfluxDB lets everybody in",
			"auth-enabled = true, or bind-address = \"127.0.0.1:8086\"",
			[]int{8086},
			judgeInfluxDB,
		},
		{
			"memcached",
			[]string{"/etc/memcached.conf", "/etc/sysconfig/memcached"},
			"memcached answers everybody, and is used to flood others",
			"-l 127.0.0.1",
			[]int{11211},
			judgeMemcached,
		},
		{
			"etcd",
			[]string{"/etc/default/etcd", "/etc/etcd/etcd.conf", "/etc/etcd.env"},
			"etcd lets everybody read and write everything",
			"ask clients for certificates, or listen on 127.0.0.1",
			[]int{2379},
			judgeEtcd,
		},
	}
}

// judgePostgreSQL reads pg_hba.conf: a line of others than the machine itself that asks for no password.
func judgePostgreSQL(i *Image, file string) (worst verdict) {
	local := false // whether postgresql.conf beside says itself that nobody else can connect
	if beside := i.assignments(strings.TrimSuffix(file, "pg_hba.conf") + "postgresql.conf"); beside.has("listen_addresses") {
		local = allLocal(separated(beside.last("listen_addresses"))) || beside.last("listen_addresses") == ""
	}
	for _, line := range i.textLines(file) {
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		if len(fields) < 4 {
			continue
		}
		method, address := fields[3], ""
		if strings.HasPrefix(fields[0], "host") && len(fields) >= 5 {
			address, method = fields[3], fields[4]
			if len(fields) >= 6 && strings.Count(method, ".") == 3 { // an address and a mask of its own
				method = fields[5]
			}
		}
		switch {
		case method == "trust" && address == "":
			worst = worseOf(
				worst,
				warning("every account of the machine is %s in PostgreSQL without a password: local ... trust", fields[2]),
			)
		case method == "trust" && (isLocal(address) || address == "samehost"):
			worst = worseOf(
				worst,
				warning("every program of the machine is %s in PostgreSQL without a password: %s trust", fields[2], address),
			)
		case method == "trust" && local:
			worst = worseOf(
				worst,
				warning("PostgreSQL lets in without a password from %s; only listen_addresses keeps others out", address),
			)
		case method == "trust":
			worst = worseOf(worst, failing("PostgreSQL lets in without a password from %s", address))
		case method == "password" && !isLocal(address) && address != "":
			worst = worseOf(worst, warning("PostgreSQL takes passwords in plain text from %s", address))
		}
	}
	return worst
}

// worseOf is the one of two verdicts that fails, or the first.
func worseOf(a, b verdict) verdict {
	if a.status == "" || b.status == Fail && a.status != Fail {
		return b
	}
	return a
}

func judgeMySQL(i *Image, file string) verdict {
	section := ""
	for _, line := range i.textLines(file) {
		if strings.HasPrefix(line, "[") {
			section = strings.Trim(line, "[]")
			continue
		}
		key, value, isSet := strings.Cut(line, "=")
		key = strings.ReplaceAll(strings.TrimSpace(key), "_", "-")
		server := strings.HasPrefix(section, "mysqld") || strings.HasPrefix(section, "mariadb") || section == "server"
		if server && key == "skip-grant-tables" && (!isSet || isOn(strings.TrimSpace(value))) {
			return failing("MySQL or MariaDB asks nobody for a password: skip-grant-tables")
		}
	}
	return verdict{}
}

// judgeMySQLAccounts reads MariaDB's table of accounts as it is on the disk: each row ends with a text in JSON.
func judgeMySQLAccounts(i *Image, file string) verdict {
	for row := range strings.SplitSeq(i.text(file), `{"access":`) {
		end := strings.LastIndex(row, "}")
		if end < 0 {
			continue
		}
		row = row[:end]
		without := strings.Contains(row, `"plugin":"mysql_native_password"`) &&
			(strings.Contains(row, `"authentication_string":""`) || !strings.Contains(row, `"authentication_string"`))
		if without && !strings.Contains(row, `"account_locked":true`) && !strings.Contains(row, "unix_socket") {
			return failing("an account of MariaDB has an empty password")
		}
	}
	return verdict{}
}

func judgeRedis(i *Image, file string) verdict {
	s := i.directives(file)
	if !s.has("bind") && !s.has("port") && !s.has("protected-mode") && !s.has("requirepass") {
		return verdict{}
	}
	protected := !s.has("protected-mode") || isOn(s.last("protected-mode"))
	asks := s.last("requirepass") != "" || slices.ContainsFunc(s["user"], asksForPassword)
	if acl := s.last("aclfile"); acl != "" { // it takes the place of requirepass
		asks = !i.isFile(acl) || slices.ContainsFunc(i.directives(acl)["user"], asksForPassword)
	}
	open := !allLocal(strings.Fields(s.last("bind")))
	switch {
	case s.last("port") == "0" || asks:
		return verdict{}
	case open && !protected:
		return failing("Redis takes commands of everybody: bind %s, protected-mode no, no requirepass", orNothing(s.last("bind")))
	case !protected:
		return warning("only the address keeps everybody from giving Redis commands: protected-mode no, no requirepass")
	case open && s.has("bind"):
		return warning("only protected-mode keeps everybody from giving Redis commands: bind %s, no requirepass", s.last("bind"))
	}
	return verdict{}
}

// asksForPassword reports whether a rule of Redis has its account default off, or gives it a password.
func asksForPassword(rule string) bool {
	return strings.HasPrefix(rule, "default") &&
		(strings.Contains(rule, " off") || strings.Contains(rule, " >") || strings.Contains(rule, " #")) &&
		!strings.Contains(rule, " nopass")
}

func orNothing(value string) string {
	if value == "" {
		return "(none)"
	}
	return value
}

func judgeMongoDB(i *Image, file string) verdict {
	y, old := i.yaml(file), i.assignments(file)
	addresses := separated(y.last("net.bindip"))
	if len(addresses) == 0 && !y.has("net.port") {
		addresses = separated(old.last("bind_ip"))
	}
	open := isOn(y.last("net.bindipall")) || len(addresses) > 0 && !allLocal(addresses)
	asks := isOn(y.last("security.authorization")) || isOn(old.last("auth")) || y.last("security.keyfile") != "" ||
		old.last("keyfile") != ""
	if open && !asks {
		return failing(
			"MongoDB lets everybody read and write everything: bindIp %s without authorization",
			orNothing(strings.Join(addresses, ",")),
		)
	}
	return verdict{}
}

// judgeSearch makes the check of Elasticsearch or OpenSearch, by the setting that turns security on or off.
func judgeSearch(key string, offWhenOn bool) func(*Image, string) verdict {
	return func(i *Image, file string) verdict {
		s := i.yaml(file)
		if !s.has(key) || isOn(s.last(key)) != offWhenOn {
			return verdict{}
		}
		addresses := separated(s.last("network.host", "http.host", "http.bind_host", "network.bind_host"))
		if len(addresses) > 0 && !allLocal(addresses) {
			return failing(
				"it lets everybody read and write everything: network.host %s, and %s: %s",
				strings.Join(addresses, ","),
				key,
				s.last(key),
			)
		}
		return warning("only the address keeps everybody out: %s: %s", key, s.last(key))
	}
}

func judgeCouchDB(i *Image, file string) verdict {
	s := i.assignments(file)
	address := s.last("chttpd.bind_address", "httpd.bind_address")
	admins := slices.ContainsFunc(keysOf(s), func(key string) bool { return strings.HasPrefix(key, "admins.") })
	if address != "" && !isLocal(address) && !admins {
		return failing("CouchDB listens on %s, and has no administrator, so that everybody is one", address)
	}
	return verdict{}
}

func keysOf(s settings) (keys []string) {
	for key := range s {
		keys = append(keys, key)
	}
	return keys
}

func judgeCassandra(i *Image, file string) verdict {
	s := i.yaml(file)
	if address := s.last("rpc_address", "broadcast_rpc_address"); address != "" && !isLocal(address) &&
		!strings.Contains(s.last("authenticator"), "Password") {
		return failing("Cassandra listens on %s, and asks nobody for a password", address)
	}
	return verdict{}
}

func judgeClickHouse(i *Image, file string) verdict {
	text := withoutComments(i.text(file))
	users := withoutComments(i.text("/etc/clickhouse-server/users.xml"))
	listens := strings.Contains(text, "<listen_host>::<") || strings.Contains(text, "<listen_host>0.0.0.0<")
	if listens && strings.Contains(users, "<password></password>") {
		return failing("ClickHouse listens to the world, and its account default has no password")
	}
	return verdict{}
}

// withoutComments is XML without its comments.
func withoutComments(text string) string {
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(text, "<!--")
		out.WriteString(before)
		if !found {
			return out.String()
		}
		_, text, _ = strings.Cut(rest, "-->")
	}
}

func judgeInfluxDB(i *Image, file string) verdict {
	s := i.assignments(file)
	address := s.last("http.bind-address")
	switch {
	case isOn(s.last("http.auth-enabled")) || address != "" && !strings.HasPrefix(address, ":") && isLocal(address):
		return verdict{}
	case address != "" || s.has("http.auth-enabled"):
		return failing("InfluxDB lets everybody in: bind-address %s, auth-enabled false", orNothing(address))
	}
	return warning("InfluxDB lets everybody in where nothing is set, and listens on port 8086 of all addresses")
}

func judgeMemcached(i *Image, file string) verdict {
	text := " " + strings.Join(i.textLines(file), " ")
	var addresses []string
	words := strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" \t\"'", r) })
	for n, word := range words {
		if address, ok := strings.CutPrefix(word, "--listen="); ok {
			addresses = append(addresses, separated(address)...)
		} else if word == "-l" && n+1 < len(words) {
			addresses = append(addresses, separated(words[n+1])...)
		} else if address, ok := strings.CutPrefix(word, "-l"); ok && address != "" {
			addresses = append(addresses, separated(address)...)
		}
	}
	if !allLocal(addresses) && !slices.Contains(words, "-s") {
		return failing("memcached answers everybody: it listens on %s", orNothing(strings.Join(addresses, ",")))
	}
	return verdict{}
}

func judgeEtcd(i *Image, file string) verdict {
	s := i.assignments(file)
	for url := range strings.SplitSeq(s.last("etcd_listen_client_urls"), ",") {
		_, address, plain := strings.Cut(url, "http://")
		if plain && !isLocal(address) ||
			strings.HasPrefix(url, "https://") && !isLocal(strings.TrimPrefix(url, "https://")) &&
				!isOn(s.last("etcd_client_cert_auth")) {
			return failing("etcd takes commands of everybody on %s", url)
		}
	}
	return verdict{}
}
