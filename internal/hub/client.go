package hub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// Limits of what is taken from a server.
const (
	MaxRedirects  = 5
	MaxListed     = 50_000  // files of a repository
	MaxPages      = 1000    // of a list
	MaxJSONBytes  = 8 << 20 // of one answer
	maxPlainBytes = 64 << 20
	maxWait       = 5 * time.Minute // that a server may ask for before the next try
	maxTries      = 8               // of a range or a file, in a row that bring nothing
	maxAsks       = 4               // of a list
)

// Connections is how many requests run at the same time.
const Connections = 8

// DefaultEndpoint is the hub that is asked where HF_ENDPOINT names no other.
const DefaultEndpoint = "https://huggingface.co"

// Options of a Hub. The zero value of a field means its default.
type Options struct {
	Endpoint string // default: DefaultEndpoint
	Token    string // of the user; "" for none
	// Stall is how long a server may send nothing before the request is made again.
	Stall time.Duration
	// Pause is how long to wait before the second try. Each further pause is twice as
	// long.
	Pause time.Duration
}

// Hub is a server of repositories.
type Hub struct {
	endpoint *url.URL
	token    string // "" also where it is withheld
	withheld bool   // the user has a token, and it is not sent to this endpoint
	stall    time.Duration
	pause    time.Duration
	client   *http.Client
	conns    chan struct{} // holds a value for each request of a file
}

// New makes a Hub. It connects to nothing yet.
func New(o Options) (*Hub, error) {
	if o.Endpoint == "" {
		o.Endpoint = DefaultEndpoint
	}
	u, err := url.Parse(strings.TrimRight(o.Endpoint, "/"))
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" {
		return nil, fmt.Errorf("HF_ENDPOINT is %q: it must be the address of a hub, such as %s", o.Endpoint, DefaultEndpoint)
	}
	if o.Stall == 0 {
		o.Stall = 30 * time.Second
	}
	if o.Pause == 0 {
		o.Pause = time.Second
	}
	// Anybody on the way could read a token that is sent without TLS.
	withheld := o.Token != "" && u.Scheme == "http" && !loopback(u.Hostname())
	if withheld {
		o.Token = ""
	}
	return &Hub{
		endpoint: u, token: o.Token, withheld: withheld, stall: o.Stall, pause: o.Pause, conns: make(chan struct{}, Connections),
		client: &http.Client{
			Transport: &http.Transport{
				Proxy:                 http.ProxyFromEnvironment,
				DialContext:           (&net.Dialer{Timeout: o.Stall, KeepAlive: 30 * time.Second}).DialContext,
				TLSHandshakeTimeout:   o.Stall,
				ResponseHeaderTimeout: o.Stall,
				MaxIdleConnsPerHost:   Connections,
				IdleConnTimeout:       time.Minute,
				ForceAttemptHTTP2:     true,
				DisableCompression:    true, // sizes are those of the files
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// Endpoint is the address of the hub.
func (h *Hub) Endpoint() string { return h.endpoint.String() }

// at is an address of the hub. The elements are escaped, but for the slashes in
// the last one.
func (h *Hub) at(last string, elements ...string) *url.URL {
	escaped := make([]string, 0, len(elements)+1)
	for _, e := range elements {
		escaped = append(escaped, url.PathEscape(e))
	}
	if last != "" {
		escaped = append(escaped, escapePath(last))
	}
	u := *h.endpoint
	u.RawPath = strings.TrimRight(u.EscapedPath(), "/") + "/" + strings.Join(escaped, "/")
	u.Path, _ = url.PathUnescape(u.RawPath) // what was escaped above can be unescaped
	return &u
}

func escapePath(p string) string {
	pieces := strings.Split(p, "/")
	for i := range pieces {
		pieces[i] = url.PathEscape(pieces[i])
	}
	return strings.Join(pieces, "/")
}

// own says whether an address is one of the hub itself.
func (h *Hub) own(u *url.URL) bool {
	return u.Scheme == h.endpoint.Scheme && strings.EqualFold(u.Host, h.endpoint.Host)
}

// answer is a response whose body ends with an error when the server stalls.
type answer struct {
	*http.Response
	at *url.URL // where it came from, after redirects
	// linked are the headers of the hub's own answer, which may have been a redirect.
	linked http.Header
}

// get makes a request and follows redirects. ranged is the value of a Range header,
// or "". The token goes to the hub alone. Errors that may pass are *passing.
func (h *Hub) get(ctx context.Context, u *url.URL, ranged string) (*answer, error) {
	var linked http.Header
	for range MaxRedirects + 1 {
		resp, err := h.once(ctx, u, ranged)
		if err != nil {
			return nil, err
		}
		if linked == nil {
			linked = resp.Header
		}
		switch resp.StatusCode {
		case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		default:
			return &answer{resp, u, linked}, nil
		}
		resp.Body.Close()
		to, err := u.Parse(resp.Header.Get("Location"))
		switch {
		case err != nil || resp.Header.Get("Location") == "":
			return nil, fmt.Errorf("%s redirects to no address", u.Redacted())
		case to.Scheme != "https" && to.Scheme != "http" || to.Host == "" || to.User != nil:
			return nil, fmt.Errorf("%s redirects to %.100q, which is no plain web address", u.Redacted(), to.Redacted())
		case to.Scheme == "http" && u.Scheme == "https":
			return nil, fmt.Errorf("%s redirects from https to http: that is refused", u.Redacted())
		}
		u = to
	}
	return nil, fmt.Errorf("%s: more than %d redirects", u.Redacted(), MaxRedirects)
}

// once makes one request.
func (h *Hub) once(ctx context.Context, u *url.URL, ranged string) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		cancel(nil)
		return nil, err
	}
	req.Header.Set("User-Agent", "kinora")
	req.Header.Set("Accept-Encoding", "identity")
	if ranged != "" {
		req.Header.Set("Range", ranged)
	}
	if h.token != "" && h.own(u) {
		req.Header.Set("Authorization", "Bearer "+h.token)
	}
	resp, err := h.client.Do(req)
	if err != nil {
		cancel(nil)
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err // without an address that may be signed
		}
		return nil, &passing{err: fmt.Errorf("no answer from %s: %w: check the network, and whether it wants a proxy in HTTPS_PROXY", u.Host, err)}
	}
	resp.Body = &watched{ReadCloser: resp.Body, cancel: cancel, stall: h.stall, timer: time.AfterFunc(h.stall, func() { cancel(errStalled) }), ctx: ctx}
	return resp, nil
}

var errStalled = errors.New("the server has stopped sending")

// watched is a body that ends when the server sends nothing for a while.
type watched struct {
	io.ReadCloser
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
	stall  time.Duration
}

// Read ends the request if nothing comes for too long.
func (w *watched) Read(b []byte) (int, error) {
	w.timer.Reset(w.stall)
	n, err := w.ReadCloser.Read(b)
	w.timer.Stop()
	if err != nil && !errors.Is(err, io.EOF) && errors.Is(context.Cause(w.ctx), errStalled) {
		err = errStalled
	}
	return n, err
}

// Close ends the request.
func (w *watched) Close() error {
	w.timer.Stop()
	w.cancel(nil)
	return w.ReadCloser.Close()
}

// passing is an error after which another try may succeed.
type passing struct {
	err   error
	after time.Duration // that the server asks to wait
}

// Error is that of the error that may pass.
func (p *passing) Error() string { return p.err.Error() }

// Unwrap returns the error that may pass.
func (p *passing) Unwrap() error { return p.err }

// retry calls f until it succeeds, fails for good, or has failed so many times in a
// row. progress, if f reports it, begins the count anew. waits, if not nil, is told
// of each pause, and why it is made.
func (h *Hub) retry(ctx context.Context, tries int, waits func(time.Duration, error), f func(progress func()) error) error {
	for try := 1; ; try++ {
		err := f(func() { try = 0 })
		p, passes := errors.AsType[*passing](err)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case !passes || try >= tries:
			return err
		}
		wait := h.pause << max(0, try-1)
		wait += time.Duration(rand.Int64N(int64(wait)/4 + 1))
		wait = min(max(wait, p.after), maxWait)
		if waits != nil {
			waits(wait, err)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
