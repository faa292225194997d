package auth_test

import (
	"strings"
	"testing"
	"time"

	"github.com/kinora-video/kinora/internal/auth"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/store"
)

// TestSession: a session stands for its key until it is ended, expires, or its key or
// project ends; no other secret is one.
func TestSession(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB, p store.Project, c *clock) {
		ctx := t.Context()
		a := auth.New(db, auth.Options{})
		key, k := issue(t, db, store.Key{Project: p.ID})
		who, err := a.Check(ctx, key)
		if err != nil {
			t.Fatal(err)
		}
		begin := func() string {
			t.Helper()
			secret, expires, err := a.StartSession(ctx, who)
			if err != nil || !expires.Equal(c.now().Add(auth.SessionTime)) || strings.Contains(secret, key) {
				t.Fatalf("%q until %v: %v", secret, expires, err)
			}
			return secret
		}
		good := func(secret string) bool {
			t.Helper()
			got, err := a.Session(ctx, secret)
			if err != nil && job.CodeOf(err) != job.Unauthorized {
				t.Fatal(err)
			}
			if err == nil && (got.Key.ID != k.ID || got.Project.ID != p.ID || !got.Can(auth.ScopeJobsWrite) || got.Can(auth.ScopeAdmin)) {
				t.Errorf("it stands for %+v", got)
			}
			return err == nil
		}
		one, two := begin(), begin()
		if one == two || !good(one) || !good(two) {
			t.Error("two sessions are not two")
		}
		for _, bad := range []string{"", key, one[1:], one + "x", strings.ToUpper(one), strings.Repeat("A", 43)} {
			if good(bad) {
				t.Errorf("%q is a session", bad)
			}
		}
		open, done := a.WhileSession(ctx, one)
		defer done()
		other, doneOther := a.WhileSession(ctx, two)
		defer doneOther()
		if err := a.EndSession(ctx, one); err != nil || good(one) || !good(two) {
			t.Errorf("ended one: %v", err)
		}
		if open.Err() == nil || other.Err() != nil {
			t.Errorf("answers under way: %v of the ended, %v of the other", open.Err(), other.Err())
		}
		c.advance(auth.SessionTime)
		if good(two) {
			t.Error("it is good past its end")
		}
		three := begin()
		if _, err := db.RevokeKey(ctx, p.ID, k.ID); err != nil || good(three) {
			t.Errorf("it outlived its key: %v", err)
		}
	})
}

// TestSessionOfDisabledProject: it is refused while the project is disabled.
func TestSessionOfDisabledProject(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB, p store.Project, c *clock) {
		ctx := t.Context()
		a := auth.New(db, auth.Options{})
		_, k := issue(t, db, store.Key{Project: p.ID})
		secret, _, err := a.StartSession(ctx, auth.Principal{Project: p, Key: k})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.UpdateProject(ctx, p.ID, func(p *store.Project) error { p.DisabledAt = c.now(); return nil }); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Session(ctx, secret); job.CodeOf(err) != job.Unauthorized || !strings.Contains(err.Error(), "disabled") {
			t.Errorf("got %v", err)
		}
	})
}

// TestOwnKey: the key of this machine has every scope, in the default project, and is
// made once; another is made when it was revoked.
func TestOwnKey(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB, p store.Project, c *clock) {
		ctx := t.Context()
		first, err := auth.OwnKey(ctx, db)
		if err != nil || first.Project.ID != p.ID || !first.Can(auth.ScopeAdmin) || !first.Can(auth.ScopeJobsWrite) {
			t.Fatalf("got %+v, %v", first, err)
		}
		c.advance(time.Hour)
		d, err := db.CreateProject(ctx, store.Project{Name: auth.DefaultProject, Plan: "payg", Weight: 1})
		if err != nil {
			t.Fatal(err)
		}
		second, err := auth.OwnKey(ctx, db)
		if err != nil || second.Project.ID != d.ID {
			t.Errorf("with a default project: %+v, %v", second, err)
		}
		again, err := auth.OwnKey(ctx, db)
		if err != nil || again.Key.ID != second.Key.ID {
			t.Errorf("again: %+v, %v", again, err)
		}
		if _, err := db.RevokeKey(ctx, d.ID, second.Key.ID); err != nil {
			t.Fatal(err)
		}
		if third, err := auth.OwnKey(ctx, db); err != nil || third.Key.ID == second.Key.ID {
			t.Errorf("after it was revoked: %+v, %v", third, err)
		}
	})
}
