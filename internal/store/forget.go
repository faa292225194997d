package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"github.com/kinora-video/kinora/internal/job"
)

// Delete hides a final job and erases its prompt and other inputs, also from the
// deliveries that reported it. A job that is not final is a Conflict. Delete
// returns the blob keys that are no longer needed.
func (db *DB) Delete(ctx context.Context, project int64, id job.ID) (keys []string, err error) {
	err = db.Write(ctx, func(tx *Tx) error {
		j, err := scanJob(tx.QueryRowContext(ctx, "SELECT "+jobColumns+" FROM jobs WHERE id = $1 AND project = $2 AND deleted_at = 0"+tx.Lock(), int64(id), project))
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return notFound("job", id)
		case err != nil:
			return err
		case !j.State.Final():
			return job.Errorf(job.Conflict, "", "the job is %s: cancel it before you delete it", j.State)
		}
		_, err = tx.ExecContext(ctx, `UPDATE jobs SET deleted_at = $1, updated_at = $1, revision = revision + 1, spec = '{}', result = '', error = '',
			latents = '', preview = '', tags = '', words = '', starred = 0, first_frame = '', narration = '', sound = '', callback = '', idempotency_key = '', request_hash = '' WHERE id = $2`, millis(tx.notBefore(&j)), int64(id))
		if err != nil {
			return err
		}
		tx.AfterCommit(func() { db.followers.wake(project, id) })
		keys, err = tx.forget(ctx, id, j.Spec.FirstFrame, narrationKey(&j.Spec), soundKey(&j.Spec))
		return err
	})
	return keys, err
}

// ForgetJobs removes at most limit jobs that ended before a time, with the rows
// of their files and their data in deliveries. It returns the blob keys that are
// no longer needed and the number of jobs. Their charges stay in the ledger.
func (db *DB) ForgetJobs(ctx context.Context, before time.Time, limit int) (keys []string, n int, err error) {
	type old struct {
		id                      job.ID
		frame, narration, sound string
	}
	err = db.Write(ctx, func(tx *Tx) error {
		keys, n = nil, 0
		w := &where{}
		w.and("finished_at > 0")
		w.aged("finished_at", before)
		w.and("(state <> 'succeeded' OR expires_at = 0 OR expires_at <= " + w.arg(millis(tx.now)) + ")")
		rows, err := tx.QueryContext(ctx, "SELECT id, first_frame, narration, sound FROM jobs WHERE "+w.String()+" ORDER BY finished_at LIMIT "+w.arg(page(limit))+tx.Lock(), w.args...)
		if err != nil {
			return err
		}
		jobs, err := collect(rows, func(row interface{ Scan(...any) error }) (o old, err error) {
			err = row.Scan(&o.id, &o.frame, &o.narration, &o.sound)
			return o, err
		})
		if err != nil {
			return err
		}
		for _, o := range jobs {
			if _, err := tx.ExecContext(ctx, "DELETE FROM jobs WHERE id = $1", int64(o.id)); err != nil {
				return err
			}
			gone, err := tx.forget(ctx, o.id, o.frame, o.narration, o.sound)
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

// forget removes the other traces of a job whose row is emptied or deleted: the
// rows of its files, and its data in deliveries. It returns the blob keys that
// are no longer needed. The first frame's key is among them unless another job
// starts from the same frame. No two jobs share a narration or a sound.
func (tx *Tx) forget(ctx context.Context, id job.ID, frame, narration, sound string) (keys []string, err error) {
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
	for _, key := range []string{narration, sound} {
		if key != "" {
			keys = append(keys, key)
		}
	}
	return keys, tx.redactDeliveries(ctx, id)
}

// narrationKey is the blob key of a spec's narration, or "".
func narrationKey(s *job.Spec) string {
	if s.Narration == nil {
		return ""
	}
	return s.Narration.Key
}

// soundKey is the blob key of a spec's track, or "".
func soundKey(s *job.Spec) string {
	if s.Sound == nil {
		return ""
	}
	return s.Sound.Key
}

// redactDeliveries removes what the customer asked for from a job's deliveries.
// Pending deliveries are still sent and say how the job ended.
func (tx *Tx) redactDeliveries(ctx context.Context, id job.ID) error {
	type delivered struct {
		id       int64
		snapshot string
	}
	rows, err := tx.QueryContext(ctx, "SELECT id, snapshot FROM deliveries WHERE job = $1"+tx.Lock(), int64(id))
	if err != nil {
		return err
	}
	all, err := collect(rows, func(row interface{ Scan(...any) error }) (d delivered, err error) {
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
		left, err := json.Marshal(redacted(&j))
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "UPDATE deliveries SET snapshot = $1 WHERE id = $2", string(left), d.id); err != nil {
			return err
		}
	}
	return nil
}

// redacted is the part of a deleted job that deliveries may still show: its
// state, times, settings and files, but no text, neither its owner's nor
// generated text.
func redacted(j *job.Job) job.Job {
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

// ForgetDeliveries removes at most limit finished deliveries older than a time,
// and returns how many. Pending deliveries stay.
func (db *DB) ForgetDeliveries(ctx context.Context, before time.Time, limit int) (n int64, err error) {
	err = db.Write(ctx, func(tx *Tx) error {
		// The state is a literal, so that the partial index of these rows is
		// used.
		w := &where{}
		w.and("state <> 'pending'")
		w.aged("created_at", before)
		n, err = tx.Changed(ctx, "DELETE FROM deliveries WHERE id IN (SELECT id FROM deliveries WHERE "+w.String()+
			" ORDER BY created_at LIMIT "+w.arg(page(limit))+tx.Lock()+")", w.args...)
		return err
	})
	return n, err
}
