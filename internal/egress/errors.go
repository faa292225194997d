package egress

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/url"
)

// The kinds of errors, for errors.Is; handlers map them to their API's codes.
var (
	// ErrURL: the URL is malformed or of a kind that is never fetched.
	ErrURL = errors.New("the URL cannot be used")
	// ErrBlocked: the host is unknown, or neither public nor allowed. Both are
	// one error, so that nobody learns which private names exist.
	ErrBlocked = errors.New("the address is not open to requests")
	// ErrUnreachable: the host is allowed, but the connection failed.
	ErrUnreachable = errors.New("the host could not be reached")
	// ErrTimeout: the host was too slow.
	ErrTimeout = errors.New("the host took too long")
	// ErrStatus: the host answered with an HTTP status that is no success;
	// [Error].Status has it.
	ErrStatus = errors.New("the host answered with an error")
	// ErrTooLarge: the answer is larger than the limit.
	ErrTooLarge = errors.New("the answer is too large")
	// ErrType: the answer's type is not among those requested.
	ErrType = errors.New("the answer is of the wrong type")
)

// msgBlocked is the message for every refused address and every unknown name.
const msgBlocked = "its host is unknown or not public: use a host with a public address, on port 80, 443 or one from 1024 up, or ask the operator to allow its network"

// maxShown is how many bytes of a URL an error repeats.
const maxShown = 200

// Error is a failed request. Its text may be shown to the customer who gave the
// URL: it contains neither addresses nor data from the network.
type Error struct {
	Kind   error  // one of the errors above, or context.Canceled when the caller gave up
	Op     string // what was being done: "fetch", "post", "ask"
	URL    string // the URL that was given, without query and fragment, shortened; may be empty
	Status int    // the HTTP status with ErrStatus, else 0
	Msg    string // why, and what to do about it

	cause error // the network's error; not for customers
}

// Error returns "op URL: why and what to do".
func (e *Error) Error() string {
	if e.URL == "" {
		return e.Op + ": " + e.Msg
	}
	return e.Op + " " + e.URL + ": " + e.Msg
}

// Unwrap lets errors.Is see the kind, and the caller's own context.
func (e *Error) Unwrap() []error {
	for _, c := range []error{context.Canceled, context.DeadlineExceeded} {
		if errors.Is(e.cause, c) {
			return []error{e.Kind, c}
		}
	}
	return []error{e.Kind}
}

// Detail is the network's error, with addresses, for the operator's log; it is
// empty when there is none. Never show it to a customer.
func (e *Error) Detail() string {
	if e.cause == nil {
		return ""
	}
	return e.cause.Error()
}

// shown is a URL as errors and logs repeat it. The query is left out, because
// signed URLs have their secret there.
func shown(u *url.URL) string {
	s := (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
	if len(s) <= maxShown {
		return s
	}
	return s[:maxShown] + "…" // it is ASCII: the path is escaped
}

// The causes for which this package itself ends a request.
var (
	errTotal = errors.New("the time for the whole request ran out")
	errStall = errors.New("the host sent nothing for too long")
)

// classify returns the kind and the message of a failure. ctx is the request's
// own context, whose cause says why it ended.
func classify(ctx context.Context, err error) (kind error, msg string, cause error) {
	if ctx.Err() != nil {
		c := context.Cause(ctx)
		switch {
		case errors.Is(c, errTotal):
			return ErrTimeout, "it did not finish in the time allowed: use a faster host or a smaller file", c
		case errors.Is(c, errStall):
			return ErrTimeout, "the host stopped sending: try again, or use another host", c
		case errors.Is(ctx.Err(), context.DeadlineExceeded):
			return ErrTimeout, "it did not finish before the request's deadline: try again, or use a faster host", ctx.Err()
		default:
			return context.Canceled, "cancelled", ctx.Err()
		}
	}
	var dns *net.DNSError
	var network net.Error
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	switch {
	case errors.Is(err, errRefused), errors.As(err, &dns) && dns.IsNotFound:
		return ErrBlocked, msgBlocked, err
	case errors.As(err, &network) && network.Timeout():
		return ErrTimeout, "the host did not answer in time: try again, or use a faster host", err
	case dns != nil:
		return ErrUnreachable, "its host could not be looked up just now: try again later", err
	case errors.As(err, &certificate):
		return ErrUnreachable, "the host's certificate could not be verified: renew it, or use a host with one that a public authority signed", err
	case errors.As(err, &record):
		return ErrUnreachable, "the host does not speak TLS on this port: use http:// or the right port", err
	}
	return ErrUnreachable, "the connection failed or ended early: check that the host is up and answers HTTP/1.1 there, then try again", err
}
