package servers

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
)

// PostgreSQL makes a cluster and starts its server.
func PostgreSQL(ctx context.Context, o Options) (*Server, error) {
	programs, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if len(programs) == 0 {
		return nil, errors.New("there is no PostgreSQL server here; install Debian's package postgresql")
	}
	bin := filepath.Dir(programs[len(programs)-1])
	s, credential, err := prepare(&o, "PostgreSQL", "postgres")
	if err != nil {
		return nil, err
	}
	data := filepath.Join(o.Directory, "data")
	if err := tool(ctx, o, credential, "", filepath.Join(bin, "initdb"), "--pgdata", data, "--username=doadmin", "--auth=scram-sha-256",
		"--pwfile="+filepath.Join(o.Directory, "password"), "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8"); err != nil {
		return nil, err
	}
	access := "local all postgres peer\nhostssl all all all scram-sha-256\n"
	if o.Plain {
		access += "host all all all scram-sha-256\n"
	}
	if err := os.WriteFile(filepath.Join(data, "pg_hba.conf"), []byte(access), 0o644); err != nil {
		return nil, err
	}
	if err := tool(ctx, o, credential, "CREATE DATABASE defaultdb;\nCREATE ROLE postgres SUPERUSER "+
		"LOGIN;\n", filepath.Join(bin, "postgres"), "--single", "-D", data, "postgres"); err != nil {
		return nil, err
	}
	s.accepts = func(ctx context.Context) bool {
		return o.Command(ctx, filepath.Join(bin, "pg_isready"), "--host="+o.Address, "--port="+strconv.Itoa(o.Port)).Run() == nil
	}
	s.Socket = filepath.Join(o.Directory, ".s.PGSQL."+strconv.Itoa(o.Port))
	return s, s.start(
		ctx,
		o,
		credential,
		filepath.Join(bin, "postgres"),
		"-D",
		data,
		"-c",
		"listen_addresses="+o.Address,
		"-c",
		"port="+strconv.Itoa(o.Port),
		"-c",
		"unix_socket_directories="+o.Directory,
		"-c",
		"ssl=on",
		"-c",
		"ssl_cert_file="+filepath.Join(o.Directory, "server.crt"),
		"-c",
		"ssl_key_file="+filepath.Join(o.Directory, "server.key"),
		"-c",
		"fsync=off",
		"-c",
		"log_statement=all",
	)
}
