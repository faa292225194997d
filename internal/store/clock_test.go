package store_test

import (
	"testing"
	"time"

	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/store"
	"github.com/kinora-video/kinora/internal/store/storetest"
)

const keep = 30 * 24 * time.Hour

// finish makes a job of a project that has succeeded, with one file.
func finish(t *testing.T, db *store.DB, project int64) (job.Job, store.File) {
	t.Helper()
	submit(t, db, submission(project))
	running := claim(t, db)
	var f store.File
	done, err := db.Finish(t.Context(), running.ID, running.Attempt, store.Ending{State: job.Succeeded, Result: &job.Result{}, Keep: keep}, func(tx *store.Tx, j *job.Job) (err error) {
		f, err = tx.AddFile(t.Context(), store.File{Project: project, Job: j.ID, Key: "video/" + j.ID.String(), CreatedAt: j.FinishedAt, ExpiresAt: j.ExpiresAt})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return done, f
}

// TestWrongClock: files and jobs that a server made while its clock was wrong are
// kept for the usual time once the clock is right, both over a restart and while
// it runs.
func TestWrongClock(t *testing.T) {
	right := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, dialect := range []string{store.SQLite, store.Postgres} {
		for name, restart := range map[string]bool{"restarted": true, "running": false} {
			t.Run(dialect+"/"+name, func(t *testing.T) {
				c := &clock{now: time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)}
				url := storetest.URL(t, dialect)
				db := storetest.Open(t, url, store.Options{Now: c.Now})
				made, f := finish(t, db, 1)
				failed := submit(t, db, submission(1))
				j := claim(t, db)
				if _, err := db.Finish(t.Context(), j.ID, j.Attempt, store.Ending{State: job.Failed, Error: job.Errorf(job.Internal, "", "no")}, nil); err != nil {
					t.Fatal(err)
				}
				s := submission(1)
				s.Job.ExpiresAt = c.Now().Add(time.Hour)
				waits := submit(t, db, s)
				looks := func(at time.Time) {
					t.Helper()
					c.add(at.Sub(c.Now()))
					if restart {
						if err := db.Close(); err != nil {
							t.Fatal(err)
						}
						db = storetest.Open(t, url, store.Options{Now: c.Now})
					}
					if err := db.WatchClock(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				sweep := func() (jobs int, expired int) {
					t.Helper()
					_, jobs, err := db.ForgetJobs(t.Context(), c.Now().Add(-keep), 100)
					if err != nil {
						t.Fatal(err)
					}
					files, err := db.ExpiredFiles(t.Context(), c.Now(), 100)
					if err != nil {
						t.Fatal(err)
					}
					if _, _, _, err := db.Reap(t.Context(), c.Now(), nil); err != nil {
						t.Fatal(err)
					}
					return jobs, len(files)
				}
				looks(right)
				if jobs, files := sweep(); jobs != 0 || files != 0 {
					t.Errorf("when the clock is corrected, %d jobs and %d files are removed", jobs, files)
				}
				if got, err := db.File(t.Context(), 1, f.ID); err != nil || got.ExpiresAt.Sub(right) < keep-time.Minute || got.ExpiresAt.Sub(right) > keep {
					t.Errorf("the file: %+v, %v, want it kept for %v", got, err, keep)
				}
				if got := get(t, db, made); got.ExpiresAt.Sub(right) < keep-time.Minute {
					t.Errorf("the job's files expire at %v", got.ExpiresAt)
				}
				if got := get(t, db, waits); got.State != job.Queued {
					t.Errorf("the waiting job is %s", got.State)
				}
				get(t, db, failed)
				// They are removed when their time has come.
				for day := range 31 {
					c.add(24 * time.Hour)
					if err := db.WatchClock(t.Context()); err != nil {
						t.Fatal(err)
					}
					if jobs, files := sweep(); day < 29 && jobs+files != 0 {
						t.Fatalf("after %d days %d jobs and %d files are removed", day+1, jobs, files)
					}
				}
				if got := get(t, db, waits); got.State != job.Expired {
					t.Errorf("the waiting job is still %s", got.State)
				}
				if _, err := db.Job(t.Context(), 1, made.ID); job.CodeOf(err) != job.NotFound {
					t.Errorf("the job is still there: %v", err)
				}
			})
		}
	}
}

// TestClockBack: work that a server began while its clock was years ahead goes on
// when the clock is right. (On Postgres, other machines may have the right time.)
func TestClockBack(t *testing.T) {
	c := &clock{now: time.Now().AddDate(70, 0, 0).Truncate(time.Millisecond)}
	db := storetest.Open(t, storetest.URL(t, store.SQLite), store.Options{Now: c.Now})
	reportChanges(db)
	endpoint(t, db, 1, "job.queued")
	submit(t, db, submission(1))
	lost := claim(t, db)
	retried := submit(t, db, submission(2))
	j := claim(t, db)
	if _, err := db.Retry(t.Context(), j.ID, j.Attempt, job.Errorf(job.Unavailable, "", "no"), time.Minute, nil); err != nil {
		t.Fatal(err)
	}
	d := deliveries(t, db, store.DeliveryFilter{Project: 1})[0]
	begin(t, db, d.ID)
	if err := db.Attempted(t.Context(), d.ID, 500, "no", false, c.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	done, f := finish(t, db, 3)
	c.add(-time.Until(c.Now()))
	if err := db.WatchClock(t.Context()); err != nil {
		t.Fatal(err)
	}
	now := c.Now()
	if got, err := db.File(t.Context(), 3, f.ID); err != nil || got.ExpiresAt.After(now.Add(keep+time.Minute)) || got.CreatedAt.After(now) {
		t.Errorf("the file: %+v, %v", got, err)
	}
	if got := get(t, db, done); got.FinishedAt.After(now) || got.CreatedAt.After(now) || got.StartedAt.After(got.FinishedAt) {
		t.Errorf("the job that is done: %+v", got)
	}
	if got := deliveries(t, db, store.DeliveryFilter{Project: 1})[0]; got.NextAt.After(now.Add(time.Hour)) || !got.NextAt.After(now) {
		t.Errorf("the delivery is due at %v, want within an hour of %v", got.NextAt, now)
	}
	c.add(2 * time.Minute)
	requeued, _, _, err := db.Reap(t.Context(), c.Now(), nil)
	if err != nil || requeued != 1 {
		t.Errorf("%d jobs of workers that were lost, %v", requeued, err)
	}
	if a, b := claim(t, db), claim(t, db); min(a.ID, b.ID) != min(lost.ID, retried.ID) || max(a.ID, b.ID) != max(lost.ID, retried.ID) {
		t.Errorf("claimed %v and %v, want %v and %v", a.ID, b.ID, lost.ID, retried.ID)
	}
}

// TestTimesInOrder: no job ends before it began, and none is kept for less than
// its time, whatever the clock does in between.
func TestTimesInOrder(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB, c *clock) {
		made := submit(t, db, submission(1))
		c.add(-24 * 365 * time.Hour)
		running := claim(t, db)
		if _, err := db.Heartbeat(t.Context(), running.ID, running.Attempt, lease, store.Heartbeat{}); err != nil {
			t.Fatal(err)
		}
		beaten := get(t, db, made)
		c.add(-time.Hour)
		done, err := db.Finish(t.Context(), running.ID, running.Attempt, store.Ending{State: job.Succeeded, Result: &job.Result{}, Keep: keep}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if running.StartedAt.Before(made.CreatedAt) || beaten.UpdatedAt.Before(made.CreatedAt) || done.FinishedAt.Before(running.StartedAt) || !done.ExpiresAt.Equal(done.FinishedAt.Add(keep)) {
			t.Errorf("created %v, started %v, heartbeat %v, finished %v, kept until %v", made.CreatedAt, running.StartedAt, beaten.UpdatedAt, done.FinishedAt, done.ExpiresAt)
		}
	})
}
