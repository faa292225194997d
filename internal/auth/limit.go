package auth

import (
	"fmt"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/kinora-video/kinora/internal/job"
)

// maxLimits bounds the keys whose requests are counted at a time. Beyond it, keys
// that made no request for a minute are forgotten, which changes nothing for
// them.
const maxLimits = 20_000

// limits counts the requests of keys with one token bucket per key. A bucket
// holds a minute's requests, starts full, and refills evenly.
type limits struct {
	mu sync.Mutex
	m  map[int64]*limit
}

type limit struct {
	rpm  int
	rate *rate.Limiter
}

// Allow counts a request of a key. If the key has used up its requests a minute,
// the error is a job.Error of code RateLimited that says when to try again.
func (a *Auth) Allow(who Principal) error {
	rpm := who.Key.RPM
	if rpm == 0 {
		rpm = a.o.RPM
	}
	if rpm <= 0 {
		return nil
	}
	now := a.db.Now()
	wait := a.limits.take(who.Key.ID, rpm, now)
	if wait == 0 {
		return nil
	}
	wait = (wait + time.Second - 1).Truncate(time.Second) // Retry-After has whole seconds
	return &job.Error{
		Code: job.RateLimited, RetryAfter: wait,
		Message: fmt.Sprintf("this API key may make %d requests a minute: try again in %v", rpm, wait),
	}
}

// take counts a request, or returns how long to wait.
func (l *limits) take(key int64, rpm int, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.m[key]
	if b == nil {
		if len(l.m) >= maxLimits {
			l.sweep(now)
		}
		b = &limit{rpm, rate.NewLimiter(rate.Limit(float64(rpm)/60), rpm)}
		l.m[key] = b
	}
	if b.rpm != rpm { // the limit was changed
		b.rpm = rpm
		b.rate.SetLimitAt(now, rate.Limit(float64(rpm)/60))
		b.rate.SetBurstAt(now, rpm)
	}
	r := b.rate.ReserveN(now, 1)
	wait := r.DelayFrom(now)
	if wait > 0 {
		r.CancelAt(now)
	}
	return wait
}

// sweep removes full buckets, or all buckets if none is full.
func (l *limits) sweep(now time.Time) {
	for key, b := range l.m {
		if b.rate.TokensAt(now) >= float64(b.rpm) {
			delete(l.m, key)
		}
	}
	if len(l.m) >= maxLimits {
		clear(l.m)
	}
}
