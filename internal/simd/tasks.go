package simd

// Tasks calls task for 0 ≤ i < n in parallel, on up to Threads() workers
// including the caller. It is For with a grain of 1, meant for large tasks:
// while as many tasks run as there are threads, a For inside a task stays on
// the task's own thread; the threads of finished tasks help those that still
// run. A panic in a task is raised again in the caller.
func Tasks(n int, task func(i int)) {
	For(n, 1, func(i, _ int) { task(i) })
}
