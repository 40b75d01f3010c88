package lab

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// planted marks everything that the build machine is used for and that must not be in the snapshot.
const planted = "PLANTED-"

// TestASnapshotOfAUsedDroplet builds an image as a vendor does: a Droplet is booted and used, Debian's packer runs the
// template's own provisioners on it over SSH, it is shut down, and a new Droplet is made from its disk.
func TestASnapshotOfAUsedDroplet(t *testing.T) {
	t.Parallel()
	l, build, disk := openWith(t, "bookworm", "")
	mirror, err := l.Network.ServeMirror()
	if err != nil {
		t.Fatal(err)
	}
	defer mirror.Close()
	machine := boot(t, l, build, disk, firstDroplet)
	on(t, machine, "while ! systemctl is-active -q cloud-init.target; do sleep 1; done")
	use(t, machine)
	person := logIn(t, machine) // whose shell keeps what was typed in its memory, and writes it down when it ends
	person.press("echo " + planted + "$((40 + 2))\r")
	person.see(planted + "42")
	before := identity(t, machine)

	runPacker(t, l)
	report := on(t, machine, "oneclick-agent pre-snapshot --check --skip-secret-scan --json || true")
	checkReport(t, report)
	if err := machine.PowerOff(t.Context()); err != nil {
		t.Fatal(err)
	}
	raw := filepath.Join(t.TempDir(), "raw.img")
	if err := command(t.Context(), "qemu-img", "convert", "-O", "raw", disk, raw); err != nil {
		t.Fatal(err)
	}
	for _, found := range search(t, raw, planted) {
		t.Errorf("on the disk, read from outside: %q", found)
	}
	checkFiles(t, raw)

	snapshot := Build{Disk: raw, Kernel: build.Kernel, Initrd: build.Initrd}
	fresh, err := l.Overlay(t.Context(), snapshot, "fresh")
	if err != nil {
		t.Fatal(err)
	}
	droplet := boot(t, l, snapshot, fresh, secondDroplet)
	out := on(
		t,
		droplet,
		"while ! systemctl is-active -q cloud-init.target; do sleep 1; done; cloud-init status --wait; oneclick-agent status; echo exit $?",
	)
	if !strings.Contains(out, "status: done") || !strings.Contains(out, "State:    done") || !strings.Contains(out, "exit 0") {
		t.Errorf("first boot of a Droplet of the image: %s", out)
	}
	for name, value := range identity(t, droplet) {
		if value == "" || value == before[name] {
			t.Errorf("the new Droplet's %s is %q, and the build machine's was %q", name, value, before[name])
		}
	}
	if got := on(t, droplet, "stat -c %a /root/.digitalocean_passwords; systemctl is-enabled apache2.service; ufw status | head "+
		"-1"); got != "600\nenabled\nStatus: active\n" {
		t.Errorf("on the new Droplet: %q", got)
	}
}

// use leaves what a build leaves.
func use(t *testing.T, m *Machine) {
	t.Helper()
	on(t, m, strings.Join([]string{
		"echo export TOKEN=" + planted + "HISTORY >>/root/.bash_history",
		"echo 'set password = " + planted + "SQL' >/root/.mysql_history",
		"for i in $(seq 50); do echo " + planted + "DELETED-$i >/root/deleted-$i; done; sync; rm /root/deleted-*; sync",
		"head -c 50M /dev/urandom >/var/tmp/large; echo " + planted + "LARGE >>/var/tmp/large; sync",
		"logger " + planted + "LOG; journalctl --sync",
		"useradd -m -s /bin/bash builder; echo 'builder:" + planted + "PASSWORD' | chpasswd",
		"mkdir -p /home/builder/.ssh /root/.aws; echo ssh-ed25519 AAAA " + planted + "KEY >/home/builder/.ssh/authorized_keys; echo " +
			"key=" + planted + "AWS >/root/.aws/credentials",
		"systemd-run --quiet --unit=broken-" + planted + "UNIT /bin/false; sleep 1; systemctl reset-failed",
		"fallocate -l 32M /swapfile && chmod 600 /swapfile && mkswap /swapfile >/dev/null && printf " + planted + "SWAPPED | dd " +
			"of=/swapfile bs=1 seek=9000000 conv=notrunc status=none",
		"echo '/swapfile none swap sw 0 0' >>/etc/fstab",
	}, "\n"))
}

// identity is what must differ from Droplet to Droplet.
func identity(t *testing.T, m *Machine) map[string]string {
	t.Helper()
	return map[string]string{
		"machine id":   on(t, m, "cat /etc/machine-id"),
		"D-Bus id":     on(t, m, "cat /var/lib/dbus/machine-id"),
		"SSH host key": on(t, m, "cat /etc/ssh/ssh_host_ed25519_key.pub"),
		"random seed":  on(t, m, "sha256sum </var/lib/systemd/random-seed || echo none"),
	}
}

// runPacker runs Debian's packer with the template's own provisioners, on a machine that is there already.
func runPacker(t *testing.T, l *Lab) {
	t.Helper()
	directory := t.TempDir()
	out := packer(t, l, directory, func(template map[string]any) {
		template["builders"] = []any{map[string]any{
			"type": "null", "ssh_host": DropletAddress, "ssh_username": "root", "ssh_private_key_file": l.keyFile(t, directory),
			"ssh_timeout": "10m",
		}}
		delete(template, "post-processors")
	})
	if !strings.Contains(out, "shut this machine down now") {
		t.Error("the last provisioner does not say what comes next")
	}
}

// packer runs Debian's packer in the lab's network, with the sample's template after something was changed in it.
func packer(t *testing.T, l *Lab, directory string, change func(template map[string]any)) string {
	t.Helper()
	data, err := os.ReadFile("../packer/marketplace-image.json")
	if err != nil {
		t.Fatal(err)
	}
	var template map[string]any
	if err := json.Unmarshal(data, &template); err != nil {
		t.Fatal(err)
	}
	change(template)
	if data, err = json.Marshal(template); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(directory, "template.json")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	arguments := []string{"build", "-color=false"}
	for _, variable := range []string{
		"do_api_token=none", "agent=" + agentPackage(t), "manifest=../sample", "files=../packer/files", "setup=../packer/setup",
	} {
		arguments = append(arguments, "-var", variable)
	}
	packer := l.Network.Command(t.Context(), "packer", append(arguments, file)...)
	packer.Env = append(os.Environ(), "CHECKPOINT_DISABLE=1", "PACKER_CONFIG_DIR="+directory, "HOME="+directory)
	began := time.Now()
	out, err := packer.CombinedOutput()
	t.Logf("packer took %.0f s:\n%s", time.Since(began).Seconds(), out[max(0, len(out)-5000):])
	if err != nil {
		t.Fatalf("packer: %v", err)
	}
	return string(out)
}

func checkReport(t *testing.T, report string) {
	t.Helper()
	var parsed struct {
		Checks      []struct{ ID, Status, Subject, Message string }
		Marketplace struct {
			Status  string
			Reasons []string
		}
	}
	if err := json.NewDecoder(strings.NewReader(report)).Decode(&parsed); err != nil {
		t.Fatalf("%v: %s", err, report)
	}
	for _, check := range parsed.Checks {
		if check.Status == "fail" {
			t.Errorf("failed: %s %s: %s", check.ID, check.Subject, check.Message)
		} else if check.Status != "pass" {
			t.Logf("%s: %s %s: %s", check.Status, check.ID, check.Subject, check.Message)
		}
	}
	if parsed.Marketplace.Status != "pass" {
		t.Errorf("the Marketplace's script would fail it: %v", parsed.Marketplace.Reasons)
	}
}

// search reads a disk image and returns each place where the marker stands, with what follows it.
func search(t *testing.T, image, marker string) (found []string) {
	t.Helper()
	file, err := os.Open(image)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	reader := bufio.NewReaderSize(file, 1<<20)
	overlap := make([]byte, 0, 64)
	for {
		chunk := make([]byte, 1<<20)
		n, err := io.ReadFull(reader, chunk)
		data := append(overlap, chunk[:n]...)
		for at := 0; ; {
			next := bytes.Index(data[at:], []byte(marker))
			if next < 0 || at+next+len(marker)+20 > len(data) && err == nil {
				break
			}
			at += next
			found = append(found, string(data[at:min(len(data), at+40)]))
			at += len(marker)
		}
		overlap = append([]byte{}, data[max(0, len(data)-len(marker)-20):]...)
		if err != nil {
			return found[:min(len(found), 20)]
		}
	}
}

// checkFiles looks into the disk's files.
func checkFiles(t *testing.T, raw string) {
	t.Helper()
	point := filepath.Join(t.TempDir(), "disk")
	if err := os.Mkdir(point, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := command(t.Context(), "mount", "-o", "loop,ro,noload", raw, point); err != nil {
		t.Fatal(err)
	}
	defer exec.Command("umount", point).Run()
	for _, pattern := range []string{
		"etc/ssh/ssh_host_*", "var/lib/systemd/random-seed", "root/.bash_history", "root/.ssh/authorized_keys",
		"home/*/.ssh/authorized_keys", "var/lib/cloud/instances/*",
		"var/log/journal/*", "var/lib/oneclick/*", "tmp/*", "var/tmp/*", "var/lib/apt/lists/*_Packages*",
	} {
		found, _ := filepath.Glob(filepath.Join(point, pattern))
		for _, file := range found {
			empty := strings.HasSuffix(file, "-unix") ||
				strings.HasPrefix(filepath.Base(file), "systemd-private-") // directories of X11 and of units
			if info, err := os.Lstat(file); err == nil && !(info.IsDir() && empty) && !(info.Mode().IsRegular() && info.Size() == 0) {
				t.Errorf("in the snapshot: /%s", strings.TrimPrefix(file, point+"/"))
			}
		}
	}
	if id, err := os.ReadFile(filepath.Join(point, "etc/machine-id")); err != nil || len(id) > 0 {
		t.Errorf("the machine id in the snapshot is %q, %v", id, err)
	}
	if hook, err := os.Stat(filepath.Join(point, "var/lib/cloud/scripts/per-instance/000-oneclick")); err != nil ||
		hook.Mode().Perm() != 0o755 {
		t.Errorf("the hook is gone from the snapshot: %v", err)
	}
}
