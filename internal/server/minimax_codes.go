package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/web"
)

// mmCode is how MiniMax's APIs show a kind of error: V1 by a number in
// base_resp, V2 by HTTP status, type and the same number.
type mmCode struct {
	number int
	status int    // V2's; V1 answers 200 but for paths and methods that are not there
	kind   string // V2's error.type
}

// V2's error types.
const (
	mmBadRequest    = "bad_request_error"
	mmUnauthorized  = "authorized_error"
	mmNoBalance     = "insufficient_balance_error"
	mmUnprocessable = "unprocessable_entity_error"
	mmRateLimited   = "rate_limit_error"
	mmServerError   = "server_error"
	mmOverloaded    = "overloaded_error"
)

// statusOverloaded is MiniMax's own HTTP status.
const statusOverloaded = 529

// Numbers of errors that depend on more than the kind.
const (
	mmNoKey  = 1004 // no key was sent
	mmBadKey = 2049 // one was, and it is not valid
)

// mmCodes are all kinds of errors there are.
var mmCodes = map[job.Code]mmCode{
	job.Invalid:      {2013, http.StatusBadRequest, mmBadRequest},
	job.Unsupported:  {2013, http.StatusBadRequest, mmBadRequest},
	job.NotFound:     {2013, http.StatusBadRequest, mmBadRequest},
	job.Conflict:     {2013, http.StatusBadRequest, mmBadRequest},
	job.TooLarge:     {2013, http.StatusBadRequest, mmBadRequest},
	job.NoEndpoint:   {2013, http.StatusNotFound, mmBadRequest},
	job.NoMethod:     {2013, http.StatusMethodNotAllowed, mmBadRequest},
	job.Unauthorized: {mmBadKey, http.StatusUnauthorized, mmUnauthorized},
	job.Forbidden:    {mmNoKey, http.StatusUnauthorized, mmUnauthorized},
	job.RateLimited:  {1002, http.StatusTooManyRequests, mmRateLimited},
	job.TooMany:      {1041, http.StatusTooManyRequests, mmRateLimited},
	job.QueueFull:    {1002, http.StatusTooManyRequests, mmRateLimited},
	job.Balance:      {1008, http.StatusPaymentRequired, mmNoBalance},
	job.Quota:        {2056, http.StatusTooManyRequests, mmRateLimited},
	job.PromptUnsafe: {1026, http.StatusUnprocessableEntity, mmUnprocessable},
	job.OutputUnsafe: {1027, http.StatusUnprocessableEntity, mmUnprocessable},
	job.Invisible:    {1042, http.StatusUnprocessableEntity, mmUnprocessable},
	job.Timeout:      {1001, http.StatusInternalServerError, mmServerError},
	job.Unavailable:  {1033, statusOverloaded, mmOverloaded},
	job.Internal:     {1013, http.StatusInternalServerError, mmServerError},
	job.PastAttempts: {1024, http.StatusInternalServerError, mmServerError},
	job.IsCancelled:  {1000, http.StatusInternalServerError, mmServerError},
	job.IsExpired:    {1001, http.StatusInternalServerError, mmServerError},
}

// codeFor is how an error is shown in answer to a request.
func codeFor(r *http.Request, e *job.Error) mmCode {
	c, ok := mmCodes[e.Code]
	if !ok {
		c = mmCodes[job.Internal]
	}
	if e.Code == job.Unauthorized && web.PresentedKey(r) == "" {
		c.number = mmNoKey
	}
	return c
}

// baseResp is at the end of every V1 answer.
type baseResp struct {
	Code    int    `json:"status_code"`
	Message string `json:"status_msg"`
}

var mmOK = baseResp{0, "success"}

// mmMessage is an error's message; it names the field where there is one.
func mmMessage(e *job.Error) string {
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
		return mmOK
	case e == nil:
		e = job.Errorf(job.Internal, "", "the task failed")
	}
	c, ok := mmCodes[e.Code]
	if !ok {
		c = mmCodes[job.Internal]
	}
	return baseResp{c.number, mmMessage(e)}
}

// mmWrite answers with JSON.
func mmWrite(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false) // links stay readable
	_ = enc.Encode(v)        // who asked has gone
}

// Fail answers as V1 does: HTTP 200, and the error in base_resp. What no endpoint
// answers is no answer of V1, so its status says so too.
func (a *minimaxV1) Fail(w http.ResponseWriter, r *http.Request, err error) {
	e := web.Report(r, err)
	traced(w, r)
	web.SetRetryAfter(w.Header(), e.RetryAfter)
	c, status := codeFor(r, e), http.StatusOK
	if e.Code == job.NoEndpoint || e.Code == job.NoMethod {
		status = c.status
	}
	mmWrite(w, status, struct {
		Base baseResp `json:"base_resp"`
	}{baseResp{c.number, mmMessage(e)}})
}

// mmFailure is V2's form of an error.
type mmFailure struct {
	Type  string `json:"type"` // "error"
	Error struct {
		Type    string `json:"type"`
		Message string `json:"message"`
		Status  string `json:"http_code"`
	} `json:"error"`
	RequestID string `json:"request_id"`
}

// Fail answers as V2 does.
func (a *minimaxV2) Fail(w http.ResponseWriter, r *http.Request, err error) {
	e := web.Report(r, err)
	c := codeFor(r, e)
	f := mmFailure{Type: "error", RequestID: web.RequestID(r.Context())}
	f.Error.Type, f.Error.Status = c.kind, strconv.Itoa(c.status)
	f.Error.Message = fmt.Sprintf("%s (%d)", mmMessage(e), c.number)
	traced(w, r)
	web.SetRetryAfter(w.Header(), e.RetryAfter)
	mmWrite(w, c.status, f)
}

// traced puts the request's id where MiniMax's clients look for it.
func traced(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Trace-Id", web.RequestID(r.Context()))
}
