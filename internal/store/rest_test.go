package store

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/riverqueue/river"
)

// TestQueueRests: on SQLite a queue that has nothing to do stops River's client,
// and goes on when this process or another enqueues something, or when an entry
// is due that was put off.
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
				t.Fatalf("waited in vain until %s", what)
			}
		}
	}
	await("it rests at first", rests)
	for id, from := range map[int64]*DB{1: here, 2: there} {
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
	entries, err := here.reads.JobList(t.Context(), river.NewJobListParams().Queues(deliveryQueue).First(9))
	if err != nil || len(entries.Jobs) != 2 {
		t.Fatalf("%+v, %v", entries, err)
	}
	for _, e := range entries.Jobs {
		if strings.Contains(string(e.Metadata), "snoozes") {
			t.Errorf("an entry was put off as the queue woke: %s", e.Metadata)
		}
	}
	// A ticket is for others: this process runs no jobs.
	enqueue(here, func(tx *Tx) { tx.EnqueueTicket(time.Time{}) })
	l := &listener{db: here, pending: []string{ticketQueue, deliveryQueue}}
	if err := q.awaitOwn(t.Context(), l, time.Time{}); err != nil || len(l.pending) != 0 {
		t.Errorf("%v, %v", err, l.pending)
	}
	at := time.Now().Add(time.Hour).Truncate(time.Second)
	enqueue(there, func(tx *Tx) { tx.EnqueueDelivery(3, at) })
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

// TestRest: a rest begins only while nothing runs and nothing has for a while, and
// nothing begins while it lasts.
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
