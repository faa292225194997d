package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverdatabasesql"

	"github.com/kinora-video/kinora/internal/job"
)

// River's queues, and how they are tuned.
const (
	ticketQueue   = "tickets"
	deliveryQueue = "deliveries"

	fetchCooldown = 20 * time.Millisecond
	// River looks by itself this often, beside LISTEN and our listener. On SQLite
	// a look takes 1 ms, and our listener misses nothing.
	pollSQLite   = 10 * time.Second
	pollPostgres = time.Second

	// ticketTime is how long a ticket may be worked on: River takes one for
	// lost after that. It ends by itself long before.
	ticketTime = 24 * time.Hour
	// drainTime is how long one ticket takes jobs before it makes way for
	// another.
	drainTime = 10 * time.Minute
	// deliveryTime bounds one delivery; it is longer than a receiver may be given
	// to answer. rescueAfter is when River takes one for lost; Reap does so
	// earlier.
	deliveryTime  = 2 * time.Minute
	rescueAfter   = 3 * time.Minute
	keepCompleted = time.Minute
	keepFailed    = time.Hour

	// DefaultReapEvery is how often leases, patience and tickets are looked at.
	DefaultReapEvery = 2 * time.Second
	// DefaultDeliverers is how many webhooks are delivered at once, of all
	// projects. One takes a connection and some 50 KiB while its receiver is
	// waited for; the bound is only for the machine's sake, as Options.Deliveries
	// bounds each project.
	DefaultDeliverers = 1000
)

// QueueConfig says what a process does for the queue.
type QueueConfig struct {
	// Workers is how many jobs run at once. Work claims one job and runs it; did
	// reports whether there was one. A nil Work runs none.
	Workers int
	Work    func(ctx context.Context) (did bool, err error)
	// Deliverers is how many deliveries are made at once; 0 is
	// DefaultDeliverers. Deliver makes the given attempt, 1 being the first, at
	// a delivery: unless done, there is another after retryAfter. A nil Deliver
	// makes none.
	Deliverers int
	Deliver    func(ctx context.Context, delivery int64, attempt int) (retryAfter time.Duration, done bool, err error)
	// Refund is given to DB.Reap, which every process with a queue runs every
	// ReapEvery; 0 is DefaultReapEvery.
	Refund    func(*Tx, *job.Job) error
	ReapEvery time.Duration
}

// Queue works for as long as it is not stopped.
type Queue struct {
	db     *DB
	config QueueConfig
	client *river.Client[*sql.Tx]

	stopping chan struct{}
	once     sync.Once
	reaper   sync.WaitGroup
	err      error
}

// ticket is a River job that says: run the job whose turn it is.
type ticket struct{}

// Kind is the name of the kind of River job.
func (ticket) Kind() string { return "ticket" }

// deliveryArgs is a River job that says: make this delivery.
type deliveryArgs struct {
	ID int64 `json:"id"`
}

// Kind is the name of the kind of River job.
func (deliveryArgs) Kind() string { return "delivery" }

func (db *DB) riverDriver() riverdriver.Driver[*sql.Tx] {
	if db.dialect == Postgres {
		return riverdatabasesql.NewWithPgxListener(db.writer, db.listener)
	}
	return db.sqliteDriver()
}

// riverLog passes on what River warns of.
func (db *DB) riverLog() *slog.Logger { return slog.New(atLeast{db.log.Handler(), slog.LevelWarn}) }

// prepareQueue makes the client that only enqueues.
func (db *DB) prepareQueue() error {
	c, err := river.NewClient(db.riverDriver(), &river.Config{Logger: db.riverLog(), FetchCooldown: fetchCooldown})
	db.queue = c
	return err
}

// EnqueueTicket has some worker look for a job at a time; zero is now.
func (tx *Tx) EnqueueTicket(runAt time.Time) { tx.tickets = append(tx.tickets, runAt) }

// EnqueueDelivery has a delivery made at a time; zero is now. (A time that is
// not zero costs up to five seconds: River looks that often what has come due.)
func (tx *Tx) EnqueueDelivery(id int64, runAt time.Time) {
	tx.deliveries = append(tx.deliveries, delivery{id, runAt})
}

// enqueue writes River's jobs in the transaction that asked for them.
func (db *DB) enqueue(ctx context.Context, t *sql.Tx, tickets []time.Time, deliveries []delivery) error {
	if len(tickets)+len(deliveries) == 0 {
		return nil
	}
	in := make([]river.InsertManyParams, 0, len(tickets)+len(deliveries))
	for _, at := range tickets {
		// River may lose one with its process; the reaper makes others.
		in = append(in, river.InsertManyParams{Args: ticket{}, InsertOpts: &river.InsertOpts{Queue: ticketQueue, MaxAttempts: 1, ScheduledAt: at}})
	}
	for _, d := range deliveries {
		in = append(in, river.InsertManyParams{Args: deliveryArgs{d.id}, InsertOpts: &river.InsertOpts{Queue: deliveryQueue, ScheduledAt: d.runAt}})
	}
	_, err := db.queue.InsertManyFastTx(ctx, t, in)
	return err
}

// StartQueue starts working. ctx is the whole life of it: when it ends,
// running jobs are cancelled; Stop is the gentle end.
func (db *DB) StartQueue(ctx context.Context, c QueueConfig) (*Queue, error) {
	if c.ReapEvery <= 0 {
		c.ReapEvery = DefaultReapEvery
	}
	if c.Deliverers <= 0 {
		c.Deliverers = DefaultDeliverers
	}
	if c.Work != nil && c.Workers <= 0 {
		c.Workers = 1
	}
	q := &Queue{db: db, config: c, stopping: make(chan struct{})}
	rc := &river.Config{
		Logger:                      db.riverLog(),
		FetchCooldown:               fetchCooldown,
		FetchPollInterval:           pollPostgres,
		JobTimeout:                  deliveryTime,
		RescueStuckJobsAfter:        rescueAfter,
		CompletedJobRetentionPeriod: keepCompleted,
		CancelledJobRetentionPeriod: keepFailed,
		DiscardedJobRetentionPeriod: keepFailed,
		Queues:                      map[string]river.QueueConfig{},
		Workers:                     river.NewWorkers(),
		ReindexerSchedule:           river.NeverSchedule(),
	}
	if db.dialect == SQLite {
		rc.FetchPollInterval = pollSQLite
	}
	if c.Work != nil {
		rc.Queues[ticketQueue] = river.QueueConfig{MaxWorkers: c.Workers}
		river.AddWorker(rc.Workers, &ticketWorker{queue: q})
	} else {
		river.AddWorker(rc.Workers, &ticketWorker{}) // so that the rescuer knows the kind
	}
	if c.Deliver != nil {
		rc.Queues[deliveryQueue] = river.QueueConfig{MaxWorkers: c.Deliverers}
	}
	river.AddWorker(rc.Workers, &deliveryWorker{queue: q})
	q.reaper.Go(func() { q.reap(ctx) })
	if len(rc.Queues) == 0 {
		return q, nil
	}
	client, err := river.NewClient(db.riverDriver(), rc)
	if err == nil {
		// River takes the end of this context for a gentle stop, and would then
		// wait for what runs; ctx is passed on to that in Work.
		err = client.Start(ctx)
	}
	if err != nil {
		q.once.Do(func() { close(q.stopping) })
		q.reaper.Wait()
		return nil, explain("start the queue", err)
	}
	q.client = client
	return q, nil
}

// Stop takes no more work and waits for what runs; when ctx ends, that is
// cancelled and waited for.
func (q *Queue) Stop(ctx context.Context) error {
	q.once.Do(func() {
		close(q.stopping)
		if q.client != nil {
			q.err = q.client.Stop(ctx)
			if q.err != nil {
				// Cancelled work still writes where it stands, which takes a moment.
				hard, cancel := context.WithTimeout(context.WithoutCancel(ctx), hardStop)
				defer cancel()
				q.err = q.client.StopAndCancel(hard)
			}
		}
		q.reaper.Wait()
	})
	return q.err
}

// hardStop is how long cancelled work may take to end.
const hardStop = 30 * time.Second

func (q *Queue) stopped() bool {
	select {
	case <-q.stopping:
		return true
	default:
		return false
	}
}

// reap looks at leases, patience and tickets until the queue is stopped.
func (q *Queue) reap(ctx context.Context) {
	t := time.NewTicker(q.config.ReapEvery)
	defer t.Stop()
	for {
		err := q.db.WatchClock(ctx)
		if err == nil {
			_, _, _, err = q.db.Reap(ctx, q.db.Now(), q.config.Refund)
		}
		if err != nil && ctx.Err() == nil {
			q.db.log.Warn("looking for lost jobs failed; it is done again soon", "error", err)
		}
		select {
		case <-t.C:
		case <-q.stopping:
			return
		case <-ctx.Done():
			return
		}
	}
}

type ticketWorker struct {
	river.WorkerDefaults[ticket]
	queue *Queue
}

// Timeout is longer than any ticket is worked on.
func (w *ticketWorker) Timeout(*river.Job[ticket]) time.Duration { return ticketTime }

// Work runs jobs until there is none: one ticket stands for all that wait. It
// never fails, as jobs have retries of their own.
func (w *ticketWorker) Work(ctx context.Context, _ *river.Job[ticket]) error {
	if w.queue == nil {
		return nil
	}
	began := time.Now()
	for !w.queue.stopped() && ctx.Err() == nil {
		if !w.one(ctx) {
			break
		}
		if time.Since(began) > drainTime {
			return w.queue.db.Write(context.WithoutCancel(ctx), func(tx *Tx) error { tx.EnqueueTicket(time.Time{}); return nil })
		}
	}
	return nil
}

// one runs a job and reports whether there may be more.
func (w *ticketWorker) one(ctx context.Context) bool {
	did, err := w.queue.config.Work(ctx)
	if err != nil && ctx.Err() == nil {
		w.queue.db.log.Warn("running a job failed", "error", err)
	}
	return did && err == nil
}

type deliveryWorker struct {
	river.WorkerDefaults[deliveryArgs]
	queue *Queue
}

// Work makes one attempt at a delivery.
func (w *deliveryWorker) Work(ctx context.Context, j *river.Job[deliveryArgs]) error {
	if w.queue.config.Deliver == nil {
		return errors.New("this process makes no deliveries")
	}
	// River takes an attempt back that is put off, and counts those.
	var meta struct {
		Snoozes int `json:"snoozes"`
	}
	if err := json.Unmarshal(j.Metadata, &meta); err != nil {
		return fmt.Errorf("read what River knows of delivery %d: %w", j.Args.ID, err)
	}
	after, done, err := w.queue.config.Deliver(ctx, j.Args.ID, j.Attempt+meta.Snoozes)
	if err != nil || done {
		return err
	}
	return river.JobSnooze(after)
}

// ticketsWaiting counts River's tickets that a worker will take at once.
func ticketsWaiting(ctx context.Context, q Queryer) (n int, err error) {
	err = q.QueryRowContext(ctx, "SELECT COUNT(*) FROM river_job WHERE state='available' AND queue='"+ticketQueue+"'").Scan(&n)
	return n, err
}

// atLeast is a handler that passes on records from a level up.
type atLeast struct {
	slog.Handler
	level slog.Level
}

// Enabled reports whether a record of a level is passed on.
func (h atLeast) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= h.level && h.Handler.Enabled(ctx, l)
}

// WithAttrs keeps the level.
func (h atLeast) WithAttrs(a []slog.Attr) slog.Handler {
	return atLeast{h.Handler.WithAttrs(a), h.level}
}

// WithGroup keeps the level.
func (h atLeast) WithGroup(name string) slog.Handler {
	return atLeast{h.Handler.WithGroup(name), h.level}
}
