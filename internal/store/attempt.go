package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/kinora-video/kinora/internal/job"
)

// Heartbeat is what a worker reports of its attempt while it runs.
type Heartbeat struct {
	Phase    string
	Progress float64       // 0 to 1
	Left     time.Duration // expected until the end; 0 when unknown
	Preview  string        // blob key of the latest preview; "" for no new one
}

// Heartbeat renews the lease of an attempt and writes its progress. It reports
// whether the job's owner asked to cancel the job. The error is job.ErrLate if
// the attempt is over.
func (db *DB) Heartbeat(ctx context.Context, id job.ID, attempt int, lease time.Duration, b Heartbeat) (cancelAsked bool, err error) {
	var asked, project int64
	err = db.Write(ctx, func(tx *Tx) error {
		tx.AfterCommit(func() { db.followers.wake(project, id) })
		err := tx.QueryRowContext(ctx, `UPDATE jobs SET lease_until = $1, phase = $2, progress = $3, left_ms = $4,
			preview = CASE WHEN $5 = '' THEN preview ELSE $5 END, updated_at = `+later("updated_at", "$6")+`, revision = revision + 1
			WHERE id = $7 AND attempt = $8 AND state = 'running' RETURNING cancel_asked, project`,
			millis(tx.now.Add(lease)), b.Phase, b.Progress, b.Left.Milliseconds(), b.Preview, millis(tx.now), int64(id), attempt).Scan(&asked, &project)
		return late(err)
	})
	return asked != 0, err
}

// KeepLatents writes the blob key of a job's sampled latents into its row, so
// that another attempt can go on from them. "" removes the key.
func (db *DB) KeepLatents(ctx context.Context, id job.ID, attempt int, key string) error {
	return db.Write(ctx, func(tx *Tx) error {
		n, err := tx.Changed(ctx, "UPDATE jobs SET latents = $1, updated_at = "+later("updated_at", "$2")+" WHERE id = $3 AND attempt = $4 AND state = 'running'",
			key, millis(tx.now), int64(id), attempt)
		if err == nil && n == 0 {
			err = job.ErrLate
		}
		return err
	})
}

// late turns sql.ErrNoRows into job.ErrLate: the row is no longer in the state
// that the statement asked for.
func late(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return job.ErrLate
	}
	return err
}

// Ending is how a job ended.
type Ending struct {
	State  job.State   // a final one
	Result *job.Result // of a job that succeeded
	Error  *job.Error  // of one that failed
	// Keep is how long the files of the result are kept; 0 is for ever.
	Keep time.Duration
}

// Finish ends an attempt and its job. settle, which may be nil, runs in the same
// transaction after the change: it adds the result's files, and charges or
// refunds. The error is job.ErrLate if the attempt is over; then nothing was
// changed, and the caller throws its result away.
func (db *DB) Finish(ctx context.Context, id job.ID, attempt int, o Ending, settle func(*Tx, *job.Job) error) (j job.Job, err error) {
	if !job.Running.CanBecome(o.State) || !o.State.Final() {
		return job.Job{}, fmt.Errorf("finish job %s: %q is not how a running job ends", id, o.State)
	}
	err = db.Write(ctx, func(tx *Tx) error {
		j, err = tx.attempt(ctx, id, attempt)
		if err != nil {
			return err
		}
		return tx.endJob(ctx, &j, o, settle)
	})
	if err != nil {
		return job.Job{}, err
	}
	return j, nil
}

// attempt reads and locks a job that is running with this attempt number.
func (tx *Tx) attempt(ctx context.Context, id job.ID, attempt int) (job.Job, error) {
	j, err := scanJob(tx.QueryRowContext(ctx, "SELECT "+jobColumns+" FROM jobs WHERE id = $1 AND attempt = $2 AND state = 'running'"+tx.Lock(), int64(id), attempt))
	return j, late(err)
}

// endJob ends a job that this transaction has locked, and calls settle.
func (tx *Tx) endJob(ctx context.Context, j *job.Job, o Ending, settle func(*Tx, *job.Job) error) error {
	result, err := encode(o.Result)
	if err != nil {
		return err
	}
	failure, err := encode(o.Error)
	if err != nil {
		return err
	}
	from, progress, now := j.State, j.Progress, tx.notBefore(j)
	var expires int64
	if o.Keep > 0 {
		expires = millis(now.Add(o.Keep))
	}
	if o.State == job.Succeeded {
		progress = 1
	}
	*j, err = scanJob(tx.QueryRowContext(ctx, `UPDATE jobs SET state = $1, result = $2, error = $3, progress = $4, phase = '', left_ms = 0,
		lease_until = 0, run_after = 0, latents = '', preview = '', finished_at = $5, updated_at = $5, expires_at = $6, revision = revision + 1
		WHERE id = $7 AND attempt = $8 AND state = $9 RETURNING `+jobColumns,
		string(o.State), result, failure, progress, millis(now), expires, int64(j.ID), j.Attempt, string(from)))
	if err != nil {
		return late(err)
	}
	queued, running := 0, -1
	if from == job.Queued {
		queued, running = -1, 0
	}
	if err := tx.move(ctx, j.Project, queued, running); err != nil {
		return err
	}
	if settle != nil {
		if err := settle(tx, j); err != nil {
			return err
		}
	}
	return tx.changed(*j)
}

// Retry ends an attempt that failed and queues the job again; it starts once
// after has passed. If the job's owner asked to cancel it, the job is cancelled
// instead. If its attempts are used up, it fails with job.PastAttempts and the
// message of cause. In both cases refund is called. The error is job.ErrLate if
// the attempt was over already.
func (db *DB) Retry(ctx context.Context, id job.ID, attempt int, cause *job.Error, after time.Duration, refund func(*Tx, *job.Job) error) (j job.Job, err error) {
	err = db.Write(ctx, func(tx *Tx) error {
		if j, err = tx.attempt(ctx, id, attempt); err != nil {
			return err
		}
		return tx.requeue(ctx, &j, cause, tx.now.Add(after), 0, refund)
	})
	if err != nil {
		return job.Job{}, err
	}
	return j, nil
}

// Release gives back a job that a worker cannot finish because the worker is
// stopped. The job is queued again, and the attempt does not count: one more is
// allowed. (Attempt numbers identify attempts, so the number is not used again.)
func (db *DB) Release(ctx context.Context, id job.ID, attempt int, refund func(*Tx, *job.Job) error) (j job.Job, err error) {
	err = db.Write(ctx, func(tx *Tx) error {
		if j, err = tx.attempt(ctx, id, attempt); err != nil {
			return err
		}
		return tx.requeue(ctx, &j, nil, tx.now, 1, refund)
	})
	if err != nil {
		return job.Job{}, err
	}
	return j, nil
}

// requeue queues a job again that this transaction has locked. The job starts at
// the time at or later, and may have this many more attempts. A job ends instead
// if its owner asked to cancel it or its attempts are used up.
func (tx *Tx) requeue(ctx context.Context, j *job.Job, cause *job.Error, at time.Time, more int, refund func(*Tx, *job.Job) error) error {
	if j.CancelAsked {
		return tx.endJob(ctx, j, Ending{State: job.Cancelled}, refund)
	}
	if j.Attempt >= j.MaxAttempts+more {
		why := "the worker that ran it was lost"
		if cause != nil {
			why = cause.Message
		}
		e := job.Errorf(job.PastAttempts, "", "it was tried %d times and is not tried again; the last error: %s", j.Attempt, why)
		return tx.endJob(ctx, j, Ending{State: job.Failed, Error: e}, refund)
	}
	var err error
	*j, err = scanJob(tx.QueryRowContext(ctx, `UPDATE jobs SET state = 'queued', worker = '', lease_until = 0, run_after = $1, phase = '', progress = 0, preview = '',
		left_ms = 0, max_attempts = max_attempts + $2, updated_at = $3, revision = revision + 1
		WHERE id = $4 AND attempt = $5 AND state = 'running' RETURNING `+jobColumns,
		millis(at), more, millis(tx.notBefore(j)), int64(j.ID), j.Attempt))
	if err != nil {
		return late(err)
	}
	if err := tx.move(ctx, j.Project, 1, -1); err != nil {
		return err
	}
	if !at.After(tx.now) {
		at = time.Time{}
	}
	tx.EnqueueTicket(at)
	return tx.changed(*j)
}

// Bounds of one Reap.
const (
	maxReaped  = 200 // jobs of each kind; the next Reap does the rest
	maxTickets = 64  // waiting tickets; one ticket runs any number of jobs
)

// Reap looks after jobs that no worker looks after. Jobs whose lease ran out by
// now are queued again (or end, as with Retry). Queued jobs that waited past
// their ExpiresAt expire. If more jobs are due than tickets wait, Reap makes
// tickets. Any process may call it, at any time.
func (db *DB) Reap(ctx context.Context, now time.Time, refund func(*Tx, *job.Job) error) (requeued, failed, expired int, err error) {
	if some, err := db.somethingToReap(ctx, now); err != nil || !some {
		return 0, 0, 0, err
	}
	lost, err := db.due(ctx, "SELECT id, attempt FROM jobs WHERE state = 'running' AND lease_until <= $1 ORDER BY lease_until LIMIT $2", now)
	if err != nil {
		return 0, 0, 0, err
	}
	for _, d := range lost {
		var j job.Job
		err := db.Write(ctx, func(tx *Tx) error {
			var err error
			j, err = scanJob(tx.QueryRowContext(ctx, "SELECT "+jobColumns+" FROM jobs WHERE id = $1 AND attempt = $2 AND state = 'running' AND lease_until <= $3"+tx.Lock(),
				int64(d.id), d.attempt, millis(now)))
			if err != nil {
				return late(err) // it was renewed or finished meanwhile
			}
			return tx.requeue(ctx, &j, nil, tx.now, 0, refund)
		})
		switch {
		case errors.Is(err, job.ErrLate):
		case err != nil:
			return requeued, failed, expired, err
		case j.State == job.Queued:
			requeued++
		default:
			failed++
		}
	}
	waited, err := db.due(ctx, "SELECT id, attempt FROM jobs WHERE state = 'queued' AND expires_at > 0 AND expires_at <= $1 ORDER BY expires_at LIMIT $2", now)
	if err != nil {
		return requeued, failed, expired, err
	}
	for _, d := range waited {
		err := db.Write(ctx, func(tx *Tx) error {
			j, err := scanJob(tx.QueryRowContext(ctx, "SELECT "+jobColumns+" FROM jobs WHERE id = $1 AND state = 'queued' AND expires_at > 0 AND expires_at <= $2"+tx.Lock(),
				int64(d.id), millis(now)))
			if err != nil {
				return late(err)
			}
			return tx.endJob(ctx, &j, Ending{State: job.Expired, Error: tooLate(&j)}, refund)
		})
		if err != nil && !errors.Is(err, job.ErrLate) {
			return requeued, failed, expired, err
		}
		if err == nil {
			expired++
		}
	}
	return requeued, failed, expired, db.topUp(ctx, now)
}

// somethingToReap reports with one query whether Reap has anything to do. An idle
// server runs no other.
func (db *DB) somethingToReap(ctx context.Context, now time.Time) (some bool, err error) {
	err = db.Read(ctx, func(q Queryer) error {
		return q.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM jobs WHERE state = 'running' AND lease_until <= $1)
			OR EXISTS (SELECT 1 FROM jobs WHERE state = 'queued')`, millis(now)).Scan(&some)
	})
	return some, err
}

// tooLate says why a job expires.
func tooLate(j *job.Job) *job.Error {
	switch j.Attempt {
	case 0:
		return job.Errorf(job.IsExpired, "", "it waited past its time limit without being started")
	case 1:
		return job.Errorf(job.IsExpired, "", "it was started once but did not finish, and then waited past its time limit for another attempt")
	}
	return job.Errorf(job.IsExpired, "", "it was started %d times but did not finish, and then waited past its time limit for another attempt", j.Attempt)
}

type dueJob struct {
	id      job.ID
	attempt int
}

func (db *DB) due(ctx context.Context, query string, now time.Time) (out []dueJob, err error) {
	err = db.Read(ctx, func(q Queryer) error {
		rows, err := q.QueryContext(ctx, query, millis(now), maxReaped)
		if err != nil {
			return err
		}
		out, err = collect(rows, func(row interface{ Scan(...any) error }) (d dueJob, err error) {
			err = row.Scan(&d.id, &d.attempt)
			return d, err
		})
		return err
	})
	return out, err
}

// topUp makes tickets if more jobs are due than tickets wait.
func (db *DB) topUp(ctx context.Context, now time.Time) error {
	var missing int
	err := db.Read(ctx, func(q Queryer) error {
		w := &where{}
		ready := w.ready(now, nil)
		return q.QueryRowContext(ctx, `SELECT COUNT(*) FROM (SELECT 1 FROM jobs WHERE `+ready+` AND EXISTS (SELECT 1 FROM project_load
			WHERE project_load.project = jobs.project AND (max_running = 0 OR running < max_running)) LIMIT `+w.arg(maxTickets)+`) AS due`, w.args...).Scan(&missing)
	})
	if err != nil || missing == 0 {
		return err
	}
	tickets, err := db.ticketsWaiting(ctx)
	if err != nil {
		return err
	}
	missing -= tickets
	return db.Write(ctx, func(tx *Tx) error {
		for range missing {
			tx.EnqueueTicket(time.Time{})
		}
		return nil
	})
}
