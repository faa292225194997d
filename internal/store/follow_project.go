package store

import (
	"context"
	"sync"

	"github.com/kinora-video/kinora/internal/job"
)

// Changes are the jobs of a project that changed in this process since they were
// taken.
type Changes struct {
	// C receives a value when there is something to take.
	C <-chan struct{}

	c   chan struct{}
	mu  sync.Mutex
	ids map[job.ID]bool
}

// Take returns the changed jobs, each once, and forgets them. A job that was
// deleted is one of them.
func (c *Changes) Take() []job.ID {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make([]job.ID, 0, len(c.ids))
	for id := range c.ids {
		out = append(out, id)
	}
	clear(c.ids)
	return out
}

func (c *Changes) add(id job.ID) {
	c.mu.Lock()
	c.ids[id] = true
	c.mu.Unlock()
	select {
	case c.c <- struct{}{}:
	default: // it has one already
	}
}

// FollowProject returns the changes in this process of all jobs of a project.
// Changes by other processes are not seen: compare InFlight from time to time. The
// caller must call stop in the end.
func (db *DB) FollowProject(project int64) (changes *Changes, stop func()) {
	c := make(chan struct{}, 1)
	changes = &Changes{C: c, c: c, ids: map[job.ID]bool{}}
	f := &db.followers
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.in == nil {
		f.in = map[int64]map[*Changes]bool{}
	}
	if f.in[project] == nil {
		f.in[project] = map[*Changes]bool{}
	}
	f.in[project][changes] = true
	return changes, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.in[project], changes)
		if len(f.in[project]) == 0 {
			delete(f.in, project)
		}
	}
}

// Standing is how a job stands that waits or runs.
type Standing struct {
	ID       job.ID
	State    job.State
	Revision int64
}

// InFlight lists a project's jobs that wait or run, at most MaxPage of each,
// without an order.
func (db *DB) InFlight(ctx context.Context, project int64) (all []Standing, err error) {
	err = db.Read(ctx, func(q Queryer) error {
		all = nil
		for _, state := range []job.State{job.Queued, job.Running} { // each has an index of its own
			rows, err := q.QueryContext(ctx, "SELECT id, state, revision FROM jobs WHERE state = '"+string(state)+"' AND project = $1 LIMIT $2", project, MaxPage)
			if err != nil {
				return err
			}
			some, err := collect(rows, func(row interface{ Scan(...any) error }) (s Standing, err error) {
				err = row.Scan(&s.ID, &s.State, &s.Revision)
				return s, err
			})
			if err != nil {
				return err
			}
			all = append(all, some...)
		}
		return nil
	})
	return all, err
}

// Positions is Position of several jobs.
func (db *DB) Positions(ctx context.Context, ids []job.ID) (ahead map[job.ID]int, err error) {
	ahead = make(map[job.ID]int, len(ids))
	err = db.Read(ctx, func(q Queryer) error {
		for _, id := range ids {
			if ahead[id], err = db.order.position(ctx, q, id); err != nil {
				return err
			}
		}
		return nil
	})
	return ahead, err
}
