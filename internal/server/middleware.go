package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/kinora-video/kinora/internal/auth"
	"github.com/kinora-video/kinora/internal/job"
)

// requestInfo is what the outer layers know of a request and the inner ones
// add to, for the log line at its end.
type requestInfo struct {
	id      string
	client  netip.Addr
	base    string // scheme and host that the customer used
	project int64
	err     error // what an internal error was caused by
}

type infoKey struct{}

// infoOf is the request's info; outside a request, an empty one.
func infoOf(ctx context.Context) *requestInfo {
	if i, ok := ctx.Value(infoKey{}).(*requestInfo); ok {
		return i
	}
	return &requestInfo{}
}

// requestID is the id that every answer and log line of a request carries.
func requestID(ctx context.Context) string { return infoOf(ctx).id }

// outer wraps all handlers: an id, a body cap, headers, a log line and a
// metric for each request, and no panic that ends the process.
func (s *Server) outer(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		info := &requestInfo{id: givenID(r), client: s.clientOf(r), base: s.baseOf(r)}
		r = r.WithContext(context.WithValue(r.Context(), infoKey{}, info))
		w.Header().Set("X-Request-Id", info.id)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		rec := &recorder{ResponseWriter: w, conn: http.NewResponseController(w)}
		_ = rec.conn.SetWriteDeadline(time.Time{}) // of the request before on this connection; tests' writers have none
		r.Body = http.MaxBytesReader(w, r.Body, s.cfg.Limits.Body)
		start := time.Now()
		defer func() {
			if p := recover(); p != nil {
				if p == http.ErrAbortHandler { //nolint:errorlint // net/http compares it so
					panic(p)
				}
				info.err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
				if rec.status == 0 {
					s.door.apiOf(r.URL.Path).fail(rec, r, &job.Error{Code: job.Internal, Message: "something went wrong on our side; the log has the details"})
				}
			}
			s.finish(r, rec, info, time.Since(start))
		}()
		next.ServeHTTP(rec, r)
		rec.patience() // for what net/http has yet to send
	})
}

// statusGone is what logs and metrics say of a request whose sender went away
// before it was answered, as nginx does. Nobody reads it, and it is no fault of
// the server's.
const statusGone = 499

// finish logs and counts a request that was answered.
func (s *Server) finish(r *http.Request, rec *recorder, info *requestInfo, took time.Duration) {
	pattern := r.Pattern
	if pattern == "" {
		pattern = "none"
	}
	if rec.status == 0 {
		rec.status = http.StatusOK
	}
	if errors.Is(r.Context().Err(), context.Canceled) && errors.Is(info.err, context.Canceled) {
		rec.status, info.err = statusGone, nil
	}
	s.metrics.requests.WithLabelValues(pattern, strconv.Itoa(rec.status)).Inc()
	s.metrics.requestTime.WithLabelValues(pattern).Observe(took.Seconds())
	level := slog.LevelInfo
	switch {
	case info.err != nil || rec.status >= 500:
		level = slog.LevelError
	case strings.HasSuffix(pattern, "z") || strings.HasSuffix(pattern, "/metrics"):
		level = slog.LevelDebug // asked for every few seconds
	}
	attrs := []slog.Attr{
		slog.String("request", info.id), slog.String("method", r.Method), slog.String("path", r.URL.Path),
		slog.Int("status", rec.status), slog.Int64("bytes", rec.bytes), slog.Duration("took", took.Round(time.Microsecond)),
		slog.String("client", info.client.String()),
	}
	if info.project != 0 {
		attrs = append(attrs, slog.Int64("project", info.project))
	}
	if info.err != nil {
		attrs = append(attrs, slog.Any("error", info.err))
	}
	s.log.LogAttrs(r.Context(), level, "request", attrs...)
}

// givenID is the caller's request id when it is a plain one, or a new one.
func givenID(r *http.Request) string {
	id := r.Header.Get("X-Request-Id")
	ok := id != "" && len(id) <= 64
	for _, c := range id {
		ok = ok && (c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '-' || c == '_')
	}
	if ok {
		return id
	}
	return "req_" + strings.ToLower(rand.Text())
}

// guard lets a request with a good key through to a handler, and answers others
// in the API's own form.
func (s *Server) guard(a api, rt route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		info := infoOf(r.Context())
		who, err := s.check(r, info.client)
		if err != nil {
			a.fail(w, r, err)
			return
		}
		info.project = who.Project.ID
		switch {
		case rt.scope != "" && !who.Can(rt.scope):
			err = job.Errorf(job.Forbidden, "", "this key may not do that: it lacks the scope %q", rt.scope)
		default:
			err = s.auth.Allow(who)
		}
		if err != nil {
			a.fail(w, r, err)
			return
		}
		readText(r)
		body := holdBody(r, s.bodies)
		defer body.release()
		rt.handle(w, r, who)
	})
}

// check says who a request comes from. Where an address had its requests without
// a valid key, a key that is not known is only looked up in the database while
// looks lasts, which is for all such addresses together.
func (s *Server) check(r *http.Request, client netip.Addr) (auth.Principal, error) {
	tooMany := &job.Error{Code: job.RateLimited, Message: "too many requests without a valid key from this address: wait a minute", RetryAfter: time.Minute}
	key := presentedKey(r)
	if s.strangers.spent(client) && s.auth.Stranger(key) && !s.looks.Allow() {
		return auth.Principal{}, tooMany
	}
	who, err := s.auth.Check(r.Context(), key)
	if err != nil && job.CodeOf(err) == job.Unauthorized && !s.strangers.allow(client) {
		return auth.Principal{}, tooMany
	}
	return who, err
}

// presentedKey is the key of a request: a bearer token or x-api-key.
func presentedKey(r *http.Request) string {
	if scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "bearer") {
		return strings.TrimSpace(token)
	}
	return r.Header.Get("X-Api-Key")
}

// strangers counts requests without a valid key, by address (IPv6: by /64).
type strangers struct {
	mu  sync.Mutex
	rpm int
	m   map[netip.Prefix]*rate.Limiter
}

// What keys of nobody may cost the database: looks a second, and at once, for
// all addresses that had their requests without a valid key.
const (
	strangerLooks = 10
	strangerBurst = 100
)

// maxStrangers bounds the map: when it is full it starts afresh.
const maxStrangers = 10_000

// allow counts a request of an address, and says whether it was one too many.
func (s *strangers) allow(a netip.Addr) bool { return s.of(a).Allow() }

// spent says whether the next one would be.
func (s *strangers) spent(a netip.Addr) bool { return s.of(a).Tokens() < 1 }

func (s *strangers) of(a netip.Addr) *rate.Limiter {
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits) // the zero prefix stands for an address that is none
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.m[p]
	if l == nil {
		if s.m == nil || len(s.m) >= maxStrangers {
			s.m = map[netip.Prefix]*rate.Limiter{}
		}
		l = rate.NewLimiter(rate.Limit(float64(s.rpm)/60), s.rpm)
		s.m[p] = l
	}
	return l
}

// stallTime is how long a reader may take for a piece of an answer: net/http's
// own limit would be one for the whole answer, however long a film it is.
const stallTime = time.Minute

// recorder notes status and size of an answer, and gives up on readers who take
// nothing.
type recorder struct {
	http.ResponseWriter
	conn   *http.ResponseController // of the connection below
	status int
	bytes  int64
	own    bool // the handler sets deadlines of its own
}

// SetWriteDeadline is for handlers that have a limit of their own.
func (r *recorder) SetWriteDeadline(t time.Time) error {
	r.own = !t.IsZero()
	return r.conn.SetWriteDeadline(t)
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 && status >= 200 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(p []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	r.patience()
	n, err := r.ResponseWriter.Write(p)
	r.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach what is below.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// FlushError lets streams through, and says when their reader has gone.
func (r *recorder) FlushError() error {
	r.patience()
	return r.conn.Flush()
}

// Flush is for those who ask for http.Flusher.
func (r *recorder) Flush() { _ = r.FlushError() } // the next write fails too

// patience gives the reader time for the next piece.
func (r *recorder) patience() {
	if !r.own {
		_ = r.conn.SetWriteDeadline(time.Now().Add(stallTime)) // tests' writers have none
	}
}
