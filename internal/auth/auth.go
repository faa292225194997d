package auth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/store"
)

// Limits of the cache of keys.
const (
	// DefaultRemember is how long the answer for a key is cached. A key revoked
	// by another process keeps working up to this long.
	DefaultRemember = 5 * time.Second
	// maxKnown bounds the cached answers for good and bad keys together, and
	// separately the keys known to exist.
	maxKnown = 20_000
	// touchEvery is how often the last use of keys is written to the database.
	touchEvery = time.Minute
	// touchTime bounds one such write.
	touchTime = 10 * time.Second
	// lookTime bounds a look-up in the database, which several requests may wait
	// for.
	lookTime = 10 * time.Second
)

// Options change what New makes. The zero value is good.
type Options struct {
	// RPM is how many requests a minute a key without a limit of its own may
	// make; 0 is no limit.
	RPM int
	// Remember replaces DefaultRemember.
	Remember time.Duration
	// Failed is called when the last use of keys could not be written; nil
	// ignores the error.
	Failed func(error)
}

// Principal is the key that a request presents, and its project.
type Principal struct {
	Project store.Project
	Key     store.Key
}

// Can reports whether the key has a scope.
func (p Principal) Can(scope string) bool { return slices.Contains(p.Key.Scopes, scope) }

// Auth checks keys. It is safe for use by many goroutines.
type Auth struct {
	db      *store.DB
	o       Options
	lookups singleflight.Group

	mu       sync.Mutex
	known    map[hash]answer
	existing map[hash]struct{} // keys that existed at their last look-up
	round    int               // counts calls of Forget, so that older answers are not cached
	used     map[int64]time.Time
	touched  time.Time
	touches  sync.WaitGroup

	limits limits
	open   openAnswers // of sessions
}

type hash = [sha256.Size]byte

// answer is the result of looking up a key.
type answer struct {
	who   Principal
	err   error // job.Unauthorized
	until time.Time
}

// New makes an Auth on a database. Close writes the key uses that are still
// pending.
func New(db *store.DB, o Options) *Auth {
	if o.Remember <= 0 {
		o.Remember = DefaultRemember
	}
	return &Auth{db: db, o: o, known: map[hash]answer{}, existing: map[hash]struct{}{}, used: map[int64]time.Time{}, touched: db.Now(), limits: limits{m: map[int64]*limit{}}}
}

// Check returns who presents a key. A string that is no key, an ended key, and a
// key of a disabled project are a job.Error of code Unauthorized.
func (a *Auth) Check(ctx context.Context, presented string) (Principal, error) {
	if err := checkForm(presented); err != nil {
		return Principal{}, err
	}
	h := hashOf(presented)
	now := a.db.Now()
	a.mu.Lock()
	got, ok := a.known[h]
	a.mu.Unlock()
	if !ok || !now.Before(got.until) {
		var err error
		if got, err = a.find(ctx, h); err != nil {
			return Principal{}, err
		}
	}
	switch key := &got.who.Key; {
	case got.err != nil:
		return Principal{}, got.err
	case !key.RevokedAt.IsZero():
		return Principal{}, job.Errorf(job.Unauthorized, "", "the API key %s was revoked: ask the operator for another", key.Prefix)
	case key.Ended(now):
		return Principal{}, job.Errorf(job.Unauthorized, "", "the API key %s has expired: ask the operator for another", key.Prefix)
	case !got.who.Project.DisabledAt.IsZero():
		return Principal{}, job.Errorf(job.Unauthorized, "", "the project of this API key is disabled: ask the operator")
	}
	a.note(got.who.Key.ID, now)
	return got.who, nil
}

// Unknown reports whether a key is well-formed but did not exist at its last
// look-up by this process, or was never looked up. It does not ask the database.
// Under a flood of invented keys, it tells which keys need a limited look-up and
// which can be checked at once.
func (a *Auth) Unknown(presented string) bool {
	if checkForm(presented) != nil {
		return false
	}
	h := hashOf(presented)
	a.mu.Lock()
	defer a.mu.Unlock()
	_, ok := a.existing[h]
	return !ok
}

// find looks a key up in the database, once for all requests that ask at the same
// time, and caches the answer.
func (a *Auth) find(ctx context.Context, h hash) (answer, error) {
	a.mu.Lock()
	round := a.round
	a.mu.Unlock()
	// The round is part of the singleflight key, so that a request after Forget
	// does not get an earlier answer.
	found := a.lookups.DoChan(fmt.Sprintf("%x %d", h, round), func() (any, error) {
		// The request's context does not end the look-up: others wait for the
		// answer too.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookTime)
		defer cancel()
		key, project, err := a.db.KeyByHash(ctx, h[:])
		got := answer{who: Principal{project, key}, until: a.db.Now().Add(a.o.Remember)}
		switch {
		case err != nil && job.CodeOf(err) != job.NotFound:
			return nil, err
		case err != nil || subtle.ConstantTimeCompare(key.Hash, h[:]) != 1:
			got.who = Principal{}
			got.err = job.Errorf(job.Unauthorized, "", "the API key is not valid: it does not exist")
		}
		a.remember(h, got, round)
		return got, nil
	})
	select {
	case <-ctx.Done():
		return answer{}, ctx.Err()
	case r := <-found:
		if r.Err != nil {
			return answer{}, r.Err
		}
		return r.Val.(answer), nil
	}
}

// remember caches an answer, unless Forget was called since the look-up began.
func (a *Auth) remember(h hash, got answer, round int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if got.err != nil {
		delete(a.existing, h)
	} else {
		if len(a.existing) >= maxKnown {
			clear(a.existing)
		}
		a.existing[h] = struct{}{}
	}
	if a.round != round {
		return
	}
	if len(a.known) >= maxKnown {
		a.makeRoom()
	}
	a.known[h] = got
}

// makeRoom removes cached answers that are too old. If the cache is still full,
// it removes all bad keys, so that guessed keys do not drive out good ones.
func (a *Auth) makeRoom() {
	now := a.db.Now()
	maps.DeleteFunc(a.known, func(_ hash, old answer) bool { return !now.Before(old.until) })
	if len(a.known) >= maxKnown {
		maps.DeleteFunc(a.known, func(_ hash, old answer) bool { return old.err != nil })
	}
	if len(a.known) >= maxKnown {
		clear(a.known)
	}
}

// Forget empties the cache, so that this process looks every key up again. Call
// it after a change of a key or project. Other processes see the change within
// seconds.
func (a *Auth) Forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.round++
	clear(a.known)
}

// note records the use of a key, and about once a minute starts a write of all
// recorded uses.
func (a *Auth) note(key int64, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.used[key] = now
	if now.Sub(a.touched) < touchEvery {
		return
	}
	used := a.used
	a.used, a.touched = map[int64]time.Time{}, now
	a.touches.Add(1)
	go func() {
		defer a.touches.Done()
		ctx, cancel := context.WithTimeout(context.Background(), touchTime)
		defer cancel()
		if err := a.db.TouchKeys(ctx, used); err != nil && a.o.Failed != nil {
			a.o.Failed(err)
		}
	}()
}

// Close writes the last use of keys. Call it before the database is closed.
func (a *Auth) Close(ctx context.Context) error {
	a.touches.Wait()
	a.mu.Lock()
	used := a.used
	a.used = map[int64]time.Time{}
	a.mu.Unlock()
	return a.db.TouchKeys(ctx, used)
}
