package simd

import (
	"runtime"
	"sync"
	"sync/atomic"
)

const (
	// lingerRounds is how often a helper without work gives way to others before
	// it goes: about 100 µs on an idle machine. Products of matrices follow each
	// other within less, and to wake a sleeping thread takes 50 µs on a virtual
	// machine, as long as many of them.
	lingerRounds = 1000
	// waitRounds is the same of a caller whose helpers still work, before it
	// sleeps.
	waitRounds = 200
)

// helpers counts the goroutines that help callers of ForWorker now, all calls
// together: at most Threads()-1.
var helpers atomic.Int64

// lingering holds helpers that wait for work, at most Threads()-1. One that
// finds no room goes.
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

// hire takes up to want helpers of those that are free and returns how many.
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

// job is one call of ForWorker: next is the first block that nobody has taken.
type job struct {
	n, grain int
	blocks   int64
	next     atomic.Int64
	workers  atomic.Int64 // helpers that have come, and closed once all is over
	body     func(worker, lo, hi int)
	panicked atomic.Pointer[any]
	// running is locked for reading by each helper from before it counts as come
	// until its last block is done.
	running sync.RWMutex
}

// enlist gives the job to a helper that lingers, or to a new one.
func (j *job) enlist() {
	for i := range lingering {
		if h := lingering[i].Load(); h != nil && lingering[i].CompareAndSwap(h, nil) {
			h.next.Store(j)
			return
		}
	}
	go new(helper).work(j)
}

// closed is more than helpers of a job ever are.
const closed = 1 << 32

// wait returns when no helper is at a block, once the caller has found none. It
// releases those of the helpers who have not come; they do nothing when they do.
func (j *job) wait(help int) {
	if late := help - int(j.workers.Add(closed)-closed); late > 0 {
		helpers.Add(-int64(late))
		// Lest they gather where there is no thread to run them.
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

// run takes blocks until there are none. After a panic the rest are left.
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

// helper is a goroutine that works for callers of ForWorker: for the one that
// started it and for those that come while it lingers.
type helper struct {
	next atomic.Pointer[job]
}

func (h *helper) work(j *job) {
	for j != nil {
		j = h.linger(h.assist(j))
	}
}

// assist does a job and says where the helper lingers now, nil for nowhere. It
// does so before the job counts as done: the caller's next job finds it there.
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

// linger returns the next job, or nil where none came in time. It counts rounds
// rather than time, which stands still in some tests.
func (h *helper) linger(at *atomic.Pointer[helper]) *job {
	if at == nil {
		return nil
	}
	for round := 0; ; round++ {
		if j := h.next.Swap(nil); j != nil {
			return j
		}
		// Who has taken the helper from its place is about to give it a job.
		if round >= lingerRounds && at.CompareAndSwap(h, nil) {
			return nil
		}
		runtime.Gosched()
	}
}
