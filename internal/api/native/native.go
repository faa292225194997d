package native

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/kinora-video/kinora/internal/api/native/docs"
	"github.com/kinora-video/kinora/internal/auth"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/web"
)

// Parts is what the native API stands on.
type Parts struct {
	Service  Service
	Hooks    Hooks
	Tenants  Tenants
	Reports  Reports
	Sponsors Sponsors // nil for none
	// Others are the APIs that the description tells of beside this one.
	Others []OtherAPI
	// Stopping is closed when the server is about to stop: those who wait for a
	// job are let go then. nil is never.
	Stopping <-chan struct{}
}

// API is Kinora's own API: jobs of every API, their events, files, webhooks,
// usage, and for operators projects and keys. It is described by its types:
// openapi.go makes the OpenAPI description of them.
type API struct {
	Parts
	huma   huma.API
	served collector
	feeds  feeds
}

// New is the API on its parts.
func New(p Parts) *API {
	n := &API{Parts: p}
	n.huma = huma.NewAPI(describe(), &n.served)
	n.addJobs()
	n.addQuotes()
	n.addContent()
	n.addLabels()
	n.addEvents()
	n.addFeed()
	n.addModels()
	n.addFiles()
	n.addHooks()
	n.addUsage()
	n.addAdmin()
	describeCodes(n.huma.OpenAPI())
	describeOthers(n.huma.OpenAPI(), p.Others)
	return n
}

// whileUp is a context that also ends when the server is about to stop.
func (n *API) whileUp(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		select {
		case <-n.Stopping:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// Routes are the endpoints that huma was told of.
func (n *API) Routes() []web.Route { return n.served.routes }

// collector is huma's way to a router: it makes routes, whose keys and scopes
// are checked before huma sees the request.
type collector struct{ routes []web.Route }

type principalKey struct{}

// principal is who asks. Handlers run only after their key was checked.
func principal(ctx context.Context) auth.Principal {
	who, _ := ctx.Value(principalKey{}).(auth.Principal)
	return who
}

// Handle adds a route.
func (c *collector) Handle(op *huma.Operation, handler func(huma.Context)) {
	scope, _ := op.Extensions[docs.Scope].(string)
	c.routes = append(c.routes, web.Route{Pattern: op.Method + " " + op.Path, Scope: scope, Handle: func(w http.ResponseWriter, r *http.Request, who auth.Principal) {
		r = r.WithContext(context.WithValue(r.Context(), principalKey{}, who))
		if err := oneOfEach(r, op.Parameters); err != nil {
			failWith(w, r, err)
			return
		}
		if r.Header.Get("Content-Type") == "application/x-www-form-urlencoded" { // what curl -d calls the JSON it sends
			r.Header = r.Header.Clone()
			r.Header.Set("Content-Type", "application/json")
		}
		handler(humago.NewContext(op, r, w))
	}})
}

// oneOfEach puts the values of a list that is there several times into one, with
// commas, which is the form that huma reads. Another parameter may be there once:
// huma would take the first and say nothing.
func oneOfEach(r *http.Request, params []*huma.Param) error {
	q, err := web.Parameters(r)
	if err != nil {
		return err
	}
	for _, p := range params {
		list := q[p.Name]
		switch {
		case p.In != "query" || len(list) < 2:
			continue
		case p.Schema.Type != huma.TypeArray:
			return web.Repeated(p.Name, len(list))
		}
		q.Set(p.Name, strings.Join(list, ","))
	}
	u := *r.URL // the request itself is the middleware's
	u.RawQuery = q.Encode()
	r.URL = &u
	return nil
}

// ServeHTTP is part of huma's interface; requests come by the routes instead.
func (*collector) ServeHTTP(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }

// operation is what is said of an endpoint beside its types.
type operation struct {
	id, method, path, scope string
	tag, summary, more      string
	status                  int        // of success; 0 is 200, or 204 without a body
	errors                  []job.Code // beside the usual ones
}

// usual are the errors that every operation may answer with.
var usual = []job.Code{job.Unauthorized, job.Forbidden, job.RateLimited, job.Unavailable}

// readBodyTime is what a body may take to come. It has to be longer than a
// request takes to be answered: when it is over, net/http ends the request.
const readBodyTime = 5 * time.Minute

// of is the operation in huma's form.
func (o operation) of() huma.Operation {
	op := huma.Operation{
		OperationID: o.id, Method: o.method, Path: o.path, Tags: []string{o.tag}, Summary: o.summary, Description: o.more,
		DefaultStatus: o.status, Extensions: map[string]any{docs.Scope: o.scope},
		Security:     []map[string][]string{{"bearer": {}}, {"key": {}}},
		MaxBodyBytes: -1, BodyReadTimeout: readBodyTime, // the server bounds all bodies
	}
	for _, c := range append(o.errors, usual...) {
		status := problems[c].status
		if !slices.Contains(op.Errors, status) {
			op.Errors = append(op.Errors, status)
		}
	}
	return op
}

// register adds an operation whose handler's errors are put into our form.
func register[I, O any](n *API, o operation, handler func(context.Context, *I) (*O, error)) {
	huma.Register(n.huma, o.of(), func(ctx context.Context, in *I) (*O, error) {
		out, err := handler(ctx, in)
		if err != nil {
			return nil, problemOf(ctx, err)
		}
		return out, nil
	})
}

// problem is an error as RFC 9457 has it, with members of our own.
type problem struct {
	Type      string        `json:"type" doc:"Where the kind of error is explained: a path of this server's page of documentation."`
	Title     string        `json:"title" doc:"The kind of error in words; the same for every error of a code."`
	Status    int           `json:"status" doc:"The HTTP status."`
	Detail    string        `json:"detail" doc:"What was wrong with this request."`
	Code      job.Code      `json:"code" doc:"The kind of error, for programs."`
	Param     string        `json:"param,omitempty" doc:"The field or parameter that is wrong."`
	Hint      string        `json:"hint,omitempty" doc:"What to do about it."`
	RequestID string        `json:"request_id,omitempty" doc:"Names the request in the server's log; the header X-Request-Id says it too."`
	Errors    []problemItem `json:"errors,omitempty" doc:"Each field that is wrong, where there are several."`

	retry http.Header
}

// problemItem is one of several things that are wrong.
type problemItem struct {
	Param   string `json:"param,omitempty" doc:"The field or parameter."`
	Message string `json:"message" doc:"What is wrong with it."`
}

// Error returns the detail.
func (p *problem) Error() string { return p.Detail }

// GetStatus is the HTTP status.
func (p *problem) GetStatus() int { return p.Status }

// GetHeaders is Retry-After, where trying again helps.
func (p *problem) GetHeaders() http.Header { return p.retry }

// ContentType is RFC 9457's.
func (p *problem) ContentType(string) string { return "application/problem+json" }

// problemKind is what is said of every error of a code.
type problemKind struct {
	status      int
	title, hint string
}

// problems has a line for each kind of error.
var problems = map[job.Code]problemKind{
	job.Invalid:      {http.StatusBadRequest, "The request is not valid", "correct the field that param names"},
	job.Unsupported:  {http.StatusBadRequest, "The model or this server cannot do that", "GET /v1/models lists what each model can do"},
	job.NotFound:     {http.StatusNotFound, "There is no such thing", "check the id, and that the key belongs to its project"},
	job.NoEndpoint:   {http.StatusNotFound, "There is no such endpoint", "GET /docs shows all endpoints"},
	job.NoMethod:     {http.StatusMethodNotAllowed, "The endpoint has no such method", "use one that the header Allow names"},
	job.Unauthorized: {http.StatusUnauthorized, "The request has no valid key", "send one that holds, in the header Authorization: Bearer kn-…"},
	job.Forbidden:    {http.StatusForbidden, "The key may not do that", "use a key that has the scope, or ask the operator for one"},
	job.Conflict:     {http.StatusConflict, "The state does not allow that", "look at the job again; for a repeated request, use an Idempotency-Key of its own"},
	job.TooLarge:     {http.StatusRequestEntityTooLarge, "The request is too large", "upload large files to /v1/uploads, or give their URL"},
	job.RateLimited:  {http.StatusTooManyRequests, "Too many requests", "wait for as long as Retry-After says"},
	job.TooMany:      {http.StatusTooManyRequests, "Too many jobs in flight", "wait until some have ended, or cancel some"},
	job.QueueFull:    {http.StatusTooManyRequests, "The queue is full", "wait for as long as Retry-After says"},
	job.Balance:      {http.StatusPaymentRequired, "The balance does not suffice", "ask the operator for a deposit"},
	job.Quota:        {http.StatusPaymentRequired, "The plan's credits are used up", "wait for the next period, or change the plan"},
	job.PromptUnsafe: {http.StatusUnprocessableEntity, "The prompt was refused by moderation", "change the prompt; nothing was charged"},
	job.OutputUnsafe: {http.StatusUnprocessableEntity, "The result was refused by moderation", "change the prompt; nothing was charged"},
	job.Invisible:    {http.StatusUnprocessableEntity, "The prompt holds invisible characters", "remove them"},
	job.Timeout:      {http.StatusGatewayTimeout, "It took too long", "try again"},
	job.Unavailable:  {http.StatusServiceUnavailable, "A part of the server is not there now", "try again later"},
	job.Internal:     {http.StatusInternalServerError, "Something went wrong on our side", "try again; tell the operator the request_id if it stays"},
	job.IsCancelled:  {http.StatusConflict, "The job was cancelled", ""},
	job.IsExpired:    {http.StatusGone, "The job expired", "ask for it again"},
	job.PastAttempts: {http.StatusInternalServerError, "Every attempt failed", "ask for it again; tell the operator if it stays"},
}

// problemOf puts an error into our form.
func problemOf(ctx context.Context, err error) *problem {
	if p := (*problem)(nil); errors.As(err, &p) {
		return p
	}
	e := web.ReportIn(ctx, err)
	kind, ok := problems[e.Code]
	if !ok {
		kind = problems[job.Internal]
	}
	p := &problem{
		Type: web.DocsPath + "#error-" + string(e.Code), Title: kind.title, Status: kind.status, Detail: e.Message,
		Code: e.Code, Param: e.Param, Hint: kind.hint, RequestID: web.RequestID(ctx), retry: http.Header{},
	}
	web.SetRetryAfter(p.retry, e.RetryAfter)
	return p
}

// Fail answers with a problem.
func (n *API) Fail(w http.ResponseWriter, r *http.Request, err error) { failWith(w, r, err) }

func failWith(w http.ResponseWriter, r *http.Request, err error) {
	p := problemOf(r.Context(), err)
	for name, values := range p.retry {
		w.Header()[name] = values
	}
	if p.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	w.Header().Set("Content-Type", p.ContentType(""))
	w.WriteHeader(p.Status)
	_ = huma.DefaultJSONFormat.Marshal(w, p) // the reader may have gone
}

// huma makes its own errors, of bodies and parameters that are not as
// described, by these two variables: they have to give our form, which also is
// the form that the description shows. No list of ours is null.
func init() {
	huma.DefaultArrayNullable = false
	huma.NewError = func(status int, msg string, errs ...error) huma.StatusError {
		return invalidRequest(context.Background(), status, msg, errs)
	}
	huma.NewErrorWithContext = func(ctx huma.Context, status int, msg string, errs ...error) huma.StatusError {
		p := invalidRequest(ctx.Context(), status, msg, errs)
		for name, values := range p.retry { // which huma leaves out of its own errors
			ctx.SetHeader(name, values[0])
		}
		return p
	}
}

// plainly is what a detail of huma's says, in words that need no knowledge of Go.
func plainly(d *huma.ErrorDetail) string {
	switch {
	case strings.HasPrefix(d.Message, "invalid date/time"):
		return "expected a time such as 2026-11-25T18:00:00Z"
	case d.Location == "body" && !strings.HasPrefix(d.Message, "expected") && !strings.HasPrefix(d.Message, "the body"):
		return "the body is no JSON: " + d.Message
	}
	return d.Message
}

// invalidRequest is one of huma's errors in our form. The values that were sent
// are not repeated.
func invalidRequest(ctx context.Context, status int, msg string, errs []error) *problem {
	for _, err := range errs {
		if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
			return problemOf(ctx, err)
		}
	}
	code := job.Invalid
	switch {
	case status == http.StatusRequestEntityTooLarge:
		code = job.TooLarge
	case status == http.StatusRequestTimeout:
		code = job.Timeout
	case status >= 500 && len(errs) > 0:
		return problemOf(ctx, errors.Join(errs...))
	}
	p := problemOf(ctx, job.Errorf(code, "", "%s", msg))
	for _, err := range errs {
		var d huma.ErrorDetailer
		if !errors.As(err, &d) {
			continue
		}
		detail := d.ErrorDetail()
		item := problemItem{Message: plainly(detail)}
		if _, name, ok := strings.Cut(detail.Location, "."); ok {
			item.Param = name
		}
		p.Errors = append(p.Errors, item)
	}
	if len(p.Errors) > 0 {
		first := p.Errors[0]
		p.Param, p.Detail = first.Param, first.Message
		if first.Param != "" {
			p.Detail = first.Param + ": " + first.Message
		}
	}
	return p
}

// Missing is none.
func (n *API) Missing() []string { return nil }
