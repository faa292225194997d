package job

import (
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"
)

// Code is the kind of an error. Each API has its own word and number for it.
type Code string

// The codes.
const (
	Invalid      Code = "invalid"       // a field is wrong; Param names it
	Unsupported  Code = "unsupported"   // the chosen model or this server cannot do it
	NotFound     Code = "not_found"     // no such job, file, model, …, or not this project's
	NoEndpoint   Code = "no_endpoint"   // there is no such path
	NoMethod     Code = "no_method"     // the path has other methods
	Unauthorized Code = "unauthorized"  // no key, or one that is not valid
	Forbidden    Code = "forbidden"     // the key's scopes do not allow it
	Conflict     Code = "conflict"      // the job's state does not allow it
	TooLarge     Code = "too_large"     // a body or file is over its limit
	RateLimited  Code = "rate_limited"  // too many requests a minute
	TooMany      Code = "too_many"      // too many jobs of this key or project in flight
	QueueFull    Code = "queue_full"    // the queue is at its bound
	Balance      Code = "balance"       // not enough money
	Quota        Code = "quota"         // the plan's credits are used up
	PromptUnsafe Code = "prompt_unsafe" // moderation refused the input (MiniMax 1026)
	OutputUnsafe Code = "output_unsafe" // moderation refused the output (MiniMax 1027)
	Invisible    Code = "invisible"     // invisible characters in the prompt (MiniMax 1042)
	Timeout      Code = "timeout"       // it exceeded its time limit
	Unavailable  Code = "unavailable"   // a required part is unavailable now; try again
	Internal     Code = "internal"      // a defect of this program
	IsCancelled  Code = "cancelled"     // of a cancelled job, for APIs without that state
	IsExpired    Code = "expired"       // of an expired job, likewise
	PastAttempts Code = "attempts_used" // every attempt failed or was lost
)

// Error is an error that a customer may see: what was wrong, where, and what to
// do. It reveals nothing of the machine's internals.
type Error struct {
	Code    Code   `json:"code"`
	Message string `json:"message"`
	// Param is the field that is wrong, in the API's own name; "" for none.
	Param string `json:"param,omitempty"`
	// RetryAfter is after how long another try may succeed; 0 means that none
	// will.
	RetryAfter time.Duration `json:"retry_after,omitempty"`
	// Err is the cause, for logs only.
	Err error `json:"-"`
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Detail is the cause's text; "" if there is no cause. It is for logs only.
func (e *Error) Detail() string {
	if e.Err == nil {
		return ""
	}
	return e.Err.Error()
}

// Detail is the text of an error for operators. It includes the causes that its
// parts hide from customers, that is the parts with a Detail method.
func Detail(err error) string {
	text := err.Error()
	for part := range parts(err) {
		hidden, ok := part.(interface{ Detail() string })
		if !ok {
			continue
		}
		if more := hidden.Detail(); !strings.Contains(text, more) {
			text += ": " + more
		}
	}
	return text
}

// parts yields an error and all errors that it wraps, the outer before the inner.
func parts(err error) iter.Seq[error] {
	return func(yield func(error) bool) { walk(err, yield) }
}

func walk(err error, yield func(error) bool) bool {
	if err == nil {
		return true
	}
	if !yield(err) {
		return false
	}
	switch e := err.(type) { //nolint:errorlint // as errors.As does it
	case interface{ Unwrap() error }:
		return walk(e.Unwrap(), yield)
	case interface{ Unwrap() []error }:
		for _, one := range e.Unwrap() {
			if !walk(one, yield) {
				return false
			}
		}
	}
	return true
}

// Errorf makes an error with a message.
func Errorf(code Code, param, format string, args ...any) *Error {
	return &Error{Code: code, Param: param, Message: fmt.Sprintf(format, args...)}
}

// AsError returns the *Error in err's chain, or one of code Internal that hides
// err from its reader and keeps it for the logs.
func AsError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Code: Internal, Message: "something went wrong on our side; the log has the details", Err: err}
}

// CodeOf is the code of the *Error in err's chain, or Internal.
func CodeOf(err error) Code { return AsError(err).Code }

// ErrLate means that a worker's attempt is not the current one: the job was given
// to another worker, cancelled or finished. The worker throws its result away.
var ErrLate = errors.New("this attempt at the job is over: another has it, or it is finished")
