package lab

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

const (
	setupInside     = "/tmp/setup"
	systemctlInside = "/usr/local/sbin/systemctl"
	// systemctl takes --now away, which the real one cannot do where no systemd runs; told that none does, it leaves starting and
	// stopping out by itself.
	systemctl = `#!/bin/sh
for word; do
	shift
	[ "$word" = --now ] || set -- "$@" "$word"
done
exec /usr/bin/systemctl "$@"
`
)

// setUp runs the image's script in it, with processes of its own and this machine's network. On the build Droplet of Packer
// systemd runs; here units are only enabled and disabled.
func setUp(ctx context.Context, root, script string) error {
	if script == "" {
		return nil
	}
	for name, text := range map[string]string{setupInside: script, systemctlInside: systemctl} {
		if err := (File{text, 0o755}).put(filepath.Join(root, name)); err != nil {
			return err
		}
		defer os.Remove(filepath.Join(root, name))
	}
	resolver, err := os.ReadFile("/etc/resolv.conf")
	if err == nil {
		err = os.WriteFile(filepath.Join(root, "etc/resolv.conf"), resolver, 0o644)
	}
	if err != nil {
		return fmt.Errorf("cannot give the image a name server: %w", err)
	}
	return command(ctx, "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--root="+root, "--wd=/",
		"env", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C",
		"SYSTEMD_OFFLINE=1", setupInside)
}
