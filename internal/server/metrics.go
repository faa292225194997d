package server

import (
	"context"
	"net/http"
	"runtime/metrics"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/store"
)

// serverMetrics are the metrics of /metrics; docs/operations.md lists them.
type serverMetrics struct {
	registry    *prometheus.Registry
	requests    *prometheus.CounterVec   // by route and status
	requestTime *prometheus.HistogramVec // seconds, by route
	phaseTime   *prometheus.HistogramVec // seconds, by phase of a job
	outcomes    *prometheus.CounterVec   // jobs that ended, by state and code
	attempts    *prometheus.CounterVec   // attempts that failed, by code
	deliveries  *prometheus.CounterVec   // webhooks, by outcome
}

func newMetrics() *serverMetrics {
	m := &serverMetrics{
		registry:    prometheus.NewRegistry(),
		requests:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "kinora_http_requests_total", Help: "Requests answered."}, []string{"route", "status"}),
		requestTime: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "kinora_http_request_seconds", Help: "Time to answer a request.", Buckets: prometheus.ExponentialBuckets(0.001, 2.5, 10)}, []string{"route"}),
		phaseTime:   prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "kinora_job_phase_seconds", Help: "Time that a job spent in a phase.", Buckets: prometheus.ExponentialBuckets(0.05, 2.5, 12)}, []string{"phase"}),
		outcomes:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "kinora_jobs_ended_total", Help: "Jobs that this process ended."}, []string{"state", "code"}),
		attempts:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "kinora_job_attempts_failed_total", Help: "Attempts at jobs that failed and are repeated."}, []string{"code"}),
		deliveries:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "kinora_webhook_deliveries_total", Help: "Attempts to deliver a webhook or callback."}, []string{"outcome"}),
	}
	m.registry.MustRegister(m.requests, m.requestTime, m.phaseTime, m.outcomes, m.attempts, m.deliveries,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "kinora_cpu_seconds_total", Help: "Processor time of user code in this process."}, cpuSeconds))
	return m
}

// cpuSeconds is the time that the Go runtime attributes to user code.
func cpuSeconds() float64 {
	s := []metrics.Sample{{Name: "/cpu/classes/user:cpu-seconds"}}
	metrics.Read(s)
	return s[0].Value.Float64()
}

// answered counts a request.
func (m *serverMetrics) answered(pattern string, status int, took time.Duration) {
	m.requests.WithLabelValues(pattern, strconv.Itoa(status)).Inc()
	m.requestTime.WithLabelValues(pattern).Observe(took.Seconds())
}

// Phase, Ended and Retried make the metrics the worker's observer.
func (m *serverMetrics) Phase(name string, took time.Duration) {
	m.phaseTime.WithLabelValues(name).Observe(took.Seconds())
}

// Ended counts a job that ended in this process.
func (m *serverMetrics) Ended(state job.State, code job.Code) {
	m.outcomes.WithLabelValues(string(state), string(code)).Inc()
}

// Retried counts an attempt that failed and is repeated.
func (m *serverMetrics) Retried(code job.Code) { m.attempts.WithLabelValues(string(code)).Inc() }

// queueCollector asks the database for the queue's depth when it is scraped.
type queueCollector struct {
	db     *store.DB
	jobs   *prometheus.Desc
	oldest *prometheus.Desc
}

// scrapeTime bounds how long a scrape waits for the database.
const scrapeTime = 3 * time.Second

func newQueueCollector(db *store.DB) *queueCollector {
	return &queueCollector{
		db:     db,
		jobs:   prometheus.NewDesc("kinora_jobs", "Queued and running jobs.", []string{"state"}, nil),
		oldest: prometheus.NewDesc("kinora_queue_oldest_seconds", "How long the longest-waiting queued job has waited.", nil, nil),
	}
}

func (c *queueCollector) Describe(ch chan<- *prometheus.Desc) { ch <- c.jobs; ch <- c.oldest }

func (c *queueCollector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTime)
	defer cancel()
	st, err := c.db.Stats(ctx)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(c.jobs, err)
		return
	}
	ch <- prometheus.MustNewConstMetric(c.jobs, prometheus.GaugeValue, float64(st.Queued), string(job.Queued))
	ch <- prometheus.MustNewConstMetric(c.jobs, prometheus.GaugeValue, float64(st.Running), string(job.Running))
	waited := 0.0
	if !st.Oldest.IsZero() {
		waited = time.Since(st.Oldest).Seconds()
	}
	ch <- prometheus.MustNewConstMetric(c.oldest, prometheus.GaugeValue, waited)
}

func (m *serverMetrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}
