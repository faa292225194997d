package egress

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

const (
	// DefaultTimeout is for one whole request with its redirects and body.
	DefaultTimeout = 30 * time.Second
	// DefaultRedirects is how many redirects a fetch follows, and the most that
	// may be asked for.
	DefaultRedirects = 3
	// DefaultUserAgent is the User-Agent header of requests.
	DefaultUserAgent = "kinora"
	// MaxHeader is the most bytes of an answer's headers.
	MaxHeader = 64 << 10

	dialTimeout = 10 * time.Second // for each connection, including name resolution
	tlsTimeout  = 10 * time.Second
	// stallTimeout is how long an answer's body may pause.
	stallTimeout = 15 * time.Second
	// maxConns bounds the concurrent requests to one host; others wait.
	maxConns = 64
)

// Options configure requests to URLs that strangers give. The zero value is right
// for a server on the internet.
type Options struct {
	// Allow are ranges that may be connected to although they are not public, on
	// all ports: for self-hosters whose files are in their own network.
	Allow []netip.Prefix
	// Deny are ranges that may not be connected to although they are public, such
	// as the site's own addresses, or a NAT64 prefix of its own. Deny takes
	// precedence over Allow.
	Deny []netip.Prefix
	// MaxRedirects is how many redirects a fetch follows, at most
	// DefaultRedirects. 0 means DefaultRedirects; a negative number forbids
	// redirects. A post follows none.
	MaxRedirects int
	// Timeout is for a whole request; 0 means DefaultTimeout.
	Timeout time.Duration
	// UserAgent is the header of that name; empty means DefaultUserAgent.
	UserAgent string
}

// Client sends requests to URLs that strangers give. Its methods may be called
// concurrently. Each request has a connection of its own, so none stays open to a
// host that a stranger chose.
type Client struct {
	guard     *guard
	transport *http.Transport
	redirects int
	timeout   time.Duration
	stall     time.Duration
	drain     time.Duration
	agent     string
}

// seams are the parts that tests replace.
type seams struct {
	resolver *net.Resolver
	roots    *x509.CertPool
	// admitted is called with an address that the guard accepted, before the
	// connection is made.
	admitted func(netip.AddrPort) error
	stall    time.Duration
	drain    time.Duration
}

// New returns a client. An error names the field of Options that is wrong.
func New(o Options) (*Client, error) { return newClient(o, seams{}) }

func newClient(o Options, s seams) (*Client, error) {
	g, err := newGuard(o.Allow, o.Deny)
	if err != nil {
		return nil, err
	}
	if o.MaxRedirects > DefaultRedirects {
		return nil, fmt.Errorf("egress: MaxRedirects is %d: at most %d are followed", o.MaxRedirects, DefaultRedirects)
	}
	if o.Timeout < 0 {
		return nil, fmt.Errorf("egress: Timeout is %v: give a positive time", o.Timeout)
	}
	if err := checkAgent(o.UserAgent); err != nil {
		return nil, err
	}
	t := newTransport(&net.Dialer{Timeout: dialTimeout, KeepAlive: -1, Resolver: s.resolver, Control: s.control(g)}, s.roots)
	t.DisableKeepAlives = true
	t.MaxConnsPerHost = maxConns
	c := &Client{guard: g, transport: t, redirects: o.MaxRedirects, timeout: o.Timeout, stall: s.stall, drain: s.drain, agent: o.UserAgent}
	if c.redirects == 0 {
		c.redirects = DefaultRedirects
	}
	if c.timeout == 0 {
		c.timeout = DefaultTimeout
	}
	if c.stall == 0 {
		c.stall = stallTimeout
	}
	if c.drain == 0 {
		c.drain = drainTime
	}
	if c.agent == "" {
		c.agent = DefaultUserAgent
	}
	return c, nil
}

// checkAgent refuses a text that cannot be a header, as every request would fail
// on it.
func checkAgent(agent string) error {
	if strings.ContainsFunc(agent, func(r rune) bool { return r < ' ' || r > '~' }) {
		return fmt.Errorf("egress: UserAgent %q: use printable ASCII alone", agent)
	}
	return nil
}

// newTransport returns HTTP/1.1 over TCP and verified TLS, and nothing else:
// no proxy, no compression, no other protocol.
func newTransport(d *net.Dialer, roots *x509.CertPool) *http.Transport {
	var only http.Protocols
	only.SetHTTP1(true)
	return &http.Transport{
		Proxy:                  nil, // a proxy would connect without the guard
		DialContext:            d.DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
		TLSHandshakeTimeout:    tlsTimeout,
		DisableCompression:     true, // so that limits count the bytes that are sent
		MaxResponseHeaderBytes: MaxHeader,
		Protocols:              &only,
	}
}

// begin returns the context of a whole request. Its cause is the first event that
// ended it.
func begin(ctx context.Context, total time.Duration) (context.Context, context.CancelCauseFunc) {
	ctx, end := context.WithCancelCause(ctx)
	if total <= 0 {
		return ctx, end
	}
	ctx, stop := context.WithTimeoutCause(ctx, total, errTotal)
	return ctx, func(cause error) { end(cause); stop() }
}

// send makes one request on one connection. The caller reads and closes the
// answer's body.
func (c *Client) send(ctx context.Context, method string, u *url.URL, header http.Header, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, (&url.URL{
		Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath, RawQuery: u.RawQuery, ForceQuery: u.ForceQuery,
	}).String(), body)
	if err != nil {
		return nil, err
	}
	for name, values := range header {
		req.Header[http.CanonicalHeaderKey(name)] = values
	}
	req.Header.Set("User-Agent", c.agent)
	req.Header.Set("Accept-Encoding", "identity")
	return c.transport.RoundTrip(req)
}

// stallReader ends the request when one read takes longer than idle.
type stallReader struct {
	r    io.Reader
	idle time.Duration
	end  context.CancelCauseFunc
}

// Read ends the request if nothing comes for too long.
func (s *stallReader) Read(p []byte) (int, error) {
	t := time.AfterFunc(s.idle, func() { s.end(errStall) })
	defer t.Stop()
	return s.r.Read(p)
}
