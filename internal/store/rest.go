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

// River's client works all the time, whether there is something to do or not: it
// looks for entries to run, to schedule and to rescue, and renews its lead. So on
// SQLite a queue that has nothing to do rests: it stops its client, and starts
// another when there is an entry to run. (On Postgres a process that rests would
// need a listener of its own.)

const (
	// DefaultRestAfter is how long nothing must have run before a queue rests, and
	// how often it looks whether it may.
	DefaultRestAfter = 15 * time.Second
	// startRetry is when a client is started again that could not be started.
	startRetry = time.Second
)

// rest is what a queue knows of its work.
type rest struct {
	mu      sync.Mutex
	running int       // pieces of work
	last    time.Time // when the last one ended
	resting bool      // no work begins
}

// begin notes a piece of work; false says that the queue rests, and the work is
// not to begin.
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

// set begins a rest, if nothing runs and nothing has for a while, or ends one.
func (r *rest) set(resting bool, idle time.Duration) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if resting && (r.running > 0 || time.Since(r.last) < idle) {
		return false
	}
	r.resting = resting
	return true
}

// tend has a client work whenever there may be something to do, until the queue is
// stopped.
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
		// When the database is away, its users say so.
		if idle, _, err := q.idle(life); err != nil || !idle || !q.rest.set(true, q.config.RestAfter) {
			continue
		}
		q.sleep(ctx, life)
	}
}

// sleep stops the client, waits until there is work, and starts another. When life
// ends, which the queue's ctx outlasts, it returns with or without a client.
func (q *Queue) sleep(ctx, life context.Context) {
	defer q.rest.set(false, 0)
	l := &listener{db: q.db}
	if err := l.Connect(life); err != nil {
		return // it goes on with the client that it has
	}
	defer l.Close(life) //nolint:errcheck // it never fails
	// Work that begins now is put off, so this waits for no job.
	if err := q.client.Stop(life); err != nil {
		return // Queue.Stop does the rest
	}
	q.client = nil
	for {
		// First, as the client that stopped may have been told of something.
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
		q.db.log.Warn("the queue cannot go on; it is tried again soon", "error", err)
		select {
		case <-life.Done():
		case <-time.After(startRetry):
		}
	}
}

// wakeUp ends a rest and starts a client, in this order: a client looks for work as
// it starts, and what it finds during a rest is put off.
func (q *Queue) wakeUp(ctx context.Context) error {
	q.rest.set(false, 0)
	return q.startClient(ctx)
}

// awaitOwn returns when a queue that this process works on may have an entry, or
// at a time; zero is never.
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
			l.forget() // what else is told of is seen with it
			return nil
		}
	}
}

// idle reports whether River's queue has nothing for this process to do or to
// look after: no entry to run, no delivery of a process that may be lost, and none
// that is put off for less than a while; until is when one is that is put off for
// longer, or zero. (A ticket of a lost process is nothing to wait for.)
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
