package servers

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// Redis starts a server whose user default has the password, over TLS; a plain one lets everybody in without.
func Redis(ctx context.Context, o Options) (*Server, error) {
	program, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, errors.New("there is no Redis server here; install Debian's package redis-server")
	}
	s, credential, err := prepare(&o, "Redis", "redis")
	if err != nil {
		return nil, err
	}
	settings := []string{"bind " + o.Address, "dir " + o.Directory, `save ""`, "daemonize no"}
	if o.Plain {
		settings = append(settings, "port "+strconv.Itoa(o.Port))
	} else {
		quoted := `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(o.Password) + `"`
		settings = append(settings, "port 0", "tls-port "+strconv.Itoa(o.Port), "tls-cert-file "+o.Directory+"/server.crt",
			"tls-key-file "+o.Directory+"/server.key",
			"tls-ca-cert-file "+o.Directory+"/ca.crt", "tls-auth-clients no", "requirepass "+quoted)
	}
	file := filepath.Join(o.Directory, "redis.conf")
	if err := os.WriteFile(file, []byte(strings.Join(settings, "\n")+"\n"), 0o600); err != nil {
		return nil, err
	}
	if err := os.Chown(file, int(credential.Uid), int(credential.Gid)); err != nil {
		return nil, err
	}
	return s, s.start(ctx, o, credential, program, file)
}
