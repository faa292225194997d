package store

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"

	"github.com/kinora-video/kinora/internal/job"
)

// River owns the sending of deliveries. Each delivery that can be sent has one
// entry in River's queue. River decides when it runs, runs it again after an
// error, and rescues it when its process was lost. The delivery's row is the
// customer's log, and enforces the bound on how many deliveries a project sends
// at once.
//
// That bound keeps slow receivers from delaying the deliveries of other projects.
// Each attempt needs one of its project's slots. A delivery that finds no free
// slot gives up its queue entry and waits in its row; it gets a new entry when
// another delivery of the project frees a slot. So River only holds entries that
// can be sent. The slot of a lost process stays held until River's rescuer runs
// the entry again, which then uses that slot.

// DefaultDeliveries is how many slots a project has: deliveries that are under
// way at once.
const DefaultDeliveries = 4

// The values of a delivery's slot.
const (
	slotNone    = ""
	slotHeld    = "held"
	slotWaiting = "waiting"
)

// maxLastError bounds the stored error of an attempt, in bytes.
const maxLastError = 500

// BeginDelivery takes a slot for an attempt at a delivery; Attempted or
// ReleaseDelivery frees it. ok is false when there is nothing to send now. Then d
// says why: the delivery is over, its NextAt is in the future, or Waits is set. d
// is zero when there is no such delivery.
func (db *DB) BeginDelivery(ctx context.Context, id int64) (d Delivery, ok bool, err error) {
	err = db.Write(ctx, func(tx *Tx) error {
		d, ok = Delivery{}, false
		project, err := tx.lockSlotsOf(ctx, id)
		if err != nil || project == 0 {
			return err
		}
		d, err = scanDelivery(tx.QueryRowContext(ctx, `SELECT `+deliveryColumns+` FROM deliveries WHERE id = $1`, id))
		if errors.Is(err, sql.ErrNoRows) {
			d = Delivery{}
			return nil
		}
		if err != nil || d.State != DeliveryPending || d.NextAt.After(tx.now) {
			return err
		}
		free, err := tx.freeSlots(ctx, project, id)
		if err != nil {
			return err
		}
		slot := slotHeld
		if ok = free > 0; !ok {
			d.Waits, slot = true, slotWaiting
		}
		_, err = tx.ExecContext(ctx, `UPDATE deliveries SET slot = $1 WHERE id = $2`, slot, id)
		return err
	})
	return d, ok && err == nil, err
}

// ReleaseDelivery frees the slot of an attempt that was not made. The caller
// keeps the entry in River's queue and must make River run it again.
func (db *DB) ReleaseDelivery(ctx context.Context, id int64) error {
	return db.Write(ctx, func(tx *Tx) error {
		project, err := tx.lockSlotsOf(ctx, id)
		if err != nil || project == 0 {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE deliveries SET slot = '' WHERE id = $1 AND slot = 'held'`, id); err != nil {
			return err
		}
		return tx.callWaiting(ctx, project)
	})
}

// Attempted writes how an attempt at a delivery went and frees its slot. next is
// when another attempt is due; the caller asks River for it. A zero next ends the
// delivery as delivered or failed. A delivery that is over stays as it is.
func (db *DB) Attempted(ctx context.Context, id int64, status int, why string, delivered bool, next time.Time) error {
	state := DeliveryPending
	switch {
	case delivered:
		state = DeliveryDelivered
	case next.IsZero():
		state = DeliveryFailed
	}
	why = strings.ReplaceAll(why[:min(len(why), maxLastError)], "\x00", "") // Postgres accepts no zero bytes
	why = strings.ToValidUTF8(why, "")
	return db.Write(ctx, func(tx *Tx) error {
		var finished int64
		if state != DeliveryPending {
			finished = millis(tx.Now())
		}
		project, err := tx.lockSlotsOf(ctx, id)
		if err != nil || project == 0 {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE deliveries SET state = $1, attempts = attempts + 1, next_at = $2, last_status = $3, last_error = $4, finished_at = $5, slot = ''
			WHERE id = $6 AND state = $7`, state, millis(next), status, why, finished, id, DeliveryPending)
		if err != nil {
			return err
		}
		return tx.callWaiting(ctx, project)
	})
}

// Replay makes a finished delivery pending again, with the present URL of its
// endpoint, and enqueues it.
func (db *DB) Replay(ctx context.Context, project, id int64) error {
	return db.Write(ctx, func(tx *Tx) error {
		n, err := tx.Changed(ctx, `UPDATE deliveries SET state = $1, attempts = 0, next_at = $2, last_error = '', finished_at = 0,
			url = COALESCE((SELECT endpoints.url FROM endpoints WHERE endpoints.id = deliveries.endpoint), url)
			WHERE id = $3 AND project = $4 AND state <> $1`, DeliveryPending, millis(tx.Now()), id, project)
		if err != nil {
			return err
		}
		if n == 0 {
			return job.Errorf(job.NotFound, "id", "there is no finished delivery %d to replay", id)
		}
		tx.EnqueueDelivery(id, time.Time{})
		return nil
	})
}

// lockSlots makes this transaction wait for others that take or free slots of the
// project, so that it sees their changes. Call it before any row of deliveries is
// locked.
func (tx *Tx) lockSlots(ctx context.Context, project int64) error {
	if tx.db.dialect != Postgres {
		return nil // SQLite has one writer at a time
	}
	_, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock($1)", project)
	return err
}

// lockSlotsOf locks the slots of a delivery's project and returns the project, or
// 0 when there is no such delivery.
func (tx *Tx) lockSlotsOf(ctx context.Context, id int64) (project int64, err error) {
	err = tx.QueryRowContext(ctx, `SELECT project FROM deliveries WHERE id = $1`, id).Scan(&project)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return project, tx.lockSlots(ctx, project)
}

// freeSlots counts a project's slots that are free, or held by the delivery
// except.
func (tx *Tx) freeSlots(ctx context.Context, project, except int64) (int, error) {
	var held int
	// The slot is a literal, so that the partial index of held slots is used.
	err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM deliveries WHERE project = $1 AND slot = 'held' AND id <> $2`, project, except).Scan(&held)
	return max(0, tx.db.deliveries-held), err
}

// callWaiting enqueues as many waiting deliveries of a project as there are free
// slots: those with the fewest attempts first, and of these the oldest.
func (tx *Tx) callWaiting(ctx context.Context, project int64) error {
	free, err := tx.freeSlots(ctx, project, 0)
	if err != nil || free == 0 {
		return err
	}
	rows, err := tx.QueryContext(ctx, `UPDATE deliveries SET slot = '' WHERE id IN (SELECT id FROM deliveries
		WHERE project = $1 AND slot = 'waiting' ORDER BY attempts, created_at, id LIMIT $2`+tx.db.skipLocked()+`) RETURNING id`, project, free)
	if err != nil {
		return err
	}
	called, err := collect(rows, scanID)
	for _, id := range called {
		tx.EnqueueDelivery(id, time.Time{})
	}
	return err
}

// callAllWaiting calls callWaiting for every project that has free slots.
// Normally the deliveries that hold slots do so when they end. The exceptions are
// that the operator gives projects more slots, or that the previous version left
// some waiting, so one call when a queue starts is enough.
func (db *DB) callAllWaiting(ctx context.Context) error {
	var projects []int64
	err := db.Read(ctx, func(q Queryer) error {
		rows, err := q.QueryContext(ctx, `SELECT project FROM (SELECT DISTINCT project FROM deliveries WHERE slot = 'waiting') AS waiting
			WHERE (SELECT COUNT(*) FROM deliveries WHERE deliveries.project = waiting.project AND slot = 'held') < $1`, db.deliveries)
		if err != nil {
			return err
		}
		projects, err = collect(rows, scanID)
		return err
	})
	for _, p := range projects {
		if err == nil {
			err = db.Write(ctx, func(tx *Tx) error {
				if err := tx.lockSlots(ctx, p); err != nil {
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
