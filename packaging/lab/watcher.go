package lab

import "io/fs"

// What the watcher has seen: a process a line, behind the unit that it is of.
const (
	watched             = "/var/tmp/watched-"
	WatchedArguments    = watched + "cmdline"
	WatchedEnvironments = watched + "environ"
)

// Watcher is a unit of an image that collects the arguments and environments of all processes from the beginning of a boot on.
// Every local user can read the arguments.
var Watcher = map[string]File{
	"/etc/systemd/system/watcher.service": {
		"[Unit]\nDefaultDependencies=no\nAfter=local-fs.target\n[Service]\nExecStart=/usr/bin/python3 /usr/local/lib/watcher.py\n",
		0o644,
	},
	"/etc/systemd/system/sysinit.target.wants/watcher.service": {"../watcher.service", fs.ModeSymlink},
	"/usr/local/lib/watcher.py": {`
import glob, os, time
os.umask(0o077)
seen = {"cmdline": set(), "environ": set()}
while True:
    for kind in seen:
        for path in glob.glob("/proc/[0-9]*/" + kind):
            try:
                data = open(path, "rb").read()
                name = open(path.rsplit("/", 1)[0] + "/cgroup").read().split(":")[-1].strip()
            except OSError:
                continue
            if (name, data) not in seen[kind]:
                seen[kind].add((name, data))
                with open("` + watched + `" + kind, "ab") as out:
                    out.write(name.encode() + b" " + data.replace(b"\0", b" ") + b"\n")
    time.sleep(0.2)
`, 0o644},
}
