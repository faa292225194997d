package server

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kinora-video/kinora"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/store"
	"github.com/kinora-video/kinora/internal/worker"
)

// heldEngine begins each video when the test lets it.
type heldEngine struct {
	worker.Engine
	began chan struct{} // a value for each requested video
	goOn  chan struct{} // closed
}

func (e heldEngine) Generate(ctx context.Context, r kinora.Request) (worker.Clip, error) {
	e.began <- struct{}{}
	select {
	case <-e.goOn:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return e.Engine.Generate(ctx, r)
}

// runServer starts a server with an engine on the loopback interface. stop asks
// it to stop; over gets what Run returned.
func runServer(t *testing.T, c Config, e worker.Engine) (s *Server, url, key string, stop func(), over <-chan error) {
	t.Helper()
	s, err := New(t.Context(), Options{Config: c, Engines: map[string]worker.Engine{"testcard": e, "reel": e}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	keys, err := s.Bootstrap(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, ln) }()
	return s, "http://" + ln.Addr().String(), keys.API, cancel, done
}

// TestDrain: a server that is asked to stop begins no further job. Requests that
// wait for a job end at once, while a slow request gets its time.
func TestDrain(t *testing.T) {
	c := DefaultConfig()
	c.Data = t.TempDir()
	c.Limits.FreeSpace = 0
	m, err := kinora.Open(t.Context(), "testcard", kinora.WithLatentsDir(filepath.Join(c.Data, "latents")))
	if err != nil {
		t.Fatal(err)
	}
	e := heldEngine{worker.Model(m), make(chan struct{}, 10), make(chan struct{})}
	s, url, key, stop, over := runServer(t, c, e)
	send := func(method, path, body string) (*http.Response, error) {
		req, err := http.NewRequestWithContext(t.Context(), method, url+path, strings.NewReader(body))
		if err != nil {
			return nil, err
		}
		req.Header.Set("Authorization", "Bearer "+key)
		req.Header.Set("Content-Type", "application/json")
		return http.DefaultClient.Do(req)
	}
	submit := func() string {
		t.Helper()
		resp, err := send("POST", "/v1/jobs", `{"prompt":"a ball","model":"testcard","seconds":0.2}`)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.Header.Get("Location")
	}
	runs := submit()
	<-e.began
	waits := submit()

	slow, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	fmt.Fprintf(slow, "POST /v1/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{", key)
	ended := make(chan string, 2)
	for _, path := range []string{waits + "/events", waits + "?wait=60"} {
		began := make(chan struct{})
		go func() {
			resp, err := send("GET", path, "")
			if err != nil {
				ended <- err.Error()
				close(began)
				return
			}
			defer resp.Body.Close()
			in := bufio.NewReader(resp.Body)
			if strings.HasSuffix(path, "events") {
				in.ReadString('\n')
				close(began)
			}
			rest, err := io.ReadAll(in)
			ended <- fmt.Sprint(resp.StatusCode, " ", string(rest), " ", err)
		}()
		if strings.HasSuffix(path, "events") {
			<-began
		}
	}
	for s.service.Waiting() < 2 {
		time.Sleep(time.Millisecond)
	}

	stop()
	asked := time.Now()
	for range 2 {
		select {
		case answer := <-ended:
			if !strings.HasPrefix(answer, "200 ") || !strings.Contains(answer, `"state":"queued"`) || !strings.HasSuffix(answer, "<nil>") {
				t.Errorf("a waiting request gets %s", answer)
			}
		case err := <-over:
			t.Fatalf("the server has stopped (%v), but a request still waits for a job", err)
		}
	}
	close(e.goOn)
	if err := <-over; err != nil {
		t.Error(err)
	}
	if took := time.Since(asked); took < drainTime-time.Second {
		t.Errorf("it took %v to stop: the slow request should have had %v", took, drainTime)
	}
	if n := len(e.began); n != 0 {
		t.Errorf("%d jobs were begun while the server was stopping", n)
	}
	for path, want := range map[string]job.State{runs: job.Succeeded, waits: job.Queued} {
		resp, answer := call(t, s, "GET", path, key, "")
		var j struct{ State job.State }
		if err := json.Unmarshal([]byte(answer), &j); err != nil || j.State != want {
			t.Errorf("%s: %d %v, %s, want %s", path, resp.StatusCode, err, answer, want)
		}
	}
}

// TestWaitUntilTheServerStops: a request that begins to wait while the server
// stops gets the job's present state.
func TestWaitUntilTheServerStops(t *testing.T) {
	s, keys := realServer(t, nil)
	who, err := s.auth.Check(t.Context(), keys.API)
	if err != nil {
		t.Fatal(err)
	}
	resp, _ := call(t, s, "POST", "/v1/jobs", keys.API, `{"prompt":"a ball"}`)
	path := resp.Header.Get("Location")
	id, err := job.ParseID(strings.TrimPrefix(path, "/v1/jobs/"), "job_")
	if err != nil {
		t.Fatal(err)
	}
	j, err := s.service.Job(t.Context(), who, id)
	if err != nil {
		t.Fatal(err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if got, err := s.service.Wait(over, who, j); err != nil || got.ID != id || got.State != job.Queued {
		t.Errorf("no time to wait: %+v, %v", got, err)
	}
	if _, err := s.service.Wait(t.Context(), who, job.Job{ID: id + 1}); job.CodeOf(err) != job.NotFound {
		t.Errorf("waiting for no job: %v", err)
	}
	close(s.stopping)
	for range 10 {
		if resp, answer := call(t, s, "GET", path+"?wait=60", keys.API, ""); resp.StatusCode != 200 || !strings.Contains(answer, `"state":"queued"`) {
			t.Errorf("?wait= while the server stops: %d %s", resp.StatusCode, answer)
		}
		switch resp, answer := call(t, s, "GET", path+"/events", keys.API, ""); {
		case resp.StatusCode == 200 && strings.Contains(answer, `"state":"queued"`):
		case resp.StatusCode == 503 && resp.Header.Get("Retry-After") == "2":
		default:
			t.Errorf("events while the server stops: %d %s", resp.StatusCode, answer)
		}
	}
}

// TestWaitingIsBounded: each request that waits for a job takes one of the
// project's waiting slots, and frees it afterwards.
func TestWaitingIsBounded(t *testing.T) {
	s, keys := realServer(t, func(c *Config) { c.Limits.Followers = 1 })
	who, err := s.auth.Check(t.Context(), keys.API)
	if err != nil {
		t.Fatal(err)
	}
	_, answer := call(t, s, "POST", "/v1/jobs", keys.API, `{"prompt":"a ball"}`)
	var j struct{ ID string }
	if err := json.Unmarshal([]byte(answer), &j); err != nil {
		t.Fatal(err)
	}
	done, err := s.service.StartWaiting(who)
	if err != nil {
		t.Fatal(err)
	}
	image := `{"model":"image-01","prompt":"a ball"}`
	for _, tt := range []struct {
		method, path, body string
		status             int
		part               string
	}{
		{"GET", "/v1/jobs/" + j.ID + "/events", "", 429, `"code":"rate_limited"`},
		{"GET", "/v1/jobs/" + j.ID + "?wait=1", "", 429, `"code":"rate_limited"`},
		{"POST", "/v1/image_generation", image, 200, `"status_code":1002`},
		{"GET", "/v1/jobs/" + j.ID, "", 200, `"queued"`},
	} {
		resp, answer := call(t, s, tt.method, tt.path, keys.API, tt.body)
		if resp.StatusCode != tt.status || !strings.Contains(answer, tt.part) || tt.status != 200 && resp.Header.Get("Retry-After") != "5" {
			t.Errorf("%s %s: %d %s, again after %q", tt.method, tt.path, resp.StatusCode, answer, resp.Header.Get("Retry-After"))
		}
	}
	if _, n, err := s.db.Jobs(t.Context(), store.JobFilter{Project: who.Project.ID, Limit: 1}); n != 1 || err != nil {
		t.Errorf("%d jobs, %v: the images should not be submitted", n, err)
	}
	done()
	done() // a second call has no effect
	if resp, answer := call(t, s, "GET", "/v1/jobs/"+j.ID+"?wait=1", keys.API, ""); resp.StatusCode != 200 {
		t.Errorf("with a free slot: %d %s", resp.StatusCode, answer)
	}
	if n := s.service.Waiting(); n != 0 {
		t.Errorf("%d slots are taken in the end", n)
	}
}
