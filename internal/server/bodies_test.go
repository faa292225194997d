package server

import (
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/kinora-video/kinora/internal/web"
)

// stalled sends its text and then blocks until it is closed.
type stalled struct {
	*strings.Reader
	sent, end chan struct{}
}

func (s stalled) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		close(s.sent)
		<-s.end
	}
	return n, err
}

// TestBodiesHaveABound: beyond the bound of all bodies, each API says in its own
// form when to try again. Afterwards requests are served again.
func TestBodiesHaveABound(t *testing.T) {
	s, keys := realServer(t, func(c *Config) { c.Limits.Body, c.Limits.Bodies = 1<<20, 1<<20 })
	body := stalled{strings.NewReader(`{"prompt":"` + strings.Repeat("a", 700<<10)), make(chan struct{}), make(chan struct{})}
	over := make(chan struct{})
	go func() {
		defer close(over)
		r := httptest.NewRequest("POST", "/v1/jobs", struct{ io.Reader }{body})
		r.Header.Set("Authorization", "Bearer "+keys.API)
		r.Header.Set("Content-Type", "application/json")
		s.Handler().ServeHTTP(httptest.NewRecorder(), r)
	}()
	<-body.sent

	large := `{"prompt":"` + strings.Repeat("b", 500<<10) + `"}`
	var form strings.Builder
	w := multipart.NewWriter(&form)
	if err := errors.Join(w.WriteField("prompt", strings.Repeat("b", 500<<10)), w.Close()); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		path, kind, body string
		status           int
		part             string
	}{
		{"/v1/jobs", "application/json", large, 503, `"code":"unavailable"`},
		{"/v1/videos", "application/json", large, 503, `"code":"service_unavailable"`},
		{"/v1/videos", w.FormDataContentType(), form.String(), 503, `"code":"service_unavailable"`},
		{"/v1/video_generation", "application/json", large, 200, `"status_code":1033`},
		{"/v1/files/upload", w.FormDataContentType(), form.String(), 200, `"status_code":1033`},
		{"/v2/video_generation", "application/json", large, 529, "overloaded_error"},
		{"/v1/chat/completions", "application/json", large, 503, "service_unavailable"},
	} {
		resp, answer := call(t, s, "POST", tt.path, keys.API, tt.body, "Content-Type", tt.kind)
		if resp.StatusCode != tt.status || !strings.Contains(answer, tt.part) || resp.Header.Get("Retry-After") != "2" {
			t.Errorf("%s %s: %d %.200s, again after %q", tt.path, tt.kind, resp.StatusCode, answer, resp.Header.Get("Retry-After"))
		}
	}
	if resp, answer := call(t, s, "POST", "/v1/jobs", keys.API, `{"prompt":"a ball"}`); resp.StatusCode != 202 {
		t.Errorf("a small body is refused: %d %s", resp.StatusCode, answer)
	}

	close(body.end)
	<-over
	if resp, answer := call(t, s, "POST", "/v1/jobs", keys.API, large); resp.StatusCode != 400 || !strings.Contains(answer, "prompt") {
		t.Errorf("afterwards: %d %.200s", resp.StatusCode, answer)
	}
	if !s.bodies.TryAcquire(1 << 20) {
		t.Error("bytes are held although no request is")
	}
}

// TestManyValues: every API refuses JSON that would grow to many times its size,
// before decoding it.
func TestManyValues(t *testing.T) {
	s, keys := realServer(t, nil)
	many := `{"prompt":"a ball","x":[` + strings.Repeat("0,", web.MaxValues) + `0]}`
	for path, status := range map[string]int{
		"/v1/jobs": 400, "/v1/videos": 413, "/v1/video_generation": 200, "/v2/video_generation": 400, "/v1/chat/completions": 413,
	} {
		if resp, answer := call(t, s, "POST", path, keys.API, many); resp.StatusCode != status || !strings.Contains(answer, "the body's JSON has more than 100000 values") {
			t.Errorf("%s: %d %.300s", path, resp.StatusCode, answer)
		}
	}
	text := `{"prompt":"a ball","metadata":{"a":"` + strings.Repeat(`,[{\"`, 80) + `"}}`
	if resp, answer := call(t, s, "POST", "/v1/jobs", keys.API, text); resp.StatusCode != http.StatusAccepted {
		t.Errorf("commas within a text: %d %s", resp.StatusCode, answer)
	}
}

// TestIdempotencyKnowsTheEndpoint: the same body and key at another endpoint are
// another request.
func TestIdempotencyKnowsTheEndpoint(t *testing.T) {
	s, keys := realServer(t, nil)
	ask := func(path, body string) string {
		t.Helper()
		_, answer := call(t, s, "POST", path, keys.API, body, "Idempotency-Key", "k")
		return answer
	}
	body := `{"model":"reel","prompt":"a ball","content":[{"type":"text","text":"a ball"}],"ratio":"16:9"}`
	first := ask("/v1/video_generation", body)
	if !strings.Contains(first, `"status_code":0`) || ask("/v1/video_generation", body) != first {
		t.Errorf("the same request twice: %s", first)
	}
	for _, path := range []string{"/v2/video_generation", "/v1/videos", "/v1/jobs"} {
		body := body
		if path != "/v2/video_generation" {
			body = `{"model":"reel","prompt":"a ball"}`
		}
		if answer := ask(path, body); !strings.Contains(answer, "dempotency") {
			t.Errorf("%s: %s", path, answer)
		}
	}
}
