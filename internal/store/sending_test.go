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

// TestNoProjectWaits: receivers of one project that never answer delay no other
// project. Once they answer, every event arrives, each once.
func TestNoProjectWaits(t *testing.T) {
	const many = 20
	for _, dialect := range []string{store.SQLite, store.Postgres} {
		t.Run(dialect, func(t *testing.T) {
			db := storetest.Open(t, storetest.URL(t, dialect), store.Options{Deliveries: 3})
			reportChanges(db)
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
				ReapEvery: time.Hour, // the end of a delivery enqueues the next
				Deliver: func(ctx context.Context, id int64) (time.Duration, error) {
					d, ok, err := db.BeginDelivery(ctx, id)
					if err != nil || !ok {
						if !d.Waits {
							t.Errorf("delivery %d could not be begun: %+v, %v", id, d, err)
						}
						return 0, err
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
					return 0, err
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

// TestTurnsOfDeliveries: a delivery that finds no free slot waits in its row, and
// is enqueued when a slot is free, never-tried deliveries first. Every way in
// which a delivery ends frees its slot.
func TestTurnsOfDeliveries(t *testing.T) {
	for _, dialect := range []string{store.SQLite, store.Postgres} {
		t.Run(dialect, func(t *testing.T) {
			c := newClock()
			db := storetest.Open(t, storetest.URL(t, dialect), store.Options{Now: c.Now, Deliveries: 1})
			reportChanges(db)
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
				if d, ok, err := db.BeginDelivery(t.Context(), id); ok || !d.Waits || err != nil {
					t.Fatalf("it does not wait: %+v, %v, %v", d, ok, err)
				}
			}
			entries := func() (of map[int64]int) {
				t.Helper()
				of = map[int64]int{}
				for _, id := range ids {
					var slot string
					err := db.Read(t.Context(), func(q store.Queryer) error {
						return q.QueryRowContext(t.Context(), "SELECT slot FROM deliveries WHERE id = $1", id).Scan(&slot)
					})
					if err != nil {
						t.Fatal(err)
					}
					if slot == "" {
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
				t.Fatalf("a failed attempt enqueued no other: %v", got)
			}
			begin(t, db, tried)
			c.add(2 * time.Minute)
			second := add()
			waits(second)
			if err := db.ReleaseDelivery(t.Context(), tried); err != nil {
				t.Fatal(err)
			}
			if got := entries(); got[second] != 1 {
				t.Errorf("a released attempt enqueued no other: %v", got)
			}
			begin(t, db, second)
			waits(first)
			if err := db.Attempted(t.Context(), tried, 200, "", true, time.Time{}); err != nil {
				t.Fatal(err)
			}
			third := add() // it waits from the start
			if got := entries(); got[third] != 0 {
				t.Errorf("it is in the queue: %v", got)
			}
			if err := db.Attempted(t.Context(), second, 200, "", true, time.Time{}); err != nil {
				t.Fatal(err)
			}
			if got := entries(); got[third] != 1 || got[first] != 0 {
				t.Errorf("enqueued %v, want the one that was never tried", got)
			}
			// The slot of a lost sender stays held until River runs its entry
			// again.
			begin(t, db, third)
			waits(first)
			begin(t, db, third)
			last := add()
			if err := db.DeleteEndpoint(t.Context(), 1, e.ID); err != nil {
				t.Fatal(err)
			}
			for _, id := range []int64{first, third, last} {
				if d, ok, err := db.BeginDelivery(t.Context(), id); ok || d.Waits || d.State != store.DeliveryFailed || err != nil {
					t.Errorf("without its endpoint: %+v, %v, %v", d, ok, err)
				}
			}
		})
	}
}

// TestDatabaseOfTheVersionBefore: deliveries that the previous version left
// pending are sent, in whatever state they were: due, postponed, with a killed
// sender, or waiting behind others. Finished ones are not sent.
func TestDatabaseOfTheVersionBefore(t *testing.T) {
	for _, dialect := range []string{store.SQLite, store.Postgres} {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			url := storetest.URL(t, dialect)
			old, err := store.OpenAt(t.Context(), url, 7)
			if err != nil {
				t.Fatal(err)
			}
			now := time.Now().UnixMilli()
			rows := []struct {
				id, project, busy, next int64
				state                   store.DeliveryState
				entry, lost             bool
			}{
				{id: 1, project: 1, state: store.DeliveryPending, next: now, entry: true},
				{id: 2, project: 1, state: store.DeliveryPending, next: now, busy: now + 20_000, entry: true, lost: true},
				{id: 3, project: 1, state: store.DeliveryPending, next: now, busy: -1},
				{id: 4, project: 2, state: store.DeliveryPending, next: now, busy: -1}, // no delivery of its project is under way
				{id: 5, project: 2, state: store.DeliveryPending, next: now + 300, entry: true},
				{id: 6, project: 2, state: store.DeliveryDelivered, entry: true, lost: true}, // written in the row, but not in River's entry
				{id: 7, project: 2, state: store.DeliveryFailed},
			}
			for _, lost := range []bool{true, false} {
				err := old.Write(t.Context(), func(tx *store.Tx) error {
					for _, r := range rows {
						if r.lost != lost {
							continue
						}
						_, err := tx.ExecContext(t.Context(), `INSERT INTO deliveries (id, project, endpoint, url, form, event, event_id, job, snapshot, state, attempts, next_at, last_status, last_error, created_at, finished_at, busy_until)
							VALUES ($1, $2, 0, '', '', '', '', 0, '{}', $3, 0, $4, 0, '', $5, 0, $6)`, r.id, r.project, r.state, r.next, now, r.busy)
						if err != nil {
							return err
						}
						if r.entry {
							tx.EnqueueDelivery(r.id, time.Time{})
						}
					}
					return nil
				})
				if lost {
					err = errors.Join(err, old.LoseDeliveries(t.Context(), time.Minute))
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			if err := old.Close(); err != nil {
				t.Fatal(err)
			}
			db := storetest.Open(t, url, store.Options{Deliveries: 1})
			sent := make(chan int64, len(rows))
			startQueue(t, db, store.QueueConfig{DeliverTime: 10 * time.Second, Deliver: func(ctx context.Context, id int64) (time.Duration, error) {
				d, ok, err := db.BeginDelivery(ctx, id)
				switch {
				case err != nil:
					return 0, err
				case ok:
					sent <- id
					return 0, db.Attempted(ctx, id, 200, "", true, time.Time{})
				case d.State == store.DeliveryPending && !d.Waits:
					return max(time.Millisecond, d.NextAt.Sub(db.Now())), nil
				}
				return 0, nil
			}})
			got := map[int64]int{}
			for range 5 {
				got[recv(t, "a delivery", sent)]++
			}
			for id := int64(1); id <= 7; id++ {
				want := store.DeliveryDelivered
				if id == 7 {
					want = store.DeliveryFailed
				}
				if d, err := db.Delivery(t.Context(), 0, id); err != nil || d.State != want && !eventually(t, func() bool { d, err = db.Delivery(t.Context(), 0, id); return err == nil && d.State == want }) {
					t.Errorf("delivery %d is %s, %v, want %s", id, d.State, err, want)
				}
				if n := got[id]; n != map[bool]int{true: 1}[id <= 5] {
					t.Errorf("delivery %d was sent %d times", id, n)
				}
			}
		})
	}
}

// eventually reports whether something becomes true.
func eventually(t *testing.T, is func() bool) bool {
	t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			return false
		}
	}
	return true
}
