package worker

import (
	"errors"
	"syscall"

	"github.com/kinora-video/kinora"
	"github.com/kinora-video/kinora/internal/blob"
	"github.com/kinora-video/kinora/internal/job"
)

// classify says what a job's owner is told of an error, and whether another
// attempt may succeed. Paths and causes stay in the log.
func classify(err error) (told *job.Error, retry bool) {
	if errors.As(err, &told) {
		switch told.Code {
		case job.Unavailable, job.Internal, job.Timeout, job.RateLimited: // of an upstream
			return told, true
		}
		return told, false
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
