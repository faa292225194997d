package worker

import (
	"errors"
	"syscall"

	"github.com/kinora-video/kinora"
	"github.com/kinora-video/kinora/internal/blob"
	"github.com/kinora-video/kinora/internal/job"
)

// classify returns the error that a job's owner sees, and whether another attempt
// may succeed. Paths and causes stay in the log.
func classify(err error) (public *job.Error, retry bool) {
	if errors.As(err, &public) {
		switch public.Code {
		case job.Unavailable, job.Internal, job.Timeout, job.RateLimited: // of an upstream
			return public, true
		}
		return public, false
	}
	if errors.Is(err, blob.ErrNoSpace) || errors.Is(err, syscall.ENOSPC) {
		return &job.Error{Code: job.Unavailable, Message: "the server's disk is full", Err: err}, true
	}
	var e *kinora.Error
	if errors.As(err, &e) && (e.Kind == kinora.Invalid || e.Kind == kinora.Unsupported) {
		code := job.Invalid
		if e.Kind == kinora.Unsupported {
			code = job.Unsupported
		}
		return &job.Error{Code: code, Message: e.Error(), Err: err}, false
	}
	return job.AsError(err), true
}
