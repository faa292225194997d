package store

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestListenerKeepsLocks: a process that closes any file of SQLite's loses the
// locks that its connections have on it, and others may then write over what it
// reads. So the end of a listener, of which River makes a new one after each
// error, closes none.
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
		if err := l.look(t.Context(), false); err != nil {
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
