package egress

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	// DefaultMaxBytes is the largest file that is fetched when Limits does not
	// set a size: 20 MB, the limit of an image in MiniMax's API.
	DefaultMaxBytes = 20_000_000
	// sniffLen is how many bytes of a file determine its type.
	sniffLen = 512
)

// Limits are the limits of one fetch.
type Limits struct {
	MaxBytes int64         // of the file; 0 means DefaultMaxBytes
	Timeout  time.Duration // for all of it, redirects included; 0 means the client's
	// Accept are the beginnings of the accepted media types, such as "image/" or
	// "video/mp4". The file's first bytes decide, not the type that the host
	// declares. An empty list accepts every type.
	Accept []string
}

func (l Limits) bytes() int64 {
	if l.MaxBytes <= 0 {
		return DefaultMaxBytes
	}
	return l.MaxBytes
}

// Content is a file that was fetched.
type Content struct {
	Data     []byte
	Type     string // the media type that Data's first bytes show, such as "image/png"; "application/octet-stream" when they show none
	Declared string // the media type that the host declared, without parameters; may be empty
}

// FetchURL fetches an http:, https: or data: URL; see Fetch and DecodeData.
func (c *Client) FetchURL(ctx context.Context, rawURL string, l Limits) (*Content, error) {
	if isData(rawURL) {
		return DecodeData(rawURL, l)
	}
	return c.Fetch(ctx, rawURL, l)
}

// Fetch gets the file at an http: or https: URL that a stranger gave. It follows
// redirects, but none from https to http. It holds at most l.MaxBytes in memory
// and takes at most l.Timeout. Errors are of type *Error.
func (c *Client) Fetch(ctx context.Context, rawURL string, l Limits) (*Content, error) {
	u, err := parseTarget(nil, rawURL)
	if err != nil {
		return nil, &Error{Kind: ErrURL, Op: "fetch", Msg: err.Error()}
	}
	timeout := l.Timeout
	if timeout <= 0 {
		timeout = c.timeout
	}
	ctx, end := begin(ctx, timeout)
	defer end(nil)
	content, err := c.get(ctx, end, u, l)
	if err == nil {
		return content, nil
	}
	e, ok := errors.AsType[*Error](err)
	if !ok {
		e = &Error{}
		e.Kind, e.Msg, e.cause = classify(ctx, err)
	}
	e.Op, e.URL = "fetch", shown(u)
	return nil, e
}

// get is Fetch within its time limit. The *Error it returns has neither operation
// nor URL yet.
func (c *Client) get(ctx context.Context, end context.CancelCauseFunc, u *url.URL, l Limits) (*Content, error) {
	resp, err := c.follow(ctx, u, http.Header{"Accept": {acceptHeader(l.Accept)}})
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, statusError(resp.StatusCode)
	}
	// A limit on a compressed body would be useless: it may unpack to a thousand
	// times its size.
	if coding := resp.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return nil, &Error{Kind: ErrType, Msg: "the host sends the file compressed although it was asked not to: serve it without Content-Encoding"}
	}
	if resp.ContentLength > l.bytes() {
		return nil, tooLarge(l.bytes())
	}
	declared, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil {
		declared = ""
	}
	return read(&stallReader{resp.Body, c.stall, end}, declared, l)
}

// follow sends a GET and follows redirects until it has an answer that is not
// one.
func (c *Client) follow(ctx context.Context, u *url.URL, header http.Header) (*http.Response, error) {
	for hop := 0; ; hop++ {
		resp, err := c.send(ctx, http.MethodGet, u, header, nil)
		if err != nil || !redirects(resp.StatusCode) {
			return resp, err
		}
		resp.Body.Close()
		location := resp.Header.Get("Location")
		switch {
		case location == "":
			return nil, statusError(resp.StatusCode)
		case c.redirects < 0:
			return nil, &Error{Kind: ErrStatus, Status: resp.StatusCode, Msg: "it redirects, and redirects are not followed: give the URL where it leads"}
		case hop == c.redirects:
			return nil, &Error{Kind: ErrStatus, Status: resp.StatusCode, Msg: fmt.Sprintf("it redirects more than %d times: give the URL where it leads in the end", c.redirects)}
		}
		next, err := parseTarget(u, location)
		if err != nil {
			return nil, &Error{Kind: ErrURL, Msg: "it redirects to where it may not: " + err.Error()}
		}
		if u.Scheme == "https" && next.Scheme != "https" {
			return nil, &Error{Kind: ErrURL, Msg: "it redirects from https to http: give the URL where it leads"}
		}
		u = next
	}
}

func redirects(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// read reads a file within its limits. It checks the first bytes before it
// requests the others.
func read(r io.Reader, declared string, l Limits) (*Content, error) {
	limit := l.bytes()
	head, err := io.ReadAll(io.LimitReader(r, sniffLen))
	if err != nil {
		return nil, err
	}
	if int64(len(head)) > limit {
		return nil, tooLarge(limit)
	}
	c := &Content{Type: sniff(head), Declared: declared}
	if err := c.accepted(len(head), l.Accept); err != nil {
		return nil, err
	}
	c.Data, err = ReadAll(io.MultiReader(strings.NewReader(string(head)), r), limit)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// ReadAll reads all of r, such as an answer's body, and fails with ErrTooLarge
// when that is more than limit bytes. It never holds much more.
func ReadAll(r io.Reader, limit int64) ([]byte, error) {
	limit = min(limit, math.MaxInt64-1)
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		e := tooLarge(limit)
		e.Op = "read"
		return nil, e
	}
	return data, nil
}

// accepted returns an error unless the type is an accepted one.
func (c *Content) accepted(size int, accept []string) error {
	if len(accept) == 0 {
		return nil
	}
	for _, prefix := range accept {
		if size > 0 && strings.HasPrefix(c.Type, prefix) {
			return nil
		}
	}
	what := "of the type " + c.Type
	switch {
	case size == 0:
		what = "empty"
	case c.Type == "text/html":
		what = "a web page"
	case c.Type == unknownType:
		what = "of an unknown type"
	}
	return &Error{Kind: ErrType, Msg: "the file is " + what + ": give the direct URL of a file of the type " + strings.Join(accept, ", ")}
}

// acceptHeader writes beginnings of media types in the form of RFC 9110.
func acceptHeader(accept []string) string {
	if len(accept) == 0 {
		return "*/*"
	}
	var b strings.Builder
	for _, a := range accept {
		b.WriteString(a)
		if strings.HasSuffix(a, "/") {
			b.WriteString("*")
		}
		b.WriteString(", ")
	}
	return b.String() + "*/*;q=0.1"
}

func tooLarge(limit int64) *Error {
	return &Error{Kind: ErrTooLarge, Msg: fmt.Sprintf("it has more than %d bytes: use a smaller one", limit)}
}

func statusError(status int) *Error {
	what := fmt.Sprint(status)
	if text := http.StatusText(status); text != "" {
		what += " " + text
	}
	return &Error{Kind: ErrStatus, Status: status, Msg: "the host answered " + what + ": check that the URL is right, public and not expired"}
}
