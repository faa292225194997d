package native

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/kinora-video/kinora/internal/api/apitest"
	"github.com/kinora-video/kinora/internal/job"
)

// event is one that a reader got.
type event struct {
	name, id, retry, comment string
	data                     map[string]any
}

// reader reads a stream of events, as the standard says.
type reader struct {
	t    *testing.T
	resp *http.Response
	in   *bufio.Scanner
}

func follow(t *testing.T, s *httptest.Server, key, path string, header ...string) *reader {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, "GET", s.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := s.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	in := bufio.NewScanner(resp.Body)
	in.Buffer(nil, 4<<20)
	return &reader{t, resp, in}
}

// next is the next event, or false at the stream's end.
func (r *reader) next() (e event, ok bool) {
	r.t.Helper()
	for r.in.Scan() {
		line := r.in.Text()
		if line == "" {
			return e, true
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "event":
			e.name = value
		case "id":
			e.id = value
		case "retry":
			e.retry = value
		case "":
			e.comment = value
		case "data":
			if err := json.Unmarshal([]byte(value), &e.data); err != nil {
				r.t.Fatalf("data %q: %v", value, err)
			}
		default:
			r.t.Fatalf("a line %q", line)
		}
	}
	return e, false
}

// want reads the next event that is one, and checks its name and some fields.
func (r *reader) want(name string, fields map[string]any) event {
	r.t.Helper()
	e, ok := r.next()
	if !ok || e.name != name {
		r.t.Fatalf("got %+v, want a %s", e, name)
	}
	for k, v := range fields {
		if e.data[k] != v {
			r.t.Errorf("%s of %+v is %v, want %v", k, e, e.data[k], v)
		}
	}
	return e
}

func newJobFor(t *testing.T, s *httptest.Server, key string) (path string, id job.ID) {
	t.Helper()
	resp, _, raw := apitest.Ask(t, s, key, "POST", "/v1/jobs", apitest.JSON, `{"prompt":"p"}`)
	path = resp.Header.Get("Location")
	id, err := job.ParseID(strings.TrimPrefix(path, "/v1/jobs/"), "job_")
	if err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	return path, id
}

// TestEvents follows a job from the queue to its end.
func TestEvents(t *testing.T) {
	f := apitest.New(t)
	s := f.Serve(t, testNative(f))
	_, before := newJobFor(t, s, apitest.KeyOne)
	path, id := newJobFor(t, s, apitest.KeyOne)
	f.Set(id, func(j *job.Job) { j.Sponsor = true })
	preview := f.Put([]byte("\xff\xd8\xff\xe0 a frame"), "image/jpeg")
	r := follow(t, s, apitest.KeyOne, path+"/events?preview=inline")
	if h := r.resp.Header; r.resp.StatusCode != 200 || h.Get("Content-Type") != "text/event-stream" || h.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %v", r.resp.StatusCode, h)
	}
	// When to come back is in the first event: by itself it would be an event
	// without data to some readers.
	if e := r.want("sponsor", map[string]any{"text": "Tea, for those who wait"}); e.retry != "2000" || !strings.Contains(e.data["url"].(string), "tea") {
		t.Errorf("got %+v", e)
	}
	r.want("state", map[string]any{"id": "job_" + id.String(), "state": "queued", "percent": 0.0, "queue_position": 1.0})
	f.Finish(before) // which is no change of this job
	r.want("progress", map[string]any{"state": "queued", "queue_position": 0.0})
	f.Set(id, func(j *job.Job) { j.State, j.Attempt, j.Phase = job.Running, 1, "sampling" })
	r.want("state", map[string]any{"state": "running", "phase": "sampling", "attempt": 1.0, "queue_position": nil})
	f.Set(id, func(j *job.Job) { j.Progress, j.Left, j.Preview = 0.5, 8*time.Second, preview })
	e := r.want("progress", map[string]any{"percent": 50.0, "seconds_left": 8.0, "preview_url": nil})
	if p, _ := e.data["preview"].(string); !strings.HasPrefix(p, "data:image/jpeg;base64,/9j/") {
		t.Errorf("the preview is %q", p)
	}
	f.Set(id, func(j *job.Job) { j.Progress = 0.6 })
	r.want("progress", map[string]any{"percent": 60.0, "preview": nil}) // the reader has that frame
	f.Finish(id)
	e = r.want("state", map[string]any{"state": "succeeded", "percent": 100.0})
	whole, _ := e.data["job"].(map[string]any)
	if result, _ := whole["result"].(map[string]any); len(result["files"].([]any)) != 3 {
		t.Errorf("the job is %v", whole)
	}
	if e, ok := r.next(); ok {
		t.Errorf("after the end came %+v", e)
	}
	if n := f.Waiting(); n != 0 {
		t.Errorf("%d followers are left", n)
	}
}

// TestEventsResume: a reader that comes back gets what it has not seen, and
// nothing when it has seen the end.
func TestEventsResume(t *testing.T) {
	f := apitest.New(t)
	s := f.Serve(t, testNative(f))
	path, id := newJobFor(t, s, apitest.KeyOne)
	f.Set(id, func(j *job.Job) { j.State = job.Running })
	r := follow(t, s, apitest.KeyOne, path+"/events")
	first := r.want("state", map[string]any{"state": "running"})
	if first.retry != "2000" {
		t.Errorf("got %+v", first)
	}
	seen := first.id
	r.resp.Body.Close()
	r = follow(t, s, apitest.KeyOne, path+"/events", "Last-Event-ID", seen)
	f.Set(id, func(j *job.Job) { j.Progress = 0.25 })
	r.want("progress", map[string]any{"percent": 25.0}) // and not the state again
	f.Finish(id)
	last := r.want("state", map[string]any{"state": "succeeded"}).id
	if r = follow(t, s, apitest.KeyOne, path+"/events", "Last-Event-ID", seen); r.resp.StatusCode != 200 {
		t.Fatalf("%d", r.resp.StatusCode)
	}
	r.want("state", map[string]any{"state": "succeeded"})
	if r = follow(t, s, apitest.KeyOne, path+"/events", "Last-Event-ID", last); r.resp.StatusCode != 204 {
		t.Errorf("a reader that has all of it got %d", r.resp.StatusCode)
	}
	for _, bad := range []string{"x", "-1", "1e3"} {
		if r = follow(t, s, apitest.KeyOne, path+"/events", "Last-Event-ID", bad); r.resp.StatusCode != 400 {
			t.Errorf("Last-Event-ID %s: %d", bad, r.resp.StatusCode)
		}
	}
}

// TestEventsResumeAfterAChange: what changed before the stream's first look at
// the job is told as what changes later.
func TestEventsResumeAfterAChange(t *testing.T) {
	f := apitest.New(t)
	s := f.Serve(t, testNative(f))
	path, id := newJobFor(t, s, apitest.KeyOne)
	f.Set(id, func(j *job.Job) { j.State = job.Running })
	j := f.Peek(id)
	f.OnCall = func(method string) error {
		if method == "Follow" {
			f.Set(id, func(j *job.Job) { j.Progress = 0.25 })
		}
		return nil
	}
	r := follow(t, s, apitest.KeyOne, path+"/events", "Last-Event-ID", fmt.Sprint(j.Revision))
	r.want("progress", map[string]any{"state": "running", "percent": 25.0})
}

// TestEventsAreBounded: a project cannot open any number of streams, others can
// still open theirs, and one that is closed makes room.
func TestEventsAreBounded(t *testing.T) {
	f := apitest.New(t)
	s := f.Serve(t, testNative(f))
	path, _ := newJobFor(t, s, apitest.KeyOne)
	other, _ := newJobFor(t, s, apitest.KeyTwo)
	var open []*reader
	for range f.Waiters {
		r := follow(t, s, apitest.KeyOne, path+"/events")
		r.next()
		open = append(open, r)
	}
	resp, got, raw := apitest.Ask(t, s, apitest.KeyOne, "GET", path+"/events", "", "")
	if resp.StatusCode != 429 || got["code"] != "rate_limited" || resp.Header.Get("Retry-After") != "5" {
		t.Errorf("%d %s", resp.StatusCode, raw)
	}
	if r := follow(t, s, apitest.KeyTwo, other+"/events"); r.resp.StatusCode != 200 {
		t.Errorf("another project got %d", r.resp.StatusCode)
	}
	open[0].resp.Body.Close()
	for start := time.Now(); f.Waiting() > f.Waiters; time.Sleep(time.Millisecond) {
		if time.Since(start) > 10*time.Second {
			t.Fatal("a closed stream is still counted")
		}
	}
	if r := follow(t, s, apitest.KeyOne, path+"/events"); r.resp.StatusCode != 200 {
		t.Errorf("after one was closed: %d", r.resp.StatusCode)
	}
}

// TestEventsOfASlowReader: a reader that does not read holds up nobody, and
// gets the end when it reads on.
func TestEventsOfASlowReader(t *testing.T) {
	f := apitest.New(t)
	s := f.Serve(t, testNative(f))
	path, id := newJobFor(t, s, apitest.KeyOne)
	f.Set(id, func(j *job.Job) { j.State = job.Running })
	c, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if tc, ok := c.(*net.TCPConn); ok {
		if err := tc.SetReadBuffer(4096); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Write([]byte("GET " + path + "/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + apitest.KeyOne + "\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	quick := follow(t, s, apitest.KeyOne, path+"/events")
	quick.want("state", nil)
	start := time.Now()
	for i := range 60 {
		f.Set(id, func(j *job.Job) { j.Phase = strings.Repeat("x", 5000); j.Progress = float64(i) / 60 })
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("60 changes took %v", took)
	}
	f.Finish(id)
	for {
		e, ok := quick.next()
		if !ok {
			t.Fatal("the quick reader missed the end")
		}
		if e.data["state"] == "succeeded" {
			break
		}
	}
	if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(c)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			t.Fatalf("the slow reader missed the end: %v", err)
		}
		if strings.Contains(line, `"state":"succeeded"`) {
			break
		}
	}
}

// TestEventsWhenTheJobIsDeleted: the stream says why it ends.
func TestEventsWhenTheJobIsDeleted(t *testing.T) {
	f := apitest.New(t)
	s := f.Serve(t, testNative(f))
	path, id := newJobFor(t, s, apitest.KeyOne)
	r := follow(t, s, apitest.KeyOne, path+"/events")
	r.want("state", map[string]any{"state": "queued"})
	f.Drop(id)
	r.want("error", map[string]any{"code": "not_found"})
	if e, ok := r.next(); ok {
		t.Errorf("after the end came %+v", e)
	}
}
