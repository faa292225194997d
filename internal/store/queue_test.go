package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/store"
	"github.com/kinora-video/kinora/internal/store/storetest"
)

// patience is how long a test waits for an event.
const patience = 20 * time.Second

// recv waits for a value.
func recv[T any](t *testing.T, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("waited %s for %s, which did not come", patience, what)
		panic("unreachable")
	}
}

// startQueue starts a queue that stops at the end of the test.
func startQueue(t *testing.T, db *store.DB, c store.QueueConfig) *store.Queue {
	t.Helper()
	q, err := db.StartQueue(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := q.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return q
}

// worker claims jobs and gives them to run. If run returns an error, the job is
// soon retried.
func worker(db *store.DB, run func(context.Context, job.Job) error) func(context.Context) (bool, error) {
	return func(ctx context.Context) (bool, error) {
		j, ok, err := db.Claim(ctx, "worker", lease, nil)
		if err != nil || !ok {
			return false, err
		}
		if err := run(ctx, j); err != nil {
			_, err = db.Retry(ctx, j.ID, j.Attempt, nil, 300*time.Millisecond, nil)
			return true, err
		}
		_, err = db.Finish(ctx, j.ID, j.Attempt, store.Ending{State: job.Succeeded, Result: &job.Result{}}, nil)
		return true, err
	}
}

// TestQueueRuns: jobs start as they arrive, failed ones run again, and a job
// whose ticket was lost runs too.
func TestQueueRuns(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ran := make(chan job.Job, 100)
		var drop atomic.Bool // whether tickets are lost
		db.OnChange(func(tx *store.Tx, j job.Job) error {
			if drop.Load() && j.State == job.Queued {
				tx.DropTickets()
			}
			return nil
		})
		startQueue(t, db, store.QueueConfig{Workers: 2, ReapEvery: 200 * time.Millisecond, Work: worker(db, func(_ context.Context, j job.Job) error {
			ran <- j
			if j.Priority == 0 && j.Attempt == 1 {
				return errors.New("once")
			}
			return nil
		})})
		for range 3 {
			began := time.Now()
			j := submit(t, db, submission(1))
			if got := recv(t, "a job", ran); got.ID != j.ID {
				t.Errorf("another job ran")
			}
			t.Logf("a job started after %s", time.Since(began))
		}
		s := submission(1)
		s.Job.Priority = 0
		j := submit(t, db, s)
		for n := 1; n <= 2; n++ {
			if got := recv(t, "an attempt", ran); got.ID != j.ID || got.Attempt != n {
				t.Errorf("attempt %d of %v, want %d of %v", got.Attempt, got.ID, n, j.ID)
			}
		}
		drop.Store(true)
		j = submit(t, db, submission(1))
		if got := recv(t, "a job without a ticket", ran); got.ID != j.ID {
			t.Errorf("another job ran")
		}
	})
}

// TestQueueDrains: many jobs of two projects all run once, taking turns.
func TestQueueDrains(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		many(t, db, 60, submission(1))
		many(t, db, 20, submission(2))
		const n = 80
		ran := make(chan job.Job, 2*n)
		began := time.Now()
		startQueue(t, db, store.QueueConfig{Workers: 2, Work: worker(db, func(_ context.Context, j job.Job) error {
			ran <- j
			return nil
		})})
		seen := map[job.ID]bool{}
		var last2 int
		for i := range n {
			j := recv(t, "a job", ran)
			if seen[j.ID] {
				t.Errorf("job %v ran twice", j.ID)
			}
			seen[j.ID] = true
			if j.Project == 2 {
				last2 = i
			}
		}
		t.Logf("%d jobs ran in %s", n, time.Since(began))
		if last2 > 44 {
			t.Errorf("the small project's last job was start %d, want about 40", last2)
		}
	})
}

// watchedContext reports when somebody waits for its end.
type watchedContext struct {
	context.Context
	waits chan<- bool
}

func (c watchedContext) Done() <-chan struct{} {
	select {
	case c.waits <- true:
	default:
	}
	return c.Context.Done()
}

// TestQueueStops: Stop lets running jobs end, and cancels them when its time is
// over.
func TestQueueStops(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		started, end, cancelled := make(chan job.Job, 9), make(chan bool), make(chan bool, 9)
		q := startQueue(t, db, store.QueueConfig{Workers: 2, Work: worker(db, func(ctx context.Context, j job.Job) error {
			started <- j
			select {
			case <-end:
				return nil
			case <-ctx.Done():
				cancelled <- true
				return nil
			}
		})})
		jobs := []job.Job{submit(t, db, submission(1)), submit(t, db, submission(1)), submit(t, db, submission(1))}
		recv(t, "a job", started)
		recv(t, "a job", started)
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		began, stopped := make(chan bool, 1), make(chan error, 1)
		go func() { stopped <- q.Stop(watchedContext{ctx, began}) }()
		recv(t, "Stop's waiting", began)
		end <- true // one ends by itself
		for late := time.Now().Add(patience); get(t, db, jobs[0]).State != job.Succeeded && get(t, db, jobs[1]).State != job.Succeeded; time.Sleep(time.Millisecond) {
			if time.Now().After(late) {
				t.Fatal("the job that ended did not succeed")
			}
		}
		if len(cancelled) != 0 {
			t.Error("the other was cancelled before its time was over")
		}
		cancel()
		recv(t, "the cancelling of the other", cancelled)
		if err := recv(t, "Stop", stopped); err != nil {
			t.Error(err)
		}
		if len(started) != 0 {
			t.Error("a job was started while the queue was stopping")
		}
		if g := get(t, db, jobs[2]); g.State != job.Queued {
			t.Errorf("the third is %s", g.State)
		}
	})
}

// TestDeliveries: River repeats a delivery that is postponed or met an error
// until it is over. A delivery whose transaction was undone is never sent.
func TestDeliveries(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		got := make(chan string, 99)
		var mu sync.Mutex
		attempts := map[int64]int{}
		startQueue(t, db, store.QueueConfig{Deliver: func(_ context.Context, id int64) (time.Duration, error) {
			mu.Lock()
			defer mu.Unlock()
			attempts[id]++
			got <- fmt.Sprint(id, " ", attempts[id])
			switch {
			case id == 3, attempts[id] == 3:
				return 0, nil
			case attempts[id] == 2:
				return 0, errors.New("the database is away")
			}
			return 20 * time.Millisecond, nil
		}})
		no := errors.New("no")
		for _, id := range []int64{1, 2, 3} {
			err := db.Write(t.Context(), func(tx *store.Tx) error {
				tx.EnqueueDelivery(id, time.Time{})
				if id == 2 {
					return no
				}
				return nil
			})
			if (id == 2) != errors.Is(err, no) {
				t.Fatal(err)
			}
		}
		var seen []string
		for range 4 {
			seen = append(seen, recv(t, "a delivery", got))
		}
		slices.Sort(seen)
		if !slices.Equal(seen, []string{"1 1", "1 2", "1 3", "3 1"}) {
			t.Errorf("deliveries %q", seen)
		}
	})
}

// BenchmarkSubmit measures jobs that 32 clients submit at once, each with an
// idempotency key, and the 99th percentile of the time to an answer.
func BenchmarkSubmit(b *testing.B) {
	for _, dialect := range []string{store.SQLite, store.Postgres} {
		b.Run(dialect, func(b *testing.B) {
			db := storetest.Open(b, storetest.URL(b, dialect), store.Options{})
			const clients = 32
			times := make([][]time.Duration, clients)
			n := max(b.N, clients)
			var wg sync.WaitGroup
			b.ResetTimer()
			for c := range clients {
				wg.Go(func() {
					for i := range n / clients {
						s := submission(int64(c%4) + 1)
						s.IdempotencyKey, s.RequestHash = fmt.Sprint(c, "-", i), "hash"
						s.MaxInFlight, s.MaxQueued = 1e9, 1e9
						began := time.Now()
						if _, _, err := db.Submit(context.Background(), s, nil); err != nil {
							b.Error(err)
							return
						}
						times[c] = append(times[c], time.Since(began))
					}
				})
			}
			wg.Wait()
			b.StopTimer()
			all := slices.Sorted(slices.Values(slices.Concat(times...)))
			b.ReportMetric(float64(len(all))/b.Elapsed().Seconds(), "jobs/s")
			b.ReportMetric(float64(all[len(all)*99/100].Microseconds())/1000, "p99-ms")
		})
	}
}
