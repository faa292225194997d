//go:build unix

package e2e_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/kinora-video/kinora/internal/store"
)

const plainConfig = `
jobs: {grace: 1s}
limits: {free_space: 0}
`

// shortLease is for tests whose workers die. It is no shorter than a busy machine
// may take to send a heartbeat.
const shortLease = `
jobs: {lease: 5s, grace: 1s}
limits: {free_space: 0}
`

// TestFairness: one project has 500 waiting jobs when another submits one. The
// latter runs next.
func TestFairness(t *testing.T) {
	t.Parallel()
	n := 500
	if testing.Short() {
		n = 50
	}
	p := newPlatform(t, store.SQLite, plainConfig)
	many, one := p.tenant("many", 1000), p.tenant("one", 1)
	p.start()
	p.ready()
	// The first job holds the only worker, so all later jobs wait.
	first := many.submit("name=first hold=sample")
	eventually(t, 10*time.Second, "the first job runs", func() bool { return len(p.wrote("first")) == 1 })
	var clients sync.WaitGroup
	for i := range 8 {
		clients.Go(func() {
			for k := i; k < n-1; k += 8 {
				many.submit(fmt.Sprintf("name=many-%d", k))
			}
		})
	}
	clients.Wait()
	mine := one.submit("name=mine")
	if mine.Position == nil || *mine.Position != 0 {
		t.Errorf("its position in the queue is %v, want 0", mine.Position)
	}
	p.openGate()
	if j := one.final(mine.ID, 20*time.Second); j.State != "succeeded" {
		t.Fatalf("%+v", j)
	}
	var started []string
	for _, e := range p.entries() {
		if e.what == "sample" {
			started = append(started, e.name)
		}
	}
	if len(started) < 2 || started[0] != "first" || started[1] != "mine" {
		t.Errorf("started in the order %v", started[:min(4, len(started))])
	}
	many.final(first.ID, 10*time.Second)
}

// TestCancelRunning: the engine of a cancelled job stops long before its lease
// ends, and the job costs nothing.
func TestCancelRunning(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, store.SQLite, `
jobs: {lease: 30s} # the default: cancelling does not wait for it
limits: {free_space: 0}
`)
	c := p.tenant("acme", 10)
	p.start()
	p.ready()
	for _, phase := range []string{"sample", "draw"} {
		j := c.submit("name=" + phase + " hold=" + phase)
		eventually(t, 10*time.Second, "the job is in phase "+phase, func() bool { return slices.Contains(p.wrote(phase), phase) })
		if asked := must[shownJob](c, http.StatusOK, "POST", "/v1/jobs/"+j.ID+"/cancel", nil); !asked.CancelAsked && asked.State != "cancelled" {
			t.Errorf("asked to stop: %+v", asked)
		}
		eventually(t, 15*time.Second, "the engine stopped", func() bool { return slices.Contains(p.wrote(phase), "stopped") })
		if got := c.final(j.ID, 10*time.Second); got.State != "cancelled" || got.Result != nil {
			t.Errorf("%+v", got)
		}
	}
	// A waiting job is cancelled at once.
	busy := c.submit("name=busy hold=sample")
	waits := c.submit("name=waits")
	if got := must[shownJob](c, http.StatusOK, "POST", "/v1/jobs/"+waits.ID+"/cancel", nil); got.State != "cancelled" {
		t.Errorf("%+v", got)
	}
	must[shownError](c, http.StatusConflict, "POST", "/v1/jobs/"+waits.ID+"/cancel", nil)
	p.openGate()
	c.final(busy.ID, 10*time.Second)
	if did := p.wrote("waits"); len(did) > 0 {
		t.Errorf("a job that was cancelled ran: %v", did)
	}
	p.inspect(func(ctx context.Context, db *store.DB) error {
		w, err := db.Wallet(ctx, c.project)
		if err != nil {
			return err
		}
		if n := count(ctx, t, db, "SELECT COUNT(*) FROM ledger WHERE kind = 'refund'"); n != 3 || w.Held != 0 || w.Revenue*4 != int64(count(ctx, t, db, "SELECT SUM(price) FROM jobs")) {
			t.Errorf("%d refunds, wallet %+v", n, w)
		}
		return db.CheckLedger(ctx)
	})
}

// TestRestart: a server that is asked to stop returns running jobs to the queue.
// The next server continues them and runs all waiting jobs.
func TestRestart(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, store.SQLite, plainConfig)
	c := p.tenant("acme", 100)
	q := p.start()
	p.ready()
	jobs := []shownJob{c.submit("name=running hold=sample")}
	for i := range 20 {
		jobs = append(jobs, c.submit(fmt.Sprintf("name=waiting-%d", i)))
	}
	eventually(t, 10*time.Second, "the first job runs", func() bool { return len(p.wrote("running")) == 1 })
	began := time.Now()
	q.stop()
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v to stop, with a grace of 1 s", took)
	}
	p.openGate()
	p.start()
	p.ready()
	for _, j := range jobs {
		if got := c.final(j.ID, 20*time.Second); got.State != "succeeded" {
			t.Errorf("%+v", got)
		}
	}
	if did := strings.Join(p.wrote("running"), " "); !strings.HasPrefix(did, "sample stopped sample sampled") {
		t.Errorf("the job that ran: %s", did)
	}
}

// TestLatentsSurvive: a job whose process is killed or asked to stop after
// sampling continues from its latents.
func TestLatentsSurvive(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*process){"killed": (*process).kill, "stopped": (*process).stop} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlatform(t, store.SQLite, shortLease)
			c := p.tenant("acme", 10)
			q := p.start()
			p.ready()
			j := c.submit("name=a hold=draw")
			eventually(t, 10*time.Second, "the job is drawn", func() bool { return slices.Contains(p.wrote("a"), "draw") })
			end(q)
			p.openGate()
			p.start()
			if got := c.final(j.ID, 30*time.Second); got.State != "succeeded" || got.Attempt != 2 {
				t.Fatalf("%+v", got)
			}
			did := p.wrote("a")
			sampled := 0
			for _, w := range did {
				if w == "sample" {
					sampled++
				}
			}
			if sampled != 1 || !slices.Contains(did, "load") {
				t.Errorf("the engines did %v, want one sampling and a load", did)
			}
			p.inspect(func(ctx context.Context, db *store.DB) error { return db.CheckLedger(ctx) })
		})
	}
}

// TestWorkersElsewhere: one process takes requests and others run the jobs. If a
// worker is killed, the remaining ones take over its job.
func TestWorkersElsewhere(t *testing.T) {
	t.Parallel()
	for _, dialect := range []string{store.SQLite, store.Postgres} {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			p := newPlatform(t, dialect, shortLease)
			c := p.tenant("acme", 100)
			p.start(role("api"))
			p.ready()
			a, _ := p.start(role("worker")), p.start(role("worker"))
			var jobs []shownJob
			for i := range 30 {
				jobs = append(jobs, c.submit(fmt.Sprintf("name=%d sample=20ms", i)))
			}
			eventually(t, 10*time.Second, "some jobs are done", func() bool { return len(p.wrote("")) > 20 })
			a.signal(syscall.SIGKILL)
			for _, j := range jobs {
				if got := c.final(j.ID, 20*time.Second); got.State != "succeeded" {
					t.Errorf("%+v", got)
				}
			}
			p.inspect(func(ctx context.Context, db *store.DB) error { return db.CheckLedger(ctx) })
		})
	}
}
