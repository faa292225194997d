package metrics

import (
	"context"
	"errors"
	"os"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

func tell(t *testing.T, r *Registry) string {
	t.Helper()
	text, err := r.Text(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestText holds the format to an example written out by hand.
func TestText(t *testing.T) {
	var r Registry
	h := r.Histogram("took_seconds", "Time.", Exponential(0.5, 2, 3), "route")
	for _, v := range []float64{0.5, 0.6, 1.5, 9} {
		h.Observe(v, "/a")
	}
	c := r.Counter("done_total", "What is\ndone \\ over.", "state", "code")
	c.Inc("ok", "")
	c.Inc("bad", "a \"b\"\n\\")
	c.Inc("ok", "")
	r.Counter("never_total", "Nothing.")
	r.Collect(func(_ context.Context, t *Telling) error {
		t.Gauge("depth", "Now.", 2.5e7)
		return nil
	})
	const want = `# HELP depth Now.
# TYPE depth gauge
depth 2.5e+07
# HELP done_total What is\ndone \\ over.
# TYPE done_total counter
done_total{state="bad",code="a \"b\"\n\\"} 1
done_total{state="ok",code=""} 2
# HELP took_seconds Time.
# TYPE took_seconds histogram
took_seconds_bucket{route="/a",le="0.5"} 1
took_seconds_bucket{route="/a",le="1"} 2
took_seconds_bucket{route="/a",le="2"} 3
took_seconds_bucket{route="/a",le="+Inf"} 4
took_seconds_sum{route="/a"} 11.6
took_seconds_count{route="/a"} 4
`
	if got := tell(t, &r); got != want {
		t.Error(got)
	}
}

func TestErrorIsTold(t *testing.T) {
	var r Registry
	r.Collect(func(context.Context, *Telling) error { return errors.New("no database") })
	if text, err := r.Text(t.Context()); err == nil || err.Error() != "no database" || text != "" {
		t.Errorf("%q, %v", text, err)
	}
}

func TestLabelsMustFit(t *testing.T) {
	var r Registry
	defer func() {
		if recover() == nil {
			t.Error("a value too many was taken")
		}
	}()
	r.Counter("x_total", "", "a").Inc("1", "2")
}

// TestProcess: what is told of the process makes sense, and every line has the
// form of the format.
func TestProcess(t *testing.T) {
	var r Registry
	r.Process()
	text := tell(t, &r)
	form := regexp.MustCompile(`^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{[a-z]+="[^"]*"\})? [0-9.e+-]+)$`)
	for _, l := range strings.Split(strings.TrimSpace(text), "\n") {
		if !form.MatchString(l) {
			t.Errorf("line %q", l)
		}
	}
	names := []string{"go_goroutines ", "go_threads ", `go_info{version="` + runtime.Version() + `"} 1`, "go_memstats_heap_inuse_bytes ", `go_gc_duration_seconds{quantile="0.25"} `}
	if _, err := os.Stat("/proc/self/stat"); err == nil {
		names = append(names, "process_cpu_seconds_total ", "process_resident_memory_bytes ", "process_open_fds ", "process_max_fds ", "process_start_time_seconds 1")
	}
	for _, name := range names {
		if !strings.Contains(text, "\n"+name) {
			t.Errorf("%q is missing in\n%s", name, text)
		}
	}
}
