#!/bin/sh
# Called with "remove", "purge", "upgrade", … by dpkg, and with the number of versions left by rpm.
set -e
root=${DPKG_ROOT:-} # of the tree that dpkg removes from
case "$1" in
remove | purge | 0)
	if [ -z "$root" ] && [ -d /run/systemd/system ]; then
		systemctl --system stop oneclick-retry.timer oneclick-retry.path >/dev/null 2>&1 || true
		systemctl --system daemon-reload >/dev/null 2>&1 || true
	fi
	rm -rf "$root/run/oneclick" "$root/run/motd.d/40-oneclick"
	if [ -L "$root/lib/systemd/system-generators/oneclick-gate" ]; then
		rm -f "$root/lib/systemd/system-generators/oneclick-gate"
	fi
	;;
esac
# What is the customer's stays: /etc/oneclick, /root/.digitalocean_passwords and every file of the app.
if [ "$1" = purge ]; then
	rm -rf "$root/var/lib/oneclick"
fi
exit 0
