package store_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/store"
	"github.com/kinora-video/kinora/internal/store/storetest"
)

// TestDiskFull: while the disk is full, submissions are refused as unavailable
// and leave nothing. Jobs accepted before and after are all there.
func TestDiskFull(t *testing.T) {
	db := storetest.Open(t, storetest.URL(t, store.SQLite), store.Options{})
	pages := func(limit int) {
		t.Helper()
		err := db.Write(t.Context(), func(tx *store.Tx) error {
			var n int
			return tx.QueryRowContext(t.Context(), fmt.Sprintf("PRAGMA max_page_count = %d", limit)).Scan(&n)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	var size int
	if err := db.Read(t.Context(), func(q store.Queryer) error { return q.QueryRowContext(t.Context(), "PRAGMA page_count").Scan(&size) }); err != nil {
		t.Fatal(err)
	}
	pages(size + 40)
	var mu sync.Mutex
	accepted, refused := map[job.ID]bool{}, 0
	var wg sync.WaitGroup
	for c := range 16 {
		wg.Go(func() {
			for range 40 {
				s := submission(int64(c%3) + 1)
				s.Job.ID = job.ID(store.NewID())
				_, _, err := db.Submit(context.Background(), s, nil)
				if err != nil && (job.CodeOf(err) != job.Unavailable || !errors.Is(err, store.ErrUnavailable)) {
					t.Errorf("on a full disk: %v", errors.Unwrap(err))
				}
				mu.Lock()
				if accepted[s.Job.ID] = err == nil; err != nil {
					refused++
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if refused == 0 || refused == len(accepted) {
		t.Fatalf("%d of %d were refused: the test shows nothing", refused, len(accepted))
	}
	pages(1 << 30)
	s := submission(1)
	s.Job.ID = job.ID(store.NewID())
	submit(t, db, s)
	accepted[s.Job.ID] = true
	found := 0
	for p := int64(1); p <= 3; p++ {
		jobs, _, err := db.Jobs(t.Context(), store.JobFilter{Project: p, Limit: store.MaxPage})
		if err != nil {
			t.Fatal(err)
		}
		for _, j := range jobs {
			if !accepted[j.ID] {
				t.Errorf("job %v was refused but is stored", j.ID)
			}
			found++
		}
	}
	if want := len(accepted) - refused; found != want {
		t.Errorf("%d jobs are stored, %d were accepted", found, want)
	}
	if wrong, err := checkLoad(t.Context(), db); wrong != "" || err != nil {
		t.Error(wrong, err)
	}
}

// cable is a connection to a server that a test can cut.
type cable struct {
	listener net.Listener
	to       string

	mu    sync.Mutex
	cut   bool
	conns []net.Conn
}

func newCable(t *testing.T, to string) *cable {
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cable{listener: l, to: to}
	go c.serve()
	t.Cleanup(func() { l.Close(); c.set(true) })
	return c
}

func (c *cable) serve() {
	for {
		in, err := c.listener.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", c.to)
		c.mu.Lock()
		if err != nil || c.cut {
			in.Close()
			if out != nil {
				out.Close()
			}
		} else {
			c.conns = append(c.conns, in, out)
			go func() { io.Copy(out, in); out.Close() }()
			go func() { io.Copy(in, out); in.Close() }()
		}
		c.mu.Unlock()
	}
}

func (c *cable) set(cut bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = cut
	if cut {
		for _, conn := range c.conns {
			conn.Close()
		}
		c.conns = nil
	}
}

// TestDatabaseGone: while Postgres cannot be reached, every call fails at once,
// and everything works again when it is back, the queue too.
func TestDatabaseGone(t *testing.T) {
	u, err := url.Parse(storetest.URL(t, store.Postgres))
	if err != nil {
		t.Fatal(err)
	}
	c := newCable(t, u.Host)
	u.Host = c.listener.Addr().String()
	db := storetest.Open(t, u.String(), store.Options{})
	ran := make(chan job.Job, 9)
	startQueue(t, db, store.QueueConfig{Workers: 1, ReapEvery: 100 * time.Millisecond, Work: worker(db, func(_ context.Context, j job.Job) error {
		ran <- j
		return nil
	})})
	submit(t, db, submission(1))
	recv(t, "a job", ran)
	c.set(true)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, _, submitErr := db.Submit(ctx, submission(1), nil)
	_, readErr := db.Stats(ctx)
	for what, err := range map[string]error{"submit": submitErr, "read": readErr, "ping": db.Ping(ctx)} {
		if job.CodeOf(err) != job.Unavailable || !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s: %v", what, err)
		}
	}
	time.Sleep(300 * time.Millisecond)
	c.set(false)
	j := submit(t, db, submission(1))
	if got := recv(t, "a job after the database is back", ran); got.ID != j.ID {
		t.Errorf("another job ran")
	}
}
