package egress

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	// DefaultUpstreamHeader is how long an upstream may take until its answer
	// begins. An upstream that does not stream computes during all that time.
	DefaultUpstreamHeader = 5 * time.Minute
	// DefaultUpstreamIdle is how long an upstream's answer may pause.
	DefaultUpstreamIdle = 2 * time.Minute

	upstreamIdleConns = 16
	upstreamKeepAlive = 90 * time.Second
)

// UpstreamOptions configure an upstream server.
type UpstreamOptions struct {
	BaseURL       string        // such as "http://127.0.0.1:11434/v1"; any address, since the operator gives it
	APIKey        string        // sent as a bearer token; empty sends none
	HeaderTimeout time.Duration // until an answer begins; 0 means DefaultUpstreamHeader
	IdleTimeout   time.Duration // for a pause within an answer; 0 means DefaultUpstreamIdle
	UserAgent     string        // empty means DefaultUserAgent
}

// Upstream sends requests to one server of the operator's configuration, such as
// an OpenAI-compatible one. Its methods may be called concurrently.
type Upstream struct {
	base      *url.URL
	key       string
	agent     string
	idle      time.Duration
	transport *http.Transport
}

// NewUpstream checks the options and returns the upstream; it does not
// connect.
func NewUpstream(o UpstreamOptions) (*Upstream, error) {
	base, err := parseTarget(nil, o.BaseURL)
	if err != nil {
		return nil, fmt.Errorf("egress: upstream's base URL: %w", err)
	}
	if base.RawQuery != "" || base.Fragment != "" {
		return nil, errors.New("egress: upstream's base URL has a query or fragment: leave it out")
	}
	if base.Path == "" {
		base.Path = "/" // otherwise JoinPath returns a relative path
	}
	if strings.ContainsFunc(o.APIKey, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, errors.New("egress: upstream's API key has a space or another invalid character: copy it again")
	}
	if o.HeaderTimeout < 0 || o.IdleTimeout < 0 {
		return nil, errors.New("egress: upstream's timeouts: give positive times")
	}
	if err := checkAgent(o.UserAgent); err != nil {
		return nil, err
	}
	t := newTransport(&net.Dialer{Timeout: dialTimeout}, nil)
	t.ResponseHeaderTimeout = o.HeaderTimeout
	if t.ResponseHeaderTimeout == 0 {
		t.ResponseHeaderTimeout = DefaultUpstreamHeader
	}
	t.MaxIdleConnsPerHost, t.IdleConnTimeout = upstreamIdleConns, upstreamKeepAlive
	u := &Upstream{base: base, key: o.APIKey, agent: o.UserAgent, idle: o.IdleTimeout, transport: t}
	if u.idle == 0 {
		u.idle = DefaultUpstreamIdle
	}
	if u.agent == "" {
		u.agent = DefaultUserAgent
	}
	return u, nil
}

// String returns the base URL, without the key.
func (u *Upstream) String() string { return u.base.String() }

// GoString is String, so that no format prints the key.
func (u *Upstream) GoString() string { return "egress.Upstream(" + u.String() + ")" }

// Close closes idle connections. Requests under way go on.
func (u *Upstream) Close() { u.transport.CloseIdleConnections() }

// passed are the headers of a request that are sent to the upstream. It gets no
// keys, cookies or addresses of customers.
var passed = []string{"Accept", "Content-Type", "X-Request-Id", "Webhook-Id", "Webhook-Timestamp", "Webhook-Signature"}

// notPassed are the headers of an answer that are not sent to the customer.
var notPassed = append([]string{"Set-Cookie", "Alt-Svc", "Strict-Transport-Security"}, connectionHeaders...)

// Do sends a request and returns the answer as soon as its headers arrive. The
// caller may read the body as a stream (server-sent events, for instance) and
// closes it. Of req.URL only path and query are used: they are joined to the base
// URL. Of its headers, Accept, Content-Type, X-Request-Id and those of Standard
// Webhooks are passed on, and the upstream's own key is added. Every status but a
// redirect is an answer. The body's size is not limited: see ReadAll. All errors,
// also those of the body, are of type *Error; their text does not name the
// upstream.
func (u *Upstream) Do(ctx context.Context, req *http.Request) (*http.Response, error) {
	ctx, end := begin(ctx, 0)
	resp, err := u.send(ctx, req)
	if err != nil {
		err = u.fail(ctx, err)
		end(nil)
		return nil, err
	}
	if redirects(resp.StatusCode) {
		resp.Body.Close()
		end(nil)
		return nil, &Error{
			Kind: ErrStatus, Op: "ask the upstream", Status: resp.StatusCode,
			Msg:   "it answered with a redirect, which is not followed: ask the operator to correct its base URL",
			cause: fmt.Errorf("%s redirects to %q", u, resp.Header.Get("Location")),
		}
	}
	for _, name := range notPassed {
		resp.Header.Del(name)
	}
	resp.Body = &upstreamBody{stallReader{resp.Body, u.idle, end}, resp.Body, ctx, u}
	return resp, nil
}

func (u *Upstream) send(ctx context.Context, req *http.Request) (*http.Response, error) {
	out := req.Clone(ctx)
	out.Host, out.RequestURI, out.TransferEncoding, out.Trailer, out.Close = "", "", nil, nil, false
	if slices.Contains(strings.Split(req.URL.Path, "/"), "..") {
		if req.Body != nil {
			req.Body.Close()
		}
		return nil, fmt.Errorf("the path %q leads out of it", req.URL.Path)
	}
	out.URL = u.base.JoinPath(req.URL.EscapedPath())
	out.URL.RawQuery = req.URL.RawQuery
	out.Header = http.Header{"User-Agent": {u.agent}, "Accept-Encoding": {"identity"}}
	for _, name := range passed {
		if v := req.Header.Values(name); len(v) > 0 {
			out.Header[name] = v
		}
	}
	if u.key != "" {
		out.Header.Set("Authorization", "Bearer "+u.key)
	}
	return u.transport.RoundTrip(out)
}

// fail builds the error of an upstream's failure. The customer cannot choose
// another host, and no upstream is refused for its address.
func (u *Upstream) fail(ctx context.Context, err error) *Error {
	e := &Error{Op: "ask the upstream"}
	var why error
	e.Kind, e.Msg, why = classify(ctx, err)
	e.cause = fmt.Errorf("%s: %w", u, why)
	switch {
	case errors.Is(e.Kind, context.Canceled):
	case errors.Is(e.Kind, ErrTimeout):
		e.Msg = "it took too long: try again later"
	default:
		e.Kind, e.Msg = ErrUnreachable, "it cannot be reached or broke off: try again later, or ask the operator to look after it"
	}
	return e
}

// upstreamBody is an answer's body with a limit on pauses.
type upstreamBody struct {
	stallReader
	body io.Closer
	ctx  context.Context
	from *Upstream
}

// Read says in words of the package what failed.
func (b *upstreamBody) Read(p []byte) (int, error) {
	n, err := b.stallReader.Read(p)
	if err != nil && err != io.EOF { //nolint:errorlint // readers return io.EOF as it is
		err = b.from.fail(b.ctx, err)
	}
	return n, err
}

// Close ends the request.
func (b *upstreamBody) Close() error {
	err := b.body.Close()
	b.end(nil)
	return err
}
