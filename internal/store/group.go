package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/kinora-video/kinora/internal/job"
)

// Bounds of a group of writes on SQLite.
const (
	maxGroup     = 128                   // writes
	maxGroupTime = 10 * time.Millisecond // after which the group takes no more
	maxWaiting   = 4096                  // length of the queue of writes; callers block when it is full
)

// groupWriter commits many writes at once, because the disk takes milliseconds to
// confirm a commit of any size. No write waits for others to arrive: while one
// group is being confirmed, the next one gathers.
type groupWriter struct {
	db       *DB
	requests chan *write
	done     chan struct{}
}

// write is a function that waits to be run, and later its outcome.
type write struct {
	ctx  context.Context
	fn   func(*Tx) error
	tx   *Tx
	err  error
	over chan struct{}
}

func newGroupWriter(db *DB) *groupWriter {
	w := &groupWriter{db: db, requests: make(chan *write, maxWaiting), done: make(chan struct{})}
	go w.loop()
	return w
}

// wait returns when the writer has ended, which happens after DB.closed is
// closed.
func (w *groupWriter) wait() { <-w.done }

// do has the writer run fn, and returns once fn's changes are committed or
// undone.
func (w *groupWriter) do(ctx context.Context, fn func(*Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r := &write{ctx: ctx, fn: fn, over: make(chan struct{})}
	select {
	case w.requests <- r:
	case <-ctx.Done():
		return ctx.Err()
	case <-w.done:
		return errClosed
	}
	select {
	case <-r.over:
		return r.err
	case <-w.done:
	}
	select {
	case <-r.over: // it was in the last group
		return r.err
	default:
		return errClosed
	}
}

func (w *groupWriter) loop() {
	defer close(w.done)
	for {
		select {
		case <-w.db.closed:
			return
		case r := <-w.requests:
			w.db.written.prepare(context.Background())
			w.group(r)
		}
	}
}

// group runs the first write and the waiting ones in one transaction, and gives
// each its outcome.
func (w *groupWriter) group(first *write) {
	ctx := context.Background()
	members := []*write{first}
	t, err := w.db.writer.BeginTx(ctx, nil)
	if err == nil {
		members, err = w.run(ctx, t, first)
		if err == nil {
			err = w.finish(ctx, t, members)
		} else {
			t.Rollback() //nolint:errcheck // SQLite may have undone it already
		}
	}
	for _, r := range members {
		if err != nil && r.err == nil {
			r.err = err
		}
		if r.err == nil {
			if len(r.tx.tickets) > 0 {
				w.db.wakeQueue(ticketQueue)
			}
			if len(r.tx.deliveries) > 0 {
				w.db.wakeQueue(deliveryQueue)
			}
			for _, f := range r.tx.after {
				f()
			}
		}
		close(r.over)
	}
}

// run runs writes until none waits. A returned error fails the whole group.
func (w *groupWriter) run(ctx context.Context, t *sql.Tx, first *write) ([]*write, error) {
	began := time.Now()
	members := []*write{first}
	for r := first; ; {
		if err := w.runOne(ctx, t, r); err != nil {
			return members, err
		}
		if len(members) >= maxGroup || time.Since(began) > maxGroupTime {
			return members, nil
		}
		select {
		case r = <-w.requests:
			members = append(members, r)
		default:
			return members, nil
		}
	}
}

// runOne runs a write in a savepoint. The write's own error goes to r.err; a
// returned error ends the group.
func (w *groupWriter) runOne(ctx context.Context, t *sql.Tx, r *write) error {
	select {
	case <-r.ctx.Done(): // the caller has given up
		r.err = r.ctx.Err()
		return nil
	default:
	}
	r.tx = &Tx{db: w.db, sql: t, now: w.db.Now()}
	if _, err := r.tx.ExecContext(ctx, "SAVEPOINT one"); err != nil {
		return err
	}
	if r.err = call(r.fn, r.tx); r.err != nil {
		if _, err := r.tx.ExecContext(ctx, "ROLLBACK TO one"); err != nil {
			if told := (*job.Error)(nil); errors.As(r.err, &told) {
				return err // the error of this write must not reach the others of the group
			}
			return r.err // SQLite undid the transaction: the disk is full, or worse
		}
	}
	_, err := r.tx.ExecContext(ctx, "RELEASE one")
	return err
}

// call turns a panic of fn into an error: all writes share this goroutine.
func call(fn func(*Tx) error, tx *Tx) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("write to the database: %v\n%s", p, debug.Stack())
		}
	}()
	return fn(tx)
}

// finish writes the queue entries that the members asked for, and commits.
func (w *groupWriter) finish(ctx context.Context, t *sql.Tx, members []*write) error {
	var tickets []time.Time
	var deliveries []delivery
	for _, r := range members {
		if r.err == nil {
			tickets = append(tickets, r.tx.tickets...)
			deliveries = append(deliveries, r.tx.deliveries...)
		}
	}
	if err := w.db.enqueue(ctx, t, tickets, deliveries); err != nil {
		t.Rollback() //nolint:errcheck // SQLite may have undone it already
		return err
	}
	if err := t.Commit(); err != nil {
		// database/sql considers the transaction ended; SQLite may not.
		w.db.writer.ExecContext(ctx, "ROLLBACK") //nolint:errcheck // there may be none
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}
