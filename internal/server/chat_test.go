package server

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// TestChatIsModerated: a text that the word lists or the operator's service
// refuse never reaches the chat upstream.
func TestChatIsModerated(t *testing.T) {
	var asked, reviewed atomic.Int64
	var question atomic.Value
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"choices":[{"message":{"role":"assistant","content":"gore"}}]}`)
	}))
	defer up.Close()
	review := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reviewed.Add(1)
		body, _ := io.ReadAll(r.Body)
		question.Store(string(body))
		allow := !strings.Contains(string(body), "weapons")
		_ = json.NewEncoder(w).Encode(map[string]bool{"allow": allow})
	}))
	defer review.Close()
	s, keys := realServer(t, func(c *Config) {
		c.Upstreams.Chat.URL = up.URL + "/v1"
		c.Moderation.Words = map[string][]string{"en": {"gore"}}
		c.Moderation.Webhook.URL = review.URL
	})
	for _, tt := range []struct {
		body string
		code string // of base_resp
		kind string // OpenAI's
	}{
		{`{"messages":[{"role":"user","content":"a ball"}]}`, `"status_code":0`, ""},
		{`{"messages":[{"role":"user","content":"a ball"},{"role":"assistant","content":"fine"},{"role":"user","content":[{"type":"text","text":"more GORE"}]}]}`, `"status_code":1026`, "moderation_blocked"},
		{`{"messages":[{"role":"system","content":"about gore"},{"role":"user","content":"a ball"}]}`, `"status_code":1026`, "moderation_blocked"},
		{`{"messages":[{"role":"user","content":"about weapons"}]}`, `"status_code":1026`, "moderation_blocked"},
		{`{"messages":[{"role":"user","content":"a\u200bball"}]}`, `"status_code":1042`, "invalid_prompt"},
	} {
		for _, path := range []string{"/v1/chat/completions", "/v1/text/chatcompletion_v2"} {
			before := asked.Load()
			resp, answer := call(t, s, "POST", path, keys.API, tt.body)
			refused := tt.kind != ""
			if !strings.Contains(answer, tt.code) || (asked.Load() == before) != refused {
				t.Errorf("%s %s: %d %s; the upstream was asked %d times", path, tt.body, resp.StatusCode, answer, asked.Load()-before)
			}
			if path == "/v1/chat/completions" && refused && (resp.StatusCode != 400 || !strings.Contains(answer, tt.kind) || !strings.Contains(answer, `"param":"messages"`)) {
				t.Errorf("%s: %d %s, want %s", tt.body, resp.StatusCode, answer, tt.kind)
			}
		}
	}
	n := reviewed.Load()
	call(t, s, "POST", "/v1/chat/completions", keys.API, `{"messages":[{"role":"user","content":"one"},{"role":"user","content":"two"}]}`)
	if q, _ := question.Load().(string); reviewed.Load() != n+1 || !strings.Contains(q, `"type":"prompt"`) || !strings.Contains(q, `"one\ntwo"`) {
		t.Errorf("asked %d times, the last with %s", reviewed.Load()-n, q)
	}
	call(t, s, "POST", "/v1/chat/completions", keys.API, `{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://a.example/"}}]}]}`)
	if reviewed.Load() != n+1 {
		t.Error("the service was asked about an empty text")
	}
}
