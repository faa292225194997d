//go:build unix

package e2e_test

import (
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kinora-video/kinora/internal/store"
)

// benchClients is how many customers submit at once.
const benchClients = 32

// BenchmarkSubmit measures how fast jobs are accepted over HTTP, on SQLite, while
// one worker runs them on the fake engine:
//
//	go test -run '^$' -bench Submit -benchtime 5000x ./internal/e2e
//
// accepted/s is of all clients together; p50-ms and p99-ms are of single
// requests. With KINORA_TEST_PROFILE=file the server writes a profile of itself.
func BenchmarkSubmit(b *testing.B) {
	p := newPlatform(b, store.SQLite, "jobs: {queue: 10000000}\nlimits: {free_space: 0}\nlog: {level: warn}\n")
	c := p.tenant("acme", 1_000_000)
	q := p.start()
	defer q.stop()
	p.ready()
	body := map[string]any{"prompt": "name=x", "seconds": 1}
	var next atomic.Int64
	took := make([]time.Duration, b.N)
	run := func(n int64, each func(i int64, took time.Duration)) {
		next.Store(0)
		var clients sync.WaitGroup
		for range benchClients {
			clients.Go(func() {
				for i := next.Add(1) - 1; i < n; i = next.Add(1) - 1 {
					began := time.Now()
					status, answer, err := c.try("POST", "/v1/jobs", body)
					each(i, time.Since(began))
					if err != nil || status != http.StatusAccepted {
						b.Errorf("status %d, %v: %s", status, err, answer)
						return
					}
				}
			})
		}
		clients.Wait()
	}
	run(200, func(int64, time.Duration) {}) // connections, prepared statements
	b.ResetTimer()
	run(int64(b.N), func(i int64, d time.Duration) { took[i] = d })
	b.StopTimer()
	slices.Sort(took)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "accepted/s")
	b.ReportMetric(float64(took[b.N/2])/1e6, "p50-ms")
	b.ReportMetric(float64(took[(b.N*99)/100])/1e6, "p99-ms")
	if testing.Verbose() {
		b.Logf("the slowest took %v", took[b.N-1])
	}
}
