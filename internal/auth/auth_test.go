package auth_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kinora-video/kinora/internal/auth"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/store"
	"github.com/kinora-video/kinora/internal/store/storetest"
)

// clock is a clock that tests move.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// each runs a test on each database, with a project and a clock.
func each(t *testing.T, test func(t *testing.T, db *store.DB, p store.Project, c *clock)) {
	c := &clock{t: time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)}
	storetest.EachWith(t, store.Options{Now: c.now}, func(t *testing.T, db *store.DB) {
		p, err := db.CreateProject(t.Context(), store.Project{Name: "club", Plan: "payg", Weight: 1})
		if err != nil {
			t.Fatal(err)
		}
		test(t, db, p, c)
	})
}

func issue(t *testing.T, db *store.DB, k store.Key) (string, store.Key) {
	t.Helper()
	if k.Name == "" {
		k.Name = "test"
	}
	key, made, err := auth.Issue(t.Context(), db, k)
	if err != nil {
		t.Fatal(err)
	}
	return key, made
}

func TestCheck(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB, p store.Project, _ *clock) {
		a := auth.New(db, auth.Options{})
		key, made := issue(t, db, store.Key{Project: p.ID, Scopes: []string{auth.ScopeFiles, auth.ScopeFiles}, RPM: 7})
		who, err := a.Check(t.Context(), key)
		if err != nil || who.Project != p || who.Key.ID != made.ID || who.Key.RPM != 7 {
			t.Fatalf("%+v, %v", who, err)
		}
		if !who.Can(auth.ScopeFiles) || who.Can(auth.ScopeAdmin) || len(who.Key.Scopes) != 1 {
			t.Errorf("scopes %v", who.Key.Scopes)
		}
		if strings.Contains(made.Prefix, key[12:]) || !strings.HasPrefix(key, strings.TrimSuffix(made.Prefix, "…")) {
			t.Errorf("%s is shown as %s", key, made.Prefix)
		}
		typo := []byte(key)
		typo[20] ^= 1
		other, _ := issue(t, db, store.Key{Project: p.ID})
		for what, presented := range map[string]struct{ key, want string }{
			"nothing":       {"", "no API key"},
			"another form":  {"sk-1234", "begins with kn-"},
			"too long":      {key + "x", "has 52 characters"},
			"mistyped":      {string(typo), "mistyped"},
			"cut and mixed": {key[:46] + other[46:], "mistyped"},
			"huge":          {strings.Repeat("k", 1<<20), "begins with kn-"},
		} {
			_, err := a.Check(t.Context(), presented.key)
			if job.CodeOf(err) != job.Unauthorized || !strings.Contains(err.Error(), presented.want) {
				t.Errorf("%s: %v", what, err)
			}
			if len(presented.key) > 10 && strings.Contains(err.Error(), presented.key) {
				t.Errorf("%s: the error repeats the key", what)
			}
		}
	})
}

// TestKeyOfNobody: a well-formed key that was never made is refused, and not
// looked up again each time.
func TestKeyOfNobody(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB, p store.Project, c *clock) {
		elsewhere := storetest.Open(t, storetest.URL(t, store.SQLite), store.Options{Now: c.now})
		q, err := elsewhere.CreateProject(t.Context(), store.Project{Name: "other", Plan: "payg", Weight: 1})
		if err != nil {
			t.Fatal(err)
		}
		stranger, _ := issue(t, elsewhere, store.Key{Project: q.ID})
		known, _ := issue(t, db, store.Key{Project: p.ID})
		a := auth.New(db, auth.Options{Remember: time.Minute})
		for range 2 {
			if _, err := a.Check(t.Context(), stranger); job.CodeOf(err) != job.Unauthorized {
				t.Errorf("an unknown key: %v", err)
			}
			if _, err := a.Check(t.Context(), known); err != nil {
				t.Error(err)
			}
		}
		db.Close() // cached answers need no database
		if _, err := a.Check(t.Context(), stranger); job.CodeOf(err) != job.Unauthorized {
			t.Errorf("an unknown key, cached: %v", err)
		}
		if _, err := a.Check(t.Context(), known); err != nil {
			t.Errorf("a key, cached: %v", err)
		}
		c.advance(time.Minute) // and no longer
		for _, key := range []string{stranger, known} {
			if _, err := a.Check(t.Context(), key); job.CodeOf(err) != job.Unavailable {
				t.Errorf("without a database: %v", err)
			}
		}
	})
}

// TestUnknown: an existing key stays known when its cached answer has expired and
// after Forget. An invented key is never known. A string that is no key is not
// reported as unknown either.
func TestUnknown(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB, p store.Project, c *clock) {
		elsewhere := storetest.Open(t, storetest.URL(t, store.SQLite), store.Options{})
		q, err := elsewhere.CreateProject(t.Context(), store.Project{Name: "other", Plan: "payg", Weight: 1})
		if err != nil {
			t.Fatal(err)
		}
		a := auth.New(db, auth.Options{})
		key, _ := issue(t, db, store.Key{Project: p.ID})
		never, _ := issue(t, db, store.Key{Project: p.ID})
		nobodys, _ := issue(t, elsewhere, store.Key{Project: q.ID})
		if !a.Unknown(key) {
			t.Error("known before it was used")
		}
		for _, k := range []string{key, nobodys} {
			_, _ = a.Check(t.Context(), k) // one is refused
		}
		c.advance(time.Hour)
		a.Forget()
		for k, want := range map[string]bool{key: false, never: true, nobodys: true, "": false, "kn-x": false} {
			if got := a.Unknown(k); got != want {
				t.Errorf("%.5s… is unknown: %v, want %v", k, got, want)
			}
		}
	})
}

func TestKeysEnd(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB, p store.Project, c *clock) {
		ctx := t.Context()
		a := auth.New(db, auth.Options{})
		refused := func(what, key, want string) {
			t.Helper()
			if _, err := a.Check(ctx, key); job.CodeOf(err) != job.Unauthorized || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v", what, err)
			}
		}
		good := func(what, key string) {
			t.Helper()
			if _, err := a.Check(ctx, key); err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
		short, _ := issue(t, db, store.Key{Project: p.ID, ExpiresAt: c.now().Add(3 * time.Second)})
		good("before it expires", short)
		c.advance(3 * time.Second) // its answer is cached, and it expires all the same
		refused("expired", short, "expired")

		key, made := issue(t, db, store.Key{Project: p.ID})
		good("before it is revoked", key)
		if _, err := db.RevokeKey(ctx, p.ID, made.ID); err != nil {
			t.Fatal(err)
		}
		c.advance(auth.DefaultRemember) // as if another process had revoked it
		refused("revoked", key, "revoked")

		old, made := issue(t, db, store.Key{Project: p.ID, Name: "ci", Scopes: []string{auth.ScopeUsage}, RPM: 5})
		next, rotated, err := auth.Rotate(ctx, db, p.ID, made.ID, time.Hour, time.Time{})
		if err != nil || rotated.Name != "ci" || !slices.Equal(rotated.Scopes, made.Scopes) || rotated.RPM != 5 {
			t.Fatalf("rotated: %+v, %v", rotated, err)
		}
		good("old, in the overlap", old)
		good("new, in the overlap", next)
		c.advance(time.Hour)
		refused("old, after the overlap", old, "expired")
		good("new, after the overlap", next)
		if _, _, err := auth.Rotate(ctx, db, p.ID, rotated.ID, -1, time.Time{}); job.CodeOf(err) != job.Invalid {
			t.Errorf("a negative overlap: %v", err)
		}

		_, err = db.UpdateProject(ctx, p.ID, func(p *store.Project) error { p.DisabledAt = c.now(); return nil })
		if err != nil {
			t.Fatal(err)
		}
		good("before anybody noticed", next)
		a.Forget()
		refused("project disabled", next, "disabled")
	})
}

// TestForget: an answer that was asked for before Forget is not cached after it.
func TestForget(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB, p store.Project, _ *clock) {
		a := auth.New(db, auth.Options{Remember: time.Hour})
		key, made := issue(t, db, store.Key{Project: p.ID})
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range 20 {
					_, _ = a.Check(t.Context(), key)
				}
			})
		}
		if _, err := db.RevokeKey(t.Context(), p.ID, made.ID); err != nil {
			t.Fatal(err)
		}
		a.Forget()
		if _, err := a.Check(t.Context(), key); job.CodeOf(err) != job.Unauthorized {
			t.Errorf("revoked, after Forget: %v", err)
		}
		wg.Wait()
		if _, err := a.Check(t.Context(), key); job.CodeOf(err) != job.Unauthorized {
			t.Errorf("an earlier check cached it again: %v", err)
		}
	})
}

func TestAllow(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB, _ store.Project, c *clock) {
		a := auth.New(db, auth.Options{RPM: 2})
		who := auth.Principal{Key: store.Key{ID: 1, RPM: 6}}
		n := func(who auth.Principal) (n int, last error) {
			for range 100 {
				if last = a.Allow(who); last != nil {
					return n, last
				}
				n++
			}
			return n, nil
		}
		got, err := n(who)
		var e *job.Error
		if got != 6 || !errors.As(err, &e) || e.Code != job.RateLimited || e.RetryAfter != 10*time.Second {
			t.Errorf("%d at once, then %+v", got, e)
		}
		c.advance(10 * time.Second) // refusals cost nothing
		if got, _ := n(who); got != 1 {
			t.Errorf("%d after 10 s, want 1", got)
		}
		c.advance(time.Hour)
		if got, _ := n(who); got != 6 {
			t.Errorf("%d after an hour, want 6", got)
		}
		if got, _ := n(auth.Principal{Key: store.Key{ID: 2}}); got != 2 {
			t.Errorf("%d of a key without a limit of its own, want 2", got)
		}
		who.Key.RPM = 60 // raised: from the next request on it fills faster
		if got, _ := n(who); got != 0 {
			t.Errorf("%d at the raise, want 0", got)
		}
		c.advance(5 * time.Second)
		if got, _ := n(who); got != 5 {
			t.Errorf("%d in 5 s at 60 a minute, want 5", got)
		}
		if got, err := n(auth.Principal{Key: store.Key{ID: 3, RPM: 1_000_000}}); got != 100 {
			t.Errorf("%d, %v", got, err)
		}
		free := auth.New(db, auth.Options{})
		for range 1000 {
			if err := free.Allow(auth.Principal{Key: store.Key{ID: 4}}); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestLastUsed: uses are written together, about every minute and at the end.
func TestLastUsed(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB, p store.Project, c *clock) {
		a := auth.New(db, auth.Options{Failed: func(err error) { t.Error(err) }})
		key, made := issue(t, db, store.Key{Project: p.ID})
		used := func() time.Time {
			t.Helper()
			k, err := db.Key(t.Context(), p.ID, made.ID)
			if err != nil {
				t.Fatal(err)
			}
			return k.LastUsedAt
		}
		check := func() {
			t.Helper()
			if _, err := a.Check(t.Context(), key); err != nil {
				t.Fatal(err)
			}
		}
		check()
		if got := used(); !got.IsZero() {
			t.Errorf("written at once: %v", got)
		}
		c.advance(time.Minute)
		check()
		at := c.now()
		for deadline := time.Now().Add(10 * time.Second); !used().Equal(at); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("used %v, want %v", used(), at)
			}
		}
		c.advance(time.Second)
		check()
		if err := a.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := used(); !got.Equal(c.now()) {
			t.Errorf("at the end: %v, want %v", got, c.now())
		}
	})
}

func TestIssueRefuses(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB, p store.Project, _ *clock) {
		_, _, err := auth.Issue(t.Context(), db, store.Key{Project: p.ID, Name: "x", Scopes: []string{"jobs"}})
		if job.CodeOf(err) != job.Invalid || !strings.Contains(err.Error(), "jobs:write") {
			t.Errorf("an unknown scope: %v", err)
		}
		_, made := issue(t, db, store.Key{Project: p.ID})
		if !slices.Equal(made.Scopes, auth.CustomerScopes()) {
			t.Errorf("no scopes asked for: %v", made.Scopes)
		}
	})
}

// TestBootstrap: of many concurrent first starts, one makes the keys, and they
// work. Later starts make none.
func TestBootstrap(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		var mu sync.Mutex
		var got []auth.FirstKeys
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				first, err := auth.Bootstrap(context.Background(), db)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				if first != (auth.FirstKeys{}) {
					got = append(got, first)
				}
			})
		}
		wg.Wait()
		if len(got) != 1 {
			t.Fatalf("%d first starts", len(got))
		}
		a := auth.New(db, auth.Options{})
		for key, admin := range map[string]bool{got[0].API: false, got[0].Admin: true} {
			who, err := a.Check(t.Context(), key)
			if err != nil || who.Can(auth.ScopeAdmin) != admin || !who.Can(auth.ScopeJobsWrite) || who.Project.Name != auth.DefaultProject || !who.Project.Postpaid {
				t.Errorf("admin %v: %+v, %v", admin, who, err)
			}
		}
	})
}

// TestKeysAreNotKept: the database holds no key, nor enough of one to guess it.
func TestKeysAreNotKept(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB, p store.Project, _ *clock) {
		key, made := issue(t, db, store.Key{Project: p.ID})
		err := db.Read(t.Context(), func(q store.Queryer) error {
			var prefix, hash string
			err := q.QueryRowContext(t.Context(), `SELECT prefix, hash FROM api_keys WHERE id = $1`, made.ID).Scan(&prefix, &hash)
			if strings.Contains(prefix+hash, key[12:20]) || hash != fmt.Sprintf("%x", made.Hash) {
				t.Errorf("kept: %s %s", prefix, hash)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
}

// FuzzCheckForm: no presented string does harm, and only existing keys are
// accepted.
func FuzzCheckForm(f *testing.F) {
	db := storetest.Open(f, storetest.URL(f, store.SQLite), store.Options{})
	a := auth.New(db, auth.Options{})
	for _, s := range []string{"", "kn-", "kn-" + strings.Repeat("0", 49), "Bearer x", "\x00", strings.Repeat("é", 26)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, presented string) {
		if _, err := a.Check(t.Context(), presented); job.CodeOf(err) != job.Unauthorized {
			t.Errorf("%q: %v", presented, err)
		}
	})
}

func BenchmarkCheck(b *testing.B) {
	db := storetest.Open(b, storetest.URL(b, store.SQLite), store.Options{})
	p, err := db.CreateProject(b.Context(), store.Project{Name: "bench", Plan: "payg", Weight: 1})
	if err != nil {
		b.Fatal(err)
	}
	key, _, err := auth.Issue(b.Context(), db, store.Key{Project: p.ID, Name: "bench", RPM: store.MaxKeyRPM})
	if err != nil {
		b.Fatal(err)
	}
	a := auth.New(db, auth.Options{})
	for b.Loop() {
		who, err := a.Check(b.Context(), key)
		if err != nil {
			b.Fatal(err)
		}
		if err := a.Allow(who); err != nil && job.CodeOf(err) != job.RateLimited {
			b.Fatal(err)
		}
	}
}
