package server

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/kinora-video/kinora/internal/auth"
	"github.com/kinora-video/kinora/internal/store"
	"github.com/kinora-video/kinora/internal/studio"
)

// browse sends a request as a browser does that has a session's cookie.
func browse(t *testing.T, s *Server, method, path, cookie, token, body string, header ...string) (*http.Response, string) {
	t.Helper()
	h := []string{"Cookie", cookie, "Sec-Fetch-Site", "same-origin"}
	if token != "" {
		h = append(h, studio.CSRFHeader, token)
	}
	return call(t, s, method, path, "", body, append(h, header...)...)
}

var csrfMeta = regexp.MustCompile(`<meta name="csrf" content="([^"]+)">`)

// session signs in with a key.
func session(t *testing.T, s *Server, key string) (cookie, token string) {
	t.Helper()
	resp, _ := call(t, s, "POST", "/studio/sign-in", "", url.Values{"key": {key}}.Encode(), "Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "same-origin")
	if resp.StatusCode != http.StatusSeeOther || len(resp.Cookies()) != 1 {
		t.Fatalf("signing in: %d %v", resp.StatusCode, resp.Header)
	}
	cookie = resp.Cookies()[0].Name + "=" + resp.Cookies()[0].Value
	_, page := browse(t, s, "GET", "/studio/", cookie, "", "")
	m := csrfMeta.FindStringSubmatch(page)
	if m == nil {
		t.Fatalf("no token in %s", page)
	}
	return cookie, m[1]
}

// TestStudioSession: a session may do in the native API what its key may, in its own
// project, and nothing in the APIs of others.
func TestStudioSession(t *testing.T) {
	s, keys := realServer(t, nil)
	if resp, _ := call(t, s, "GET", "/", "", ""); resp.Header.Get("Location") != studio.Path {
		t.Errorf("/ leads to %q", resp.Header.Get("Location"))
	}
	cookie, token := session(t, s, keys.API)
	other, err := s.db.CreateProject(t.Context(), store.Project{Name: "other", Plan: "unlimited", Postpaid: true, Weight: 1})
	if err != nil {
		t.Fatal(err)
	}
	otherKey, _, err := auth.Issue(t.Context(), s.db, store.Key{Project: other.ID, Name: "k"})
	if err != nil {
		t.Fatal(err)
	}
	_, made := call(t, s, "POST", "/v1/jobs", otherKey, `{"prompt":"secret"}`)
	theirs := regexp.MustCompile(`job_\d{16}`).FindString(made)
	_, uploaded := upload(t, s, otherKey)
	theirFile := regexp.MustCompile(`file_\d+`).FindString(uploaded)
	hostile := `{"prompt":"</script><img src=x onerror=alert(1)>\u202e\" ' &","metadata":{"<b>":"<i>"}}`
	for _, tt := range []struct {
		name, method, path, token, body string
		status                          int
	}{
		{"reading", "GET", "/v1/jobs", "", "", 200},
		{"what models can do", "GET", "/v1/capabilities?own=true", "", "", 200},
		{"making a video", "POST", "/v1/jobs", token, `{"prompt":"a red ball"}`, 202},
		{"a hostile prompt", "POST", "/v1/jobs", token, strings.ReplaceAll(hostile, `\u202e`, ""), 202},
		{"making one without the token", "POST", "/v1/jobs", "", `{"prompt":"a red ball"}`, 403},
		{"a key's scope", "GET", "/v1/admin/projects", "", "", 403},
		{"another project's job", "GET", "/v1/jobs/" + theirs, "", "", 404},
		{"its files", "GET", "/v1/jobs/" + theirs + "/files/video", "", "", 404},
		{"cancelling it", "POST", "/v1/jobs/" + theirs + "/cancel", token, "", 404},
		{"asking for it again", "POST", "/v1/jobs/" + theirs + "/again", token, "", 404},
		{"deleting it", "DELETE", "/v1/jobs/" + theirs, token, "", 404},
		{"going on from it", "POST", "/v1/jobs", token, `{"prompt":"p","after":"` + theirs + `"}`, 400},
		{"another project's file", "POST", "/v1/jobs", token, `{"image":{"file_id":"` + theirFile + `"}}`, 400},
		{"that file", "GET", "/v1/uploads/" + theirFile, "", "", 404},
		{"OpenAI's API", "GET", "/v1/videos", "", "", 401},
		{"OpenAI's models", "GET", "/v1/models", "", "", 401},
		{"MiniMax's API", "POST", "/v2/video_generation", token, `{}`, 401},
	} {
		resp, body := browse(t, s, tt.method, tt.path, cookie, tt.token, tt.body)
		if resp.StatusCode != tt.status || strings.Contains(body, "secret") {
			t.Errorf("%s: %d %s, want %d", tt.name, resp.StatusCode, body, tt.status)
		}
		if kind := resp.Header.Get("Content-Type"); strings.Contains(kind, "html") || resp.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s is answered as %s", tt.name, kind)
		}
	}
	if resp, _ := call(t, s, "GET", "/v1/jobs", "kn-wrong", "", "Cookie", cookie); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("a key that does not hold, beside a session: %d", resp.StatusCode)
	}
	resp, _ := browse(t, s, "POST", "/studio/sign-out", cookie, "", url.Values{"token": {token}}.Encode(), "Content-Type", "application/x-www-form-urlencoded")
	if resp.StatusCode != http.StatusSeeOther {
		t.Fatalf("signing out: %d", resp.StatusCode)
	}
	for _, path := range []string{"/v1/jobs", "/v1/events", "/v1/account"} {
		if resp, body := browse(t, s, "GET", path, cookie, token, ""); resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s with the stolen cookie: %d %s", path, resp.StatusCode, body)
		}
	}
}

// upload sends a picture.
func upload(t *testing.T, s *Server, key string) (*http.Response, string) {
	t.Helper()
	const form = "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"<img src=x onerror=alert(1)>.png\"\r\n\r\n\x89PNG\r\n\x1a\n\r\n--x--\r\n"
	resp, body := call(t, s, "POST", "/v1/uploads", key, form, "Content-Type", "multipart/form-data; boundary=x")
	if resp.StatusCode != http.StatusCreated {
		t.Fatalf("upload: %d %s", resp.StatusCode, body)
	}
	return resp, body
}

// TestStudioAcrossSites: neither a form nor a script of another site can use a session,
// and no page can be framed.
func TestStudioAcrossSites(t *testing.T) {
	s, keys := realServer(t, func(c *Config) { c.CORSOrigins = []string{"https://app.example.com"} })
	cookie, token := session(t, s, keys.API)
	for _, h := range [][]string{
		{"Sec-Fetch-Site", "cross-site", "Origin", "https://app.example.com"},
		{"Sec-Fetch-Site", "same-site", "Origin", "http://example.com:3000"},
		{"Sec-Fetch-Site", "", "Origin", "https://evil.example"},
		{"Sec-Fetch-Site", "", "Origin", "null"},
	} {
		for _, kind := range []string{"application/json", "text/plain", "application/x-www-form-urlencoded"} {
			resp, body := browse(t, s, "POST", "/v1/jobs", cookie, token, `{"prompt":"a red ball"}`, append(h, "Content-Type", kind)...)
			if resp.StatusCode != http.StatusForbidden || resp.Header.Get("Access-Control-Allow-Credentials") != "" {
				t.Errorf("%v as %s: %d %s", h, kind, resp.StatusCode, body)
			}
		}
	}
	if resp, _ := browse(t, s, "GET", "/v1/jobs", cookie, "", "", "Sec-Fetch-Site", "cross-site"); resp.StatusCode != http.StatusForbidden {
		t.Errorf("reading from another site: %d", resp.StatusCode)
	}
	for _, path := range []string{"/studio/", "/studio/queue", "/studio/sign-in"} {
		resp, _ := browse(t, s, "GET", path, cookie, "", "")
		if !strings.Contains(resp.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'") || resp.Header.Get("X-Frame-Options") != "DENY" {
			t.Errorf("%s can be framed", path)
		}
	}
	jobs, _, err := s.db.Jobs(t.Context(), store.JobFilter{Project: projectOf(t, s, keys.API)})
	if err != nil || len(jobs) != 0 {
		t.Errorf("%d jobs were made: %v", len(jobs), err)
	}
}

func projectOf(t *testing.T, s *Server, key string) int64 {
	t.Helper()
	who, err := s.auth.Check(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return who.Project.ID
}

// TestStudioSlowsGuessers: who tries keys in the form is slowed down as in the APIs.
func TestStudioSlowsGuessers(t *testing.T) {
	s, _ := realServer(t, func(c *Config) { c.Limits.AnonymousRPM = 3 })
	var last *http.Response
	for range 5 {
		last, _ = call(t, s, "POST", "/studio/sign-in", "", "key=kn-wrong", "Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "same-origin")
	}
	if last.StatusCode != http.StatusTooManyRequests || last.Header.Get("Retry-After") == "" {
		t.Errorf("the fifth guess: %d %v", last.StatusCode, last.Header)
	}
}

// TestNoStudio: a server without it has no pages, and takes no cookie.
func TestNoStudio(t *testing.T) {
	s, keys := realServer(t, func(c *Config) { c.Studio = false })
	who, err := s.auth.Check(t.Context(), keys.API)
	if err != nil {
		t.Fatal(err)
	}
	secret, _, err := s.auth.StartSession(t.Context(), who)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]int{"/studio/": 404, "/studio/sign-in": 404, "/v1/jobs": 401} {
		if resp, body := browse(t, s, "GET", path, "kinora_session="+secret, "", ""); resp.StatusCode != want {
			t.Errorf("%s: %d %s, want %d", path, resp.StatusCode, body, want)
		}
	}
	if resp, _ := call(t, s, "GET", "/", "", ""); resp.Header.Get("Location") != "/docs" {
		t.Errorf("/ leads to %q", resp.Header.Get("Location"))
	}
	if _, err := s.Invite(t.Context(), "http://x"); err == nil {
		t.Error("it invites to a studio that is not there")
	}
}

// TestInvite: the address that kinora studio opens signs in with every scope, once.
func TestInvite(t *testing.T) {
	s, _ := realServer(t, nil)
	link, err := s.Invite(t.Context(), "http://127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(link)
	if err != nil || u.Host != "127.0.0.1:1" || u.Path != "/studio/enter" || u.RawQuery != "" || u.Fragment == "" {
		t.Fatalf("the link is %s: %v", link, err)
	}
	enter := func() *http.Response {
		r := httptest.NewRequestWithContext(t.Context(), "POST", u.Path, strings.NewReader(url.Values{"code": {u.Fragment}}.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		return w.Result()
	}
	resp := enter()
	if len(resp.Cookies()) != 1 {
		t.Fatalf("%d %v", resp.StatusCode, resp.Header)
	}
	cookie := resp.Cookies()[0].Name + "=" + resp.Cookies()[0].Value
	if resp, body := browse(t, s, "GET", "/v1/admin/projects", cookie, "", ""); resp.StatusCode != 200 {
		t.Errorf("as the operator: %d %s", resp.StatusCode, body)
	}
	if resp := enter(); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("the second time: %d", resp.StatusCode)
	}
}
