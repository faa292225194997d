package store_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/store"
)

// TestFrozenWorker: a worker that sleeps past its lease and wakes after another
// has finished its job changes nothing. One result is visible.
func TestFrozenWorker(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB, c *clock) {
		submit(t, db, submission(1))
		frozen := claim(t, db)
		if err := db.KeepLatents(t.Context(), frozen.ID, frozen.Attempt, "l/1"); err != nil {
			t.Fatal(err)
		}
		c.add(lease - time.Second)
		if requeued, failed, expired, err := db.Reap(t.Context(), c.Now(), nil); requeued+failed+expired != 0 || err != nil {
			t.Fatalf("a job whose lease holds was reaped: %v", err)
		}
		c.add(2 * time.Second)
		if requeued, _, _, err := db.Reap(t.Context(), c.Now(), nil); requeued != 1 || err != nil {
			t.Fatalf("%d requeued, %v", requeued, err)
		}
		other := claim(t, db)
		if other.ID != frozen.ID || other.Attempt != 2 || other.Latents != "l/1" {
			t.Fatalf("the other got %+v", other)
		}
		late := func(when string) {
			t.Helper()
			ctx := t.Context()
			_, beat := db.Heartbeat(ctx, frozen.ID, 1, lease, store.Heartbeat{Progress: 0.9})
			_, finish := db.Finish(ctx, frozen.ID, 1, store.Ending{State: job.Succeeded, Result: &job.Result{Text: "late"}}, func(*store.Tx, *job.Job) error {
				t.Error("a late result was settled")
				return nil
			})
			_, retry := db.Retry(ctx, frozen.ID, 1, nil, 0, nil)
			_, release := db.Release(ctx, frozen.ID, 1, nil)
			for what, err := range map[string]error{"heartbeat": beat, "latents": db.KeepLatents(ctx, frozen.ID, 1, "l/late"), "finish": finish, "retry": retry, "release": release} {
				if !errors.Is(err, job.ErrLate) {
					t.Errorf("%s, %s: %v, want job.ErrLate", when, what, err)
				}
			}
		}
		late("while the other runs")
		if _, err := db.Finish(t.Context(), other.ID, 2, store.Ending{State: job.Succeeded, Result: &job.Result{Text: "right"}}, nil); err != nil {
			t.Fatal(err)
		}
		late("after the other finished")
		if g := get(t, db, other); g.State != job.Succeeded || g.Result.Text != "right" || g.Progress != 1 {
			t.Errorf("visible is %+v", g)
		}
	})
}

// TestPoison: a job that loses or fails all its attempts ends as failed, with a
// message that says why.
func TestPoison(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB, c *clock) {
		var r refunds
		j := submit(t, db, submission(1))
		claim(t, db)
		c.add(lease)
		if requeued, failed, _, err := db.Reap(t.Context(), c.Now(), r.hook); requeued != 1 || failed != 0 || err != nil {
			t.Fatalf("%d requeued, %d failed, %v", requeued, failed, err)
		}
		claim(t, db)
		got, err := db.Retry(t.Context(), j.ID, 2, job.Errorf(job.Internal, "", "the disk bit"), 10*time.Second, r.hook)
		if err != nil || got.State != job.Queued || len(r.of) != 0 {
			t.Fatalf("%+v, %v, refunds %v", got, err, r.of)
		}
		none(t, db) // it is not due
		c.add(10 * time.Second)
		claim(t, db)
		got, err = db.Retry(t.Context(), j.ID, 3, job.Errorf(job.Internal, "", "the disk bit"), 0, r.hook)
		if err != nil || got.State != job.Failed || got.Error.Code != job.PastAttempts || r.of[j.ID] != 1 {
			t.Fatalf("%+v, %v, refunds %v", got, err, r.of)
		}
		if want := "it was tried 3 times and is not tried again; the last error: the disk bit"; got.Error.Message != want {
			t.Errorf("%q, want %q", got.Error.Message, want)
		}
		none(t, db)

		s := submission(1)
		s.Job.MaxAttempts = 1
		lost := submit(t, db, s)
		claim(t, db)
		c.add(lease)
		if _, failed, _, err := db.Reap(t.Context(), c.Now(), r.hook); failed != 1 || err != nil || r.of[lost.ID] != 1 {
			t.Errorf("%d failed, %v, refunds %v", failed, err, r.of)
		}
		if g := get(t, db, lost); g.State != job.Failed || g.Error.Code != job.PastAttempts {
			t.Errorf("%+v", g)
		}
	})
}

// TestRelease: attempts that a stopping worker gives back do not count, however
// many there are. Their numbers are not used again.
func TestRelease(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB, _ *clock) {
		s := submission(1)
		s.Job.MaxAttempts = 1
		j := submit(t, db, s)
		for n := 1; n <= 4; n++ {
			if got := claim(t, db); got.Attempt != n {
				t.Fatalf("attempt %d, want %d", got.Attempt, n)
			}
			if got, err := db.Release(t.Context(), j.ID, n, nil); err != nil || got.State != job.Queued {
				t.Fatalf("%+v, %v", got, err)
			}
		}
		claim(t, db)
		if got, err := db.Retry(t.Context(), j.ID, 5, nil, 0, nil); err != nil || got.State != job.Failed {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

func TestExpiry(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB, c *clock) {
		var r refunds
		s := submission(1)
		s.Job.ExpiresAt = c.Now().Add(time.Minute)
		j := submit(t, db, s)
		patient := submit(t, db, submission(1))
		c.add(time.Minute)
		if got := claim(t, db); got.ID != patient.ID {
			t.Errorf("a job that waited too long was started")
		}
		_, _, expired, err := db.Reap(t.Context(), c.Now(), r.hook)
		if expired != 1 || err != nil || r.of[j.ID] != 1 {
			t.Errorf("%d expired, %v, refunds %v", expired, err, r.of)
		}
		if g := get(t, db, j); g.State != job.Expired || g.Error.Code != job.IsExpired {
			t.Errorf("%+v", g)
		}
	})
}

// TestExpirySaysWhatHappened: the error of an expired job says how often it was
// started.
func TestExpirySaysWhatHappened(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB, c *clock) {
		for attempts, want := range []string{"without being started", "was started once", "was started 2 times"} {
			s := submission(1)
			s.Job.ExpiresAt = c.Now().Add(time.Minute)
			j := submit(t, db, s)
			for n := 1; n <= attempts; n++ {
				claim(t, db)
				if _, err := db.Retry(t.Context(), j.ID, n, job.Errorf(job.Internal, "", "it broke"), 0, nil); err != nil {
					t.Fatal(err)
				}
			}
			c.add(time.Minute)
			if _, _, expired, err := db.Reap(t.Context(), c.Now(), nil); expired != 1 || err != nil {
				t.Fatalf("%d expired, %v", expired, err)
			}
			if got := get(t, db, j); got.State != job.Expired || !strings.Contains(got.Error.Message, want) {
				t.Errorf("after %d attempts: %s: %v, want %q", attempts, got.State, got.Error, want)
			}
		}
	})
}

// TestSettleFails: a Finish whose settle fails changes nothing, and can be
// repeated.
func TestSettleFails(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB, _ *clock) {
		j := submit(t, db, submission(1))
		claim(t, db)
		no := errors.New("no")
		end := store.Ending{State: job.Succeeded, Result: &job.Result{}}
		if _, err := db.Finish(t.Context(), j.ID, 1, end, func(*store.Tx, *job.Job) error { return no }); !errors.Is(err, no) {
			t.Errorf("%v", err)
		}
		if g := get(t, db, j); g.State != job.Running || g.Result != nil {
			t.Errorf("%+v", g)
		}
		if _, err := db.Finish(t.Context(), j.ID, 1, end, nil); err != nil {
			t.Error(err)
		}
		for _, state := range []job.State{job.Queued, job.Running, job.Expired, "odd"} {
			if _, err := db.Finish(t.Context(), j.ID, 1, store.Ending{State: state}, nil); err == nil || errors.Is(err, job.ErrLate) {
				t.Errorf("a job was finished as %s: %v", state, err)
			}
		}
		if wrong, err := checkLoad(t.Context(), db); wrong != "" || err != nil {
			t.Error(wrong, err)
		}
	})
}
