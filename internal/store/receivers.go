package store

import (
	"context"
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

// callAllWaiting does so for every project. What ends a delivery calls the next;
// this is for what ended with its process, and for Postgres, where one may begin
// to wait just as the last of those before it is over.
func (db *DB) callAllWaiting(ctx context.Context) error {
	var projects []int64
	err := db.Read(ctx, func(q Queryer) error {
		rows, err := q.QueryContext(ctx, `SELECT DISTINCT project FROM deliveries WHERE busy_until < 0 LIMIT $1`, maxReaped)
		if err != nil {
			return err
		}
		projects, err = collect(rows, scanID)
		return err
	})
	for _, p := range projects {
		if err == nil {
			err = db.Write(ctx, func(tx *Tx) error { return tx.callWaiting(ctx, p) })
		}
	}
	return err
}

func scanID(row interface{ Scan(...any) error }) (id int64, err error) {
	err = row.Scan(&id)
	return id, err
}
