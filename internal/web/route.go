package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/kinora-video/kinora/internal/auth"
	"github.com/kinora-video/kinora/internal/job"
)

// Scopes that routes require; a key has some of them.
const (
	ScopeJobsWrite = "jobs:write" // submit, cancel and delete jobs; chat and speech
	ScopeJobsRead  = "jobs:read"  // see jobs and download their results
	ScopeFiles     = "files"      // upload, read and delete files
	ScopeUsage     = "usage"      // usage and allowance
	ScopeAdmin     = "admin"      // projects, keys and everything else
	ScopeAny       = ""           // any valid key, such as for the list of models
)

// Route is one endpoint of an API.
type Route struct {
	// Pattern is net/http's: "POST /v1/videos".
	Pattern string
	// Scope is the scope that the key must have; ScopeAny requires only a valid
	// key.
	Scope string
	// Handle answers a request whose key was checked.
	Handle func(http.ResponseWriter, *http.Request, auth.Principal)
	// Summary describes the endpoint in a few words, for the OpenAPI document.
	Summary string
	// Only, if not nil, reports which of the paths that match Pattern belong to
	// the route.
	Only func(path string) bool
}

// API is one of the APIs of the platform. Each has its own form of errors.
type API interface {
	Routes() []Route
	// Fail answers a request with an error in the API's form. An error that is
	// not a *job.Error is a defect: it is logged and shown as job.Internal.
	Fail(w http.ResponseWriter, r *http.Request, err error)
	// Missing returns path prefixes that the original API has and this server
	// lacks. Errors at such paths take that API's form.
	Missing() []string
}

// DocsPath is the page that lists the endpoints.
const DocsPath = "/docs"

// Report returns the error to show to the customer. The cause of an internal
// error goes to the request's log line.
func Report(r *http.Request, err error) *job.Error { return ReportIn(r.Context(), err) }

// ReportIn is Report with a request's context.
func ReportIn(ctx context.Context, err error) *job.Error {
	e := job.AsError(err)
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) && e.Code == job.Internal {
		return job.Errorf(job.TooLarge, "", "the request has more than %d bytes, this server's limit", tooLarge.Limit)
	}
	switch e.Code {
	case job.Internal, job.Unavailable, job.Timeout:
		if info := InfoOf(ctx); info.Err == nil {
			info.Err = errors.Join(e.Err, err)
		}
	}
	return e
}

// IsReported reports whether an error is meant for customers, as *job.Error is.
func IsReported(err error) bool {
	var e *job.Error
	return errors.As(err, &e)
}

// Parameters returns a URL's parameters. It refuses malformed ones, which net/url
// would drop.
func Parameters(r *http.Request) (url.Values, error) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, &job.Error{Code: job.Invalid, Message: "the URL's parameters cannot be read: put & between them, and write % as %25 and ; as %3B", Err: err}
	}
	return q, nil
}

// Repeated refuses a parameter that is given several times but has one value.
func Repeated(name string, n int) error {
	return job.Errorf(job.Invalid, name, "%s is given %d times: give it once", name, n)
}

// SetRetryAfter sets an answer's Retry-After header, in whole seconds, rounded
// up.
func SetRetryAfter(h http.Header, after time.Duration) {
	if after > 0 {
		h.Set("Retry-After", strconv.FormatInt(int64((after+time.Second-1)/time.Second), 10))
	}
}
