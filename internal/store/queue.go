package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverdatabasesql"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivertype"

	"github.com/kinora-video/kinora/internal/job"
)

// River's queues, and how they are tuned.
const (
	ticketQueue   = "tickets"
	deliveryQueue = "deliveries"

	fetchCooldown = 20 * time.Millisecond
	// River polls this often, beside LISTEN and our listener. On SQLite a poll
	// takes 1 ms.
	pollSQLite   = 10 * time.Second
	pollPostgres = time.Second

	// ticketTime is how long a ticket may run before River treats it as lost. A
	// ticket ends by itself long before.
	ticketTime = 24 * time.Hour
	// drainTime is how long one ticket runs jobs before it makes way for another
	// ticket.
	drainTime = 10 * time.Minute
	// DefaultDeliverTime bounds one attempt at a delivery.
	DefaultDeliverTime = 2 * time.Minute
	// River treats an attempt as lost, and repeats it, once it has run rescueLate
	// longer than allowed. One process looks for such attempts every 30 seconds.
	rescueLate = 5 * time.Second
	// River gives a delivery up after maxDeliveryErrors attempts that were lost
	// or met an error of the database. The number is out of reach, as nobody
	// would write the failure into the delivery's row. A receiver's refusal is
	// not counted here.
	maxDeliveryErrors = 10_000
	// An attempt that met an error of the database is repeated after errorDelay.
	// Each further delay is longer by errorDelay, up to maxErrorDelay.
	errorDelay    = time.Second
	maxErrorDelay = time.Minute

	keepCompleted = time.Minute
	keepFailed    = time.Hour

	// DefaultReapEvery is how often Reap runs.
	DefaultReapEvery = 2 * time.Second
	// DefaultDeliverers is how many webhooks of all projects are sent at once.
	// Each takes a connection and some 50 KiB while its receiver is slow to
	// answer. The bound only protects the machine; Options.Deliveries bounds each
	// project.
	DefaultDeliverers = 1000
)

// QueueConfig says which of the queue's work a process does.
type QueueConfig struct {
	// Workers is how many jobs run at once. Work claims one job and runs it; did
	// reports whether there was one. With a nil Work this process runs no jobs.
	Workers int
	Work    func(ctx context.Context) (did bool, err error)
	// Deliverers is how many deliveries are sent at once; 0 is DefaultDeliverers.
	// Deliver makes one attempt at a delivery and returns after how long to make
	// the next, or 0 for none. After an error another attempt follows soon. With
	// a nil Deliver this process sends nothing.
	Deliverers int
	Deliver    func(ctx context.Context, delivery int64) (retryAfter time.Duration, err error)
	// DeliverTime bounds one attempt; 0 is DefaultDeliverTime. River repeats an
	// attempt whose process was lost this long after it began, plus rescueLate.
	DeliverTime time.Duration
	// RestAfter is for how long no work must have run before the queue rests (on
	// SQLite); 0 is DefaultRestAfter.
	RestAfter time.Duration
	// Refund is passed to DB.Reap, which every process with a queue calls every
	// ReapEvery; 0 is DefaultReapEvery.
	Refund    func(*Tx, *job.Job) error
	ReapEvery time.Duration
}

// Queue runs jobs and deliveries until it is stopped.
type Queue struct {
	db     *DB
	config QueueConfig
	river  *river.Config // of the clients

	// client is River's working client; nil while the queue rests. Only the
	// goroutine of tend changes it, until that goroutine has ended.
	client *river.Client[*sql.Tx]
	rest   rest

	stopping chan struct{}
	once     sync.Once
	side     sync.WaitGroup // reap and tend
	err      error
}

// ticket is a River job that means: run the job whose turn it is.
type ticket struct{}

// Kind is the name of the kind of River job.
func (ticket) Kind() string { return "ticket" }

// deliveryArgs is a River job that means: send this delivery.
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

// riverLog passes on River's warnings and errors.
func (db *DB) riverLog() *slog.Logger { return slog.New(atLeast{db.log.Handler(), slog.LevelWarn}) }

// prepareQueue makes the clients that only enqueue and read.
func (db *DB) prepareQueue() (err error) {
	c := &river.Config{Logger: db.riverLog(), FetchCooldown: fetchCooldown}
	if db.queue, err = river.NewClient(db.riverDriver(), c); err != nil {
		return err
	}
	db.reads = db.queue
	if db.dialect == SQLite {
		db.reads, err = river.NewClient(sqliteDriver{riversqlite.New(db.reader), db}, c)
	}
	return err
}

// EnqueueTicket makes a worker look for a job at a time; the zero time is now.
func (tx *Tx) EnqueueTicket(runAt time.Time) { tx.tickets = append(tx.tickets, runAt) }

// EnqueueDelivery has a delivery sent at a time; the zero time is now.
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
		// River may lose a ticket with its process; the reaper makes new ones.
		in = append(in, river.InsertManyParams{Args: ticket{}, InsertOpts: &river.InsertOpts{Queue: ticketQueue, MaxAttempts: 1, ScheduledAt: at}})
	}
	for _, d := range deliveries {
		in = append(in, river.InsertManyParams{Args: deliveryArgs{d.id}, InsertOpts: &river.InsertOpts{Queue: deliveryQueue, MaxAttempts: maxDeliveryErrors, ScheduledAt: d.runAt}})
	}
	_, err := db.queue.InsertManyFastTx(ctx, t, in)
	return err
}

// StartQueue starts a queue. When ctx ends, running jobs are cancelled; call Stop
// to let them finish.
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
	if c.DeliverTime <= 0 {
		c.DeliverTime = DefaultDeliverTime
	}
	if c.RestAfter <= 0 {
		c.RestAfter = DefaultRestAfter
	}
	if err := db.callAllWaiting(ctx); err != nil {
		return nil, err
	}
	q := &Queue{db: db, config: c, stopping: make(chan struct{})}
	q.river = q.riverConfig()
	if len(q.river.Queues) > 0 {
		if err := q.startClient(ctx); err != nil {
			return nil, err
		}
		if db.dialect == SQLite {
			q.side.Go(func() { q.tend(ctx) })
		}
	}
	q.side.Go(func() { q.reap(ctx) })
	return q, nil
}

// riverConfig is the configuration of this queue's River clients.
func (q *Queue) riverConfig() *river.Config {
	c := q.config
	rc := &river.Config{
		Logger:                      q.db.riverLog(),
		FetchCooldown:               fetchCooldown,
		FetchPollInterval:           pollPostgres,
		JobTimeout:                  c.DeliverTime,
		RescueStuckJobsAfter:        c.DeliverTime + rescueLate,
		CompletedJobRetentionPeriod: keepCompleted,
		CancelledJobRetentionPeriod: keepFailed,
		DiscardedJobRetentionPeriod: keepFailed,
		Queues:                      map[string]river.QueueConfig{},
		Workers:                     river.NewWorkers(),
		ReindexerSchedule:           river.NeverSchedule(),
	}
	if q.db.dialect == SQLite {
		rc.FetchPollInterval = pollSQLite
	}
	if c.Work != nil {
		rc.Queues[ticketQueue] = river.QueueConfig{MaxWorkers: c.Workers}
	}
	if c.Deliver != nil {
		rc.Queues[deliveryQueue] = river.QueueConfig{MaxWorkers: c.Deliverers}
	}
	// The rescuer has to know every kind, including those that only other
	// processes run.
	river.AddWorker(rc.Workers, &ticketWorker{queue: q})
	river.AddWorker(rc.Workers, &deliveryWorker{queue: q})
	return rc
}

// startClient starts a client of River's.
func (q *Queue) startClient(ctx context.Context) error {
	client, err := river.NewClient(q.db.riverDriver(), q.river)
	if err == nil {
		// River would treat the end of this context as a gentle stop and wait for
		// running jobs. Work passes the end of ctx on to them instead.
		err = client.Start(ctx)
	}
	if err != nil {
		return databaseError("start the queue", err)
	}
	q.client = client
	return nil
}

// Stop starts no more work and waits for running work. When ctx ends, it cancels
// that work and waits until it has ended.
func (q *Queue) Stop(ctx context.Context) error {
	q.once.Do(func() {
		close(q.stopping)
		q.side.Wait()
		if q.client == nil {
			return
		}
		q.err = q.client.Stop(ctx)
		if q.err != nil {
			// Cancelled work still writes its state, which takes a moment.
			hard, cancel := context.WithTimeout(context.WithoutCancel(ctx), hardStop)
			defer cancel()
			q.err = q.client.StopAndCancel(hard)
		}
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

// reap calls DB.Reap regularly until the queue is stopped.
func (q *Queue) reap(ctx context.Context) {
	t := time.NewTicker(q.config.ReapEvery)
	defer t.Stop()
	for {
		err := q.db.WatchClock(ctx)
		if err == nil {
			_, _, _, err = q.db.Reap(ctx, q.db.Now(), q.config.Refund)
		}
		if err != nil && ctx.Err() == nil {
			q.db.log.Warn("looking for lost jobs failed; it is tried again soon", "error", err)
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

// Timeout is longer than any ticket runs.
func (w *ticketWorker) Timeout(*river.Job[ticket]) time.Duration { return ticketTime }

// Work runs jobs until there is none left: one ticket stands for all waiting
// jobs. A job's failure does not fail the ticket, as jobs have retries of their
// own.
func (w *ticketWorker) Work(ctx context.Context, _ *river.Job[ticket]) error {
	if w.queue.config.Work == nil {
		return errors.New("this process runs no jobs")
	}
	if !w.queue.rest.begin() {
		w.queue.db.wakeQueueIn(ticketQueue, 0)
		return river.JobSnooze(0)
	}
	defer w.queue.rest.end()
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
	if !w.queue.rest.begin() {
		w.queue.db.wakeQueueIn(deliveryQueue, 0)
		return river.JobSnooze(0)
	}
	defer w.queue.rest.end()
	after, err := w.queue.config.Deliver(ctx, j.Args.ID)
	switch {
	case err != nil && ctx.Err() != nil: // this process ends; another one repeats the attempt
		return river.JobSnooze(0)
	case err != nil || after <= 0:
		return err
	}
	w.queue.db.wakeQueueIn(deliveryQueue, after)
	return river.JobSnooze(after)
}

// NextRetry is when River repeats an attempt that met an error of the database or
// that River's rescuer treated as lost.
func (w *deliveryWorker) NextRetry(j *river.Job[deliveryArgs]) time.Time {
	delay := min(time.Duration(j.Attempt)*errorDelay, maxErrorDelay)
	w.queue.db.wakeQueueIn(deliveryQueue, delay)
	return time.Now().Add(delay)
}

// ticketsWaiting counts River's tickets that are ready to run, up to maxTickets.
func (db *DB) ticketsWaiting(ctx context.Context) (int, error) {
	waiting, err := db.reads.JobList(ctx, river.NewJobListParams().Queues(ticketQueue).States(rivertype.JobStateAvailable).First(maxTickets))
	if err != nil {
		return 0, databaseError("read the queue", err)
	}
	return len(waiting.Jobs), nil
}

// cleared is how many entries one statement of clearQueue removes.
const cleared = 10_000

// clearQueue removes the entries of River's queue that are not running, and the
// elected leader of River's clients, who then elect another. It is for SQLite.
func (tx *Tx) clearQueue(ctx context.Context) error {
	ctx = tx.whole(ctx)
	for {
		gone, err := tx.db.queue.JobDeleteManyTx(ctx, tx.sql, river.NewJobDeleteManyParams().Queues(ticketQueue, deliveryQueue).First(cleared))
		if err != nil {
			return fmt.Errorf("clear the queue: %w", err)
		}
		if len(gone.Jobs) < cleared {
			break
		}
	}
	exec := tx.db.riverDriver().UnwrapExecutor(tx.sql)
	leader, err := exec.LeaderGetElectedLeader(ctx, &riverdriver.LeaderGetElectedLeaderParams{})
	if errors.Is(err, rivertype.ErrNotFound) {
		return nil
	}
	if err == nil {
		_, err = exec.LeaderResign(ctx, &riverdriver.LeaderResignParams{ElectedAt: leader.ElectedAt, LeaderID: leader.LeaderID})
	}
	if err != nil {
		return fmt.Errorf("clear the queue: %w", err)
	}
	return nil
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
