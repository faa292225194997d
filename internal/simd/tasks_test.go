package simd

import (
	"sync/atomic"
	"testing"
)

// TestTasks: every task runs once and in parallel with the others, a For inside
// a task completes, and the number of threads stays as it was.
func TestTasks(t *testing.T) {
	defer SetThreads(Threads())
	for _, threads := range []int{1, 2, 5} {
		SetThreads(threads)
		var ran, inner [7]atomic.Int64
		Tasks(len(ran), func(i int) {
			ran[i].Add(1)
			if n := Threads(); n != threads {
				t.Errorf("a task sees %d threads, want %d", n, threads)
			}
			For(100, 3, func(lo, hi int) { inner[i].Add(int64(hi - lo)) })
		})
		for i := range ran {
			if a, b := ran[i].Load(), inner[i].Load(); a != 1 || b != 100 {
				t.Errorf("%d threads: task %d ran %d times and shared out %d of 100", threads, i, a, b)
			}
		}
	}
	SetThreads(2)
	meet := make(chan int)
	Tasks(2, func(i int) { // ends only when both run at once
		if i == 0 {
			meet <- 7
		} else if got := <-meet; got != 7 {
			t.Errorf("got %d", got)
		}
	})
	defer func() {
		if p := recover(); p != "no luck" {
			t.Errorf("a panic comes back as %v", p)
		}
	}()
	Tasks(3, func(i int) {
		if i == 1 {
			panic("no luck")
		}
	})
}
