package store_test

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/store"
)

func sessionHash(text string) []byte {
	h := sha256.Sum256([]byte(text))
	return h[:]
}

// TestSessions: a session is found with its key and project until it ends, is ended,
// or is one too many.
func TestSessions(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB, c *clock) {
		ctx := t.Context()
		p := tenant(t, db, nil)
		k, err := db.CreateKey(ctx, store.Key{Project: p.ID, Name: "k", Prefix: "kn-1…", Hash: sessionHash("key"), Scopes: []string{"jobs:read", "files"}})
		if err != nil {
			t.Fatal(err)
		}
		add := func(name string, good time.Duration) {
			t.Helper()
			if err := db.AddSession(ctx, store.Session{Hash: sessionHash(name), Project: p.ID, Key: k.ID, ExpiresAt: c.Now().Add(good)}); err != nil {
				t.Fatal(err)
			}
			c.add(time.Millisecond)
		}
		there := func(name string) bool {
			t.Helper()
			s, key, project, err := db.SessionByHash(ctx, sessionHash(name))
			if err != nil {
				if job.CodeOf(err) != job.NotFound {
					t.Fatal(err)
				}
				return false
			}
			if project != p || key.ID != k.ID || !slices.Equal(key.Scopes, k.Scopes) || s.Key != k.ID || s.Project != p.ID || s.CreatedAt.IsZero() || !s.ExpiresAt.After(c.Now()) {
				t.Errorf("%s: %+v of %+v in %+v", name, s, key, project)
			}
			return true
		}
		add("a", time.Hour)
		add("short", time.Minute)
		if !there("a") || !there("short") || there("b") {
			t.Error("a new session is not there, or one that never was is")
		}
		c.add(time.Minute)
		if there("short") {
			t.Error("it is there past its end")
		}
		if err := db.EndSession(ctx, sessionHash("a")); err != nil || there("a") {
			t.Errorf("ended: %v", err)
		}
		if err := db.EndSession(ctx, sessionHash("a")); err != nil {
			t.Errorf("ended twice: %v", err)
		}
		for i := range store.MaxSessions + 1 {
			add(fmt.Sprint(i), time.Hour)
		}
		if there("0") || !there("1") || !there(fmt.Sprint(store.MaxSessions)) {
			t.Error("not the oldest of too many was signed out")
		}
	})
}

// TestFollowProject: a follower of a project hears of its jobs alone, also of one
// that is deleted, and of each once.
func TestFollowProject(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB, _ *clock) {
		mine, stop := db.FollowProject(1)
		defer stop()
		heard := func(want ...job.ID) {
			t.Helper()
			select {
			case <-mine.C:
			default:
				if len(want) > 0 {
					t.Error("nobody was woken")
				}
			}
			got := mine.Take()
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("heard of %v, want %v", got, want)
			}
		}
		a, b := submit(t, db, submission(1)), submit(t, db, submission(1))
		submit(t, db, submission(2))
		heard(a.ID, b.ID)
		heard()
		got := claim(t, db)
		if _, err := db.Heartbeat(t.Context(), got.ID, 1, lease, store.Heartbeat{Phase: "sampling"}); err != nil {
			t.Fatal(err)
		}
		if got.Project == 1 {
			heard(got.ID)
		}
		if _, err := db.Cancel(t.Context(), 1, b.ID, nil); err != nil {
			t.Fatal(err)
		}
		heard(b.ID)
		if _, err := db.Delete(t.Context(), 1, b.ID); err != nil {
			t.Fatal(err)
		}
		heard(b.ID)
		stop()
		submit(t, db, submission(1))
		heard()
	})
}

// TestInFlight: the jobs of a project that wait or run, with their revisions, and
// their places.
func TestInFlight(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB, _ *clock) {
		ctx := t.Context()
		var all []job.Job
		for range 3 {
			all = append(all, submit(t, db, submission(1)))
		}
		submit(t, db, submission(2))
		if _, err := db.Cancel(ctx, 1, all[2].ID, nil); err != nil {
			t.Fatal(err)
		}
		got, err := db.InFlight(ctx, 1)
		if err != nil || len(got) != 2 || got[0].State != job.Queued || got[0].Revision != 1 {
			t.Errorf("in flight: %+v, %v", got, err)
		}
		places, err := db.Positions(ctx, []job.ID{all[0].ID, all[1].ID})
		if err != nil || len(places) != 2 || places[all[0].ID] >= places[all[1].ID] {
			t.Errorf("places: %v, %v", places, err)
		}
		pending, err := db.Pending(ctx, 10)
		if err != nil || len(pending) != 3 {
			t.Errorf("pending: %d, %v", len(pending), err)
		}
	})
}

// TestRecentWork: what jobs of a model took, without those that failed.
func TestRecentWork(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB, c *clock) {
		ctx := t.Context()
		for i := range 3 {
			submit(t, db, submission(1))
			j := claim(t, db)
			c.add(time.Duration(i+1) * time.Second)
			e := store.Ending{State: job.Succeeded, Result: &job.Result{Seconds: 1}}
			if i == 2 {
				e = store.Ending{State: job.Failed, Error: job.Errorf(job.Internal, "", "no")}
			}
			if _, err := db.Finish(ctx, j.ID, j.Attempt, e, nil); err != nil {
				t.Fatal(err)
			}
		}
		got, err := db.RecentWork(ctx, "reel", 5)
		if err != nil || len(got) != 2 || got[0].Took != 2*time.Second || got[1].Took != time.Second || got[0].Spec.Seconds != 1 {
			t.Errorf("got %+v, %v", got, err)
		}
		if got, err := db.RecentWork(ctx, "testcard", 5); err != nil || len(got) != 0 {
			t.Errorf("of another model: %+v, %v", got, err)
		}
	})
}
