package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/kinora-video/kinora/internal/job"
)

// Projects share the workers by start-time fair queueing (Goyal, Vin and Cheng,
// 1996). Each project has a virtual time. Each start of a job advances it by the
// job's cost divided by the project's weight. The project with the least virtual
// time is next. A project that was idle enters at the virtual time of the busy
// ones, so it neither waits behind their jobs nor saves up turns. Within a
// project, priority goes before arrival.

// The cost of a job, in seconds of video.
const (
	minCost     = 0.25 // any job, such as one of kind Expansion
	costOfImage = 0.25 // each
)

// cost is how much the start of a job adds to its project's virtual time, before
// the division by the weight.
func cost(s *job.Spec) float64 {
	switch s.Kind {
	case job.Image:
		return costOfImage * float64(max(1, s.Count))
	case job.Video:
		return max(minCost, s.Seconds)
	}
	return minCost
}

// countQueued counts a job that arrives, and returns its number within the
// project. It locks the project's row for this transaction.
func (tx *Tx) countQueued(ctx context.Context, s *Submission) (seq int64, err error) {
	err = tx.QueryRowContext(ctx, `INSERT INTO project_load (project, queued, vtime, weight, max_running, seq)
		VALUES ($1, 1, (SELECT COALESCE(MIN(vtime), 0) FROM project_load WHERE queued > 0 OR running > 0), $2, $3, 1)
		ON CONFLICT (project) DO UPDATE SET queued = project_load.queued + 1, seq = project_load.seq + 1,
			weight = excluded.weight, max_running = excluded.max_running,
			vtime = CASE WHEN project_load.queued + project_load.running = 0 AND excluded.vtime > project_load.vtime
				THEN excluded.vtime ELSE project_load.vtime END
		RETURNING seq`, s.Job.Project, float64(max(1, s.Weight)), max(0, s.MaxRunning)).Scan(&seq)
	return seq, err
}

// move adds to the counts of a project's queued and running jobs.
func (tx *Tx) move(ctx context.Context, project int64, queued, running int) error {
	n, err := tx.Changed(ctx, "UPDATE project_load SET queued = queued + $1, running = running + $2 WHERE project = $3", queued, running, project)
	if err == nil && n != 1 {
		err = errors.New("the project of a job is not counted in project_load")
	}
	return err
}

// SetShare changes a project's weight and how many of its jobs may run at once (0
// is no bound). Both apply to queued jobs too.
func (db *DB) SetShare(ctx context.Context, project int64, weight, maxRunning int) error {
	return db.Write(ctx, func(tx *Tx) error {
		_, err := tx.ExecContext(ctx, "UPDATE project_load SET weight = $1, max_running = $2 WHERE project = $3", float64(max(1, weight)), max(0, maxRunning), project)
		return err
	})
}

// claimTries is how often Claim tries when another worker takes the job first.
const claimTries = 3

// Claim gives a worker the job whose turn it is. The job is then running, with
// one more attempt and a lease that Heartbeat renews. Claim only considers jobs
// of the named engines; an empty list means all. ok is false when there is no job
// to run.
func (db *DB) Claim(ctx context.Context, worker string, lease time.Duration, engines []string) (j job.Job, ok bool, err error) {
	for range claimTries {
		err = db.Write(ctx, func(tx *Tx) error {
			j, ok, err = tx.claim(ctx, worker, lease, engines)
			return err
		})
		if err != nil || ok || db.dialect == SQLite {
			break
		}
	}
	if err != nil || !ok {
		return job.Job{}, false, err
	}
	return j, true, nil
}

func (tx *Tx) claim(ctx context.Context, worker string, lease time.Duration, engines []string) (job.Job, bool, error) {
	none := func(err error) (job.Job, bool, error) {
		if errors.Is(err, sql.ErrNoRows) {
			err = nil
		}
		return job.Job{}, false, err
	}
	w := &where{}
	ready := w.ready(tx.now, engines)
	var project int64
	err := tx.QueryRowContext(ctx, `SELECT project FROM project_load
		WHERE queued > 0 AND (max_running = 0 OR running < max_running)
			AND EXISTS (SELECT 1 FROM jobs WHERE jobs.project = project_load.project AND `+ready+`)
		ORDER BY vtime, running, queued, project LIMIT 1`+tx.Lock(), w.args...).Scan(&project)
	if err != nil {
		return none(err)
	}
	w = &where{}
	ready = w.ready(tx.now, engines)
	var id int64
	err = tx.QueryRowContext(ctx, "SELECT id FROM jobs WHERE "+ready+" AND project = "+w.arg(project)+
		" ORDER BY priority DESC, seq LIMIT 1"+tx.db.skipLocked(), w.args...).Scan(&id)
	if err != nil {
		return none(err)
	}
	_, err = tx.ExecContext(ctx, `UPDATE project_load SET queued = queued - 1, running = running + 1,
		vtime = vtime + (SELECT cost FROM jobs WHERE id = $1) / weight WHERE project = $2`, id, project)
	if err != nil {
		return none(err)
	}
	j, err := scanJob(tx.QueryRowContext(ctx, `UPDATE jobs SET state = 'running', attempt = attempt + 1, worker = $1, lease_until = $2, run_after = 0,
		phase = 'preparing', progress = 0, left_ms = 0, started_at = `+later("created_at", "$3")+`, updated_at = `+later("updated_at", "$3")+`, revision = revision + 1
		WHERE id = $4 AND state = 'queued' RETURNING `+jobColumns, worker, millis(tx.now.Add(lease)), millis(tx.now), id))
	if err != nil {
		return none(err)
	}
	return j, true, tx.changed(j)
}

// ready is the condition that a queued job may start now.
func (w *where) ready(now time.Time, engines []string) string {
	own := &where{args: w.args}
	own.and("state = 'queued'")
	at := own.arg(millis(now))
	own.and("run_after <= " + at)
	own.and("(expires_at = 0 OR expires_at > " + at + ")")
	in(own, "engine", engines)
	w.args = own.args
	return own.String()
}
