package server

import (
	"context"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/kinora-video/kinora/internal/auth"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/web"
)

// guard passes a request with a valid key to a handler, and answers others in the
// API's own form.
func (s *Server) guard(a web.API, rt web.Route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		info := web.InfoOf(r.Context())
		who, r, done, err := s.identify(a, r, info.Client)
		defer done()
		if err != nil {
			a.Fail(w, r, err)
			return
		}
		info.Project = who.Project.ID
		switch {
		case rt.Scope != "" && !who.Can(rt.Scope):
			err = job.Errorf(job.Forbidden, "", "this key may not do that: it lacks the scope %q", rt.Scope)
		default:
			err = s.auth.Allow(who)
		}
		if err != nil {
			a.Fail(w, r, err)
			return
		}
		web.ReadText(r)
		body := web.HoldBody(r, s.bodies)
		defer body.Release()
		rt.Handle(w, r, who)
	})
}

// identify returns who a request comes from: its key tells, or, in the native API,
// which the studio's pages use, its browser's session. The request returned ends when
// the browser signs out.
func (s *Server) identify(a web.API, r *http.Request, client netip.Addr) (who auth.Principal, _ *http.Request, done func(), err error) {
	if s.studio != nil && a == web.API(s.native) && web.PresentedKey(r) == "" {
		who, ctx, done, given, err := s.studio.Authenticate(r)
		if given {
			if err != nil && job.CodeOf(err) == job.Unauthorized && !s.keyless.allow(client) {
				err = errStrangers()
			}
			return who, r.WithContext(ctx), done, err
		}
	}
	who, err = s.check(r.Context(), web.PresentedKey(r), client)
	return who, r, func() {}, err
}

// errStrangers refuses an address that used up its requests without a valid key.
func errStrangers() error {
	return &job.Error{Code: job.RateLimited, Message: "too many requests without a valid key from this address: wait a minute", RetryAfter: time.Minute}
}

// check returns who a key belongs to. Once an address has used up its
// requests without a valid key, its unknown keys are only looked up while lookups
// allows it; lookups is shared by all such addresses.
func (s *Server) check(ctx context.Context, key string, client netip.Addr) (auth.Principal, error) {
	if s.keyless.spent(client) && s.auth.Unknown(key) && !s.lookups.Allow() {
		return auth.Principal{}, errStrangers()
	}
	who, err := s.auth.Check(ctx, key)
	if err != nil && job.CodeOf(err) == job.Unauthorized && !s.keyless.allow(client) {
		return auth.Principal{}, errStrangers()
	}
	return who, err
}

// keyless counts requests without a valid key, by address (IPv6: by /64).
type keyless struct {
	mu  sync.Mutex
	rpm int
	m   map[netip.Prefix]*rate.Limiter
}

// The look-ups of unknown keys, per second and in a burst, for all addresses
// together that have used up their requests without a valid key.
const (
	lookupRate  = 10
	lookupBurst = 100
)

// maxAddresses bounds the map. When the map is full, it is emptied.
const maxAddresses = 10_000

// allow counts a request of an address, and reports whether it is within the
// limit.
func (s *keyless) allow(a netip.Addr) bool { return s.of(a).Allow() }

// spent reports whether the next request would exceed the limit.
func (s *keyless) spent(a netip.Addr) bool { return s.of(a).Tokens() < 1 }

func (s *keyless) of(a netip.Addr) *rate.Limiter {
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits) // an invalid address has the zero prefix
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.m[p]
	if l == nil {
		if s.m == nil || len(s.m) >= maxAddresses {
			s.m = map[netip.Prefix]*rate.Limiter{}
		}
		l = rate.NewLimiter(rate.Limit(float64(s.rpm)/60), s.rpm)
		s.m[p] = l
	}
	return l
}
