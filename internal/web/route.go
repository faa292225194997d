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

// Scopes that routes ask for; a key has some of them.
const (
	ScopeJobsWrite = "jobs:write" // submit, cancel and delete jobs; chat and speech
	ScopeJobsRead  = "jobs:read"  // look at jobs and download what came of them
	ScopeFiles     = "files"      // upload, look at and delete files
	ScopeUsage     = "usage"      // what was used, and what is left
	ScopeAdmin     = "admin"      // projects, keys and everything else
	ScopeAny       = ""           // any key will do, such as to list models
)

// Route is one endpoint of an API.
type Route struct {
	// Pattern is net/http's: "POST /v1/videos".
	Pattern string
	// Scope is what the key must be allowed; ScopeAny asks for a valid key only.
	Scope string
	// Handle answers a request whose key was checked.
	Handle func(http.ResponseWriter, *http.Request, auth.Principal)
	// Summary says in a few words what the endpoint does, for the description.
	Summary string
	// Only, if not nil, says which of the paths that Pattern matches are meant.
	Only func(path string) bool
}

// API is one of the ways to talk to the platform. Each has its own form of
// errors.
type API interface {
	Routes() []Route
	// Fail answers a request with an error in the API's form. What is no
	// *job.Error is a defect: it is noted for the log and shown as job.Internal.
	Fail(w http.ResponseWriter, r *http.Request, err error)
	// Missing are the beginnings of paths that the original of an API has and
	// this server lacks. Errors at such paths take that API's form.
	Missing() []string
}

// DocsPath is where the server says which endpoints there are.
const DocsPath = "/docs"

// Report is the error that the reader of an answer may see. The cause of one that
// is ours goes to the request's log line.
func Report(r *http.Request, err error) *job.Error { return ReportIn(r.Context(), err) }

// ReportIn is Report by a request's context.
func ReportIn(ctx context.Context, err error) *job.Error {
	e := job.AsError(err)
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) && e.Code == job.Internal {
		return job.Errorf(job.TooLarge, "", "the request has more than %d bytes, the most that this server takes", tooLarge.Limit)
	}
	switch e.Code {
	case job.Internal, job.Unavailable, job.Timeout:
		if info := InfoOf(ctx); info.Err == nil {
			info.Err = errors.Join(e.Err, err)
		}
	}
	return e
}

// IsReported says whether an error is one for the reader of an answer, as
// *job.Error are.
func IsReported(err error) bool {
	var e *job.Error
	return errors.As(err, &e)
}

// Parameters is a URL's parameters. What cannot be read of them is refused, where
// net/url would leave it out.
func Parameters(r *http.Request) (url.Values, error) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, &job.Error{Code: job.Invalid, Message: "the URL's parameters cannot be read: put & between them, and write % as %25 and ; as %3B", Err: err}
	}
	return q, nil
}

// Repeated refuses a parameter that is there several times and means one thing.
func Repeated(name string, n int) error {
	return job.Errorf(job.Invalid, name, "%s is there %d times: give it once", name, n)
}

// SetRetryAfter says in an answer's header when to try again, in whole seconds,
// rounded up.
func SetRetryAfter(h http.Header, after time.Duration) {
	if after > 0 {
		h.Set("Retry-After", strconv.FormatInt(int64((after+time.Second-1)/time.Second), 10))
	}
}
