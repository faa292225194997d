package server

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// TestNowhere: an unknown path or method is answered in the form of the API it
// would belong to, with the endpoint that was probably meant.
func TestNowhere(t *testing.T) {
	s, keys := realServer(t, nil)
	for _, tt := range []struct {
		method, path string
		status       int
		allow        string
		parts        []string
	}{
		{"PUT", "/v1/videos", 405, "GET, HEAD, POST", []string{`"error":{`, `"method_not_supported"`}},
		{"OPTIONS", "/v1/videos", 405, "GET, HEAD, POST", []string{`"error":{`}},
		{"PATCH", "/v1/videos/video_1", 405, "DELETE, GET, HEAD", []string{`"error":{`}},
		{"GET", "/v1/files/upload", 405, "POST", []string{`"status_code":2013`}},
		{"DELETE", "/v1/files/list", 405, "GET, HEAD", []string{`"status_code":2013`}},
		{"GET", "/v1/videos/extensions", 405, "POST", []string{`"error":{`}},
		{"GET", "/v1/chat/completions", 405, "POST", []string{`"error":{`, `"base_resp"`}},
		{"GET", "/v1/video_generation", 405, "POST", []string{`"status_code":2013`}},
		{"POST", "/v2/query/video_generation", 405, "GET, HEAD", []string{`"type":"error"`, `"http_code":"405"`}},
		{"PUT", "/v1/jobs", 405, "GET, HEAD, POST", []string{`"status":405`, `"code":"no_method"`}},
		{"POST", "/healthz", 405, "GET, HEAD", []string{`"status":405`}},
		{"POST", "/media/video/ab/x.mp4", 405, "GET, HEAD", []string{`"status":405`}},
		{"POST", "/videos", 404, "", []string{`"error":{`, "/v1/videos", "base URL"}},
		{"GET", "/videos/video_1", 404, "", []string{`"error":{`, "/v1/videos/video_1", "base URL"}},
		{"POST", "/chat/completions", 404, "", []string{`"error":{`, "/v1/chat/completions", "base URL"}},
		{"POST", "/video_generation", 404, "", []string{`"status_code":2013`, "/v1/video_generation"}},
		{"POST", "/v1/v1/video_generation", 404, "", []string{`"status_code":2013`, " /v1/video_generation", "base URL"}},
		{"POST", "/v1/v2/video_generation", 404, "", []string{`"type":"error"`, " /v2/video_generation", "base URL"}},
		{"GET", "/api/v1/jobs", 404, "", []string{`"code":"no_endpoint"`, " /v1/jobs"}},
		{"POST", "/jobs", 404, "", []string{`"code":"no_endpoint"`, "/v1/jobs"}},
		{"POST", "/v1/videos/", 404, "", []string{`"error":{`, "/v1/videos"}},
		{"POST", "/v1//nothing", 404, "", []string{`"status":404`}},
		{"POST", "/v1/images/generations", 404, "", []string{`"error":{`, `"unknown_url"`}},
		{"POST", "/v1/responses", 404, "", []string{`"error":{`}},
		{"POST", "/v1/music_generation", 404, "", []string{`"status_code":2013`}},
		{"POST", "/v1/files/a/b/c", 404, "", []string{`"status_code":2013`}},
		{"POST", "/v2/nothing", 404, "", []string{`"type":"error"`, `"http_code":"404"`}},
		{"GET", "/v1/videos/a/b", 404, "", []string{`"error":{`, `"unknown_url"`}},
		{"POST", "/v1/videos/a/remixx", 404, "", []string{`"error":{`, `"unknown_url"`}},
		{"POST", "/v1/videos/a/content", 405, "GET, HEAD", []string{`"error":{`}},
		{"POST", "/v1/videos/a/b/c", 404, "", []string{`"error":{`, `"unknown_url"`}},
		{"GET", "*", 404, "", []string{`"status":404`}},
		{"POST", "*", 404, "", []string{`"status":404`}},
		{"GET", "/v1", 404, "", []string{`"status":404`, "/docs"}},
		{"GET", "/favicon.ico", 404, "", []string{`"status":404`}},
	} {
		for _, key := range []string{keys.API, ""} {
			resp, body := call(t, s, tt.method, tt.path, key, "")
			if resp.StatusCode != tt.status || resp.Header.Get("Allow") != tt.allow || !json.Valid([]byte(body)) || !strings.Contains(resp.Header.Get("Content-Type"), "json") {
				t.Errorf("%s %s: %d, allow %q, %s", tt.method, tt.path, resp.StatusCode, resp.Header.Get("Allow"), body)
			}
			for _, part := range tt.parts {
				if !strings.Contains(body, part) {
					t.Errorf("%s %s: %q is not in %s", tt.method, tt.path, part, body)
				}
			}
		}
	}
	resp, _ := call(t, s, "POST", "/v1//jobs", keys.API, `{"prompt":"a ball"}`)
	if to := resp.Header.Get("Location"); to != "/v1/jobs" || resp.StatusCode != http.StatusTemporaryRedirect {
		t.Errorf("a slash too many: %d to %q", resp.StatusCode, to)
	}
}
