package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"sync"
	"time"

	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/store"
)

// SessionTime is how long a browser stays signed in.
const SessionTime = 30 * 24 * time.Hour

// The form of a session's secret: 32 random bytes in base64url.
const (
	sessionBytes = 32
	sessionChars = 43
)

var errNoSession = &job.Error{Code: job.Unauthorized, Message: "the session has ended: sign in again"}

// StartSession signs a browser in with a key that was checked. The secret is what
// its cookie holds; only its SHA-256 is stored.
func (a *Auth) StartSession(ctx context.Context, who Principal) (secret string, expires time.Time, err error) {
	var raw [sessionBytes]byte
	_, _ = rand.Read(raw[:]) // it never fails
	secret = base64.RawURLEncoding.EncodeToString(raw[:])
	expires = a.db.Now().Add(SessionTime)
	h := sha256.Sum256([]byte(secret))
	err = a.db.AddSession(ctx, store.Session{Hash: h[:], Project: who.Project.ID, Key: who.Key.ID, ExpiresAt: expires})
	return secret, expires, err
}

// Session returns who a session's secret stands for. A session that ended, or
// whose key or project did, is a job.Error of code Unauthorized. Nothing is cached:
// a session that any process ended is over at once.
func (a *Auth) Session(ctx context.Context, secret string) (Principal, error) {
	if len(secret) != sessionChars {
		return Principal{}, errNoSession
	}
	h := sha256.Sum256([]byte(secret))
	s, key, project, err := a.db.SessionByHash(ctx, h[:])
	now := a.db.Now()
	switch {
	case err != nil && job.CodeOf(err) == job.NotFound:
		return Principal{}, errNoSession
	case err != nil:
		return Principal{}, err
	case key.Ended(now):
		return Principal{}, job.Errorf(job.Unauthorized, "", "the API key %s of this session has ended: sign in with another", key.Prefix)
	case !project.DisabledAt.IsZero():
		return Principal{}, job.Errorf(job.Unauthorized, "", "the project of this session is disabled: ask the operator")
	case project.ID != s.Project || key.Project != s.Project:
		return Principal{}, errNoSession
	}
	a.note(key.ID, now)
	return Principal{Project: project, Key: key}, nil
}

// EndSession signs a browser out: its secret is worthless from now on, and what
// WhileSession gave for it ends.
func (a *Auth) EndSession(ctx context.Context, secret string) error {
	h := sha256.Sum256([]byte(secret))
	err := a.db.EndSession(ctx, h[:])
	a.open.end(h)
	return err
}

// WhileSession returns a context that also ends when the session does in this
// process, for answers that go on for long. The caller must call done in the end.
func (a *Auth) WhileSession(ctx context.Context, secret string) (_ context.Context, done func()) {
	ctx, cancel := context.WithCancel(ctx)
	return ctx, a.open.add(sha256.Sum256([]byte(secret)), cancel)
}

// openAnswers are the answers under way, by session.
type openAnswers struct {
	mu   sync.Mutex
	next int
	m    map[hash]map[int]context.CancelFunc
}

func (o *openAnswers) add(h hash, cancel context.CancelFunc) (done func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.m == nil {
		o.m = map[hash]map[int]context.CancelFunc{}
	}
	if o.m[h] == nil {
		o.m[h] = map[int]context.CancelFunc{}
	}
	o.next++
	n := o.next
	o.m[h][n] = cancel
	return func() {
		cancel()
		o.mu.Lock()
		defer o.mu.Unlock()
		delete(o.m[h], n)
		if len(o.m[h]) == 0 {
			delete(o.m, h)
		}
	}
}

func (o *openAnswers) end(h hash) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, cancel := range o.m[h] {
		cancel()
	}
}
