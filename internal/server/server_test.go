package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"image"
	"image/color"
	"image/png"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kinora-video/kinora"
	"github.com/kinora-video/kinora/internal/auth"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/meter"
	"github.com/kinora-video/kinora/internal/service"
	"github.com/kinora-video/kinora/internal/store"
	"github.com/kinora-video/kinora/internal/worker"
)

// realServer returns a server with its own database and folder, whose queue is
// not started, and the keys of its first start.
func realServer(t testing.TB, change func(*Config)) (*Server, auth.FirstKeys) {
	t.Helper()
	c := DefaultConfig()
	c.Data = t.TempDir()
	c.Limits.FreeSpace = 0
	if change != nil {
		change(&c)
	}
	m, err := kinora.Open(t.Context(), "testcard", kinora.WithLatentsDir(filepath.Join(c.Data, "latents")))
	if err != nil {
		t.Fatal(err)
	}
	engines := map[string]worker.Engine{"testcard": worker.Model(m), "reel": worker.Model(m)}
	s, err := New(t.Context(), Options{Config: c, Engines: engines, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	keys, err := s.Bootstrap(t.Context())
	if err != nil || keys.API == "" || keys.Admin == "" {
		t.Fatalf("first start: %+v, %v", keys, err)
	}
	if again, err := s.Bootstrap(t.Context()); err != nil || again.API != "" {
		t.Fatalf("second start: %+v, %v", again, err)
	}
	return s, keys
}

// call sends a request with a key and returns the answer with its body.
func call(t *testing.T, s *Server, method, path, key, body string, header ...string) (*http.Response, string) {
	t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	return w.Result(), w.Body.String()
}

// TestKeysAndForms: without a valid key a request has no effect, and each API
// says so in its own form.
func TestKeysAndForms(t *testing.T) {
	s, keys := realServer(t, nil)
	for path, want := range map[string]struct {
		status int
		part   string
	}{
		"GET /v1/query/video_generation?task_id=1": {200, `"status_code":1004`},
		"GET /v2/query/video_generation/1":         {401, `authorized_error`},
		"GET /v1/videos":                           {401, `"error":{`},
		"GET /v1/jobs":                             {401, `"code":"unauthorized"`},
	} {
		method, target, _ := strings.Cut(path, " ")
		for _, key := range []string{"", "kn-wrong", strings.Repeat("x", 5000)} {
			resp, body := call(t, s, method, target, key, "")
			if resp.StatusCode != want.status || !strings.Contains(body, want.part) && !strings.Contains(body, "2049") {
				t.Errorf("%s with key %.10q: %d %s", path, key, resp.StatusCode, body)
			}
			if resp.Header.Get("X-Request-Id") == "" {
				t.Errorf("%s: no request id", path)
			}
		}
	}
	for _, path := range []string{"/v1/videos", "/v1/jobs", "/v1/models"} {
		if resp, body := call(t, s, "GET", path, "", "", "X-Api-Key", keys.API); resp.StatusCode != 200 {
			t.Errorf("%s with x-api-key: %d %s", path, resp.StatusCode, body)
		}
	}
	if resp, body := call(t, s, "GET", "/v1/admin/projects", keys.API, ""); resp.StatusCode != 403 {
		t.Errorf("a customer's key on an admin path: %d %s", resp.StatusCode, body)
	}
	if resp, body := call(t, s, "GET", "/v1/admin/projects", keys.Admin, ""); resp.StatusCode != 200 {
		t.Errorf("the admin key: %d %s", resp.StatusCode, body)
	}
}

func TestStrangersAreSlowedDown(t *testing.T) {
	s, keys := realServer(t, func(c *Config) { c.Limits.AnonymousRPM = 3 })
	var last *http.Response
	for range 4 {
		last, _ = call(t, s, "GET", "/v1/jobs", "kn-wrong", "")
	}
	if last.StatusCode != 429 || last.Header.Get("Retry-After") == "" {
		t.Errorf("the fourth wrong key: %d, %v", last.StatusCode, last.Header)
	}
	if resp, _ := call(t, s, "GET", "/v1/jobs", keys.API, ""); resp.StatusCode != 200 {
		t.Errorf("a good key from the same address: %d", resp.StatusCode)
	}
}

// TestKeysAreSlowedDown: a key without a limit of its own has the
// configuration's, if there is one.
func TestKeysAreSlowedDown(t *testing.T) {
	for rpm, want := range map[int]int{3: 429, 0: 200} {
		s, keys := realServer(t, func(c *Config) { c.Limits.KeyRPM = rpm })
		who := ownerOf(t, s, keys.API)
		own, _, err := auth.Issue(t.Context(), s.db, store.Key{Project: who.Project.ID, Name: "own", Scopes: auth.CustomerScopes(), RPM: 100})
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if resp, body := call(t, s, "GET", "/v1/jobs", keys.API, ""); resp.StatusCode != 200 {
				t.Fatalf("%d %s", resp.StatusCode, body)
			}
		}
		resp, body := call(t, s, "GET", "/v1/jobs", keys.API, "")
		if resp.StatusCode != want || (resp.Header.Get("Retry-After") != "") != (want == 429) {
			t.Errorf("the fourth request of %d a minute: %d %v %s", rpm, resp.StatusCode, resp.Header, body)
		}
		for range 5 {
			if resp, body := call(t, s, "GET", "/v1/jobs", own, ""); resp.StatusCode != 200 {
				t.Errorf("a key with a limit of its own: %d %s", resp.StatusCode, body)
			}
		}
	}
}

func TestPagesNeedNoKey(t *testing.T) {
	s, _ := realServer(t, nil)
	for path, part := range map[string]string{
		"/healthz": "ok", "/readyz": "ready", "/docs": "<html", "/openapi.json": `"openapi"`, "/openapi.yaml": "openapi:",
		"/metrics": "kinora_jobs{state=\"queued\"} 0",
	} {
		if resp, body := call(t, s, "GET", path, "", ""); resp.StatusCode != 200 || !strings.Contains(body, part) {
			t.Errorf("%s: %d %.200s", path, resp.StatusCode, body)
		}
	}
	if resp, body := call(t, s, "GET", "/", "", ""); resp.StatusCode != http.StatusFound || resp.Header.Get("Location") != "/studio/" {
		t.Errorf("/: %d %.200s", resp.StatusCode, body)
	}
	s.db.Close()
	if resp, body := call(t, s, "GET", "/readyz", "", ""); resp.StatusCode != 503 {
		t.Errorf("/readyz without a database: %d %s", resp.StatusCode, body)
	}
	if resp, body := call(t, s, "GET", "/healthz", "", ""); resp.StatusCode != 200 {
		t.Errorf("/healthz without a database: %d %s", resp.StatusCode, body)
	}
}

func TestRequestIDs(t *testing.T) {
	s, _ := realServer(t, nil)
	for given, kept := range map[string]bool{"abc-123_X": true, "with space": false, strings.Repeat("a", 65): false, "line\nfeed": false} {
		resp, _ := call(t, s, "GET", "/healthz", "", "", "X-Request-Id", given)
		if got := resp.Header.Get("X-Request-Id"); (got == given) != kept || got == "" {
			t.Errorf("%q became %q", given, got)
		}
	}
}

// TestPanicIsAnswered: a panic in a handler is an error of that request alone, in
// the API's form and without its cause.
func TestPanicIsAnswered(t *testing.T) {
	var log bytes.Buffer
	s, _ := realServer(t, nil)
	s.front.Log = slog.New(slog.NewTextHandler(&log, nil))
	h := s.front.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("the secret of the house") }))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/v1/jobs", nil))
	if w.Code != 500 || strings.Contains(w.Body.String(), "secret") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if !strings.Contains(log.String(), "secret of the house") {
		t.Error("the log does not say what happened")
	}
}

// TestSendersWhoLeave: if a sender disconnects while its request waits, the log
// shows no server error.
func TestSendersWhoLeave(t *testing.T) {
	onEach(t, func(t *testing.T, s *Server, keys auth.FirstKeys) {
		var log bytes.Buffer
		s.front.Log = slog.New(slog.NewTextHandler(&log, nil))
		_, answer := call(t, s, "POST", "/v1/jobs", keys.API, `{"prompt":"a ball"}`)
		var j struct{ ID string }
		if err := json.Unmarshal([]byte(answer), &j); err != nil || j.ID == "" {
			t.Fatal(answer, err)
		}
		ctx, leave := context.WithCancel(t.Context())
		leave()
		r := httptest.NewRequestWithContext(ctx, "GET", "/v1/jobs/"+j.ID+"?wait=60", nil)
		r.Header.Set("Authorization", "Bearer "+keys.API)
		log.Reset()
		s.Handler().ServeHTTP(httptest.NewRecorder(), r)
		if text := log.String(); !strings.Contains(text, "level=INFO") || !strings.Contains(text, "status=499") || strings.Contains(text, "ERROR") {
			t.Error(text)
		}
	})
}

func pngOf(t testing.TB, w, h int) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for i := range w {
		img.Set(i, i%h, color.RGBA{R: 200, A: 255})
	}
	var out bytes.Buffer
	if err := png.Encode(&out, img); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestMediaLinks: a signed link opens its file to anybody, whole or in ranges.
// Any other link opens nothing.
func TestMediaLinks(t *testing.T) {
	s, keys := realServer(t, nil)
	who, err := s.auth.Check(t.Context(), keys.API)
	if err != nil {
		t.Fatal(err)
	}
	data := pngOf(t, 300, 200)
	f, err := s.service.AddFile(t.Context(), who, service.NewFile{Purpose: "video_generation_input", Name: `..\..\a "cat".png`}, bytes.NewReader(data))
	if err != nil || f.ContentType != "image/png" || f.Bytes != int64(len(data)) || f.Name != "a cat.png" {
		t.Fatalf("%+v, %v", f, err)
	}
	link := s.service.FileURL("", f, time.Minute)
	path := link[strings.Index(link, service.MediaPath):]
	resp, body := call(t, s, "GET", path, "", "")
	if resp.StatusCode != 200 || body != string(data) || resp.Header.Get("Content-Type") != "image/png" ||
		!strings.Contains(resp.Header.Get("Content-Security-Policy"), "sandbox") || !strings.Contains(resp.Header.Get("Content-Disposition"), "a cat.png") {
		t.Errorf("%d, %d bytes, %v", resp.StatusCode, len(body), resp.Header)
	}
	if resp, body := call(t, s, "GET", path, "", "", "Range", "bytes=1-3"); resp.StatusCode != 206 || body != "PNG" {
		t.Errorf("a range: %d %q", resp.StatusCode, body)
	}
	for name, wrong := range map[string]string{
		"another key":       strings.Replace(path, f.Key, "file/00/other.png", 1),
		"no signature":      path[:strings.Index(path, "?")],
		"a longer life":     strings.Replace(path, "expires=", "expires=9", 1),
		"another file name": strings.Replace(path, "filename=a", "filename=b", 1),
		"out of the store":  service.MediaPath + "../../link.key?" + path[strings.Index(path, "?")+1:],
	} {
		if resp, body := call(t, s, "GET", wrong, keys.Admin, ""); resp.StatusCode < 300 || resp.StatusCode > 404 || strings.Contains(body, string(data)) {
			t.Errorf("%s: %d", name, resp.StatusCode)
		}
	}
	old := s.service.FileURL("", f, -time.Hour)
	_ = old // a link without a lifetime of its own has the configured one
	expired, err := s.signer.Link("GET", service.MediaPath+f.Key, "", time.Now().Add(-time.Second))
	if err != nil {
		t.Fatal(err)
	}
	if resp, _ := call(t, s, "GET", expired, "", ""); resp.StatusCode != http.StatusGone {
		t.Errorf("an expired link: %d", resp.StatusCode)
	}
}

// TestSponsors: impressions and clicks are counted; a click needs a signed link.
func TestSponsors(t *testing.T) {
	s, keys := realServer(t, func(c *Config) {
		c.Sponsors = []meter.Sponsor{{ID: "acme", Line: "Brought to you by Acme", Link: "https://example.com/acme"}}
	})
	who, err := s.auth.Check(t.Context(), keys.API)
	if err != nil {
		t.Fatal(err)
	}
	who.Project.Sponsored = true
	j, err := s.service.Submit(t.Context(), who, service.Submission{API: job.Native, Spec: job.Spec{Kind: job.Video, Model: "reel", Engine: "reel", Prompt: "a ball", Seconds: 1}})
	if err != nil {
		t.Fatal(err)
	}
	var line service.SponsorText
	for range 3 {
		var ok bool
		if line, ok = s.sponsors.Show(t.Context(), "", &j); !ok || line.Text != "Brought to you by Acme" {
			t.Fatalf("%+v, %v", line, ok)
		}
	}
	path := line.Link[strings.Index(line.Link, service.SponsorPath):]
	if resp, _ := call(t, s, "GET", path, "", ""); resp.StatusCode != 302 || resp.Header.Get("Location") != "https://example.com/acme" {
		t.Errorf("a click: %d, %v", resp.StatusCode, resp.Header)
	}
	if resp, _ := call(t, s, "GET", strings.Replace(path, "acme", "evil", 1), "", ""); resp.StatusCode != 403 {
		t.Errorf("a changed link: %d", resp.StatusCode)
	}
	report, err := s.meter.SponsorReport(t.Context(), time.Time{}, time.Time{})
	if err != nil || len(report) != 1 || report[0].Impressions != 1 || report[0].Clicks != 1 {
		t.Errorf("%+v, %v", report, err)
	}
	who.Project.Sponsored = false
	if _, ok := s.sponsors.Show(t.Context(), "", &job.Job{ID: job.MinID}); ok {
		t.Error("a job that is not sponsored shows one")
	}
}

// TestChatUpstream: requests reach the upstream with the upstream's key instead
// of the customer's, and its answer is returned unchanged.
func TestChatUpstream(t *testing.T) {
	var seen *http.Request
	var body []byte
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = r
		body, _ = io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"choices":[{"message":{"role":"assistant","content":"Description: a cat"}}]}`))
	}))
	defer up.Close()
	s, keys := realServer(t, func(c *Config) {
		c.Upstreams.Chat.URL, c.Upstreams.Chat.Key, c.Upstreams.Chat.Model = up.URL+"/v1", "up-key", "llama"
	})
	resp, answer := call(t, s, "POST", "/v1/chat/completions", keys.API, `{"messages":[{"role":"user","content":"hi"}]}`)
	if resp.StatusCode != 200 || !strings.Contains(answer, "a cat") {
		t.Fatalf("%d %s", resp.StatusCode, answer)
	}
	var sent map[string]any
	if err := json.Unmarshal(body, &sent); err != nil || sent["model"] != "llama" || seen.URL.Path != "/v1/chat/completions" || seen.Header.Get("Authorization") != "Bearer up-key" {
		t.Errorf("sent %s to %s with %v", body, seen.URL, seen.Header)
	}
	text, err := s.service.Expand(t.Context(), "a cat")
	if err != nil || text != "Description: a cat" {
		t.Errorf("%q, %v", text, err)
	}
	up.Close()
	if resp, _ := call(t, s, "POST", "/v1/chat/completions", keys.API, `{"messages":[{"role":"user","content":"hi"}]}`); resp.StatusCode < 500 {
		t.Errorf("without the upstream: %d", resp.StatusCode)
	}
	s, keys = realServer(t, nil)
	if resp, body := call(t, s, "POST", "/v1/chat/completions", keys.API, `{"messages":[{"role":"user","content":"hi"}]}`); resp.StatusCode == 200 || !strings.Contains(body, "upstreams.chat") {
		t.Errorf("no upstream configured: %d %s", resp.StatusCode, body)
	}
}

// TestExpansionsAreText: the chat model's answer is stored in the database too,
// so invalid text is not used. No request fails because of it.
func TestExpansionsAreText(t *testing.T) {
	says := `a \u0000 cat`
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"choices":[{"message":{"role":"assistant","content":"` + says + `"}}]}`))
	}))
	defer up.Close()
	s, keys := realServer(t, func(c *Config) { c.Upstreams.Chat.URL, c.Upstreams.Chat.Model = up.URL+"/v1", "llama" })
	if text, err := s.service.Expand(t.Context(), "a cat"); job.CodeOf(err) != job.Unavailable {
		t.Errorf("%q, %v", text, err)
	}
	for _, says = range []string{`a \u0000 cat`, `a \u200b cat`} {
		_, answer := call(t, s, "POST", "/v1/video_generation", keys.API, `{"model":"T2V-01","prompt":"a cat"}`)
		if !strings.Contains(answer, `"status_code":0`) || !strings.Contains(answer, "the prompt was taken as it is") {
			t.Errorf("the model says %s: %s", says, answer)
		}
	}
}

func TestLinkKeyIsKept(t *testing.T) {
	dir := t.TempDir()
	one, err := linkKey(dir)
	if err != nil || len(one) != 32 {
		t.Fatal(len(one), err)
	}
	two, err := linkKey(dir)
	if err != nil || !bytes.Equal(one, two) {
		t.Errorf("the second start has another key: %v", err)
	}
	if info, err := os.Stat(filepath.Join(dir, linkKeyFile)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file: %v, %v", info, err)
	}
	if err := os.WriteFile(filepath.Join(dir, linkKeyFile), []byte("cut"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := linkKey(dir); err == nil || errors.Is(err, os.ErrNotExist) {
		t.Errorf("a damaged key: %v", err)
	}
}
