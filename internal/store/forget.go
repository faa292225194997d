package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"github.com/kinora-video/kinora/internal/job"
)

// Delete hides a final job and forgets what was asked for, in the deliveries
// that told of it too; another is a Conflict. It returns the blob keys that
// nobody needs any more.
func (db *DB) Delete(ctx context.Context, project int64, id job.ID) (keys []string, err error) {
	err = db.Write(ctx, func(tx *Tx) error {
		j, err := scanJob(tx.QueryRowContext(ctx, "SELECT "+jobColumns+" FROM jobs WHERE id = $1 AND project = $2 AND deleted_at = 0"+tx.Lock(), int64(id), project))
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return notFound("job", id)
		case err != nil:
			return err
		case !j.State.Final():
			return job.Errorf(job.Conflict, "", "the job is %s: cancel it before it is deleted", j.State)
		}
		_, err = tx.ExecContext(ctx, `UPDATE jobs SET deleted_at = $1, updated_at = $1, revision = revision + 1, spec = '{}', result = '', error = '',
			latents = '', preview = '', first_frame = '', callback = '', idempotency_key = '', request_hash = '' WHERE id = $2`, millis(tx.notBefore(&j)), int64(id))
		if err != nil {
			return err
		}
		tx.AfterCommit(func() { db.followers.wake(id) })
		keys, err = tx.forget(ctx, id, j.Spec.FirstFrame)
		return err
	})
	return keys, err
}

// ForgetJobs removes jobs that ended before a time, at most limit of them, with
// their files' rows and what deliveries still say of them. It returns the blob
// keys that nobody needs any more and how many jobs there were. What they cost
// stays in the ledger.
func (db *DB) ForgetJobs(ctx context.Context, before time.Time, limit int) (keys []string, n int, err error) {
	type old struct {
		id    job.ID
		frame string
	}
	err = db.Write(ctx, func(tx *Tx) error {
		keys, n = nil, 0
		w := &where{}
		w.and("finished_at > 0")
		w.aged("finished_at", before)
		w.and("(state <> 'succeeded' OR expires_at = 0 OR expires_at <= " + w.arg(millis(tx.now)) + ")")
		rows, err := tx.QueryContext(ctx, "SELECT id, first_frame FROM jobs WHERE "+w.String()+" ORDER BY finished_at LIMIT "+w.arg(page(limit))+tx.Lock(), w.args...)
		if err != nil {
			return err
		}
		jobs, err := collect(rows, func(row interface{ Scan(...any) error }) (o old, err error) {
			err = row.Scan(&o.id, &o.frame)
			return o, err
		})
		if err != nil {
			return err
		}
		for _, o := range jobs {
			if _, err := tx.ExecContext(ctx, "DELETE FROM jobs WHERE id = $1", int64(o.id)); err != nil {
				return err
			}
			gone, err := tx.forget(ctx, o.id, o.frame)
			if err != nil {
				return err
			}
			keys = append(keys, gone...)
		}
		n = len(jobs)
		return nil
	})
	return keys, n, err
}

// forget removes what else knows of a job whose row is emptied or gone: the
// rows of its files, and what its deliveries say of it. It returns the blob keys
// that nobody needs any more, that of its first frame among them unless another
// job starts from the same.
func (tx *Tx) forget(ctx context.Context, id job.ID, frame string) (keys []string, err error) {
	rows, err := tx.QueryContext(ctx, "DELETE FROM files WHERE job = $1 AND job > 0 RETURNING blob_key", int64(id))
	if err != nil {
		return nil, err
	}
	keys, err = collect(rows, func(row interface{ Scan(...any) error }) (key string, err error) {
		err = row.Scan(&key)
		return key, err
	})
	if err != nil {
		return nil, err
	}
	if frame != "" {
		var others int
		err := tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM (SELECT 1 FROM jobs WHERE first_frame = $1 AND first_frame <> '' LIMIT 1) AS others", frame).Scan(&others)
		if err != nil {
			return nil, err
		}
		if others == 0 {
			keys = append(keys, frame)
		}
	}
	return keys, tx.forgetTold(ctx, id)
}

// forgetTold takes what was asked for out of a job's deliveries. Those that are
// on their way go on, and say how it ended.
func (tx *Tx) forgetTold(ctx context.Context, id job.ID) error {
	type told struct {
		id       int64
		snapshot string
	}
	rows, err := tx.QueryContext(ctx, "SELECT id, snapshot FROM deliveries WHERE job = $1"+tx.Lock(), int64(id))
	if err != nil {
		return err
	}
	all, err := collect(rows, func(row interface{ Scan(...any) error }) (d told, err error) {
		err = row.Scan(&d.id, &d.snapshot)
		return d, err
	})
	if err != nil {
		return err
	}
	for _, d := range all {
		var j job.Job
		if err := json.Unmarshal([]byte(d.snapshot), &j); err != nil {
			return err
		}
		left, err := json.Marshal(forgotten(&j))
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "UPDATE deliveries SET snapshot = $1 WHERE id = $2", string(left), d.id); err != nil {
			return err
		}
	}
	return nil
}

// forgotten is what may still be told of a job that its owner deleted: that it
// was, how it went, and which files came of it, but none of its words: neither
// its owner's nor what was made of them.
func forgotten(j *job.Job) job.Job {
	s := &j.Spec
	out := job.Job{
		ID: j.ID, Project: j.Project, Key: j.Key, API: j.API, State: j.State, Priority: j.Priority, Attempt: j.Attempt, MaxAttempts: j.MaxAttempts,
		Progress: j.Progress, Price: j.Price, Sponsor: j.Sponsor, Revision: j.Revision,
		CreatedAt: j.CreatedAt, StartedAt: j.StartedAt, FinishedAt: j.FinishedAt, UpdatedAt: j.UpdatedAt, ExpiresAt: j.ExpiresAt,
		Spec: job.Spec{
			Kind: s.Kind, Model: s.Model, Engine: s.Engine, Seconds: s.Seconds, Width: s.Width, Height: s.Height, FPS: s.FPS, Count: s.Count,
			Seed: s.Seed, Steps: s.Steps, Guidance: s.Guidance, Watermark: s.Watermark, After: s.After, Join: s.Join, Resolution: s.Resolution, Ratio: s.Ratio, TaskType: s.TaskType, RemixOf: s.RemixOf,
			InputImages: s.InputImages, InputSeconds: s.InputSeconds,
		},
	}
	if j.Result != nil {
		r := *j.Result
		r.Text, r.Notes = "", nil
		out.Result = &r
	}
	if j.Error != nil {
		out.Error = &job.Error{Code: j.Error.Code, Message: "the job was deleted"}
	}
	return out
}

// ForgetDeliveries removes deliveries that are over and older than a time, at
// most limit of them, and says how many there were. Those on their way stay.
func (db *DB) ForgetDeliveries(ctx context.Context, before time.Time, limit int) (n int64, err error) {
	err = db.Write(ctx, func(tx *Tx) error {
		// The state is written out, as an index of these rows alone is used.
		w := &where{}
		w.and("state <> 'pending'")
		w.aged("created_at", before)
		n, err = tx.Changed(ctx, "DELETE FROM deliveries WHERE id IN (SELECT id FROM deliveries WHERE "+w.String()+
			" ORDER BY created_at LIMIT "+w.arg(page(limit))+tx.Lock()+")", w.args...)
		return err
	})
	return n, err
}
