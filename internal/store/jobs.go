package store

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"

	"github.com/kinora-video/kinora/internal/job"
)

// RetryAfter of a submission that was refused because of too many jobs.
const (
	retryQueueFull = 15 * time.Second
	retryTooMany   = 5 * time.Second
)

// Submission is a job to be accepted, with the bounds that apply to it.
type Submission struct {
	// Job is the request: Project, Key, API, Spec, Priority, Price, Callback,
	// Sponsor, MaxAttempts (0 is job.DefaultAttempts) and ExpiresAt, until when
	// it may wait. An ID of 0 is replaced by a new one.
	Job job.Job
	// A project's second request with the same IdempotencyKey returns the job of
	// the first. RequestHash tells whether both requests are the same. "" is no
	// key.
	IdempotencyKey, RequestHash string
	// MaxQueued bounds the waiting jobs of all projects; 0 is no bound. Several
	// processes on Postgres may exceed it by a few jobs at the same moment.
	MaxQueued int
	// MaxInFlight bounds the project's jobs that wait or run, MaxKeyInFlight
	// those of the key; 0 is no bound.
	MaxInFlight, MaxKeyInFlight int
	// Weight is the project's share of the workers relative to others; 0 is 1.
	// MaxRunning bounds its running jobs; 0 is no bound. Both are stored, and
	// apply to its other jobs too.
	Weight, MaxRunning int
}

// errRepeated rolls back a submission whose idempotency key was used before.
var errRepeated = errors.New("submitted before")

// Submit accepts a job. Checking the bounds, reserving the price (reserve), and
// writing the job, its number in the project and its ticket are one transaction.
// repeated reports that the same request used the idempotency key before; Submit
// then returns that request's job in its present state. Errors are job.Error:
// QueueFull, TooMany, Conflict for a key that another request used, and what
// reserve returns.
func (db *DB) Submit(ctx context.Context, s Submission, reserve func(*Tx, *job.Job) error) (j job.Job, repeated bool, err error) {
	spec, err := encode(&s.Job.Spec)
	if err != nil {
		return job.Job{}, false, err
	}
	err = db.Write(ctx, func(tx *Tx) error {
		j = s.Job
		if j.ID == 0 {
			j.ID = job.ID(NewID())
		}
		if j.MaxAttempts == 0 {
			j.MaxAttempts = job.DefaultAttempts
		}
		j.State, j.Revision, j.CreatedAt, j.UpdatedAt = job.Queued, 1, tx.now, tx.now
		// This comes first, as it locks the project's row: two submissions with
		// the same key run one after the other.
		seq, err := tx.countQueued(ctx, &s)
		if err != nil {
			return err
		}
		if s.IdempotencyKey != "" {
			if err := tx.repeated(ctx, &s, &j); err != nil {
				return err
			}
		}
		if err := tx.bounds(ctx, &s); err != nil {
			return err
		}
		if reserve != nil {
			if err := reserve(tx, &j); err != nil {
				return err
			}
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO jobs (id, project, key_id, api, kind, model, engine, task_type, spec, state,
				priority, seq, cost, max_attempts, first_frame, callback, price, sponsor, created_at, updated_at, expires_at,
				idempotency_key, request_hash, narration, sound, words)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'queued', $10, $11, $12, $13, $14, $15, $16, $17, $18, $18, $19, $20, $21, $22, $23, $24)`,
			int64(j.ID), j.Project, j.Key, string(j.API), string(j.Spec.Kind), j.Spec.Model, j.Spec.Engine, j.Spec.TaskType, spec,
			j.Priority, seq, cost(&j.Spec), j.MaxAttempts, j.Spec.FirstFrame, j.Callback, j.Price, bit(j.Sponsor), millis(tx.now), millis(j.ExpiresAt),
			s.IdempotencyKey, s.RequestHash, narrationKey(&j.Spec), soundKey(&j.Spec), strings.ToLower(j.Prompt()))
		if err != nil {
			return err
		}
		tx.EnqueueTicket(time.Time{})
		return tx.changed(j)
	})
	if errors.Is(err, errRepeated) {
		return j, true, nil
	}
	if err != nil {
		return job.Job{}, false, err
	}
	return j, false, nil
}

// repeated looks for an earlier job with the same idempotency key. It returns
// errRepeated with that job in j, or Conflict if the request was another one, or
// nil.
func (tx *Tx) repeated(ctx context.Context, s *Submission, j *job.Job) error {
	var id int64
	var hash string
	err := tx.QueryRowContext(ctx, "SELECT id, request_hash FROM jobs WHERE project = $1 AND idempotency_key = $2 AND idempotency_key <> ''",
		s.Job.Project, s.IdempotencyKey).Scan(&id, &hash)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	if hash != s.RequestHash {
		return job.Errorf(job.Conflict, "", "the idempotency key was used for another request: use a new key for each request")
	}
	*j, err = scanJob(tx.QueryRowContext(ctx, "SELECT "+jobColumns+" FROM jobs WHERE id = $1", id))
	if err != nil {
		return err
	}
	return errRepeated
}

// bounds checks the bounds of a submission that countQueued has already counted.
func (tx *Tx) bounds(ctx context.Context, s *Submission) error {
	if s.MaxQueued > 0 {
		var n int
		if err := tx.QueryRowContext(ctx, "SELECT COALESCE(SUM(queued), 0) FROM project_load WHERE queued > 0 OR running > 0").Scan(&n); err != nil {
			return err
		}
		if n > s.MaxQueued {
			e := job.Errorf(job.QueueFull, "", "the queue is full: %d jobs are waiting; try again in %s", n-1, retryQueueFull)
			e.RetryAfter = retryQueueFull
			return e
		}
	}
	if s.MaxInFlight > 0 {
		var n int
		if err := tx.QueryRowContext(ctx, "SELECT queued + running FROM project_load WHERE project = $1", s.Job.Project).Scan(&n); err != nil {
			return err
		}
		if n > s.MaxInFlight {
			return tooMany("project", s.MaxInFlight)
		}
	}
	if s.MaxKeyInFlight > 0 {
		var n int
		if err := tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM jobs WHERE key_id = $1 AND (state = 'queued' OR state = 'running')", s.Job.Key).Scan(&n); err != nil {
			return err
		}
		if n >= s.MaxKeyInFlight {
			return tooMany("key", s.MaxKeyInFlight)
		}
	}
	return nil
}

func tooMany(whose string, limit int) error {
	e := job.Errorf(job.TooMany, "", "this %s has %d jobs in flight, its limit: wait for one to end", whose, limit)
	e.RetryAfter = retryTooMany
	return e
}

// OnChange registers fn, which is called in the transaction of every change of a
// job's state, its arrival included. An error of fn undoes the change. Call
// OnChange at program start, before the database is used.
func (db *DB) OnChange(fn func(*Tx, job.Job) error) { db.hooks = append(db.hooks, fn) }

// changed calls the hooks, and wakes the followers once the transaction is
// committed.
func (tx *Tx) changed(j job.Job) error {
	for _, h := range tx.db.hooks {
		if err := h(tx, j); err != nil {
			return err
		}
	}
	tx.AfterCommit(func() { tx.db.followers.wake(j.Project, j.ID) })
	return nil
}

// Cancel cancels a project's job. A queued job ends at once (refund is called);
// for a running one the worker is asked to stop. A final job is a Conflict.
func (db *DB) Cancel(ctx context.Context, project int64, id job.ID, refund func(*Tx, *job.Job) error) (j job.Job, err error) {
	err = db.Write(ctx, func(tx *Tx) error {
		j, err = scanJob(tx.QueryRowContext(ctx, "SELECT "+jobColumns+" FROM jobs WHERE id = $1 AND project = $2 AND deleted_at = 0"+tx.Lock(), int64(id), project))
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return notFound("job", id)
		case err != nil:
			return err
		case j.State.Final():
			return job.Errorf(job.Conflict, "", "the job is already %s: there is nothing to cancel", j.State)
		case j.State == job.Queued:
			return tx.endJob(ctx, &j, Ending{State: job.Cancelled}, refund)
		case j.CancelAsked:
			return nil
		}
		j, err = scanJob(tx.QueryRowContext(ctx, "UPDATE jobs SET cancel_asked = 1, revision = revision + 1, updated_at = $1 WHERE id = $2 RETURNING "+jobColumns,
			millis(tx.notBefore(&j)), int64(id)))
		tx.AfterCommit(func() { db.followers.wake(project, id) })
		return err
	})
	if err != nil {
		return job.Job{}, err
	}
	return j, nil
}
