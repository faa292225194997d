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

// Why an attempt is stopped, as causes of its context's end.
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
	stored []string // blob keys of media that no row knows yet
	loaded bool     // it went on from an earlier attempt's latents
	phase  string
	since  time.Time
}

// made is what an attempt made.
type made struct {
	result job.Result
	files  []store.File // rows of result.Files
}

// run runs the attempt and writes how it ended.
func (a *attempt) run(ctx context.Context) error {
	work, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	work, stop := context.WithTimeoutCause(work, a.MaxTime, errTooLong)
	defer stop()
	// Heartbeats go on while the end is written, also when ctx is over.
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
		// Whether the end was written is not known: the janitor finds out.
		return err
	}
	if key := a.report.previewKey(); key != "" {
		a.own(key)
	}
	a.discard(end)
	return nil
}

// conclude writes how the attempt ended: with out or err, stopped for a cause or
// as the process ends, or not.
func (a *attempt) conclude(ctx context.Context, out *made, err, cause error, stopping bool) error {
	switch {
	case errors.Is(cause, job.ErrLate), errors.Is(err, job.ErrLate):
		a.log.Warn("another has the job; what was made is thrown away")
		return nil
	case errors.Is(cause, errCancelled), errors.Is(err, errCancelled):
		return a.end(ctx, store.Ending{State: job.Cancelled}, nil)
	case err == nil:
		return a.succeed(ctx, out)
	case stopping:
		return a.release(ctx)
	case errors.Is(cause, errTooLong):
		return a.end(ctx, store.Ending{State: job.Failed, Error: job.Errorf(job.Timeout, "", "it took longer than %s, which is all that a job may", a.MaxTime)}, nil)
	}
	return a.failed(ctx, err)
}

// safely makes an error of an engine's panic.
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
	return nil, job.Errorf(job.Unsupported, "", "this worker makes nothing of kind %q", a.job.Spec.Kind)
}

// context works a prompt out.
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

// enter begins a phase and ends the one before; "" only ends.
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

// path is a file's place in the attempt's own folder.
func (a *attempt) path(name string) string { return filepath.Join(a.dir, name) }

// own notes a blob that is to be deleted unless the attempt succeeds.
func (a *attempt) own(key string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stored = append(a.stored, key)
}

// latentsKey is where this job's latents are between attempts; the number keeps
// a late attempt from writing over those of the one that is current.
func (a *attempt) latentsKey() (string, error) {
	return blob.KeyOf(blob.KindLatents, fmt.Sprintf("%s-%d", a.job.ID, a.job.Attempt), "")
}

// discard deletes the media that this attempt stored, except what a row knows:
// all of it, when it succeeded.
func (a *attempt) discard(ctx context.Context) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, key := range a.stored {
		// What cannot be asked for or deleted now is the janitor's.
		if known, err := a.DB.KnownKey(ctx, key); err != nil || known {
			continue
		}
		if err := a.Blobs.Delete(ctx, key); err != nil {
			a.log.Warn("a blob that is not needed could not be deleted; the janitor will", "key", key, "error", err)
		}
	}
	a.stored = nil
}

// succeed makes the result visible: the media is stored already; now the row,
// its files and the charge, in one transaction.
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

// endRetry is how long to wait before the end of a job is written again.
const endRetry = 300 * time.Millisecond

// end writes the end of the job. A database that is away is asked again: what
// was made is worth the wait.
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
		a.log.Warn("the end of a job could not be written; it is tried again", "error", err)
		select {
		case <-ctx.Done():
			return fmt.Errorf("end job %s as %s: %w", a.job.ID, e.State, err)
		case <-time.After(endRetry):
		}
	}
}

// over says that the job has ended, and removes what it needed on the way.
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
			a.log.Warn("a blob that is not needed could not be deleted; the janitor will", "key", key, "error", err)
		}
	}
}

// release gives the job back, as this process ends.
func (a *attempt) release(ctx context.Context) error {
	j, err := a.DB.Release(ctx, a.job.ID, a.job.Attempt, a.Settle)
	if errors.Is(err, job.ErrLate) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("give job %s back: %w", a.job.ID, err)
	}
	a.log.Info("a job goes back to the queue, as this process ends")
	if j.State.Final() {
		a.over(ctx, j)
	}
	return nil
}

// failed ends an attempt that failed: the job fails where trying again would
// give the same, and else is queued again.
func (a *attempt) failed(ctx context.Context, err error) error {
	told, retry := classify(err)
	a.log.Warn("an attempt failed", "code", told.Code, "retry", retry, "error", err)
	if !retry {
		return a.end(ctx, store.Ending{State: job.Failed, Error: told}, nil)
	}
	if a.loaded {
		// The latents may be what is wrong.
		if err := a.DB.KeepLatents(ctx, a.job.ID, a.job.Attempt, ""); err != nil && !errors.Is(err, job.ErrLate) {
			a.log.Warn("latents could not be given up", "error", err)
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

// wait is how long to wait before the next attempt.
func (a *attempt) wait() time.Duration {
	d := a.Backoff
	for range a.job.Attempt - 1 {
		if d *= 2; d >= maxBackoff {
			return maxBackoff
		}
	}
	return d
}
