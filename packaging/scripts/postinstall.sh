#!/bin/sh
# Makes systemd know the units. First boot is never begun here: an image is built with this package installed.
set -e
root=${DPKG_ROOT:-} # of the tree that dpkg installs into
# Where /lib is no link to /usr/lib (Ubuntu 16.04 and 18.04, Debian 9), systemd looks for generators only in /lib.
if [ -d "$root/lib/systemd/system-generators" ] && [ ! -e "$root/lib/systemd/system-generators/oneclick-gate" ]; then
	ln -s /usr/bin/oneclick-agent "$root/lib/systemd/system-generators/oneclick-gate"
fi
if [ -z "$root" ] && [ -d /run/systemd/system ]; then
	systemctl --system daemon-reload >/dev/null 2>&1 || true
fi
exit 0
