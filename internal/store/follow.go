package store

import (
	"sync"

	"github.com/kinora-video/kinora/internal/job"
)

// followers are woken when a job they follow changes in this process.
type followers struct {
	mu sync.Mutex
	of map[job.ID]map[chan struct{}]bool
	in map[int64]map[*Changes]bool // by project, of those who follow all its jobs
}

// Follow returns a channel that receives a value after the job changed in this
// process. Several changes that the receiver has not yet taken are one value.
// Changes by other processes are not seen: compare job.Job.Revision from time to
// time. The caller must call stop in the end.
func (db *DB) Follow(id job.ID) (changed <-chan struct{}, stop func()) {
	f := &db.followers
	c := make(chan struct{}, 1)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.of == nil {
		f.of = map[job.ID]map[chan struct{}]bool{}
	}
	if f.of[id] == nil {
		f.of[id] = map[chan struct{}]bool{}
	}
	f.of[id][c] = true
	return c, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.of[id], c)
		if len(f.of[id]) == 0 {
			delete(f.of, id)
		}
	}
}

// wake wakes the followers of a job, and those of all its project's jobs.
func (f *followers) wake(project int64, id job.ID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for c := range f.of[id] {
		select {
		case c <- struct{}{}:
		default: // it has one already
		}
	}
	for c := range f.in[project] {
		c.add(id)
	}
}
