package store

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
)

// River's client never stops working: it polls for entries to run, to schedule
// and to rescue, and renews its leadership. So on SQLite an idle queue rests: it
// stops its client, and starts another when there is an entry to run. (On
// Postgres a resting process would need a listener of its own.)

const (
	// DefaultRestAfter is for how long no work must have run before a queue
	// rests. It is also how often the queue checks whether it may rest.
	DefaultRestAfter = 15 * time.Second
	// startRetry is the delay before another try to start a client.
	startRetry = time.Second
)

// rest tracks whether a queue has work or rests.
type rest struct {
	mu      sync.Mutex
	running int       // jobs and deliveries under way
	last    time.Time // when the last one ended
	resting bool      // no work may begin
}

// begin counts one more piece of running work. It returns false while the queue
// rests: the work must not begin.
func (r *rest) begin() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.resting {
		return false
	}
	r.running++
	return true
}

func (r *rest) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.running--
	r.last = time.Now()
}

// set begins or ends a rest. A rest only begins if nothing runs and nothing has
// run for the time idle. It reports whether it did.
func (r *rest) set(resting bool, idle time.Duration) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if resting && (r.running > 0 || time.Since(r.last) < idle) {
		return false
	}
	r.resting = resting
	return true
}

// tend keeps a client running while there may be something to do, until the queue
// is stopped.
func (q *Queue) tend(ctx context.Context) {
	life, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-q.stopping:
			cancel()
		case <-life.Done():
		}
	}()
	t := time.NewTicker(q.config.RestAfter)
	defer t.Stop()
	for {
		select {
		case <-life.Done():
			return
		case <-t.C:
		}
		// If the database is away, its users report that.
		if idle, _, err := q.idle(life); err != nil || !idle || !q.rest.set(true, q.config.RestAfter) {
			continue
		}
		q.sleep(ctx, life)
	}
}

// sleep stops the client, waits until there is work, and starts another client.
// When life ends, sleep returns with or without a client. (The queue's ctx ends
// after life.)
func (q *Queue) sleep(ctx, life context.Context) {
	defer q.rest.set(false, 0)
	l := &listener{db: q.db}
	if err := l.Connect(life); err != nil {
		return // the queue keeps its present client
	}
	defer l.Close(life) //nolint:errcheck // it never fails
	// Work that begins now is postponed, so this waits for no job.
	if err := q.client.Stop(life); err != nil {
		return // Queue.Stop takes over
	}
	q.client = nil
	for {
		// The check comes first: the client that stopped may have been told of
		// new work.
		idle, until, err := q.idle(life)
		if err != nil || !idle {
			break
		}
		if err := q.awaitOwn(life, l, until); err != nil {
			break
		}
	}
	for life.Err() == nil {
		err := q.wakeUp(ctx)
		if err == nil {
			return
		}
		q.db.log.Warn("the queue could not start its client; it is tried again soon", "error", err)
		select {
		case <-life.Done():
		case <-time.After(startRetry):
		}
	}
}

// wakeUp ends a rest and starts a client, in this order: a client looks for work
// as it starts, and work that it finds during a rest is postponed.
func (q *Queue) wakeUp(ctx context.Context) error {
	q.rest.set(false, 0)
	return q.startClient(ctx)
}

// awaitOwn blocks until a queue that this process works on may have an entry, or
// until a time; the zero time is never.
func (q *Queue) awaitOwn(ctx context.Context, l *listener, until time.Time) error {
	if !until.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, until)
		defer cancel()
	}
	for {
		if queue, ok := l.next(); !ok {
			if err := l.wait(ctx); err != nil {
				return err
			}
		} else if _, own := q.river.Queues[queue]; own {
			l.forget() // one announcement is enough to wake up
			return nil
		}
	}
}

// idle reports whether River's queue has nothing for this process: no entry to
// run, no delivery whose process may be lost, and no entry that is postponed by
// only a short time. until is when the next entry that is postponed for longer is
// due, or zero. (The ticket of a lost process needs no waiting for.)
func (q *Queue) idle(ctx context.Context) (idle bool, until time.Time, err error) {
	own := slices.Collect(maps.Keys(q.river.Queues))
	for _, of := range []*river.JobListParams{
		river.NewJobListParams().States(rivertype.JobStateAvailable).Queues(own...),
		river.NewJobListParams().States(rivertype.JobStateRunning).Queues(deliveryQueue),
	} {
		list, err := q.db.reads.JobList(ctx, of.First(1))
		if err != nil || len(list.Jobs) > 0 {
			return false, time.Time{}, err
		}
	}
	putOff, err := q.db.reads.JobList(ctx, river.NewJobListParams().States(rivertype.JobStateScheduled, rivertype.JobStateRetryable).
		OrderBy(river.JobListOrderByScheduledAt, river.SortOrderAsc).First(1))
	if err != nil || len(putOff.Jobs) == 0 {
		return err == nil, time.Time{}, err
	}
	until = putOff.Jobs[0].ScheduledAt
	return time.Until(until) > q.config.RestAfter, until, nil
}
