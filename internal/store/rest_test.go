package store

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
)

// TestQueueRests: on SQLite an idle queue stops River's client. It goes on when
// this process or another enqueues something, or when a postponed entry is due.
func TestQueueRests(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kinora.db")
	here, there := openFile(t, path), openFile(t, path)
	sent := make(chan int64, 9)
	q, err := here.StartQueue(t.Context(), QueueConfig{
		RestAfter: 50 * time.Millisecond, ReapEvery: time.Hour,
		Deliver: func(_ context.Context, id int64) (time.Duration, error) { sent <- id; return 0, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	enqueue := func(db *DB, fn func(*Tx)) {
		t.Helper()
		if err := db.Write(t.Context(), func(tx *Tx) error { fn(tx); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	rests := func() bool {
		q.rest.mu.Lock()
		defer q.rest.mu.Unlock()
		return q.rest.resting
	}
	await := func(what string, is func() bool) {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); !is(); time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("waited until %s, which did not happen", what)
			}
		}
	}
	await("it rests at first", rests)
	for id := range int64(10) {
		from := []*DB{here, there}[id%2]
		await("it rests", rests)
		enqueue(from, func(tx *Tx) { tx.EnqueueDelivery(id, time.Time{}) })
		select {
		case got := <-sent:
			if got != id {
				t.Errorf("delivery %d came, want %d", got, id)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("delivery %d does not come", id)
		}
	}
	await("it rests again", rests)
	// A ticket is for others: this process runs no jobs.
	enqueue(here, func(tx *Tx) { tx.EnqueueTicket(time.Time{}) })
	l := &listener{db: here, pending: []string{ticketQueue, deliveryQueue}}
	if err := q.awaitOwn(t.Context(), l, time.Time{}); err != nil || len(l.pending) != 0 {
		t.Errorf("%v, %v", err, l.pending)
	}
	at := time.Now().Add(time.Hour).Truncate(time.Second)
	enqueue(there, func(tx *Tx) { tx.EnqueueDelivery(10, at) })
	if idle, until, err := q.idle(t.Context()); !idle || !until.Equal(at) || err != nil {
		t.Errorf("with a ticket for others, and an entry that is put off: idle %v until %v, %v; want %v", idle, until, err, at)
	}
	if err := q.awaitOwn(t.Context(), &listener{db: here}, time.Now()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("at the time when an entry is due: %v", err)
	}
	stop, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := q.Stop(stop); err != nil {
		t.Error(err)
	}
}

// TestRest: a rest begins only while nothing runs and nothing has run for a
// while, and no work begins while it lasts.
func TestRest(t *testing.T) {
	var r rest
	if !r.begin() || r.set(true, 0) {
		t.Error("it rests although something runs")
	}
	r.end()
	if r.set(true, time.Hour) {
		t.Error("it rests although something just ended")
	}
	if !r.set(true, 0) || r.begin() {
		t.Error("something begins as it rests")
	}
	if r.set(false, 0); !r.begin() {
		t.Error("nothing begins after the rest")
	}
}

// restSeen is a log handler that counts a client's messages during a rest.
type restSeen struct {
	slog.Handler
	q            *Queue
	told, during atomic.Int64
}

func (h *restSeen) Enabled(context.Context, slog.Level) bool { return true }

func (h *restSeen) Handle(context.Context, slog.Record) error {
	h.q.rest.mu.Lock()
	defer h.q.rest.mu.Unlock()
	h.told.Add(1)
	if h.q.rest.resting {
		h.during.Add(1)
	}
	return nil
}

func (h *restSeen) WithAttrs([]slog.Attr) slog.Handler { return h }
func (h *restSeen) WithGroup(string) slog.Handler      { return h }

// TestWakeUp: the rest is over before the client starts, because the client looks
// for work at once.
func TestWakeUp(t *testing.T) {
	db := openFile(t, filepath.Join(t.TempDir(), "kinora.db"))
	q := &Queue{db: db, stopping: make(chan struct{}), config: QueueConfig{
		Deliverers: 1, DeliverTime: time.Minute,
		Deliver: func(context.Context, int64) (time.Duration, error) { return 0, nil },
	}}
	seen := &restSeen{q: q}
	q.river = q.riverConfig()
	q.river.Logger = slog.New(seen)
	q.rest.set(true, 0)
	if err := q.wakeUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := q.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if seen.told.Load() == 0 || seen.during.Load() > 0 {
		t.Errorf("%[2]d of the client's %[1]d messages came during the rest", seen.told.Load(), seen.during.Load())
	}
}
