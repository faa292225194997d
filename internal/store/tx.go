package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/kinora-video/kinora/internal/job"
)

// Queryer runs queries. Both Tx and the argument of Read's function implement it.
type Queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// Tx is a transaction that writes. All that is written through one Tx is atomic.
//
// On Postgres it is READ COMMITTED: a row that decides what is written must be
// read with Lock, or changed by an UPDATE whose WHERE states the condition. On
// SQLite there is no other writer meanwhile.
type Tx struct {
	db  *DB
	sql *sql.Tx
	now time.Time

	tickets    []time.Time
	deliveries []delivery
	after      []func() // run after the commit
}

type delivery struct {
	id    int64
	runAt time.Time
}

// Now is the time of this transaction, by the database's clock.
func (tx *Tx) Now() time.Time { return tx.now }

// Lock is the clause after a SELECT whose rows are about to be changed: " FOR
// UPDATE" where the database needs it.
func (tx *Tx) Lock() string { return tx.db.lock() }

// AfterCommit registers fn, which is called once the transaction is committed,
// and never if it is not. fn must be quick and must not write.
func (tx *Tx) AfterCommit(fn func()) { tx.after = append(tx.after, fn) }

// whole keeps a statement on SQLite from being interrupted, which would undo the
// whole transaction with all the writes of its group.
func (tx *Tx) whole(ctx context.Context) context.Context {
	if tx.db.dialect == SQLite {
		return context.WithoutCancel(ctx)
	}
	return ctx
}

// ExecContext runs a statement.
func (tx *Tx) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	ctx = tx.whole(ctx)
	if stmt := tx.db.written.get(query); stmt != nil {
		return tx.sql.StmtContext(ctx, stmt).ExecContext(ctx, args...)
	}
	return tx.sql.ExecContext(ctx, query, args...)
}

// QueryContext runs a query. On SQLite the rows must be closed before the next
// statement.
func (tx *Tx) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	ctx = tx.whole(ctx)
	if stmt := tx.db.written.get(query); stmt != nil {
		return tx.sql.StmtContext(ctx, stmt).QueryContext(ctx, args...)
	}
	return tx.sql.QueryContext(ctx, query, args...)
}

// QueryRowContext runs a query that has at most one row.
func (tx *Tx) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	ctx = tx.whole(ctx)
	if stmt := tx.db.written.get(query); stmt != nil {
		return tx.sql.StmtContext(ctx, stmt).QueryRowContext(ctx, args...)
	}
	return tx.sql.QueryRowContext(ctx, query, args...)
}

// Changed runs a statement and reports how many rows it changed.
func (tx *Tx) Changed(ctx context.Context, query string, args ...any) (int64, error) {
	r, err := tx.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// maxRetries is how often a transaction on Postgres is tried that fails because
// of a concurrent one.
const maxRetries = 5

// Write runs fn in a transaction. If fn returns an error, its changes are undone
// and Write returns that error. An error of the database itself is a job.Error of
// code Unavailable; then nothing was written.
//
// On SQLite one goroutine runs all waiting writes in one transaction, each in a
// savepoint of its own, and commits once for the group. So a started fn may keep
// running after ctx is over; it does not start after that. fn must not call Write
// or Read, nor wait for anything else. On Postgres fn may be run again, so it
// must set its results anew each time.
func (db *DB) Write(ctx context.Context, fn func(*Tx) error) error {
	if db.dialect == SQLite {
		return databaseError("write to the database", db.group.do(ctx, fn))
	}
	var err error
	for range maxRetries {
		if err = db.writeOnce(ctx, fn); !repeatable(err) {
			break
		}
	}
	return databaseError("write to the database", err)
}

// writeOnce runs fn in a transaction of its own.
func (db *DB) writeOnce(ctx context.Context, fn func(*Tx) error) error {
	select {
	case <-db.closed:
		return errClosed
	default:
	}
	t, err := db.writer.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	tx := &Tx{db: db, sql: t, now: db.Now()}
	defer t.Rollback() //nolint:errcheck // a no-op after Commit
	if err := fn(tx); err != nil {
		return err
	}
	if err := db.enqueue(ctx, t, tx.tickets, tx.deliveries); err != nil {
		return err
	}
	if err := t.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	for _, f := range tx.after {
		f()
	}
	return nil
}

var errClosed = unavailable("use the database", errors.New("it is closed"))

// Read runs fn on one snapshot of the database. fn must not write.
func (db *DB) Read(ctx context.Context, fn func(q Queryer) error) error {
	select {
	case <-db.closed:
		return errClosed
	default:
	}
	db.readStmts.prepare(ctx)
	o := &sql.TxOptions{ReadOnly: true}
	if db.dialect == Postgres {
		o.Isolation = sql.LevelRepeatableRead
	}
	t, err := db.reader.BeginTx(ctx, o)
	if err != nil {
		return databaseError("read the database", err)
	}
	defer t.Rollback() //nolint:errcheck // there is nothing to undo
	return databaseError("read the database", fn(snapshot{db.readStmts, t}))
}

// snapshot is a transaction that only reads.
type snapshot struct {
	stmts *statements
	tx    *sql.Tx
}

func (s snapshot) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if stmt := s.stmts.get(query); stmt != nil {
		return s.tx.StmtContext(ctx, stmt).QueryContext(ctx, args...)
	}
	return s.tx.QueryContext(ctx, query, args...)
}

func (s snapshot) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	if stmt := s.stmts.get(query); stmt != nil {
		return s.tx.StmtContext(ctx, stmt).QueryRowContext(ctx, args...)
	}
	return s.tx.QueryRowContext(ctx, query, args...)
}

// notFound is the error for a thing that does not exist or belongs to another
// project.
func notFound(what string, id any) *job.Error {
	return job.Errorf(job.NotFound, "", "there is no %s %v", what, id)
}
