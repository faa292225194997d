package store_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/store"
	"github.com/kinora-video/kinora/internal/store/storetest"
)

// tenant creates a project that may not owe money.
func tenant(t testing.TB, db *store.DB, change func(*store.Project)) store.Project {
	t.Helper()
	p := store.Project{Name: fmt.Sprintf("p%d", store.NewID()), Plan: "payg", Weight: 1}
	if change != nil {
		change(&p)
	}
	p, err := db.CreateProject(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestProjects(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB, c *clock) {
		ctx := t.Context()
		want := store.Project{Name: "club", Plan: "free", Postpaid: true, CreditLimit: 5_000_000, Weight: 3, MaxRunning: 2, MaxInFlight: 9, Sponsored: true}
		p, err := db.CreateProject(ctx, want)
		if err != nil {
			t.Fatal(err)
		}
		want.ID, want.CreatedAt = p.ID, c.Now()
		if p != want {
			t.Errorf("made %+v, want %+v", p, want)
		}
		if got, err := db.ProjectNamed(ctx, "club"); err != nil || got != want {
			t.Errorf("by name: %+v, %v", got, err)
		}
		if _, err := db.CreateProject(ctx, want); job.CodeOf(err) != job.Conflict {
			t.Errorf("the same name twice: %v", err)
		}
		for _, bad := range []func(*store.Project){
			func(p *store.Project) { p.Name = "Film" },
			func(p *store.Project) { p.Name = "" },
			func(p *store.Project) { p.Name = strings.Repeat("a", 64) },
			func(p *store.Project) { p.Name = "-x" },
			func(p *store.Project) { p.Weight = 0 },
			func(p *store.Project) { p.Weight = 1001 },
			func(p *store.Project) { p.MaxRunning = -1 },
			func(p *store.Project) { p.CreditLimit = -1 },
			func(p *store.Project) { p.Plan = "" },
		} {
			p := store.Project{Name: "fine", Plan: "free", Weight: 1}
			bad(&p)
			if _, err := db.CreateProject(ctx, p); job.CodeOf(err) != job.Invalid {
				t.Errorf("%+v: %v", p, err)
			}
		}
		other := tenant(t, db, nil)
		_, err = db.UpdateProject(ctx, p.ID, func(p *store.Project) error { p.Name = other.Name; return nil })
		if job.CodeOf(err) != job.Conflict {
			t.Errorf("another's name: %v", err)
		}
		got, err := db.UpdateProject(ctx, p.ID, func(p *store.Project) error {
			p.ID, p.Name, p.Weight, p.DisabledAt = 1, "club-2", 7, c.Now()
			return nil
		})
		want.Name, want.Weight, want.DisabledAt = "club-2", 7, c.Now()
		if err != nil || got != want {
			t.Errorf("updated: %+v, %v, want %+v", got, err, want)
		}
		if again, err := db.Project(ctx, p.ID); err != nil || again != want {
			t.Errorf("read: %+v, %v", again, err)
		}
		if all, err := db.Projects(ctx); err != nil || len(all) != 2 || all[0].Name != "club-2" {
			t.Errorf("all: %+v, %v", all, err)
		}
		if _, err := db.Project(ctx, 1); job.CodeOf(err) != job.NotFound {
			t.Errorf("none: %v", err)
		}
		if _, err := db.UpdateProject(ctx, 1, func(*store.Project) error { return nil }); job.CodeOf(err) != job.NotFound {
			t.Errorf("update none: %v", err)
		}
	})
}

// TestProjectThatOwes: a project with debts cannot be made prepaid.
func TestProjectThatOwes(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		p := tenant(t, db, func(p *store.Project) { p.Postpaid = true })
		reserve(t, db, p.ID, 1_500_000)
		limit := func(postpaid bool, micros int64) error {
			_, err := db.UpdateProject(t.Context(), p.ID, func(p *store.Project) error {
				p.Postpaid, p.CreditLimit = postpaid, micros
				return nil
			})
			return err
		}
		if err := limit(false, 0); job.CodeOf(err) != job.Conflict || !strings.Contains(err.Error(), "owes $1.50") {
			t.Errorf("prepaid: %v", err)
		}
		if err := limit(true, 1_000_000); job.CodeOf(err) != job.Conflict {
			t.Errorf("a limit below the debt: %v", err)
		}
		if err := limit(true, 2_000_000); err != nil {
			t.Errorf("a limit above the debt: %v", err)
		}
		if err := try(db, p.ID, job.ID(store.NewID()), 600_000); job.CodeOf(err) != job.Balance {
			t.Errorf("past the limit: %v", err)
		}
		if _, _, err := db.Deposit(t.Context(), p.ID, 2_000_000, "", ""); err != nil {
			t.Fatal(err)
		}
		if err := limit(false, 0); err != nil {
			t.Errorf("prepaid after a deposit: %v", err)
		}
	})
}

// key makes a valid key.
func key(project int64, name string) store.Key {
	h := sha256.Sum256([]byte(fmt.Sprint(name, store.NewID())))
	return store.Key{Project: project, Name: name, Prefix: "kn-abcdefgh…", Hash: h[:], Scopes: []string{"files", "usage"}, RPM: 60, MaxInFlight: 3}
}

func TestKeys(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB, c *clock) {
		ctx := t.Context()
		p, other := tenant(t, db, nil), tenant(t, db, nil)
		k := key(p.ID, "ci")
		k.ExpiresAt = c.Now().Add(time.Hour)
		made, err := db.CreateKey(ctx, k)
		if err != nil {
			t.Fatal(err)
		}
		k.ID, k.CreatedAt = made.ID, c.Now()
		if fmt.Sprint(made) != fmt.Sprint(k) {
			t.Errorf("made %+v, want %+v", made, k)
		}
		got, of, err := db.KeyByHash(ctx, k.Hash)
		if err != nil || fmt.Sprint(got) != fmt.Sprint(k) || of != p {
			t.Errorf("by hash: %+v of %+v, %v", got, of, err)
		}
		if _, _, err := db.KeyByHash(ctx, key(p.ID, "x").Hash); job.CodeOf(err) != job.NotFound {
			t.Errorf("no such hash: %v", err)
		}
		if got, err := db.KeyOfAny(ctx, k.ID); err != nil || fmt.Sprint(got) != fmt.Sprint(k) {
			t.Errorf("by id: %+v, %v", got, err)
		}
		// Another project neither sees nor ends it.
		if _, err := db.Key(ctx, other.ID, k.ID); job.CodeOf(err) != job.NotFound {
			t.Errorf("another's key: %v", err)
		}
		if _, err := db.RevokeKey(ctx, other.ID, k.ID); job.CodeOf(err) != job.NotFound {
			t.Errorf("revoke another's key: %v", err)
		}
		if _, err := db.RotateKey(ctx, other.ID, k.ID, key(other.ID, "x"), 0); job.CodeOf(err) != job.NotFound {
			t.Errorf("rotate another's key: %v", err)
		}

		// LastUsedAt never goes back.
		for _, d := range []time.Duration{time.Minute, time.Second} {
			if err := db.TouchKeys(ctx, map[int64]time.Time{k.ID: c.Now().Add(d)}); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := db.Key(ctx, p.ID, k.ID); err != nil || !got.LastUsedAt.Equal(c.Now().Add(time.Minute)) {
			t.Errorf("used: %v, %v", got.LastUsedAt, err)
		}

		// Rotation: the old key ends after the overlap, or at its own expiry if
		// that is earlier.
		next, err := db.RotateKey(ctx, p.ID, k.ID, store.Key{Hash: key(0, "n").Hash, Prefix: "kn-12345678…"}, 10*time.Minute)
		if err != nil || next.Name != "ci" || fmt.Sprint(next.Scopes) != "[files usage]" || next.RPM != 60 || !next.ExpiresAt.IsZero() {
			t.Fatalf("rotated: %+v, %v", next, err)
		}
		if old, _ := db.Key(ctx, p.ID, k.ID); !old.ExpiresAt.Equal(c.Now().Add(10 * time.Minute)) {
			t.Errorf("the old one ends at %v", old.ExpiresAt)
		}
		if _, err := db.RotateKey(ctx, p.ID, k.ID, store.Key{Hash: key(0, "m").Hash}, time.Hour); err != nil {
			t.Fatal(err)
		}
		if old, _ := db.Key(ctx, p.ID, k.ID); !old.ExpiresAt.Equal(c.Now().Add(10 * time.Minute)) {
			t.Errorf("the old one lives longer after a second rotation: %v", old.ExpiresAt)
		}

		// A second revocation keeps the time of the first.
		first, err := db.RevokeKey(ctx, p.ID, next.ID)
		c.add(time.Minute)
		again, err2 := db.RevokeKey(ctx, p.ID, next.ID)
		if err != nil || err2 != nil || first.RevokedAt.IsZero() || !again.RevokedAt.Equal(first.RevokedAt) {
			t.Errorf("revoked at %v, then %v (%v, %v)", first.RevokedAt, again.RevokedAt, err, err2)
		}
		if _, err := db.RotateKey(ctx, p.ID, next.ID, key(0, "z"), 0); job.CodeOf(err) != job.Conflict {
			t.Errorf("rotate a revoked key: %v", err)
		}
		if all, err := db.Keys(ctx, p.ID); err != nil || len(all) != 3 || all[0].Name != "ci" {
			t.Errorf("all: %d, %v", len(all), err)
		}
	})
}

func TestKeysRefused(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		p := tenant(t, db, nil)
		for what, change := range map[string]func(*store.Key){
			"no name":      func(k *store.Key) { k.Name = "" },
			"long name":    func(k *store.Key) { k.Name = strings.Repeat("x", 101) },
			"control":      func(k *store.Key) { k.Name = "a\nb" },
			"no scopes":    func(k *store.Key) { k.Scopes = nil },
			"negative rpm": func(k *store.Key) { k.RPM = -1 },
			"negative":     func(k *store.Key) { k.MaxInFlight = -1 },
			"expired":      func(k *store.Key) { k.ExpiresAt = time.Unix(1, 0) },
		} {
			k := key(p.ID, "fine")
			change(&k)
			if _, err := db.CreateKey(t.Context(), k); job.CodeOf(err) != job.Invalid {
				t.Errorf("%s: %v", what, err)
			}
		}
		if _, err := db.CreateKey(t.Context(), key(p.ID+1, "of no project")); err == nil {
			t.Error("a key of no project was made")
		}
	})
}

// reserve makes a charge and holds amount for it.
func reserve(t testing.TB, db *store.DB, project, amount int64) job.ID {
	t.Helper()
	id := job.ID(store.NewID())
	if err := try(db, project, id, amount); err != nil {
		t.Fatal(err)
	}
	return id
}

func try(db *store.DB, project int64, id job.ID, amount int64) error {
	ctx := context.Background()
	return db.Write(ctx, func(tx *store.Tx) error {
		w, err := tx.Wallet(ctx, project)
		if err != nil {
			return err
		}
		return tx.Reserve(ctx, w, store.Charge{Job: id, Kind: "video", Model: "reel", Price: amount, Length: 6 * time.Second}, amount)
	})
}
