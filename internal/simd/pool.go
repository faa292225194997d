package simd

import (
	"sync"
	"sync/atomic"
)

// helpers counts the goroutines that help callers of ForWorker now, all calls
// together: at most Threads()-1.
var helpers atomic.Int64

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
	j.wg.Add(help)
	for w := 1; w <= help; w++ {
		go func() {
			defer j.wg.Done()
			defer helpers.Add(-1)
			j.run(w)
		}()
	}
	j.run(0)
	j.wg.Wait()
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
	body     func(worker, lo, hi int)
	wg       sync.WaitGroup
	panicked atomic.Pointer[any]
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
