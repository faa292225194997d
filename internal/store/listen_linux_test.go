package store

import (
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestListenerKeepsLocks: closing a listener closes no file of SQLite's. A
// process that closes one loses the locks that its connections hold on it, and
// others may then overwrite what it reads. River makes a new listener after each
// error.
func TestListenerKeepsLocks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kinora.db")
	db := openFile(t, path)
	index, err := os.Open(path + "-shm")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		db.Close()
		index.Close()
	})
	// A lock of an open file description conflicts with those of this process.
	locked := func() bool {
		t.Helper()
		lock := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart}
		if err := unix.FcntlFlock(index.Fd(), unix.F_OFD_GETLK, &lock); err != nil {
			t.Fatal(err)
		}
		return lock.Type != unix.F_UNLCK
	}
	if !locked() {
		t.Skip("this SQLite holds no lock on the log's index while it is open")
	}
	l := &listener{db: db}
	for range 2 {
		if err := l.Connect(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := l.look(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := l.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !locked() {
			t.Fatal("with the listener, the locks of the open database are gone")
		}
	}
}

// TestListenerIsStill: while nothing is written, the listener waits for the
// system to report a write. It then announces what another process enqueued.
func TestListenerIsStill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kinora.db")
	here, there := openFile(t, path), openFile(t, path)
	l := &listener{db: here}
	if err := l.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer l.Close(t.Context())
	if every, written := l.pace(); every != lookEvery || written != nil {
		t.Errorf("at first it checks every %v", every)
	}
	l.stillEvery = time.Hour
	for range 2 {
		if err := l.look(t.Context()); err != nil {
			t.Fatal(err)
		}
		l.stirred = time.Now().Add(-time.Hour)
		if every, written := l.pace(); every != time.Hour || written == nil {
			t.Fatalf("nothing happens, but it checks every %v", every)
		}
		if err := there.Write(t.Context(), func(tx *Tx) error { tx.EnqueueDelivery(1, time.Time{}); return nil }); err != nil {
			t.Fatal(err)
		}
		hears(t, l, ticketQueue)
		hears(t, l, deliveryQueue)
	}
}
