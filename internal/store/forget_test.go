package store_test

import (
	"testing"
	"time"

	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/store"
)

// TestForgetJobs: what ended long enough ago goes with its files, the rest
// stays.
func TestForgetJobs(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB, c *clock) {
		ctx := t.Context()
		end := func(s store.Submission) job.Job {
			submit(t, db, s)
			j := claim(t, db)
			f := job.File{ID: store.NewID(), Role: job.RoleVideo, Key: "video/00/" + j.ID.String() + ".mp4", ContentType: "video/mp4"}
			j, err := db.Finish(ctx, j.ID, j.Attempt, store.Ending{State: job.Succeeded, Result: &job.Result{Files: []job.File{f}}},
				func(tx *store.Tx, j *job.Job) error {
					_, err := tx.AddFile(ctx, store.File{ID: f.ID, Project: j.Project, Name: "film.mp4", Key: f.Key, Job: j.ID})
					return err
				})
			if err != nil {
				t.Fatal(err)
			}
			return j
		}
		old := end(submission(1))
		c.add(time.Hour)
		fresh := end(submission(1))
		waiting := submit(t, db, submission(1))
		if project, err := db.ProjectOf(ctx, old.ID); project != 1 || err != nil {
			t.Errorf("the job's project: %d, %v", project, err)
		}

		keys, n, err := db.ForgetJobs(ctx, c.Now().Add(-time.Minute), 10)
		if err != nil || n != 1 || len(keys) != 1 || keys[0] != old.Result.Files[0].Key {
			t.Errorf("forgot %d jobs, keys %v, %v", n, keys, err)
		}
		_, err = db.Job(ctx, 1, old.ID)
		wantCode(t, "a forgotten job", err, job.NotFound)
		_, err = db.File(ctx, 1, old.Result.Files[0].ID)
		wantCode(t, "a forgotten file", err, job.NotFound)
		_, err = db.ProjectOf(ctx, old.ID)
		wantCode(t, "a forgotten job's project", err, job.NotFound)
		for _, j := range []job.Job{fresh, waiting} {
			if got := get(t, db, j); got.State != j.State {
				t.Errorf("job %v is %s, want %s", j.ID, got.State, j.State)
			}
		}
		if _, n, err := db.ForgetJobs(ctx, c.Now().Add(-time.Minute), 10); n != 0 || err != nil {
			t.Errorf("forgot %d jobs again, %v", n, err)
		}
	})
}
