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

// Limits of what is remembered.
const (
	// DefaultRemember is how long a key that was looked up is known without
	// asking the database: so long may one that another process revoked still
	// work.
	DefaultRemember = 5 * time.Second
	// maxKnown bounds the keys that are remembered, good and bad together, and
	// those that were seen.
	maxKnown = 20_000
	// touchEvery is how often the last use of keys is written down.
	touchEvery = time.Minute
	// touchTime bounds that.
	touchTime = 10 * time.Second
	// lookTime bounds a look-up, which several requests may wait for.
	lookTime = 10 * time.Second
)

// Options change what New makes. The zero value is good.
type Options struct {
	// RPM is how many requests a minute a key may make that has no limit of its
	// own; 0 is no limit.
	RPM int
	// Remember replaces DefaultRemember.
	Remember time.Duration
	// Failed is told of uses of keys that could not be written down; nil
	// ignores them.
	Failed func(error)
}

// Principal is who a request comes from.
type Principal struct {
	Project store.Project
	Key     store.Key
}

// Can reports whether the key has a scope.
func (p Principal) Can(scope string) bool { return slices.Contains(p.Key.Scopes, scope) }

// Auth knows keys. It is safe for use by many goroutines.
type Auth struct {
	db   *store.DB
	o    Options
	look singleflight.Group

	mu      sync.Mutex
	known   map[hash]answer
	there   map[hash]struct{} // keys that there were when they were looked up last
	round   int               // counts Forget, so that an answer from before is not kept
	used    map[int64]time.Time
	touched time.Time
	touches sync.WaitGroup

	limits limits
}

type hash = [sha256.Size]byte

// answer is what the database said of a key.
type answer struct {
	who   Principal
	err   error // job.Unauthorized
	until time.Time
}

// New makes an Auth on a database. Close writes down what it still knows.
func New(db *store.DB, o Options) *Auth {
	if o.Remember <= 0 {
		o.Remember = DefaultRemember
	}
	return &Auth{db: db, o: o, known: map[hash]answer{}, there: map[hash]struct{}{}, used: map[int64]time.Time{}, touched: db.Now(), limits: limits{m: map[int64]*limit{}}}
}

// Check says who presents a key. What is no key, has ended, or belongs to a
// disabled project is a job.Error of code Unauthorized.
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

// Stranger reports whether a key has the form of one and was not there when this
// process looked it up last, or never was looked up. It asks no database: who is
// flooded with keys of nobody can tell by it which to look up in turn, and which
// at once.
func (a *Auth) Stranger(presented string) bool {
	if checkForm(presented) != nil {
		return false
	}
	h := hashOf(presented)
	a.mu.Lock()
	defer a.mu.Unlock()
	_, ok := a.there[h]
	return !ok
}

// find asks the database, once for all requests that ask at the same time, and
// remembers the answer.
func (a *Auth) find(ctx context.Context, h hash) (answer, error) {
	a.mu.Lock()
	round := a.round
	a.mu.Unlock()
	// The round is part of what is asked, so that nobody who asks after Forget
	// gets an answer from before.
	found := a.look.DoChan(fmt.Sprintf("%x %d", h, round), func() (any, error) {
		// Not the request's context: others wait for the answer too.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookTime)
		defer cancel()
		key, project, err := a.db.KeyByHash(ctx, h[:])
		got := answer{who: Principal{project, key}, until: a.db.Now().Add(a.o.Remember)}
		switch {
		case err != nil && job.CodeOf(err) != job.NotFound:
			return nil, err
		case err != nil || subtle.ConstantTimeCompare(key.Hash, h[:]) != 1:
			got.who = Principal{}
			got.err = job.Errorf(job.Unauthorized, "", "the API key is not valid: there is no such key")
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

// remember keeps an answer, unless keys were forgotten since it was asked for.
func (a *Auth) remember(h hash, got answer, round int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if got.err != nil {
		delete(a.there, h)
	} else {
		if len(a.there) >= maxKnown {
			clear(a.there)
		}
		a.there[h] = struct{}{}
	}
	if a.round != round {
		return
	}
	if len(a.known) >= maxKnown {
		a.makeRoom()
	}
	a.known[h] = got
}

// makeRoom forgets what is remembered for too long, and all bad keys where that
// many came within seconds: strangers who guess do not drive out the good ones.
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

// Forget makes this process ask the database again for every key. It is for
// after a change of a key or project; other processes see it within seconds.
func (a *Auth) Forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.round++
	clear(a.known)
}

// note remembers the use of a key, and about every minute has all of them
// written down.
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

// Close writes down the last use of keys. It is for before the database is
// closed.
func (a *Auth) Close(ctx context.Context) error {
	a.touches.Wait()
	a.mu.Lock()
	used := a.used
	a.used = map[int64]time.Time{}
	a.mu.Unlock()
	return a.db.TouchKeys(ctx, used)
}
