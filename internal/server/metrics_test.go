package server

import (
	"bytes"
	"net/http"
	"os"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/kinora-video/kinora/internal/job"
)

// told returns the text of a server's own set of metrics.
func told(m *serverMetrics) string {
	var b bytes.Buffer
	m.set.WritePrometheus(&b)
	return b.String()
}

// TestMetricsText holds names, labels, types and buckets to an example written
// out by hand. What another server of the process counts is not in it.
func TestMetricsText(t *testing.T) {
	m, other := newMetrics(), newMetrics()
	m.answered("GET /v1/jobs/{id}", 200, time.Millisecond)
	m.answered("GET /v1/jobs/{id}", 200, 2*time.Millisecond)
	m.answered("GET /v1/jobs/{id}", 404, 5*time.Second)
	other.answered("GET /v1/jobs/{id}", 200, time.Second)
	m.Ended(job.Succeeded, "")
	m.Ended(job.Failed, "internal")
	m.Ended(job.Succeeded, "")
	m.Retried("engine")
	m.delivered("a \"b\"\n\\")
	const want = `# HELP kinora_http_request_seconds
# TYPE kinora_http_request_seconds histogram
kinora_http_request_seconds_bucket{route="GET /v1/jobs/{id}",le="0.001"} 1
kinora_http_request_seconds_bucket{route="GET /v1/jobs/{id}",le="0.0025"} 2
kinora_http_request_seconds_bucket{route="GET /v1/jobs/{id}",le="0.00625"} 2
kinora_http_request_seconds_bucket{route="GET /v1/jobs/{id}",le="0.015625"} 2
kinora_http_request_seconds_bucket{route="GET /v1/jobs/{id}",le="0.0390625"} 2
kinora_http_request_seconds_bucket{route="GET /v1/jobs/{id}",le="0.09765625"} 2
kinora_http_request_seconds_bucket{route="GET /v1/jobs/{id}",le="0.244140625"} 2
kinora_http_request_seconds_bucket{route="GET /v1/jobs/{id}",le="0.6103515625"} 2
kinora_http_request_seconds_bucket{route="GET /v1/jobs/{id}",le="1.52587890625"} 2
kinora_http_request_seconds_bucket{route="GET /v1/jobs/{id}",le="3.814697265625"} 2
kinora_http_request_seconds_bucket{route="GET /v1/jobs/{id}",le="+Inf"} 3
kinora_http_request_seconds_sum{route="GET /v1/jobs/{id}"} 5.003
kinora_http_request_seconds_count{route="GET /v1/jobs/{id}"} 3
# HELP kinora_http_requests_total
# TYPE kinora_http_requests_total counter
kinora_http_requests_total{route="GET /v1/jobs/{id}",status="200"} 2
kinora_http_requests_total{route="GET /v1/jobs/{id}",status="404"} 1
# HELP kinora_job_attempts_failed_total
# TYPE kinora_job_attempts_failed_total counter
kinora_job_attempts_failed_total{code="engine"} 1
# HELP kinora_jobs_ended_total
# TYPE kinora_jobs_ended_total counter
kinora_jobs_ended_total{state="failed",code="internal"} 1
kinora_jobs_ended_total{state="succeeded",code=""} 2
# HELP kinora_webhook_deliveries_total
# TYPE kinora_webhook_deliveries_total counter
kinora_webhook_deliveries_total{outcome="a \"b\"\n\\"} 1
`
	if got := told(m); got != want {
		t.Error(got)
	}
	const one = `kinora_http_requests_total{route="GET /v1/jobs/{id}",status="200"} 1`
	if got := told(other); !strings.HasSuffix(got, "\n"+one+"\n") || strings.Contains(got, "404") || strings.Contains(got, "kinora_job") {
		t.Errorf("the other server: %s", got)
	}
}

func TestPhaseBuckets(t *testing.T) {
	m := newMetrics()
	m.Phase("sampling", 50*time.Millisecond)
	m.Phase("sampling", time.Hour)
	got := told(m)
	for _, line := range []string{`_bucket{phase="sampling",le="0.05"} 1`, `_bucket{phase="sampling",le="0.125"} 1`, `_bucket{phase="sampling",le="+Inf"} 2`, `_sum{phase="sampling"} 3600.05`, `_count{phase="sampling"} 2`} {
		if !strings.Contains(got, "\nkinora_job_phase_seconds"+line+"\n") {
			t.Errorf("%s is missing in\n%s", line, got)
		}
	}
	if n := strings.Count(got, "_bucket{"); n != 13 {
		t.Errorf("%d buckets", n)
	}
}

// TestMetricsOfTheProcess: each line has the form of the format, each metric has
// its type once and before its samples, and the documented ones are there.
func TestMetricsOfTheProcess(t *testing.T) {
	s, _ := realServer(t, nil)
	call(t, s, "GET", "/healthz", "", "")
	resp, text := call(t, s, "GET", "/metrics", "", "")
	if got := resp.Header.Get("Content-Type"); got != "text/plain; version=0.0.4; charset=utf-8" {
		t.Errorf("content type %q", got)
	}
	sample := regexp.MustCompile(`^([a-z_]+)(\{[a-zA-Z]+="[^"]*"(, ?[a-zA-Z]+="[^"]*")*\})? [0-9.e+-]+$`)
	types, of := map[string]string{}, ""
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if rest, ok := strings.CutPrefix(line, "# TYPE "); ok {
			name, kind, _ := strings.Cut(rest, " ")
			if types[name] != "" {
				t.Errorf("a second type of %s", name)
			}
			types[name], of = kind, name
			continue
		}
		if strings.HasPrefix(line, "# HELP ") {
			continue
		}
		if got := sample.FindStringSubmatch(line); got == nil || !strings.HasPrefix(got[1], of) {
			t.Errorf("line %q below the type of %q", line, of)
		}
	}
	want := map[string]string{
		"kinora_jobs": "gauge", "kinora_queue_oldest_seconds": "gauge", "kinora_cpu_seconds_total": "counter",
		"kinora_http_requests_total": "counter", "kinora_http_request_seconds": "histogram",
		"go_goroutines": "gauge", "go_threads": "gauge", "go_info": "gauge", "go_memstats_heap_inuse_bytes": "gauge", "go_gc_duration_seconds": "summary",
	}
	if _, err := os.Stat("/proc/self/stat"); err == nil {
		for _, name := range []string{"resident_memory_bytes", "virtual_memory_bytes", "open_fds", "max_fds", "start_time_seconds"} {
			want["process_"+name] = "gauge"
		}
		want["process_cpu_seconds_total"] = "counter"
	}
	for name, kind := range want {
		if types[name] != kind {
			t.Errorf("%s is a %q, not a %s", name, types[name], kind)
		}
	}
	if !strings.Contains(text, `go_info{version="`+runtime.Version()+`"} 1`) {
		t.Error("the version of Go is missing")
	}
	s.db.Close()
	if resp, body := call(t, s, "GET", "/metrics", "", ""); resp.StatusCode != http.StatusInternalServerError || strings.Contains(body, "kinora_jobs") {
		t.Errorf("without a database: %d %s", resp.StatusCode, body)
	}
}
