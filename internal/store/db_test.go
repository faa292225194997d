package store_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/store"
	"github.com/kinora-video/kinora/internal/store/storetest"
)

// setMeta is the smallest write there is.
func setMeta(ctx context.Context, tx *store.Tx, name, value string) error {
	_, err := tx.ExecContext(ctx, "INSERT INTO meta (name, value) VALUES ($1, $2)", name, value)
	return err
}

func metas(t *testing.T, db *store.DB) (n int) {
	t.Helper()
	err := db.Read(t.Context(), func(q store.Queryer) error {
		return q.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM meta").Scan(&n)
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestWritesStandAlone: of many concurrent writes, those that fail, panic or have
// a context that is over leave nothing, and all others are there.
func TestWritesStandAlone(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		const n = 200
		over, cancel := context.WithCancel(t.Context())
		cancel()
		no := errors.New("no")
		errs := make([]error, n)
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				ctx := t.Context()
				if i%4 == 1 {
					ctx = over
				}
				errs[i] = db.Write(ctx, func(tx *store.Tx) error {
					if err := setMeta(ctx, tx, fmt.Sprint(i), "x"); err != nil {
						return err
					}
					if i%4 == 2 {
						return no
					}
					return nil
				})
			})
		}
		wg.Wait()
		for i, err := range errs {
			want := []error{nil, context.Canceled, no, nil}[i%4]
			if !errors.Is(err, want) || (want == nil) != (err == nil) {
				t.Fatalf("write %d: %v, want %v", i, err, want)
			}
		}
		if got := metas(t, db); got != n/2 {
			t.Errorf("%d rows, want %d", got, n/2)
		}
		if err := setTwice(t.Context(), db); err == nil {
			t.Error("a name was taken twice")
		}
	})
}

func setTwice(ctx context.Context, db *store.DB) error {
	return db.Write(ctx, func(tx *store.Tx) error {
		if err := setMeta(ctx, tx, "twice", "x"); err != nil {
			return err
		}
		return setMeta(ctx, tx, "twice", "y")
	})
}

// TestCancelledMidway: a caller that gives up in the middle of a write does not
// undo the other writes of its group.
func TestCancelledMidway(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				err := db.Write(ctx, func(tx *store.Tx) error {
					if i%2 == 0 {
						return setMeta(ctx, tx, fmt.Sprint(i), "x")
					}
					cancel()
					_ = setMeta(ctx, tx, fmt.Sprint(i), "x")
					return context.Canceled
				})
				if (err == nil) != (i%2 == 0) {
					t.Errorf("write %d: %v", i, errors.Unwrap(err))
				}
			})
		}
		wg.Wait()
		if got := metas(t, db); got != 25 {
			t.Errorf("%d rows, want 25", got)
		}
	})
}

func TestReadersCannotWrite(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		err := db.Read(t.Context(), func(q store.Queryer) error {
			rows, err := q.QueryContext(t.Context(), "INSERT INTO meta (name, value) VALUES ('a', 'b') RETURNING name")
			if err != nil {
				return err
			}
			defer rows.Close()
			rows.Next()
			return rows.Err()
		})
		if err == nil || metas(t, db) != 0 {
			t.Errorf("a reader wrote: %v", err)
		}
	})
}

func TestClosed(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		for name, err := range map[string]error{
			"write": db.Write(t.Context(), func(*store.Tx) error { return nil }),
			"read":  db.Read(t.Context(), func(store.Queryer) error { return nil }),
			"ping":  db.Ping(t.Context()),
		} {
			if job.CodeOf(err) != job.Unavailable || !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

// TestOpenTwice: two processes may open a database at once, new or not.
func TestOpenTwice(t *testing.T) {
	for _, dialect := range []string{store.SQLite, store.Postgres} {
		t.Run(dialect, func(t *testing.T) {
			url := storetest.URL(t, dialect)
			dbs := make([]*store.DB, 3)
			var wg sync.WaitGroup
			for i := range dbs {
				wg.Go(func() {
					var err error
					if dbs[i], err = store.Open(t.Context(), url, store.Options{}); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			for i, db := range dbs {
				if db == nil {
					t.FailNow()
				}
				defer db.Close()
				err := db.Write(t.Context(), func(tx *store.Tx) error { return setMeta(t.Context(), tx, fmt.Sprint(i), "x") })
				if err != nil {
					t.Error(err)
				}
			}
			if got := metas(t, dbs[0]); got != len(dbs) {
				t.Errorf("%d rows, want %d", got, len(dbs))
			}
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	for _, url := range []string{"mysql://localhost/kinora", "postgres://%zz", "sqlite://"} {
		if db, err := store.Open(t.Context(), url, store.Options{}); err == nil {
			db.Close()
			t.Errorf("%q was opened", url)
		}
	}
}

func TestNewID(t *testing.T) {
	seen := map[int64]bool{}
	for range 1000 {
		id := store.NewID()
		if job.ID(id) < job.MinID || job.ID(id) > job.MaxID || seen[id] {
			t.Fatalf("%d", id)
		}
		seen[id] = true
	}
}
