package snapshot

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/md5"
	"fmt"
	"strings"
	"testing"
)

// packaged writes a file and the record that a package brought it with another content, or with this one.
func packaged(name, brought, now string) func(*tree) {
	return func(tr *tree) {
		sum := fmt.Sprintf("%x", md5.Sum([]byte(brought)))
		record := fmt.Sprintf("Package: app\nStatus: install ok installed\nConffiles:\n %s %s\n", name, sum)
		if !strings.HasPrefix(name, "/etc/") {
			record = "Package: app\nStatus: install ok installed\n"
			tr.write("/var/lib/dpkg/info/app.md5sums", sum+"  "+strings.TrimPrefix(name, "/")+"\n")
		}
		tr.write("/var/lib/dpkg/status", record)
		tr.write("/var/lib/dpkg/info/app.list", name+"\n")
		tr.write(name, now)
	}
}

// tgz is an archive with one file.
func tgz(name, content string) string {
	var out bytes.Buffer
	compressed := gzip.NewWriter(&out)
	archive := tar.NewWriter(compressed)
	archive.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content)), Typeflag: tar.TypeReg})
	archive.Write([]byte(content))
	archive.Close()
	compressed.Close()
	return out.String()
}

// TestSecretsAreToldWhereverTheyLie holds the check, its verdict and its message.
func TestSecretsAreToldWhereverTheyLie(t *testing.T) {
	t.Parallel()
	const redis, password = "bind 127.0.0.1\n# requirepass foobared\n", "requirepass gT4kPz81vQmWx7Ra\n"
	const tomcat = "<tomcat-users>\n  <user username=\"admin\" password=\"tomcat\" roles=\"manager-gui\"/>\n</tomcat-users>\n"
	env := "DO_TOKEN=" + doToken + "\n"
	layer := tgz("srv/app/.env", env)
	for _, test := range []struct {
		name    string
		image   func(*tree)
		check   string
		want    Status
		subject string
		message string
	}{
		{"a package's settings that somebody changed", packaged("/etc/redis/redis.conf", redis, redis+password), "secrets.password", Warn,
			"/etc/redis/redis.conf", "password in a setting in line 3: 16 characters"},
		{"the same, as the package brought them", packaged("/etc/redis/redis.conf", redis+password, redis+password), "secrets.password",
			Pass, "", ""},
		{"a default password in them", packaged("/etc/tomcat10/tomcat-users.xml", "<tomcat-users/>\n", tomcat), "secrets.default_password", Warn,
			"/etc/tomcat10/tomcat-users.xml", "default password in line 2: 6 characters that everybody tries first"},
		{"an archive in a home", file("/root/app.tar.gz", layer), "secrets.token", Fail, "/root/app.tar.gz",
			"DigitalOcean token in line 1 of srv/app/.env: dop_..., 71 characters"},
		{"an archive that a package brought", packaged("/usr/share/app/app.tar.gz", layer, layer), "secrets.token", Pass, "", ""},
		{"one that somebody changed", packaged("/usr/share/app/app.tar.gz", "other", layer), "secrets.token", Fail, "/usr/share/app/app.tar.gz",
			"DigitalOcean token in line 1 of srv/app/.env: dop_..., 71 characters"},
		{"an archive that is cut off", file("/root/app.tar.gz", layer[:90]), "secrets.unread", Unknown, "/root/app.tar.gz", "it ends too early"},
		{"a program's data", file("/var/lib/app/settings.ini", "password = "+
			"gT4kPz81vQmWx7Ra\n"), "secrets.password", Warn, "/var/lib/app/settings.ini",
			"password in a setting in line 1: 16 characters"},
		{"a layer of a container", file("/var/lib/docker/overlay2/0a1b/diff/app/.env", env), "secrets.token", Fail,
			"/var/lib/docker/overlay2/0a1b/diff/app/.env",
			"DigitalOcean token in line 1: dop_..., 71 characters"},
		{"two secrets of a kind", file("/opt/app/.env", "DB_PASSWORD=gT4kPz81vQmWx7Ra\nSMTP_PASS=Kq93mZx0LpW4\n"), "secrets.password",
			Warn, "/opt/app/.env",
			"password in a setting in line 1: 16 characters, and 1 more"},
		{"a live one behind a likely one", file("/opt/.netrc", "password=gT4kPz81vQmWx7Ra\nmachine a login b password "+
			"Kq93mZx0LpW4\n"), "secrets.password", Fail, "/opt/.netrc",
			"password of a login in line 2: 12 characters, and 1 more"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			tr := newTree(t)
			test.image(tr)
			report := tr.run(Options{CheckOnly: true})
			worst, subjects := report.verdict(test.check)
			if worst != test.want || subjects[0] != test.subject {
				t.Fatalf("%s is %s on %q", test.check, worst, subjects)
			}
			for _, check := range report.Checks {
				if check.ID == test.check && test.message != "" && check.Message != test.message {
					t.Errorf("it is told as %q", check.Message)
				}
			}
		})
	}
}
