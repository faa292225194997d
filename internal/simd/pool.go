package simd

import (
	"runtime"
	"sync"
	"sync/atomic"
)

const (
	// lingerRounds is how many times an idle helper yields the processor before
	// it exits: about 100 µs on an idle machine. Consecutive matrix products
	// come closer together than that, and on a virtual machine waking a
	// sleeping thread takes 50 µs, as long as many of the products.
	lingerRounds = 1000
	// waitRounds is how many times a caller yields the processor while its
	// helpers finish, before it sleeps.
	waitRounds = 200
)

// helpers counts the goroutines that now help callers of ForWorker, over all
// calls together: at most Threads()-1.
var helpers atomic.Int64

// lingering holds the idle helpers that wait for work, at most Threads()-1. A
// helper that finds no free slot exits.
var lingering [64]atomic.Pointer[helper]

// For calls body on the blocks [0,grain), [grain,2*grain), … of [0,n), the last
// one cut at n. Blocks are taken as workers become free, by up to Threads()
// workers of which the caller is one. It returns when all are done. The blocks
// do not depend on the number of threads. A body may call For again: calls
// inside one another, or side by side, share the Threads(), so the inner ones
// mostly run in their caller alone. A panic in a body is raised again in the
// caller.
func For(n, grain int, body func(lo, hi int)) {
	ForWorker(n, grain, func(_, lo, hi int) { body(lo, hi) })
}

// ForWorker is For, with the number of the worker, in [0,Threads()) as it was
// when the call began, so that a body may keep scratch space per worker. A
// worker runs one block at a time; each call counts its own workers.
func ForWorker(n, grain int, body func(worker, lo, hi int)) {
	if n <= 0 {
		return
	}
	grain = max(grain, 1)
	blocks := (n + grain - 1) / grain
	help := hire(min(Threads(), blocks) - 1)
	if help == 0 {
		for lo := 0; lo < n; lo += grain {
			body(0, lo, min(lo+grain, n))
		}
		return
	}
	j := &job{n: n, grain: grain, blocks: int64(blocks), body: body}
	for range help {
		j.enlist()
	}
	j.run(0)
	j.wait(help)
	if p := j.panicked.Load(); p != nil {
		panic(*p)
	}
}

// hire reserves up to want free helpers and returns how many it got.
func hire(want int) int {
	for {
		busy := helpers.Load()
		n := min(want, Threads()-1-int(busy))
		if n <= 0 {
			return 0
		}
		if helpers.CompareAndSwap(busy, busy+int64(n)) {
			return n
		}
	}
}

// job is one call of ForWorker. next is the first block that nobody has taken.
type job struct {
	n, grain int
	blocks   int64
	next     atomic.Int64
	workers  atomic.Int64 // helpers that have joined; plus closed once the job is over
	body     func(worker, lo, hi int)
	panicked atomic.Pointer[any]
	// Each helper holds running for reading, from before it counts as joined
	// until its last block is done.
	running sync.RWMutex
}

// enlist gives the job to an idle helper, or to a new one.
func (j *job) enlist() {
	for i := range lingering {
		if h := lingering[i].Load(); h != nil && lingering[i].CompareAndSwap(h, nil) {
			h.next.Store(j)
			return
		}
	}
	go new(helper).work(j)
}

// closed is more than the number of helpers that a job can have.
const closed = 1 << 32

// wait blocks until every helper that joined the job has finished its last
// block. The caller has found no block left to take. Helpers that have not
// joined yet are released; when they come to the job, they do nothing.
func (j *job) wait(help int) {
	if late := help - int(j.workers.Add(closed)-closed); late > 0 {
		helpers.Add(-int64(late))
		// Yield, so that released helpers do not pile up waiting for a thread.
		runtime.Gosched()
	}
	defer j.running.Unlock()
	for range waitRounds {
		if j.running.TryLock() {
			return
		}
		runtime.Gosched()
	}
	j.running.Lock()
}

// run takes blocks until there are none. After a panic no further block is
// taken.
func (j *job) run(worker int) {
	defer func() {
		if p := recover(); p != nil {
			j.panicked.CompareAndSwap(nil, &p)
			j.next.Store(j.blocks)
		}
	}()
	for {
		b := j.next.Add(1) - 1
		if b >= j.blocks {
			return
		}
		lo := int(b) * j.grain
		j.body(worker, lo, min(lo+j.grain, j.n))
	}
}

// helper is a goroutine that works for callers of ForWorker: first for the one
// that started it, then for those that call while it lingers.
type helper struct {
	next atomic.Pointer[job]
}

func (h *helper) work(j *job) {
	for j != nil {
		j = h.linger(h.assist(j))
	}
}

// assist does a job and returns the slot in which the helper lingers
// afterwards, or nil if none is free. The helper takes the slot before the job
// counts as done, so that the caller's next job finds it there.
func (h *helper) assist(j *job) *atomic.Pointer[helper] {
	j.running.RLock()
	defer j.running.RUnlock()
	if w := j.workers.Add(1); w < closed {
		defer helpers.Add(-1)
		j.run(int(w))
	}
	for i := range min(Threads()-1, len(lingering)) {
		if lingering[i].CompareAndSwap(nil, h) {
			return &lingering[i]
		}
	}
	return nil
}

// linger returns the next job, or nil if none came in time. It counts rounds
// rather than time because some tests stop the clock.
func (h *helper) linger(at *atomic.Pointer[helper]) *job {
	if at == nil {
		return nil
	}
	for round := 0; ; round++ {
		if j := h.next.Swap(nil); j != nil {
			return j
		}
		// A caller that took the helper out of its slot is about to give it a
		// job.
		if round >= lingerRounds && at.CompareAndSwap(h, nil) {
			return nil
		}
		runtime.Gosched()
	}
}
