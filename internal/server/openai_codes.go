package server

import (
	"cmp"
	"errors"
	"net/http"
	"strconv"

	"github.com/kinora-video/kinora/internal/job"
)

// oaCode is how OpenAI's API says what kind of error it is.
type oaCode struct {
	status int
	kind   string // error.type
	code   string // error.code
	// again says whether the SDKs should repeat the request, which they do on
	// 408, 409, 429 and 5xx unless they are told.
	again bool
}

// oaCodes has a line for each kind of error.
var oaCodes = map[job.Code]oaCode{
	job.Invalid:      {http.StatusBadRequest, "invalid_request_error", "invalid_value", false},
	job.Unsupported:  {http.StatusBadRequest, "invalid_request_error", "unsupported_value", false},
	job.NotFound:     {http.StatusNotFound, "invalid_request_error", "not_found", false},
	job.NoEndpoint:   {http.StatusNotFound, "invalid_request_error", "unknown_url", false},
	job.NoMethod:     {http.StatusMethodNotAllowed, "invalid_request_error", "method_not_supported", false},
	job.Unauthorized: {http.StatusUnauthorized, "invalid_request_error", "invalid_api_key", false},
	job.Forbidden:    {http.StatusForbidden, "invalid_request_error", "insufficient_permissions", false},
	job.Conflict:     {http.StatusConflict, "invalid_request_error", "conflict", false},
	job.TooLarge:     {http.StatusRequestEntityTooLarge, "invalid_request_error", "request_too_large", false},
	job.RateLimited:  {http.StatusTooManyRequests, "rate_limit_error", "rate_limit_exceeded", true},
	job.TooMany:      {http.StatusTooManyRequests, "rate_limit_error", "too_many_videos", true},
	job.QueueFull:    {http.StatusTooManyRequests, "rate_limit_error", "queue_full", true},
	job.Balance:      {http.StatusTooManyRequests, "insufficient_quota", "insufficient_quota", false},
	job.Quota:        {http.StatusTooManyRequests, "insufficient_quota", "insufficient_quota", false},
	job.PromptUnsafe: {http.StatusBadRequest, "invalid_request_error", "moderation_blocked", false},
	job.OutputUnsafe: {http.StatusBadRequest, "invalid_request_error", "moderation_blocked", false},
	job.Invisible:    {http.StatusBadRequest, "invalid_request_error", "invalid_prompt", false},
	job.Timeout:      {http.StatusGatewayTimeout, "server_error", "timeout", true},
	job.Unavailable:  {http.StatusServiceUnavailable, "server_error", "service_unavailable", true},
	job.Internal:     {http.StatusInternalServerError, "server_error", "server_error", true},
	job.IsCancelled:  {http.StatusConflict, "invalid_request_error", "cancelled", false},
	job.IsExpired:    {http.StatusGone, "invalid_request_error", "expired", false},
	job.PastAttempts: {http.StatusInternalServerError, "server_error", "generation_failed", false},
}

// oaCodeOf is the line of an error, that of job.Internal for an unknown code.
func oaCodeOf(e *job.Error) oaCode {
	c, ok := oaCodes[e.Code]
	if !ok {
		return oaCodes[job.Internal]
	}
	if e.Code == job.NotFound && e.Param == "model" {
		c.code = "model_not_found"
	}
	return c
}

// oaError is an error for which OpenAI has a code of its own.
type oaError struct {
	of   *job.Error
	code string
}

// Error is the message.
func (e *oaError) Error() string { return e.of.Message }

// Unwrap lets errors.As find the *job.Error.
func (e *oaError) Unwrap() error { return e.of }

// oaFailure is the body of an error.
type oaFailure struct {
	Error struct {
		Message string  `json:"message"`
		Type    string  `json:"type"`
		Param   *string `json:"param"`
		Code    string  `json:"code"`
	} `json:"error"`
}

// fail answers in OpenAI's form, with the headers that its SDKs obey.
func (a *openAI) fail(w http.ResponseWriter, r *http.Request, err error) {
	status, body := oaFailed(w, told(r, err), err)
	oaWrite(w, status, body)
}

// bothFailure is an error in OpenAI's form with MiniMax's beside it.
type bothFailure struct {
	oaFailure
	Base baseResp `json:"base_resp"`
}

// failBoth answers clients of either API: with OpenAI's HTTP status, headers and
// error, and with MiniMax's base_resp.
func failBoth(w http.ResponseWriter, r *http.Request, err error) {
	e := told(r, err)
	status, body := oaFailed(w, e, err)
	traced(w, r)
	mmWrite(w, status, bothFailure{body, baseResp{codeFor(r, e).number, mmMessage(e)}})
}

// oaFailed is an error in OpenAI's form. It sets the headers of the answer.
func oaFailed(w http.ResponseWriter, e *job.Error, err error) (status int, body oaFailure) {
	c := oaCodeOf(e)
	body.Error.Message, body.Error.Type, body.Error.Code = e.Message, c.kind, c.code
	if own := (*oaError)(nil); errors.As(err, &own) {
		body.Error.Code = own.code
	}
	if e.Param != "" {
		body.Error.Param = &e.Param
	}
	again := c.again || e.Code == job.Conflict && e.RetryAfter > 0
	if again && e.RetryAfter > 0 {
		setRetryAfter(w.Header(), e.RetryAfter)
		w.Header().Set("retry-after-ms", strconv.FormatInt(e.RetryAfter.Milliseconds(), 10))
	}
	w.Header().Set("x-should-retry", strconv.FormatBool(again))
	return cmp.Or(c.status, http.StatusInternalServerError), body
}
