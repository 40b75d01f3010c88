package step

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"oneclick-agent/agent/host"
)

// accountTree is a tree with the machine's own programs for accounts, and with what they need.
func accountTree(t *testing.T) (*host.Host, string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: the programs run in a chroot")
	}
	root := t.TempDir()
	script := `set -e
for directory in lib lib64 sbin bin; do mkdir -p "$root/usr/$directory" && ln -s "usr/$directory" "$root/$directory"; done
copy() { mkdir -p "$root$(dirname "$1")"; cp -L "$1" "$root$1"; }
for program in /usr/sbin/useradd /usr/sbin/usermod /usr/sbin/chpasswd /usr/lib/*/security/pam_unix.so /usr/lib/*/security/pam_permit.so; do
	copy "$program"
	ldd "$program" | grep -o '/[^ ]*' | while read -r library; do copy "$library"; done
done
mkdir -p "$root/etc/pam.d" "$root/home" "$root/dev" "$root/root" "$root/etc/skel"
printf 'password required pam_unix.so sha512\nauth required pam_permit.so\naccount required pam_permit.so\n' >"$root/etc/pam.d/chpasswd"
printf 'root:x:0:0:root:/root:/bin/sh\n' >"$root/etc/passwd"
printf 'root:*:1::::::\n' >"$root/etc/shadow"
printf 'root:x:0:\nsudo:x:27:\nadm:x:4:\n' >"$root/etc/group"
printf 'root:*::\nsudo:*::\nadm:*::\n' >"$root/etc/gshadow"
printf 'keep\n' >"$root/etc/skel/.profile"
`
	command := exec.Command("bash", "-c", script)
	command.Env = append(os.Environ(), "root="+root)
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	h, err := host.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h, root
}

// The system's own useradd, usermod and chpasswd make the account; a second time nothing changes but the password's salt.
func TestAnAccountIsMadeOnceAndBroughtIntoLine(t *testing.T) {
	t.Parallel()
	h, root := accountTree(t)
	read := func(name string) string {
		data, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	user := &User{Name: "deploy", Home: "/srv/deploy", Shell: "/bin/bash", Groups: []string{"sudo"}, Password: `a:b'c"d\e`}
	os.MkdirAll(filepath.Join(root, "srv"), 0o755)
	for range 2 {
		if err := user.Apply(t.Context(), h); err != nil {
			t.Fatal(err)
		}
		if state, err := user.Check(t.Context(), h); state != Unknowable || err != nil {
			t.Errorf("the account is %v, %v", state, err)
		}
		if got := read("etc/passwd"); strings.Count(got, "\ndeploy:x:") != 1 || !strings.Contains(got, ":/srv/deploy:/bin/bash\n") {
			t.Errorf("passwd is\n%s", got)
		}
		if !regexp.MustCompile(`(?m)^deploy:\$6\$[^:]{20,}:`).MatchString(read("etc/shadow")) {
			t.Errorf("shadow is\n%s", read("etc/shadow"))
		}
		if !strings.Contains(read("etc/group"), "sudo:x:27:deploy\n") {
			t.Errorf("group is\n%s", read("etc/group"))
		}
	}
	if read("srv/deploy/.profile") != "keep\n" {
		t.Error("the home is not made from the skeleton")
	}
	// Brought into line: another shell, one more group; what it is a member of stays.
	user.Shell, user.Groups, user.Password = "/bin/sh", []string{"adm"}, ""
	if state, err := user.Check(t.Context(), h); state != Unmet || err != nil {
		t.Errorf("before the change it is %v, %v", state, err)
	}
	if err := user.Apply(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	if state, err := user.Check(t.Context(), h); state != Met || err != nil {
		t.Errorf("after the change it is %v, %v", state, err)
	}
	if got := read("etc/group"); !strings.Contains(got, "sudo:x:27:deploy\n") || !strings.Contains(got, "adm:x:4:deploy\n") {
		t.Errorf("group is\n%s", got)
	}
}

func TestTheProgramsForAccountsSeeNoPasswordInTheirArguments(t *testing.T) {
	t.Parallel()
	h, root := accountTree(t)
	user := &User{Name: "deploy", Password: "s3cret-s3cret"}
	for _, name := range []string{"useradd", "chpasswd"} {
		// In the program's place stands one that notes its arguments and runs it.
		program := filepath.Join(root, "usr/sbin", name)
		if err := os.Rename(program, program+".real"); err != nil {
			t.Fatal(err)
		}
		source := filepath.Join(t.TempDir(), "main.go")
		os.WriteFile(source, []byte(`package main

import (
	"fmt"
	"os"
	"syscall"
)

func main() {
	file, _ := os.OpenFile("/arguments", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	fmt.Fprintln(file, os.Args, os.Environ())
	syscall.Exec("/usr/sbin/`+name+`.real", os.Args, os.Environ())
}
`), 0o644)
		build := exec.Command("go", "build", "-o", program, source)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	if err := user.Apply(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	noted, err := os.ReadFile(filepath.Join(root, "arguments"))
	if err != nil || strings.Contains(string(noted), "s3cret") || strings.Count(string(noted), "\n") != 2 {
		t.Errorf("%v: %s", err, noted)
	}
}
