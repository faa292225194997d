package web

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/netip"
	"strings"
)

// Info is data about a request that the outer layers set and the inner ones add
// to, for the log line at its end.
type Info struct {
	ID      string
	Client  netip.Addr
	Base    string // scheme and host that the customer used
	Project int64
	Err     error // the cause of an internal error
}

type infoKey struct{}

// WithInfo returns a context with a request's info.
func WithInfo(ctx context.Context, info *Info) context.Context {
	return context.WithValue(ctx, infoKey{}, info)
}

// InfoOf returns the request's info; outside a request, an empty one.
func InfoOf(ctx context.Context) *Info {
	if i, ok := ctx.Value(infoKey{}).(*Info); ok {
		return i
	}
	return &Info{}
}

// BaseOf returns the scheme and host that the customer of a request used; ""
// outside a request.
func BaseOf(ctx context.Context) string { return InfoOf(ctx).Base }

// RequestID returns the id that every answer and log line of a request carries.
func RequestID(ctx context.Context) string { return InfoOf(ctx).ID }

// givenID returns the caller's request id if it is a plain one, or a new one.
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

// PresentedKey returns the key of a request: a bearer token or x-api-key.
func PresentedKey(r *http.Request) string {
	if scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "bearer") {
		return strings.TrimSpace(token)
	}
	return r.Header.Get("X-Api-Key")
}

// IdempotencyKey returns the header that maps a repeated request to the same job.
func IdempotencyKey(r *http.Request) string { return r.Header.Get("Idempotency-Key") }
