package server

import (
	"bytes"
	"context"
	"io"
	"net/http"
	runtimemetrics "runtime/metrics"
	"strconv"
	"strings"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/store"
)

// serverMetrics are the metrics of one server at /metrics; docs/operations.md lists
// them. It is safe for concurrent use.
type serverMetrics struct{ set *metrics.Set }

func newMetrics() *serverMetrics {
	metrics.ExposeMetadata(true) // adds TYPE lines, in the whole process
	return &serverMetrics{metrics.NewSet()}
}

// Upper bounds of the buckets of the histograms, in seconds.
var (
	requestBounds = metrics.ExponentialBuckets(0.001, 2.5, 10)
	phaseBounds   = metrics.ExponentialBuckets(0.05, 2.5, 12)
)

// series returns the name of a metric's series; labels are names and values in
// turn, at least one pair.
func series(name string, labels ...string) string {
	var b strings.Builder
	b.WriteString(name)
	before := "{"
	for i := 0; i < len(labels); i += 2 {
		b.WriteString(before + labels[i] + `="` + escapeLabel.Replace(labels[i+1]) + `"`)
		before = ","
	}
	b.WriteByte('}')
	return b.String()
}

var escapeLabel = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)

func (m *serverMetrics) count(name string, labels ...string) {
	m.set.GetOrCreateCounter(series(name, labels...)).Inc()
}

// answered counts a request.
func (m *serverMetrics) answered(pattern string, status int, took time.Duration) {
	m.count("kinora_http_requests_total", "route", pattern, "status", strconv.Itoa(status))
	m.set.GetOrCreatePrometheusHistogramExt(series("kinora_http_request_seconds", "route", pattern), requestBounds).Update(took.Seconds())
}

// Phase observes how long a job was in a phase. Phase, Ended and Retried
// implement worker.Observer.
func (m *serverMetrics) Phase(name string, took time.Duration) {
	m.set.GetOrCreatePrometheusHistogramExt(series("kinora_job_phase_seconds", "phase", name), phaseBounds).Update(took.Seconds())
}

// Ended counts a job that ended in this process.
func (m *serverMetrics) Ended(state job.State, code job.Code) {
	m.count("kinora_jobs_ended_total", "state", string(state), "code", string(code))
}

// Retried counts an attempt that failed and is repeated.
func (m *serverMetrics) Retried(code job.Code) {
	m.count("kinora_job_attempts_failed_total", "code", string(code))
}

// delivered counts an attempt at a webhook or callback.
func (m *serverMetrics) delivered(outcome string) {
	m.count("kinora_webhook_deliveries_total", "outcome", outcome)
}

// scrapeTime bounds how long a scrape waits for the database.
const scrapeTime = 3 * time.Second

// writeQueue asks the database for the depth of the queue and writes it to w. The
// gauges live for this one scrape, so scrapes at the same time do not mix.
func writeQueue(ctx context.Context, w io.Writer, db *store.DB) error {
	ctx, cancel := context.WithTimeout(ctx, scrapeTime)
	defer cancel()
	st, err := db.Stats(ctx)
	if err != nil {
		return err
	}
	waited := 0.0
	if !st.Oldest.IsZero() {
		waited = time.Since(st.Oldest).Seconds()
	}
	queue := metrics.NewSet()
	queue.NewGauge(series("kinora_jobs", "state", string(job.Queued)), nil).Set(float64(st.Queued))
	queue.NewGauge(series("kinora_jobs", "state", string(job.Running)), nil).Set(float64(st.Running))
	queue.NewGauge("kinora_queue_oldest_seconds", nil).Set(waited)
	queue.WritePrometheus(w)
	return nil
}

// cpuSeconds is the time that the Go runtime attributes to user code.
func cpuSeconds() float64 {
	s := []runtimemetrics.Sample{{Name: "/cpu/classes/user:cpu-seconds"}}
	runtimemetrics.Read(s)
	return s[0].Value.Float64()
}

// handler answers with the metrics of the server, its process and its database.
// The status is 500 if the database does not answer.
func (m *serverMetrics) handler(db *store.DB) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var text bytes.Buffer
		if err := writeQueue(r.Context(), &text, db); err != nil {
			http.Error(w, "collecting metrics: "+err.Error(), http.StatusInternalServerError)
			return
		}
		m.set.WritePrometheus(&text)
		metrics.WriteCounterFloat64(&text, "kinora_cpu_seconds_total", cpuSeconds())
		metrics.WriteGoMetrics(&text)
		metrics.WriteProcMetrics(&text)
		metrics.WriteFDMetrics(&text)
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		_, _ = w.Write(text.Bytes()) // an error means that the scraper has gone
	})
}
