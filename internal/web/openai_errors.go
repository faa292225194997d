package web

import (
	"cmp"
	"errors"
	"net/http"
	"strconv"

	"github.com/kinora-video/kinora/internal/job"
)

// OpenAICode is how OpenAI's API presents a kind of error.
type OpenAICode struct {
	Status int
	Kind   string // error.type
	Code   string // error.code
	// Retry says whether the SDKs should repeat the request. By default they do
	// so on 408, 409, 429 and 5xx.
	Retry bool
}

// OpenAICodes has an entry for each kind of error.
var OpenAICodes = map[job.Code]OpenAICode{
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

// OpenAICodeOf is the entry of an error, or that of job.Internal for an unknown
// code.
func OpenAICodeOf(e *job.Error) OpenAICode {
	c, ok := OpenAICodes[e.Code]
	if !ok {
		return OpenAICodes[job.Internal]
	}
	if e.Code == job.NotFound && e.Param == "model" {
		c.Code = "model_not_found"
	}
	return c
}

// OpenAIError is an error for which OpenAI has a code of its own.
type OpenAIError struct {
	of   *job.Error
	code string
}

// NewOpenAIError is an error with a code of OpenAI's own.
func NewOpenAIError(code string, of *job.Error) error { return &OpenAIError{of, code} }

// Error is the message.
func (e *OpenAIError) Error() string { return e.of.Message }

// Unwrap lets errors.As find the *job.Error.
func (e *OpenAIError) Unwrap() error { return e.of }

// OpenAIFailure is the body of an error.
type OpenAIFailure struct {
	Error struct {
		Message string  `json:"message"`
		Type    string  `json:"type"`
		Param   *string `json:"param"`
		Code    string  `json:"code"`
	} `json:"error"`
}

// OpenAIFailed is an error in OpenAI's form. It sets the headers of the answer.
func OpenAIFailed(w http.ResponseWriter, e *job.Error, err error) (status int, body OpenAIFailure) {
	c := OpenAICodeOf(e)
	body.Error.Message, body.Error.Type, body.Error.Code = e.Message, c.Kind, c.Code
	if own := (*OpenAIError)(nil); errors.As(err, &own) {
		body.Error.Code = own.code
	}
	if e.Param != "" {
		body.Error.Param = &e.Param
	}
	retry := c.Retry || e.Code == job.Conflict && e.RetryAfter > 0
	if retry && e.RetryAfter > 0 {
		SetRetryAfter(w.Header(), e.RetryAfter)
		w.Header().Set("retry-after-ms", strconv.FormatInt(e.RetryAfter.Milliseconds(), 10))
	}
	w.Header().Set("x-should-retry", strconv.FormatBool(retry))
	return cmp.Or(c.Status, http.StatusInternalServerError), body
}

// UnknownField refuses a field or parameter that is not known.
func UnknownField(name string) error {
	name = FieldName(name)
	return NewOpenAIError("unknown_parameter", job.Errorf(job.Invalid, name, "there is no parameter %q here", name))
}
