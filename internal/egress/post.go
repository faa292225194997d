package egress

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/netip"
	"strconv"
	"time"
)

// MaxAnswer is how many bytes are kept of the answer to a post. What comes
// behind them is not read.
const MaxAnswer = 64 << 10

// notTheirs are headers that belong to the connection, not to a message.
var notTheirs = []string{
	"Accept-Encoding", "Connection", "Content-Length", "Host", "Keep-Alive", "Proxy-Authorization", "Proxy-Connection",
	"Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

// drainTime is how long Tell goes on reading an answer whose status it has.
const drainTime = time.Second

// Post asks a URL that a stranger gave, and returns the answer's status and the
// beginning of its body. Every status is an answer and none an error, those of
// redirects too: they are not followed, so that what was signed for one host
// never goes to another. Without a Content-Type in header the body is JSON.
// Errors are of type *Error; one that came while the answer's body was read has
// status and answer beside it.
func (c *Client) Post(ctx context.Context, rawURL string, header http.Header, body []byte) (status int, answer []byte, err error) {
	p, err := c.post(ctx, rawURL, header, body)
	if err != nil {
		return 0, nil, err
	}
	defer p.close()
	answer, err = io.ReadAll(io.LimitReader(&stallReader{p.resp.Body, c.stall, p.end}, MaxAnswer))
	if err != nil {
		err = p.fail(err)
	}
	return p.resp.StatusCode, answer, err
}

// Tell is Post for a caller to whom the status says it all: a webhook. A
// receiver that has answered with a status has taken what it was told, or has
// not, whatever becomes of the answer's body: one that is cut short is no error,
// and one without an end is not waited for.
func (c *Client) Tell(ctx context.Context, rawURL string, header http.Header, body []byte) (status int, err error) {
	p, err := c.post(ctx, rawURL, header, body)
	if err != nil {
		return 0, err
	}
	defer p.close()
	// A short answer is read to its end, so that the receiver does not find its
	// connection closed while it writes.
	enough := time.AfterFunc(c.drain, func() { p.end(nil) })
	defer enough.Stop()
	_, _ = io.Copy(io.Discard, io.LimitReader(p.resp.Body, MaxAnswer)) // it says nothing that counts
	return p.resp.StatusCode, nil
}

// posted is a post whose answer has begun.
type posted struct {
	resp *http.Response
	end  context.CancelCauseFunc // of the whole request
	fail func(error) error       // what to say of an error while the body is read
}

func (p *posted) close() {
	p.resp.Body.Close()
	p.end(nil)
}

// post sends a body and waits for the head of the answer.
func (c *Client) post(ctx context.Context, rawURL string, header http.Header, body []byte) (*posted, error) {
	u, err := parseTarget(nil, rawURL)
	if err != nil {
		return nil, &Error{Kind: ErrURL, Op: "post", Msg: err.Error()}
	}
	ctx, end := begin(ctx, c.timeout)
	fail := func(err error) error {
		e := &Error{Op: "post", URL: shown(u)}
		e.Kind, e.Msg, e.cause = classify(ctx, err)
		return e
	}
	own := http.Header{"Content-Type": {"application/json"}}
	for name, values := range header {
		own[http.CanonicalHeaderKey(name)] = values
	}
	for _, name := range notTheirs {
		own.Del(name)
	}
	resp, err := c.send(ctx, http.MethodPost, u, own, bytes.NewReader(body))
	if err != nil {
		err = fail(err)
		end(nil)
		return nil, err
	}
	return &posted{resp, end, fail}, nil
}

// CheckURL says whether a URL has the form of one that is fetched or posted
// to, so that a request is refused when it is made rather than when its
// callback is due. Where the host is an address that is decided about, too; no
// name is resolved. Errors are of type *Error.
func (c *Client) CheckURL(rawURL string) error {
	u, err := parseTarget(nil, rawURL)
	if err != nil {
		return &Error{Kind: ErrURL, Op: "check the URL", Msg: err.Error()}
	}
	addr, err := netip.ParseAddr(u.Hostname())
	if err != nil {
		return nil //nolint:nilerr // a name, about which only connecting tells
	}
	port := uint64(80)
	if u.Scheme == "https" {
		port = 443
	}
	if p, err := strconv.ParseUint(u.Port(), 10, 16); err == nil {
		port = p
	}
	if err := c.guard.check(netip.AddrPortFrom(addr, uint16(port))); err != nil {
		return &Error{Kind: ErrBlocked, Op: "check the URL", URL: shown(u), Msg: msgBlocked, cause: err}
	}
	return nil
}
