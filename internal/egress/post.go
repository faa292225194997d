package egress

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/netip"
	"strconv"
)

// MaxAnswer is how many bytes are kept of the answer to a post. What comes
// behind them is not read.
const MaxAnswer = 64 << 10

// notTheirs are headers that belong to the connection, not to a message.
var notTheirs = []string{
	"Accept-Encoding", "Connection", "Content-Length", "Host", "Keep-Alive", "Proxy-Authorization", "Proxy-Connection",
	"Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

// Post delivers a callback or webhook to a URL that a stranger gave, and
// returns the answer's status and the beginning of its body. Every status is
// an answer and none an error, those of redirects too: they are not followed,
// so that what was signed for one host never goes to another. Without a
// Content-Type in header the body is JSON. Errors are of type *Error; one that
// came while the answer's body was read has status and answer beside it.
func (c *Client) Post(ctx context.Context, rawURL string, header http.Header, body []byte) (status int, answer []byte, err error) {
	u, err := parseTarget(nil, rawURL)
	if err != nil {
		return 0, nil, &Error{Kind: ErrURL, Op: "post", Msg: err.Error()}
	}
	ctx, end := begin(ctx, c.timeout)
	defer end(nil)
	fail := func(err error) *Error {
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
		return 0, nil, fail(err)
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(io.LimitReader(&stallReader{resp.Body, c.stall, end}, MaxAnswer))
	if err != nil {
		return resp.StatusCode, answer, fail(err)
	}
	return resp.StatusCode, answer, nil
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
