package simd

import "sync"

// Apart calls task on 0 ≤ i < n, each on one thread: what a task calls does
// not share itself out further. It is for whole pieces of work, which are
// better to spread than the small operations inside them. While it runs,
// Threads is 1 for everybody; it must not be called inside itself.
func Apart(n int, task func(i int)) {
	threads := Threads()
	SetThreads(1)
	defer SetThreads(threads)
	var wg sync.WaitGroup
	next := make(chan int, n)
	for i := range n {
		next <- i
	}
	close(next)
	for range min(threads, n) {
		wg.Go(func() {
			for i := range next {
				task(i)
			}
		})
	}
	wg.Wait()
}
