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
# bashrc_without takes our block out of root's .bashrc, as long as it is the one that we put in: three lines, the marks first and
# last. A link is left alone, and so is what somebody edited.
bashrc_without() {
	file=$root/root/.bashrc
	begin='# BEGIN oneclick-agent: first login'
	end='# END oneclick-agent: first login'
	[ -f "$file" ] && [ ! -L "$file" ] && grep -q "^$begin" "$file" || return 0
	new=$file.oneclick-remove
	rm -f "$new"
	cp -p "$file" "$new" || return 0
	if awk -v begin="$begin" -v end="$end" '
		{ line = $0; sub(/\r$/, "", line) }
		!inside && line == begin { inside = 1; held = $0; lines = 1; next }
		inside { held = held "\n" $0; lines++; if (line == end) { if (lines != 3) print held; inside = 0; held = "" }; next }
		{ print }
		END { if (inside) print held }
	' "$file" >"$new"; then
		mv -f "$new" "$file"
	else
		rm -f "$new"
	fi
}

# What is the customer's stays: /etc/oneclick, /root/.digitalocean_passwords and every file of the app.
if [ "$1" = purge ]; then
	rm -rf "$root/var/lib/oneclick"
	bashrc_without
fi
exit 0
