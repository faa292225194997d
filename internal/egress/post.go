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

// MaxAnswer is how many bytes of the answer to a post are kept. The rest is not
// read.
const MaxAnswer = 64 << 10

// connectionHeaders are headers that belong to the connection, not to the
// message.
var connectionHeaders = []string{
	"Accept-Encoding", "Connection", "Content-Length", "Host", "Keep-Alive", "Proxy-Authorization", "Proxy-Connection",
	"Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

// drainTime is how long Tell keeps reading an answer after its status.
const drainTime = time.Second

// Post posts to a URL that a stranger gave, and returns the answer's status and
// the beginning of its body. No status is an error. Redirects are returned, not
// followed, so a request that was signed for one host never goes to another.
// Without a Content-Type in header the body is JSON. Errors are of type *Error;
// if one occurs while the body is read, status and answer are returned with it.
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

// Tell is Post for a caller that needs only the status, such as a webhook's
// sender. A receiver's status says whether it accepted the message, whatever
// happens to the answer's body. A body that is cut short is no error, and one
// without an end is not waited for.
func (c *Client) Tell(ctx context.Context, rawURL string, header http.Header, body []byte) (status int, err error) {
	p, err := c.post(ctx, rawURL, header, body)
	if err != nil {
		return 0, err
	}
	defer p.close()
	// A short answer is read to its end, so that the receiver's connection is not
	// closed while it writes.
	enough := time.AfterFunc(c.drain, func() { p.end(nil) })
	defer enough.Stop()
	_, _ = io.Copy(io.Discard, io.LimitReader(p.resp.Body, MaxAnswer)) // its content and errors do not matter
	return p.resp.StatusCode, nil
}

// posted is a post whose answer has begun.
type posted struct {
	resp *http.Response
	end  context.CancelCauseFunc // of the whole request
	fail func(error) error       // turns an error while the body is read into an *Error
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
	for _, name := range connectionHeaders {
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

// CheckURL returns an error if a URL does not have the form of one that is
// fetched or posted to. So a bad URL is refused when the request arrives, not
// when its callback is due. If the host is an address, the guard decides about
// it; no name is resolved. Errors are of type *Error.
func (c *Client) CheckURL(rawURL string) error {
	u, err := parseTarget(nil, rawURL)
	if err != nil {
		return &Error{Kind: ErrURL, Op: "check the URL", Msg: err.Error()}
	}
	addr, err := netip.ParseAddr(u.Hostname())
	if err != nil {
		return nil //nolint:nilerr // a name, which is checked when connecting
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
