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
	// lookEvery is how long after a write to SQLite's log a process looks whether
	// it was a commit of another process; it looks again after twice as long, as a
	// commit follows its last write when the disk has confirmed that.
	lookEvery = 50 * time.Millisecond
	// stillEvery is how often it looks while the system tells of no writes. Where
	// the system never does, it looks each lookEvery.
	stillEvery = 5 * time.Second
	stirTime   = time.Second
	// settleTime is how long River may take to write that an entry was put off.
	settleTime = 500 * time.Millisecond
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

// listener tells River's producers when to look for entries in a file of SQLite,
// which cannot tell by itself that something came. What this process enqueues it
// is told by wakeQueue. After a commit of another process it has every queue
// looked into: it reads the head of the log's index, which each commit changes,
// and where that is new it asks SQLite whether the commit was another's.
type listener struct {
	db *DB

	mu        sync.Mutex
	connected bool
	head      [headBytes]byte // of the index, at the last look
	version   int64           // of the file, as others changed it, at the last look
	pending   []string        // queues that River is to be told of

	written    <-chan struct{} // tells of writes to the log; nil where the system does not
	stop       func()          // ends it
	stirred    time.Time       // when it last told of a write
	stillEvery time.Duration
}

// Connect implements riverdriver.Listener.
func (l *listener) Connect(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.connected {
		return errors.New("listen to the database: it is being listened to already")
	}
	l.db.index.open(l.db.path)
	version, err := l.othersVersion(ctx)
	if err != nil {
		return err
	}
	l.connected, l.version = true, version
	l.stirred, l.stillEvery = time.Now(), stillEvery
	l.written, l.stop, _ = watchWrites(l.db.path + "-wal") // without it, it looks as often as if there were writes
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

// Ping implements riverdriver.Listener. Each look shows that the file is there.
func (l *listener) Ping(context.Context) error { return nil }

// Schema implements riverdriver.Listener. SQLite has none.
func (l *listener) Schema() string { return "" }

// SetAfterConnectExec implements riverdriver.Listener; it is for River's tests.
func (l *listener) SetAfterConnectExec(string) {}

// WaitForNotification implements riverdriver.Listener: it returns when a queue
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

// wait returns when this process has enqueued something, or when it has looked
// for what others did.
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
	// A look is short, and one that is cut off would lose what it saw.
	return l.look(context.WithoutCancel(ctx))
}

// pace is when to look next, and what may tell that it is sooner.
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

// tell notes queues that River is to be told of.
func (l *listener) tell(queues ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pending = append(l.pending, queues...)
}

// forget drops what was to be told.
func (l *listener) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pending = nil
}

// next takes a queue that River is to be told of.
func (l *listener) next() (queue string, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.pending) == 0 {
		return "", false
	}
	queue, l.pending = l.pending[0], l.pending[1:]
	return queue, true
}

// look notes every queue if another process has committed since the last look.
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
// tells each connection of the commits of others, and one connection makes all
// those of this process.
func (l *listener) othersVersion(ctx context.Context) (version int64, err error) {
	if err := l.db.writer.QueryRowContext(ctx, "PRAGMA data_version").Scan(&version); err != nil {
		return 0, fmt.Errorf("listen to the database: %w", err)
	}
	return version, nil
}

// same reports whether no commit has changed the log's index since the last call.
// It is one small read, where asking SQLite is a statement.
func (l *listener) same() bool {
	head, ok := l.db.index.head()
	if !ok {
		return false
	}
	same := head == l.head
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

// wake tells the listener of this process which queues have something new.
type wake struct {
	tickets, deliveries chan struct{}
}

func newWake() wake { return wake{make(chan struct{}, 1), make(chan struct{}, 1)} }

// wakeQueue has this process look into one of River's queues.
func (db *DB) wakeQueue(queue string) {
	c := db.wake.tickets
	if queue == deliveryQueue {
		c = db.wake.deliveries
	}
	select {
	case c <- struct{}{}:
	default: // it is about to look
	}
}

// wakeQueueIn does so later, for an entry that River is asked to put off. River
// looks by itself too, but not as soon: this is for what is put off for less than
// two of its looks.
func (db *DB) wakeQueueIn(queue string, after time.Duration) {
	if db.dialect == SQLite && after < 2*pollSQLite {
		time.AfterFunc(max(after, settleTime)+fetchCooldown, func() { db.wakeQueue(queue) })
	}
}
