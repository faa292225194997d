package minimax

import (
	"bytes"
	"cmp"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/kinora-video/kinora/internal/api/apitest"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/web"
)

// serve starts MiniMax's APIs on a service.
func serve(t testing.TB, f *apitest.Service) *client {
	s := f.Serve(t, New(f)...)
	return &client{t: t, base: s.URL, key: apitest.KeyOne}
}

// client asks as a customer does.
type client struct {
	t         testing.TB
	base, key string
	agent     string
}

// ask sends a request and returns status, header and body.
func (c *client) ask(method, path, kind string, body []byte) (int, http.Header, []byte) {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.base+path, bytes.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	if c.key != "" {
		req.Header.Set("Authorization", "Bearer "+c.key)
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	if c.agent != "" {
		req.Header.Set("User-Agent", c.agent)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, data
}

// json asks with a JSON body ("" for none) and decodes the answer.
func (c *client) json(method, path, body string) (int, map[string]any) {
	c.t.Helper()
	status, _, data := c.ask(method, path, "application/json", []byte(body))
	var out map[string]any
	if err := json.Unmarshal(data, &out); err != nil {
		c.t.Fatalf("%s %s: %v in %q", method, path, err, data)
	}
	return status, out
}

// code is the error in an answer: MiniMax's number (0 for none) and its message.
func errorOf(t testing.TB, answer map[string]any) (int, string) {
	t.Helper()
	if base, ok := answer["base_resp"].(map[string]any); ok {
		return int(base["status_code"].(float64)), base["status_msg"].(string)
	}
	e, ok := answer["error"].(map[string]any)
	if !ok {
		return 0, ""
	}
	message := e["message"].(string)
	digits := strings.TrimSuffix(message[strings.LastIndex(message, "(")+1:], ")")
	var n int
	if err := json.Unmarshal([]byte(digits), &n); err != nil {
		t.Fatalf("the message %q ends without a number", message)
	}
	return n, message
}

func mustID(t testing.TB, answer map[string]any) job.ID {
	t.Helper()
	s, _ := answer["task_id"].(string)
	id, err := job.ParseID(s, "")
	if err != nil {
		t.Fatalf("no task_id in %v", answer)
	}
	return id
}

// finishAll makes jobs of every kind succeed as they come.
func finishAll(f *apitest.Service, id job.ID) {
	j := f.Peek(id)
	res := &job.Result{Width: j.Spec.Width, Height: j.Spec.Height, Seed: j.Spec.Seed}
	switch j.Spec.Kind {
	case job.Video:
		f.Finish(id)
		return
	case job.Image:
		for range j.Spec.Count {
			res.Files = append(res.Files, f.Media(job.RoleImage, "image/png", "image of "+id.String(), j.Spec.Width, j.Spec.Height))
		}
	case job.Expansion:
		res.Text = "Description: " + j.Spec.Prompt
	}
	f.Set(id, func(j *job.Job) { j.State, j.Result, j.Progress = job.Succeeded, res, 1 })
}

// TestMiniMaxCodes: every kind of error has its number, status and type, in
// both versions and in chat.
func TestMiniMaxCodes(t *testing.T) {
	types := map[int]string{400: typeBadRequest, 404: typeBadRequest, 405: typeBadRequest, 401: typeUnauthorized, 402: typeNoBalance, 422: typeUnprocessable, 429: typeRateLimited, 500: typeServerError, 529: typeOverloaded}
	for code := range web.OpenAICodes {
		if _, ok := errorCodes[code]; !ok {
			t.Errorf("%s has no number", code)
		}
	}
	for code, want := range errorCodes {
		f := apitest.New(t)
		f.OnCall = func(method string) error {
			if method == "Submit" {
				return &job.Error{Code: code, Message: "no", Param: "prompt", RetryAfter: 1500 * 1e6}
			}
			return nil
		}
		c := serve(t, f)
		status, header, data := c.ask("POST", "/v1/video_generation", "application/json", []byte(`{"model":"T2V-01","prompt":"a cat"}`))
		var answer map[string]any
		if err := json.Unmarshal(data, &answer); err != nil {
			t.Fatal(err)
		}
		wantStatus := map[job.Code]int{job.NoEndpoint: 404, job.NoMethod: 405}[code]
		if n, message := errorOf(t, answer); status != cmp.Or(wantStatus, 200) || n != want.number || message != "prompt: no" || header.Get("Retry-After") != "2" || header.Get("Trace-Id") != "req_test" {
			t.Errorf("V1 %s: %d, %d %q, %v", code, status, n, message, header)
		}
		status, answer = c.json("POST", "/v2/video_generation", `{"model":"MiniMax-H3","content":[{"type":"text","text":"a cat"}],"ratio":"1:1"}`)
		n, message := errorOf(t, answer)
		if status != want.status || n != want.number || !strings.HasPrefix(message, "prompt: no (") || apitest.At(answer, "type") != "error" ||
			apitest.At(answer, "error", "type") != types[status] || types[status] != want.kind || apitest.At(answer, "error", "http_code") != apitest.JSONText(status) || apitest.At(answer, "request_id") != "req_test" {
			t.Errorf("V2 %s: %d, %v", code, status, answer)
		}
	}
}

// TestMiniMaxKeys: no key, a bad key and a key without the scope, in the form of
// the API that was asked.
func TestMiniMaxKeys(t *testing.T) {
	c := serve(t, apitest.New(t))
	for _, tt := range []struct {
		key            string
		number, status int
	}{{"", 1004, 401}, {"kn-wrong", 2049, 401}, {apitest.KeyRead, 1004, 401}} {
		c.key = tt.key
		if status, a := c.json("POST", "/v1/video_generation", "{}"); status != 200 || apitest.At(a, "base_resp", "status_code") != float64(tt.number) {
			t.Errorf("V1 %q: %d %v", tt.key, status, a)
		}
		if status, a := c.json("POST", "/v2/video_generation", "{}"); status != tt.status || apitest.At(a, "error", "type") != typeUnauthorized {
			t.Errorf("V2 %q: %d %v", tt.key, status, a)
		}
		if status, a := c.json("POST", "/v1/chat/completions", "{}"); status < 401 || status > 403 || apitest.At(a, "base_resp", "status_code") != float64(tt.number) || apitest.At(a, "error", "message") == nil {
			t.Errorf("chat %q: %d %v", tt.key, status, a)
		}
	}
}

// TestUnexpectedErrorsSayNothing: what went wrong inside stays there.
func TestUnexpectedErrorsSayNothing(t *testing.T) {
	f := apitest.New(t)
	f.OnCall = func(string) error { return io.ErrNoProgress }
	c := serve(t, f)
	_, a := c.json("GET", "/v1/query/video_generation?task_id=1234567890123456", "")
	if n, message := errorOf(t, a); n != 1013 || strings.Contains(message, "Read") {
		t.Errorf("got %d %q", n, message)
	}
}
