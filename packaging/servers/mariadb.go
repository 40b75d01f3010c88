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

func hostname() string {
	name, _ := os.Hostname()
	return name
}

// MariaDB makes a data directory and starts its server. A plain one has the anonymous user and the test database that
// its packages used to make.
func MariaDB(ctx context.Context, o Options) (*Server, error) {
	program, err := exec.LookPath("mariadbd")
	if err != nil {
		return nil, errors.New("there is no MariaDB server here; install Debian's package mariadb-server")
	}
	s, credential, err := prepare(&o, "MariaDB", "mysql")
	if err != nil {
		return nil, err
	}
	data := filepath.Join(o.Directory, "data")
	// Servers side by side would meet in one temporary directory, whose names they make from their process numbers.
	temporary := "--tmpdir=" + o.Directory
	if err := tool(ctx, o, credential, "", "mariadb-install-db", "--no-defaults", "--datadir="+data, temporary,
		"--auth-root-authentication-method=socket",
		"--auth-root-socket-user=root", "--skip-name-resolve"); err != nil {
		return nil, err
	}
	quoted := "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(o.Password) + "'"
	setup := "FLUSH PRIVILEGES;\nCREATE USER 'doadmin'@'%' IDENTIFIED BY " + quoted + ";\nGRANT ALL ON *.* TO 'doadmin'@'%' WITH " +
		"GRANT OPTION;\nCREATE DATABASE defaultdb;\n"
	if o.Plain {
		setup += "CREATE USER IF NOT EXISTS ''@'localhost';\nCREATE DATABASE IF NOT EXISTS test;\n"
	} else {
		setup += "DROP USER IF EXISTS ''@'localhost';\nDROP USER IF EXISTS ''@'" + hostname() + "';\n"
	}
	common := []string{"--no-defaults", "--datadir=" + data, temporary, "--innodb-flush-log-at-trx-commit=0", "--skip-log-bin"}
	if err := tool(ctx, o, credential, setup, program, append(common, "--bootstrap")...); err != nil {
		return nil, err
	}
	s.Socket = filepath.Join(o.Directory, "mysqld.sock")
	arguments := append(
		common,
		"--bind-address="+o.Address,
		"--port="+strconv.Itoa(o.Port),
		"--socket="+s.Socket,
		"--pid-file="+filepath.Join(o.Directory, "pid"),
		"--ssl-cert="+filepath.Join(o.Directory, "server.crt"),
		"--ssl-key="+filepath.Join(o.Directory, "server.key"),
	)
	if !o.Plain {
		arguments = append(arguments, "--require-secure-transport=ON")
	}
	return s, s.start(ctx, o, credential, program, arguments...)
}
