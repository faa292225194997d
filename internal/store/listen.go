package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riversqlite"
)

const (
	// lookEvery is how often a process looks whether another has changed a file of
	// SQLite, and how often it looks for jobs of River's that are put off for less
	// than River's scheduler takes. What this process enqueues is known at once.
	lookEvery = 50 * time.Millisecond
	// stillEvery is how often it looks while the system tells it of writes to the
	// log and there are none, and stirTime how long after a write it looks more
	// often: a commit follows its last write when the disk has confirmed that.
	stillEvery = time.Second
	stirTime   = time.Second
)

// insertTopic is where River's producers listen for jobs that were enqueued.
const insertTopic = "river_insert"

// sqliteDriver is River's driver with a listener of ours. River's own imitates
// LISTEN with a table that each insert writes to.
type sqliteDriver struct {
	*riversqlite.Driver
	db *DB
}

// SupportsListenNotify is false: nothing is written to tell of a job.
func (sqliteDriver) SupportsListenNotify() bool { return false }

// GetListener returns what tells River of jobs that were enqueued.
func (d sqliteDriver) GetListener(*riverdriver.GetListenenerParams) riverdriver.Listener {
	return &listener{db: d.db}
}

func (db *DB) sqliteDriver() sqliteDriver { return sqliteDriver{riversqlite.New(db.writer), db} }

// listener tells River of jobs in a file of SQLite, which cannot tell by itself
// that something came. It reads the head of the log's index, which each commit of
// any process changes; where that says something new it asks SQLite whether the
// database was changed, and only then whether there is a job.
type listener struct {
	db *DB

	mu      sync.Mutex
	pool    *sql.DB         // with one connection, as SQLite tells each of what the others did
	asks    *sql.Stmt       // for the version
	head    [headBytes]byte // of the index, as it was looked at last
	version int64           // of the file, as it was looked at last
	more    bool            // there were jobs that wait, for a worker or for their time
	pending []string

	written    <-chan struct{} // tells of writes to the log; nil where the system does not
	stop       func()          // ends it
	stirred    time.Time       // when a write was told of last
	stillEvery time.Duration
}

// Connect implements riverdriver.Listener.
func (l *listener) Connect(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pool != nil {
		return errors.New("listen to the database: it is being listened to already")
	}
	pool, err := sql.Open("sqlite", sqliteDSN(l.db.path, true))
	if err != nil {
		return fmt.Errorf("listen to the database: %w", err)
	}
	pool.SetMaxOpenConns(1)
	asks, err := pool.PrepareContext(ctx, "PRAGMA data_version")
	if err != nil {
		return fmt.Errorf("listen to the database: %w", errors.Join(err, pool.Close()))
	}
	l.pool, l.asks, l.version = pool, asks, 0
	l.db.index.open(l.db.path)
	l.stirred, l.stillEvery = time.Now(), stillEvery
	l.written, l.stop, _ = watchWrites(l.db.path + "-wal") // without it, it looks as often as if there were writes
	return nil
}

// Close implements riverdriver.Listener.
func (l *listener) Close(context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pool == nil {
		return nil
	}
	err := errors.Join(l.asks.Close(), l.pool.Close())
	if l.stop != nil {
		l.stop()
	}
	l.pool, l.asks, l.pending, l.written, l.stop = nil, nil, nil, nil, nil
	return err
}

// Listen implements riverdriver.Listener. There is one topic.
func (l *listener) Listen(context.Context, string) error { return nil }

// Unlisten implements riverdriver.Listener.
func (l *listener) Unlisten(context.Context, string) error { return nil }

// Ping implements riverdriver.Listener. Each look shows that the file is there.
func (l *listener) Ping(context.Context) error { return nil }

// Schema implements riverdriver.Listener. SQLite has none.
func (l *listener) Schema() string { return "" }

// SetAfterConnectExec implements riverdriver.Listener; it is for River's tests.
func (l *listener) SetAfterConnectExec(string) {}

// WaitForNotification implements riverdriver.Listener: it returns when a queue
// has a job that waits.
func (l *listener) WaitForNotification(ctx context.Context) (*riverdriver.Notification, error) {
	for {
		if queue, ok := l.next(); ok {
			payload, err := json.Marshal(map[string]string{"queue": queue})
			return &riverdriver.Notification{Topic: insertTopic, Payload: string(payload)}, err
		}
		told, err := l.wait(ctx)
		if err != nil {
			return nil, err
		}
		// A look is short, and one that is cut off would lose what it saw.
		if err := l.look(context.WithoutCancel(ctx), told); err != nil {
			return nil, err
		}
	}
}

// wait returns when it is time to look, and whether this process enqueued
// something.
func (l *listener) wait(ctx context.Context) (told bool, err error) {
	every, written := l.pace()
	t := time.NewTimer(every)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false, ctx.Err()
	case <-l.db.enqueued:
		return true, nil
	case <-written:
		l.mu.Lock()
		l.stirred = time.Now()
		l.mu.Unlock()
	case <-t.C:
	}
	return false, nil
}

// pace is when to look next, and what may tell that it is sooner.
func (l *listener) pace() (every time.Duration, written <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.written == nil || l.more || time.Since(l.stirred) < stirTime {
		return lookEvery, nil
	}
	return l.stillEvery, l.written
}

// next takes what is to be told.
func (l *listener) next() (queue string, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.pending) == 0 {
		return "", false
	}
	queue, l.pending = l.pending[0], l.pending[1:]
	return queue, true
}

// look notes the queues that have jobs, if there may be other jobs than before:
// this process has enqueued some (told), or the file was changed.
func (l *listener) look(ctx context.Context, told bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pool == nil {
		return errors.New("listen to the database: it is closed")
	}
	if same := l.same(); same && !l.more && !told {
		return nil
	}
	var version int64
	if err := l.asks.QueryRowContext(ctx).Scan(&version); err != nil {
		return fmt.Errorf("listen to the database: %w", err)
	}
	if version == l.version && !l.more {
		return nil
	}
	rows, err := l.pool.QueryContext(ctx, "SELECT DISTINCT queue FROM river_job WHERE state = 'available'")
	if err != nil {
		return fmt.Errorf("listen to the database: %w", err)
	}
	l.pending, err = collect(rows, func(row interface{ Scan(...any) error }) (queue string, err error) {
		err = row.Scan(&queue)
		return queue, err
	})
	if err != nil {
		return fmt.Errorf("listen to the database: %w", err)
	}
	l.version, l.more = version, len(l.pending) > 0
	return nil
}

// same reports whether no commit has changed the log's index since the last call.
// It is one small read, where asking SQLite is a statement.
func (l *listener) same() bool {
	head, ok := l.db.index.head()
	if !ok {
		return false
	}
	same := head == l.head && l.version != 0
	l.head = head
	return same
}

// headBytes is the length of the head of a log's index: with a count of changes,
// the log's length and checksums (sqlite.org/walformat.html, section 2.1).
const headBytes = 48

// logIndex is the index of SQLite's log, opened to read its head. It must stay
// open for as long as this process has the database open: a process that closes
// any descriptor of a file loses all its POSIX locks on that file, those of
// SQLite too (sqlite.org/howtocorrupt.html, section 2.2).
type logIndex struct {
	mu   sync.Mutex
	file *os.File // nil where it cannot be read: then SQLite is asked each time
}

// open opens the index of a database that has a connection, unless it is open.
func (x *logIndex) open(database string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.file == nil {
		x.file, _ = os.Open(database + "-shm")
	}
}

func (x *logIndex) head() (head [headBytes]byte, ok bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.file == nil {
		return head, false
	}
	_, err := x.file.ReadAt(head[:], 0)
	return head, err == nil
}

// close is for when no connection is open any more.
func (x *logIndex) close() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.file != nil {
		x.file.Close() // it was only read
		x.file = nil
	}
}

// wakeQueue tells this process's queue that something was enqueued.
func (db *DB) wakeQueue() {
	select {
	case db.enqueued <- struct{}{}:
	default: // it is about to look
	}
}
