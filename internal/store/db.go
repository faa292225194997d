package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/riverqueue/river"

	"github.com/kinora-video/kinora/internal/job"
)

// The dialects, as DB.Dialect names them.
const (
	SQLite   = "sqlite"
	Postgres = "postgres"
)

// Limits of the connections to a database.
const (
	// DefaultReaders is how many readers work at once, and on Postgres how
	// many connections there are in all.
	DefaultReaders = 8
	// busyWait is how long a statement on SQLite waits for another process,
	// such as `kinora keys`, to end its transaction.
	busyWait = 10 * time.Second
	// connectWait is how long connecting to Postgres may take, unless its
	// address has a connect_timeout.
	connectWait = 5 * time.Second
	// closeWait is how long Close waits for those who use a connection.
	closeWait = 10 * time.Second
	// openWait is how long Open waits for the database and its migrations.
	openWait = 2 * time.Minute
)

// Options say how to open a database. The zero value is good.
type Options struct {
	// Now is the clock; nil is time.Now. All times that are written come from
	// it, in milliseconds.
	Now func() time.Time
	// Log gets the messages of the queue and the migrations; nil is slog.Default.
	Log *slog.Logger
	// Readers is how many readers work at once; 0 is DefaultReaders.
	Readers int
	// Deliveries is how many slots each project has: deliveries that are under way
	// at once. 0 is DefaultDeliveries.
	Deliveries int
}

// DB is an open database. It is safe for use by many goroutines.
type DB struct {
	dialect string
	path    string // of SQLite's file
	now     func() time.Time
	log     *slog.Logger

	writer    *sql.DB       // SQLite: its one connection that writes. Postgres: the pool
	reader    *sql.DB       // SQLite: a pool that cannot write. Postgres: the same pool
	listener  *pgxpool.Pool // Postgres: the connections that River listens on
	group     *groupWriter  // SQLite: commits many writes at once
	index     logIndex      // SQLite: the log index that its listener reads
	written   *statements
	readStmts *statements
	queue     *river.Client[*sql.Tx] // enqueues only; Queue has another that runs jobs
	reads     *river.Client[*sql.Tx] // reads River's queue; on SQLite without waiting for writers

	deliveries int  // slots of one project
	wake       wake // SQLite: signals that this process enqueued something

	watch     watch
	hooks     []func(*Tx, job.Job) error
	followers followers
	order     order

	closing sync.Once
	closed  chan struct{}
}

// Open opens a database, creates it if need be, and brings its tables up to date.
// See ParseAddress for addresses. Several processes may open one database at the
// same time.
func Open(ctx context.Context, address string, o Options) (*DB, error) {
	db := newDB(o)
	if o.Readers <= 0 {
		o.Readers = DefaultReaders
	}
	ctx, cancel := context.WithTimeout(ctx, openWait)
	defer cancel()
	at, err := ParseAddress(address)
	switch {
	case err != nil:
		err = fmt.Errorf("open the database: %w", err)
	case at.Dialect == Postgres:
		err = db.openPostgres(ctx, at.url, o)
	default:
		err = db.openSQLite(ctx, at.File, o)
	}
	if err == nil {
		err = db.migrate(ctx)
	}
	if err == nil {
		err = db.prepareQueue()
	}
	if err == nil {
		err = db.WatchClock(ctx)
	}
	if err != nil {
		db.Close()
		return nil, err
	}
	return db, nil
}

// newDB makes a DB that is not connected.
func newDB(o Options) *DB {
	db := &DB{now: o.Now, log: o.Log, deliveries: o.Deliveries, wake: newWake(), closed: make(chan struct{})}
	if db.deliveries <= 0 {
		db.deliveries = DefaultDeliveries
	}
	if db.now == nil {
		db.now = time.Now
	}
	if db.log == nil {
		db.log = slog.Default()
	}
	return db
}

func (db *DB) openPostgres(ctx context.Context, url string, o Options) error {
	db.dialect = Postgres
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return fmt.Errorf("open the database: its address is not one of Postgres: %w", err)
	}
	// River takes its listener's connection out of this pool.
	cfg.MinConns, cfg.MaxConns = 0, 2
	if db.listener, err = pgxpool.NewWithConfig(ctx, cfg); err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	one, err := pgx.ParseConfig(url)
	if err != nil {
		return fmt.Errorf("open the database: its address is not one of Postgres: %w", err)
	}
	if !strings.Contains(url, "connect_timeout") {
		one.ConnectTimeout = connectWait
	}
	db.writer = stdlib.OpenDB(*one)
	db.writer.SetMaxOpenConns(max(4, o.Readers))
	db.writer.SetMaxIdleConns(max(4, o.Readers))
	db.reader = db.writer
	if err := db.writer.PingContext(ctx); err != nil {
		return fmt.Errorf("open the database: %w; is Postgres running, and does it let this user in?", err)
	}
	return nil
}

func (db *DB) openSQLite(ctx context.Context, path string, o Options) error {
	db.dialect = SQLite
	path, err := filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	db.path = path
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("open the database: make its folder: %w", err)
	}
	// SQLite would create the file readable by all, and its journal likewise. An
	// existing file is left alone: opening and closing it would drop the locks of
	// whoever has it open in this process.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	switch {
	case err == nil:
		f.Close()
	case !errors.Is(err, fs.ErrExist):
		return fmt.Errorf("open the database: %w", err)
	}
	if db.writer, err = sql.Open("sqlite", sqliteDSN(path, false)); err != nil {
		return fmt.Errorf("open the database %s: %w", path, err)
	}
	db.writer.SetMaxOpenConns(1) // SQLite has one writer; waiting for it here is fair
	db.writer.SetMaxIdleConns(1)
	if err := firstUse(ctx, db.writer); err != nil {
		if f, cannot := os.OpenFile(path, os.O_RDWR, 0); cannot != nil { // SQLite's error does not say why it cannot
			err = cannot
		} else {
			f.Close()
		}
		return fmt.Errorf("open the database %s: %w; is it a database of Kinora?", path, err)
	}
	if db.reader, err = sql.Open("sqlite", sqliteDSN(path, true)); err != nil {
		return fmt.Errorf("open the database %s: %w", path, err)
	}
	db.reader.SetMaxOpenConns(o.Readers)
	db.reader.SetMaxIdleConns(o.Readers)
	db.written = newStatements(db.writer)
	db.readStmts = newStatements(db.reader)
	db.group = newGroupWriter(db)
	return nil
}

// firstUse makes the connection that turns a new file into one with a write-ahead
// log. SQLite does not wait for others who do so at the same time, whatever the
// busy_timeout is, so firstUse tries again until busyWait is over.
func firstUse(ctx context.Context, writer *sql.DB) error {
	for began := time.Now(); ; {
		err := writer.PingContext(ctx)
		if err == nil || !busy(err) || time.Since(began) > busyWait {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Close ends all connections. Waiting writes get job.Unavailable. Close waits for
// reads that are under way, up to closeWait. On SQLite everything is in the
// database's own file afterwards, unless another process has it open.
func (db *DB) Close() error {
	var err error
	db.closing.Do(func() {
		close(db.closed)
		if db.group != nil {
			db.group.wait()
		}
		// database/sql leaves connections open that somebody is using, and those
		// of queries that were just cancelled. SQLite copies its log into the
		// database, and removes the log, when the last connection is closed.
		err = errors.Join(idle(db.reader), idle(db.writer))
		db.written.close()
		db.readStmts.close()
		if runtime.GOOS == "windows" { // Windows cannot remove an open file, and its locks belong to handles
			db.index.close()
		}
		if db.reader != nil && db.reader != db.writer {
			err = errors.Join(err, db.reader.Close())
		}
		if db.writer != nil {
			err = errors.Join(err, db.checkpoint(), db.writer.Close())
		}
		db.index.close()
		if db.listener != nil {
			db.listener.Close()
		}
	})
	return err
}

// idle waits until no connection of a pool is in use.
func idle(pool *sql.DB) error {
	if pool == nil {
		return nil
	}
	for end := time.Now().Add(closeWait); pool.Stats().InUse > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			return fmt.Errorf("close the database: %d connections were still in use after %v", pool.Stats().InUse, closeWait)
		}
	}
	return nil
}

// checkpoint copies SQLite's log into the database's file, except pages that
// another process still reads in an older version.
func (db *DB) checkpoint() error {
	if db.dialect != SQLite || db.group == nil { // it was never open
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeWait)
	defer cancel()
	var busy, pages, copied int
	if err := db.writer.QueryRowContext(ctx, "PRAGMA wal_checkpoint(PASSIVE)").Scan(&busy, &pages, &copied); err != nil {
		return fmt.Errorf("close the database: copy its log into its file (the next start does it too): %w", err)
	}
	return nil
}

// Ping reports whether the database answers.
func (db *DB) Ping(ctx context.Context) error {
	return db.Read(ctx, func(q Queryer) error {
		var one int
		return q.QueryRowContext(ctx, "SELECT 1").Scan(&one)
	})
}

// Dialect is SQLite or Postgres.
func (db *DB) Dialect() string { return db.dialect }

// Now is the time by the database's clock, in whole milliseconds.
func (db *DB) Now() time.Time { return db.now().Truncate(time.Millisecond) }

// NewID makes an ID: random, and between job.MinID and job.MaxID.
func NewID() int64 {
	n, err := rand.Int(rand.Reader, big.NewInt(int64(job.MaxID-job.MinID)+1))
	if err != nil {
		panic(err) // crypto/rand never fails
	}
	return int64(job.MinID) + n.Int64()
}

// millis is a time as the database stores it: Unix milliseconds, 0 for the zero
// time.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// fromMillis reads what millis wrote.
func fromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// bit is a boolean as the database stores it: 0 or 1.
func bit(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
