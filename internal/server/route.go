package server

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kinora-video/kinora/internal/auth"
	"github.com/kinora-video/kinora/internal/job"
)

// Scopes that routes ask for; a key has some of them.
const (
	scopeJobsWrite = "jobs:write" // submit, cancel and delete jobs; chat and speech
	scopeJobsRead  = "jobs:read"  // look at jobs and download what came of them
	scopeFiles     = "files"      // upload, look at and delete files
	scopeUsage     = "usage"      // what was used, and what is left
	scopeAdmin     = "admin"      // projects, keys and everything else
	scopeAny       = ""           // any key will do, such as to list models
)

// route is one endpoint of an API.
type route struct {
	// pattern is net/http's: "POST /v1/videos".
	pattern string
	// scope is what the key must be allowed; scopeAny asks for a valid key only.
	scope string
	// handle answers a request whose key was checked.
	handle func(http.ResponseWriter, *http.Request, auth.Principal)
}

// api is one of the ways to talk to the platform. Each has its own form of
// errors.
type api interface {
	routes() []route
	// fail answers a request with an error in the API's form. What is no
	// *job.Error is a defect: it is noted for the log and shown as job.Internal.
	fail(w http.ResponseWriter, r *http.Request, err error)
}

// told is the error that the reader of an answer may see. The cause of one that
// is ours goes to the request's log line.
func told(r *http.Request, err error) *job.Error { return toldIn(r.Context(), err) }

func toldIn(ctx context.Context, err error) *job.Error {
	e := job.AsError(err)
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) && e.Code == job.Internal {
		return job.Errorf(job.TooLarge, "", "the request has more than %d bytes, the most that this server takes", tooLarge.Limit)
	}
	switch e.Code {
	case job.Internal, job.Unavailable, job.Timeout:
		if info := infoOf(ctx); info.err == nil {
			info.err = errors.Join(e.Err, err)
		}
	}
	return e
}

// isTold says whether an error is already one for the reader of an answer.
func isTold(err error) bool {
	var e *job.Error
	return errors.As(err, &e)
}

// parametersOf is a URL's parameters. What cannot be read of them is refused, where
// net/url would leave it out.
func parametersOf(r *http.Request) (url.Values, error) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, &job.Error{Code: job.Invalid, Message: "the URL's parameters cannot be read: put & between them, and write % as %25 and ; as %3B", Err: err}
	}
	return q, nil
}

// repeated refuses a parameter that is there several times and means one thing.
func repeated(name string, n int) error {
	return job.Errorf(job.Invalid, name, "%s is there %d times: give it once", name, n)
}

// hasScheme says whether a URL has one of some schemes and more behind it.
// Schemes are the same in either case (RFC 3986, section 3.1).
func hasScheme(link string, schemes ...string) bool {
	before, rest, ok := strings.Cut(link, ":")
	if !ok {
		return false
	}
	scheme := strings.ToLower(before)
	if scheme != "data" {
		rest, ok = strings.CutPrefix(rest, "//")
	}
	return ok && rest != "" && slices.Contains(schemes, scheme)
}

// setRetryAfter says in an answer's header when to try again, in whole seconds,
// rounded up.
func setRetryAfter(h http.Header, after time.Duration) {
	if after > 0 {
		h.Set("Retry-After", strconv.FormatInt(int64((after+time.Second-1)/time.Second), 10))
	}
}
