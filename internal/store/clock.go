package store

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/kinora-video/kinora/internal/job"
)

// Thresholds for deciding that the clock was set.
const (
	// noteEvery is how often the current time is written to the database.
	noteEvery = time.Minute
	// maxForward is the longest gap between two notes that counts as normal. A
	// longer one is either a jump of the clock or a time in which no process ran.
	// The two cannot be told apart, and need not be.
	maxForward = 24 * time.Hour
	// maxBack is how far the clock may go back before the earlier time counts as
	// wrong.
	maxBack = time.Hour
)

// watch is what a DB remembers of the clock.
type watch struct {
	mu    sync.Mutex
	noted time.Time
}

// WatchClock detects that the clock was set since a process of the server last
// ran, and corrects times that were computed with the wrong clock. Call it from
// time to time, and before anything is removed for its age.
//
// If the clock went forward, everything that would have expired in the gap is
// kept longer by the length of the gap, as nobody could have used it. If the
// clock went back on SQLite, times in the future are moved back by as much:
// otherwise leases, retries and periods that began under the wrong clock would
// last for years. On Postgres the processes of other machines may have the right
// time, so there WatchClock only logs a warning.
func (db *DB) WatchClock(ctx context.Context) error {
	db.watch.mu.Lock()
	defer db.watch.mu.Unlock()
	if since := db.Now().Sub(db.watch.noted); since >= 0 && since < noteEvery {
		return nil
	}
	var now time.Time
	var gap time.Duration
	err := db.Write(ctx, func(tx *Tx) error {
		now = tx.now
		if _, err := tx.ExecContext(ctx, "INSERT INTO clock (one, seen, jumped_from, jumped_by) VALUES (1, $1, 0, 0) ON CONFLICT (one) DO NOTHING", millis(now)); err != nil {
			return err
		}
		var seen int64
		if err := tx.QueryRowContext(ctx, "SELECT seen FROM clock WHERE one = 1"+tx.Lock()).Scan(&seen); err != nil {
			return err
		}
		gap = now.Sub(fromMillis(seen))
		var err error
		switch {
		case gap > maxForward:
			err = tx.skipTime(ctx, seen, gap.Milliseconds())
		case gap < -maxBack && db.dialect == SQLite:
			err = tx.turnBack(ctx, gap.Milliseconds())
		}
		if err != nil {
			return fmt.Errorf("correct times after the clock was set: %w", err)
		}
		_, err = tx.ExecContext(ctx, "UPDATE clock SET seen = $1 WHERE one = 1", millis(now))
		return err
	})
	if err != nil {
		return err
	}
	db.watch.noted = now
	switch {
	case gap > maxForward:
		db.log.Info("no process of this server ran for a long time, or the clock was set forward: whatever would have expired in the gap is kept longer by its length", "gap", gap)
	case gap < -maxBack && db.dialect == SQLite:
		db.log.Warn("the clock was set back: times in the future are moved back by as much", "by", -gap)
	case gap < -maxBack:
		db.log.Warn("the clock of this machine is behind, or another machine's was ahead: leases and retries written by the faster clock last longer by the difference", "by", -gap)
	}
	return nil
}

// skipTime prolongs what would have expired between the last noted time and now.
// A job without a result has no expiry time in its row: aged accounts for the
// gap.
func (tx *Tx) skipTime(ctx context.Context, seen, gap int64) error {
	for _, table := range []string{"jobs", "files"} {
		_, err := tx.ExecContext(ctx, "UPDATE "+table+" SET expires_at = expires_at + $1 WHERE expires_at > $2 AND expires_at <= $3", gap, seen, millis(tx.now))
		if err != nil {
			return err
		}
	}
	_, err := tx.ExecContext(ctx, "UPDATE clock SET jumped_from = $1, jumped_by = $2 WHERE one = 1", seen, gap)
	return err
}

// timesOf are the columns that turnBack moves, by table.
var timesOf = map[string][]string{
	"jobs":       {"created_at", "started_at", "updated_at", "finished_at", "expires_at", "lease_until", "run_after"},
	"files":      {"created_at", "expires_at"},
	"deliveries": {"created_at", "finished_at", "next_at"},
	"endpoints":  {"previous_until"},
	"wallets":    {"period_ends", "anchor"},
}

// turnBack moves times in the future back by as much as the clock went back. A
// time later than the midpoint of the two clocks was written by the wrong clock,
// an earlier one by the right clock. River has times of its own: its entries are
// made anew.
func (tx *Tx) turnBack(ctx context.Context, gap int64) error {
	middle := millis(tx.now) - gap/2
	for table, columns := range timesOf {
		for _, c := range columns {
			if _, err := tx.ExecContext(ctx, "UPDATE "+table+" SET "+c+" = "+c+" + $1 WHERE "+c+" > $2", gap, middle); err != nil {
				return err
			}
		}
	}
	if err := tx.clearQueue(ctx); err != nil {
		return err
	}
	// The reaper makes tickets. A delivery that holds a slot gets another entry
	// too: if its process was lost, River would rescue the old entry only after
	// the time by which the clock was ahead.
	rows, err := tx.QueryContext(ctx, "SELECT id, next_at FROM deliveries WHERE state = 'pending' AND slot <> 'waiting'")
	if err != nil {
		return err
	}
	due, err := collect(rows, func(row interface{ Scan(...any) error }) (d delivery, err error) {
		var next int64
		err = row.Scan(&d.id, &next)
		d.runAt = fromMillis(next)
		return d, err
	})
	for _, d := range due {
		if !d.runAt.After(tx.now) {
			d.runAt = time.Time{}
		}
		tx.EnqueueDelivery(d.id, d.runAt)
	}
	return err
}

// aged adds the condition that a column's time is before another. A time in which
// no process of the server ran does not count.
func (w *where) aged(column string, before time.Time) {
	at := w.arg(millis(before))
	w.and(column + " < " + at)
	w.and("NOT EXISTS (SELECT 1 FROM clock WHERE " + column + " <= jumped_from AND " + column + " + jumped_by >= " + at + ")")
}

// notBefore is the time of this transaction, or the latest time in a job's row if
// that is later: a wrong clock must not make a job end before it began.
func (tx *Tx) notBefore(j *job.Job) time.Time {
	now := tx.now
	for _, t := range []time.Time{j.CreatedAt, j.StartedAt, j.UpdatedAt} {
		if t.After(now) {
			now = t
		}
	}
	return now
}

// later is an SQL expression for the greater of a column's value and a
// parameter's.
func later(column, parameter string) string {
	return "CASE WHEN " + column + " > " + parameter + " THEN " + column + " ELSE " + parameter + " END"
}
