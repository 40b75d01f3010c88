package host

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Mount is one file system that is mounted at or below the tree's top.
type Mount struct {
	Point    string // in the tree
	Type     string // ext4, xfs, tmpfs, …
	Source   string // as mount(8) shows it, with a path of this machine
	Number   uint64 // the kernel's number of the mount
	Device   string // the kernel's number of the file system's device, major:minor
	Whole    bool   // false for a bind mount of a part of a file system
	Writable bool
}

// Mounts lists what is mounted at the tree's top and below it, in the order in which it was mounted. It is what the
// kernel says of this process (proc_pid_mountinfo(5)), and empty where /proc is not there: what must not be touched is
// told by IsOwn.
func (r *Root) Mounts() []Mount {
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil
	}
	var mounts []Mount
	for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
		before, after, ok := strings.Cut(lines.Text(), " - ")
		left, right := strings.Fields(before), strings.Fields(after)
		if !ok || len(left) < 6 || len(right) < 3 {
			continue
		}
		point, inside := r.inTree(Unescape(left[4]))
		number, err := strconv.ParseUint(left[0], 10, 64)
		if !inside || err != nil {
			continue
		}
		mounts = append(mounts, Mount{
			Point: point, Type: right[0], Source: Unescape(right[1]), Number: number, Device: left[2], Whole: left[3] == "/",
			Writable: !hasOption(left[5], "ro") && !hasOption(right[2], "ro"),
		})
	}
	return mounts
}

// inTree turns a path of this machine into one of the tree.
func (r *Root) inTree(path string) (string, bool) {
	relative, err := filepath.Rel(r.dir, path)
	if err != nil || relative == ".." || strings.HasPrefix(relative, "../") {
		return "", false
	}
	return filepath.Join("/", relative), true
}

func hasOption(options, name string) bool {
	for option := range strings.SplitSeq(options, ",") {
		if option == name {
			return true
		}
	}
	return false
}

// Unescape undoes what the kernel writes for odd bytes of a path in its tables: its \040 for a space, and its like.
func Unescape(text string) string {
	if !strings.Contains(text, `\`) {
		return text
	}
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' && i+4 <= len(text) {
			if code, err := strconv.ParseUint(text[i+1:i+4], 8, 8); err == nil {
				out.WriteByte(byte(code))
				i += 3
				continue
			}
		}
		out.WriteByte(text[i])
	}
	return out.String()
}

// SnapshotMounts are the mounts that go into a snapshot of this machine: writable file systems on the disk that "/" is
// on. A snapshot of a Droplet holds its own disk, and none of its volumes. Of a tree it is the tree's own file system,
// where its top is a mount point.
func (r *Root) SnapshotMounts() []Mount {
	var chosen []Mount
	disk := ""
	for _, mount := range r.Mounts() {
		if !mount.Whole {
			continue
		}
		if mount.Point == "/" {
			chosen, disk = nil, diskOf(mount.Device) // what is mounted over an earlier "/" hides it
			if disk != "" && mount.Writable {
				chosen = []Mount{mount}
			}
		} else if r.IsMachine() && mount.Writable && disk != "" && diskOf(mount.Device) == disk {
			chosen = append(chosen, mount)
		}
	}
	return chosen
}

// diskOf is the kernel's name of the disk behind a device number: vda for 254:1, which is vda1. It is "" for what is no
// block device.
func diskOf(device string) string {
	target, err := filepath.EvalSymlinks("/sys/dev/block/" + device)
	if err != nil {
		return ""
	}
	if _, err := os.Stat(filepath.Join(target, "partition")); err == nil {
		target = filepath.Dir(target)
	}
	// A logical volume is on the disk that is below it.
	if below, _ := filepath.Glob(filepath.Join(target, "slaves", "*", "dev")); len(below) > 0 {
		if number, err := os.ReadFile(below[0]); err == nil {
			return diskOf(strings.TrimSpace(string(number)))
		}
	}
	return filepath.Base(target)
}
