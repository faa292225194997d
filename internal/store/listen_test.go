package store

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func openFile(t *testing.T, path string) *DB {
	t.Helper()
	db, err := Open(t.Context(), path, Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// hears waits for the queue that a listener announces to River.
func hears(t *testing.T, l *listener, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	n, err := l.WaitForNotification(ctx)
	if err != nil || n.Topic != "river_insert" || n.Payload != `{"queue":"`+want+`"}` {
		t.Fatalf("heard %+v, %v, want %s", n, err, want)
	}
}

// silent makes a listener check, and expects no announcement.
func silent(t *testing.T, l *listener, what string) {
	t.Helper()
	if err := l.look(t.Context()); err != nil {
		t.Fatal(err)
	}
	if queue, ok := l.next(); ok {
		t.Errorf("%s: it announces %s", what, queue)
	}
}

// TestListener: on SQLite River hears of the queue into which this process put an
// entry, and of every queue when another process has written. While nothing or
// only this process writes, a check announces nothing.
func TestListener(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kinora.db")
	here, there := openFile(t, path), openFile(t, path)
	l := &listener{db: here}
	if err := l.look(t.Context()); err == nil {
		t.Error("it checks before it is connected")
	}
	if err := l.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer l.Close(t.Context())
	if err := l.Connect(t.Context()); err == nil {
		t.Error("it connects twice")
	}
	enqueue := func(db *DB, fn func(*Tx)) {
		t.Helper()
		if err := db.Write(t.Context(), func(tx *Tx) error { fn(tx); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	silent(t, l, "nothing was written")
	enqueue(here, func(tx *Tx) { tx.EnqueueTicket(time.Time{}) })
	hears(t, l, ticketQueue)
	enqueue(here, func(tx *Tx) { tx.EnqueueDelivery(1, time.Time{}) })
	hears(t, l, deliveryQueue)
	enqueue(here, func(*Tx) {})
	silent(t, l, "this process wrote something else")
	for range 2 {
		enqueue(there, func(tx *Tx) { tx.EnqueueDelivery(2, time.Time{}) })
		hears(t, l, ticketQueue)
		hears(t, l, deliveryQueue)
		silent(t, l, "nothing was written since")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.WaitForNotification(ctx); err == nil {
		t.Error("it announces a queue although nothing happened")
	}
}

// TestListenerIsTold: the listener also announces what this process enqueues if
// the log's index, read as a file, does not show what SQLite wrote through its
// memory map.
func TestListenerIsTold(t *testing.T) {
	dir := t.TempDir()
	db := openFile(t, filepath.Join(dir, "kinora.db"))
	still := filepath.Join(dir, "still-shm")
	if err := os.WriteFile(still, make([]byte, headBytes), 0o600); err != nil {
		t.Fatal(err)
	}
	db.index.open(filepath.Join(dir, "still"))
	l := &listener{db: db}
	if err := l.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer l.Close(t.Context())
	for range 2 {
		silent(t, l, "nothing was written")
	}
	if !l.same() {
		t.Fatal("the listener does not read the frozen copy of the index")
	}
	if err := db.Write(t.Context(), func(tx *Tx) error { tx.EnqueueTicket(time.Time{}); return nil }); err != nil {
		t.Fatal(err)
	}
	hears(t, l, ticketQueue)
}
