package simd

// Apart calls task on 0 ≤ i < n side by side, by up to Threads() workers of
// which the caller is one. It is For with a grain of 1, for whole pieces of
// work: while as many tasks run as there are threads, what a task shares out by
// For stays on the task's own thread, and the threads of tasks that are done
// help those that still run. A panic in a task is raised again in the caller.
func Apart(n int, task func(i int)) {
	For(n, 1, func(i, _ int) { task(i) })
}
