package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/kinora-video/kinora/internal/job"
)

// Front handles every request first. It gives the request an id, bounds its body,
// sets headers of the answer, logs and counts each answer, and keeps a handler's
// panic from ending the process.
type Front struct {
	Proxies Proxies
	MaxBody int64 // of a request's body, in bytes
	Log     *slog.Logger
	// Count is called for each answer with the pattern of its endpoint ("none" if
	// there is none), its HTTP status, and how long it took.
	Count func(pattern string, status int, took time.Duration)
	// Fail answers, in the form of its API, a request whose handler panicked.
	Fail func(http.ResponseWriter, *http.Request, error)
}

// Wrap puts the front before a handler.
func (f *Front) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		info := &Info{ID: givenID(r), Client: f.Proxies.clientOf(r), Base: f.Proxies.baseOf(r)}
		r = r.WithContext(WithInfo(r.Context(), info))
		w.Header().Set("X-Request-Id", info.ID)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		rec := &recorder{ResponseWriter: w, conn: http.NewResponseController(w)}
		_ = rec.conn.SetWriteDeadline(time.Time{}) // clears the deadline of the connection's previous request; tests' writers have none
		r.Body = http.MaxBytesReader(w, r.Body, f.MaxBody)
		start := time.Now()
		defer func() {
			if p := recover(); p != nil {
				if p == http.ErrAbortHandler { //nolint:errorlint // net/http compares it so
					panic(p)
				}
				info.Err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
				if rec.status == 0 {
					f.Fail(rec, r, &job.Error{Code: job.Internal, Message: "something went wrong on our side; the log has the details"})
				}
			}
			f.finish(r, rec, info, time.Since(start))
		}()
		next.ServeHTTP(rec, r)
		rec.extendDeadline() // for the bytes that net/http has yet to send
	})
}

// statusGone is the status in logs and metrics of a request whose sender
// disconnected before the answer, as nginx has it. It is never sent and is no
// fault of the server's.
const statusGone = 499

// finish logs and counts a request that was answered.
func (f *Front) finish(r *http.Request, rec *recorder, info *Info, took time.Duration) {
	pattern := r.Pattern
	if pattern == "" {
		pattern = "none"
	}
	if rec.status == 0 {
		rec.status = http.StatusOK
	}
	if errors.Is(r.Context().Err(), context.Canceled) && errors.Is(info.Err, context.Canceled) {
		rec.status, info.Err = statusGone, nil
	}
	f.Count(pattern, rec.status, took)
	level := slog.LevelInfo
	switch {
	case info.Err != nil || rec.status >= 500:
		level = slog.LevelError
	case strings.HasSuffix(pattern, "z") || strings.HasSuffix(pattern, "/metrics"):
		level = slog.LevelDebug // health checks come every few seconds
	}
	attrs := []slog.Attr{
		slog.String("request", info.ID), slog.String("method", r.Method), slog.String("path", r.URL.Path),
		slog.Int("status", rec.status), slog.Int64("bytes", rec.bytes), slog.Duration("took", took.Round(time.Microsecond)),
		slog.String("client", info.Client.String()),
	}
	if info.Project != 0 {
		attrs = append(attrs, slog.Int64("project", info.Project))
	}
	if info.Err != nil {
		attrs = append(attrs, slog.Any("error", info.Err))
	}
	f.Log.LogAttrs(r.Context(), level, "request", attrs...)
}
