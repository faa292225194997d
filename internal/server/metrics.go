package server

import (
	"context"
	"net/http"
	runtimemetrics "runtime/metrics"
	"strconv"
	"time"

	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/metrics"
	"github.com/kinora-video/kinora/internal/store"
)

// serverMetrics are the metrics of /metrics; docs/operations.md lists them.
type serverMetrics struct {
	registry    *metrics.Registry
	requests    *metrics.Counter   // by route and status
	requestTime *metrics.Histogram // seconds, by route
	phaseTime   *metrics.Histogram // seconds, by phase of a job
	outcomes    *metrics.Counter   // jobs that ended, by state and code
	attempts    *metrics.Counter   // attempts that failed, by code
	deliveries  *metrics.Counter   // webhooks, by outcome
}

func newMetrics() *serverMetrics {
	r := new(metrics.Registry)
	r.Process()
	r.Collect(func(_ context.Context, t *metrics.Telling) error {
		t.Counter("kinora_cpu_seconds_total", "Processor time of user code in this process.", cpuSeconds())
		return nil
	})
	return &serverMetrics{
		registry:    r,
		requests:    r.Counter("kinora_http_requests_total", "Requests answered.", "route", "status"),
		requestTime: r.Histogram("kinora_http_request_seconds", "Time to answer a request.", metrics.Exponential(0.001, 2.5, 10), "route"),
		phaseTime:   r.Histogram("kinora_job_phase_seconds", "Time that a job spent in a phase.", metrics.Exponential(0.05, 2.5, 12), "phase"),
		outcomes:    r.Counter("kinora_jobs_ended_total", "Jobs that this process ended.", "state", "code"),
		attempts:    r.Counter("kinora_job_attempts_failed_total", "Attempts at jobs that failed and are repeated.", "code"),
		deliveries:  r.Counter("kinora_webhook_deliveries_total", "Attempts to deliver a webhook or callback.", "outcome"),
	}
}

// cpuSeconds is the time that the Go runtime attributes to user code.
func cpuSeconds() float64 {
	s := []runtimemetrics.Sample{{Name: "/cpu/classes/user:cpu-seconds"}}
	runtimemetrics.Read(s)
	return s[0].Value.Float64()
}

// answered counts a request.
func (m *serverMetrics) answered(pattern string, status int, took time.Duration) {
	m.requests.Inc(pattern, strconv.Itoa(status))
	m.requestTime.Observe(took.Seconds(), pattern)
}

// Phase observes how long a job was in a phase. Phase, Ended and Retried
// implement worker.Observer.
func (m *serverMetrics) Phase(name string, took time.Duration) {
	m.phaseTime.Observe(took.Seconds(), name)
}

// Ended counts a job that ended in this process.
func (m *serverMetrics) Ended(state job.State, code job.Code) {
	m.outcomes.Inc(string(state), string(code))
}

// Retried counts an attempt that failed and is repeated.
func (m *serverMetrics) Retried(code job.Code) { m.attempts.Inc(string(code)) }

// scrapeTime bounds how long a scrape waits for the database.
const scrapeTime = 3 * time.Second

// queueDepth asks the database for the queue's depth when it is scraped.
func queueDepth(db *store.DB) func(context.Context, *metrics.Telling) error {
	return func(ctx context.Context, t *metrics.Telling) error {
		ctx, cancel := context.WithTimeout(ctx, scrapeTime)
		defer cancel()
		st, err := db.Stats(ctx)
		if err != nil {
			return err
		}
		jobs := func(state job.State, n int) {
			t.Gauge("kinora_jobs", "Queued and running jobs.", float64(n), metrics.Label{Name: "state", Value: string(state)})
		}
		jobs(job.Queued, st.Queued)
		jobs(job.Running, st.Running)
		waited := 0.0
		if !st.Oldest.IsZero() {
			waited = time.Since(st.Oldest).Seconds()
		}
		t.Gauge("kinora_queue_oldest_seconds", "How long the longest-waiting queued job has waited.", waited)
		return nil
	}
}

// handler answers with the metrics, or with status 500 if one of them cannot be
// collected.
func (m *serverMetrics) handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, err := m.registry.Text(r.Context())
		if err != nil {
			http.Error(w, "collecting metrics: "+err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", metrics.ContentType)
		_, _ = w.Write([]byte(text)) // an error means that the scraper has gone
	})
}
