package store

import (
	"context"
	"time"

	"github.com/kinora-video/kinora/internal/job"
)

// recentLooked is how many of the jobs that ended last RecentWork looks at.
const recentLooked = 200

// Work is what a job asked for, and how long the attempt took that ended it.
type Work struct {
	Spec job.Spec
	Took time.Duration
}

// RecentWork lists the video jobs of a local model that succeeded lately, the
// newest first, at most limit of the last recentLooked jobs of all projects. It is
// for estimates: no customer may see another's specification.
func (db *DB) RecentWork(ctx context.Context, engine string, limit int) (all []Work, err error) {
	err = db.Read(ctx, func(q Queryer) error {
		rows, err := q.QueryContext(ctx, "SELECT "+jobColumns+" FROM (SELECT "+jobColumns+", engine, deleted_at FROM jobs WHERE finished_at > 0 ORDER BY finished_at DESC LIMIT $1) AS last"+
			" WHERE engine = $2 AND state = 'succeeded' AND deleted_at = 0 ORDER BY finished_at DESC LIMIT $3", recentLooked, engine, limit)
		if err != nil {
			return err
		}
		jobs, err := collect(rows, scanJob)
		all = nil
		for _, j := range jobs {
			if took := j.FinishedAt.Sub(j.StartedAt); j.Spec.Kind == job.Video && took > 0 {
				all = append(all, Work{j.Spec, took})
			}
		}
		return err
	})
	return all, err
}

// Pending lists all projects' jobs that wait or run, at most limit: what a worker
// has to do before it is idle. It is for estimates, as RecentWork is.
func (db *DB) Pending(ctx context.Context, limit int) (jobs []job.Job, err error) {
	err = db.Read(ctx, func(q Queryer) error {
		rows, err := q.QueryContext(ctx, "SELECT "+jobColumns+" FROM jobs WHERE state = 'running' UNION ALL SELECT "+jobColumns+" FROM jobs WHERE state = 'queued' LIMIT $1", limit)
		if err != nil {
			return err
		}
		jobs, err = collect(rows, scanJob)
		return err
	})
	return jobs, err
}
