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

// Places in the queue.
const (
	// MaxPosition is up to where places are counted: it means that many or more.
	MaxPosition = 1000
	// A queue that is longer than exactPositions is not read for each who asks: its
	// order may be as old as positionsAge, or positionsShare times what reading it
	// took.
	exactPositions = 200
	positionsAge   = time.Second
	positionsShare = 20
)

// Position is how many jobs will start before a queued one, by the turns of the
// projects as they are now: 0 means it is next, or does not wait, MaxPosition
// that many or more. In a long queue of several projects it is about a second
// old. Retries that are not due and bounds on what runs at once are left out of
// account.
func (db *DB) Position(ctx context.Context, id job.ID) (ahead int, err error) {
	err = db.Read(ctx, func(q Queryer) error {
		ahead, err = db.order.position(ctx, q, id)
		return err
	})
	return ahead, err
}

// order is the order in which queued jobs will start, as it was a moment ago. A
// job starts at a virtual time: that of its project now, and what the project's
// jobs before it add to it.
type order struct {
	mu     sync.Mutex
	until  time.Time      // when it is to be read again
	starts []float64      // virtual times of the next MaxPosition starts, ascending
	places map[job.ID]int // of the jobs that they are of
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
	place, known := o.places[id]
	switch {
	case known:
	case len(o.starts) == MaxPosition && start >= o.starts[MaxPosition-1]:
		return MaxPosition, nil
	default: // it came since
		place = sort.SearchFloat64s(o.starts, start)
	}
	gone := sort.SearchFloat64s(o.starts, now) // starts that have happened since
	return max(0, place-gone), nil
}

// inProject counts a project's jobs that go before one of them, up to MaxPosition,
// and adds up their cost to the virtual time at which that one starts. An index
// has all that it reads of the others.
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

// turn is a start that will be. Its fields are those that Claim orders projects by,
// as they will be before that start.
type turn struct {
	id              job.ID
	vtime           float64
	running, queued int
	project         int64
}

func (a turn) compare(b turn) int {
	return cmp.Or(cmp.Compare(a.vtime, b.vtime), cmp.Compare(a.running, b.running), cmp.Compare(a.queued, b.queued), cmp.Compare(a.project, b.project))
}

// read reads the whole queue, and keeps its next MaxPosition starts.
func (o *order) read(ctx context.Context, q Queryer) error {
	rows, err := q.QueryContext(ctx, `SELECT id, jobs.project, cost, vtime, weight, running, queued FROM jobs JOIN project_load ON project_load.project = jobs.project
		WHERE state = 'queued' ORDER BY jobs.project, priority DESC, jobs.seq`)
	if err != nil {
		return err
	}
	defer rows.Close()
	var all []turn
	var next turn // of the project that is being read
	for rows.Next() {
		var t turn
		var cost, weight float64
		if err := rows.Scan(&t.id, &t.project, &cost, &t.vtime, &weight, &t.running, &t.queued); err != nil {
			return err
		}
		if len(all) > 0 && t.project == next.project {
			t.vtime, t.running, t.queued = next.vtime, next.running, next.queued
		}
		all = append(all, t)
		next = turn{project: t.project, vtime: t.vtime + cost/weight, running: t.running + 1, queued: t.queued - 1}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	slices.SortFunc(all, turn.compare)
	all = all[:min(len(all), MaxPosition)]
	o.starts, o.places = make([]float64, len(all)), make(map[job.ID]int, len(all))
	for n, t := range all {
		o.starts[n], o.places[t.id] = t.vtime, n
	}
	return nil
}
