package store_test

import (
	"testing"

	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/store"
)

// TestLongQueue: in a queue of several projects that is too long to be read for
// every caller, jobs still start in the order of their positions, up to
// MaxPosition. A job that arrived after the order was read gets the position at
// which it will start.
func TestLongQueue(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB, _ *clock) {
		fill(t, db, 3, 1200)
		position := map[job.ID]int{}
		beyond := 0
		for p := int64(1); p <= 3; p++ {
			jobs, _, err := db.Jobs(t.Context(), store.JobFilter{Project: p, States: []job.State{job.Queued}, Limit: 400})
			if err != nil || len(jobs) != 400 {
				t.Fatalf("%d jobs, %v", len(jobs), err)
			}
			for _, j := range jobs {
				ahead, err := db.Position(t.Context(), j.ID)
				switch {
				case err != nil:
					t.Fatal(err)
				case ahead == store.MaxPosition:
					beyond++
				case ahead > store.MaxPosition:
					t.Fatalf("position %d", ahead)
				default:
					position[j.ID] = ahead
				}
			}
		}
		if beyond != 200 {
			t.Errorf("%d jobs are beyond MaxPosition, want 200", beyond)
		}
		last := submit(t, db, submission(1))
		first := submission(1)
		first.Job.Priority = 9
		urgent := submit(t, db, first)
		fresh := submit(t, db, submission(4))
		for what, c := range map[string]struct {
			j    job.Job
			most int
			want int
		}{
			"the last of a long queue":     {last, store.MaxPosition, store.MaxPosition},
			"an urgent one":                {urgent, 9, 0},
			"one of a project that is new": {fresh, 9, 0},
		} {
			if ahead, err := db.Position(t.Context(), c.j.ID); ahead < c.want || ahead > c.most || err != nil {
				t.Errorf("%s has position %d, %v", what, ahead, err)
			}
		}
		for _, j := range []job.Job{last, urgent, fresh} {
			if _, err := db.Cancel(t.Context(), j.Project, j.ID, nil); err != nil {
				t.Fatal(err)
			}
		}
		for n := range 300 {
			j := claim(t, db)
			if position[j.ID] != n {
				t.Fatalf("claimed number %d, want number %d", n, position[j.ID])
			}
			delete(position, j.ID)
		}
		// The cached order is older than these starts. Of jobs with the same
		// virtual time it cannot tell which have started.
		for id, was := range position {
			if ahead, err := db.Position(t.Context(), id); ahead < was-300 || ahead > was-298 || err != nil {
				t.Fatalf("after 300 starts position %d became %d, %v", was, ahead, err)
			}
		}
	})
}

// TestLongQueueOfOne: if only one project has jobs, positions need no cached
// order: they are exact at every moment, up to MaxPosition.
func TestLongQueueOfOne(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB, _ *clock) {
		fill(t, db, 1, 990)
		for n := range 20 {
			j := submit(t, db, submission(1))
			if ahead, err := db.Position(t.Context(), j.ID); ahead != min(990+n, store.MaxPosition) || err != nil {
				t.Fatalf("position %d, %v, want %d", ahead, err, 990+n)
			}
		}
		first := submission(1)
		first.Job.Priority = 9
		for n := range 3 {
			j := submit(t, db, first)
			if ahead, err := db.Position(t.Context(), j.ID); ahead != n || err != nil {
				t.Errorf("urgent: position %d, %v, want %d", ahead, err, n)
			}
		}
		j := claim(t, db)
		if ahead, err := db.Position(t.Context(), j.ID); ahead != 0 || err != nil {
			t.Errorf("a running job has position %d, %v", ahead, err)
		}
	})
}
