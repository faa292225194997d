package store

import (
	"context"
	"errors"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/rivertype"
)

// DropTickets drops the tickets that a transaction asked for, as a crash of River
// would.
func (tx *Tx) DropTickets() { tx.tickets = nil }

// The queues of River, for tests.
const (
	TicketQueue   = ticketQueue
	DeliveryQueue = deliveryQueue
)

// Entries counts the waiting entries of one of River's queues: those that are
// due, and those that are postponed.
func (db *DB) Entries(ctx context.Context, queue string) (due, putOff int, err error) {
	list, err := db.queue.JobList(ctx, river.NewJobListParams().Queues(queue).
		States(rivertype.JobStateAvailable, rivertype.JobStateScheduled, rivertype.JobStateRetryable).First(10_000))
	if err != nil {
		return 0, 0, err
	}
	for _, e := range list.Jobs {
		if e.State == rivertype.JobStateAvailable {
			due++
		} else {
			putOff++
		}
	}
	return due, putOff, nil
}

// Empty removes every entry of River's that is not running.
func (db *DB) Empty(ctx context.Context) error {
	_, err := db.queue.JobDeleteMany(ctx, river.NewJobDeleteManyParams().UnsafeAll().First(10_000))
	return err
}

// LoseDeliveries makes River's delivery entries look as if a process had begun
// them some time ago and was then killed.
func (db *DB) LoseDeliveries(ctx context.Context, ago time.Duration) error {
	list, err := db.queue.JobList(ctx, river.NewJobListParams().Queues(deliveryQueue).States(rivertype.JobStateAvailable).First(10_000))
	if err != nil {
		return err
	}
	at := time.Now().Add(-ago)
	for _, e := range list.Jobs {
		_, err := db.riverDriver().GetExecutor().JobUpdateFull(ctx, &riverdriver.JobUpdateFullParams{
			ID: e.ID, StateDoUpdate: true, State: rivertype.JobStateRunning, AttemptDoUpdate: true, Attempt: e.Attempt + 1,
			AttemptedAtDoUpdate: true, AttemptedAt: &at, AttemptedByDoUpdate: true, AttemptedBy: []string{"killed"},
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// OpenAt creates a database whose own tables have an earlier version, and River's
// the present one. It has no queue except the entries that transactions write.
func OpenAt(ctx context.Context, address string, version int64) (*DB, error) {
	db := newDB(Options{})
	at, err := ParseAddress(address)
	switch {
	case err != nil:
	case at.Dialect == Postgres:
		err = db.openPostgres(ctx, at.url, Options{Readers: DefaultReaders})
	default:
		err = db.openSQLite(ctx, at.File, Options{Readers: DefaultReaders})
	}
	if err != nil {
		return nil, err
	}
	p, err := db.ownMigrations()
	if err == nil {
		_, err = p.UpTo(ctx, version)
	}
	return db, errors.Join(err, db.migrateRiver(ctx), db.prepareQueue())
}
