package server

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/kinora-video/kinora/internal/job"
)

func TestChatWords(t *testing.T) {
	for body, want := range map[string]string{
		`{}`: "",
		`{"model":"m","messages":[{"role":"user","content":"hi"}],"stream":true,"n":1,"stop":null}`: "hi",
		`{"messages":[{"role":"system","content":"be kind"},{"role":"user","name":"ann","content":[{"type":"text","text":"look"},` +
			`{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA","detail":"low"}},{"type":"input_audio","input_audio":{"data":"BBBB","format":"wav"}}]}]}`: "be kind\nann\nlook",
		`{"messages":[{"content":["one",{"text":"two"},["three"]]}]}`:                                                                      "one\ntwo\nthree",
		`{"messages":[{"content":"good","Content":"twice","content":"again"}],"Messages":[{"content":"hidden"}]}`:                          "good\ntwice\nagain\nhidden",
		`{"messages":[{"tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}]}],"stop":["x","y"]}`:   "f\n{\"a\":1}\nx\ny",
		`{"tools":[{"type":"function","function":{"description":"draws","parameters":{"type":"object"}}}],"messages":[],"role":["a","b"]}`: "draws",
		`{"image_url":["https://a.example/"],"a":{"url":"b"},"c":"d"}`:                                                                     "d",
	} {
		if got, err := chatWords([]byte(body)); err != nil || got != want {
			t.Errorf("%s:\n%q, %v, want %q", body, got, err, want)
		}
	}
	long := strings.Repeat("word ", maxChatWords/10)
	if _, err := chatWords([]byte(`{"messages":[{"content":"` + long + `"}]}`)); err != nil {
		t.Errorf("half of what there may be: %v", err)
	}
	if _, err := chatWords([]byte(`{"a":"` + long + `","b":"` + long + `xxxxxxxxxx"}`)); job.CodeOf(err) != job.TooLarge {
		t.Errorf("more than there may be: %v", err)
	}
	for _, body := range []string{`{"a":`, `{"a" "b"}`, `]`} {
		if _, err := chatWords([]byte(body)); job.CodeOf(err) != job.Invalid {
			t.Errorf("%s: %v", body, err)
		}
	}
}

// FuzzChatWords: whatever JSON there is, no word of its own is missed in a
// message beside it.
func FuzzChatWords(f *testing.F) {
	for _, s := range []string{`{"a":"b"}`, `[1,"x",{"c":[]}]`, `"s"`, `{"content":{"url":{"text":"t"}}}`, `null`, `{"a":{"b":[{"c":"d"}]},"a":1}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !json.Valid([]byte(s)) {
			_, _ = chatWords([]byte(s)) // it ends
			return
		}
		got, err := chatWords([]byte(`{"before":` + s + `,"messages":[{"role":"user","content":"the words"}]}`))
		if err != nil || got != "the words" && !strings.HasSuffix(got, "\nthe words") {
			t.Errorf("%s: %q, %v", s, got, err)
		}
	})
}

// TestChatIsModerated: what word lists or the operator's service refuse never
// reaches the chat upstream.
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
		t.Error("the service was asked about no words at all")
	}
}
