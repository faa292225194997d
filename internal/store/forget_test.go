package store_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/store"
)

// TestForgetJobs: jobs that ended long enough ago are removed with their files.
// All others stay.
func TestForgetJobs(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB, c *clock) {
		ctx := t.Context()
		end := func(s store.Submission) job.Job {
			submit(t, db, s)
			j := claim(t, db)
			f := job.File{ID: store.NewID(), Role: job.RoleVideo, Key: "video/00/" + j.ID.String() + ".mp4", ContentType: "video/mp4"}
			j, err := db.Finish(ctx, j.ID, j.Attempt, store.Ending{State: job.Succeeded, Result: &job.Result{Files: []job.File{f}}},
				func(tx *store.Tx, j *job.Job) error {
					_, err := tx.AddFile(ctx, store.File{ID: f.ID, Project: j.Project, Name: "video.mp4", Key: f.Key, Job: j.ID})
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

// words are texts of a job that must be nowhere once it is deleted.
var words = []string{"a secret garden", "written out", "my own note", "the video's words", "look at", "frame.png", "cb.example", "engine said", "spoken by", "speech.wav"}

// worded is a job that contains the words.
func worded() store.Submission {
	s := submission(1)
	s.Job.Callback = "https://cb.example/hook"
	s.Job.Spec.Prompt, s.Job.Spec.Asked = "a secret garden, written out", "a secret garden"
	s.Job.Spec.Metadata = map[string]string{"note": "my own note"}
	s.Job.Spec.Notes = []string{"look at this"}
	s.Job.Spec.FirstFrame = "image/00/frame.png"
	s.Job.Spec.Narration = &job.Narration{Text: "spoken by me", Key: "sound/00/speech.wav"}
	return s
}

// snapshots returns what all deliveries store of jobs.
func snapshots(t *testing.T, db *store.DB) (out []string) {
	t.Helper()
	err := db.Read(t.Context(), func(q store.Queryer) error {
		rows, err := q.QueryContext(t.Context(), "SELECT snapshot FROM deliveries ORDER BY created_at, id")
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var s string
			if err := rows.Scan(&s); err != nil {
				return err
			}
			out = append(out, s)
		}
		return rows.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestDeletedJobsAreToldNoMore: a deleted or removed job leaves none of its words
// in the deliveries, pending ones included. Pending deliveries are still sent and
// say how the job ended. Deliveries of other jobs keep their words.
func TestDeletedJobsAreToldNoMore(t *testing.T) {
	forget := map[string]func(t *testing.T, db *store.DB, c *clock, j job.Job){
		"deleted": func(t *testing.T, db *store.DB, _ *clock, j job.Job) {
			if _, err := db.Delete(t.Context(), 1, j.ID); err != nil {
				t.Fatal(err)
			}
		},
		"forgotten": func(t *testing.T, db *store.DB, c *clock, _ job.Job) {
			if _, n, err := db.ForgetJobs(t.Context(), c.Now(), 10); err != nil || n != 1 {
				t.Fatalf("forgot %d, %v", n, err)
			}
		},
	}
	endings := map[string]store.Ending{
		"succeeded": {State: job.Succeeded, Result: &job.Result{
			Text: "the video's words", Notes: []string{"look at that"}, Width: 320, Files: []job.File{{ID: 7, Role: job.RoleVideo, Key: "video/00/a.mp4"}},
		}},
		"failed": {State: job.Failed, Error: job.Errorf(job.OutputUnsafe, "", "the engine said no")},
	}
	for how, forget := range forget {
		for end, ending := range endings {
			t.Run(how+" "+end, func(t *testing.T) {
				each(t, func(t *testing.T, db *store.DB, c *clock) {
					reportChanges(db)
					endpoint(t, db, 1, "job.queued", "job.succeeded", "job.failed")
					submit(t, db, worded())
					j := claim(t, db)
					j, err := db.Finish(t.Context(), j.ID, j.Attempt, ending, nil)
					if err != nil {
						t.Fatal(err)
					}
					before := snapshots(t, db)
					for _, word := range words[:3] {
						if !strings.Contains(strings.Join(before, ""), word) {
							t.Fatalf("no delivery has %q, so the test shows nothing: %v", word, before)
						}
					}
					c.add(time.Second)
					other := submit(t, db, worded())
					told := len(snapshots(t, db)) - len(before)
					forget(t, db, c, j)

					all := snapshots(t, db)
					if len(all) != len(before)+told {
						t.Fatalf("%d deliveries are left, want %d", len(all), len(before)+told)
					}
					for _, s := range all[:len(before)] {
						if i := slices.IndexFunc(words, func(w string) bool { return strings.Contains(s, w) }); i >= 0 {
							t.Errorf("a delivery still has %q: %s", words[i], s)
						}
					}
					for _, s := range all[len(before):] {
						if !strings.Contains(s, other.Spec.Prompt) {
							t.Errorf("another job's delivery lost its prompt: %s", s)
						}
					}
					for _, d := range deliveries(t, db, store.DeliveryFilter{Project: 1, Job: j.ID}) {
						got := begin(t, db, d.ID).Snapshot
						if err := db.Attempted(t.Context(), d.ID, 200, "", true, time.Time{}); err != nil {
							t.Fatal(err)
						}
						if got.ID != j.ID || got.API != j.API || got.Spec.Kind != job.Video || got.Spec.Model != "reel" {
							t.Errorf("the pending delivery is of another job: %+v", got)
						}
						switch {
						case got.State == job.Succeeded && (got.Result == nil || got.Result.Width != 320 || len(got.Result.Files) != 1 || got.Result.Files[0].ID != 7),
							got.State == job.Failed && (got.Error == nil || got.Error.Code != job.OutputUnsafe):
							t.Errorf("the pending delivery does not say how the job ended: %+v", got)
						}
					}
				})
			})
		}
	}
}

// TestSoundsAreForgotten: a job's narration and track are known while it is there,
// and go with it, whether it is deleted or forgotten.
func TestSoundsAreForgotten(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB, c *clock) {
		ctx := t.Context()
		for name, end := range map[string]func(j job.Job) ([]string, error){
			"deleted": func(j job.Job) ([]string, error) { return db.Delete(ctx, 1, j.ID) },
			"forgotten": func(job.Job) (keys []string, err error) {
				keys, _, err = db.ForgetJobs(ctx, c.Now().Add(time.Hour), 10)
				return keys, err
			},
		} {
			s := submission(1)
			s.Job.Spec.Narration, s.Job.Spec.Sound = &job.Narration{Key: "sound/00/speech.wav"}, &job.Sound{Key: "sound/00/track.wav"}
			submit(t, db, s)
			j := claim(t, db)
			if j.Spec.Narration == nil || j.Spec.Sound == nil || len(j.Spec.Inputs()) != 2 {
				t.Fatalf("%s: claimed %+v", name, j.Spec)
			}
			if _, err := db.Finish(ctx, j.ID, j.Attempt, store.Ending{State: job.Succeeded, Result: &job.Result{}}, nil); err != nil {
				t.Fatal(err)
			}
			for _, key := range j.Spec.Inputs() {
				if known, err := db.KnownKey(ctx, key); err != nil || !known {
					t.Errorf("%s: %s is known: %v, %v", name, key, known, err)
				}
			}
			c.add(2 * time.Hour)
			keys, err := end(j)
			if err != nil || !slices.Equal(keys, []string{"sound/00/speech.wav", "sound/00/track.wav"}) {
				t.Errorf("%s: keys %v, %v", name, keys, err)
			}
			for _, key := range j.Spec.Inputs() {
				if known, err := db.KnownKey(ctx, key); err != nil || known {
					t.Errorf("%s: %s is still known: %v, %v", name, key, known, err)
				}
			}
		}
	})
}

// TestSharedFirstFrame: a first frame is removed with the last job that starts
// from it.
func TestSharedFirstFrame(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB, c *clock) {
		ctx := t.Context()
		const frame = "image/00/frame.png"
		s := submission(1)
		s.Job.Spec.FirstFrame = frame
		var jobs []job.Job
		for range 3 {
			submit(t, db, s)
			j := claim(t, db)
			if _, err := db.Finish(ctx, j.ID, j.Attempt, store.Ending{State: job.Succeeded, Result: &job.Result{}}, nil); err != nil {
				t.Fatal(err)
			}
			jobs = append(jobs, j)
			c.add(time.Minute)
		}
		keys, err := db.Delete(ctx, 1, jobs[1].ID)
		if err != nil || len(keys) != 0 {
			t.Errorf("with two others: keys %v, %v", keys, err)
		}
		keys, n, err := db.ForgetJobs(ctx, c.Now().Add(-150*time.Second), 10)
		if err != nil || n != 1 || len(keys) != 0 {
			t.Errorf("with one other: %d jobs, keys %v, %v", n, keys, err)
		}
		if known, err := db.KnownKey(ctx, frame); err != nil || !known {
			t.Errorf("the frame of the job that is left is known: %v, %v", known, err)
		}
		keys, err = db.Delete(ctx, 1, jobs[2].ID)
		if err != nil || !slices.Equal(keys, []string{frame}) {
			t.Errorf("the last: keys %v, %v", keys, err)
		}
	})
}
