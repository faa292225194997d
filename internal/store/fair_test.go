package store_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/store"
)

// many submits n jobs of a project at once.
func many(t *testing.T, db *store.DB, n int, s store.Submission) {
	t.Helper()
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range n / 16 {
				if _, _, err := db.Submit(context.Background(), s, nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for range n % 16 {
		submit(t, db, s)
	}
}

// TestFairBar: one project submits 500 jobs, and then another project submits
// one. The latter runs next, whether the first project's jobs had begun or not.
func TestFairBar(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB, _ *clock) {
		many(t, db, 500, submission(1))
		next := func(when string, project int64) {
			t.Helper()
			j := submit(t, db, submission(project))
			if ahead, err := db.Position(t.Context(), j.ID); ahead != 0 || err != nil {
				t.Errorf("%s: position %d, %v", when, ahead, err)
			}
			if got := claim(t, db); got.ID != j.ID {
				t.Errorf("%s: a job of project %d ran before it", when, got.Project)
			}
		}
		next("before anything ran", 2)
		for range 5 {
			if got := claim(t, db); got.Project != 1 {
				t.Errorf("project %d has a job", got.Project)
			}
		}
		next("while the first runs", 3)
		next("after it had its share", 2)
	})
}

// TestPositionsCome: for random queues, jobs are claimed in the order of their
// positions.
func TestPositionsCome(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB, _ *clock) {
		rapid.Check(t, func(rt *rapid.T) {
			empty(rt, db)
			for range rapid.IntRange(1, 25).Draw(rt, "jobs") {
				s := submission(rapid.Int64Range(1, 4).Draw(rt, "project"))
				s.Job.Priority = rapid.IntRange(4, 6).Draw(rt, "priority")
				s.Job.Spec.Seconds = float64(rapid.IntRange(1, 10).Draw(rt, "seconds"))
				s.Weight = int(s.Job.Project)
				submitRapid(rt, db, s)
				if rapid.IntRange(0, 5).Draw(rt, "claim") == 0 {
					if _, _, err := db.Claim(t.Context(), "w", lease, nil); err != nil {
						rt.Fatal(err)
					}
				}
			}
			position := map[job.ID]int{}
			for p := int64(1); p <= 4; p++ {
				jobs, _, err := db.Jobs(t.Context(), store.JobFilter{Project: p, States: []job.State{job.Queued}, Limit: 100})
				if err != nil {
					rt.Fatal(err)
				}
				for _, j := range jobs {
					if position[j.ID], err = db.Position(t.Context(), j.ID); err != nil {
						rt.Fatal(err)
					}
				}
			}
			for n := range len(position) {
				j, ok, err := db.Claim(t.Context(), "w", lease, nil)
				if err != nil || !ok {
					rt.Fatalf("%v, %v", ok, err)
				}
				if position[j.ID] != n {
					rt.Fatalf("claimed number %d, want number %d", n, position[j.ID])
				}
			}
		})
	})
}

// TestNewcomers: an idle project saves up no share of the workers.
func TestNewcomers(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB, _ *clock) {
		many(t, db, 32, submission(1))
		for range 16 {
			claim(t, db)
		}
		many(t, db, 16, submission(2))
		counts := map[int64]int{}
		for range 16 {
			counts[claim(t, db).Project]++
		}
		if counts[1] != 8 || counts[2] != 8 {
			t.Errorf("of 16 starts %v, want 8 and 8", counts)
		}
	})
}

// TestShares: projects start jobs in proportion to their weights, and none
// exceeds its limit of running jobs.
func TestShares(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB, _ *clock) {
		heavy, light := submission(1), submission(2)
		heavy.Weight = 3
		many(t, db, 48, heavy)
		many(t, db, 48, light)
		counts := map[int64]int{}
		for range 40 {
			counts[claim(t, db).Project]++
		}
		if counts[1] != 30 || counts[2] != 10 {
			t.Errorf("of 40 starts %v, want 30 and 10", counts)
		}
		if err := db.SetShare(t.Context(), 1, 3, 30); err != nil {
			t.Fatal(err)
		}
		for range 5 {
			if j := claim(t, db); j.Project != 2 {
				t.Errorf("project %d exceeds its limit of running jobs", j.Project)
			}
		}
		if err := db.SetShare(t.Context(), 2, 1, 15); err != nil {
			t.Fatal(err)
		}
		none(t, db)
	})
}

// TestPriorityAndEngines: within a project, priority goes before age. A worker
// gets only jobs that its engines can run.
func TestPriorityAndEngines(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB, _ *clock) {
		var want []job.ID
		for _, p := range []int{5, 5, 9, 0, 9} {
			s := submission(1)
			s.Job.Priority = p
			want = append(want, submit(t, db, s).ID)
		}
		want = []job.ID{want[2], want[4], want[0], want[1], want[3]}
		for i, id := range want {
			if got := claim(t, db); got.ID != id {
				t.Errorf("start %d: %v, want %v", i, got.ID, id)
			}
		}
		s := submission(1)
		s.Job.Spec.Engine = "h3"
		h3 := submit(t, db, s)
		if _, ok, err := db.Claim(t.Context(), "w", lease, []string{"reel", "other"}); ok || err != nil {
			t.Errorf("a worker got a job that it cannot run: %v", err)
		}
		if got, ok, err := db.Claim(t.Context(), "w", lease, []string{"reel", "h3"}); !ok || err != nil || got.ID != h3.ID {
			t.Errorf("%v, %v", ok, err)
		}
	})
}

// TestClaimedOnce: of many concurrent workers, each gets a different job.
func TestClaimedOnce(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB, _ *clock) {
		for p := int64(1); p <= 3; p++ {
			many(t, db, 32, submission(p))
		}
		var mu sync.Mutex
		seen := map[job.ID]int{}
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for misses := 0; misses < 3; {
					j, ok, err := db.Claim(context.Background(), "w", time.Hour, nil)
					if err != nil {
						t.Error(err)
						return
					}
					if !ok {
						misses++
						continue
					}
					mu.Lock()
					seen[j.ID]++
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		for id, n := range seen {
			if n != 1 {
				t.Errorf("job %v was claimed %d times", id, n)
			}
		}
		if len(seen) != 96 {
			t.Errorf("%d jobs were claimed, want 96", len(seen))
		}
		if wrong, err := checkLoad(t.Context(), db); wrong != "" || err != nil {
			t.Error(wrong, err)
		}
	})
}
