package store

import (
	"cmp"
	"container/heap"
	"context"
	"database/sql"
	"errors"
	"sort"
	"sync"
	"time"

	"github.com/kinora-video/kinora/internal/job"
)

// Places in the queue.
const (
	// MaxPosition is up to where places are counted: it means that many or more.
	MaxPosition = 1000
	// A queue of several projects that is longer than exactPositions is played
	// through once in positionsAge, and not for each who asks.
	exactPositions = 200
	positionsAge   = time.Second
	// firstPage is how many jobs of a project are read at first; each further
	// page doubles what was read.
	firstPage = 32
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

// place is where a job waits within its project.
type place struct {
	project             int64
	rank                int // how many of the project's go before it; MaxPosition is that many or more
	vtime, weight, cost float64
}

func (o *order) position(ctx context.Context, q Queryer, id job.ID) (int, error) {
	p, err := placeOf(ctx, q, id)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	var projects, queued int
	var front float64
	err = q.QueryRowContext(ctx, "SELECT COUNT(*), CAST(COALESCE(SUM(queued), 0) AS BIGINT), COALESCE(MIN(vtime), 0) FROM project_load WHERE queued > 0").
		Scan(&projects, &queued, &front)
	switch {
	case err != nil:
		return 0, err
	case projects <= 1 || p.rank >= MaxPosition:
		return p.rank, nil
	case queued > exactPositions:
		return o.about(ctx, q, &p, front)
	}
	all, err := turns(ctx, q, queued)
	if err != nil {
		return 0, err
	}
	if err := whole(ctx, q, all); err != nil {
		return 0, err
	}
	starts, err := play(all, queued, nil)
	for n, s := range starts {
		if s.id == id {
			return n, err
		}
	}
	return 0, err
}

// placeOf looks a job up, and counts, on an index alone, what goes before it.
func placeOf(ctx context.Context, q Queryer, id job.ID) (p place, err error) {
	var priority, seq int64
	err = q.QueryRowContext(ctx, `SELECT jobs.project, priority, jobs.seq, cost, vtime, weight FROM jobs JOIN project_load ON project_load.project = jobs.project
		WHERE id = $1 AND state = 'queued'`, id).Scan(&p.project, &priority, &seq, &p.cost, &p.vtime, &p.weight)
	if err != nil {
		return p, err
	}
	err = q.QueryRowContext(ctx, `SELECT
		(SELECT COUNT(*) FROM (SELECT 1 AS one FROM jobs WHERE state = 'queued' AND project = $1 AND priority > $2 LIMIT $4) AS above) +
		(SELECT COUNT(*) FROM (SELECT 1 AS one FROM jobs WHERE state = 'queued' AND project = $1 AND priority = $2 AND seq < $3 LIMIT $4) AS earlier)`,
		p.project, priority, seq, MaxPosition).Scan(&p.rank)
	p.rank = min(p.rank, MaxPosition)
	return p, err
}

// order is how a long queue will go on, as it was a moment ago.
type order struct {
	mu     sync.Mutex
	made   time.Time
	vtimes []float64         // of the next MaxPosition starts, one after the other
	of     map[int64]*starts // by project
}

// starts are those of one project.
type starts struct {
	places []int     // among all
	vtimes []float64 // the project's before each
	next   float64   // and after them
	rest   bool      // it has further jobs, which start later than all those noted
}

// about is a job's place by the order of a moment ago: that of the project's
// start whose turn it is, or, for a job that came since, where its virtual time
// falls. front is the virtual time that the queue has reached meanwhile.
func (o *order) about(ctx context.Context, q Queryer, p *place, front float64) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.of == nil || time.Since(o.made) > positionsAge {
		if err := o.make(ctx, q); err != nil {
			return 0, err
		}
	}
	gone := sort.SearchFloat64s(o.vtimes, front) // starts that were noted and have happened
	after, own := p.vtime, p.rank
	if mine := o.of[p.project]; mine != nil {
		turn := p.rank + sort.SearchFloat64s(mine.vtimes, p.vtime)
		switch {
		case turn < len(mine.places):
			return max(0, mine.places[turn]-gone), nil
		case mine.rest:
			return MaxPosition, nil
		}
		after, own = mine.next, turn-len(mine.places)
	}
	at := sort.SearchFloat64s(o.vtimes, after+float64(own)*p.cost/p.weight)
	if at == MaxPosition {
		return MaxPosition, nil
	}
	return min(MaxPosition, max(0, at-gone)+own), nil
}

// make plays the next starts through, and reads no more than they take.
func (o *order) make(ctx context.Context, q Queryer) error {
	all, err := turns(ctx, q, MaxPosition)
	if err != nil {
		return err
	}
	list, err := play(all, MaxPosition, func(t *turn) error { return t.more(ctx, q) })
	if err != nil {
		return err
	}
	o.made, o.vtimes, o.of = time.Now(), make([]float64, len(list)), map[int64]*starts{}
	for n, s := range list {
		o.vtimes[n] = s.vtime
		mine := o.of[s.project]
		if mine == nil {
			mine = &starts{}
			o.of[s.project] = mine
		}
		mine.places, mine.vtimes = append(mine.places, n), append(mine.vtimes, s.vtime)
	}
	for _, t := range all {
		if mine := o.of[t.project]; mine != nil {
			mine.next, mine.rest = t.vtime, t.queued > 0
		}
	}
	return nil
}

// turn is a project in the order of starting.
type turn struct {
	project         int64
	vtime, weight   float64
	running, queued int
	jobs            []waiting // in the order within the project
	read            int       // how many were read, those that started included
}

type waiting struct {
	id   job.ID
	cost float64
}

// turns reads the projects that are next. No more of them than most have a part
// in the next most starts.
func turns(ctx context.Context, q Queryer, most int) ([]*turn, error) {
	rows, err := q.QueryContext(ctx, "SELECT project, vtime, weight, running, queued FROM project_load WHERE queued > 0 ORDER BY vtime, running, queued, project LIMIT $1", most)
	if err != nil {
		return nil, err
	}
	return collect(rows, func(row interface{ Scan(...any) error }) (*turn, error) {
		t := &turn{}
		return t, row.Scan(&t.project, &t.vtime, &t.weight, &t.running, &t.queued)
	})
}

// whole reads all that wait.
func whole(ctx context.Context, q Queryer, all []*turn) error {
	of := map[int64]*turn{}
	for _, t := range all {
		of[t.project] = t
	}
	rows, err := q.QueryContext(ctx, "SELECT project, id, cost FROM jobs WHERE state = 'queued' ORDER BY project, priority DESC, seq")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var project int64
		var w waiting
		if err := rows.Scan(&project, &w.id, &w.cost); err != nil {
			return err
		}
		if t := of[project]; t != nil {
			t.jobs = append(t.jobs, w)
		}
	}
	return rows.Err()
}

// more reads the project's next page.
func (t *turn) more(ctx context.Context, q Queryer) error {
	rows, err := q.QueryContext(ctx, "SELECT id, cost FROM jobs WHERE state = 'queued' AND project = $1 ORDER BY priority DESC, seq LIMIT $2 OFFSET $3",
		t.project, max(firstPage, t.read), t.read)
	if err != nil {
		return err
	}
	t.jobs, err = collect(rows, func(row interface{ Scan(...any) error }) (w waiting, err error) {
		return w, row.Scan(&w.id, &w.cost)
	})
	t.read += len(t.jobs)
	return err
}

// start is one that will be.
type start struct {
	id      job.ID
	project int64
	vtime   float64 // the project's before it
}

// play plays at most so many starts through, as if each job that starts ran on.
// more reads further jobs of a project that has none left; nil is for projects
// that were read whole.
func play(projects []*turn, most int, more func(*turn) error) ([]start, error) {
	h := make(turnHeap, len(projects))
	copy(h, projects)
	heap.Init(&h)
	var out []start
	for len(h) > 0 && len(out) < most {
		t := h[0]
		if len(t.jobs) == 0 && more != nil {
			if err := more(t); err != nil {
				return nil, err
			}
		}
		if len(t.jobs) == 0 {
			heap.Pop(&h)
			continue
		}
		out = append(out, start{t.jobs[0].id, t.project, t.vtime})
		t.vtime += t.jobs[0].cost / t.weight
		t.jobs = t.jobs[1:]
		t.running, t.queued = t.running+1, t.queued-1
		heap.Fix(&h, 0)
	}
	return out, nil
}

// turnHeap has the project on top whose turn it is, as claim's ORDER BY does.
type turnHeap []*turn

func (h turnHeap) Len() int { return len(h) }
func (h turnHeap) Less(i, j int) bool {
	a, b := h[i], h[j]
	return cmp.Or(cmp.Compare(a.vtime, b.vtime), cmp.Compare(a.running, b.running), cmp.Compare(a.queued, b.queued), cmp.Compare(a.project, b.project)) < 0
}
func (h turnHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Push is never called: projects only leave.
func (h *turnHeap) Push(x any) { *h = append(*h, x.(*turn)) }

// Pop takes the last.
func (h *turnHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
