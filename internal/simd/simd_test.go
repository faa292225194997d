package simd

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestFromEnv(t *testing.T) {
	best, n := highest(), runtime.GOMAXPROCS(0)
	for _, c := range []struct {
		level, count string
		wantLevel    Level
		wantThreads  int
		wantErr      bool
	}{
		{"", "", best, n, false},
		{"go", "3", Go, 3, false},
		{"GO", "", Go, n, false},
		{"sse9", "", best, n, true},
		{"", "0", best, n, true},
		{"", "many", best, n, true},
	} {
		l, k, err := fromEnv(c.level, c.count)
		if l != c.wantLevel || k != c.wantThreads || (err != nil) != c.wantErr {
			t.Errorf("fromEnv(%q, %q) = %v, %d, %v; want %v, %d, error %v",
				c.level, c.count, l, k, err, c.wantLevel, c.wantThreads, c.wantErr)
		}
	}
	if best < AVX512 {
		if l, _, err := fromEnv("avx512", ""); l != best || err == nil {
			t.Errorf("a level the CPU lacks gave %v, %v", l, err)
		}
	}
}

func TestUse(t *testing.T) {
	before := Current()
	for _, l := range Levels() {
		restore, ok := Use(l)
		if !ok || Current() != l {
			t.Errorf("Use(%v): ok %v, current %v", l, ok, Current())
		}
		if l < AVX512 && (BF16() || VNNI()) {
			t.Errorf("BF16 or VNNI at level %v", l)
		}
		restore()
		if Current() != before {
			t.Errorf("after restore: %v, want %v", Current(), before)
		}
	}
	if _, ok := Use(AMX + 1); ok {
		t.Error("Use of a level above all succeeded")
	}
}

func setThreads(t *testing.T, n int) {
	before := Threads()
	SetThreads(n)
	t.Cleanup(func() { SetThreads(before) })
}

func TestForCoversEachBlockOnce(t *testing.T) {
	for _, threads := range []int{1, 2, 3, 8} {
		setThreads(t, threads)
		for _, n := range []int{0, 1, 7, 64, 65} {
			for _, grain := range []int{0, 1, 3, 64, 100} {
				seen := make([]atomic.Int32, n)
				ForWorker(n, grain, func(w, lo, hi int) {
					g := max(grain, 1)
					if w < 0 || w >= threads || lo%g != 0 || hi != min(lo+g, n) {
						t.Errorf("worker %d of %d got [%d,%d), n=%d grain=%d", w, threads, lo, hi, n, grain)
					}
					for i := lo; i < hi; i++ {
						seen[i].Add(1)
					}
				})
				for i := range seen {
					if c := seen[i].Load(); c != 1 {
						t.Fatalf("n=%d grain=%d: %d was run %d times", n, grain, i, c)
					}
				}
			}
		}
	}
}

func TestForNested(t *testing.T) {
	setThreads(t, 4)
	var sum atomic.Int64
	For(10, 1, func(lo, hi int) {
		For(10, 3, func(a, b int) { sum.Add(int64(b - a)) })
	})
	if sum.Load() != 100 {
		t.Errorf("nested For ran %d items, want 100", sum.Load())
	}
}

// TestForSharesThreads nests calls, which must not multiply the goroutines at
// work.
func TestForSharesThreads(t *testing.T) {
	setThreads(t, 3)
	var now, most atomic.Int64
	For(30, 1, func(lo, hi int) {
		For(30, 1, func(a, b int) {
			c := now.Add(1)
			for m := most.Load(); c > m && !most.CompareAndSwap(m, c); m = most.Load() {
			}
			runtime.Gosched()
			now.Add(-1)
		})
	})
	if m := most.Load(); m > 3 {
		t.Errorf("%d bodies ran at once on 3 threads", m)
	}
	if h := helpers.Load(); h != 0 {
		t.Errorf("%d helpers left over", h)
	}
}

// TestHelpersLingerAndGo makes calls in sequence and in parallel, which hand
// helpers to each other; in the end all helpers exit.
func TestHelpersLingerAndGo(t *testing.T) {
	setThreads(t, 4)
	var sum atomic.Int64
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for i := range 500 {
				n := i%7 + 1
				var done atomic.Int64
				For(n, 1, func(lo, hi int) {
					runtime.Gosched()
					done.Add(int64(hi - lo))
				})
				if d := done.Load(); d != int64(n) {
					t.Errorf("call %d returned after %d of %d blocks", i, d, n)
				}
				sum.Add(done.Load())
			}
		})
	}
	wg.Wait()
	if sum.Load() != 3*(500/7*28+1+2+3) {
		t.Errorf("the calls ran %d blocks", sum.Load())
	}
	if h := helpers.Load(); h != 0 {
		t.Errorf("%d helpers left over", h)
	}
	deadline := time.Now().Add(10 * time.Second)
	for i := range lingering {
		for lingering[i].Load() != nil {
			if time.Now().After(deadline) {
				t.Fatalf("the helper in slot %d does not exit", i)
			}
			runtime.Gosched()
		}
	}
}

func TestForRaisesPanicInCaller(t *testing.T) {
	setThreads(t, 3)
	defer func() {
		if p := recover(); p != "boom" {
			t.Errorf("recovered %v, want boom", p)
		}
	}()
	For(100, 1, func(lo, hi int) {
		if lo == 50 {
			panic("boom")
		}
	})
	t.Error("For returned after a panic")
}

func BenchmarkForEmpty(b *testing.B) {
	for b.Loop() {
		For(2, 1, func(lo, hi int) {})
	}
}
