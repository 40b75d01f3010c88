// Package lab boots a root file system as a DigitalOcean Droplet on this machine: QEMU with the hardware names that
// make cloud-init choose its DigitalOcean source, a network namespace with a metadata service, real systemd, real
// sshd. It needs root, and from Debian: mmdebstrap, qemu-system-x86, qemu-utils, e2fsprogs, iproute2.
package lab

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// Image describes a root file system, as data.
type Image struct {
	Name     string
	Suite    string // of Debian
	Packages []string
}

// base is what makes a Debian root file system boot as a Droplet.
var base = []string{"linux-image-cloud-amd64", "cloud-init", "openssh-server", "ufw", "systemd-sysv", "dbus", "ca-certificates"}

// locale makes the locale that cloud-init's configuration asks for; DigitalOcean's images have it.
const locale = `echo en_US.UTF-8 UTF-8 >"$1/etc/locale.gen" && chroot "$1" locale-gen >/dev/null`

// Images are the root file systems of the lab.
func Images() map[string]Image {
	lamp := []string{"apache2", "libapache2-mod-php", "php-pgsql", "php-mysql", "mariadb-server"}
	return map[string]Image{
		"bookworm": {Name: "bookworm", Suite: "bookworm", Packages: lamp},
		"plain":    {Name: "plain", Suite: "bookworm", Packages: []string{"rsync"}}, // boots quickest
		"trixie":   {Name: "trixie", Suite: "trixie", Packages: lamp},
	}
}

// CacheDirectory keeps root file systems between runs.
func CacheDirectory() string {
	if dir := os.Getenv("DROPLET_LAB_CACHE"); dir != "" {
		return dir
	}
	return "/var/cache/droplet-lab"
}

// building has one lock an archive: several tests may want the same one first.
var building sync.Map

// Archive returns the image's root file system as a tar file, made on first use.
func (i Image) Archive(ctx context.Context) (string, error) {
	packages := append(append([]string{}, base...), i.Packages...)
	sum := sha256.Sum256([]byte(i.Suite + " " + locale + " " + strings.Join(packages, ",")))
	archive := filepath.Join(CacheDirectory(), i.Suite+"-"+hex.EncodeToString(sum[:6])+".tar")
	lock, _ := building.LoadOrStore(archive, new(sync.Mutex))
	lock.(*sync.Mutex).Lock()
	defer lock.(*sync.Mutex).Unlock()
	if _, err := os.Stat(archive); err == nil {
		return archive, nil
	}
	if err := os.MkdirAll(CacheDirectory(), 0o755); err != nil {
		return "", err
	}
	partial := strings.TrimSuffix(archive, ".tar") + ".partial.tar"
	err := command(
		ctx,
		"mmdebstrap",
		"--quiet",
		`--aptopt=Acquire::Retries "5"`,
		"--variant=important",
		"--include="+strings.Join(packages, ","),
		"--customize-hook="+locale,
		i.Suite,
		partial,
		"http://deb.debian.org/debian",
	)
	if err != nil {
		os.Remove(partial)
		return "", err
	}
	return archive, os.Rename(partial, archive)
}

// File is a file to put into an image. Mode fs.ModeSymlink makes it a symbolic link to Content.
type File struct {
	Content string
	Mode    fs.FileMode
}

// Build is an image with our package and a manifest in it, as a disk and the kernel to boot it with.
type Build struct{ Disk, Kernel, Initrd string }

// Contents are what an image has besides its packages, as Packer's template puts them there.
type Contents struct {
	// Agent is the file of our Debian package, "" for none.
	Agent string
	// Files are put into the image by path, before Setup runs.
	Files map[string]File
	// Setup is a script that runs in the image once its packages are there, "" for none.
	Setup string
	// Look is called with the image's tree once everything is in it; it may clean it. It may be nil.
	Look func(ctx context.Context, root string) error
}

// Build makes a disk from the image as an image builder would: it unpacks the root file system, adds the files, runs the
// script and installs the agent.
func (i Image) Build(ctx context.Context, directory string, c Contents) (Build, error) {
	archive, err := i.Archive(ctx)
	if err != nil {
		return Build{}, err
	}
	root := filepath.Join(directory, "root")
	if err := os.MkdirAll(root, 0o755); err != nil {
		return Build{}, err
	}
	defer os.RemoveAll(root)
	if err := command(ctx, "tar", "--extract", "--numeric-owner", "--xattrs", "--file", archive, "--directory", root); err != nil {
		return Build{}, err
	}
	for name, file := range c.Files {
		if err := file.put(filepath.Join(root, name)); err != nil {
			return Build{}, err
		}
	}
	if err := setUp(ctx, root, c.Setup); err != nil {
		return Build{}, err
	}
	if err := install(ctx, root, c.Agent); err != nil {
		return Build{}, err
	}
	if c.Look != nil {
		if err := c.Look(ctx, root); err != nil {
			return Build{}, err
		}
	}
	return makeDisk(ctx, root, directory)
}

func (f File) put(target string) error {
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	if f.Mode&fs.ModeSymlink != 0 {
		return os.Symlink(f.Content, target)
	}
	if err := os.WriteFile(target, []byte(f.Content), f.Mode); err != nil {
		return err
	}
	return os.Chmod(target, f.Mode)
}

func install(ctx context.Context, root, deb string) error {
	if deb == "" {
		return nil
	}
	data, err := os.ReadFile(deb)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(root, "tmp/agent.deb"), data, 0o644); err != nil {
		return err
	}
	defer os.Remove(filepath.Join(root, "tmp/agent.deb"))
	return command(ctx, "chroot", root, "dpkg", "--install", "/tmp/agent.deb")
}

// makeDisk turns a tree into an ext4 disk without mounting anything. The image is what a snapshot would be: no
// machine id, no host keys.
func makeDisk(ctx context.Context, root, directory string) (Build, error) {
	build := Build{Disk: filepath.Join(directory, "disk.img")}
	keys, _ := filepath.Glob(filepath.Join(root, "etc/ssh/ssh_host_*"))
	for _, key := range keys {
		os.Remove(key)
	}
	os.WriteFile(filepath.Join(root, "etc/machine-id"), nil, 0o444)
	os.Remove(filepath.Join(root, "etc/resolv.conf"))
	os.WriteFile(filepath.Join(root, "etc/resolv.conf"), []byte("nameserver "+Gateway+"\n"), 0o644)
	os.WriteFile(filepath.Join(root, "etc/fstab"), []byte("/dev/vda / ext4 errors=remount-ro 0 1\n"), 0o644)
	for name, target := range map[string]*string{"vmlinuz-*": &build.Kernel, "initrd.img-*": &build.Initrd} {
		found, _ := filepath.Glob(filepath.Join(root, "boot", name))
		if len(found) == 0 {
			return build, errors.New("the image has no " + name + " in /boot")
		}
		*target = filepath.Join(directory, filepath.Base(found[0]))
		if err := command(ctx, "cp", found[0], *target); err != nil {
			return build, err
		}
	}
	return build, command(ctx, "mke2fs", "-q", "-F", "-t", "ext4", "-d", root, build.Disk, "4G")
}

// command runs a tool of this machine and returns its output in the error.
func command(ctx context.Context, name string, arguments ...string) error {
	out, err := exec.CommandContext(ctx, name, arguments...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("cannot run %s: %w: %s", name, err, out[max(0, len(out)-2000):])
	}
	return nil
}
