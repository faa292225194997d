package server

import (
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/kinora-video/kinora/internal/auth"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/web"
)

// guard lets a request with a good key through to a handler, and answers others
// in the API's own form.
func (s *Server) guard(a web.API, rt web.Route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		info := web.InfoOf(r.Context())
		who, err := s.check(r, info.Client)
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

// check says who a request comes from. Where an address had its requests without
// a valid key, a key that is not known is only looked up in the database while
// lookups lasts, which is for all such addresses together.
func (s *Server) check(r *http.Request, client netip.Addr) (auth.Principal, error) {
	tooMany := &job.Error{Code: job.RateLimited, Message: "too many requests without a valid key from this address: wait a minute", RetryAfter: time.Minute}
	key := web.PresentedKey(r)
	if s.keyless.spent(client) && s.auth.Unknown(key) && !s.lookups.Allow() {
		return auth.Principal{}, tooMany
	}
	who, err := s.auth.Check(r.Context(), key)
	if err != nil && job.CodeOf(err) == job.Unauthorized && !s.keyless.allow(client) {
		return auth.Principal{}, tooMany
	}
	return who, err
}

// keyless counts requests without a valid key, by address (IPv6: by /64).
type keyless struct {
	mu  sync.Mutex
	rpm int
	m   map[netip.Prefix]*rate.Limiter
}

// What keys of nobody may cost the database: look-ups a second, and at once, for
// all addresses that had their requests without a valid key.
const (
	lookupRate  = 10
	lookupBurst = 100
)

// maxAddresses bounds the map: when it is full it starts afresh.
const maxAddresses = 10_000

// allow counts a request of an address, and says whether it was one too many.
func (s *keyless) allow(a netip.Addr) bool { return s.of(a).Allow() }

// spent says whether the next one would be.
func (s *keyless) spent(a netip.Addr) bool { return s.of(a).Tokens() < 1 }

func (s *keyless) of(a netip.Addr) *rate.Limiter {
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits) // the zero prefix stands for an address that is none
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
