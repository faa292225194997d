package store

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// DefaultDeliveries is how many deliveries of one project are under way at once.
const DefaultDeliveries = 4

// A project may have so many deliveries under way and no more: what its
// receivers keep waiting is its own deliveries, and no other project's. One that
// finds no room waits in its row, without an entry in River's queue, and gets
// one when another of the project is over. So the entries that River works on
// are those that can be sent.

// inLine is the busy_until of a delivery that waits for others of its project.
const inLine = -1

// oneByOne has transactions that begin and end deliveries of a project go one
// after the other, so that each sees what those before it left. It goes before
// all locks of rows of deliveries.
func (tx *Tx) oneByOne(ctx context.Context, project int64) error {
	if tx.db.dialect != Postgres {
		return nil // they do
	}
	_, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock($1)", project)
	return err
}

// projectOfDelivery is whose a delivery is, with oneByOne; 0 for one that is
// gone.
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

// callWaiting puts deliveries of a project that wait into the queue, for as many
// as there is room: those first that were never tried, in the order in which
// they came.
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
