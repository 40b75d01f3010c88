package snapshot

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
)

// scriptCase is a tree, and what img_check 1.8.1 says of it, worked out from the script's text by hand.
type scriptCase struct {
	name   string
	image  func(*tree)
	want   Status
	reason string // a part of the reasons
}

func osRelease(text string) func(*tree) { return file("/etc/os-release", text) }

// osReleaseCases are files that a shell reads otherwise than a parser of os-release does.
func osReleaseCases() []scriptCase {
	const unsupported, release = "not a supported operating system", "not a supported release"
	cases := []scriptCase{
		{"lines that end as on Windows", osRelease("NAME=\"Ubuntu\"\r\nVERSION_ID=\"24.04\"\r\n"), Fail, unsupported},
		{"a Debian whose lines end as on Windows", osRelease("NAME=\"Debian GNU/Linux\"\r\nVERSION_ID=\"12\"\r\n"), Fail, release},
		{"a comment behind a value", osRelease("NAME=\"Ubuntu\" # noble\nVERSION_ID=24.04#x\n"), Fail, release},
		{"a comment behind both values", osRelease("NAME=\"Ubuntu\" # noble\nVERSION_ID=24.04 # LTS\n"), Pass, ""},
		{"a hash inside a word", osRelease("NAME=Ubuntu#1\nVERSION_ID=24.04\n"), Fail, unsupported},
		{"variables", osRelease("ID=Ubuntu\nNAME=$ID\nN=24\nVERSION_ID=\"${N}.04\"\n"), Pass, ""},
		{"the variable that the script itself has set", osRelease("NAME=Ubuntu\nVERSION_ID=$VERSION\n"), Fail, "v. 1.8.1"},
		{"a default", osRelease("NAME=${OTHER:-Ubuntu}\nVERSION_ID=${V-24.04}\n"), Pass, ""},
		{"the last of two names", osRelease("NAME=\"Arch Linux\"\nNAME=Ubuntu\nVERSION_ID=22.04\n"), Pass, ""},
		{"the last of two versions", osRelease("NAME=Ubuntu\nVERSION_ID=22.04\nVERSION_ID=23.10\n"), Fail, release},
		{"a name without quotes is a command", osRelease("NAME=CentOS Linux\nVERSION_ID=7\n"), Fail, unsupported},
		{"a command keeps the name of before", osRelease("NAME=Ubuntu\nNAME=Red Hat\nVERSION_ID=24.04\n"), Pass, ""},
		{"space around the sign", osRelease("NAME = \"Ubuntu\"\nVERSION_ID=24.04\n"), Fail, unsupported},
		{"space before the name", osRelease("  NAME=\"Ubuntu\"\n\tVERSION_ID=24.04\n"), Pass, ""},
		{"two on one line", osRelease("NAME=Ubuntu VERSION_ID=24.04\n"), Pass, ""},
		{"two with a semicolon", osRelease("NAME=Ubuntu; VERSION_ID=24.04\n"), Pass, ""},
		{"two joined by and", osRelease("NAME=Ubuntu && VERSION_ID=24.04\n"), Pass, ""},
		{"exported", osRelease("export NAME=Ubuntu\nexport VERSION_ID=24.04\n"), Pass, ""},
		{"quotes in the middle", osRelease("NAME=Ubu'nt'u\nVERSION_ID=24.\"04\"\n"), Pass, ""},
		{"escaped", osRelease("NAME=U\\buntu\nVERSION_ID=\"24.04\"\n"), Pass, ""},
		{"a line that is joined", osRelease("NAME=Ubu\\\nntu\nVERSION_ID=24.04\n"), Pass, ""},
		{"appended", osRelease("NAME=Ubu\nNAME+=ntu\nVERSION_ID=24.04\n"), Pass, ""},
		{"a quote that is never closed, after the name", osRelease("NAME=Ubuntu\nVERSION_ID=\"24.04\n"), Fail, release},
		{"a quote that is never closed, behind both", osRelease("NAME=Ubuntu\nVERSION_ID=24.04\nPRETTY=\"x\n"), Pass, ""},
		{"a mark of the byte order", osRelease("\xef\xbb\xbfNAME=Ubuntu\nVERSION_ID=24.04\n"), Fail, unsupported},
		{"an unset name", osRelease("NAME=Ubuntu\nVERSION_ID=24.04\nunset NAME\n"), Fail, unsupported},
		{"what comes behind a return", osRelease("NAME=Ubuntu\nVERSION_ID=24.04\nreturn\nNAME=Arch\n"), Pass, ""},
		{"an empty file", osRelease(""), Fail, unsupported},
		{"no version", osRelease("NAME=Ubuntu\n"), Fail, release},
		{"Debian's testing", osRelease("NAME=\"Debian GNU/Linux\"\nVERSION_CODENAME=trixie\n"), Fail, release},
		{"any name with Debian in it", osRelease("NAME=\"My Debian Remix\"\nVERSION_ID=12\n"), Pass, ""},
		{"a point release of Debian", osRelease("NAME=\"Debian GNU/Linux\"\nVERSION_ID=12.5\n"), Fail, release},
		{"a name in small letters", osRelease("NAME=ubuntu\nVERSION_ID=24.04\n"), Fail, unsupported},
		{"a space in the quotes", osRelease("NAME=\"Ubuntu \"\nVERSION_ID=24.04\n"), Fail, unsupported},
		{"a name that a command prints", osRelease("NAME=$(echo Ubuntu)\nVERSION_ID=24.04\n"), Unknown, "what a command prints"},
		{"a command that changes nothing", osRelease("NAME=Ubuntu\nVERSION_ID=24.04\nX=`date`\n"), Pass, ""},
		{"a condition", osRelease("if true; then NAME=Ubuntu; fi\nVERSION_ID=24.04\n"), Unknown, "more than assignments"},
		{
			"a name that a command prints, and a failure beside",
			both(osRelease("NAME=$(echo Ubuntu)\nVERSION_ID=24.04\n"), directory("/opt/digitalocean")),
			Fail,
			"/opt/digitalocean",
		},
		{
			"what is in /usr/lib does not count",
			both(osRelease("NAME=Ubuntu\n"), file("/usr/lib/os-release", "VERSION_ID=24.04\n")),
			Fail,
			release,
		},
		{
			"only the one in /usr/lib",
			both(remove("/etc/os-release"), file("/usr/lib/os-release", "NAME=Ubuntu\nVERSION_ID=24.04\n")),
			Fail,
			unsupported,
		},
		{"a link to the one in /usr/lib", func(tr *tree) {
			remove("/etc/os-release")(tr)
			tr.write("/usr/lib/os-release", "NAME=Ubuntu\nVERSION_ID=24.04\n")
			os.Symlink("../usr/lib/os-release", tr.path("/etc/os-release"))
		}, Pass, ""},
		{"a directory in its place", both(remove("/etc/os-release"), directory("/etc/os-release")), Fail, unsupported},
	}
	accepted := map[string][]string{
		"Ubuntu":        {"16.04", "18.04", "20.04", "22.10"},
		"CentOS Linux":  {"6", "7", "8"},
		"CentOS Stream": {"8", "9"},
		"Rocky Linux": {
			"8.10",
			"9.6",
			"18.4",
		},
		"AlmaLinux":        {"8.10", "9.6", "7.9", "10.8", "9"},
		"CloudLinux":       {"8.9", "7.9"},
		"Debian GNU/Linux": {"9", "13"},
	}
	refused := map[string][]string{"Ubuntu": {"26.04", "14.04", "24.10", "24.4"}, "CentOS Linux": {"7.9"}, "CentOS Stream": {"10"},
		"Rocky Linux": {"10.0", "9"}, "AlmaLinux": {"10.0"}, "Debian GNU/Linux": {"14", "8"}}
	for name, versions := range accepted {
		for _, version := range versions {
			cases = append(
				cases,
				scriptCase{name + " " + version, osRelease("NAME=\"" + name + "\"\nVERSION_ID=\"" + version + "\"\n"), Pass, ""},
			)
		}
	}
	for name, versions := range refused {
		for _, version := range versions {
			cases = append(
				cases,
				scriptCase{name + " " + version, osRelease("NAME=\"" + name + "\"\nVERSION_ID=\"" + version + "\"\n"), Fail, release},
			)
		}
	}
	for _, name := range []string{"Fedora Linux", "Red Hat Enterprise Linux", "openSUSE Leap", "Arch Linux", "Oracle Linux Server"} {
		cases = append(cases, scriptCase{name, osRelease("NAME=\"" + name + "\"\nVERSION_ID=\"9.4\"\n"), Fail, unsupported})
	}
	return cases
}

// fallbackCases have no os-release.
func fallbackCases() []scriptCase {
	without := func(images ...func(*tree)) func(*tree) {
		return func(tr *tree) {
			os.Remove(tr.path("/etc/os-release"))
			for _, image := range images {
				image(tr)
			}
		}
	}
	program := func(name, text string) func(*tree) {
		return func(tr *tree) { tr.write(name, text); os.Chmod(tr.path(name), 0o755) }
	}
	const unsupported = "not a supported operating system"
	lsb := file("/etc/lsb-release", "DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE=22.04\n")
	return []scriptCase{
		{"nothing", without(), Fail, `"Linux" is not`},
		{"a program that is asked", without(program("/usr/bin/lsb_release", "#!/bin/sh\n"), lsb), Unknown, "runs lsb_release"},
		{"lsb-release", without(lsb), Pass, ""},
		{"lsb-release, and a program that is not executable", without(file("/usr/bin/lsb_release", "x"), lsb), Fail, unsupported},
		{
			"lsb-release before debian_version",
			without(file("/etc/lsb-release", "DISTRIB_ID=LinuxMint\nDISTRIB_RELEASE=21\n"), file("/etc/debian_version", "12\n")),
			Fail,
			"not a supported operating system",
		},
		{"debian_version with a point", without(file("/etc/debian_version", "12.5\n")), Fail, "not a supported release"},
		{"debian_version without", without(file("/etc/debian_version", "12\n\n")), Pass, ""},
		{"debian_version of testing", without(file("/etc/debian_version", "trixie/sid\n")), Fail, "not a supported release"},
		{
			"SuSe-release",
			without(file("/etc/SuSe-release", "openSUSE 13\n"), file("/etc/redhat-release", "CentOS release 6.10 (Final)\n")),
			Fail,
			"not a supported operating system",
		},
		{"redhat-release of CentOS 6", without(file("/etc/redhat-release", "CentOS release 6.10 (Final)\n")), Pass, ""},
		{
			"redhat-release of CentOS 7",
			without(file("/etc/redhat-release", "CentOS Linux release 7.9.2009 (Core)\n")),
			Fail,
			"not a supported release",
		},
		{
			"redhat-release of Rocky",
			without(file("/etc/redhat-release", "Rocky Linux release 9.6 (Blue Onyx)\n")),
			Fail,
			"not a supported operating system",
		},
		{"redhat-release with one word", without(file("/etc/redhat-release", "CentOS\n")), Fail, "not a supported release"},
	}
}

// machineCases are everything else that decides the exit status, or looks as if it did.
func machineCases() []scriptCase {
	shadowFile := func(text string) func(*tree) { return file("/etc/shadow", text) }
	const password, hangs = "root has a password", "never ends"
	return []scriptCase{
		{"the tree that the others begin with", nothing, Pass, ""},
		{"two lines of root, one with a password", shadowFile("root:*:1::::::\nroot:$6$a$b:1::::::\n"), Fail, password},
		{"root without a password", shadowFile("root::1::::::\n"), Fail, password},
		{"root's name alone", shadowFile("root\n"), Fail, password},
		{"root locked by !!", shadowFile("root:!!:1::::::\n"), Pass, ""},
		{"root locked with a star behind", shadowFile("root:!*:1::::::\n"), Fail, password},
		{"root locked as on Solaris", shadowFile("root:*LK*:1::::::\n"), Fail, password},
		{"root behind a blank", shadowFile("x root:$6$a$b:1::::::\n"), Fail, password},
		{"root in a comment", shadowFile("# root:x:\nroot:*:1::::::\n"), Fail, password},
		{"a field that ends the line, with a return", shadowFile("root:*\r\n"), Fail, password},
		{"a field that ends the line", shadowFile("root:*\n"), Pass, ""},
		{"no line of root", shadowFile("daemon:*:1::::::\n"), Pass, ""},
		{"no shadow", remove("/etc/shadow"), Pass, ""},
		{"a second root", append_("/etc/shadow", "toor:$6$a$b:1::::::\n"), Pass, ""},
		{"a user's password", append_("/etc/shadow", "deploy:$6$a$b:1::::::\n"), Pass, ""},
		{"50 bytes of keys", file("/root/.ssh/authorized_keys", strings.Repeat("k", 50)), Pass, ""},
		{"51 bytes of keys", file("/root/.ssh/authorized_keys", strings.Repeat("k", 51)), Fail, "authorized_keys"},
		{"a directory of keys", directory("/root/.ssh/authorized_keys"), Pass, ""},
		{"keys behind a link", func(tr *tree) {
			tr.write("/etc/keys", strings.Repeat("k", 60))
			os.MkdirAll(tr.path("/root/.ssh"), 0o700)
			os.Symlink("/etc/keys", tr.path("/root/.ssh/authorized_keys"))
		}, Fail, "authorized_keys"},
		{"an empty private key", file("/root/.ssh/id_rsa", ""), Pass, ""},
		{"a private key", file("/root/.ssh/id_rsa", "k"), Fail, "id_rsa"},
		{"a private key of another kind", file("/root/.ssh/id_ed25519", privateKey), Pass, ""},
		{"a FIFO of keys", fifo("/root/.ssh/authorized_keys"), Fail, hangs},
		{"a FIFO of another name", fifo("/root/.ssh/agent"), Pass, ""},
		{"known hosts in a FIFO", fifo("/root/.ssh/known_hosts"), Fail, hangs},
		{"a history of 199 bytes", file("/root/.bash_history", strings.Repeat("h", 199)), Pass, ""},
		{"a history of 200 bytes", file("/root/.bash_history", strings.Repeat("h", 200)), Fail, "bash history"},
		{"a history that is a FIFO", fifo("/root/.bash_history"), Pass, ""},
		{"a history that is a directory", directory("/root/.bash_history"), Pass, ""},
		{"another history", file("/root/.zsh_history", strings.Repeat("h", 900)), Pass, ""},
		{"a directory for the agent", directory("/opt/digitalocean"), Fail, "/opt/digitalocean"},
		{"a file in the agent's place", file("/opt/digitalocean", "x"), Pass, ""},
		{"a link to a directory in the agent's place", func(tr *tree) {
			os.MkdirAll(tr.path("/srv/agent"), 0o755)
			os.MkdirAll(tr.path("/opt"), 0o755)
			os.Symlink("/srv/agent", tr.path("/opt/digitalocean"))
		}, Fail, "/opt/digitalocean"},
		{"no cloud-init", remove("/usr/bin/cloud-init"), Fail, "cloud-init is not installed"},
		{
			"a cloud-init that is not executable",
			func(tr *tree) { os.Chmod(tr.path("/usr/bin/cloud-init"), 0o644) },
			Fail,
			"cloud-init is not installed",
		},
		{"a cloud-init elsewhere", func(tr *tree) {
			os.Chmod(tr.path("/usr/bin/cloud-init"), 0o644)
			tr.write("/usr/local/bin/cloud-init", "#!/bin/sh\n")
			os.Chmod(tr.path("/usr/local/bin/cloud-init"), 0o755)
		}, Pass, ""},
		{"a cloud-init that is disabled", file("/etc/cloud/cloud-init.disabled", ""), Pass, ""},
		{"no firewall", remove("/etc/ufw/ufw.conf"), Pass, ""},
		{"long logs", file("/var/log/app.log", strings.Repeat("line\n", 99)), Pass, ""},
		{"a FIFO among the logs", fifo("/var/log/app.log"), Fail, hangs},
		{"a FIFO among the older logs", fifo("/var/log/app.log.1"), Fail, hangs},
		{"a FIFO whose name ends with a dash and eight characters", fifo("/var/log/app-12345678"), Fail, hangs},
		{"a FIFO that the script does not look at", fifo("/var/log/app"), Pass, ""},
		{"a FIFO whose name begins with a dot", fifo("/var/log/.app.log"), Pass, ""},
		{"a FIFO behind a link that leads nowhere", both(link("/var/log/0.log", "/nowhere"), fifo("/var/log/z.log")), Pass, ""},
		{"a FIFO before a link that leads nowhere", both(link("/var/log/z.log", "/nowhere"), fifo("/var/log/0.log")), Fail, hangs},
		{"a directory called a log", directory("/var/log/app.log"), Pass, ""},
		{"a FIFO deeper", fifo("/var/log/app/app.log"), Pass, ""},
		{"everything at once", func(tr *tree) { directory("/opt/digitalocean")(tr); file("/root/.ssh/id_rsa", "k")(tr) }, Fail, "id_rsa"},
	}
}

// TestThePredictionIsTheScriptsVerdict has more than a hundred trees, each with the verdict by the script's text.
func TestThePredictionIsTheScriptsVerdict(t *testing.T) {
	t.Parallel()
	cases := slices.Concat(osReleaseCases(), fallbackCases(), machineCases(), shellCases())
	if len(cases) < 100 {
		t.Fatalf("only %d trees", len(cases))
	}
	for _, test := range cases {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			tr := newTree(t)
			test.image(tr)
			image := tr.look()
			image.updates = &updates{} // looked up, and there are none
			got := image.judgeAsScript(t.Context())
			if got.Status != test.want || !strings.Contains(strings.Join(got.Reasons, "\n"), test.reason) {
				t.Errorf("predicted %s for %q; the script says %s, because of %q", got.Status, got.Reasons, test.want, test.reason)
			}
			if got.Status == Pass && len(got.Reasons) > 0 {
				t.Errorf("it passes, with the reasons %q", got.Reasons)
			}
			image = tr.look() // whatever passes only because there are no updates is unknown where nobody looked
			image.updates = &updates{err: errors.New("nobody looked")}
			if strings.Contains(test.name, "without a failure") {
				return // the script ends before it looks for updates
			}
			if unseen := image.judgeAsScript(t.Context()); test.want == Pass && unseen.Status != Unknown ||
				test.want == Fail && unseen.Status != Fail {
				t.Errorf("without a look at updates, predicted %s", unseen.Status)
			}
			image.updates = &updates{scriptCount: 2}
			if got := image.judgeAsScript(t.Context()); got.Status != Fail {
				t.Errorf("with updates, predicted %s", got.Status)
			}
		})
	}
}

// FuzzSourced: no text makes the reading panic or go on for ever, and only what is a variable becomes one.
func FuzzSourced(f *testing.F) {
	for _, seed := range []string{"NAME=x\n", "A=\"${B:-c}\" D=$(e (f))", "`", "$", "${", "\\", "a+=b;c='d", "export A=1 B", "#\n\\\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for name := range sourced(text, map[string]string{}).values {
			if !isVariable(name) {
				t.Errorf("%q made the variable %q", text, name)
			}
		}
	})
}
