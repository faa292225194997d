package metrics

import (
	"bufio"
	"bytes"
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
	"time"
)

// Process adds what Prometheus's own clients tell of a process and of the Go
// runtime, under the same names: go_… everywhere, process_… on Linux.
func (r *Registry) Process() {
	r.Collect(func(_ context.Context, t *Telling) error {
		tellRuntime(t)
		tellMemory(t)
		tellProcess(t)
		return nil
	})
}

func tellRuntime(t *Telling) {
	t.Gauge("go_info", "Information about the Go environment.", 1, Label{"version", runtime.Version()})
	t.Gauge("go_goroutines", "Number of goroutines that currently exist.", float64(runtime.NumGoroutine()))
	threads, _ := runtime.ThreadCreateProfile(nil)
	t.Gauge("go_threads", "Number of OS threads created.", float64(threads))
	samples := []metrics.Sample{{Name: "/gc/gogc:percent"}, {Name: "/gc/gomemlimit:bytes"}, {Name: "/sched/gomaxprocs:threads"}}
	metrics.Read(samples)
	for i, of := range [][2]string{
		{"go_gc_gogc_percent", "Heap size target percentage configured by the user."},
		{"go_gc_gomemlimit_bytes", "Go runtime memory limit configured by the user."},
		{"go_sched_gomaxprocs_threads", "The current runtime.GOMAXPROCS setting."},
	} {
		if samples[i].Value.Kind() == metrics.KindUint64 {
			t.Gauge(of[0], of[1], float64(samples[i].Value.Uint64()))
		}
	}
	gc := debug.GCStats{PauseQuantiles: make([]time.Duration, 5)}
	debug.ReadGCStats(&gc)
	var quantiles [][2]float64
	for i, q := range gc.PauseQuantiles {
		quantiles = append(quantiles, [2]float64{float64(i) / 4, q.Seconds()})
	}
	t.Summary("go_gc_duration_seconds", "Pauses of garbage collection.", quantiles, gc.PauseTotal.Seconds(), gc.NumGC)
}

func tellMemory(t *Telling) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	for _, g := range []struct {
		name, help string
		v          uint64
	}{
		{"alloc_bytes", "Bytes allocated in heap and in use.", m.Alloc},
		{"sys_bytes", "Bytes obtained from the system.", m.Sys},
		{"heap_alloc_bytes", "Heap bytes allocated and in use.", m.HeapAlloc},
		{"heap_sys_bytes", "Heap bytes obtained from the system.", m.HeapSys},
		{"heap_idle_bytes", "Heap bytes waiting to be used.", m.HeapIdle},
		{"heap_inuse_bytes", "Heap bytes in use.", m.HeapInuse},
		{"heap_released_bytes", "Heap bytes released to the system.", m.HeapReleased},
		{"heap_objects", "Objects in the heap.", m.HeapObjects},
		{"stack_inuse_bytes", "Bytes in use by stacks.", m.StackInuse},
		{"stack_sys_bytes", "Bytes obtained from the system for stacks.", m.StackSys},
		{"mspan_inuse_bytes", "Bytes in use by mspan structures.", m.MSpanInuse},
		{"mspan_sys_bytes", "Bytes obtained from the system for mspan structures.", m.MSpanSys},
		{"mcache_inuse_bytes", "Bytes in use by mcache structures.", m.MCacheInuse},
		{"mcache_sys_bytes", "Bytes obtained from the system for mcache structures.", m.MCacheSys},
		{"buck_hash_sys_bytes", "Bytes used by the profiling bucket hash table.", m.BuckHashSys},
		{"gc_sys_bytes", "Bytes used for the metadata of garbage collection.", m.GCSys},
		{"other_sys_bytes", "Bytes used for other allocations of the system.", m.OtherSys},
		{"next_gc_bytes", "Heap bytes at which the next garbage collection takes place.", m.NextGC},
	} {
		t.Gauge("go_memstats_"+g.name, g.help, float64(g.v))
	}
	t.Gauge("go_memstats_last_gc_time_seconds", "Seconds since 1970 of the last garbage collection.", float64(m.LastGC)/1e9)
	t.Counter("go_memstats_alloc_bytes_total", "Bytes allocated in heap until now, those freed included.", float64(m.TotalAlloc))
	t.Counter("go_memstats_mallocs_total", "Heap objects allocated until now.", float64(m.Mallocs))
	t.Counter("go_memstats_frees_total", "Heap objects freed until now.", float64(m.Frees))
}

// ticks are the units of time of /proc, in a second: 100 on all that Go runs on.
const ticks = 100

// tellProcess tells what Linux knows of the process; elsewhere, nothing.
func tellProcess(t *Telling) {
	stat, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return
	}
	// The name of the program, in parentheses, may hold anything: fields follow it.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	field := func(number int) float64 { // as proc(5) numbers them; the first here is 3
		if number-3 >= len(fields) {
			return 0
		}
		v, _ := strconv.ParseFloat(fields[number-3], 64)
		return v
	}
	t.Counter("process_cpu_seconds_total", "Total user and system CPU time spent in seconds.", (field(14)+field(15))/ticks)
	t.Gauge("process_virtual_memory_bytes", "Virtual memory size in bytes.", field(23))
	t.Gauge("process_resident_memory_bytes", "Resident memory size in bytes.", field(24)*float64(os.Getpagesize()))
	if boot, ok := firstNumber(line("/proc/stat", "btime")); ok {
		t.Gauge("process_start_time_seconds", "Start time of the process since unix epoch in seconds.", boot+field(22)/ticks)
	}
	if open, err := os.ReadDir("/proc/self/fd"); err == nil {
		t.Gauge("process_open_fds", "Number of open file descriptors.", float64(len(open)-1)) // one reads the folder
	}
	if most, ok := firstNumber(line("/proc/self/limits", "Max open files")); ok {
		t.Gauge("process_max_fds", "Maximum number of open file descriptors.", most)
	}
}

// line is what follows a word in a file of lines, "" where there is none.
func line(path, begin string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if rest, ok := strings.CutPrefix(s.Text(), begin); ok {
			return rest
		}
	}
	return ""
}

// firstNumber is the first number of a line.
func firstNumber(s string) (float64, bool) {
	for _, f := range strings.Fields(s) {
		v, err := strconv.ParseFloat(f, 64)
		return v, err == nil
	}
	return 0, false
}
