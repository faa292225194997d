//go:build unix

package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/kinora-video/kinora/internal/store"
)

// hooks is a receiver of webhooks: it records which event ids came for which job.
type hooks struct {
	mu     sync.Mutex
	events map[string]map[string]int // how often each event id came, by job
}

func newHooks(t testing.TB) (*hooks, string) {
	h := &hooks{events: map[string]map[string]int{}}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var e struct {
			ID   string
			Data struct{ ID string }
		}
		body, err := io.ReadAll(r.Body)
		if err != nil || json.Unmarshal(body, &e) != nil || e.ID != r.Header.Get("Webhook-Id") {
			http.Error(w, "no event", http.StatusBadRequest)
			return
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.events[e.Data.ID] == nil {
			h.events[e.Data.ID] = map[string]int{}
		}
		h.events[e.Data.ID][e.ID]++
	}))
	t.Cleanup(s.Close)
	return h, s.URL
}

func (h *hooks) jobs() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.events)
}

// The parameters of the kill loop.
const (
	killJobs    = 1000
	killTimes   = 12
	killClients = 8
	killWithin  = 3 * time.Minute // the whole test on a busy machine; alone it takes half a minute
)

const killConfig = `
workers: 4
jobs: {lease: 2s, attempts: 10}
limits: {anonymous_rpm: 1000, free_space: 0}
egress: {allow: [127.0.0.0/8]}
webhooks: {timeout: 1s, workers: 8}
`

// TestKillLoop: the server is killed again and again while customers submit a
// thousand jobs and it runs them. In the end each accepted job has succeeded
// exactly once: one result, one charge, one event.
func TestKillLoop(t *testing.T) {
	t.Parallel()
	skipInShort(t)
	for _, dialect := range []string{store.SQLite, store.Postgres} {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			p := newPlatform(t, dialect, killConfig)
			c := p.tenant("acme", 1_000_000)
			h, url := newHooks(t)
			began := time.Now()
			k := &killer{p: p, q: p.start()}
			p.ready()
			hook := must[struct{ ID string }](c, http.StatusCreated, "POST", "/v1/webhooks", map[string]any{"url": url, "events": []string{"job.succeeded"}})
			ids := k.run(c)
			t.Logf("%d kills, %d requests repeated, after %v", k.kills, k.repeated.Load(), time.Since(began).Round(100*time.Millisecond))
			left := killWithin - time.Since(began)
			eventually(t, left, "every job has sent its event", func() bool { return h.jobs() == killJobs })
			eventually(t, killWithin-time.Since(began), "nothing is queued or running", func() bool { return p.idle(c) })
			// If the server was killed while it sent an event, the delivery is
			// not recorded. The event is sent again, and its receiver recognises
			// the id.
			eventually(t, killWithin-time.Since(began), "no event is pending", func() bool { return noneOnItsWay(c, hook.ID) })
			checkEach(c, ids)
			k.q.stop()
			p.checkBooks(c, ids)
			for job, events := range h.events {
				if len(events) != 1 {
					t.Errorf("%s has %d events of success: %v", job, len(events), events)
				}
			}
			t.Logf("all in %v", time.Since(began).Round(100*time.Millisecond))
		})
	}
}

// killer kills a server.
type killer struct {
	p        *platform
	q        *process
	kills    int
	accepted atomic.Int64
	repeated atomic.Int64
}

// run submits the jobs and meanwhile kills the server, each time after some more
// jobs were accepted or done. It returns the job of each key.
func (k *killer) run(c *client) (ids []string) {
	ids = make([]string, killJobs)
	var next atomic.Int64
	var clients sync.WaitGroup
	deadline := time.Now().Add(killWithin)
	for range killClients {
		clients.Go(func() {
			for i := int(next.Add(1)) - 1; i < killJobs && time.Now().Before(deadline); i = int(next.Add(1)) - 1 {
				ids[i] = k.submit(c, i, deadline)
			}
		})
	}
	for k.kills < killTimes && time.Now().Before(deadline) {
		if int(k.accepted.Load())+len(k.p.wrote(""))/4 < 2*killJobs*(k.kills+1)/(killTimes+2) {
			time.Sleep(5 * time.Millisecond)
			continue
		}
		time.Sleep(time.Duration(rand.IntN(100)) * time.Millisecond) // at a random moment
		k.q.kill()
		k.kills++
		k.q = k.p.start()
	}
	clients.Wait()
	if k.kills < 10 || int(k.accepted.Load()) < killJobs {
		c.t.Fatalf("after %v: %d kills, %d jobs accepted of %d", killWithin, k.kills, k.accepted.Load(), killJobs)
	}
	return ids
}

// submit posts one job with the same key repeatedly until an answer comes.
func (k *killer) submit(c *client, i int, deadline time.Time) string {
	prompt := fmt.Sprintf("name=%d sample=2ms draw=1ms", i)
	if i%25 == 0 {
		prompt = fmt.Sprintf("name=%d sample=200ms draw=100ms", i)
	}
	body := map[string]any{"prompt": prompt, "seconds": 1}
	for time.Now().Before(deadline) {
		status, answer, err := c.try("POST", "/v1/jobs", body, "Idempotency-Key", fmt.Sprint("key-", i))
		if err == nil && status == http.StatusAccepted {
			var j shownJob
			if err := json.Unmarshal(answer, &j); err != nil || j.ID == "" {
				c.t.Errorf("job %d: %v: %s", i, err, answer)
			}
			k.accepted.Add(1)
			return j.ID
		}
		if err == nil && status != http.StatusServiceUnavailable && status != http.StatusTooManyRequests {
			c.t.Errorf("job %d: status %d: %s", i, status, answer)
			return ""
		}
		k.repeated.Add(1)
		time.Sleep(20 * time.Millisecond)
	}
	return ""
}

// idle reports whether no job is queued or running.
func (p *platform) idle(c *client) bool {
	status, answer, err := c.try("GET", "/v1/jobs?state=queued,running&limit=1", nil)
	return err == nil && status == http.StatusOK && strings.Contains(string(answer), `"data":[]`)
}

// noneOnItsWay reports whether no delivery to a webhook is pending.
func noneOnItsWay(c *client, hook string) bool {
	status, answer, err := c.try("GET", "/v1/webhooks/"+hook+"/deliveries?state=pending", nil)
	return err == nil && status == http.StatusOK && strings.Contains(string(answer), `"data":[]`)
}

// checkEach checks that every job succeeded with one video, and that its
// idempotency key still names it. It downloads some of the videos.
func checkEach(c *client, ids []string) {
	c.t.Helper()
	seen := map[string]bool{}
	for i, id := range ids {
		if seen[id] {
			c.t.Errorf("two keys have the job %s", id)
		}
		seen[id] = true
		j := c.job(id)
		if j.State != "succeeded" || j.Result == nil {
			c.t.Errorf("job %d, %s, is %s: %+v", i, id, j.State, j.Error)
			continue
		}
		videos := 0
		for _, f := range j.Result.Files {
			if f.Role != "video" {
				continue
			}
			videos++
			if i%50 == 0 {
				status, video, err := c.try("GET", f.URL, nil)
				if err != nil || status != http.StatusOK || int64(len(video)) != f.Bytes || !strings.Contains(string(video), fmt.Sprintf("video of %d by ", i)) {
					c.t.Errorf("job %d: its video: status %d, %v, %d bytes", i, status, err, len(video))
				}
			}
		}
		if videos != 1 {
			c.t.Errorf("job %d has %d videos", i, videos)
		}
	}
}

// checkBooks checks the database: one row per job, no others, and a ledger that
// balances.
func (p *platform) checkBooks(c *client, ids []string) {
	p.t.Helper()
	p.inspect(func(ctx context.Context, db *store.DB) error {
		for what, query := range map[string]string{
			"jobs":                  "SELECT COUNT(*) FROM jobs",
			"keys":                  "SELECT COUNT(DISTINCT idempotency_key) FROM jobs WHERE idempotency_key <> ''",
			"jobs that succeeded":   "SELECT COUNT(*) FROM jobs WHERE state = 'succeeded'",
			"jobs with a video":     "SELECT COUNT(DISTINCT job) FROM files WHERE content_type LIKE 'video/%' OR content_type LIKE 'image/webp%'",
			"charges":               "SELECT COUNT(*) FROM charges WHERE outcome = 'succeeded'",
			"reservations":          "SELECT COUNT(*) FROM ledger WHERE kind = 'reserve'",
			"settlements":           "SELECT COUNT(*) FROM ledger WHERE kind = 'settle'",
			"events":                "SELECT COUNT(*) FROM deliveries",
			"events that delivered": "SELECT COUNT(DISTINCT event_id) FROM deliveries WHERE state = 'delivered'",
		} {
			if n := count(ctx, p.t, db, query); n != len(ids) {
				p.t.Errorf("%d %s, want %d", n, what, len(ids))
			}
		}
		if n := count(ctx, p.t, db, "SELECT COUNT(*) FROM ledger WHERE kind = 'refund'"); n != 0 {
			p.t.Errorf("%d refunds", n)
		}
		prices := int64(count(ctx, p.t, db, "SELECT SUM(price) FROM jobs"))
		w, err := db.Wallet(ctx, c.project)
		if err != nil {
			return err
		}
		if w.Held != 0 || w.Revenue != prices || -w.Deposits-w.Balance != prices || prices == 0 {
			p.t.Errorf("prices %d, wallet %+v", prices, w)
		}
		return db.CheckLedger(ctx)
	})
}

// count runs a query that returns a number.
func count(ctx context.Context, t testing.TB, db *store.DB, query string, args ...any) (n int) {
	t.Helper()
	err := db.Read(ctx, func(q store.Queryer) error { return q.QueryRowContext(ctx, query, args...).Scan(&n) })
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

const frozenConfig = `
jobs: {lease: 3s, grace: 2s}
limits: {free_space: 0}
`

// TestFrozenWorker: a worker that is frozen past its lease loses its job to
// another. When it wakes, none of its result is visible.
func TestFrozenWorker(t *testing.T) {
	t.Parallel()
	for _, dialect := range []string{store.SQLite, store.Postgres} {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			p := newPlatform(t, dialect, frozenConfig)
			c := p.tenant("acme", 100)
			p.start(role("api"))
			p.ready()
			first := p.start(role("worker"))
			j := c.submit("name=a hold=sample draw=1200ms")
			eventually(t, 10*time.Second, "the first worker samples", func() bool { return len(p.wrote("a")) == 1 })
			c.until(j.ID, 10*time.Second, "sampling", func(j shownJob) bool { return j.Phase == "sampling" })
			first.signal(syscall.SIGSTOP)
			frozen := time.Now()
			second := p.start(role("worker"))
			p.openGate()
			done := c.final(j.ID, 20*time.Second)
			if done.State != "succeeded" || done.Attempt != 2 || time.Since(frozen) < time.Second {
				t.Fatalf("after %v: %+v", time.Since(frozen), done)
			}
			first.signal(syscall.SIGCONT)
			// The first worker finishes its attempt and then learns that it is
			// late. It takes the next job when the second worker cannot.
			second.stop()
			again := c.submit("name=b")
			if got := c.final(again.ID, 20*time.Second); got.State != "succeeded" {
				t.Fatalf("what the first worker did after it woke: %+v", got)
			}
			if after := c.job(j.ID); after.Attempt != 2 || len(after.Result.Files) != len(done.Result.Files) || after.Result.Files[0].SHA256 != done.Result.Files[0].SHA256 {
				t.Errorf("the result changed: %+v, before %+v", after.Result, done.Result)
			}
			p.inspect(func(ctx context.Context, db *store.DB) error {
				id := strings.TrimPrefix(j.ID, "job_")
				for query, want := range map[string]int{
					"SELECT COUNT(*) FROM files WHERE job = " + id:                             len(done.Result.Files),
					"SELECT COUNT(*) FROM ledger WHERE kind = 'settle' AND ref = '" + id + "'": 1,
					"SELECT COUNT(*) FROM ledger WHERE kind = 'refund'":                        0,
				} {
					if n := count(ctx, t, db, query); n != want {
						t.Errorf("%s: %d, want %d", query, n, want)
					}
				}
				return db.CheckLedger(ctx)
			})
			if videos := filesUnder(t, filepath.Join(p.dir, "data", "media"), "video of a"); videos != 1 {
				t.Errorf("%d videos of the job are kept, want 1", videos)
			}
		})
	}
}

// filesUnder counts the files of a folder that contain a text.
func filesUnder(t testing.TB, dir, text string) (n int) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if strings.Contains(string(b), text) {
			n++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}
