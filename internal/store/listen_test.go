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

// TestListener: on SQLite the queue is told of what this process enqueues, and
// of what another does; and while nothing is changed it asks for nothing.
func TestListener(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kinora.db")
	here, there := openFile(t, path), openFile(t, path)
	l := &listener{db: here}
	if err := l.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer l.Close(t.Context())
	if err := l.Connect(t.Context()); err == nil {
		t.Error("it connects twice")
	}
	exec := func(statement string) {
		t.Helper()
		if _, err := there.writer.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	hears := func(want string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		n, err := l.WaitForNotification(ctx)
		if err != nil || n.Topic != "river_insert" || n.Payload != `{"queue":"`+want+`"}` {
			t.Fatalf("heard %+v, %v, want %s", n, err, want)
		}
	}
	silent := func(what string) {
		t.Helper()
		if err := l.look(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		if queue, ok := l.next(); ok {
			t.Errorf("%s: it hears of %s", what, queue)
		}
	}
	silent("nothing is there")
	for name, db := range map[string]*DB{"this process": here, "another": there} {
		err := db.Write(t.Context(), func(tx *Tx) error { tx.EnqueueTicket(time.Time{}); return nil })
		if err != nil {
			t.Fatal(err)
		}
		hears(ticketQueue)
		hears(ticketQueue) // until it was taken, as it may wait for its time
		exec("DELETE FROM river_job")
		silent(name + " has no job any more")
	}
	if err := there.Write(t.Context(), func(tx *Tx) error { tx.EnqueueTicket(there.Now().Add(time.Hour)); return nil }); err != nil {
		t.Fatal(err)
	}
	silent("it is put off for long")
	exec("UPDATE river_job SET state = 'available', queue = '" + deliveryQueue + "'")
	hears(deliveryQueue)
	exec("DELETE FROM river_job")
	silent("it is gone")

	// From now on, asking for jobs fails on its connection.
	for _, statement := range []string{"PRAGMA query_only = 0", "CREATE TEMP VIEW river_job AS SELECT * FROM nowhere"} {
		if _, err := l.pool.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		silent("nothing was changed")
	}
	exec("UPDATE projects SET name = name")
	if err := there.Write(t.Context(), func(tx *Tx) error { tx.EnqueueDelivery(1, time.Time{}); return nil }); err != nil {
		t.Fatal(err)
	}
	if err := l.look(t.Context(), false); err == nil {
		t.Error("after a change it does not ask")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.WaitForNotification(ctx); err == nil {
		t.Error("it waits although nobody does")
	}
}

// TestListenerIsTold: what this process enqueues is found also where the log's
// index, read as a file, does not show what SQLite wrote into its map of it.
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
		if err := l.look(t.Context(), false); err != nil {
			t.Fatal(err)
		}
	}
	if !l.same() {
		t.Fatal("the index is not the one that stands still")
	}
	if err := db.Write(t.Context(), func(tx *Tx) error { tx.EnqueueTicket(time.Time{}); return nil }); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if n, err := l.WaitForNotification(ctx); err != nil || n.Payload != `{"queue":"`+ticketQueue+`"}` {
		t.Errorf("heard %+v, %v", n, err)
	}
}
