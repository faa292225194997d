package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"slices"
	"sort"
	"sync"
	"time"

	"github.com/kinora-video/kinora/internal/job"
)

// Limits of positions in the queue.
const (
	// MaxPosition is the highest position that is counted; it means that many or
	// more.
	MaxPosition = 1000
	// A queue of more than exactPositions jobs is not read for every caller: its
	// order is cached for positionsAge, or for positionsShare times as long as
	// reading it took, whichever is longer.
	exactPositions = 200
	positionsAge   = time.Second
	positionsShare = 20
)

// Position is how many jobs will start before a queued one, if the projects'
// virtual times stay as they are. 0 means that the job is next or is not queued;
// MaxPosition means that many or more. In a long queue of several projects the
// answer is about a second old. It ignores retries that are not due and bounds on
// running jobs.
func (db *DB) Position(ctx context.Context, id job.ID) (ahead int, err error) {
	err = db.Read(ctx, func(q Queryer) error {
		ahead, err = db.order.position(ctx, q, id)
		return err
	})
	return ahead, err
}

// order is a cached order in which queued jobs will start. A job's start has a
// virtual time: its project's present virtual time plus what the project's jobs
// before it add.
type order struct {
	mu        sync.Mutex
	until     time.Time      // when it must be read again
	starts    []float64      // virtual times of the next MaxPosition starts, ascending
	positions map[job.ID]int // the position of each of these jobs
}

func (o *order) position(ctx context.Context, q Queryer, id job.ID) (int, error) {
	behind, start, err := inProject(ctx, q, id)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	if err != nil || behind >= MaxPosition {
		return behind, err
	}
	var projects, queued int
	var now float64
	err = q.QueryRowContext(ctx, "SELECT COUNT(*), CAST(COALESCE(SUM(queued), 0) AS BIGINT), COALESCE(MIN(vtime), 0) FROM project_load WHERE queued > 0").
		Scan(&projects, &queued, &now)
	if err != nil || projects <= 1 {
		return behind, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if began := time.Now(); queued <= exactPositions || began.After(o.until) {
		if err := o.read(ctx, q); err != nil {
			return 0, err
		}
		o.until = time.Now().Add(max(positionsAge, positionsShare*time.Since(began)))
	}
	position, known := o.positions[id]
	switch {
	case known:
	case len(o.starts) == MaxPosition && start >= o.starts[MaxPosition-1]:
		return MaxPosition, nil
	default: // the job arrived after the order was read
		position = sort.SearchFloat64s(o.starts, start)
	}
	gone := sort.SearchFloat64s(o.starts, now) // starts that have happened since the order was read
	return max(0, position-gone), nil
}

// inProject counts a project's jobs that go before one of its jobs, up to
// MaxPosition, and returns the virtual time at which that one starts. An index
// covers all columns that it reads of the other jobs.
func inProject(ctx context.Context, q Queryer, id job.ID) (behind int, start float64, err error) {
	var project, priority, seq int64
	var vtime, weight, cost float64
	err = q.QueryRowContext(ctx, `SELECT jobs.project, priority, jobs.seq, vtime, weight FROM jobs JOIN project_load ON project_load.project = jobs.project
		WHERE id = $1 AND state = 'queued'`, id).Scan(&project, &priority, &seq, &vtime, &weight)
	if err != nil {
		return 0, 0, err
	}
	err = q.QueryRowContext(ctx, `SELECT COUNT(*), COALESCE(SUM(cost), 0) FROM (
			SELECT cost FROM jobs WHERE state = 'queued' AND project = $1 AND priority > $2
			UNION ALL SELECT cost FROM jobs WHERE state = 'queued' AND project = $1 AND priority = $2 AND seq < $3
			LIMIT $4) AS before`, project, priority, seq, MaxPosition).Scan(&behind, &cost)
	return behind, vtime + cost/weight, err
}

// queuedStart is a future start of a job. Its fields are those that Claim orders
// projects by, as they will be just before that start.
type queuedStart struct {
	id              job.ID
	vtime           float64
	running, queued int
	project         int64
}

func (a queuedStart) compare(b queuedStart) int {
	return cmp.Or(cmp.Compare(a.vtime, b.vtime), cmp.Compare(a.running, b.running), cmp.Compare(a.queued, b.queued), cmp.Compare(a.project, b.project))
}

// read reads the whole queue and stores its next MaxPosition starts.
func (o *order) read(ctx context.Context, q Queryer) error {
	rows, err := q.QueryContext(ctx, `SELECT id, jobs.project, cost, vtime, weight, running, queued FROM jobs JOIN project_load ON project_load.project = jobs.project
		WHERE state = 'queued' ORDER BY jobs.project, priority DESC, jobs.seq`)
	if err != nil {
		return err
	}
	defer rows.Close()
	var all []queuedStart
	var next queuedStart // of the project that is being read
	for rows.Next() {
		var t queuedStart
		var cost, weight float64
		if err := rows.Scan(&t.id, &t.project, &cost, &t.vtime, &weight, &t.running, &t.queued); err != nil {
			return err
		}
		if len(all) > 0 && t.project == next.project {
			t.vtime, t.running, t.queued = next.vtime, next.running, next.queued
		}
		all = append(all, t)
		next = queuedStart{project: t.project, vtime: t.vtime + cost/weight, running: t.running + 1, queued: t.queued - 1}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	slices.SortFunc(all, queuedStart.compare)
	all = all[:min(len(all), MaxPosition)]
	o.starts, o.positions = make([]float64, len(all)), make(map[job.ID]int, len(all))
	for n, t := range all {
		o.starts[n], o.positions[t.id] = t.vtime, n
	}
	return nil
}
