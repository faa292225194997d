package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/kinora-video/kinora/internal/job"
)

// When to try again what was refused because of too many jobs.
const (
	retryQueueFull = 15 * time.Second
	retryTooMany   = 5 * time.Second
)

// Submission is a job to be accepted, and under which bounds.
type Submission struct {
	// Job has what is asked for: Project, Key, API, Spec, Priority, Price,
	// Callback, Sponsor, MaxAttempts (0 is job.DefaultAttempts) and ExpiresAt,
	// until when it may wait. An ID of 0 gets one.
	Job job.Job
	// IdempotencyKey makes the same request of a project the same job;
	// RequestHash tells whether it is the same. "" is no key.
	IdempotencyKey, RequestHash string
	// MaxQueued bounds the jobs that wait, of all projects; 0 is no bound. With
	// several processes on Postgres a few more may slip in at once.
	MaxQueued int
	// MaxInFlight bounds the project's jobs that wait or run, MaxKeyInFlight
	// those of the key; 0 is no bound.
	MaxInFlight, MaxKeyInFlight int
	// Weight is the project's share of the workers, relative to others; 0 is 1.
	// MaxRunning bounds its jobs that run at once; 0 is no bound. Both are
	// kept and hold for its other jobs too.
	Weight, MaxRunning int
}

// errRepeated undoes a submission that was made before.
var errRepeated = errors.New("submitted before")

// Submit accepts a job: bounds, the price (reserve), the job, its turn and its
// ticket are one transaction. repeated reports that the idempotency key was used
// by the same request, whose job is returned as it stands. Errors are job.Error:
// QueueFull, TooMany, Conflict for a key of another request, and what reserve
// returns.
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
		// First, as it locks the project's row: two of the same key come one
		// after the other.
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
				idempotency_key, request_hash)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'queued', $10, $11, $12, $13, $14, $15, $16, $17, $18, $18, $19, $20, $21)`,
			int64(j.ID), j.Project, j.Key, string(j.API), string(j.Spec.Kind), j.Spec.Model, j.Spec.Engine, j.Spec.TaskType, spec,
			j.Priority, seq, cost(&j.Spec), j.MaxAttempts, j.Spec.FirstFrame, j.Callback, j.Price, bit(j.Sponsor), millis(tx.now), millis(j.ExpiresAt),
			s.IdempotencyKey, s.RequestHash)
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

// repeated finds the job of a request that was made before: errRepeated with the
// job in j, or Conflict, or nil.
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

// bounds checks the bounds of a submission, which countQueued has counted already.
func (tx *Tx) bounds(ctx context.Context, s *Submission) error {
	if s.MaxQueued > 0 {
		var n int
		if err := tx.QueryRowContext(ctx, "SELECT COALESCE(SUM(queued), 0) FROM project_load WHERE queued > 0 OR running > 0").Scan(&n); err != nil {
			return err
		}
		if n > s.MaxQueued {
			e := job.Errorf(job.QueueFull, "", "the queue is full: %d jobs wait; try again in %s", n-1, retryQueueFull)
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
	e := job.Errorf(job.TooMany, "", "this %s has %d jobs in flight, as many as it may: wait for one to end", whose, limit)
	e.RetryAfter = retryTooMany
	return e
}

// OnChange has fn called in the transaction of every change of a job's state,
// its arrival included; an error undoes the change. It is for the start of a
// program, before the database is used.
func (db *DB) OnChange(fn func(*Tx, job.Job) error) { db.hooks = append(db.hooks, fn) }

// changed calls the hooks, and the followers once it is committed.
func (tx *Tx) changed(j job.Job) error {
	for _, h := range tx.db.hooks {
		if err := h(tx, j); err != nil {
			return err
		}
	}
	tx.AfterCommit(func() { tx.db.followers.wake(j.ID) })
	return nil
}

// Cancel stops a job of a project: a queued one at once (refund is called), a
// running one by asking its worker. A final one is a Conflict.
func (db *DB) Cancel(ctx context.Context, project int64, id job.ID, refund func(*Tx, *job.Job) error) (j job.Job, err error) {
	err = db.Write(ctx, func(tx *Tx) error {
		j, err = scanJob(tx.QueryRowContext(ctx, "SELECT "+jobColumns+" FROM jobs WHERE id = $1 AND project = $2 AND deleted_at = 0"+tx.Lock(), int64(id), project))
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return notFound("job", id)
		case err != nil:
			return err
		case j.State.Final():
			return job.Errorf(job.Conflict, "", "the job is %s already: there is nothing to cancel", j.State)
		case j.State == job.Queued:
			return tx.endJob(ctx, &j, Ending{State: job.Cancelled}, refund)
		case j.CancelAsked:
			return nil
		}
		j, err = scanJob(tx.QueryRowContext(ctx, "UPDATE jobs SET cancel_asked = 1, revision = revision + 1, updated_at = $1 WHERE id = $2 RETURNING "+jobColumns,
			millis(tx.notBefore(&j)), int64(id)))
		tx.AfterCommit(func() { db.followers.wake(id) })
		return err
	})
	if err != nil {
		return job.Job{}, err
	}
	return j, nil
}
