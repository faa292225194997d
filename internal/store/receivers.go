package store

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// DefaultDeliveries is how many deliveries of one project are under way at once.
const DefaultDeliveries = 4

// The deliveries of a project that are under way at once are bounded, so slow
// receivers delay their own project's deliveries and nobody else's. A delivery
// that finds no room waits in its row, without an entry in River's queue. It gets
// one when another delivery of the project is over. So River only works on
// entries that can be sent.

// inLine is the busy_until of a delivery that waits for others of its project.
const inLine = -1

// oneByOne makes this transaction wait for others that begin or end deliveries of
// the same project, so that it sees what they wrote. Call it before any row of
// deliveries is locked.
func (tx *Tx) oneByOne(ctx context.Context, project int64) error {
	if tx.db.dialect != Postgres {
		return nil // all transactions that write go one by one
	}
	_, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock($1)", project)
	return err
}

// projectOfDelivery finds the project of a delivery and calls oneByOne; it is 0
// when the delivery is gone.
func (tx *Tx) projectOfDelivery(ctx context.Context, id int64) (project int64, err error) {
	err = tx.QueryRowContext(ctx, `SELECT project FROM deliveries WHERE id = $1`, id).Scan(&project)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return project, tx.oneByOne(ctx, project)
}

// roomToDeliver is how many more deliveries of a project may be begun.
func (tx *Tx) roomToDeliver(ctx context.Context, project int64) (int, error) {
	var busy int
	err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM deliveries WHERE project = $1 AND busy_until > 0 AND busy_until > $2`, project, millis(tx.now)).Scan(&busy)
	return max(0, tx.db.deliveries-busy), err
}

// callWaiting puts as many waiting deliveries of a project into the queue as there
// is room for: first those that were never tried, in the order in which they came.
func (tx *Tx) callWaiting(ctx context.Context, project int64) error {
	room, err := tx.roomToDeliver(ctx, project)
	if err != nil || room == 0 {
		return err
	}
	rows, err := tx.QueryContext(ctx, `UPDATE deliveries SET busy_until = 0 WHERE id IN (SELECT id FROM deliveries
		WHERE project = $1 AND busy_until < 0 ORDER BY attempts, created_at, id LIMIT $2`+tx.db.skipLocked()+`) RETURNING id`, project, room)
	if err != nil {
		return err
	}
	called, err := collect(rows, scanID)
	for _, id := range called {
		tx.EnqueueDelivery(id, time.Time{})
	}
	return err
}

// callAllWaiting does so for every project that has room. What ends a delivery
// calls the next; this is for what ended with its process.
func (db *DB) callAllWaiting(ctx context.Context) error {
	var projects []int64
	err := db.Read(ctx, func(q Queryer) error {
		rows, err := q.QueryContext(ctx, `SELECT project FROM (SELECT DISTINCT project FROM deliveries WHERE busy_until < 0) AS waiting
			WHERE (SELECT COUNT(*) FROM deliveries WHERE deliveries.project = waiting.project AND busy_until > 0 AND busy_until > $1) < $2 LIMIT $3`,
			millis(db.Now()), db.deliveries, maxReaped)
		if err != nil {
			return err
		}
		projects, err = collect(rows, scanID)
		return err
	})
	for _, p := range projects {
		if err == nil {
			err = db.Write(ctx, func(tx *Tx) error {
				if err := tx.oneByOne(ctx, p); err != nil {
					return err
				}
				return tx.callWaiting(ctx, p)
			})
		}
	}
	return err
}

func scanID(row interface{ Scan(...any) error }) (id int64, err error) {
	err = row.Scan(&id)
	return id, err
}
