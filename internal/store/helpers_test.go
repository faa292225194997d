package store_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/store"
	"github.com/kinora-video/kinora/internal/store/storetest"
)

const lease = 30 * time.Second

// clock is a clock that moves when it is told to.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// each runs a test on each database, with a clock of the test's own.
func each(t *testing.T, test func(t *testing.T, db *store.DB, c *clock)) {
	t.Helper()
	for _, dialect := range []string{store.SQLite, store.Postgres} {
		t.Run(dialect, func(t *testing.T) {
			c := newClock()
			test(t, storetest.Open(t, storetest.URL(t, dialect), store.Options{Now: c.Now}), c)
		})
	}
}

// submission is a job of a project that costs one second.
func submission(project int64) store.Submission {
	return store.Submission{Job: job.Job{
		Project: project, Key: project + 1, API: job.Native, Priority: job.DefaultPriority, Price: 1000,
		Spec: job.Spec{Kind: job.Video, Model: "reel", Engine: "reel", Prompt: "a red ball", Seconds: 1, Seed: 7},
	}}
}

// submit accepts a job, or ends the test.
func submit(t *testing.T, db *store.DB, s store.Submission) job.Job {
	t.Helper()
	j, again, err := db.Submit(t.Context(), s, nil)
	if err != nil || again {
		t.Fatalf("submit: again %v, %v", again, err)
	}
	return j
}

// claim takes a job, or ends the test.
func claim(t *testing.T, db *store.DB) job.Job {
	t.Helper()
	j, ok, err := db.Claim(t.Context(), "worker", lease, nil)
	if err != nil || !ok {
		t.Fatalf("claim: %v, %v", ok, err)
	}
	return j
}

// none ends the test if there is a job to claim.
func none(t *testing.T, db *store.DB) {
	t.Helper()
	if j, ok, err := db.Claim(t.Context(), "worker", lease, nil); ok || err != nil {
		t.Fatalf("claimed job %v of project %d: %v; want none", j.ID, j.Project, err)
	}
}

func get(t *testing.T, db *store.DB, j job.Job) job.Job {
	t.Helper()
	got, err := db.Job(t.Context(), j.Project, j.ID)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// wantCode fails the test unless err is a job.Error of a code.
func wantCode(t *testing.T, what string, err error, code job.Code) {
	t.Helper()
	if err == nil || job.CodeOf(err) != code {
		t.Errorf("%s: %v (code %v), want code %s", what, err, job.CodeOf(err), code)
	}
}

// refunds counts calls of a settle or refund hook per job.
type refunds struct {
	mu sync.Mutex
	of map[job.ID]int
}

func (r *refunds) hook(tx *store.Tx, j *job.Job) error {
	tx.AfterCommit(func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.of == nil {
			r.of = map[job.ID]int{}
		}
		r.of[j.ID]++
	})
	return nil
}

// checkLoad compares the counters with the rows they count.
func checkLoad(ctx context.Context, db *store.DB) (string, error) {
	var wrong int
	err := db.Read(ctx, func(q store.Queryer) error {
		return q.QueryRowContext(ctx, `SELECT COUNT(*) FROM project_load AS p WHERE
			queued <> (SELECT COUNT(*) FROM jobs WHERE jobs.project = p.project AND state = 'queued') OR
			running <> (SELECT COUNT(*) FROM jobs WHERE jobs.project = p.project AND state = 'running')`).Scan(&wrong)
	})
	if wrong > 0 {
		return "project_load does not count what jobs has", err
	}
	return "", err
}
