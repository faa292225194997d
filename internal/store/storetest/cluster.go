package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// startWait is how long a cluster may take to be made and to start.
const startWait = time.Minute

// cluster is the Postgres that the tests of one process share.
var cluster struct {
	once sync.Once
	url  string
	err  error
	pipe io.Closer
}

// sharedCluster starts a Postgres once and returns its address, or "" if its
// programs are not installed.
func sharedCluster() (string, error) {
	cluster.once.Do(func() {
		programs, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
		if err != nil || len(programs) == 0 {
			cluster.err = err
			return
		}
		slices.Sort(programs)
		ctx, cancel := context.WithTimeout(context.Background(), startWait)
		defer cancel()
		cluster.url, cluster.err = start(ctx, filepath.Dir(programs[len(programs)-1]))
	})
	return cluster.url, cluster.err
}

// start makes a cluster and runs it under a shell. The shell reads a pipe whose
// other end only this process holds. When this process ends in any way, the shell
// stops the cluster and removes its folder.
func start(ctx context.Context, bin string) (string, error) {
	dir, err := os.MkdirTemp("", "kinora-postgres-")
	if err != nil {
		return "", err
	}
	port, err := Port(ctx)
	if err != nil {
		return "", err
	}
	script := fmt.Sprintf(`set -e
trap '' INT TERM HUP # which the tests get too; their end is what counts
trap 'cd / && rm -rf %[1]s' EXIT
run() { "$@"; }
if [ "$(id -u)" = 0 ]; then # Postgres refuses to run as root
	chown postgres %[1]s
	run() { setpriv --reuid=postgres --regid=postgres --clear-groups -- "$@"; }
fi
cd %[1]s
run %[2]s/initdb -D %[1]s/data -A trust -U kinora -E UTF8 --locale=C -N >%[1]s/log 2>&1 || { cat %[1]s/log >&2; exit 1; }
run %[2]s/postgres -D %[1]s/data -p %[3]d -c listen_addresses=127.0.0.1 -c unix_socket_directories= \
	-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=200 >>%[1]s/log 2>&1 </dev/null &
read -r _ || true
# By pg_ctl, as what the shell started in the background may ignore signals.
run %[2]s/pg_ctl -D %[1]s/data -m immediate -w stop >/dev/null 2>&1 || true
`, dir, bin, port)
	cmd := exec.Command("/bin/sh", "-c", script)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	// The pipe stays open until this process ends.
	if cluster.pipe, err = cmd.StdinPipe(); err != nil {
		return "", err
	}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	url := fmt.Sprintf("postgres://kinora@127.0.0.1:%d/postgres?sslmode=disable", port)
	for {
		conn, err := pgx.Connect(ctx, url)
		if err == nil {
			return url, conn.Close(ctx)
		}
		select {
		case e := <-ended:
			return "", fmt.Errorf("%w\n%s", errors.Join(e, err), stderr.Bytes())
		case <-ctx.Done():
			return "", err
		case <-time.After(50 * time.Millisecond):
		}
	}
}
