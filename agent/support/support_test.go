package support_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"oneclick-agent/agent/facts"
	"oneclick-agent/agent/firstboot"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/lint"
	"oneclick-agent/agent/secret"
	"oneclick-agent/agent/state"
	"oneclick-agent/agent/support"
)

const app = `
version: 1
app: {name: Sample}
secrets: {one: {}, key: {format: ed25519}, token: {captured: true}}
gate: {until: first_login, services: [gated.service]}
first_boot:
  - {file: /etc/app.conf, content: "{{ .secrets.one }}"}
  - run: [/usr/bin/program]
    env: {PASSWORD: "{{ .secrets.one }}"}
    capture: [{secret: token, pattern: 'token: (\S+)'}]
  - {service: "app-{{ .droplet.id }}.service", do: enable}
first_login:
  questions: [{name: word, ask: Password, type: password}]
  steps:
    - {file: /etc/login.conf, content: "{{ .answers.word }}"}
`

// known are the secrets of the test's Droplet that are not made by chance; unknown are such that nobody told the agent.
var known = map[string]string{
	"the captured token": "t0ken-of-the-app-1234", "the answer": "hunter2-hunter2-hunter2", "the database's password": "AVNS_Kx73hQm19sPzUw",
}

var unknown = map[string]string{
	"a token of GitHub": "ghp_w8Zk3mT5pQ1rY7xB2nV6cL9dF4hJ0sAeGuKi", "a password in a log": "Zq7.pW2x-Lk9vTb4",
	"a private key": "MC4CAQAwBQYDK2VwBCIEIHq1sVZ3cQn0mJ8dT5wXyR2kL7bF9aPzUoEiCvGtNhSx",
}

// droplet is a tree on which everything was set up, with the journal of a unit that tells all that it should not.
func droplet(t *testing.T) (root string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: the commands of a tree run in a chroot")
	}
	root = t.TempDir()
	plant(t, root, "etc/passwd", "root:x:0:0:root:/root:/bin/sh\n")
	plant(t, root, "etc/group", "root:x:0:\n")
	plant(t, root, "etc/os-release", "NAME=Sample\n")
	plant(t, root, "root/.bashrc", "")
	plant(t, root, "run/cloud-init/instance-data.json",
		`{"v1": {"instance_id": "7"}, "ds": {"meta_data": {"interfaces": {"public": [{"ipv4": {"ip_address": "203.0.113.10"}}]}}}}`)
	plant(t, root, "var/lib/cloud/data/result.json", `{"v1": {"datasource": "DigitalOcean", "errors": []}}`)
	plant(t, root, "etc/oneclick/app.yaml", app)
	plant(t, root, "usr/lib/systemd/system/app-7.service", "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n")
	program := filepath.Join(root, "usr/bin/program")
	build := exec.Command("go", "build", "-o", program, "./testdata/program")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	must(t, os.Link(program, filepath.Join(root, "usr/bin/journalctl")))
	h := open(t, root)
	f := gather(t, h)
	if phase, err := firstboot.Run(t.Context(), f, false); !phase.Complete() {
		t.Fatal(phase, err)
	}
	must(t, f.SetAnswer(f.Manifest.FirstLogin.Questions[0], known["the answer"]))
	must(t, firstboot.Decide(f, facts.Ready))
	if phase, err := firstboot.ApplyAnswers(t.Context(), f); !phase.Complete() {
		t.Fatal(phase, err)
	}
	plant(t, root, "root/.digitalocean_dbaas_credentials", "db_protocol=mysql\ndb_password="+known["the database's password"]+"\n")
	one, _ := f.Store.Get("one")
	key, _ := f.Store.Get("key")
	value := one[""].Reveal()
	plant(t, root, "var/log/journal/app-7.service", "first\n"+strings.Join([]string{
		"my password is " + value, hex.EncodeToString([]byte(value)), base64.StdEncoding.EncodeToString([]byte(value[:30])), value[:20],
		strings.ReplaceAll(key["private"].Reveal(), "\n", " "), known["the captured token"], known["the answer"],
		"mysql://doadmin:" + known["the database's password"] + "@db.example.com/x",
		"token " + unknown["a token of GitHub"], "DB_PASSWORD=" + unknown["a password in a log"],
		`"-----BEGIN PRIVATE KEY-----\n` + unknown["a private key"] + `\n-----END PRIVATE KEY-----\n"`, "\x1b[2Jgone", "last",
	}, "\n")+"\n")
	return root
}

func plant(t testing.TB, root, name, content string) {
	t.Helper()
	file := filepath.Join(root, name)
	must(t, os.MkdirAll(filepath.Dir(file), 0o755))
	must(t, os.WriteFile(file, []byte(content), 0o600))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, root string) *host.Host {
	t.Helper()
	h, err := host.Open(root)
	must(t, err)
	t.Cleanup(func() { h.Close() })
	h.Now = func() time.Time { return time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC) }
	return h
}

func gather(t testing.TB, h *host.Host) *facts.Facts {
	t.Helper()
	m, err := lint.Read(h, state.Manifest)
	must(t, err)
	f, err := facts.Gather(t.Context(), h, m, state.Manifest, "none")
	must(t, err)
	return f
}

// archived writes the archive of a tree, and returns what is in it, by name, and what is told about it.
func archived(t testing.TB, h *host.Host, file string) (parts map[string]string, told support.Contents) {
	t.Helper()
	told, err := support.Write(t.Context(), support.Case{Host: h, Manifest: state.Manifest, Program: "oneclick-agent 1.0"}, file)
	must(t, err)
	packed, err := os.ReadFile(told.File)
	must(t, err)
	zipped, err := gzip.NewReader(bytes.NewReader(packed))
	must(t, err)
	archive := tar.NewReader(zipped)
	parts = map[string]string{}
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return parts, told
		}
		must(t, err)
		data, err := io.ReadAll(archive)
		must(t, err)
		name, inside := strings.CutPrefix(header.Name, "oneclick-support/")
		if !inside || header.Uid != 0 || header.Mode&0o077 != 0 || strings.Contains(name, "..") {
			t.Errorf("the archive has %s, mode %o, of %d", header.Name, header.Mode, header.Uid)
		}
		if name != "" {
			parts[name] = string(data)
		}
	}
}

// shows tells what of a value, as it is or encoded, is in a text; "" for nothing.
func shows(text, value string) string {
	for i := 0; i+12 <= len(value); i++ {
		part := value[i : i+12]
		for _, form := range []string{part, hex.EncodeToString([]byte(part)), base64.StdEncoding.EncodeToString([]byte(part))} {
			if strings.Contains(text, form) {
				return part
			}
		}
	}
	return ""
}

func TestTheArchiveHasEverythingAndNoSecret(t *testing.T) {
	t.Parallel()
	root := droplet(t)
	h := open(t, root)
	parts, told := archived(t, h, "")
	secrets := map[string]string{}
	for _, set := range []map[string]string{known, unknown} {
		for name, value := range set {
			secrets[name] = value
		}
	}
	store, err := secret.Open(h.Files)
	must(t, err)
	one, _ := store.Get("one")
	key, _ := store.Get("key")
	secrets["the secret one"], secrets["the key"] = one[""].Reveal(), strings.Split(key["private"].Reveal(), "\n")[1][24:]
	var screen, document bytes.Buffer
	told.WriteText(&screen)
	must(t, told.WriteJSON(&document))
	parts["the screen"], parts["the JSON"] = screen.String(), document.String()
	for part, text := range parts {
		for name, value := range secrets {
			if found := shows(text, value); found != "" {
				t.Errorf("%s shows %q of %s:\n%s", part, found, name, text)
			}
		}
	}
	info, err := os.Stat(filepath.Join(root, "var/lib/oneclick/support.tar.gz"))
	must(t, err)
	if stat := info.Sys().(*syscall.Stat_t); info.Mode() != 0o600 || stat.Uid != 0 || stat.Gid != 0 || info.Size() != int64(told.Bytes) {
		t.Errorf("the archive has mode %v, is of %d:%d, and %d bytes", info.Mode(), stat.Uid, stat.Gid, info.Size())
	}
	holds(t, "contents.txt", parts["contents.txt"], "Found out at 2026-03-04 05:06:07 UTC. All secrets are taken out. This archive "+
		"has:\n"+contents)
	holds(t, "the screen", parts["the screen"], fmt.Sprintf("%s (%d kB) is for a support person. All secrets are taken out. It has:\n%s%s",
		told.File, (told.Bytes+999)/1000, contents, "Only root can read it. Look through it before you send it.\n"))
	holds(t, "the journal", parts["journal/app-7.service.txt"], printed)
	holds(t, "the output", parts["output/run__usr_bin_program"], "token: [secret token]\nthe password is [secret one]\n")
	if !strings.HasPrefix(parts["status.txt"], "State:    done") || !json.Valid([]byte(parts["status.json"])) || parts["app.yaml"] != app {
		t.Errorf("status.txt is %q, status.json %q, app.yaml %q", parts["status.txt"], parts["status.json"], parts["app.yaml"])
	}
	if !json.Valid(document.Bytes()) || !strings.Contains(document.String(), `"file": "`+told.File+`"`) {
		t.Errorf("the JSON is %s", document.String())
	}
}

// However broken a Droplet is, the archive is written, and says what it could not get and why.
func TestABrokenDropletIsToldAsFarAsItCanBe(t *testing.T) {
	t.Parallel()
	whole := droplet(t)
	const damaged = "cannot read /var/lib/oneclick/secrets.json: it is damaged; bring the plain values back with: oneclick-agent " +
		"secrets restore"
	for name, test := range map[string]struct {
		harm    map[string]string // files, "" for one that is gone
		missing map[string]string
		has     map[string]string
	}{
		"no manifest": {
			map[string]string{"etc/oneclick/app.yaml": ""},
			map[string]string{"app.yaml": "cannot read /etc/oneclick/app.yaml: no such file or directory",
				"plan.txt": "the manifest has mistakes; see problems.txt"},
			map[string]string{"problems.txt": "/etc/oneclick/app.yaml: cannot read /etc/oneclick/app.yaml: no such file or directory\n" +
				"    write the image's manifest there, or name another with --manifest\n"},
		},
		"a manifest with a mistake": {
			map[string]string{"etc/oneclick/app.yaml": "version: 1\napp: {nam: Sample}\nfirst_boot: [{service: app-7.service, do: enable}]\n"},
			map[string]string{"plan.txt": "the manifest has mistakes; see problems.txt"},
			map[string]string{"journal/app-7.service.txt": printed, "problems.txt": "/etc/oneclick/app.yaml:2:7: app: unknown key \"nam\"\n" +
				"    did you mean \"name\"?\n"},
		},
		"a damaged store": {
			map[string]string{"var/lib/oneclick/secrets.json": "{", "var/lib/oneclick/secrets.json.copy": "{"},
			map[string]string{"plan.txt": damaged,
				"journal/gated.service.txt": "not all secrets are known, so that they cannot be taken out: " + damaged},
			map[string]string{"output/run__usr_bin_program": "token: [secret token]\nthe password is [secret one]\n"},
		},
		"a damaged record": {
			map[string]string{"var/lib/oneclick/journal.jsonl": "{}\n{}\n"},
			map[string]string{"status.txt": "cannot read /var/lib/oneclick/journal.jsonl:1: the line is damaged; " +
				"restore the file from a backup, or remove it to run the setup again"},
			map[string]string{"first-boot.jsonl": "{}\n{}\n"},
		},
		"nobody knows which Droplet it is": {
			map[string]string{"run/cloud-init/instance-data.json": ""},
			map[string]string{"plan.txt": "cannot tell which Droplet this tree is: cannot read /run/cloud-init/instance-data.json: " +
				"no such file or directory; put cloud-init's record there"},
			map[string]string{"app.yaml": app},
		},
		"no journal": {
			map[string]string{"usr/bin/journalctl": ""},
			map[string]string{"journal/app-7.service.txt": "cannot run journalctl: there is no such command on this image"},
			map[string]string{"app.yaml": app},
		},
		"a FIFO in the place of a file": {
			map[string]string{"var/lib/cloud/data/result.json": "FIFO"},
			map[string]string{"cloud-init/result.json": "cannot read /var/lib/cloud/data/result.json: it is a FIFO, not a regular file"},
			map[string]string{"app.yaml": app},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			must(t, os.CopyFS(root, os.DirFS(whole)))
			for file, content := range test.harm {
				must(t, os.Remove(filepath.Join(root, file)))
				if content == "FIFO" {
					must(t, syscall.Mkfifo(filepath.Join(root, file), 0o600))
				} else if content != "" {
					plant(t, root, file, content)
				}
			}
			parts, told := archived(t, open(t, root), "/root/case.tar.gz")
			reasons := map[string]string{}
			for _, missing := range told.Missing {
				reasons[missing.Name] = missing.Reason
			}
			for part, want := range test.missing {
				holds(t, part, reasons[part], want)
			}
			for part, want := range test.has {
				holds(t, part, parts[part], want)
			}
			for part, text := range parts {
				for secret, value := range known {
					if found := shows(text, value); found != "" {
						t.Errorf("%s shows %q of %s:\n%s", part, found, secret, text)
					}
				}
			}
		})
	}
}

func holds(t testing.TB, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s is\n%s\nand not\n%s", what, got, want)
	}
}

const contents = `  status.txt                   how the setup stands
  status.json                  the same for programs
  plan.txt                     what the setup does, in order
  app.yaml                     the image's manifest, /etc/oneclick/app.yaml
  first-boot.jsonl             the record of first boot, /var/lib/oneclick/journal.jsonl
  first-login.jsonl            the record of first login, /var/lib/oneclick/login.jsonl
  versions.txt                 this program, the kernel and the Droplet
  os-release                   the system, /etc/os-release
  cloud-init/result.json       what cloud-init came to, /var/lib/cloud/data/result.json
  units.txt                    how the units stand
  journal/app-7.service.txt    what the unit printed
  output/run__usr_bin_program  what a command printed, /var/lib/oneclick/output/run__usr_bin_program
  disk/space.txt               free space where / is
It does not have:
  cloud-init/status.json: cannot read /var/lib/cloud/data/status.json: no such file or directory
  journal/oneclick-first-boot.service.txt, journal/oneclick-first-login.service.txt, journal/oneclick-retry.path.txt, ` +
	`journal/oneclick-retry.timer.txt, journal/gated.service.txt: the system's journal has nothing from the last 14 days
  network/summary.txt, network/addresses.txt, network/routes.txt, network/listening.txt, disk/free.txt, disk/inodes.txt, ` +
	`disk/devices.txt, processes.txt: this is a directory tree, and not a running machine
  network/resolv.conf: cannot read /etc/resolv.conf: no such file or directory
  memory.txt: cannot read /proc/meminfo: no such file or directory
`

const printed = `first
my password is [secret one]
[secret one]
[secret one]
[secret one]
-----BEGIN [secret private key][secret key] -----END [secret private key]
[secret token]
[secret answers.word]
mysql://doadmin:[secret database password]@db.example.com/x
token [secret GitHub token]
DB_PASSWORD=[secret password in a setting]
"-----BEGIN [secret private key][secret key][secret private key]-----END [secret private key]"
\x1b[2Jgone
last
`
