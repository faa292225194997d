package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime/debug"
	"sync"
	"time"

	"github.com/kinora-video/kinora/internal/blob"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/store"
)

// Reasons to stop an attempt, as causes of its context's end.
var (
	errCancelled = errors.New("its owner cancelled it")
	errTooLong   = errors.New("it took longer than an attempt may")
)

// attempt is one attempt at one job.
type attempt struct {
	*Runner
	job    job.Job
	log    *slog.Logger
	report report

	dir       string // its own folder
	removeDir func() // nil while there is none

	mu     sync.Mutex
	stored []string // blob keys of media that no row refers to yet
	loaded bool     // it started from an earlier attempt's latents
	phase  string
	since  time.Time
}

// made is the result of an attempt.
type made struct {
	result job.Result
	files  []store.File // rows of result.Files
}

// run runs the attempt and writes its end.
func (a *attempt) run(ctx context.Context) error {
	work, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	work, stop := context.WithTimeoutCause(work, a.MaxTime, errTooLong)
	defer stop()
	// Heartbeats continue while the end is written, even when ctx is over.
	beats, endBeats := context.WithCancel(context.WithoutCancel(ctx))
	var beating sync.WaitGroup
	beating.Go(func() { a.heartbeats(beats, cancel) })
	defer beating.Wait()
	defer endBeats()

	a.log.Info("a job starts", "model", a.job.Spec.Model, "engine", a.job.Spec.Engine)
	out, err := a.safely(work)
	a.enter("")
	a.report.preview(nil)
	if a.removeDir != nil {
		defer a.removeDir()
	}
	end, stopEnd := context.WithTimeout(context.WithoutCancel(ctx), endTime)
	defer stopEnd()
	err = a.conclude(end, out, err, context.Cause(work), ctx.Err() != nil)
	endBeats()
	beating.Wait()
	if err != nil {
		// It is unknown whether the end was written, so the janitor decides about
		// the media.
		return err
	}
	if key := a.report.previewKey(); key != "" {
		a.own(key)
	}
	a.discard(end)
	return nil
}

// conclude writes the attempt's end. The attempt returned out or err. cause says
// why it was stopped, if it was, and stopping whether this process is stopping.
func (a *attempt) conclude(ctx context.Context, out *made, err, cause error, stopping bool) error {
	switch {
	case errors.Is(cause, job.ErrLate), errors.Is(err, job.ErrLate):
		a.log.Warn("another worker has the job; the result is thrown away")
		return nil
	case errors.Is(cause, errCancelled), errors.Is(err, errCancelled):
		return a.end(ctx, store.Ending{State: job.Cancelled}, nil)
	case err == nil:
		return a.succeed(ctx, out)
	case stopping:
		return a.release(ctx)
	case errors.Is(cause, errTooLong):
		return a.end(ctx, store.Ending{State: job.Failed, Error: job.Errorf(job.Timeout, "", "it took longer than %s, the time limit of a job", a.MaxTime)}, nil)
	}
	return a.failed(ctx, err)
}

// safely makes the job's media, and turns a panic of the engine into an error.
func (a *attempt) safely(ctx context.Context) (out *made, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the engine panicked: %v\n%s", p, debug.Stack())
		}
	}()
	a.enter(phasePreparing)
	if a.job.CancelAsked {
		return nil, errCancelled
	}
	if err := a.makeDir(); err != nil {
		return nil, err
	}
	switch a.job.Spec.Kind {
	case job.Video:
		return a.video(ctx)
	case job.Image:
		return a.images(ctx)
	case job.Expansion:
		return a.context(ctx)
	}
	return nil, job.Errorf(job.Unsupported, "", "this worker cannot run jobs of kind %q", a.job.Spec.Kind)
}

// context runs a job of kind Expansion: it has the chat upstream expand the
// prompt.
func (a *attempt) context(ctx context.Context) (*made, error) {
	if a.Contexts == nil {
		return nil, job.Errorf(job.Unsupported, "", "this worker has no chat upstream")
	}
	text, err := a.Contexts.Expand(ctx, a.job.Spec.Prompt)
	return &made{result: job.Result{Text: text, Seed: a.job.Spec.Seed}}, err
}

// The phases of a job.
const (
	phasePreparing = "preparing"
	phaseSampling  = "sampling"
	phaseDrawing   = "drawing"
	phaseStoring   = "storing"
)

// enter ends the current phase and begins another; "" begins none.
func (a *attempt) enter(phase string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if phase == a.phase {
		return
	}
	now := time.Now()
	if a.phase != "" {
		a.Observe.Phase(a.phase, now.Sub(a.since))
	}
	a.phase, a.since = phase, now
	if phase != "" {
		a.report.phase(phase)
	}
}

// path is the path of a file in the attempt's own folder.
func (a *attempt) path(name string) string { return filepath.Join(a.dir, name) }

// own registers a blob that is deleted unless the attempt succeeds.
func (a *attempt) own(key string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stored = append(a.stored, key)
}

// latentsKey is the blob key of this attempt's latents. It includes the attempt's
// number, so that a late attempt does not overwrite the latents of the current
// one.
func (a *attempt) latentsKey() (string, error) {
	return blob.KeyOf(blob.KindLatents, fmt.Sprintf("%s-%d", a.job.ID, a.job.Attempt), "")
}

// discard deletes the media that this attempt stored, except blobs that a row
// refers to. After a success that is all of them.
func (a *attempt) discard(ctx context.Context) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, key := range a.stored {
		// If the database or the blob store fails now, the janitor deletes the
		// blob later.
		if known, err := a.DB.KnownKey(ctx, key); err != nil || known {
			continue
		}
		if err := a.Blobs.Delete(ctx, key); err != nil {
			a.log.Warn("an unneeded blob could not be deleted; the janitor will delete it", "key", key, "error", err)
		}
	}
	a.stored = nil
}

// succeed makes the result visible. The media is already stored; one transaction
// writes the job's row, its files and the charge.
func (a *attempt) succeed(ctx context.Context, out *made) error {
	e := store.Ending{State: job.Succeeded, Result: &out.result, Keep: a.Keep}
	return a.end(ctx, e, func(tx *store.Tx, j *job.Job) error {
		for _, f := range out.files {
			f.CreatedAt, f.ExpiresAt = j.FinishedAt, j.ExpiresAt
			if _, err := tx.AddFile(ctx, f); err != nil {
				return err
			}
		}
		return nil
	})
}

// endRetry is the pause before the end of a job is written again.
const endRetry = 300 * time.Millisecond

// end writes the end of the job. It retries while the database is away, because
// the result is worth the wait.
func (a *attempt) end(ctx context.Context, e store.Ending, more func(*store.Tx, *job.Job) error) error {
	for {
		j, err := a.DB.Finish(ctx, a.job.ID, a.job.Attempt, e, func(tx *store.Tx, j *job.Job) error {
			if more != nil {
				if err := more(tx, j); err != nil {
					return err
				}
			}
			if a.Settle != nil {
				return a.Settle(tx, j)
			}
			return nil
		})
		switch {
		case err == nil:
			a.over(ctx, j)
			return nil
		case errors.Is(err, job.ErrLate):
			a.log.Warn("the attempt was over before its end was written", "state", e.State)
			return nil
		case job.CodeOf(err) != job.Unavailable:
			return fmt.Errorf("end job %s as %s: %w", a.job.ID, e.State, err)
		}
		a.log.Warn("the end of a job could not be written; it will be tried again", "error", err)
		select {
		case <-ctx.Done():
			return fmt.Errorf("end job %s as %s: %w", a.job.ID, e.State, err)
		case <-time.After(endRetry):
		}
	}
}

// over reports that the job has ended, and removes its latents.
func (a *attempt) over(ctx context.Context, j job.Job) {
	code := job.Code("")
	if j.Error != nil {
		code = j.Error.Code
	}
	a.Observe.Ended(j.State, code)
	a.log.Info("a job ended", "state", j.State, "code", code, "took", j.FinishedAt.Sub(j.StartedAt))
	latents, err := a.latentsKey()
	if err != nil {
		return
	}
	for _, key := range []string{latents, a.job.Latents} {
		if key == "" {
			continue
		}
		if err := a.Blobs.Delete(ctx, key); err != nil && !errors.Is(err, blob.ErrNotFound) {
			a.log.Warn("an unneeded blob could not be deleted; the janitor will delete it", "key", key, "error", err)
		}
	}
}

// release returns the job to the queue because this process is stopping.
func (a *attempt) release(ctx context.Context) error {
	j, err := a.DB.Release(ctx, a.job.ID, a.job.Attempt, a.Settle)
	if errors.Is(err, job.ErrLate) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("give job %s back: %w", a.job.ID, err)
	}
	a.log.Info("a job goes back to the queue because this process is stopping")
	if j.State.Final() {
		a.over(ctx, j)
	}
	return nil
}

// failed ends an attempt that failed. The job fails if another attempt would fail
// in the same way; otherwise it is queued again.
func (a *attempt) failed(ctx context.Context, err error) error {
	told, retry := classify(err)
	a.log.Warn("an attempt failed", "code", told.Code, "retry", retry, "error", err)
	if !retry {
		return a.end(ctx, store.Ending{State: job.Failed, Error: told}, nil)
	}
	if a.loaded {
		// The latents may be the cause.
		if err := a.DB.KeepLatents(ctx, a.job.ID, a.job.Attempt, ""); err != nil && !errors.Is(err, job.ErrLate) {
			a.log.Warn("the latents could not be dropped", "error", err)
		}
	}
	j, err := a.DB.Retry(ctx, a.job.ID, a.job.Attempt, told, max(a.wait(), told.RetryAfter), a.Settle)
	switch {
	case errors.Is(err, job.ErrLate):
		return nil
	case err != nil:
		return fmt.Errorf("queue job %s again: %w", a.job.ID, err)
	case j.State.Final():
		a.over(ctx, j)
	default:
		a.Observe.Retried(told.Code)
	}
	return nil
}

// wait is the pause before the next attempt.
func (a *attempt) wait() time.Duration {
	d := a.Backoff
	for range a.job.Attempt - 1 {
		if d *= 2; d >= maxBackoff {
			return maxBackoff
		}
	}
	return d
}
