package store_test

import (
	gocmp "cmp"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/store"
)

// TestLife follows a job from its arrival to its deletion.
func TestLife(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB, c *clock) {
		var seen []job.State
		db.OnChange(func(_ *store.Tx, j job.Job) error {
			seen = append(seen, j.State)
			return nil
		})
		s := submission(1)
		s.Job.Spec.Metadata = map[string]string{"a": "b"}
		s.Job.Spec.FirstFrame = "frames/a.png"
		s.Job.Callback, s.Job.Sponsor, s.Job.ExpiresAt = "https://example.com/hook", true, c.Now().Add(time.Hour)
		sent := submit(t, db, s)
		want := s.Job
		want.ID, want.State, want.MaxAttempts, want.Revision = sent.ID, job.Queued, job.DefaultAttempts, 1
		want.CreatedAt, want.UpdatedAt = c.Now(), c.Now()
		if diff := cmp.Diff(want, sent); diff != "" {
			t.Errorf("Submit gave (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(want, get(t, db, sent)); diff != "" {
			t.Errorf("the store has (-want +got):\n%s", diff)
		}

		changed, stop := db.Follow(sent.ID)
		defer stop()
		c.add(time.Second)
		got := claim(t, db)
		if got.ID != sent.ID || got.State != job.Running || got.Attempt != 1 || got.Worker != "worker" || !got.StartedAt.Equal(c.Now()) {
			t.Errorf("claimed %+v", got)
		}
		select {
		case <-changed:
		default:
			t.Error("a follower was not woken")
		}
		none(t, db)
		c.add(time.Second)
		beat := store.Heartbeat{Phase: "sampling", Progress: 0.25, Left: 1500 * time.Millisecond, Preview: "p/1"}
		if asked, err := db.Heartbeat(t.Context(), got.ID, 1, lease, beat); asked || err != nil {
			t.Errorf("heartbeat: %v, %v", asked, err)
		}
		beat.Preview = ""
		if _, err := db.Heartbeat(t.Context(), got.ID, 1, lease, beat); err != nil {
			t.Error(err)
		}
		if err := db.KeepLatents(t.Context(), got.ID, 1, "l/1"); err != nil {
			t.Error(err)
		}
		if g := get(t, db, got); g.Phase != beat.Phase || g.Progress != 0.25 || g.Left != beat.Left || g.Preview != "p/1" || g.Latents != "l/1" || g.Percent() != 25 {
			t.Errorf("after heartbeats: %+v", g)
		}
		result := &job.Result{Files: []job.File{{ID: 5, Role: job.RoleVideo, Key: "v/1", Bytes: 9}}, Width: 320, Seed: 7}
		end := store.Ending{State: job.Succeeded, Result: result, Keep: time.Hour}
		done, err := db.Finish(t.Context(), got.ID, 1, end, func(tx *store.Tx, j *job.Job) error {
			if j.State != job.Succeeded {
				t.Errorf("settle sees state %s", j.State)
			}
			_, err := tx.AddFile(t.Context(), store.File{ID: 5, Project: 1, Purpose: "result", Key: "v/1", Bytes: 9, Job: j.ID})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(result, done.Result); diff != "" || done.State != job.Succeeded || done.Progress != 1 || done.Latents != "" || done.Preview != "" {
			t.Errorf("finished as %+v\n%s", done, diff)
		}
		if diff := cmp.Diff(done, get(t, db, done)); diff != "" {
			t.Errorf("the store has (-returned +got):\n%s", diff)
		}
		if !slices.Equal(seen, []job.State{job.Queued, job.Running, job.Succeeded}) {
			t.Errorf("the hook saw %v", seen)
		}

		_, err = db.Delete(t.Context(), 2, done.ID)
		wantCode(t, "delete another project's job", err, job.NotFound)
		keys, err := db.Delete(t.Context(), 1, done.ID)
		if err != nil || !slices.Equal(keys, []string{"v/1", "frames/a.png"}) {
			t.Errorf("delete: %q, %v", keys, err)
		}
		_, err = db.Job(t.Context(), 1, done.ID)
		wantCode(t, "a deleted job", err, job.NotFound)
		if known, err := db.KnownKey(t.Context(), "v/1"); known || err != nil {
			t.Errorf("its file is still known: %v, %v", known, err)
		}
	})
}

// TestOthersSeeNothing: no call finds a job of another project.
func TestOthersSeeNothing(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB, _ *clock) {
		j := submit(t, db, submission(1))
		_, err := db.Job(t.Context(), 2, j.ID)
		wantCode(t, "job", err, job.NotFound)
		_, err = db.Cancel(t.Context(), 2, j.ID, nil)
		wantCode(t, "cancel", err, job.NotFound)
		_, err = db.Delete(t.Context(), 2, j.ID)
		wantCode(t, "delete", err, job.NotFound)
		if jobs, total, err := db.Jobs(t.Context(), store.JobFilter{Project: 2, IDs: []job.ID{j.ID}}); len(jobs)+total != 0 || err != nil {
			t.Errorf("list: %d of %d, %v", len(jobs), total, err)
		}
		_, _, err = db.Jobs(t.Context(), store.JobFilter{Project: 2, After: j.ID})
		wantCode(t, "list after it", err, job.Invalid)
		if g := get(t, db, j); g.State != job.Queued {
			t.Errorf("it became %s", g.State)
		}
	})
}

// TestIdempotency: of many concurrent requests with one key, one creates a job,
// and all return that job.
func TestIdempotency(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB, _ *clock) {
		const n = 24
		s := submission(1)
		s.IdempotencyKey, s.RequestHash, s.MaxInFlight = "key", "hash", 1
		ids := map[job.ID]bool{}
		fresh, reserved := 0, 0
		var mu sync.Mutex
		var wg sync.WaitGroup
		for range n {
			wg.Go(func() {
				j, again, err := db.Submit(t.Context(), s, func(tx *store.Tx, _ *job.Job) error {
					tx.AfterCommit(func() { mu.Lock(); reserved++; mu.Unlock() })
					return nil
				})
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					t.Error(err)
				}
				ids[j.ID] = true
				if !again {
					fresh++
				}
			})
		}
		wg.Wait()
		if len(ids) != 1 || fresh != 1 || reserved != 1 {
			t.Errorf("%d jobs, %d fresh, %d reserved; want 1 of each", len(ids), fresh, reserved)
		}
		other := s
		other.RequestHash = "another"
		_, _, err := db.Submit(t.Context(), other, nil)
		wantCode(t, "another request with the key", err, job.Conflict)
		other.Job.Project = 2
		submit(t, db, other)
		if stats, err := db.Stats(t.Context()); err != nil || stats.Queued != 2 {
			t.Errorf("%+v, %v", stats, err)
		}
	})
}

func TestBounds(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB, _ *clock) {
		s := submission(1)
		s.MaxInFlight = 2
		submit(t, db, s)
		submit(t, db, s)
		_, _, err := db.Submit(t.Context(), s, nil)
		wantCode(t, "third job of a project with a limit of two", err, job.TooMany)
		if job.AsError(err).RetryAfter <= 0 {
			t.Error("it does not say when to try again")
		}
		claim(t, db)
		_, _, err = db.Submit(t.Context(), s, nil)
		wantCode(t, "third while one runs", err, job.TooMany)

		k := submission(3)
		k.MaxKeyInFlight = 1
		submit(t, db, k)
		_, _, err = db.Submit(t.Context(), k, nil)
		wantCode(t, "second job of a key with a limit of one", err, job.TooMany)
		k.Job.Key++
		submit(t, db, k)

		q := submission(2)
		q.MaxQueued = 4
		submit(t, db, q) // with one of project 1 and two of 3
		_, _, err = db.Submit(t.Context(), q, nil)
		wantCode(t, "fifth of a queue of four", err, job.QueueFull)
		if job.AsError(err).RetryAfter <= 0 {
			t.Error("it does not say when to try again")
		}
		broke := job.Errorf(job.Balance, "", "no money")
		_, _, err = db.Submit(t.Context(), submission(2), func(*store.Tx, *job.Job) error { return broke })
		if !errors.Is(err, broke) {
			t.Errorf("a reserve that failed: %v", err)
		}
		stats, err := db.Stats(t.Context())
		want := store.Stats{Queued: 4, Running: 1, Oldest: db.Now(), Projects: []store.Load{{Project: 1, Queued: 1, Running: 1}, {Project: 2, Queued: 1}, {Project: 3, Queued: 2}}}
		if diff := cmp.Diff(want, stats); err != nil || diff != "" {
			t.Errorf("refused jobs left something: %v\n%s", err, diff)
		}
	})
}

func TestCancel(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB, _ *clock) {
		var r refunds
		a, b := submit(t, db, submission(1)), submit(t, db, submission(1))
		claim(t, db) // a
		got, err := db.Cancel(t.Context(), 1, b.ID, r.hook)
		if err != nil || got.State != job.Cancelled || r.of[b.ID] != 1 {
			t.Errorf("a queued job: %s, %v, refunds %v", got.State, err, r.of)
		}
		_, err = db.Cancel(t.Context(), 1, b.ID, r.hook)
		wantCode(t, "cancel a cancelled job", err, job.Conflict)
		_, err = db.Delete(t.Context(), 1, a.ID)
		wantCode(t, "delete a running job", err, job.Conflict)
		for range 2 {
			if got, err = db.Cancel(t.Context(), 1, a.ID, r.hook); err != nil || got.State != job.Running || !got.CancelAsked {
				t.Errorf("a running job: %+v, %v", got, err)
			}
		}
		if asked, err := db.Heartbeat(t.Context(), a.ID, 1, lease, store.Heartbeat{}); !asked || err != nil {
			t.Errorf("the worker's heartbeat returns %v, %v", asked, err)
		}
		if r.of[a.ID] != 0 {
			t.Error("a job that still runs was refunded")
		}
		// If the worker fails instead of stopping, the job is cancelled all the
		// same.
		if got, err = db.Retry(t.Context(), a.ID, 1, job.Errorf(job.Internal, "", "x"), 0, r.hook); err != nil || got.State != job.Cancelled || r.of[a.ID] != 1 {
			t.Errorf("after Retry: %s, %v, refunds %v", got.State, err, r.of)
		}
		none(t, db)
	})
}

func TestJobs(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB, c *clock) {
		var all []job.Job
		for i := range 12 {
			s := submission(1)
			if i%2 == 1 {
				s.Job.Spec.Kind, s.Job.API, s.Job.Spec.Model, s.Job.Spec.TaskType = job.Image, job.MiniMaxV2, "other", "i2v"
			}
			all = append(all, submit(t, db, s))
			if i%3 == 0 {
				c.add(time.Second) // some are of the same millisecond
			}
		}
		submit(t, db, submission(2))
		if _, err := db.Cancel(t.Context(), 1, all[3].ID, nil); err != nil {
			t.Fatal(err)
		}
		ids := func(f store.JobFilter) (out []job.ID, total int) {
			t.Helper()
			f.Project = 1
			jobs, total, err := db.Jobs(t.Context(), f)
			if err != nil {
				t.Fatal(err)
			}
			for _, j := range jobs {
				out = append(out, j.ID)
			}
			return out, total
		}
		up, _ := ids(store.JobFilter{Ascending: true})
		down, total := ids(store.JobFilter{})
		slices.Reverse(down)
		if !slices.Equal(up, down) || total != 12 || len(up) != 12 {
			t.Fatalf("both ways: %v and %v of %d", up, down, total)
		}
		if up[0] != all[0].ID {
			t.Errorf("the oldest is %v, want %v", up[0], all[0].ID)
		}
		// Pages, by offset and by cursor, either way.
		for _, asc := range []bool{true, false} {
			want := slices.Clone(up)
			if !asc {
				slices.Reverse(want)
			}
			var byOffset, byCursor []job.ID
			for f := (store.JobFilter{Ascending: asc, Limit: 5}); ; f.Offset += 5 {
				page, total := ids(f)
				byOffset = append(byOffset, page...)
				if total != 12 {
					t.Errorf("total %d", total)
				}
				if len(page) < 5 {
					break
				}
			}
			for f := (store.JobFilter{Ascending: asc, Limit: 5}); ; {
				page, _ := ids(f)
				byCursor = append(byCursor, page...)
				if len(page) < 5 {
					break
				}
				f.After = page[4]
			}
			if !slices.Equal(byOffset, want) || !slices.Equal(byCursor, want) {
				t.Errorf("ascending %v: by offset %v, by cursor %v, want %v", asc, byOffset, byCursor, want)
			}
			if between, _ := ids(store.JobFilter{Ascending: asc, After: want[2], Before: want[6]}); !slices.Equal(between, want[3:6]) {
				t.Errorf("between: %v, want %v", between, want[3:6])
			}
		}
		for name, tt := range map[string]struct {
			f    store.JobFilter
			want int
		}{
			"state":     {store.JobFilter{States: []job.State{job.Cancelled}}, 1},
			"states":    {store.JobFilter{States: []job.State{job.Cancelled, job.Queued}}, 12},
			"api":       {store.JobFilter{API: []job.API{job.MiniMaxV2}}, 6},
			"ids":       {store.JobFilter{IDs: []job.ID{all[1].ID, all[2].ID, 5}}, 2},
			"model":     {store.JobFilter{Models: []string{"other", "third"}}, 6},
			"task type": {store.JobFilter{TaskTypes: []string{"i2v"}}, 6},
			"kind":      {store.JobFilter{Kind: job.Image}, 6},
			"since":     {store.JobFilter{Since: all[4].CreatedAt}, 8},
			"no model":  {store.JobFilter{Models: []string{"'; DROP TABLE jobs; --"}}, 0},
		} {
			if got, total := ids(tt.f); len(got) != tt.want || total != tt.want {
				t.Errorf("%s: %d of %d, want %d", name, len(got), total, tt.want)
			}
		}
	})
}

func TestFiles(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB, c *clock) {
		var files []store.File
		for i := range 4 {
			f := store.File{Project: 1, Purpose: []string{"a", "b"}[i%2], Name: fmt.Sprint("n", i), ContentType: "image/png", Key: fmt.Sprint("k/", i), SHA256: "00", Bytes: int64(i)}
			if i > 1 {
				f.ExpiresAt = c.Now().Add(time.Duration(5-i) * time.Minute)
			}
			f, err := db.AddFile(t.Context(), f)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, f)
			if i != 1 { // the second and the third are of the same time
				c.add(time.Millisecond)
			}
		}
		got, err := db.File(t.Context(), 1, files[2].ID)
		if diff := cmp.Diff(files[2], got); err != nil || diff != "" {
			t.Errorf("%v\n%s", err, diff)
		}
		_, err = db.File(t.Context(), 2, files[2].ID)
		wantCode(t, "another project's", err, job.NotFound)
		older := func(a, b store.File) int {
			return gocmp.Or(a.CreatedAt.Compare(b.CreatedAt), gocmp.Compare(a.ID, b.ID))
		}
		for _, ascending := range []bool{true, false} {
			want := slices.SortedFunc(slices.Values(files), older)
			if !ascending {
				slices.Reverse(want)
			}
			var seen []store.File
			for after := int64(0); len(seen) < 10; {
				list, err := db.Files(t.Context(), store.FileFilter{Project: 1, After: after, Ascending: ascending, Limit: 1})
				if err != nil {
					t.Fatal(err)
				}
				if len(list) == 0 {
					break
				}
				after = list[0].ID
				seen = append(seen, list...)
			}
			if diff := cmp.Diff(want, seen); diff != "" {
				t.Errorf("ascending %v:\n%s", ascending, diff)
			}
		}
		_, err = db.Files(t.Context(), store.FileFilter{Project: 1, After: 1})
		wantCode(t, "after none", err, job.Invalid)
		if list, err := db.Files(t.Context(), store.FileFilter{Project: 1, Purpose: "b"}); len(list) != 2 || err != nil {
			t.Errorf("of purpose b: %v, %v", list, err)
		}
		c.add(2 * time.Minute)
		_, err = db.File(t.Context(), 1, files[3].ID)
		wantCode(t, "an expired file", err, job.NotFound)
		over, err := db.ExpiredFiles(t.Context(), c.Now().Add(time.Hour), 10)
		if err != nil || len(over) != 2 || over[0].ID != files[3].ID {
			t.Errorf("expired: %v, %v", over, err)
		}
		_, err = db.DeleteFile(t.Context(), 2, files[0].ID)
		wantCode(t, "delete another project's", err, job.NotFound)
		for _, there := range []bool{true, false} {
			known, err := db.KnownKey(t.Context(), "k/0")
			if err != nil || known != there {
				t.Errorf("KnownKey: %v, %v", known, err)
			}
			if key, err := db.DeleteFile(t.Context(), 1, files[0].ID); there && (key != "k/0" || err != nil) {
				t.Errorf("delete: %q, %v", key, err)
			}
		}
		s := submission(1)
		s.Job.Spec.FirstFrame = "f/1"
		submit(t, db, s)
		if known, err := db.KnownKey(t.Context(), "f/1"); !known || err != nil {
			t.Errorf("a job's first frame: %v, %v", known, err)
		}
	})
}
