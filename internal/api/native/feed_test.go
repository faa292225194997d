package native

import (
	"bufio"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/kinora-video/kinora/internal/api/apitest"
	"github.com/kinora-video/kinora/internal/job"
)

// feedReader reads a project's events.
type feedReader struct {
	t     *testing.T
	lines *bufio.Scanner
	body  interface{ Close() error }
}

func readFeed(t *testing.T, s *httptest.Server, key string) *feedReader {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/v1/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	resp, err := s.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%d %s", resp.StatusCode, resp.Header.Get("Content-Type"))
	}
	r := &feedReader{t, bufio.NewScanner(resp.Body), resp.Body}
	r.lines.Buffer(nil, 1<<20)
	if name, _ := r.next(); name != eventHello {
		t.Fatalf("it begins with %q", name)
	}
	return r
}

// next is the next event.
func (r *feedReader) next() (name string, data map[string]any) {
	r.t.Helper()
	for r.lines.Scan() {
		line := r.lines.Text()
		switch {
		case strings.HasPrefix(line, "event: "):
			name = line[len("event: "):]
		case strings.HasPrefix(line, "data: "):
			if err := json.Unmarshal([]byte(line[len("data: "):]), &data); err != nil {
				r.t.Fatal(err)
			}
		case line == "" && data != nil:
			return name, data
		}
	}
	r.t.Fatalf("the stream ended: %v", r.lines.Err())
	return "", nil
}

// until reads on to an event that is meant.
func (r *feedReader) until(meant func(name string, data map[string]any) bool) map[string]any {
	r.t.Helper()
	for {
		if name, data := r.next(); meant(name, data) {
			return data
		}
	}
}

// TestFeed: a reader hears of every job of its project as it comes, changes, ends and
// is deleted, of places in the queue, and of nothing of other projects.
func TestFeed(t *testing.T) {
	f := apitest.New(t)
	s := f.Serve(t, testNative(f))
	mine := readFeed(t, s, apitest.KeyOne)
	if _, data := mine.next(); len(data["ahead"].(map[string]any)) != 0 {
		t.Errorf("an empty queue has %v", data)
	}
	id, err := job.ParseID(submitJob(t, s, apitest.KeyOne), "job_")
	if err != nil {
		t.Fatal(err)
	}
	theirs := submitJob(t, s, apitest.KeyTwo)
	is := func(state string) func(string, map[string]any) bool {
		return func(name string, data map[string]any) bool {
			if data["id"] == theirs {
				t.Errorf("it hears of another project's job: %s %v", name, data)
			}
			return name == eventJob && data["id"] == jobName(id) && data["state"] == state
		}
	}
	if got := mine.until(is("queued")); got["prompt"] != "p" || got["revision"] != 1.0 {
		t.Errorf("it came as %v", got)
	}
	mine.until(func(name string, data map[string]any) bool {
		ahead, _ := data["ahead"].(map[string]any)
		_, told := ahead[jobName(id)]
		return name == eventQueue && told && len(ahead) == 1
	})
	late := readFeed(t, s, apitest.KeyOne)
	if name, data := late.next(); name != eventQueue || len(data["ahead"].(map[string]any)) != 1 {
		t.Errorf("a reader that comes later begins with %s %v", name, data)
	}
	f.Finish(id)
	if _, err := f.DB.Delete(t.Context(), f.Keys[apitest.KeyOne].Project.ID, id); err != nil {
		t.Fatal(err)
	}
	for _, r := range []*feedReader{mine, late} {
		r.until(func(name string, data map[string]any) bool { return name == eventGone && data["id"] == jobName(id) })
	}
}

func submitJob(t *testing.T, s *httptest.Server, key string) string {
	t.Helper()
	resp, got, raw := apitest.Ask(t, s, key, "POST", "/v1/jobs", apitest.JSON, `{"prompt":"p","seconds":1}`)
	if resp.StatusCode != http.StatusAccepted {
		t.Fatalf("%d %s", resp.StatusCode, raw)
	}
	return got["id"].(string)
}

// TestFeedSeesOtherProcesses: a change that this process was not told of is seen too.
func TestFeedSeesOtherProcesses(t *testing.T) {
	f := apitest.New(t)
	s := f.Serve(t, testNative(f))
	id, err := job.ParseID(submitJob(t, s, apitest.KeyOne), "job_")
	if err != nil {
		t.Fatal(err)
	}
	r := readFeed(t, s, apitest.KeyOne)
	r.next()
	f.Set(id, func(j *job.Job) { j.State, j.Progress, j.Revision = job.Running, 0.5, 7 })
	got := r.until(func(name string, data map[string]any) bool { return name == eventJob && data["state"] == "running" })
	if got["percent"] != 50.0 {
		t.Errorf("got %v", got)
	}
}

// TestFeedLetsSlowReadersGo: a reader that lags too far behind loses its stream, and
// the others go on.
func TestFeedLetsSlowReadersGo(t *testing.T) {
	fs := &feeds{}
	f := &feed{readers: map[chan []byte]bool{}}
	slow, quick := make(chan []byte, 2), make(chan []byte, 16)
	f.readers[slow], f.readers[quick] = true, true
	for range 4 {
		f.send(eventGone, goneEvent{"job_1"})
	}
	n := 0
	for range slow {
		n++
	}
	if n != 2 || f.readers[slow] || !f.readers[quick] || len(quick) != 4 {
		t.Errorf("%d events to the slow one, %d to the quick one", n, len(quick))
	}
	if len(fs.m) != 0 {
		t.Error("a feed without readers is there")
	}
}

// TestFeedEnds: the last reader that leaves ends its feed.
func TestFeedEnds(t *testing.T) {
	f := apitest.New(t)
	n := testNative(f)
	s := f.Serve(t, n)
	r := readFeed(t, s, apitest.KeyOne)
	r.body.Close()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		n.feeds.mu.Lock()
		left := len(n.feeds.m)
		n.feeds.mu.Unlock()
		if left == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatal("it goes on without readers")
		}
	}
}
