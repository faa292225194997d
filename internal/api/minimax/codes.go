package minimax

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/web"
)

// errorCode is how MiniMax's APIs show a kind of error: V1 by a number in
// base_resp, V2 by HTTP status, type and the same number.
type errorCode struct {
	number int
	status int    // V2's; V1 answers 200 but for paths and methods that are not there
	kind   string // V2's error.type
}

// V2's error types.
const (
	typeBadRequest    = "bad_request_error"
	typeUnauthorized  = "authorized_error"
	typeNoBalance     = "insufficient_balance_error"
	typeUnprocessable = "unprocessable_entity_error"
	typeRateLimited   = "rate_limit_error"
	typeServerError   = "server_error"
	typeOverloaded    = "overloaded_error"
)

// statusOverloaded is MiniMax's own HTTP status.
const statusOverloaded = 529

// Numbers of errors that depend on more than the kind.
const (
	numberNoKey  = 1004 // no key was sent
	numberBadKey = 2049 // one was, and it is not valid
)

// errorCodes are all kinds of errors there are.
var errorCodes = map[job.Code]errorCode{
	job.Invalid:      {2013, http.StatusBadRequest, typeBadRequest},
	job.Unsupported:  {2013, http.StatusBadRequest, typeBadRequest},
	job.NotFound:     {2013, http.StatusBadRequest, typeBadRequest},
	job.Conflict:     {2013, http.StatusBadRequest, typeBadRequest},
	job.TooLarge:     {2013, http.StatusBadRequest, typeBadRequest},
	job.NoEndpoint:   {2013, http.StatusNotFound, typeBadRequest},
	job.NoMethod:     {2013, http.StatusMethodNotAllowed, typeBadRequest},
	job.Unauthorized: {numberBadKey, http.StatusUnauthorized, typeUnauthorized},
	job.Forbidden:    {numberNoKey, http.StatusUnauthorized, typeUnauthorized},
	job.RateLimited:  {1002, http.StatusTooManyRequests, typeRateLimited},
	job.TooMany:      {1041, http.StatusTooManyRequests, typeRateLimited},
	job.QueueFull:    {1002, http.StatusTooManyRequests, typeRateLimited},
	job.Balance:      {1008, http.StatusPaymentRequired, typeNoBalance},
	job.Quota:        {2056, http.StatusTooManyRequests, typeRateLimited},
	job.PromptUnsafe: {1026, http.StatusUnprocessableEntity, typeUnprocessable},
	job.OutputUnsafe: {1027, http.StatusUnprocessableEntity, typeUnprocessable},
	job.Invisible:    {1042, http.StatusUnprocessableEntity, typeUnprocessable},
	job.Timeout:      {1001, http.StatusInternalServerError, typeServerError},
	job.Unavailable:  {1033, statusOverloaded, typeOverloaded},
	job.Internal:     {1013, http.StatusInternalServerError, typeServerError},
	job.PastAttempts: {1024, http.StatusInternalServerError, typeServerError},
	job.IsCancelled:  {1000, http.StatusInternalServerError, typeServerError},
	job.IsExpired:    {1001, http.StatusInternalServerError, typeServerError},
}

// codeFor is how an error is shown in answer to a request.
func codeFor(r *http.Request, e *job.Error) errorCode {
	c, ok := errorCodes[e.Code]
	if !ok {
		c = errorCodes[job.Internal]
	}
	if e.Code == job.Unauthorized && web.PresentedKey(r) == "" {
		c.number = numberNoKey
	}
	return c
}

// baseResp is at the end of every V1 answer.
type baseResp struct {
	Code    int    `json:"status_code"`
	Message string `json:"status_msg"`
}

var success = baseResp{0, "success"}

// messageOf is an error's message; it names the field where there is one.
func messageOf(e *job.Error) string {
	if e.Param != "" && !strings.Contains(e.Message, e.Param) {
		return e.Param + ": " + e.Message
	}
	return e.Message
}

// respOf is what base_resp says of a job's end.
func respOf(j *job.Job) baseResp {
	e := j.Error
	switch {
	case j.State == job.Cancelled:
		e = job.Errorf(job.IsCancelled, "", "the task was cancelled")
	case j.State == job.Expired:
		e = job.Errorf(job.IsExpired, "", "the task waited too long and expired: submit it again")
	case j.State != job.Failed:
		return success
	case e == nil:
		e = job.Errorf(job.Internal, "", "the task failed")
	}
	c, ok := errorCodes[e.Code]
	if !ok {
		c = errorCodes[job.Internal]
	}
	return baseResp{c.number, messageOf(e)}
}

// writeJSON answers with JSON.
func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false) // links stay readable
	_ = enc.Encode(v)        // who asked has gone
}

// Fail answers as V1 does: HTTP 200, and the error in base_resp. What no endpoint
// answers is no answer of V1, so its status says so too.
func (a *V1) Fail(w http.ResponseWriter, r *http.Request, err error) {
	e := web.Report(r, err)
	traced(w, r)
	web.SetRetryAfter(w.Header(), e.RetryAfter)
	c, status := codeFor(r, e), http.StatusOK
	if e.Code == job.NoEndpoint || e.Code == job.NoMethod {
		status = c.status
	}
	writeJSON(w, status, struct {
		Base baseResp `json:"base_resp"`
	}{baseResp{c.number, messageOf(e)}})
}

// failureV2 is V2's form of an error.
type failureV2 struct {
	Type  string `json:"type"` // "error"
	Error struct {
		Type    string `json:"type"`
		Message string `json:"message"`
		Status  string `json:"http_code"`
	} `json:"error"`
	RequestID string `json:"request_id"`
}

// Fail answers as V2 does.
func (a *v2) Fail(w http.ResponseWriter, r *http.Request, err error) {
	e := web.Report(r, err)
	c := codeFor(r, e)
	f := failureV2{Type: "error", RequestID: web.RequestID(r.Context())}
	f.Error.Type, f.Error.Status = c.kind, strconv.Itoa(c.status)
	f.Error.Message = fmt.Sprintf("%s (%d)", messageOf(e), c.number)
	traced(w, r)
	web.SetRetryAfter(w.Header(), e.RetryAfter)
	writeJSON(w, c.status, f)
}

// traced puts the request's id where MiniMax's clients look for it.
func traced(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Trace-Id", web.RequestID(r.Context()))
}
