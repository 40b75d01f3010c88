package snapshot

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"

	"oneclick-agent/agent/host"
)

// parsed are the files that checks read line by line; the fuzzer fills all of them.
var parsed = []string{
	"/etc/passwd", "/etc/shadow", "/etc/group", "/etc/os-release", "/etc/ssh/sshd_config", "/etc/sudoers", "/etc/fstab",
	"/etc/hosts", "/etc/hostname", "/etc/environment",
	"/etc/cloud/cloud.cfg", "/etc/ufw/ufw.conf", "/etc/default/ufw", "/etc/nftables.conf", "/opt/compose.yml", "/root/.bashrc",
	"/var/lib/dpkg/status", "/var/lib/dpkg/info/app.md5sums",
	perInstance + "/001", "/etc/update-motd.d/99", "/opt/program",
}

// FuzzImage: no content of any file makes cleaning or checking panic, an escape sequence reach the report, or a file
// that is protected go away.
func FuzzImage(f *testing.F) {
	seeds := []string{
		passwd, "root:$6$salt$hash:1::::::\n", "Match User *,!root\nForceCommand x\nInclude /etc/ssh/*\n",
		"NAME=\"Ubuntu\"\nVERSION_ID=24.04\n", "a ALL=(ALL) NOPASSWD: ALL\n",
		"services:\n  web:\n    ports: [\"80:80\"]\n    ports:\n      - published: 1\n", "### tuple ### allow tcp 80,443:500 any\n",
		"Package: " +
			"a\nStatus: install ok half-configured\n /etc/a 0123456789abcdef0123456789abcdef\n",
		"127.0.1.1 \x1b[2Jname\n:::::::\n", "/swapfile none swap sw 0 0 comment=cloudconfig\n", "#!/usr/bin/env\ncase $- in " +
			"*i*) esac fi\n", "\x7fELF\x02\x01\x01",
	}
	for _, seed := range seeds {
		f.Add([]byte(seed))
	}
	if len(seeds) != 12 {
		f.Fatal("the seeds are missing")
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		tr := &tree{t, t.TempDir()}
		for _, name := range parsed {
			tr.write(name, string(data))
			os.Chmod(tr.path(name), 0o755)
		}
		h, err := host.Open(tr.dir)
		if err != nil {
			t.Fatal(err)
		}
		defer h.Close()
		image, err := Look(h)
		if err != nil {
			t.Fatal(err)
		}
		report, err := Run(context.Background(), image, Options{})
		if err != nil {
			t.Fatal(err)
		}
		var text, encoded bytes.Buffer
		report.WriteText(&text)
		report.WriteJSON(&encoded)
		if strings.ContainsRune(text.String(), '\x1b') || strings.Contains(encoded.String(), `\u001b`) {
			t.Errorf("an escape sequence is in the report of %q", data)
		}
		if tr.read(perInstance+"/001") != string(data) || tr.read("/etc/update-motd.d/99") != string(data) {
			t.Errorf("what must stay was changed by %q", data)
		}
	})
}
