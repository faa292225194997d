package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/kinora-video/kinora/internal/job"
)

// ErrUnavailable is in the chain of every error that arose because the database
// is unreachable, full or closed.
var ErrUnavailable = errors.New("the database is not available")

// retryUnavailable is how long a client waits before it tries again.
const retryUnavailable = 5 * time.Second

// unavailable is the error that a caller gets while the database cannot be used.
func unavailable(doing string, err error) *job.Error {
	return &job.Error{
		Code:       job.Unavailable,
		Message:    "the server's database is not available now; try again in a moment",
		RetryAfter: retryUnavailable,
		Err:        fmt.Errorf("%s: %w: %w", doing, ErrUnavailable, err),
	}
}

// databaseError turns an error that means that the database cannot be used now
// into a job.Error of code Unavailable. Other errors are returned as they are.
func databaseError(doing string, err error) error {
	var public *job.Error
	switch {
	case err == nil, errors.As(err, &public), errors.Is(err, sql.ErrNoRows):
		return err
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s: %w", doing, err)
	case away(err):
		return unavailable(doing, err)
	}
	return err
}

// away reports whether an error means that the database cannot be used now.
func away(err error) bool {
	var lite *sqlite.Error
	if errors.As(err, &lite) {
		switch lite.Code() & 0xff { // the primary code
		case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN,
			sqlite3.SQLITE_READONLY, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_INTERRUPT:
			return true
		}
		return false
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		switch pg.Code[:min(2, len(pg.Code))] {
		case "08", "53", "57", "58": // connection, resources (disk full), operator, system
			return true
		}
		return repeatable(err)
	}
	var dial *pgconn.ConnectError
	var network net.Error
	return errors.As(err, &dial) || errors.As(err, &network) || errors.Is(err, sql.ErrConnDone) || errors.Is(err, net.ErrClosed) || repeatable(err)
}

// busy reports whether SQLite refused because another connection holds the lock.
func busy(err error) bool {
	var lite *sqlite.Error
	return errors.As(err, &lite) && lite.Code()&0xff == sqlite3.SQLITE_BUSY
}

// repeatable reports whether a transaction on Postgres may be repeated: it failed
// only because of a concurrent one, or because its connection turned out to be
// dead before anything was sent.
func repeatable(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code == "40001" || pg.Code == "40P01"
	}
	return pgconn.SafeToRetry(err) || errors.Is(err, driver.ErrBadConn)
}
