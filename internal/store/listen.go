package store

import (
	"context"
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
	// lookEvery is how long after a write to SQLite's log a process checks
	// whether another process has committed. It checks again after twice as long,
	// because a commit takes effect after its last write, when the disk has
	// confirmed it.
	lookEvery = 50 * time.Millisecond
	// stillEvery is how often a process checks while the system reports no
	// writes. On a system that never reports any, it checks every lookEvery.
	stillEvery = 5 * time.Second
	stirTime   = time.Second
	// settleTime is how long River may take to write that an entry was postponed.
	settleTime = 500 * time.Millisecond
)

// insertTopic is the topic on which River's producers listen for new jobs.
const insertTopic = "river_insert"

// sqliteDriver is River's driver with a listener of our own. River's listener
// imitates LISTEN with a table that every insert writes to.
type sqliteDriver struct {
	*riversqlite.Driver
	db *DB
}

// SupportsListenNotify is false: announcing a job must not cost a write.
func (sqliteDriver) SupportsListenNotify() bool { return false }

// GetListener returns the listener that announces new jobs to River.
func (d sqliteDriver) GetListener(*riverdriver.GetListenenerParams) riverdriver.Listener {
	return &listener{db: d.db}
}

func (db *DB) sqliteDriver() sqliteDriver { return sqliteDriver{riversqlite.New(db.writer), db} }

// listener tells River's producers when to look for entries in an SQLite file, as
// SQLite has no notifications. wakeQueue announces what this process enqueues.
// After a commit of another process the listener announces every queue. To detect
// one, it reads the head of the log's index, which every commit changes; if the
// head is new, it asks SQLite whether another process committed.
type listener struct {
	db *DB

	mu        sync.Mutex
	connected bool
	head      [headBytes]byte // of the index, at the last check
	version   int64           // SQLite's data_version at the last check
	pending   []string        // queues to announce to River

	written    <-chan struct{} // receives a value after writes to the log; nil where the system reports none
	stop       func()          // ends the watching of writes
	stirred    time.Time       // when a write was last reported
	stillEvery time.Duration
}

// Connect implements riverdriver.Listener.
func (l *listener) Connect(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.connected {
		return errors.New("listen to the database: the listener is already connected")
	}
	l.db.index.open(l.db.path)
	version, err := l.othersVersion(ctx)
	if err != nil {
		return err
	}
	l.connected, l.version = true, version
	l.stirred, l.stillEvery = time.Now(), stillEvery
	l.written, l.stop, _ = watchWrites(l.db.path + "-wal") // without it, the listener checks as often as if there were writes
	return nil
}

// Close implements riverdriver.Listener.
func (l *listener) Close(context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.connected {
		return nil
	}
	if l.stop != nil {
		l.stop()
	}
	l.connected, l.pending, l.written, l.stop = false, nil, nil, nil
	return nil
}

// Listen implements riverdriver.Listener. There is one topic.
func (l *listener) Listen(context.Context, string) error { return nil }

// Unlisten implements riverdriver.Listener.
func (l *listener) Unlisten(context.Context, string) error { return nil }

// Ping implements riverdriver.Listener. Every check shows that the file is there.
func (l *listener) Ping(context.Context) error { return nil }

// Schema implements riverdriver.Listener. SQLite has none.
func (l *listener) Schema() string { return "" }

// SetAfterConnectExec implements riverdriver.Listener; it is for River's tests.
func (l *listener) SetAfterConnectExec(string) {}

// WaitForNotification implements riverdriver.Listener: it blocks until a queue
// may have an entry to run.
func (l *listener) WaitForNotification(ctx context.Context) (*riverdriver.Notification, error) {
	for {
		if queue, ok := l.next(); ok {
			payload, err := json.Marshal(map[string]string{"queue": queue})
			return &riverdriver.Notification{Topic: insertTopic, Payload: string(payload)}, err
		}
		if err := l.wait(ctx); err != nil {
			return nil, err
		}
	}
}

// wait returns when this process has enqueued something, or after it checked for
// commits of other processes.
func (l *listener) wait(ctx context.Context) error {
	every, written := l.pace()
	t := time.NewTimer(every)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-l.db.wake.tickets:
		l.tell(ticketQueue)
		return nil
	case <-l.db.wake.deliveries:
		l.tell(deliveryQueue)
		return nil
	case <-written:
		l.mu.Lock()
		l.stirred = time.Now()
		l.mu.Unlock()
	case <-t.C:
	}
	// The check is short, and cancelling it would lose its result.
	return l.look(context.WithoutCancel(ctx))
}

// pace returns when to check next, and the channel that may bring the check
// forward.
func (l *listener) pace() (every time.Duration, written <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	since := time.Since(l.stirred)
	switch {
	case l.written == nil:
		return lookEvery, nil
	case since < stirTime:
		return max(lookEvery, since), nil
	}
	return l.stillEvery, l.written
}

// tell adds queues to announce to River.
func (l *listener) tell(queues ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pending = append(l.pending, queues...)
}

// forget drops all pending announcements.
func (l *listener) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pending = nil
}

// next takes the next queue to announce to River.
func (l *listener) next() (queue string, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.pending) == 0 {
		return "", false
	}
	queue, l.pending = l.pending[0], l.pending[1:]
	return queue, true
}

// look announces every queue if another process has committed since the last
// check.
func (l *listener) look(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.connected {
		return errors.New("listen to the database: it is closed")
	}
	if l.same() {
		return nil
	}
	version, err := l.othersVersion(ctx)
	if err != nil || version == l.version {
		return err
	}
	l.version, l.pending = version, []string{ticketQueue, deliveryQueue}
	return nil
}

// othersVersion is a number that changes when another process commits: SQLite
// tells each connection of the commits of other connections, and one connection
// makes all commits of this process.
func (l *listener) othersVersion(ctx context.Context) (version int64, err error) {
	if err := l.db.writer.QueryRowContext(ctx, "PRAGMA data_version").Scan(&version); err != nil {
		return 0, fmt.Errorf("listen to the database: %w", err)
	}
	return version, nil
}

// same reports whether the log's index has not changed since the last call. It
// costs one small read; asking SQLite costs a statement.
func (l *listener) same() bool {
	head, ok := l.db.index.head()
	if !ok {
		return false
	}
	same := head == l.head
	l.head = head
	return same
}

// headBytes is the length of the head of a log's index, which holds a count of
// changes, the log's length and checksums (sqlite.org/walformat.html, section
// 2.1).
const headBytes = 48

// logIndex is the index of SQLite's log, opened to read its head. It must stay
// open as long as this process has the database open: a process that closes any
// descriptor of a file loses all its POSIX locks on that file, SQLite's included
// (sqlite.org/howtocorrupt.html, section 2.2).
type logIndex struct {
	mu   sync.Mutex
	file *os.File // nil if it cannot be read: then every check asks SQLite
}

// open opens the index of a database that has a connection, unless it is open
// already.
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

// close may only be called once the process has no connection open any more.
func (x *logIndex) close() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.file != nil {
		x.file.Close() // it was only read
		x.file = nil
	}
}

// wake tells the listener of this process which queues have something new.
type wake struct {
	tickets, deliveries chan struct{}
}

func newWake() wake { return wake{make(chan struct{}, 1), make(chan struct{}, 1)} }

// wakeQueue makes this process look into one of River's queues.
func (db *DB) wakeQueue(queue string) {
	c := db.wake.tickets
	if queue == deliveryQueue {
		c = db.wake.deliveries
	}
	select {
	case c <- struct{}{}:
	default: // a signal is pending already
	}
}

// wakeQueueIn calls wakeQueue later, for an entry that River is asked to
// postpone. It does so only for delays below two of River's own polls; for longer
// ones River's poll is soon enough.
func (db *DB) wakeQueueIn(queue string, after time.Duration) {
	if db.dialect == SQLite && after < 2*pollSQLite {
		time.AfterFunc(max(after, settleTime)+fetchCooldown, func() { db.wakeQueue(queue) })
	}
}
