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

// ErrUnavailable is in the chain of each error that comes of the database
// being away, full, or closed.
var ErrUnavailable = errors.New("the database is not available")

// retryUnavailable is when to try again while the database is away.
const retryUnavailable = 5 * time.Second

// unavailable is what a caller is told while the database is away.
func unavailable(doing string, err error) *job.Error {
	return &job.Error{
		Code:       job.Unavailable,
		Message:    "the server's database is not available now; try again in a moment",
		RetryAfter: retryUnavailable,
		Err:        fmt.Errorf("%s: %w: %w", doing, ErrUnavailable, err),
	}
}

// databaseError makes a job.Error of code Unavailable of an error that says that
// the database cannot be used now. Others are returned as they are.
func databaseError(doing string, err error) error {
	var told *job.Error
	switch {
	case err == nil, errors.As(err, &told), errors.Is(err, sql.ErrNoRows):
		return err
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s: %w", doing, err)
	case away(err):
		return unavailable(doing, err)
	}
	return err
}

// away reports whether an error says that the database cannot be used now.
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

// busy reports whether SQLite refused because another has the file.
func busy(err error) bool {
	var lite *sqlite.Error
	return errors.As(err, &lite) && lite.Code()&0xff == sqlite3.SQLITE_BUSY
}

// repeatable reports whether a transaction of Postgres failed only because of
// another that ran beside it, or on a connection that was found to be dead
// before anything was sent: it may be repeated.
func repeatable(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code == "40001" || pg.Code == "40P01"
	}
	return pgconn.SafeToRetry(err) || errors.Is(err, driver.ErrBadConn)
}
