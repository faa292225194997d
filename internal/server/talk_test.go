package server

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/kinora-video/kinora"
	"github.com/kinora-video/kinora/internal/model/lm/lmtest"
	"github.com/kinora-video/kinora/internal/worker"
)

// TestLanguageModel: a server with a language model answers both chat endpoints by it,
// lists it, and reports what it was used for.
func TestLanguageModel(t *testing.T) {
	m, err := kinora.OpenChat(t.Context(), lmtest.Folder(t), kinora.ChatOptions{Context: 256, Parallel: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	c := DefaultConfig()
	c.Data, c.Limits.FreeSpace = t.TempDir(), 0
	card, err := kinora.Open(t.Context(), "testcard", kinora.WithLatentsDir(c.Data))
	if err != nil {
		t.Fatal(err)
	}
	engines := map[string]worker.Engine{"testcard": worker.Model(card), "reel": worker.Model(card)}
	s, err := New(t.Context(), Options{Config: c, Engines: engines, Talker: m, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	keys, err := s.Bootstrap(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const ask = `{"model":"gpt-4o-mini","messages":[{"role":"user","content":"hello"}],"max_tokens":12,"seed":3`
	for _, path := range []string{"/v1/chat/completions", "/v1/text/chatcompletion_v2"} {
		resp, answer := call(t, s, "POST", path, keys.API, ask+"}")
		if resp.StatusCode != 200 || !strings.Contains(answer, `"completion_tokens":12`) || !strings.Contains(answer, `"finish_reason":"length"`) || !strings.Contains(answer, `"status_code":0`) {
			t.Errorf("%s: %d %s", path, resp.StatusCode, answer)
		}
		resp, answer = call(t, s, "POST", path, keys.API, ask+`,"stream":true}`)
		if resp.StatusCode != 200 || strings.Count(answer, "chat.completion.chunk") < 5 || !strings.HasSuffix(answer, "data: [DONE]\n\n") {
			t.Errorf("%s, streamed: %d %s", path, resp.StatusCode, answer)
		}
		resp, answer = call(t, s, "POST", path, keys.API, ask+`,"response_format":{"type":"json_schema","json_schema":{"schema":{"type":"nonsense"}}}}`)
		if !strings.Contains(answer, "response_format: ") || !strings.Contains(answer, "nonsense") {
			t.Errorf("%s, a schema that is none: %d %s", path, resp.StatusCode, answer)
		}
		resp, answer = call(t, s, "POST", path, keys.API, `{"messages":[{"role":"user","content":"`+strings.Repeat("long ", 100)+`"}]}`)
		if !strings.Contains(answer, "may have 256: shorten the conversation") {
			t.Errorf("%s, too long: %d %s", path, resp.StatusCode, answer)
		}
	}
	if _, answer := call(t, s, "GET", "/v1/models", keys.API, ""); !strings.Contains(answer, `"id":"gpt-4o-mini"`) || !strings.Contains(answer, `"context_tokens":256`) {
		t.Errorf("the models are %s", answer)
	}
	if resp, answer := call(t, s, "GET", "/v1/models/gpt-4o-mini", keys.API, ""); resp.StatusCode != 200 || !strings.Contains(answer, `"kind":"language"`) {
		t.Errorf("%d %s", resp.StatusCode, answer)
	}
	if _, answer := call(t, s, "GET", "/v1/usage", keys.API, ""); strings.Count(answer, `"chat"`) != 4 {
		t.Errorf("the usage is %s", answer)
	}
}
