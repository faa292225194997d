package store_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/kinora-video/kinora/internal/store"
	"github.com/kinora-video/kinora/internal/store/storetest"
)

// TestNoProjectWaits: receivers of one project that never answer keep no other
// project waiting; and once they answer, every event comes, each once.
func TestNoProjectWaits(t *testing.T) {
	const many = 20
	for _, dialect := range []string{store.SQLite, store.Postgres} {
		t.Run(dialect, func(t *testing.T) {
			db := storetest.Open(t, storetest.URL(t, dialect), store.Options{Deliveries: 3})
			tell(db)
			hangs, answers := int64(1), int64(2)
			endpoint(t, db, hangs, "job.queued")
			endpoint(t, db, answers, "job.queued")
			for range many {
				submit(t, db, submission(hangs))
			}
			var mu sync.Mutex
			sent, atOnce, most := map[int64]int{}, 0, 0
			over := make(chan int64, 2*many)
			release := make(chan struct{})
			q, err := db.StartQueue(context.Background(), store.QueueConfig{
				ReapEvery: time.Hour, // what ends a delivery calls the next
				Deliver: func(ctx context.Context, id int64, _ int) (time.Duration, bool, error) {
					d, ok, err := db.BeginDelivery(ctx, id, time.Hour)
					if err != nil || !ok {
						if !d.Waits {
							t.Errorf("delivery %d was not to be begun: %+v, %v", id, d, err)
						}
						return 0, true, err
					}
					if d.Project == hangs {
						mu.Lock()
						atOnce++
						most = max(most, atOnce)
						mu.Unlock()
						<-release
						mu.Lock()
						atOnce--
						mu.Unlock()
					}
					mu.Lock()
					sent[id]++
					mu.Unlock()
					err = db.Attempted(ctx, id, 200, "", true, time.Time{})
					over <- d.Project
					return 0, true, err
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			defer q.Stop(context.Background())
			submit(t, db, submission(answers))
			wait := time.After(20 * time.Second)
			next := func() int64 {
				select {
				case p := <-over:
					return p
				case <-wait:
					close(release)
					t.Fatal("a delivery does not come")
					return 0
				}
			}
			if p := next(); p != answers {
				t.Errorf("the first delivery is of project %d, whose receivers hang", p)
			}
			close(release)
			for range many {
				if p := next(); p != hangs {
					t.Errorf("a delivery of project %d", p)
				}
			}
			if err := q.Stop(context.Background()); err != nil {
				t.Error(err)
			}
			if most > 3 || len(sent) != many+1 {
				t.Errorf("%d deliveries were sent, %d at once", len(sent), most)
			}
			for id, n := range sent {
				if n != 1 {
					t.Errorf("delivery %d was sent %d times", id, n)
				}
			}
		})
	}
}

// TestTurnsOfDeliveries: what finds no room waits in its row, and is called when
// there is some: first what was never tried. Every way in which a delivery ends
// makes room.
func TestTurnsOfDeliveries(t *testing.T) {
	for _, dialect := range []string{store.SQLite, store.Postgres} {
		t.Run(dialect, func(t *testing.T) {
			c := newClock()
			db := storetest.Open(t, storetest.URL(t, dialect), store.Options{Now: c.Now, Deliveries: 1})
			tell(db)
			e := endpoint(t, db, 1, "job.queued")
			var ids []int64
			add := func() int64 {
				t.Helper()
				c.add(time.Second)
				j := submit(t, db, submission(1))
				id := deliveries(t, db, store.DeliveryFilter{Project: 1, Job: j.ID})[0].ID
				ids = append(ids, id)
				return id
			}
			waits := func(id int64) {
				t.Helper()
				if d, ok, err := db.BeginDelivery(t.Context(), id, time.Minute); ok || !d.Waits || err != nil {
					t.Fatalf("it does not wait: %+v, %v, %v", d, ok, err)
				}
			}
			entries := func() (of map[int64]int) {
				t.Helper()
				of = map[int64]int{}
				for _, id := range ids {
					n := 0
					err := db.Read(t.Context(), func(q store.Queryer) error {
						return q.QueryRowContext(t.Context(), "SELECT busy_until FROM deliveries WHERE id = $1", id).Scan(&n)
					})
					if err != nil {
						t.Fatal(err)
					}
					if n == 0 {
						of[id]++
					}
				}
				return of
			}
			first := add()
			begin(t, db, first)
			tried := add()
			waits(tried)
			c.add(time.Second)
			if err := db.Attempted(t.Context(), first, 500, "no", false, c.Now().Add(time.Minute)); err != nil {
				t.Fatal(err)
			}
			if got := entries(); got[tried] != 1 {
				t.Fatalf("an attempt that failed called nobody: %v", got)
			}
			begin(t, db, tried)
			c.add(2 * time.Minute)
			// Its sender is lost; the first is due again, and may go.
			begin(t, db, first)
			second := add()
			waits(second)
			if err := db.ReleaseDelivery(t.Context(), first); err != nil {
				t.Fatal(err)
			}
			if got := entries(); got[second] != 1 {
				t.Errorf("an attempt that was given up called nobody: %v", got)
			}
			begin(t, db, second)
			waits(first)
			third := add() // it waits from the start
			if got := entries(); got[third] != 0 {
				t.Errorf("it is in the queue: %v", got)
			}
			if err := db.Attempted(t.Context(), second, 200, "", true, time.Time{}); err != nil {
				t.Fatal(err)
			}
			if got := entries(); got[third] != 1 || got[first] != 0 {
				t.Errorf("called %v, want the one that was never tried", got)
			}
			// A sender that was lost is found, and so are those who wait for it.
			begin(t, db, third)
			c.add(2 * time.Minute)
			if _, _, _, err := db.Reap(t.Context(), c.Now(), nil); err != nil {
				t.Fatal(err)
			}
			if got := entries(); got[third] != 1 || got[first] != 1 {
				t.Errorf("called %v, want the lost one and the one that waits", got)
			}
			begin(t, db, first)
			waits(third)
			last := add()
			if err := db.DeleteEndpoint(t.Context(), 1, e.ID); err != nil {
				t.Fatal(err)
			}
			for _, id := range []int64{first, third, last} {
				if d, ok, err := db.BeginDelivery(t.Context(), id, time.Minute); ok || d.Waits || d.State != store.DeliveryFailed || err != nil {
					t.Errorf("without its endpoint: %+v, %v, %v", d, ok, err)
				}
			}
		})
	}
}

// TestReapOfManyThatWait: projects whose receivers hang, however many they are,
// keep no other from being called when its sender was lost, and cost no writes.
func TestReapOfManyThatWait(t *testing.T) {
	const hang = 201 // one more than a Reap looks at
	for _, dialect := range []string{store.SQLite, store.Postgres} {
		t.Run(dialect, func(t *testing.T) {
			c := newClock()
			db := storetest.Open(t, storetest.URL(t, dialect), store.Options{Now: c.Now, Deliveries: 1})
			insert := func(tx *store.Tx, id, project, busy int64) error {
				_, err := tx.ExecContext(t.Context(), `INSERT INTO deliveries (id, project, endpoint, url, form, event, event_id, job, snapshot, state, attempts, next_at, last_status, last_error, created_at, finished_at, busy_until)
					VALUES ($1, $2, 0, '', '', '', '', 0, '{}', 'pending', 0, 0, 0, '', 0, 0, $3)`, id, project, busy)
				return err
			}
			later := c.Now().Add(time.Hour).UnixMilli()
			err := db.Write(t.Context(), func(tx *store.Tx) error {
				for p := int64(1); p <= hang; p++ {
					if err := errors.Join(insert(tx, 2*p, p, later), insert(tx, 2*p+1, p, -1)); err != nil {
						return err
					}
				}
				return insert(tx, 2*hang+2, hang+1, -1) // whose other deliveries ended with their process
			})
			if err != nil {
				t.Fatal(err)
			}
			if _, _, _, err := db.Reap(t.Context(), c.Now(), nil); err != nil {
				t.Fatal(err)
			}
			var called int64
			err = db.Read(t.Context(), func(q store.Queryer) error {
				return q.QueryRowContext(t.Context(), "SELECT id FROM deliveries WHERE busy_until = 0").Scan(&called)
			})
			if err != nil || called != 2*hang+2 {
				t.Errorf("called %d, %v, want %d", called, err, 2*hang+2)
			}
		})
	}
}
